"""What the operating system and the memory refuse, as errors that say what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from snn_core.errors import DataError, OutOfMemoryError, SNNError


@contextmanager
def explain_failures(*, memory: str) -> Iterator[None]:
    """Turn what the operating system and the memory refuse into errors that say what to do.

    It works as a decorator, too. All that users call and each command runs in it, so that nothing
    has to expect that a disk is full or a path is of the wrong kind.

    Parameters
    ----------
    memory
        How to need less memory.

    Raises
    ------
    DataError
        In place of an `OSError`.
    OutOfMemoryError
        In place of a `MemoryError`.
    """
    try:
        yield
    except SNNError:
        raise
    except MemoryError as error:
        found = f" ({error})" if str(error) else ""
        raise OutOfMemoryError(f"There is not enough memory{found}. {memory}") from error
    except OSError as error:
        raise DataError(_explain(error)) from error


def _explain(error: OSError) -> str:
    if error.errno == errno.EPIPE:
        return "The output was closed before all of it was written."
    said = str(error.strerror or error).rstrip(".")
    what = f"Cannot read or write {error.filename}" if error.filename else "Cannot read or write"
    return f"{what}: {said}. {_ADVICE.get(error.errno or 0, 'Check the path and try again.')}"


def cannot_read(what: object, error: OSError) -> str:
    """Return the message that something cannot be read, why, and what to do."""
    advice = _READING.get(error.errno or 0, "Check the path and try again.")
    return f"Cannot read {what}: {str(error.strerror or error).rstrip('.')}. {advice}"


_READING = {
    errno.EACCES: "Choose one that you may read, or change its permissions.",
    errno.EPERM: "Choose one that you may read, or change its permissions.",
    errno.EISDIR: "Choose a file.",
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Check the path.",
    errno.ELOOP: "Check where its links lead.",
    errno.EMFILE: "Raise the limit on open files (ulimit -n).",
}

_ADVICE = {
    errno.ENOSPC: "Make room on the disk, or choose another one.",
    errno.EDQUOT: "Make room on the disk, or choose another one.",
    errno.EACCES: "Choose a path that you may use.",
    errno.EPERM: "Choose a path that you may use.",
    errno.EROFS: "Choose a path that you may write.",
    errno.EMFILE: "Raise the limit on open files (ulimit -n).",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}

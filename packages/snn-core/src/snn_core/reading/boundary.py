"""The boundary around every reader: what a file causes leaves as one error that names the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snn_core.errors import SNNError, printable_line
from snn_core.files import cannot_read, require_file
from snn_core.reading.budget import BudgetExceededError, open_budget

_BUGS = (AssertionError, NameError, ImportError)
"""What no content of a file leads to."""

_OBJECT = re.compile(r" ?<[\w.]+ object at 0x[0-9a-fA-F]+>")
"""What Python says of a file in memory, whose place there tells a user nothing."""

_SHOWN = 300
"""Letters of a foreign error's text that a message repeats."""


@contextmanager
def limit_memory(
    what: str | Path, *, error: type[SNNError], enabled: bool = True
) -> Iterator[None]:
    """Give the block the memory of one file; an ``error`` names what would take more of it."""
    try:
        with open_budget(enabled=enabled):
            yield
    except BudgetExceededError as problem:
        raise error(f"{printable_line(what)}: {problem}") from problem


@contextmanager
def while_reading(
    what: str | Path,
    *,
    error: type[SNNError],
    advice: str,
    said: str = "cannot be read",
    memory: bool = True,
    file: Path | None = None,
) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an error that names it.

    Readers of zip, HDF5, JSON, NumPy and protocol buffers raise errors of about twenty types on
    damaged files, and nobody can list them all; so none are listed. Nothing but reading belongs
    into the block: a bug in what comes after would pass for a damaged file. The original error is
    the cause of the new one, so that nothing is lost.

    Whatever a reader opens, it opens in such a block; so this is also where a pipe or a device is
    refused, which would be waited for.

    Parameters
    ----------
    what
        The file, and where in it if that is known.
    error
        Class of the error that is raised.
    advice
        What to do, a sentence without a full stop.
    said
        What is said of the file, where more is known of what it should be.
    memory
        Whether this is one file, which has the whole `memory_limit` to itself, unless the block
        lies in another one that has.
    file
        The file, where ``what`` is a text.

    Raises
    ------
    SNNError
        An ``error``. Errors of this family, and those of the operating system about a path, which
        say themselves what is wrong, pass as they are; so does a lack of memory.
    """
    try:
        with limit_memory(what, error=error, enabled=memory):
            file = what if isinstance(what, Path) else file
            if file is not None:
                require_file(file, error=error)
            yield
    except (SNNError, MemoryError, *_BUGS):
        raise
    except Exception as problem:
        name = printable_line(what)
        if isinstance(problem, OSError) and problem.filename is not None:
            raise error(cannot_read(name, problem)) from problem
        raise error(f"{name} {said} ({describe(problem)}); {advice}.") from problem


def describe(problem: BaseException) -> str:
    """Return type and text of a foreign error in one line of bounded length."""
    text = " ".join(_OBJECT.sub("", str(problem)).split())
    if len(text) > _SHOWN:
        text = f"{text[:_SHOWN]} ..."
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__

"""Locks between processes: one at a time works in a folder, and its death sets the folder free."""

from __future__ import annotations

import os
import platform
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from snn_core.errors import DataError, SNNError

_OWNER = re.compile(rb"(\d{1,10}) ([\w.-]{0,100})\n")
"""What a lock file holds: the number of the process that locked it last, and its computer."""

_LONGEST = 128
"""Bytes of a lock file, at most."""

_BEHIND = 2**30
"""Where in a lock file Windows locks a byte; others cannot read what is locked."""


class LockedError(SNNError):
    """Another process holds a lock."""


def try_lock(handle: int) -> bool:
    """Lock an open file for as long as it stays open, and return whether that was possible.

    The system drops the lock when the process ends, however it ends. Where a file system knows no
    locks, as some do that are reached over a network, nothing is locked, and that is no failure.

    Parameters
    ----------
    handle
        Descriptor of the file.
    """
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(handle, _BEHIND, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file during the block, and remove it in the end.

    A file that a killed process left is taken over. Where none can be made, the block goes on
    without: whoever writes next to it fails with a better message.

    Raises
    ------
    LockedError
        If another process holds it; names the process.
    DataError
        If something is in its place that cannot be locked.
    """
    handle = _open_locked(path, make=True)
    if handle is None:
        yield
        return
    try:
        with suppress(OSError):  # it is another user's, and tells of them
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, f"{os.getpid()} {platform.node()[:100]}\n".encode())
        yield
    finally:
        _remove(path, handle)


def require_unlocked(path: Path) -> None:
    """Make sure that no process holds a lock file; none is made.

    Raises
    ------
    LockedError, DataError
        See `locked`.
    """
    handle = _open_locked(path, make=False)
    if handle is not None:
        os.close(handle)


def _open_locked(path: Path, *, make: bool) -> int | None:
    """Return the descriptor of a locked file, or ``None`` if there is none, or there cannot be."""
    while True:
        handle, is_writable = _open(path, make=make)
        if handle is None:
            return None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST:
            os.close(handle)
            raise _unlockable(path, "it is no lock file")
        if not try_lock(handle):
            owner = _describe_owner(handle)
            os.close(handle)
            raise LockedError(f"{path} is locked by {owner}.")
        with suppress(OSError):
            if os.path.samestat(found, path.stat()):
                if is_writable or not make:
                    return handle
                with suppress(PermissionError):  # what another user left is replaced, or kept
                    path.unlink()
                    raise FileNotFoundError
                return handle
        os.close(handle)  # it was removed in the meantime


def _open(path: Path, *, make: bool) -> tuple[int | None, bool]:
    """Return the descriptor of a file, and whether it can be written; other users' can be read."""
    # A link is not followed, and a pipe not waited for.
    safely = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, safely | os.O_RDWR | (os.O_CREAT if make else 0), 0o666), True
    except OSError as error:
        with suppress(OSError):
            return os.open(path, safely | os.O_RDONLY), False
        if os.path.lexists(path):
            raise _unlockable(path, error.strerror or str(error)) from error
        return None, False


def _unlockable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be locked: {reason}. Remove it if no other process works there."
    )


def _remove(path: Path, handle: int) -> None:
    """Remove a lock file and let it go, in this order where the system removes open files."""
    if os.name == "nt":
        os.close(handle)
        with suppress(OSError):  # another process has taken it over
            path.unlink()
        return
    with suppress(OSError):
        if os.path.samestat(os.fstat(handle), path.stat()):
            path.unlink()
    os.close(handle)


def _describe_owner(handle: int) -> str:
    """Return the process that locked a file, and its computer if that is another one."""
    with suppress(OSError):
        os.lseek(handle, 0, os.SEEK_SET)
        found = _OWNER.fullmatch(os.read(handle, _LONGEST))
        if found:
            number, node = (part.decode() for part in found.groups())
            elsewhere = f" on {node}" if node != platform.node() else ""
            return f"process {number}{elsewhere}"
    return "another process"

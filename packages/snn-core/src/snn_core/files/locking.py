"""Locks between processes: one at a time works in a folder, and its death sets the folder free."""

from __future__ import annotations

import os
import platform
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from snn_core.errors import SNNError

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

    A file that a killed process left is taken over. Where none can be written, the block goes on
    without: whoever writes next to it fails with a better message.

    Raises
    ------
    LockedError
        If another process holds it; names the process.
    """
    handle = _open_locked(path, os.O_RDWR | os.O_CREAT)
    if handle is None:
        yield
        return
    try:
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
    LockedError
        See `locked`.
    """
    handle = _open_locked(path, os.O_RDWR)
    if handle is not None:
        os.close(handle)


def _open_locked(path: Path, flags: int) -> int | None:
    """Return the descriptor of a locked file, or ``None`` if there cannot be one."""
    # A link is not followed, and a pipe not waited for.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        try:
            handle = os.open(path, flags, 0o666)
        except OSError:
            return None
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST:  # it is somebody else's
            os.close(handle)
            return None
        if not try_lock(handle):
            owner = _describe_owner(handle)
            os.close(handle)
            raise LockedError(f"{path} is locked by {owner}.")
        with suppress(OSError):
            if os.path.samestat(found, path.stat()):
                return handle
        os.close(handle)  # its owner has removed it in the meantime


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

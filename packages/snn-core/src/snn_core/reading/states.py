"""Files that are read more than once: none may change in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snn_core.errors import DataError, SNNError


class FileStates:
    """The states in which files were found first; one that changes later is refused.

    Data sets and models are hashed once and read in parts, so that a file that somebody replaced
    in between would be used under the hash of the old one. Size, time of the last change and number
    of the file are compared, which costs no reading.

    Parameters
    ----------
    error
        Class of the error that is raised.
    """

    def __init__(self, *, error: type[SNNError] = DataError) -> None:
        self._error = error
        self._states: dict[Path, tuple[int, int, int]] = {}

    @contextmanager
    def watch(self, path: Path) -> Iterator[None]:
        """Make sure that a file is what it was, before and after a block that reads it.

        Raises
        ------
        SNNError
            The error given, if it is not.
        OSError
            If it is not there, or cannot be looked at.
        """
        self._compare(path)
        yield
        self._compare(path)

    def _compare(self, path: Path) -> None:
        found = path.stat()
        state = (found.st_size, found.st_mtime_ns, found.st_ino)
        if self._states.setdefault(path, state) != state:
            raise self._error(
                f"{path} changed after it was read for the first time; expected that it stays as "
                f"it was. Leave the files alone and start again."
            )

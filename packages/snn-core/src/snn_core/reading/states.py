"""Files that are read more than once: none may change in between."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from snn_core.errors import DataError, SNNError
from snn_core.reading.budget import memory_limit


@dataclass(frozen=True, kw_only=True)
class _State:
    """What a file was like: size, time of the last change and number; time of the last touch; hash.

    The hash of its content is empty where nothing is known of it.
    """

    main: tuple[int, int, int]
    touched_ns: int
    content: bytes


class FileStates:
    """The states in which files were found first; one that changes later is refused.

    Data sets and models are hashed once and read in parts, so that a file that somebody replaced
    in between would be used under the hash of the old one. Size, time of the last change and number
    of the file are compared, which costs no reading. That time can be set back, as copies do that
    keep times; the time of the last touch cannot, but new permissions and links to the file change
    it, too. Where it is all that differs, a hash of the content decides, taken the first time.

    Parameters
    ----------
    error
        Class of the error that is raised.
    """

    def __init__(self, *, error: type[SNNError] = DataError) -> None:
        self._error = error
        self._states: dict[Path, _State] = {}

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
        found, known = path.stat(), self._states.get(path)
        main = (found.st_size, found.st_mtime_ns, found.st_ino)
        if known is None:
            content = _hash(path, found)
        elif main == known.main and found.st_ctime_ns == known.touched_ns:
            return
        else:
            content = _hash(path, found) if main == known.main else b""
            if not content or content != known.content:
                raise self._error(
                    f"{path} changed after it was read for the first time; expected that it stays "
                    f"as it was. Leave the files alone and start again."
                )
        self._states[path] = _State(main=main, touched_ns=found.st_ctime_ns, content=content)


def _hash(path: Path, found: os.stat_result) -> bytes:
    """Return a hash of a file's content; nothing if no reader takes it, who will say why."""
    digest = hashlib.blake2b(digest_size=16)
    if not stat.S_ISREG(found.st_mode) or found.st_size > memory_limit():
        return b""
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError:
        return b""
    return digest.digest()

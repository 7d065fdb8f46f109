"""Files and folders: hashes, atomic writing, checks before work starts, and standard error."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from snn_core.errors import DataError, SNNError


def hash_file(path: Path, *, error: type[SNNError] = DataError) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits.

    Parameters
    ----------
    error
        Class of the error that is raised if the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as problem:
        raise error(f"Cannot read {path}: {problem.strerror or problem}.") from problem
    return digest.hexdigest()


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` when the block ends without an error.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)  # mkstemp's files are private
        Path(name).replace(path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        if isinstance(error, OSError):  # no space left, for example
            raise _not_writable(path, error) from error
        raise


def require_writable(path: Path) -> None:
    """Make sure that a file can be written, before the work that produces it.

    Raises
    ------
    DataError
        If its folder is missing or not writable, or it is a folder itself.
    """
    if path.is_dir():
        raise DataError(f"Cannot write {path}: it is a folder. Choose a file name in it.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"Cannot write {path}: {error.strerror or error}. Choose a folder that exists, has "
        f"room and that you may write."
    )


def make_folder(path: Path) -> None:
    """Create a folder with its parents, and make sure that it can be written.

    Raises
    ------
    DataError
        If it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise DataError(
            f"Cannot write to the folder {path}: {error.strerror or error}. Choose another output "
            f"folder."
        ) from error


@contextmanager
def redirect_process_stderr(file: IO[Any]) -> Iterator[None]:
    """Send what the whole process writes to its standard error into a file.

    Unlike `contextlib.redirect_stderr` this works on the file descriptor, which libraries in C and
    C++ write to. Nothing changes where there is no standard error.
    """
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError):
        yield
        return
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

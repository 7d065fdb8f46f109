"""Files and folders: hashes, atomic writing, checks before work, failures, standard error."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from snn_core.errors import DataError, SNNError
from snn_core.files.failures import cannot_read as cannot_read
from snn_core.files.failures import explain_failures as explain_failures


def hash_file(path: Path, *, error: type[SNNError] = DataError) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits.

    Parameters
    ----------
    error
        Class of the error that is raised if the file cannot be read.
    """
    digest = hashlib.sha256()
    require_file(path, error=error)
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    except OSError as problem:
        raise error(cannot_read(path, problem)) from problem
    return digest.hexdigest()


def as_path(value: Any, *, error: type[SNNError] = DataError) -> Path:
    """Return a path, or raise an ``error`` that says what was found in its place.

    What the system can have no file at is refused here: asking for it later would fail in ways of
    its own.
    """
    if value == "":  # which Python takes for the folder at hand
        raise error("Found an empty text in place of a path.")
    try:
        path = Path(value)
    except TypeError:
        raise error(f"Found {value!r} in place of a path; expected a text or a Path.") from None
    try:
        path.lstat()
    except ValueError:
        raise error(f"Found {str(path)!r} in place of a path; no path has a zero in it.") from None
    except OSError as problem:
        if problem.errno == errno.ENAMETOOLONG:
            raise error(
                f"Found a path of {len(str(path))} letters that begins with {str(path)[:60]!r}; it "
                f"or a name in it is too long for this system."
            ) from problem
    return path


NETWORK_SUFFIX = ".snn"
"""Ending of converted networks."""

MODEL_SUFFIXES = (".keras", ".h5", ".hdf5", ".onnx", ".pt2", ".pt", ".pth")
"""Endings of trained models, which are mistaken for converted networks, and the other way round."""

ARRAY_SUFFIXES = (".npz", ".npy")
"""Endings of files of arrays."""

_BY_SUFFIX = {
    NETWORK_SUFFIX: "a converted network",
    **dict.fromkeys(MODEL_SUFFIXES, "a trained model"),
    **dict.fromkeys(ARRAY_SUFFIXES, "a file of arrays, as samples are (--data)"),
}


def describe_path(path: Path) -> str:
    """Return what is there, where something else was expected; by its name if it is a file."""
    if (path / "run.json").exists():
        return "a folder with the results of a run, which `snn report` and `snn plot` show"
    if path.is_dir():
        return "a folder"
    return _BY_SUFFIX.get(path.suffix.lower(), "a file")


def require_file(path: Path, *, error: type[SNNError] = DataError) -> None:
    """Refuse what would be waited for instead of read: a pipe, a device or a socket.

    Raises
    ------
    SNNError
        An ``error`` that says what the path is. Missing files are left to who reads them.
    """
    form = None
    with suppress(OSError):
        form = stat.S_IFMT(path.stat().st_mode)
    if form is not None and form not in (stat.S_IFREG, stat.S_IFDIR):
        raise error(f"Cannot read {path}: it is {_SPECIAL.get(form, 'no file')}; expected a file.")


@dataclass(frozen=True)
class FileKind:
    """A kind of file that this family of packages writes, and may therefore replace.

    Parameters
    ----------
    name
        What to call one in a message.
    recognises
        Tells from a file's content whether it is one.
    """

    name: str
    recognises: Callable[[Path], bool]


@contextmanager
def atomic_write(
    path: Path, *, kind: FileKind | None = None, overwrite: bool = False
) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of ``path`` when the block ends without an error.

    What may be replaced is checked at both ends of the block; see `require_writable`.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    _require_replaceable(path, kind, overwrite=overwrite)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_PREFIX]}.")
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(handle)
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)  # mkstemp's files are private
        _require_replaceable(path, kind, overwrite=overwrite)
        Path(name).replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        if isinstance(error, OSError):  # no space left, for example
            raise _not_writable(path, error) from error
        raise


def _sync_folder(folder: Path) -> None:
    """Have a folder's list of files on the disk, so that a name outlives a loss of power."""
    with suppress(OSError):  # some systems and file systems can't
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def find_leftovers(path: Path) -> list[Path]:
    """Return the files that writing a file left half-written when it was killed."""
    wanted = re.compile(re.escape(f".{path.name[:_PREFIX]}.") + "[a-z0-9_]{8}")
    return [item for item in list_folder(path.parent) if wanted.fullmatch(item.name)]


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove files that were left half-written, as far as that is possible."""
    for path in paths:
        with suppress(OSError):
            path.unlink()


def require_writable(path: Path, *, kind: FileKind | None = None, overwrite: bool = False) -> None:
    """Make sure that a file can be written, before the work that produces it.

    Parameters
    ----------
    kind
        What the file will be. Only a file of this kind is ever replaced; any file if not given.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    DataError
        If its folder is missing or not writable, or there is something that must not be replaced:
        a folder, a link, a pipe or a device in any case.
    """
    _require_replaceable(path, kind, overwrite=overwrite)
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _not_writable(path, error) from error


_PREFIX = 100
"""Letters of a file's name in that of its temporary file, which may not grow too long."""

_SPECIAL = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


def _require_replaceable(path: Path, kind: FileKind | None, *, overwrite: bool) -> None:
    """Raise unless a file may take the place of what is at a path, if anything is there."""
    try:
        form = stat.S_IFMT(path.lstat().st_mode)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # such as a name that no file can have
        raise _not_writable(path, error) from error
    if form == stat.S_IFDIR:
        raise DataError(f"Cannot write {path}: it is a folder. Choose a file name in it.")
    if form != stat.S_IFREG:
        raise DataError(
            f"Cannot write {path}: it is {_SPECIAL.get(form, 'no plain file')}, which no file "
            f"replaces. Choose another name."
        )
    if kind is not None and not kind.recognises(path):
        raise DataError(
            f"Cannot write {path}: a file that is no {kind.name} is there, and is never replaced. "
            f"Choose another name."
        )
    if not overwrite:
        raise DataError(
            f"Cannot write {path}: it is there already. Choose another name, or replace it with "
            f"--force (overwrite=True)."
        )


def _not_writable(path: Path, error: OSError | ValueError) -> DataError:
    return DataError(
        f"Cannot write {path}: {_reason(error)}. Choose a folder that exists, has "
        f"room and that you may write."
    )


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def make_folder(path: Path, *, within: Path | None = None) -> None:
    """Create a folder with its parents, and make sure that it can be written.

    Parameters
    ----------
    within
        A folder that it has to lie in; see `require_unlinked`.

    Raises
    ------
    DataError
        If it cannot.
    """
    if within is not None:
        require_unlinked(path, within=within)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (OSError, ValueError) as error:
        raise _no_folder(path, error) from error


def require_unlinked(path: Path, *, within: Path) -> None:
    """Make sure that no link leads out of a folder on the way to what is written or removed in it.

    A folder that came from elsewhere could have a link lead to any other one.

    Parameters
    ----------
    path
        A path in the folder; nothing need be there.
    within
        The folder, which may be a link: it was chosen by its name.

    Raises
    ------
    DataError
        Names the link.
    """
    part = first_link(path, within=within)
    if part is not None:
        raise DataError(
            f"Cannot write to the folder {part}: it is a link, and what belongs into {within} is "
            f"written there alone. Put the folder itself there, or choose another output folder."
        )


def first_link(path: Path, *, within: Path) -> Path | None:
    """Return the first link on the way from a folder to a path in it, itself too, or ``None``.

    Parameters
    ----------
    path
        A path in the folder; nothing need be there.
    within
        The folder, which may be a link.
    """
    parts = path.relative_to(within).parts
    ways = (within.joinpath(*parts[:number]) for number in range(1, len(parts) + 1))
    return next((way for way in ways if way.is_symlink()), None)


def leads_outside(name: str) -> bool:
    """Return whether a name that is meant to lie in a folder leads elsewhere, links apart."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def list_folder(path: Path, *, to_read: bool = False) -> list[Path]:
    """Return what is in a folder for results; nothing if there is none.

    Parameters
    ----------
    to_read
        Whether nothing will be written there; messages say so.

    Raises
    ------
    DataError
        If it is no folder, or cannot be read.
    """
    try:
        return sorted(path.iterdir())
    except FileNotFoundError:
        if path.is_symlink() and not to_read:  # to nothing: no folder can be made there
            raise DataError(
                f"Cannot write to the folder {path}: it is a link to nothing. Choose another "
                f"output folder."
            ) from None
        return []
    except OSError as error:
        if to_read:
            raise DataError(cannot_read(f"the folder {path}", error)) from error
        raise _no_folder(path, error) from error
    except ValueError as error:
        raise _no_folder(path, error) from error


def _no_folder(path: Path, error: OSError | ValueError) -> DataError:
    reason = _reason(error)
    with suppress(OSError, ValueError):
        form = stat.S_IFMT(path.lstat().st_mode)
        if form not in (stat.S_IFDIR, stat.S_IFLNK):
            reason = f"it is {_SPECIAL.get(form, 'something else')}"
    return DataError(f"Cannot write to the folder {path}: {reason}. Choose another output folder.")


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

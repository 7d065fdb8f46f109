"""Zip archives and NumPy arrays, whose sizes are checked before they are unpacked.

`numpy.load` allocates what a header declares, and `zipfile` unpacks a member at once; both make
gigabytes out of kilobytes. Here a member is read in pieces, up to the size it declares, and an
array's header has to agree with its member's size.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np

from snn_core.reading.budget import spend
from snn_core.typing import Array, Shape

_PIECE = 2**20
_MEMBERS = 100_000
"""More members than any file of ours or of a framework has."""

_LONGEST_LIST = 2**24
"""Bytes of the list of members: names of up to 120 letters for so many."""

_PER_LISTED = 16
"""Memory for each byte of the list: an entry of 47 takes about 450."""


@contextmanager
def open_archive(file: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive that is all of a file, and whose members have names of their own.

    Raises
    ------
    ValueError
        If some have not, there are too many, or anything lies before or behind it. `zipfile` adds
        errors of its own.
    """
    with (
        file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened,
        zipfile.ZipFile(_SmallReads(opened)) as archive,
    ):
        names = archive.namelist()
        if len(names) > _MEMBERS:
            raise ValueError(f"{len(names)} members; at most {_MEMBERS} are read")
        if len(set(names)) != len(names):
            raise ValueError("several members have the same name")
        _require_alone(opened, archive)
        yield archive


_END = b"PK\5\6"
_END_SIZE = 22
"""What the last record of an archive starts with, and its bytes up to the length of a comment."""


def _require_alone(file: IO[bytes], archive: zipfile.ZipFile) -> None:
    """Refuse what lies before an archive or behind it, such as another one: `zipfile` skips it."""
    before = min((info.header_offset for info in archive.infolist()), default=archive.start_dir)
    if before:
        raise ValueError(f"{before} bytes before the archive; expected it alone")
    file.seek(-_END_SIZE - len(archive.comment), io.SEEK_END)
    last = file.read(_END_SIZE)
    if not last.startswith(_END) or not last.endswith(struct.pack("<H", len(archive.comment))):
        raise ValueError("bytes behind the archive, or missing there; expected it alone and whole")


class _SmallReads:
    """An archive as `zipfile` opens it, which reads the list of all members at once.

    How long that list is, a record at the end says; nothing else is read in such large pieces.
    Asking for it is therefore the moment at which it is known.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        """Return what else a file has."""
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises
        ------
        ValueError, BudgetExceededError
            If they are too many for a list of members.
        """
        if size > _LONGEST_LIST:
            raise ValueError(f"a list of members of {size} bytes; at most {_LONGEST_LIST} are read")
        if size > _PIECE:
            spend(_PER_LISTED * size, "the list of its members")
        return self._file.read(size)


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member's bytes; call it in a `while_reading`.

    Raises
    ------
    KeyError
        If it is missing.
    """
    info = archive.getinfo(name)
    spend(info.file_size, name)
    content = io.BytesIO()  # hands out what it holds without a copy
    with archive.open(info) as member:
        while piece := member.read(_PIECE):
            if content.tell() + len(piece) > info.file_size:
                raise ValueError("it is longer than it says")
            content.write(piece)
    return content.getvalue()


def read_npz(path: Path, *, copies: int = 0) -> dict[str, Array]:
    """Return the arrays of a ``.npz`` file by name; call it in a `while_reading`.

    Parameters
    ----------
    copies
        How often what is read will lie in memory besides, as when types are changed.

    Raises
    ------
    ValueError
        If it holds anything else, such as pickled objects.
    """
    with open_archive(path) as archive:
        spend(copies * sum(info.file_size for info in archive.infolist()), "copies of its arrays")
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        if len(members) < len(archive.namelist()):
            raise ValueError("several arrays have the same name")
        return {name: read_npy_member(archive, member) for name, member in members.items()}


def read_npy_member(archive: zipfile.ZipFile, name: str) -> Array:
    """Return the array that a member holds; call it in a `while_reading`."""
    info = archive.getinfo(name)
    with archive.open(info) as member:
        return _read_array(member, info.file_size, name)


class ArchivedArrays:
    """The float32 arrays of an archive that a manifest in it names: each is read once.

    Parameters
    ----------
    archive
        The open archive.
    apart_from
        Members that are no arrays.
    """

    def __init__(self, archive: zipfile.ZipFile, *, apart_from: Iterable[str] = ()) -> None:
        self._archive = archive
        self._unused = set(archive.namelist()) - set(apart_from)

    def read(self, name: str) -> Array:
        """Return an array, which cannot be written to.

        Raises
        ------
        ValueError
            If it is missing, was read before, or is of another type.
        """
        if name not in self._unused:
            raise ValueError(f"it lacks the array {name!r}, or names it twice")
        self._unused.remove(name)
        array = read_npy_member(self._archive, name)
        if array.dtype != np.float32:
            raise ValueError(f"{name} is no float32 array")
        array.setflags(write=False)  # or whoever holds it had to copy it
        return array

    def require_all_used(self) -> None:
        """Raise `ValueError` if the archive holds anything that was not asked for."""
        if self._unused:
            names = ", ".join(sorted(self._unused))
            raise ValueError(f"it holds members outside its manifest: {names}")


def read_npy(file: Path | bytes) -> Array:
    """Return the array of a ``.npy`` file or of its bytes; call it in a `while_reading`.

    Raises
    ------
    ValueError
        If it is no plain array.
    """
    if isinstance(file, bytes):
        return _read_array(io.BytesIO(file), len(file), "the array")
    with file.open("rb") as opened:
        return _read_array(opened, file.stat().st_size, file.name)


def describe_npy(path: Path) -> tuple[Shape, np.dtype[Any]]:
    """Return shape and type of the array in a ``.npy`` file; call it in a `while_reading`.

    Raises
    ------
    ValueError
        If it is no plain array.
    """
    with path.open("rb") as file:
        shape, _, dtype, _ = _read_header(file, path.name)
    return shape, dtype


def _read_array(file: IO[bytes], size: int, name: str) -> Array:
    """Return an array from a file of a known size.

    Raises
    ------
    ValueError
        If it is no plain array, or does not take what its header declares.
    """
    shape, is_transposed, dtype, start = _read_header(file, name)
    declared = math.prod(shape) * dtype.itemsize
    if declared != size - start:
        raise ValueError(
            f"{name} declares {declared} bytes (shape {shape} of {dtype}) and holds {size - start}"
        )
    spend(declared, name)
    values, at = np.empty(declared, np.uint8), 0
    while at < declared:
        piece = file.read(min(_PIECE, declared - at))
        if not piece:
            raise ValueError(f"{name} is cut off after {at} of {declared} bytes")
        values[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
        at += len(piece)
    if file.read(1):  # the end, where a zip archive checks its sums
        raise ValueError(f"{name} is longer than it says")
    array: Array = values.view(dtype)
    return array.reshape(shape[::-1]).T if is_transposed else array.reshape(shape)


def _read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, order and type of an array, and where its values start.

    Only sizes of 0 or more are let through, and types whose values take what they are: of values
    that take nothing a file can declare any number.
    """
    counted = _Counted(file)
    try:
        version = np.lib.format.read_magic(counted)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError("it is no plain array; pickled objects are never read") from error
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"found an array in version {version}, expected 1.0 or 2.0")
    shape, is_transposed, dtype = readers[version](counted)  # type: ignore[arg-type]
    if dtype.hasobject:
        raise ValueError("it holds Python objects; pickled objects are never read")
    if not _is_plain(dtype):
        raise ValueError(
            f"{name} holds values of type {dtype}; expected numbers or texts with letters"
        )
    if min(shape, default=0) < 0:
        raise ValueError(f"found the shape {shape}")
    return shape, is_transposed, dtype, counted.position


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Return whether a type is of numbers, of texts with letters, or of records of them."""
    if dtype.names is not None:
        return all(_is_plain(dtype[name].base) for name in dtype.names) and dtype.itemsize > 0
    return dtype.kind in "biufcSU" and dtype.itemsize > 0


class _Counted:
    """A file that knows how much of it was read, which members of archives do not all do."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.position = file, 0

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        found = self._file.read(size)
        self.position += len(found)
        return found

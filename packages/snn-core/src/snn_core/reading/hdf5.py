"""HDF5 files: plain links and plain numbers only, of sizes that the file really holds.

An HDF5 file may link into other files, let a group contain itself, or declare gigabytes that it
does not hold. None of that is followed. For a text of variable length the library takes whatever
four bytes of the file say, so all of a file is read in a child first, which has no more memory
than the file may take.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from snn_core.reading.budget import spend
from snn_core.reading.child import end_in_child
from snn_core.typing import Array

_MOST_ITEMS = 200_000
"""More groups and arrays than any model or recording has."""

_MOST_SHRUNK = 1100
"""Compression shrinks by no more than this: deflate to 1/1032."""

_SLACK = 2**16
"""Bytes that may be declared without being held: parts with a fill value of their own."""


@contextmanager
def open_hdf5(file: Path | bytes) -> Iterator[h5py.File]:
    """Open an HDF5 file, or one in memory; call it in a `while_reading`.

    Raises
    ------
    ValueError
        If the HDF5 library does not get to an end with it.
    BudgetExceededError
        If it takes more memory than the file may.
    """
    size = len(file) if isinstance(file, bytes) else file.stat().st_size
    end_in_child(lambda: _read_all(file), limit_s=_PATIENCE_S + size // _SLOWEST)
    with _open(file) as opened:
        yield opened


_PATIENCE_S = 5
_SLOWEST = 1_000_000
"""Bytes per second of the slowest file: each of its small arrays takes a kilobyte and 0.2 ms."""


def _open(file: Path | bytes) -> h5py.File:
    return h5py.File(io.BytesIO(file) if isinstance(file, bytes) else file, "r")


def _read_all(file: Path | bytes) -> None:
    """Touch all that a reader may, each part for its own: behind one that fails is a next one.

    Raises
    ------
    MemoryError
        If a part lacks memory.
    """
    with _open(file) as opened:
        seen: set[int] = set()
        waiting: list[h5py.HLObject] = [opened]
        while waiting:
            item = waiting.pop()
            _read_attributes(item)
            if isinstance(item, h5py.Dataset):
                # Each with the budget of all: which of them will be read is not known.
                _attempt(partial(copy_context().run, read_dataset, item))
                continue
            with suppress(Exception):
                if _address(item) in seen:
                    continue
                seen.add(_address(item))
            for name in _attempt(partial(list, item)) or ():
                inner = _attempt(partial(child, item, name))
                if inner is not None and len(seen) < _MOST_ITEMS:
                    waiting.append(inner)


def _read_attributes(item: h5py.HLObject) -> None:
    names = _attempt(partial(list, item.attrs))
    if names is None:  # one is damaged; those behind it are found by their numbers
        names = [
            _attempt(partial(_attribute_name, item, index))
            for index in range(_attempt(partial(h5py.h5a.get_num_attrs, item.id)) or 0)
        ]
    for name in names:
        found = _attempt(partial(item.attrs.__getitem__, name))
        if found is None and _attempt(partial(_has_texts, item, name)):
            # The library says in many ways that it lacks memory.
            raise MemoryError(f"the attribute {name} of {item.name}")


def _has_texts(item: h5py.HLObject, name: str) -> bool:
    """Return whether an attribute has parts whose lengths its type does not tell."""
    return bool(item.attrs.get_id(name).dtype.hasobject)


def _attribute_name(item: h5py.HLObject, index: int) -> str:
    return str(h5py.h5a.open(item.id, index=index).name.decode())


def _attempt(work: Callable[[], Any]) -> Any:
    """Return what some work gives; that it fails is found by who needs it, unless memory lacks."""
    try:
        return work()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - what cannot be caught is looked for here
        return None


def child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return what a plain link of a group leads to, or ``None``."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None
    found = group[name]
    return found if isinstance(found, (h5py.Group, h5py.Dataset)) else None


def walk(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Yield all groups and arrays below a group with their paths, those before what they hold.

    A group is entered once, however many links lead to it.

    Raises
    ------
    ValueError
        If there are too many.
    """
    seen = {_address(group)}
    waiting = [("", group)]
    number = 0
    while waiting:
        prefix, current = waiting.pop()
        inner: list[tuple[str, h5py.Group]] = []
        for name in current:
            number += 1
            if number > _MOST_ITEMS:
                raise ValueError(f"more than {_MOST_ITEMS} groups and arrays")
            item = child(current, name)
            if item is None:
                continue
            yield f"{prefix}{name}", item
            if isinstance(item, h5py.Group) and _address(item) not in seen:
                seen.add(_address(item))
                inner.append((f"{prefix}{name}/", item))
        waiting += reversed(inner)


def _address(group: h5py.Group) -> int:
    return int(h5py.h5o.get_info(group.id).addr)


def read_dataset(data: h5py.Dataset) -> Array:
    """Return an array; call it in a `while_reading`.

    Raises
    ------
    ValueError
        If its values lie in another file or are texts of any length, it declares more than the
        file holds, or parts of it were never written.
    """
    name = str(data.name)
    if data.dtype.hasobject:
        raise ValueError(f"{name} holds texts of any length; arrays of numbers are read")
    if data.external or data.is_virtual:
        raise ValueError(f"{name} lies in another file, which is not read")
    declared, held = int(data.nbytes), data.id.get_storage_size()
    if declared > _MOST_SHRUNK * held + _SLACK:
        raise ValueError(f"{name} declares {declared} bytes and holds {held}")
    _require_written(data)
    spend(max(declared, math.prod(data.chunks or ()) * data.dtype.itemsize), name)
    values: Array = data[()]
    return values


def _require_written(data: h5py.Dataset) -> None:
    """Refuse an array with parts that were never written, as if somebody was stopped while writing.

    The library reads them as the array's fill value. One that is not 0 was chosen, and means what
    it says.
    """
    if np.asarray(data.fillvalue).tobytes().strip(b"\0"):
        return
    if data.chunks is None:
        parts, written = int(data.size > 0), int(data.id.get_storage_size() > 0)
    else:
        sizes = zip(data.shape, data.chunks, strict=True)
        parts, written = math.prod(-(-n // size) for n, size in sizes), data.id.get_num_chunks()
    if written < parts:
        raise ValueError(
            f"{data.name} was not written whole: {written} of {parts} parts are there; those "
            f"missing would be read as 0"
        )


def copy_plain(source: h5py.Group, target: h5py.Group) -> None:
    """Copy what plain links of a group lead to, for a library that follows others as well.

    Arrays of texts are left out; no weights are among them.

    Raises
    ------
    ValueError
        If an array lies in another file, or declares more than the file holds.
    """
    _copy_attributes(source, target)
    for name, item in walk(source):
        if isinstance(item, h5py.Dataset):
            if item.dtype.hasobject:
                continue
            copy = target.create_dataset(name, data=read_dataset(item), dtype=item.dtype)
        else:
            copy = target.require_group(name)
        _copy_attributes(item, copy)


def _copy_attributes(source: h5py.HLObject, target: h5py.HLObject) -> None:
    for name, value in source.attrs.items():
        target.attrs.create(name, value, dtype=getattr(value, "dtype", None))

"""Events in plain arrays: ``.npy``, ``.npz`` and HDF5 files, one recording or many in a file.

Accepted are a structured array with fields ``x y t p``, four arrays of these names, and an array
with the columns x, y, p, t. Many recordings lie one after the other in ``x y t p``, with ``off``
holding the first event of each and ``label`` its class; a prefix such as ``train_`` tells several
such sets apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.data.events.stream import EventStream, require_one_each
from snn_core.errors import DataError, shorten
from snn_core.reading import read_npy, read_npz, while_reading
from snn_core.typing import Array

NAMES: Mapping[str, tuple[str, ...]] = {
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "t": ("t", "ts", "timestamp", "timestamps", "time"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
"""Column to the names under which it is found."""

SET_NAMES: Mapping[str, tuple[str, ...]] = {
    "test": ("test", ""),
    "calibration": ("train", "norm", "calibration", ""),
}
"""Part of a data set to the prefixes under which its recordings are found, best first."""

_LAYOUTS = (
    "expected a structured array with the fields x, y, t, p, arrays of these names, or an array "
    "with the columns x, y, p, t"
)


def read_arrays(path: Path) -> dict[str, Array]:
    """Return all arrays of a ``.npy``, ``.npz`` or HDF5 file by name; nothing is unpickled.

    Members of HDF5 groups have names such as ``events/x``; that of a ``.npy`` file is empty.

    Raises
    ------
    DataError
        If it is damaged or holds objects.
    """
    with while_reading(path, error=DataError, advice=_ADVICE):
        if path.suffix.lower() in (".h5", ".hdf5"):
            return _read_hdf5(path)
        if path.suffix.lower() == ".npy":
            return {"": read_npy(path)}
        return read_npz(path)


_ADVICE = "copy it again, or write plain arrays of numbers"


def _read_hdf5(path: Path) -> dict[str, Array]:
    from snn_core.reading import hdf5

    with hdf5.open_hdf5(path) as file:
        return {
            name: hdf5.read_dataset(item)
            for name, item in hdf5.walk(file)
            if _holds_numbers(getattr(item, "dtype", np.dtype("O")))
        }


def _holds_numbers(dtype: np.dtype[Any]) -> bool:
    """Return whether a type is of numbers; strings and references are not read."""
    return dtype.kind in "fiubV" and not dtype.hasobject


def find_columns(arrays: Mapping[str, Any], prefix: str = "") -> tuple[Any, ...] | None:
    """Return x, y, t, p from arrays whose names start with a prefix, or ``None``."""
    columns = []
    for names in NAMES.values():
        found = [arrays[prefix + name] for name in names if prefix + name in arrays]
        if not found:
            return None
        columns.append(found[0])
    return tuple(columns)


def columns_of(arrays: Mapping[str, Array], path: Path) -> tuple[Array, ...]:
    """Return x, y, t, p of the only recording among arrays.

    Raises
    ------
    DataError
        If there is none, or several, or several arrays for one column.
    """
    groups = sorted({name.rpartition("/")[0] + "/" for name in arrays if "/" in name})
    names = [f"{prefix}x" for prefix in ("", "_", *groups)]
    places: list[tuple[Mapping[str, Array], str]]
    places = [(arrays, prefix) for prefix in ("", "_", *groups)]
    for name, array in arrays.items():
        names.append(name)
        places.append(({field: array[field].reshape(-1) for field in array.dtype.names or ()}, ""))
    found = [i for i, place in enumerate(places) if find_columns(*place) is not None]
    if len(found) > 1:
        several = shorten(", ".join(names[i] for i in found), _MOST_SHOWN)
        raise DataError(
            f"{path} holds several recordings ({several}); expected one. Write one of them into a "
            f"file of its own."
        )
    if found:
        return single_columns(*places[found[0]], path)
    tables = [array for array in arrays.values() if array.ndim == 2 and array.shape[1] == 4]
    if len(tables) == 1:
        x_e, y_e, p_e, t_us_e = tables[0].T
        return x_e, y_e, t_us_e, p_e
    shapes = ", ".join(f"{name or 'an array'} {array.shape}" for name, array in arrays.items())
    raise DataError(f"{path} holds {shapes or 'no arrays'}; {_LAYOUTS}.")


_MOST_SHOWN = 200
"""Letters of names that a message repeats."""


def single_columns(arrays: Mapping[str, Array], prefix: str, path: Path) -> tuple[Array, ...]:
    """Return x, y, t, p from arrays whose names start with a prefix.

    Raises
    ------
    DataError
        If one is missing, or could be either of two arrays.
    """
    columns = find_columns(arrays, prefix)
    if columns is None:
        raise DataError(f"{path} has no columns x, y, t, p under {prefix!r}.")
    for names, column in zip(NAMES.values(), columns, strict=True):
        found = [prefix + name for name in names if prefix + name in arrays]
        alike = [name for name in found if arrays[name].shape == column.shape]
        if len(alike) > 1:
            raise DataError(
                f"{path} has {' and '.join(alike)}, which mean the same; expected one of them. "
                f"Remove the others."
            )
    return columns


def set_prefix(arrays: Mapping[str, Any], part: str) -> str | None:
    """Return the prefix of the recordings for a part of a data set, or ``None`` if there are none.

    Such sets have offsets: ``train_off`` or ``off``, for example.
    """
    for name in SET_NAMES[part]:
        for prefix in (f"{name}_", f"{name}/", name) if name else ("", "_"):
            if f"{prefix}off" in arrays and find_columns(arrays, prefix) is not None:
                return prefix
    return None


def split(arrays: Mapping[str, Array], prefix: str, path: Path) -> list[tuple[int, int]]:
    """Return first event and end of each recording that lies among others.

    Raises
    ------
    DataError
        If the offsets do not rise from 0 to the number of events, so that some are in none.
    """
    columns = single_columns(arrays, prefix, path)
    off = np.asarray(arrays[f"{prefix}off"])
    require_one_each(columns, str(path))
    total = len(columns[0])
    if off.ndim != 1 or off.dtype.kind not in "iu" or not len(off):
        raise DataError(f"{path} has {prefix}off of shape {off.shape}; expected whole numbers.")
    bounds = off.astype(np.int64)
    label = arrays.get(f"{prefix}label")
    if label is not None and label.ndim != 1:
        raise DataError(
            f"{path} has {prefix}label of shape {label.shape}; expected one for each recording."
        )
    has_end = bounds[-1] == total if label is None else len(bounds) == len(label) + 1
    if not has_end:  # only the first event of each recording
        bounds = np.append(bounds, total)
    if label is not None and len(label) != len(bounds) - 1:
        raise DataError(
            f"{path} has {len(label)} entries in {prefix}label but {len(bounds) - 1} recordings."
        )
    if bounds[0] != 0 or bounds[-1] != total or (np.diff(bounds) < 0).any():
        raise DataError(
            f"{path} has {prefix}off from {bounds[0]} to {bounds[-1]} for {total} events; expected "
            f"the first event of each recording, from 0 on, and maybe the end of the last one."
        )
    return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))


def stream_of(
    columns: tuple[Array, ...], path: Path, *, starts: Sequence[int] | Array = ()
) -> EventStream:
    """Return the events in columns x, y, t, p; for ``starts`` see `EventStream.of`."""
    advice = "Plain columns are read in the order x, y, p, t."
    return EventStream.of(*columns, name=str(path), advice=advice, starts=starts)

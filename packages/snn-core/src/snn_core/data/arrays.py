"""Samples in ``.npz`` and ``.npy`` files.

Two layouts are read: one file with ``x``, ``y`` and maybe the names of ``classes``, and the
original's folder of ``x_test.npz``, ``y_test.npz`` and ``x_norm.npz`` with one array ``arr_0``
each. Pickled arrays are never read.
"""

from __future__ import annotations

from pathlib import Path

from snn_core import reading
from snn_core.data.base import Dataset
from snn_core.data.forms import from_mapping
from snn_core.errors import DataError, shorten
from snn_core.reading import describe_npy, open_archive, spend, while_reading
from snn_core.typing import Array

ORIGINAL_FILES = ("x_test.npz", "y_test.npz", "x_norm.npz")

_NPY = b"\x93NUMPY"
_ADVICE = "write it with np.savez(path, x=samples, y=labels)"
_COPIES = 2
"""Samples become float32, and are looked at for their range."""

_MOST_SHOWN = 200
"""Letters of names that a message repeats."""

_ALONE = "write it with np.save(path, samples)"


def from_original_folder(path: Path, *, part: str) -> Dataset:
    """Read a folder in the original's layout."""
    if part == "calibration":
        return Dataset.of(read_npz(path / "x_norm.npz")["arr_0"], name=str(path))
    samples = read_npz(path / "x_test.npz")["arr_0"]
    return Dataset.of(samples, read_npz(path / "y_test.npz")["arr_0"], name=str(path))


def from_arrays(path: Path) -> Dataset:
    """Read a file of arrays: ``.npz``, or the samples alone as ``.npy``."""
    if path.suffix.lower() == ".npy":
        return Dataset.of(_read_npy(path), name=str(path))
    return from_mapping(read_npz(path), name=str(path), advice=f": {_ADVICE}")


def may_be_events(path: Path) -> bool:
    """Return whether a ``.npy`` file may hold events: rows of fields, or of four numbers each."""
    try:
        with while_reading(path, error=DataError, advice=_ALONE):
            shape, dtype = describe_npy(path)
    except DataError:
        return False
    return dtype.names is not None or (len(shape) == 2 and shape[1] == 4)


def _read_npy(path: Path) -> Array:
    if not path.exists():
        raise DataError(f"There is no data file {path}; {_ALONE}.")
    with while_reading(path, error=DataError, advice=_ALONE):
        spend(_COPIES * path.stat().st_size, "copies of its array")
        return reading.read_npy(path)


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays in a ``.npz`` file, none if it is something else."""
    try:
        with while_reading(path, error=DataError, advice=_ADVICE), open_archive(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except DataError:
        return []


def read_npz(path: Path) -> dict[str, Array]:
    """Read all arrays of a ``.npz`` file."""
    if not path.exists():
        raise DataError(f"There is no data file {path}; {_ADVICE}.")
    with while_reading(path, error=DataError, advice=_ADVICE):
        if _starts(path, _NPY):
            raise DataError(f"{path} holds a single array; expected a .npz file: {_ADVICE}.")
        arrays = reading.read_npz(path, copies=_COPIES)
    if path.name in ORIGINAL_FILES and set(arrays) != {"arr_0"}:
        names = shorten(", ".join(sorted(arrays)), _MOST_SHOWN)
        raise DataError(f"{path} holds {names or 'nothing'}; expected the array arr_0 alone.")
    return arrays


def _starts(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic

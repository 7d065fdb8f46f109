"""Samples in ``.npz`` files.

Two layouts are read: one file with ``x``, ``y`` and maybe the names of ``classes``, and the
original's folder of ``x_test.npz``, ``y_test.npz`` and ``x_norm.npz`` with one array ``arr_0``
each. Pickled arrays are never read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snn_core import reading
from snn_core.data.base import Dataset
from snn_core.errors import DataError
from snn_core.reading import open_archive, printable, while_reading
from snn_core.typing import Array

ORIGINAL_FILES = ("x_test.npz", "y_test.npz", "x_norm.npz")

_NPY = b"\x93NUMPY"
_ADVICE = "write it with np.savez(path, x=samples, y=labels)"


def from_original_folder(path: Path, *, part: str) -> Dataset:
    """Read a folder in the original's layout."""
    if part == "calibration":
        return Dataset.of(read_npz(path / "x_norm.npz")["arr_0"], name=str(path))
    samples = read_npz(path / "x_test.npz")["arr_0"]
    return Dataset.of(samples, read_npz(path / "y_test.npz")["arr_0"], name=str(path))


def from_arrays(path: Path) -> Dataset:
    """Read a file of arrays."""
    arrays = read_npz(path)
    if "x" not in arrays:
        raise DataError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; expected the arrays x and y: "
            f"{_ADVICE}."
        )
    with while_reading(path, error=DataError, advice=_ADVICE):
        names = [printable(str(name)) for name in np.asarray(arrays.get("classes", ())).reshape(-1)]
    return Dataset.of(arrays["x"], arrays.get("y"), name=str(path), classes=names)


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
        arrays = reading.read_npz(path)
    if path.name in ORIGINAL_FILES and "arr_0" not in arrays:
        raise DataError(f"{path} holds {', '.join(sorted(arrays))}; expected the array arr_0.")
    return arrays


def _starts(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic

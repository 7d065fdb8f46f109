"""Data sets: arrays of samples and labels from ``.npz`` files, checked before use.

Two layouts are read: one file with ``x`` and ``y``, and the original's folder of ``x_test.npz``,
``y_test.npz`` and ``x_norm.npz`` with one array ``arr_0`` each. Pickled arrays are never read.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snn_core.errors import DataError
from snn_core.typing import Array, Float32, Int64, PathLikeStr, Shape

PARTS = ("test", "calibration")

_ADVICE = "write it with np.savez(path, x=samples, y=labels)"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples with their labels.

    Parameters
    ----------
    x_b_l
        Samples, float32, channels last.
    labels_b
        Class of each sample, or ``None``.
    sample_ids
        Index of each sample in the whole data set.
    name
        Where it comes from.
    sha256
        Hash of all samples and labels, before a selection.
    """

    x_b_l: Float32[Array, "b *l"]
    labels_b: Int64[Array, "b"] | None
    sample_ids: Sequence[int]
    name: str
    sha256: str

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x_b_l)

    @classmethod
    def of(
        cls, x_b_l: Array, labels_b: Array | None = None, *, name: str = "arrays in memory"
    ) -> Dataset:
        """Return a data set of arrays, checked as those from files are.

        Integer samples of type uint8 are divided by 255; labels may be one-hot.

        Raises
        ------
        DataError
            Naming what is wrong.
        """
        x = _samples(np.asarray(x_b_l), name)
        labels = None if labels_b is None else _labels(np.asarray(labels_b), name)
        if labels is not None and len(labels) != len(x):
            raise DataError(
                f"{name} has {len(x)} samples but {len(labels)} labels; expected one for each."
            )
        digest = hashlib.sha256(str(x.shape).encode())
        digest.update(x.tobytes())
        if labels is not None:
            digest.update(labels.tobytes())
        return cls(
            x_b_l=x,
            labels_b=labels,
            sample_ids=range(len(x)),
            name=name,
            sha256=digest.hexdigest(),
        )

    def fitted(self, *, input_shape: Shape, num_classes: int | None = None) -> Dataset:
        """Return the data set in the shape that a network expects.

        Images without a channel axis get one. Labels are compared with the number of classes.

        Raises
        ------
        DataError
            If samples or labels do not fit.
        """
        x = self.x_b_l
        if x.shape[1:] != input_shape and (*x.shape[1:], 1) == input_shape:
            x = x[..., None]
        if x.shape[1:] != input_shape:
            raise DataError(
                f"{self.name} has samples of shape {x.shape[1:]}; the network expects "
                f"{input_shape} (channels last). Reshape the data or choose another model."
            )
        if num_classes is not None and self.labels_b is not None:
            largest = int(self.labels_b.max(initial=0))
            if largest >= num_classes:
                raise DataError(
                    f"{self.name} has the label {largest}; the network knows the classes 0 to "
                    f"{num_classes - 1}. Check labels and model."
                )
        return Dataset(
            x_b_l=x,
            labels_b=self.labels_b,
            sample_ids=self.sample_ids,
            name=self.name,
            sha256=self.sha256,
        )

    def selected(self, *, number: int | None = None, indices: Sequence[int] = ()) -> Dataset:
        """Return some of the samples: those of the given indices, or the first ones.

        Raises
        ------
        DataError
            If an index is out of range or there are not that many samples.
        """
        if indices:
            beyond = [i for i in indices if not 0 <= i < len(self)]
            if beyond:
                raise DataError(
                    f"{self.name} has {len(self)} samples; there is no sample {beyond[0]} "
                    f"(simulation.sample_idxs_to_test)."
                )
            chosen = np.asarray(indices)
        else:
            if number is not None and number > len(self):
                raise DataError(
                    f"{self.name} has {len(self)} samples; {number} were asked for "
                    f"(--samples, simulation.num_to_test)."
                )
            chosen = np.arange(len(self) if number is None else number)
        return Dataset(
            x_b_l=self.x_b_l[chosen],
            labels_b=None if self.labels_b is None else self.labels_b[chosen],
            sample_ids=[self.sample_ids[i] for i in chosen],
            name=self.name,
            sha256=self.sha256,
        )


def load_dataset(path: PathLikeStr, *, part: str = "test") -> Dataset:
    """Read a data set.

    Parameters
    ----------
    path
        A ``.npz`` file, or a folder in the original's layout.
    part
        What to take from a folder: ``"test"`` samples with labels, or ``"calibration"`` samples
        (``x_norm.npz``).

    Raises
    ------
    DataError
        If it is missing or holds anything that cannot be used.
    """
    path = Path(path)
    if path.is_dir():
        if part == "calibration":
            return Dataset.of(_arrays(path / "x_norm.npz")["arr_0"], name=str(path))
        samples = _arrays(path / "x_test.npz")["arr_0"]
        return Dataset.of(samples, _arrays(path / "y_test.npz")["arr_0"], name=str(path))
    arrays = _arrays(path)
    if "x" not in arrays:
        raise DataError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; expected the arrays x and y: "
            f"{_ADVICE}."
        )
    return Dataset.of(arrays["x"], arrays.get("y"), name=str(path))


def _arrays(path: Path) -> dict[str, Array]:
    """Read all arrays of a ``.npz`` file."""
    if not path.exists():
        raise DataError(f"There is no data file {path}; {_ADVICE}.")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise DataError(f"{path} holds a single array; expected a .npz file: {_ADVICE}.")
        with loaded as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read as plain arrays ({error}). Pickled objects are never read; "
            f"{_ADVICE}."
        ) from error
    if path.name in ("x_test.npz", "y_test.npz", "x_norm.npz") and "arr_0" not in arrays:
        raise DataError(f"{path} holds {', '.join(sorted(arrays))}; expected the array arr_0.")
    return arrays


def _samples(x: Array, name: str) -> Float32[Array, "b *l"]:
    if x.dtype.kind not in "fiub":
        raise DataError(f"{name} has samples of type {x.dtype}; expected numbers.")
    if x.ndim < 2 or 0 in x.shape:
        raise DataError(
            f"{name} has samples of shape {x.shape}; expected (samples, ...) with at least one."
        )
    scaled = x / np.float32(255) if x.dtype == np.uint8 else x
    scaled = np.asarray(scaled, np.float32)
    bad = ~np.isfinite(scaled).reshape(len(x), -1).all(axis=1)
    if bad.any():
        raise DataError(
            f"{name} has NaN or infinite values in {int(bad.sum())} samples, the first is sample "
            f"{int(bad.argmax())}; remove or repair them."
        )
    return scaled


def _labels(y: Array, name: str) -> Int64[Array, "b"]:
    """Return class indices from integers or one-hot rows."""
    if y.dtype.kind not in "fiub":
        raise DataError(f"{name} has labels of type {y.dtype}; expected integers or one-hot rows.")
    if y.ndim == 2 and y.shape[1] > 1:
        if not (((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(
                f"{name} has labels of shape {y.shape} that are not one-hot; expected a 1 per row."
            )
        classes: Array = y.argmax(axis=1).astype(np.int64)
        return classes
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{name} has labels of shape {y.shape}; expected (samples,) or one-hot.")
    labels: Array = y.astype(np.int64)
    if (labels != y).any() or (labels < 0).any():
        wrong = y[(labels != y) | (labels < 0)][0]
        raise DataError(f"{name} has the label {wrong}; expected whole numbers from 0.")
    return labels

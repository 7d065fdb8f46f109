"""What data say about their samples: class numbers, several labels each, or numbers."""

from __future__ import annotations

import numpy as np

from snn_core.errors import DataError
from snn_core.typing import Array, Bool, Float32, Int64

MOST_CLASSES = 2**53
"""One more than the largest number of a class: up to here numbers of all types are exact."""


def read_truth(
    y: Array, name: str
) -> tuple[Int64[Array, "b"] | None, Float32[Array, "b o"] | None]:
    """Return the class numbers that labels are, if they can be, and the same labels as numbers.

    Whole numbers from 0, below `MOST_CLASSES`, and rows with a single 1 are class numbers. Numbers
    are left out where labels are a column of integers; their number is then the class.

    Raises
    ------
    DataError
        If they are no numbers that float32 holds, or there is none for a sample.
    """
    if y.dtype.kind not in "fiub":
        raise DataError(f"{name}: labels of type {y.dtype}; expected numbers.")
    if y.ndim == 0 or 0 in y.shape:
        raise DataError(f"{name}: labels of shape {y.shape}; expected one for each sample.")
    values_b_o = y.reshape(len(y), -1)
    with np.errstate(over="ignore"):  # what no float32 can hold becomes infinite
        targets_b_o = values_b_o.astype(np.float32)
    bad_b = ~np.isfinite(targets_b_o).all(axis=1)
    if bad_b.any():
        raise DataError(
            f"{name}: NaN or infinite labels in {int(bad_b.sum())} samples, the first is sample "
            f"{int(bad_b.argmax())}; remove or repair them."
        )
    labels_b = _as_classes(values_b_o)
    is_plain = labels_b is not None and values_b_o.shape[1] == 1 and y.dtype.kind != "f"
    return labels_b, None if is_plain else targets_b_o


def _as_classes(values_b_o: Array) -> Int64[Array, "b"] | None:
    """Return class numbers, or ``None`` if labels are something else."""
    if values_b_o.shape[1] > 1:
        return values_b_o.argmax(axis=1).astype(np.int64) if is_one_hot(values_b_o) else None
    values_b = values_b_o[:, 0]
    if _are_no_classes(values_b).any():
        return None
    labels_b: Array = values_b.astype(np.int64)
    return labels_b


def _are_no_classes(values: Array) -> Bool[Array, "..."]:
    """Return for each number whether it is none of a class."""
    if values.dtype.kind == "f":
        values = values.astype(np.float64)  # float16 has no such bound
    wrong: Array = (values < 0) | (values >= MOST_CLASSES)
    return wrong | (values % 1 != 0) if values.dtype.kind == "f" else wrong


def is_one_hot(values_b_o: Array) -> bool:
    """Return whether each row holds zeros and a single 1."""
    return are_binary(values_b_o) and bool((values_b_o.sum(axis=1) == 1).all())


def are_binary(values: Array) -> bool:
    """Return whether all values are 0 or 1."""
    return bool(((values == 0) | (values == 1)).all())


def as_classes(y: Array, name: str) -> Int64[Array, "b"]:
    """Return the class numbers that labels are.

    Raises
    ------
    DataError
        If they are something else.
    """
    labels_b, values_b_o = read_truth(y, name)
    if labels_b is None:
        raise DataError(describe_no_classes(values_b_o, name))
    return labels_b


def describe_no_classes(values_b_o: Array | None, name: str, *, outputs: int | None = None) -> str:
    """Return why labels are no class numbers, also for a network with a number of outputs."""
    if values_b_o is None:
        return (
            f"{name} has no labels; expected an array y with the class of each sample, or one "
            f"sub-folder for each class."
        )
    if values_b_o.shape[1] > 1:
        return (
            f"{name} has labels of shape {values_b_o.shape} that are not one-hot; expected a 1 per "
            f"row."
        )
    wrong = values_b_o[_are_no_classes(values_b_o)][0]
    expected = "whole numbers from 0"
    if outputs is not None:
        expected += f" to {outputs - 1}, or {outputs} numbers for each sample, one for each output"
    return f"{name} has the label {wrong:g}; expected {expected}."


def as_yes_or_no(targets_b_o: Array | None) -> Int64[Array, "b"] | None:
    """Return labels of -1 and 1, one for each sample, as 0 and 1; ``None`` if they are others."""
    if targets_b_o is None or targets_b_o.shape[1] != 1 or not (np.abs(targets_b_o) == 1).all():
        return None
    return (targets_b_o[:, 0] > 0).astype(np.int64)

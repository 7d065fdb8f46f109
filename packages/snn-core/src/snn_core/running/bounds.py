"""Bounds of what the arrays of a run may hold."""

from __future__ import annotations

import numpy as np

from snn_core.typing import Array

LARGEST = float(np.finfo(np.float32).max)
"""What simulators compute with ends here."""


def require_within(name: str, array: Array, low: float, high: float) -> None:
    """Make sure that numbers lie in a range, which what is no number does not."""
    if not array.size:
        return
    # Both pass on NaN; plain numbers, as half precision has no room for the limits.
    least, most = array.min().item(), array.max().item()
    if not (low <= least and most <= high):
        found = most if low <= least else least
        raise ValueError(f"{name} holds {found}; expected {low:g} to {high:g}")


def require_float32(name: str, array: Array) -> None:
    """Make sure that an array holds nothing between the largest float32 and infinity."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        finite = array[np.isfinite(array)]
        require_within(name, finite, -LARGEST, LARGEST)


def require(condition: bool, problem: str) -> None:  # noqa: FBT001
    """Make sure of a condition; a problem is the text of the error."""
    if not condition:
        raise ValueError(problem)

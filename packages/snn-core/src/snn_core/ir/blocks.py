"""Large weight arrays, computed a block at a time.

Weights are scaled in float64 and rounded once. A whole array in float64 would take twice the memory
of the layer itself, and the first dense layer of some networks holds most of their weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from snn_core.typing import Array, Shape

BLOCK = 2**20
"""About how many values are computed at once."""


def fill_by_blocks(shape: Shape, compute: Callable[[slice], Array]) -> Array:
    """Return a read-only float32 array that is computed a part of its first axis at a time.

    Parameters
    ----------
    compute
        Returns the values of a range of the first axis, in any precision.
    """
    found = np.empty(shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what is infinite, the forward pass refuses
        for rows in blocks(shape):
            found[rows] = compute(rows)
    found.setflags(write=False)
    return found


def blocks(shape: Shape) -> list[slice]:
    """Return ranges of the first axis that hold about `BLOCK` values each."""
    rows = max(1, BLOCK // max(1, math.prod(shape[1:])))
    return [slice(start, start + rows) for start in range(0, shape[0], rows)]

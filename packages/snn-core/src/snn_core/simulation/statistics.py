"""How sure a share of few samples is, and how much of the targets' variance outputs explain."""

from __future__ import annotations

import math

import numpy as np

from snn_core.errors import DataError
from snn_core.typing import Array, Float32, Float64

Z_95 = 1.959963984540054
"""Quantile of the normal distribution for intervals that hold 95 %."""


def wilson_interval(
    share: Array | float, n: int, *, z: float = Z_95
) -> tuple[Float64[Array, "..."], Float64[Array, "..."]]:
    """Return the interval that holds a true share, given the share among ``n`` samples.

    Unlike the mean plus or minus a standard deviation it stays within 0 and 1 and is right for few
    samples and for shares near 1 (E. B. Wilson, Probable inference, the law of succession, and
    statistical inference, J. Am. Stat. Assoc. 22, 1927).

    Parameters
    ----------
    share
        Shares from 0 to 1.
    n
        Number of samples.
    z
        Quantile of the normal distribution; the default gives 95 %.

    Raises
    ------
    DataError
        If there are no samples.
    """
    if n < 1:
        raise DataError(f"Found {n} samples; an interval needs at least one.")
    p = np.asarray(share, np.float64)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = np.clip([centre - half, centre + half], 0, 1)
    return np.asarray(low), np.asarray(high)


def r_squared(values_b_o: Float32[Array, "b o"], targets_b_o: Float32[Array, "b _"]) -> float:
    """Return the coefficient of determination, averaged over the outputs.

    ``1 - sum((y - v)**2) / sum((y - mean(y))**2)``. Outputs whose target never changes are left
    out; NaN if there are no others.
    """
    targets_b_o = targets_b_o.astype(np.float64)
    residual_o = np.square(targets_b_o - values_b_o).sum(axis=0)
    total_o = np.square(targets_b_o - targets_b_o.mean(axis=0)).sum(axis=0)
    varies_o = total_o > 0
    if not varies_o.any():
        return math.nan
    return float((1 - residual_o[varies_o] / total_o[varies_o]).mean())

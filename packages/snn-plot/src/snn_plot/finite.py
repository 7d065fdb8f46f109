"""Numbers that figures can show; what is infinite or no number is left out, and counted in words.

Potentials of a network that diverges leave float32, and with them go the outputs that are read from
them and their errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snn_core.typing import Array, Bool, Float64

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST = 1e100
"""Numbers up to which squares, sums and the limits of axes stay numbers."""


def is_shown(values: Array | float) -> Bool[Array, "..."]:
    """Return which values a figure can show."""
    found: Array = np.abs(np.asarray(values, np.float64)) <= LARGEST
    return found


def shown(values: Array) -> Float64[Array, "..."]:
    """Return values with NaN, which figures leave out, in place of what they cannot show."""
    found: Array = np.where(is_shown(values), values, np.nan).astype(np.float64)
    return found


def limits_of(values: Array) -> tuple[float, float]:
    """Return the smallest and the largest value that can be shown; 0 and 0 if there is none."""
    known = np.asarray(values, np.float64)[is_shown(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def describe_rest(values: Array) -> str:
    """Return how many values cannot be shown, nothing if all can be."""
    rest = int(np.size(values) - is_shown(values).sum())
    return f"{rest} of {np.size(values)} are infinite or no numbers" if rest else ""


def note_rest(axes: Axes, values: Array) -> None:
    """Write into a panel how many values it cannot show, if there are any."""
    said = describe_rest(values)
    if said:
        axes.text(0.98, 0.03, said, transform=axes.transAxes, ha="right", va="bottom",
                  fontsize=6, color="#666666")  # fmt: skip

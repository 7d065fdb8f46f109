"""Axes of shares in per cent that show the last percent as well as the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
)

from snn_core.typing import Array
from snn_plot.finite import limits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

LOW = 10.0
"""Errors in per cent below which an axis is logarithmic, so that small ones can be read."""

FAR = 3.0
"""Ratio of the largest to the smallest value from which on a logarithm shows more."""

MOST_TICKS = 8
"""Numbers at an axis; powers of ten alone where there would be more."""


def show_errors(axes: Axes, *, lowest: float, highest: float, samples: int) -> None:
    """Let the vertical axis show errors in per cent, small ones as well as large ones.

    It is logarithmic down to the share of one sample and linear from there to 0, which a
    logarithm does not have. Where errors stay above `LOW`, it is linear and as long as they need.

    Parameters
    ----------
    lowest, highest
        The smallest and the largest error.
    samples
        Number of samples, one of which is the smallest error other than 0.
    """
    if lowest >= LOW:
        margin = 0.05 * max(highest - lowest, 1.0)
        axes.set_ylim(max(lowest - margin, 0), min(highest + margin, 102))
        return
    linear = 100 / max(samples, 1)
    axes.set_yscale("function", functions=_transform(linear, mirrored=False))
    _ticks(axes, linear, mirrored=False)
    axes.set_ylim(-0.15 * linear, 108)


def show_shares(axes: Axes, *, lowest: float, highest: float, samples: int) -> None:
    """Let the vertical axis show shares in per cent of which 100 is best, as `show_errors` does.

    Parameters
    ----------
    lowest, highest
        The smallest and the largest share.
    samples
        Number of samples.
    """
    if highest <= 100 - LOW:
        margin = 0.05 * max(highest - lowest, 1.0)
        axes.set_ylim(max(lowest - margin, 0), min(highest + margin, 102))
        return
    linear = 100 / max(samples, 1)
    axes.set_yscale("function", functions=_transform(linear, mirrored=True))
    _ticks(axes, linear, mirrored=True)
    axes.set_ylim(-8, 100 + 0.15 * linear)


def show_powers(axes: Axes, values: Array, *, from_zero: bool = False) -> None:
    """Let the vertical axis be logarithmic, with plain numbers, where values are far apart.

    Parameters
    ----------
    values
        All that is drawn. If not all are above 0, or they are close to each other, the axis stays
        linear.
    from_zero
        Whether it begins at 0 then, as it must for bars.
    """
    low, high = limits_of(values)
    if low <= 0 or high < FAR * low:
        margin = 0.1 * (high - low or abs(high) or 1)
        axes.set_ylim(0 if from_zero or 0 <= low < margin else low - margin, high + margin)
        return
    axes.set_yscale("log")
    axes.set_ylim(low / 1.3, high * 1.3)
    number_powers(axes.yaxis, wide=high > 50 * low)


def number_powers(axis: Axis, *, wide: bool) -> None:
    """Let a logarithmic axis have plain numbers: powers of ten, or some between if it is short."""
    axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 3, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axis.set_minor_formatter(NullFormatter())


def _transform(linear: float, *, mirrored: bool) -> tuple[Any, Any]:
    """Return a function of the axis and its inverse: linear near no error, then logarithmic."""

    def forward(value: Array) -> Array:
        error = 100 - np.asarray(value) if mirrored else np.asarray(value)
        place: Array = np.arcsinh(error / linear)
        return -place if mirrored else place

    def inverse(place: Array) -> Array:
        error: Array = linear * np.sinh(-np.asarray(place) if mirrored else np.asarray(place))
        return 100 - error if mirrored else error

    return forward, inverse


def _ticks(axes: Axes, linear: float, *, mirrored: bool) -> None:
    powers = [0.0001, 0.001, 0.01, 0.1, 1, 10, 100]
    errors = [0.0, *(part * power for power in powers for part in (1, 2, 5))]
    errors = [error for error in errors if error == 0 or 0.99 * linear <= error <= 100]
    if len(errors) > MOST_TICKS:
        errors = [0.0, *(power for power in powers if 0.99 * linear <= power)]
    shown = [100 - error for error in errors] if mirrored else errors
    axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))

"""What a network takes as input: how 8-bit integers become numbers, and what calibration saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_core.typing import Array, Float32

UINT8_SCALE = 1 / 255
"""Factor for 8-bit integers unless the model rescales by itself, or the user says otherwise."""

LARGEST_SCALED = 4.0
"""Largest value that is expected of scaled samples: those from 0 to 1, and those of mean 0 and
variance 1, stay around or below it. Raw 8-bit values go far beyond."""

LARGEST_SCALE = 1e30
"""Largest factor; beyond, products are no float32 numbers."""

DECIDERS = ("rule", "model", "user")


@dataclass(frozen=True, kw_only=True, slots=True)
class InputData:
    """How samples enter a network, and what samples it was calibrated on.

    There is one rule for all samples, from wherever they come: 8-bit integers (``uint8``) are
    multiplied by `uint8_scale`; all other numbers enter as they are.

    Parameters
    ----------
    uint8_scale
        Factor for 8-bit integers: 1/255; or 1 where the model rescales by itself.
    decided_by
        Where the factor comes from: the ``"rule"`` above, the ``"model"``, or the ``"user"``.
    low, high, mean
        Smallest, largest and mean value of the calibration samples as they entered; ``None``
        before calibration.
    classes
        Name of each class, by its number; empty where they have no names.

    Raises
    ------
    ValueError
        If a value is of the wrong kind, or the range is none.
    """

    uint8_scale: float = UINT8_SCALE
    decided_by: str = "rule"
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (_is_number(self.uint8_scale) and 0 < self.uint8_scale <= LARGEST_SCALE):
            raise ValueError(
                f"uint8_scale is {self.uint8_scale!r}; expected a number above 0, as 1 or 1/255"
            )
        if self.decided_by not in DECIDERS:
            raise ValueError(f"decided_by is {self.decided_by!r}; expected one of {DECIDERS}")
        for name in ("low", "high", "mean"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise ValueError(f"{name} is {value!r}; expected a number")
        self._require_order()
        names: Any = self.classes  # a list, and anything else, where they come from a file
        if not isinstance(names, (list, tuple)) or not all(isinstance(c, str) for c in names):
            raise ValueError(f"classes is {names!r}; expected names")
        object.__setattr__(self, "classes", tuple(names))

    def _require_order(self) -> None:
        """Raise unless the mean lies between the smallest and the largest value."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        mean = low if self.mean is None else self.mean
        # The mean of equal values is rounded.
        slack = 1e-6 * max((abs(x) for x in (low, high) if math.isfinite(x)), default=0)
        if not (low <= high and low - slack <= mean <= high + slack):
            raise ValueError(
                f"low, mean and high are {self.low!r}, {self.mean!r} and {self.high!r}; expected "
                f"numbers that do not fall"
            )

    def as_floats(self, x_b_l: Array | Sequence[Any]) -> Float32[Array, "*l"]:
        """Return samples as they enter the network.

        The product is the nearest float32 number to the exact one.
        """
        x_b_l = np.asarray(x_b_l)
        if x_b_l.dtype != np.uint8:
            return x_b_l.astype(np.float32, copy=False)
        scaled: Array = (np.arange(256) * self.uint8_scale).astype(np.float32)[x_b_l]
        return scaled

    def __str__(self) -> str:
        """Return how 8-bit integers enter: ``uint8 ÷ 255``."""
        reason = {"rule": "", "model": ", as the model rescales by itself", "user": ", as asked"}
        return f"uint8 {format_factor(self.uint8_scale)}{reason[self.decided_by]}"

    @property
    def calibrated_range(self) -> str:
        """What calibration saw, human-readable; empty if that is not known."""
        if self.low is None or self.high is None:
            return ""
        mean = "" if self.mean is None else f" (mean {self.mean:.3g})"
        return f"{self.low:.4g} to {self.high:.4g}{mean}"


def format_factor(factor: float) -> str:
    """Return a factor, human-readable: ``÷ 255`` or ``× 0.3``."""
    inverse = 1 / factor if factor else 0.0
    if inverse > 1 and math.isclose(inverse, round(inverse), rel_tol=1e-6):
        return f"÷ {round(inverse)}"
    return f"× {factor:g}"


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False

"""One unit of time for all figures: steps of the simulation, or milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.errors import SettingsError
from snn_core.typing import Array, Float64

CHOICES = ("steps", "ms")


@dataclass(frozen=True, kw_only=True)
class Units:
    """Units of times and rates in figures.

    Data come in steps and in spikes per step, whatever is shown.

    Parameters
    ----------
    time
        ``"steps"`` or ``"ms"``.
    dt_ms
        Length of a step in ms.
    has_rates
        Whether what spike trains stand for are rates; otherwise numbers without a unit.

    Raises
    ------
    SettingsError
        If the unit is unknown or the step has no length.
    """

    time: str = "steps"
    dt_ms: float = 1.0
    has_rates: bool = True

    def __post_init__(self) -> None:
        if self.time not in CHOICES:
            raise SettingsError(f"Unknown unit of time {self.time!r}; expected steps or ms.")
        if not self.dt_ms > 0:
            raise SettingsError(f"A step of {self.dt_ms} ms; expected more than 0.")

    @property
    def step(self) -> float:
        """Length of a step in the unit shown."""
        return 1.0 if self.time == "steps" else self.dt_ms

    @property
    def time_label(self) -> str:
        """Label of a time axis."""
        return f"time ({self.time})"

    @property
    def firing_rate(self) -> str:
        """Unit of a firing rate."""
        return "spikes/step" if self.time == "steps" else "spikes/ms"

    @property
    def rate(self) -> str:
        """Unit of what spike trains stand for."""
        return self.firing_rate if self.has_rates else "1"

    def named(self, what: str) -> str:
        """Return the label of what spike trains stand for, with its unit if it has one."""
        return f"{what} ({self.rate})" if self.has_rates else what

    def times(self, num_steps: int) -> Float64[Array, "t"]:
        """Return when each step ends: what is measured after step 1 stands at 1."""
        return np.arange(1, num_steps + 1) * self.step

    def rates(self, per_step: Array) -> Array:
        """Return rates in the unit shown; numbers without a unit as they are."""
        return np.asarray(per_step, np.float64) / (self.step if self.has_rates else 1)


STEPS = Units()

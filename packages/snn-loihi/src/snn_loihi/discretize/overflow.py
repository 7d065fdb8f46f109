"""Bounds of currents and membranes, proved from weights and numbers of spikes.

A neuron fires once per step at most, so no current is larger than the sum of its positive weights,
or smaller than the sum of the negative ones. A population whose neurons receive little fires less
often: its largest number of spikes bounds what the next one is charged with in all. The membrane of
a neuron that fires is lowered in every step in which it reaches the threshold, so it can rise above
it by no more than what single steps exceed it by.

Membranes saturate. At the lower end that changes no spike if the neuron is lost anyway: if D is
the most that a step can take away and U the most that it can add, a neuron needs M / D steps to
reach the lower end -M, and M / U more to fire again; where that is more than a run has, it never
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.typing import Array, Float64
from snn_loihi.ranges import STATE_MAX


@dataclass(frozen=True, kw_only=True, eq=False)
class Load:
    """What the neurons of each channel can receive, in any one unit.

    Parameters
    ----------
    high_o, low_o
        Most and least that spikes add in a step; ``low_o`` is not above 0.
    charge_high_o, charge_low_o
        The same in the whole run.
    bias_high_o, bias_low_o
        Largest and smallest constant input per step.
    """

    high_o: Float64[Array, "o"]
    low_o: Float64[Array, "o"]
    charge_high_o: Float64[Array, "o"]
    charge_low_o: Float64[Array, "o"]
    bias_high_o: Float64[Array, "o"]
    bias_low_o: Float64[Array, "o"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounds:
    """What currents and membranes cannot leave, and how often a neuron can fire.

    Parameters
    ----------
    current_o
        Largest magnitude of the synaptic current.
    high_o, low_o
        Largest and smallest membrane, before a reset.
    harmless_o
        Magnitude of the lower end from which on saturating there changes no spike; infinity where
        it always may.
    max_spikes
        Largest number of spikes of a neuron in a run.
    """

    current_o: Float64[Array, "o"]
    high_o: Float64[Array, "o"]
    low_o: Float64[Array, "o"]
    harmless_o: Float64[Array, "o"]
    max_spikes: int

    @property
    def needed_o(self) -> Float64[Array, "o"]:
        """Magnitude that the range must have so that no spike is changed."""
        below_o = np.minimum(np.abs(self.low_o), self.harmless_o)
        return np.maximum(np.abs(self.high_o), below_o)

    @property
    def largest(self) -> float:
        """Magnitude that the range must have for currents, too."""
        return float(np.maximum(self.current_o, self.needed_o).max(initial=0))

    @property
    def holds(self) -> bool:
        """Whether the range of 24 bits is large enough."""
        return self.largest <= STATE_MAX

    @property
    def saturates(self) -> bool:
        """Whether a membrane may reach the lower end."""
        return float(np.abs(self.low_o).max(initial=0)) > STATE_MAX

    @property
    def headroom(self) -> float:
        """How many times larger the range of 24 bits is than it must be."""
        return float(STATE_MAX / max(self.largest, 1.0))


def load_of(
    reaches: Sequence[tuple[Array, Array, int]], *, bias_high_o: Array, bias_low_o: Array
) -> Load:
    """Add up what a population receives.

    Parameters
    ----------
    reaches
        For each connection most and least per step, and the largest number of spikes of a source.
    """
    zero = np.zeros(np.broadcast_shapes(bias_high_o.shape, bias_low_o.shape))
    return Load(
        high_o=sum((high for high, _, _ in reaches), zero),
        low_o=sum((low for _, low, _ in reaches), zero),
        charge_high_o=sum((high * number for high, _, number in reaches), zero),
        charge_low_o=sum((low * number for _, low, number in reaches), zero),
        bias_high_o=bias_high_o,
        bias_low_o=bias_low_o,
    )


def bounds_of(
    load: Load, *, threshold_o: Array, start_o: Array, num_steps: int, fires: bool
) -> Bounds:
    """Return the bounds of a population.

    Parameters
    ----------
    load
        What it receives.
    threshold_o, start_o
        Thresholds and first potentials, in the unit of the load.
    fires
        Whether there is a threshold; otherwise everything adds up.
    """
    charged_o = np.maximum(start_o, 0) + load.charge_high_o
    charged_o = charged_o + num_steps * np.maximum(load.bias_high_o, 0)
    low_o = np.minimum(start_o, 0) + load.charge_low_o
    low_o = low_o + num_steps * np.minimum(load.bias_low_o, 0)
    high_o, spikes, harmless_o = charged_o, 0, np.full_like(charged_o, np.inf)
    if fires:
        step_o = np.maximum(load.high_o + load.bias_high_o, 0)
        kept_o = np.maximum(step_o - threshold_o, 0) * num_steps
        first_o = np.maximum(threshold_o, start_o)
        high_o = np.minimum(charged_o, first_o + kept_o + step_o)
        falls_o = np.maximum(-(load.low_o + load.bias_low_o), 0)
        # M / D + M / U > T, solved for M; the first potential is not negative.
        harmless_o = np.where(start_o >= 0, num_steps * _together(falls_o, step_o), np.inf)
        most = np.floor(charged_o / np.maximum(threshold_o, 1e-300)).max(initial=0)
        spikes = int(min(most, num_steps))
    return Bounds(
        current_o=np.maximum(load.high_o, np.abs(load.low_o)),
        high_o=high_o,
        low_o=low_o,
        harmless_o=harmless_o,
        max_spikes=spikes,
    )


def _together(first_o: Array, second_o: Array) -> Array:
    """Return ``1 / (1 / first + 1 / second)``."""
    total = first_o + second_o
    found: Array = np.divide(first_o * second_o, total, out=np.zeros_like(total), where=total > 0)
    return found

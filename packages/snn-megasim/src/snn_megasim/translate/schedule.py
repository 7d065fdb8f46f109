"""Times of a run: when inputs arrive, when layers may spike, when samples begin and end.

MegaSim has no steps. Two schedules bring those of the network into it:

*asynchronous*
    A step is a time unit. Input spikes and the clock of the biases come at its beginning, and a
    neuron spikes at once when its potential reaches the threshold.
*clocked*
    Neurons spike once in a step at most, after all their input, as everywhere else in this family
    of packages. Between steps the potential is kept so far below its value, by the *room*, that no
    input reaches the threshold. A source sends each layer two events in a step: the first raises
    the potential by the room, so that neurons at the threshold spike and lose it; the second lowers
    it again. A layer is asked when all layers before it have spiked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.typing import Array, Int64

SPIKES_PER_STEP = 4
"""Mean spikes of a neuron in a step that there is room for where neurons may spike repeatedly; a
run in which one spikes more often is refused where that could make spikes of neurons off a grid."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Times on MegaSim's clock.

    Parameters
    ----------
    num_steps
        Steps of a sample.
    depth
        Layers with neurons on the longest path.
    clocked
        Whether layers are asked for spikes.
    prepares
        Whether potentials are set before the first step.
    """

    num_steps: int
    depth: int
    clocked: bool
    prepares: bool

    @property
    def step(self) -> int:
        """Time units of a step."""
        return 2 * self.depth + 1 if self.clocked else 1

    @property
    def first(self) -> int:
        """Time of the first step of a sample from the sample's beginning."""
        return 1 if self.clocked or self.prepares else 0

    @property
    def period(self) -> int:
        """Time from one sample's beginning to the next one's."""
        return self.reset + 1

    @property
    def reset(self) -> int:
        """Time from the beginning of a sample to its reset."""
        return self.first + self.num_steps * self.step

    def input_times(
        self, sample_e: Int64[Array, "e"], step_e: Int64[Array, "e"]
    ) -> Int64[Array, "e"]:
        """Return when input spikes and biases of a step come."""
        times: Array = (
            sample_e.astype(np.int64) * self.period
            + self.first
            + step_e.astype(np.int64) * self.step
        )
        return times

    def ask_offset(self, depth: int) -> int:
        """Return when a layer is asked for spikes, from the beginning of a step."""
        return 2 * depth - 1

    def seen(self, depth: int, *, reads_only: bool) -> int:
        """Return when the potentials of a layer are those of a step, from the step's beginning."""
        if not self.clocked:
            return 0
        return self.step - 1 if reads_only else self.ask_offset(depth)

    def steps_of(
        self, time_e: Int64[Array, "e"], depth: int
    ) -> tuple[Int64[Array, "e"], Int64[Array, "e"], Int64[Array, "e"]]:
        """Return sample and step of spikes of a layer, and how late they come.

        Parameters
        ----------
        time_e
            Times of spikes.
        depth
            Depth of the layer, 0 for the input.
        """
        time_e = time_e.astype(np.int64)
        sample_e, within_e = np.divmod(time_e, self.period)
        step_e, place_e = np.divmod(within_e - self.first, self.step)
        offset = self.ask_offset(depth) if self.clocked and depth else 0
        return sample_e, step_e, place_e - offset

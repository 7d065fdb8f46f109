"""Input spikes for spike sources, which know times only: no values, no signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.recording.spike_trains import Events
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, Float32


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikingInput:
    """Spikes of a few samples, split by sign.

    A source of PyNN sends spikes without a value. Every sample has one amplitude, by which the
    weights of the synapses from the input are multiplied; negative spikes have sources of their
    own, behind those of positive ones, with synapses of the opposite sign.

    Parameters
    ----------
    events
        Sample, step, source and value of each spike.
    amplitude_b
        Value of each sample's spikes.
    size
        Cells of the input, half of the sources if there are negative spikes.
    """

    events: Events
    amplitude_b: Float32[Array, "b"]
    size: int

    @classmethod
    def of(cls, signal: InputSignal, size: int) -> SpikingInput:
        """Return the spikes of a signal."""
        events = signal.events()
        is_negative = np.asarray(events.value_e) < 0
        cell_e = events.cell_e + np.where(is_negative, size, 0).astype(np.int32)
        return cls(
            events=Events(events.sample_e, events.step_e, cell_e),
            amplitude_b=signal.amplitude_b,
            size=size,
        )

    @property
    def is_signed(self) -> bool:
        """Whether there are negative spikes."""
        return bool((self.events.cell_e >= self.size).any())

    def ordered(self, sample: int, sources: int) -> tuple[Array, list[int]]:
        """Return the steps of a sample's spikes, source by source, and where each source's end."""
        mine = self.events.sample_e == sample
        cell_e, step_e = self.events.cell_e[mine], self.events.step_e[mine]
        order = np.lexsort((step_e, cell_e))
        ends = np.cumsum(np.bincount(cell_e, minlength=sources))
        return step_e[order], ends.tolist()

    def steps(self, sample: int, sources: int) -> list[Array]:
        """Return the steps in which each source spikes in a sample, in order."""
        step_e, ends = self.ordered(sample, sources)
        return np.split(step_e, ends[:-1])

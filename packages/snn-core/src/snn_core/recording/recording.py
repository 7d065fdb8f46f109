"""What a simulator recorded of one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from snn_core.recording.log import Log
from snn_core.recording.spike_trains import compact
from snn_core.typing import Array, Bool, Float32, Int32, Int64


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Everything recorded of one batch.

    Parameters
    ----------
    output_b_l_t
        Output spikes (whole numbers, negative ones for negative spikes) or, under the membrane
        read-out, output potentials (float32) in units of the threshold, after each step.
    spikecounts_n_b_l
        Spikes of every neuron over the run, for each layer with neurons; negative ones count -1.
    synaptic_operations_n_b_t
        Synaptic operations per step that spikes of each population caused, the input first.
    spiketrains_n_b_l_t
        Spike trains; empty unless asked for.
    mem_n_b_l_t
        Membrane potentials after each step in units of the threshold; empty unless asked for.
    input_b_l_t
        Input values of each step; ``None`` unless asked for.
    num_active_steps_b
        Number of steps after which each sample was stopped; ``None`` if none was. From then on
        nothing is recorded of it, and potentials stay what they were.
    negative_spikes_n_b
        Number of negative spikes of each layer that has any.
    """

    output_b_l_t: Array
    spikecounts_n_b_l: Mapping[str, Int32[Array, "b ..."]]
    synaptic_operations_n_b_t: Mapping[str, Int64[Array, "b t"]]
    spiketrains_n_b_l_t: Log = field(default_factory=lambda: Log({}))
    mem_n_b_l_t: Mapping[str, Float32[Array, "b ... t"]] = field(default_factory=dict)
    input_b_l_t: Float32[Array, "b ... t"] | None = None
    num_active_steps_b: Int64[Array, "b"] | None = None
    negative_spikes_n_b: Mapping[str, Int64[Array, "b"]] = field(default_factory=dict)

    @property
    def num_spikes_n_b(self) -> dict[str, Int64[Array, "b"]]:
        """Number of spikes of each layer with neurons, whatever their sign."""
        return {
            name: counts.reshape(len(counts), -1).sum(axis=1, dtype=np.int64)
            + 2 * self.negative_spikes_n_b.get(name, np.int64(0))
            for name, counts in self.spikecounts_n_b_l.items()
        }

    @property
    def is_active_b_t(self) -> Bool[Array, "b t"]:
        """Whether each sample is still simulated in each step."""
        samples, steps = len(self.output_b_l_t), self.output_b_l_t.shape[-1]
        if self.num_active_steps_b is None:
            return np.ones((samples, steps), bool)
        active: Array = np.arange(steps) < self.num_active_steps_b[:, None]
        return active

    @property
    def synaptic_operations_b_t(self) -> Int64[Array, "b t"]:
        """Synaptic operations per step, all populations together."""
        parts = list(self.synaptic_operations_n_b_t.values())
        samples, steps = len(self.output_b_l_t), self.output_b_l_t.shape[-1]
        return sum(parts, start=np.zeros((samples, steps), np.int64))


def joined(recordings: Sequence[Recording], order: Int64[Array, "b"]) -> Recording:
    """Return several recordings of the same network as one.

    Parameters
    ----------
    recordings
        The recordings.
    order
        Which of all their samples, counted on from one recording to the next, come in which order.
    """

    def taken(parts: Sequence[Array]) -> Array:
        result: Array = np.concatenate(parts)[order]
        return result

    def by_name(mappings: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        return {name: taken([mapping[name] for mapping in mappings]) for name in mappings[0]}

    spiketrains = {
        name: compact(np.moveaxis(dense_b_l_t, -1, 0))
        for name, dense_b_l_t in by_name([part.spiketrains_n_b_l_t for part in recordings]).items()
    }
    inputs = [part.input_b_l_t for part in recordings if part.input_b_l_t is not None]
    return Recording(
        output_b_l_t=taken([part.output_b_l_t for part in recordings]),
        spikecounts_n_b_l=by_name([part.spikecounts_n_b_l for part in recordings]),
        synaptic_operations_n_b_t=by_name([part.synaptic_operations_n_b_t for part in recordings]),
        spiketrains_n_b_l_t=Log(spiketrains),
        mem_n_b_l_t=by_name([part.mem_n_b_l_t for part in recordings]),
        input_b_l_t=taken(inputs) if inputs else None,
        negative_spikes_n_b={
            name: taken(
                [
                    part.negative_spikes_n_b.get(name, np.zeros(len(part.output_b_l_t), np.int64))
                    for part in recordings
                ]
            )
            for name in {name for part in recordings for name in part.negative_spikes_n_b}
        },
    )

"""Estimate of energy and time on Loihi 1, from published figures and counted spikes.

An estimate, no measurement: figures are those that Intel published for single operations at 0.75 V,
"pre-silicon", of M. Davies et al. 2018, "Loihi: A Neuromorphic Manycore Processor with On-Chip
Learning", IEEE Micro 38(1), table 2. Static power, the embedded processors and what goes in and out
are not part of them. Nothing of the kind is published for Loihi 2.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from snn_core.ir.shapes import count
from snn_core.recording.recording import Recording
from snn_loihi.discretize import ChipNetwork
from snn_loihi.mapping import ChipMapping

SYNAPTIC_J = 23.6e-12
"""Energy of a synaptic operation, the minimum (Davies 2018, table 2: 23.6 pJ)."""

ACTIVE_UPDATE_J = 81e-12
"""Energy of updating a neuron that is active (Davies 2018, table 2: 81 pJ)."""

INACTIVE_UPDATE_J = 52e-12
"""Energy of updating a neuron that is inactive (Davies 2018, table 2: 52 pJ)."""

SPIKE_J = 1.7e-12
"""Energy of a spike within a tile (Davies 2018, table 2: 1.7 pJ)."""

HOP_J = 3.5e-12
"""Energy of a hop between tiles: mean of 3.0 pJ east-west and 4.0 pJ north-south (Davies 2018,
table 2)."""

SYNAPTIC_S = 3.5e-9
"""Time of a synaptic operation, the maximum (Davies 2018, table 2: 3.5 ns)."""

ACTIVE_UPDATE_S = 8.4e-9
"""Time of updating a neuron that is active (Davies 2018, table 2: 8.4 ns)."""

BARRIER_S = 465e-9
"""Time of synchronising 32 tiles after a step (Davies 2018, table 2: 113 to 465 ns)."""

CORES_PER_TILE = 4
"""Davies 2018: 128 cores in 32 tiles."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Energy and time of a sample on Loihi 1: an estimate from published figures.

    Parameters
    ----------
    synapses_j, neurons_j, spikes_j
        Energy of synaptic operations, of updating neurons, and of spikes on their way.
    time_s
        Time of all steps, as long as the slowest core takes in each.
    """

    synapses_j: float
    neurons_j: float
    spikes_j: float
    time_s: float

    @property
    def energy_j(self) -> float:
        """Energy in all."""
        return self.synapses_j + self.neurons_j + self.spikes_j

    def describe(self) -> str:
        """Return one line."""
        return (
            f"estimate from figures published for Loihi 1 (Davies et al. 2018), no measurement: "
            f"{self.energy_j * 1e6:.3g} µJ and {self.time_s * 1e6:.3g} µs per sample"
        )

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "kind": "estimate from published figures (Davies et al. 2018), not measured",
            "energy_j": self.energy_j,
            **asdict(self),
        }


def estimate(chip: ChipNetwork, mapped: ChipMapping, recording: Recording) -> Estimate:
    """Estimate energy and time per sample, the mean over a batch.

    Parameters
    ----------
    chip
        The network in integers.
    mapped
        Where it lies, of `snn_loihi.mapping.map_network`.
    recording
        What was simulated. Synaptic operations of the input count where it spikes.
    """
    samples = len(recording.output_b_l_t)
    operations = sum(float(values.sum()) for values in recording.synaptic_operations_n_b_t.values())
    updates = sum(count(item.layer.output_shape) for item in chip.populations) * chip.num_steps
    spikes = {
        name: float(counts_b_l.sum()) / samples
        for name, counts_b_l in recording.spikecounts_n_b_l.items()
    }
    total = sum(spikes.values())
    # A neuron counts as active in the steps in which it spikes.
    neurons_j = total * ACTIVE_UPDATE_J + (updates - total) * INACTIVE_UPDATE_J
    cores = {layer.name: layer.cores for layer in mapped.layers}
    hops = max(float(np.sqrt(mapped.cores / CORES_PER_TILE)) / 2, 1.0)
    sent = sum(spikes[name] * _reached(chip, cores, name) for name in spikes)
    per_core = max((layer.neurons / layer.cores for layer in mapped.layers), default=0.0)
    busiest = operations / samples / max(mapped.cores, 1)
    return Estimate(
        synapses_j=operations / samples * SYNAPTIC_J,
        neurons_j=neurons_j,
        spikes_j=sent * (SPIKE_J + hops * HOP_J),
        time_s=chip.num_steps * (per_core * ACTIVE_UPDATE_S + BARRIER_S) + busiest * SYNAPTIC_S,
    )


def _reached(chip: ChipNetwork, cores: dict[str, int], name: str) -> int:
    """Return the number of cores that a spike of a population is sent to."""
    targets = [
        item.name for item in chip.populations if any(name in c.sources for c in item.connections)
    ]
    return sum(cores[target] for target in targets)

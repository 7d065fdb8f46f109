"""Estimate of energy and time on Loihi 1, from published figures and counted spikes.

An estimate, no measurement. All figures are from table 2 of M. Davies et al. 2018, "Loihi: A
Neuromorphic Manycore Processor with On-Chip Learning", IEEE Micro 38(1), p. 96: single operations
at 0.75 V, from simulations of the circuit, "consistent with early post-silicon characterization".
Static power, the embedded processors, traffic between chips, and what goes in and out are not part
of them. Nothing of the kind is published for Loihi 2. The figures were checked against
transcriptions of the table that agree, not against the paper.

The paper does not say when an update counts as active. Here it does in the steps in which a neuron
spikes. Which cores lie where is unknown, too: they are taken to fill a square of tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from snn_core.recording.recording import Recording
from snn_loihi.mapping import ChipMapping, LayerMapping

SOURCE = "Davies et al. 2018, table 2"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A published figure.

    Parameters
    ----------
    value
        In joules or seconds.
    row
        The row of the table that it is from.
    source
        The table.
    """

    value: float
    row: str
    source: str = SOURCE


SYNAPTIC_J = Figure(value=23.6e-12, row="energy per synaptic spike op (min)")
ACTIVE_J = Figure(value=81e-12, row="energy per neuron update (active)")
INACTIVE_J = Figure(value=52e-12, row="energy per neuron update (inactive)")
SPIKE_J = Figure(value=1.7e-12, row="within-tile spike energy")
HOP_EAST_J = Figure(value=3.0e-12, row="energy per tile hop (E-W)")
HOP_NORTH_J = Figure(value=4.0e-12, row="energy per tile hop (N-S)")
SYNAPTIC_S = Figure(value=3.5e-9, row="time per synaptic spike op (max)")
ACTIVE_S = Figure(value=8.4e-9, row="time per neuron update (active)")
INACTIVE_S = Figure(value=5.3e-9, row="time per neuron update (inactive)")
BARRIER_S = Figure(value=465e-9, row="mesh-wide barrier sync time (32 tiles)")

CORES_PER_TILE = 4
"""Davies et al. 2018, p. 86 and table 2: 128 cores in 32 tiles."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What was counted while samples were simulated.

    Parameters
    ----------
    samples
        Number of samples.
    spikes
        Spikes of each population in all samples.
    operations
        Synaptic operations that spikes of each population, or of the input, caused.
    """

    samples: int = 0
    spikes: Mapping[str, float]
    operations: Mapping[str, float]

    @classmethod
    def of(cls, recording: Recording) -> Activity:
        """Return what happened in a batch."""
        return cls(
            samples=len(recording.output_b_l_t),
            spikes={n: float(counts.sum()) for n, counts in recording.spikecounts_n_b_l.items()},
            operations={
                n: float(values.sum()) for n, values in recording.synaptic_operations_n_b_t.items()
            },
        )

    def plus(self, other: Activity) -> Activity:
        """Return what happened in both."""
        return Activity(
            samples=self.samples + other.samples,
            spikes=_sum(self.spikes, other.spikes),
            operations=_sum(self.operations, other.operations),
        )


def _sum(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {name: first.get(name, 0.0) + value for name, value in second.items()}


@dataclass(frozen=True, kw_only=True)
class Term:
    """A part of an estimate: a number of operations of a sample, and what one of them takes.

    Parameters
    ----------
    name
        What the operations are.
    number
        Operations per sample.
    figure
        What one takes.
    """

    name: str
    number: float
    figure: Figure

    @property
    def value(self) -> float:
        """What all of them take."""
        return self.number * self.figure.value

    def describe(self, unit: str) -> str:
        """Return number, figure and its row in the table."""
        each = self.figure.value * (1e12 if unit == "J" else 1e9)
        return (
            f"{self.number:,.0f} × {each:g} {'p' if unit == 'J' else 'n'}{unit} [{self.figure.row}]"
        )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Energy and time of a sample on Loihi 1: an estimate from published figures.

    Parameters
    ----------
    samples
        Number of samples that it is the mean of.
    energy, time
        What they are added up from.
    """

    samples: int
    energy: tuple[Term, ...]
    time: tuple[Term, ...]

    @property
    def energy_j(self) -> float:
        """Energy of a sample."""
        return sum(term.value for term in self.energy)

    @property
    def time_s(self) -> float:
        """Time of all steps, as long as the slowest core takes in each."""
        return sum(term.value for term in self.time)

    def describe(self) -> dict[str, str]:
        """Return lines on energy and time, by their names."""
        found = f"{self.energy_j * 1e6:.3g} µJ and {self.time_s * 1e6:.3g} µs per sample on loihi1"
        total = (
            f"{found}, mean of {self.samples}; estimated from figures of {SOURCE}, not measured; "
            f"static power, input and output are left out"
        )
        return {
            "estimate": total,
            "estimate_energy": " + ".join(term.describe("J") for term in self.energy),
            "estimate_time": " + ".join(term.describe("s") for term in self.time),
        }

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "kind": f"estimate from figures of {SOURCE}, not measured",
            "target": "loihi1",
            "samples": self.samples,
            "energy_j": self.energy_j,
            "time_s": self.time_s,
            "energy": [_plain(term) for term in self.energy],
            "time": [_plain(term) for term in self.time],
        }


def _plain(term: Term) -> dict[str, object]:
    return {**asdict(term), "total": term.value}


def estimate(mapped: ChipMapping, activity: Activity, *, run_steps: int) -> Estimate:
    """Estimate energy and time per sample.

    Parameters
    ----------
    mapped
        Where the network lies on Loihi 1, of `snn_loihi.mapping.map_network`.
    activity
        What was counted. Synaptic operations of the input count where it spikes.
    run_steps
        Steps until the output has had all of its own: those of `SNN.timing`.
    """
    layers = {layer.name: layer for layer in mapped.layers}
    samples = max(activity.samples, 1)
    spikes = {name: activity.spikes.get(name, 0.0) / samples for name in layers}
    # Of the compartments of a neuron the second spikes, and has a synapse at the first.
    active = {name: spikes[name] * layer.per_neuron for name, layer in layers.items()}
    resets = sum(spikes[name] * (layer.per_neuron - 1) for name, layer in layers.items())
    updates = sum(layer.neurons * layer.per_neuron for layer in mapped.layers) * run_steps
    sent = sum(spikes[name] * layer.edges / layer.neurons for name, layer in layers.items())
    operations = sum(activity.operations.values()) / samples + resets
    hops = (sent - resets) * _hops(mapped.cores)
    slowest = max(
        (_core_time(layer, active, layers, activity, run_steps) for layer in mapped.layers),
        key=lambda terms: sum(term.value for term in terms),
    )
    return Estimate(
        samples=activity.samples,
        energy=(
            Term(name="synaptic operations", number=operations, figure=SYNAPTIC_J),
            Term(name="updates, active", number=sum(active.values()), figure=ACTIVE_J),
            Term(name="updates", number=updates - sum(active.values()), figure=INACTIVE_J),
            Term(name="spikes", number=sent, figure=SPIKE_J),
            Term(name="hops, east or west", number=hops, figure=HOP_EAST_J),
            Term(name="hops, north or south", number=hops, figure=HOP_NORTH_J),
        ),
        time=(*slowest, Term(name="steps", number=run_steps, figure=BARRIER_S)),
    )


def _core_time(
    layer: LayerMapping,
    active: Mapping[str, float],
    layers: Mapping[str, LayerMapping],
    activity: Activity,
    run_steps: int,
) -> tuple[Term, ...]:
    """Return what the fullest core of a population does for a sample."""
    share = layer.compartments / (layer.neurons * layer.per_neuron)
    updates = layer.compartments * run_steps
    busy = active[layer.name] * share
    arriving = 0.0
    for source, number in layer.synapses_from.items():
        leaving = sum(other.synapses_from.get(source, 0) for other in layers.values())
        arriving += activity.operations.get(source, 0.0) * number / max(leaving, 1)
    operations = arriving / max(activity.samples, 1) * share
    return (
        Term(name="synaptic operations", number=operations, figure=SYNAPTIC_S),
        Term(name="updates, active", number=busy, figure=ACTIVE_S),
        Term(name="updates", number=updates - busy, figure=INACTIVE_S),
    )


def _hops(cores: int) -> float:
    """Return the mean distance between two tiles of a square along one axis.

    On a side of n tiles it is (n² - 1) / 3n.
    """
    side = float(np.sqrt(max(cores / CORES_PER_TILE, 1.0)))
    return (side**2 - 1) / (3 * side)

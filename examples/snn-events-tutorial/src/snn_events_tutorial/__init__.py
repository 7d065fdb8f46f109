"""A small event-driven simulator for snn-core: lists of synapses, spikes as events, and delays."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snn_core.recording.spike_trains import Events
from snn_core.simulation.capabilities import CONTRACT_1_LAYERS
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.currents import constant_drive
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.tabled import SynapseTableSNN
from snn_core.simulation.synapses.tables import INTEGRATORS, Connection, Population
from snn_core.typing import Array, Float32, Int

__all__ = ["SNN"]


class SNN(SynapseTableSNN):
    """Integrate-and-fire network whose spikes take one step from layer to layer."""

    name: ClassVar[str] = "events_tutorial"
    capabilities: ClassVar[Capabilities] = Capabilities(
        layers=CONTRACT_1_LAYERS - {"MaxPooling2D"},
        settings={
            "cell.reset": {"subtraction"},
            "input.encoding": {"constant", "poisson", "regular", "events"},
        },
        softmax=True,
        delay_steps=1,
    )

    def compile(self) -> None:
        """Sort the synapses that transmit spikes by their source."""
        self.fans: dict[str, list[Fan]] = defaultdict(list)
        for connection in self.tables.connections:
            if not self.is_current(connection):
                fan = Fan.of(connection, delay=self.delay(connection))
                self.fans[connection.source].append(fan)

    def run_part(self, signal: InputSignal) -> Found:
        """Simulate some samples side by side, step by step on the clock."""
        num_steps, input_name = signal.num_steps, self.tables.input_name
        cells = {
            population.name: Cells.of(population, constant_drive(self.tables, population, signal))
            for population in self.tables.populations
        }
        spikes: dict[str, list[Events]] = defaultdict(list)
        potentials: dict[str, list[Array]] = defaultdict(list)
        if not self.is_constant:
            spikes[input_name] = by_step(signal.events(), num_steps)
        mail = Mail(self.fans)
        for clock in range(self.timing.run_steps):
            self.checkpoint()
            for name in (input_name, *cells):
                step = clock - self.timing.first_step[name]
                if not 0 <= step < num_steps:
                    continue
                if name in cells:
                    mail.deliver(name, clock, cells[name].v_b_l)
                    spikes[name].append(cells[name].update(step))
                    if name in self.membranes:
                        potentials[name].append(cells[name].v_b_l.copy())
                if spikes[name]:
                    mail.send(name, clock, spikes[name][step])
        return Found(
            spikes={name: joined(spikes[name]) for name in cells},
            membranes_t_b_l={name: np.stack(v_t_b_l) for name, v_t_b_l in potentials.items()},
        )


@dataclass
class Cells:
    """The neurons of a population and their state."""

    v_b_l: Float32[Array, "b l"]
    threshold_l: Float32[Array, "l"]
    drive_b_l: Float32[Array, "b l"]
    can_spike: bool

    @classmethod
    def of(cls, population: Population, drive_b_l: Float32[Array, "b l"]) -> Cells:
        """Return neurons in their initial state, given what they receive in every step."""
        return cls(
            v_b_l=np.tile(population.start_l, (len(drive_b_l), 1)),
            threshold_l=population.threshold_l,
            drive_b_l=drive_b_l,
            can_spike=population.role != INTEGRATORS,
        )

    def update(self, step: int) -> Events:
        """Add the drive, and return the spikes of neurons that reached the threshold."""
        self.v_b_l += self.drive_b_l
        fired_b_l = (self.v_b_l >= self.threshold_l) & self.can_spike
        self.v_b_l -= fired_b_l * self.threshold_l
        sample_e, cell_e = np.nonzero(fired_b_l)
        return Events(sample_e, np.full(len(cell_e), step), cell_e)


@dataclass
class Fan:
    """The synapses of a connection, those of a source cell one after the other."""

    target: str
    delay: int
    first: Int[Array, "i"]
    post: Int[Array, "s"]
    weight: Float32[Array, "s"]

    @classmethod
    def of(cls, connection: Connection, *, delay: int) -> Fan:
        """Return the synapses of a connection, which the tables sort by source."""
        first = np.searchsorted(connection.pre, np.arange(connection.shape[0] + 1))
        return cls(connection.target, delay, first, connection.post, connection.weight_s)

    def meets(self, spikes: Events) -> tuple[Array, Array, Array]:
        """Return sample, target cell and weight of every synapse that spikes meet."""
        first, number = self.first[spikes.cell_e], np.diff(self.first)[spikes.cell_e]
        before = np.cumsum(number) - number
        synapse = np.arange(number.sum()) + np.repeat(first - before, number)
        weight = self.weight[synapse]
        if spikes.value_e is not None:
            weight = weight * np.repeat(spikes.value_e, number)
        return np.repeat(spikes.sample_e, number), self.post[synapse], weight


class Mail:
    """Spikes on their way: what arrives at a population at a time."""

    def __init__(self, fans: dict[str, list[Fan]]) -> None:
        self._fans = fans
        self._arriving: dict[tuple[str, int], list[tuple[Array, Array, Array]]] = defaultdict(list)

    def send(self, source: str, clock: int, spikes: Events) -> None:
        """Hand spikes on to all synapses that leave their cells."""
        for fan in self._fans.get(source, ()):
            self._arriving[fan.target, clock + fan.delay].append(fan.meets(spikes))

    def deliver(self, target: str, clock: int, v_b_l: Float32[Array, "b l"]) -> None:
        """Add what arrives at a population now to its potentials."""
        for sample, cell, weight in self._arriving.pop((target, clock), ()):
            np.add.at(v_b_l, (sample, cell), weight)


def by_step(events: Events, num_steps: int) -> list[Events]:
    """Return the spikes of each step."""
    events = events.taken(np.argsort(events.step_e, kind="stable"))
    ends = np.searchsorted(events.step_e, np.arange(num_steps + 1))
    return [events.taken(slice(*ends[step : step + 2])) for step in range(num_steps)]


def joined(steps: list[Events]) -> Events:
    """Return the spikes of all steps."""
    return Events(*(np.concatenate([step[part] for step in steps]) for part in range(3)))

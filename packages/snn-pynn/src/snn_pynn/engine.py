"""Building a network with PyNN and running samples through it, whichever simulator lies behind."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from snn_core.recording.spike_trains import Events
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.currents import constant_drive
from snn_core.simulation.synapses.handover import NONE, Found
from snn_core.simulation.synapses.tables import INTEGRATORS, Connection, Population, Tables
from snn_core.typing import Array, Float32
from snn_pynn import plain
from snn_pynn.inputs import SpikingInput
from snn_pynn.plan import Plan
from snn_pynn.progress import FIRST_STEPS, Progress

NEVER = 1e300
"""Threshold of neurons that only integrate."""


class Engine(ABC):
    """A network in a simulator, built once and reset for each sample.

    Simulators behind PyNN hold one network per process. An engine whose network was replaced, by
    another engine or by the user, builds it again when it is needed.

    Parameters
    ----------
    tables, plan
        The network and how it is laid out.

    Attributes
    ----------
    populations
        PyNN's populations by name, the input first where it spikes.
    projections
        PyNN's projections, in the order of the tables' connections; those from the input occur a
        second time, with opposite weights, if the input has negative spikes.
    """

    sim: ClassVar[Any]
    """PyNN's module of the simulator."""

    cells: ClassVar[Any]
    """The simulator's exact neurons."""

    _current: ClassVar[dict[str, weakref.ref[Engine]]] = {}

    def __init__(self, tables: Tables, plan: Plan) -> None:
        self.tables, self.plan = tables, plan
        self.is_signed = False
        self._progress: Progress | None = None
        self.build()

    # Building.

    def build(self) -> None:
        """Hand the network to the simulator, in place of the one that it holds."""
        self._replace_current()
        self.populations: dict[str, Any] = {}
        self.projections: list[Any] = []
        self.set_up()
        if not self.plan.is_constant:
            size = self.tables.input_size * (2 if self.is_signed else 1)
            self.populations[self.tables.input_name] = self.add_source(
                size * self.plan.copies, self.tables.input_name
            )
        for population in self.tables.populations:
            self.populations[population.name] = self.add_population(population)
        for connection in self.spiking_connections:
            self.projections += self.connect(connection)
        self.finish()

    def _replace_current(self) -> None:
        """Let go of the network that this one replaces, which would otherwise keep its memory."""
        name = self.sim.__name__
        previous = self._current.get(name, lambda: None)()
        if previous is not None and previous is not self:
            previous.populations, previous.projections = {}, []
        self._current[name] = weakref.ref(self)

    def revive(self) -> None:
        """Build the network again if the simulator no longer holds it."""
        if not self.populations or not self.holds(next(iter(self.populations.values()))):
            self.build()

    @property
    def spiking_connections(self) -> list[Connection]:
        """Connections that transmit spikes."""
        return [
            item
            for item in self.tables.connections
            if len(item) and not (self.plan.is_constant and self.is_from_input(item))
        ]

    def is_from_input(self, connection: Connection) -> bool:
        """Return whether a connection begins at the input."""
        return connection.source == self.tables.input_name

    def is_driven(self, population: Population) -> bool:
        """Return whether a population receives something in every step, whatever spikes."""
        by_input = any(self.is_from_input(item) for item in self.tables.into(population.name))
        return (self.plan.is_constant and by_input) or bool(population.current_l.any())

    @abstractmethod
    def set_up(self) -> None:
        """Call PyNN's ``setup``."""

    @abstractmethod
    def holds(self, population: Any) -> bool:
        """Return whether the simulator still holds a population."""

    def add_source(self, size: int, label: str) -> Any:
        """Return a population of spike sources."""
        return self.cells.add_sources(size, label)

    def add_population(self, population: Population) -> Any:
        """Return a population of neurons, one after the other for each copy of the network."""
        copies = self.plan.copies
        return self.cells.add_neurons(
            np.tile(thresholds(population), copies),
            np.tile(population.start_l.astype(float), copies),
            label=population.name,
            reset=self.plan.reset,
            rest_steps=self.plan.rest_steps,
            first_step=self.plan.late(population.name),
            dt_ms=self.plan.dt_ms,
        )

    @abstractmethod
    def connect(self, connection: Connection) -> list[Any]:
        """Return the projections of a connection."""

    def with_signs(self, connection: Connection) -> Iterator[tuple[Array, Array, Array]]:
        """Yield source, target and weight of all synapses, for positive and for negative spikes."""
        pre, post, weight = connection.pre, connection.post, connection.weight_s.astype(float)
        yield pre, post, weight
        if self.is_signed and self.is_from_input(connection):
            yield pre + np.int32(self.tables.input_size), post, -weight

    @abstractmethod
    def finish(self) -> None:
        """Add what else belongs to the network, after all populations are connected."""

    def delay_ms(self, connection: Connection) -> float:
        """Return the delay of a connection as PyNN is told it."""
        delay_ms: float = self.cells.delay_ms(self.plan.delay(connection), self.plan.dt_ms)
        return delay_ms

    def load_assembly(self, description: dict[str, Any]) -> dict[str, Any]:
        """Return the populations of a saved assembly, in place of the network that is held."""
        self.populations = {}
        return plain.load_assembly(description, self.cells)

    # Running.

    def run(self, signal: InputSignal) -> Found:
        """Simulate up to ``copies`` samples."""
        spiking = None if self.plan.is_constant else SpikingInput.of(signal, self.tables.input_size)
        if spiking is not None and spiking.is_signed and not self.is_signed:
            self.is_signed = True
            self.build()
        drives = {
            item.name: constant_drive(self.tables, item, signal)
            for item in self.tables.populations
            if self.is_driven(item)
        }
        return self.run_samples(drives, spiking, number=len(signal.x_b_l))

    @abstractmethod
    def run_samples(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, *, number: int
    ) -> Found:
        """Simulate some samples, given what populations receive in every step, and input spikes."""

    def advance(self, steps: int) -> None:
        """Let the simulator run for some steps."""
        self.sim.run(steps * self.plan.dt_ms, callbacks=[self.progress(steps)])

    def progress(self, steps: int) -> Progress:
        """Return the callback of a run, which knows how long steps took in the last one."""
        self._progress = Progress(
            self.plan.dt_ms,
            duration_ms=steps * self.plan.dt_ms,
            checkpoint=self.plan.checkpoint,
            steps=self._progress.steps if self._progress else FIRST_STEPS,
        )
        return self._progress

    # Results.

    @property
    def spiking_populations(self) -> list[Population]:
        """Populations with a threshold."""
        return [item for item in self.tables.populations if item.role != INTEGRATORS]

    def in_own_steps(self, name: str, sample_e: Array, clock_e: Array, cell_e: Array) -> Events:
        """Return spikes that lie within a population's own steps, given those of the clock."""
        step_e = clock_e - self.plan.late(name)
        own = (step_e >= 0) & (step_e < self.plan.steps)
        return Events(
            sample_e[own].astype(np.int32),
            step_e[own].astype(np.int32),
            cell_e[own].astype(np.int32),
        )


def thresholds(population: Population) -> Array:
    """Return the threshold of each neuron, out of reach where a population only integrates."""
    if population.role == INTEGRATORS:
        return np.full(population.size, NEVER)
    return population.threshold_l.astype(float)


def found(parts: list[Found]) -> Found:
    """Return what was found of samples that were simulated one after the other."""
    spikes = {
        name: joined([part.spikes[name].moved(number) for number, part in enumerate(parts)])
        for name in parts[0].spikes
    }
    membranes = {
        name: np.concatenate([part.membranes_t_b_l[name] for part in parts], axis=1)
        for name in parts[0].membranes_t_b_l
    }
    return Found(spikes=spikes, membranes_t_b_l=membranes)


def joined(parts: list[Events]) -> Events:
    """Return several lists of spikes as one."""
    if not parts:
        return NONE
    return Events(*(np.concatenate([part[axis] for part in parts]) for axis in range(3)))

"""Building and running a network of exact neurons in Brian2.

Samples are simulated side by side, in copies of the network: a step costs Python time, however many
neurons there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import brian2
import numpy as np
import pyNN.brian2 as sim
from brian2.devices.device import reset_device, runtime_device, set_device
from brian2.utils.logger import catch_logs
from pyNN.connectors import Connector

from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.tables import INTEGRATORS, Connection, Tables
from snn_core.typing import Array, Float32
from snn_pynn.brian2 import cells
from snn_pynn.engine import Engine
from snn_pynn.inputs import SpikingInput
from snn_pynn.plan import Plan
from snn_pynn.progress import Progress
from snn_pynn.standard import INHIBITORY, Backend, StandardEngine


class TableConnector(Connector):
    """Connects cells from arrays, at once; PyNN's own set each weight apart.

    Parameters
    ----------
    pre, post, weight
        Source, target and weight of each synapse; the weight in Brian2's unit.
    delay_ms
        Delay of all synapses.
    """

    def __init__(self, pre: Array, post: Array, weight: Array, delay_ms: float) -> None:
        super().__init__(safe=False)
        self._pre, self._post, self._weight, self._delay_ms = pre, post, weight, delay_ms

    def connect(self, projection: Any) -> None:
        """Make the synapses of a projection."""
        synapses = projection._brian2_synapses[0][0]
        synapses.connect(i=self._pre, j=self._post)
        synapses.variables["weight"].set_value(self._weight)
        synapses.delay = self._delay_ms * brian2.ms
        projection._n_connections = len(self._pre)


def holds(population: Any) -> bool:
    """Return whether Brian2 still holds a population."""
    objects = sim.simulator.state.network.objects
    return any(item is population.brian2_group for item in objects)


class InEachStep:
    """Calls the callback of the present run in each of its steps."""

    progress: Progress | None = None

    def __call__(self) -> None:
        """Call it."""
        if self.progress is not None:
            self.progress(sim.get_current_time())


IN_EACH_STEP = InEachStep()


def run(duration_ms: float, progress: Progress) -> None:
    """Let Brian2 run, and call a callback within the run.

    PyNN would interrupt it, and Brian2 takes some tenths of a second to begin each piece of a run.
    """
    IN_EACH_STEP.progress = progress
    try:
        sim.run(duration_ms)
    finally:
        IN_EACH_STEP.progress = None


def _set_up_standard(dt_ms: float, longest_delay: int, flush_ms: float) -> None:
    cells.set_up(dt_ms, in_each_step=IN_EACH_STEP)


def _connect_standard(
    pre: Array, post: Array, weight: Array, delay_ms: float, cell: str, receptor: str
) -> TableConnector:
    unit = {"IF_curr_delta": 1e-3}.get(cell, 1e-6 if "cond" in cell else 1e-9)
    # Currents of inhibitory synapses are negative, conductances are not.
    is_negative = receptor == INHIBITORY and "curr" in cell
    return TableConnector(pre, post, weight * (-unit if is_negative else unit), delay_ms)


class Brian2Engine(Engine):
    """A network of exact neurons in Brian2, in one or more copies."""

    sim: ClassVar[Any] = sim
    cells: ClassVar[Any] = cells

    # Building.

    def build(self) -> None:
        """Hand the network to Brian2, in place of the one that it holds."""
        with brian2_on_numpy():
            super().build()

    def load_assembly(self, description: dict[str, Any]) -> dict[str, Any]:
        """Return the populations of a saved assembly, in place of the network that is held."""
        with brian2_on_numpy():
            return super().load_assembly(description)

    def set_up(self) -> None:
        """Begin a network."""
        cells.set_up(self.plan.dt_ms, in_each_step=IN_EACH_STEP)
        self._network = sim.simulator.state.network
        self._monitors: dict[str, Any] = {}
        self._meters: dict[str, Any] = {}
        self._amplitude_b = np.ones(self.plan.copies)
        self._inputs: list[tuple[Any, Array]] = []

    def holds(self, population: Any) -> bool:
        """Return whether Brian2 still holds a population."""
        return holds(population)

    def connect(self, connection: Connection) -> list[Any]:
        """Return the projections of a connection."""
        source, target = (self.populations[name] for name in (connection.source, connection.target))
        delay_ms = self.delay_ms(connection)
        copies, made = self.plan.copies, []
        for pre, post, weight in self.with_signs(connection):
            connector = TableConnector(
                in_copies(pre, source.size // copies, copies),
                in_copies(post, target.size // copies, copies),
                np.tile(weight, copies),
                delay_ms,
            )
            projection = sim.Projection(
                source,
                target,
                connector,
                cells.PlainSynapse(delay=delay_ms),
                label=f"{source.label}→{target.label}",
            )
            made.append(projection)
            if self.is_from_input(connection):
                self._inputs.append((projection._brian2_synapses[0][0], weight))
        return made

    def finish(self) -> None:
        """Add monitors of spikes and potentials."""
        for population in self.tables.populations:
            name, group = population.name, self.populations[population.name].brian2_group
            if population.role != INTEGRATORS:
                self._monitors[name] = brian2.SpikeMonitor(group)
            if name in self.plan.membranes:
                self._meters[name] = brian2.StateMonitor(
                    group, "v", record=True, clock=self._network.clock, when="end"
                )
        self._network.add(*self._monitors.values(), *self._meters.values())

    # Running.

    def run_samples(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, *, number: int
    ) -> Found:
        """Simulate samples side by side; copies without a sample receive nothing."""
        with brian2_on_numpy():
            sim.reset()
            for name, drive_b_l in drives.items():
                filled = np.zeros((self.plan.copies, drive_b_l.shape[1]))
                filled[:number] = drive_b_l
                group = self.populations[name].brian2_group
                group.variables["drive"].set_value(filled.reshape(-1))
            if spiking is not None:
                self._send(spiking)
            self.advance(self.plan.timing.run_steps)
        spikes = {
            name: self._spikes(name, monitor, number) for name, monitor in self._monitors.items()
        }
        membranes = {
            name: self._potentials(name, meter, number) for name, meter in self._meters.items()
        }
        return Found(spikes=spikes, membranes_t_b_l=membranes)

    def advance(self, steps: int) -> None:
        """Let the simulator run for some steps."""
        run(steps * self.plan.dt_ms, self.progress(steps))

    def _send(self, spiking: SpikingInput) -> None:
        """Give the input's sources their times, and its synapses the amplitude of each sample."""
        amplitude_b = np.zeros(self.plan.copies)
        amplitude_b[: len(spiking.amplitude_b)] = spiking.amplitude_b
        for synapses, weight in self._inputs:
            scaled = (amplitude_b[:, None] * weight).reshape(-1)
            synapses.variables["weight"].set_value(scaled)
        population = self.populations[self.tables.input_name]
        events = spiking.events
        cell = events.sample_e * (population.size // self.plan.copies) + events.cell_e
        times = events.step_e * self.plan.dt_ms * brian2.ms
        population.brian2_group.set_spikes(cell, times)

    # Results.

    def _spikes(self, name: str, monitor: Any, number: int) -> Any:
        size = self.populations[name].size // self.plan.copies
        sample_e, cell_e = np.divmod(np.asarray(monitor.i), size)
        clock_e = np.rint(np.asarray(monitor.t) * (1000 / self.plan.dt_ms)).astype(np.int64)
        real = sample_e < number
        return self.in_own_steps(name, sample_e[real], clock_e[real], cell_e[real])

    def _potentials(self, name: str, meter: Any, number: int) -> Float32[Array, "t b l"]:
        late = self.plan.late(name)
        v_t_n = np.asarray(meter.v).T[late : late + self.plan.steps]
        v_t_b_l = v_t_n.reshape(self.plan.steps, self.plan.copies, -1)[:, :number]
        return np.array(v_t_b_l, np.float32)


def in_copies(cells_s: Array, size: int, copies: int) -> Array:
    """Return cell numbers in all copies, one copy after the other."""
    first = np.arange(copies, dtype=np.int32)[:, None] * np.int32(size)
    everywhere: Array = (first + cells_s).reshape(-1)
    return everywhere


@contextmanager
def brian2_on_numpy() -> Iterator[None]:
    """Use Brian2 without a compiler, and put its preference back afterwards."""
    before = brian2.prefs.codegen.target
    set_device(runtime_device)
    brian2.prefs.codegen.target = "numpy"
    try:
        with catch_logs():  # of how it chose to integrate equations
            yield
    finally:
        brian2.prefs.codegen.target = before
        reset_device()


STANDARD = Backend(
    sim=sim,
    source=cells.SpikeSourceArray,
    cells={
        "IF_curr_delta": sim.IF_curr_delta,
        "IF_curr_exp": sim.IF_curr_exp,
        "IF_curr_alpha": sim.IF_curr_alpha,
        "IF_cond_exp": sim.IF_cond_exp,
        "IF_cond_alpha": sim.IF_cond_alpha,
    },
    set_up=_set_up_standard,
    connector=_connect_standard,
    projection=sim.Projection,
    run=run,
    lost_rest_steps=1,
    holds=holds,
    within=brian2_on_numpy,
)
"""Brian2 with PyNN's standard cells."""


def start(tables: Tables, plan: Plan) -> Engine:
    """Build a network of exact neurons or of PyNN's standard cells."""
    if not plan.options.is_exact:
        return StandardEngine(tables, plan, STANDARD)
    return Brian2Engine(tables, plan)

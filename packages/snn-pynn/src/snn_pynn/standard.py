"""PyNN's standard cells on any simulator.

They leak, reset to a potential, and have synapses with time constants, so that they come close to
the reference but do not spike as it does.

What a spike does to a cell, and when, depends on the simulator. Before a network is built, one
spike and one current are given to single cells, and weights, delays and times follow from that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_core.errors import SimulationError
from snn_core.recording.spike_trains import Events
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.tables import INTEGRATORS, Connection, Population, Tables
from snn_core.typing import Array, Float32
from snn_pynn.engine import Engine, found
from snn_pynn.inputs import SpikingInput
from snn_pynn.plan import Plan
from snn_pynn.progress import Progress

LEAD = 10
"""Steps before the first one of a sample, since sources cannot spike at once everywhere."""

NEVER_MV = 1e9
"""Threshold in mV of cells that only integrate."""

EXCITATORY, INHIBITORY = "excitatory", "inhibitory"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """What differs between simulators.

    Parameters
    ----------
    sim
        PyNN's module.
    source
        PyNN's class of spike sources.
    cells
        Name of a cell to PyNN's class.
    set_up
        Begins a network, given the length of a step in ms, the longest delay in steps, and for how
        long in ms to wait at a reset.
    connector
        Makes a connector from source, target and size of the weight of each synapse, in PyNN's
        units, the delay in ms, and the names of cell and receptor.
    projection
        PyNN's class, or one derived from it.
    run
        Lets the simulator run for some ms, and calls a callback now and then.
    lost_rest_steps
        Steps by which a cell rests shorter than its ``tau_refrac``.
    holds
        Tells whether the simulator still holds a population.
    within
        Context of everything that is done with the simulator.
    """

    sim: Any
    source: Any
    cells: dict[str, Any]
    set_up: Callable[[float, int, float], None]
    connector: Callable[[Array, Array, Array, float, str, str], Any]
    projection: Any
    run: Callable[[float, Progress], None]
    lost_rest_steps: int
    holds: Callable[[Any], bool]
    within: Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, kw_only=True)
class Response:
    """What a spike and a current do to a cell.

    Parameters
    ----------
    weight_per_mv
        For each receptor, the weight with which one spike moves the potential by 1 mV.
    late_steps
        Steps that a spike of a cell takes to the next cell in addition to PyNN's delay.
    late_source_steps
        The same for a spike of a source.
    stamp_steps
        Time of a spike, counted in steps from the beginning of the step in which it occurs.
    """

    weight_per_mv: dict[str, float]
    late_steps: int
    late_source_steps: int
    stamp_steps: float


class StandardEngine(Engine):
    """A network of PyNN's standard cells.

    Parameters
    ----------
    tables, plan
        The network and how it is laid out.
    backend
        The simulator.
    """

    def __init__(self, tables: Tables, plan: Plan, backend: Backend) -> None:
        self.backend, self.sim = backend, backend.sim  # type: ignore[misc]
        with backend.within():
            self.response = measure(backend, plan)
            self.amplitude = 1.0
            super().__init__(tables, plan)

    # Building.

    def build(self) -> None:
        """Hand the network to the simulator, in place of the one that it holds."""
        with self.backend.within():
            super().build()

    def set_up(self) -> None:
        """Begin a network."""
        dt_ms, options = self.plan.dt_ms, self.plan.options
        # Without currents, cells fall silent layer by layer.
        settled_steps = math.ceil(20 * max(options.tau_syn_E, options.tau_syn_I) / dt_ms)
        flush_steps = 2 * LEAD + 3 * self.plan.longest_delay + settled_steps
        self.backend.set_up(dt_ms, self.plan.longest_delay, flush_steps * dt_ms)
        self._driven: list[str] = []
        self._has_run = False

    def holds(self, population: Any) -> bool:
        """Return whether the simulator still holds a population."""
        return self.backend.holds(population)

    def add_source(self, size: int, label: str) -> Any:
        """Return a population of spike sources."""
        return self.sim.Population(size, self.backend.source(), label=label)

    def add_population(self, population: Population) -> Any:
        """Return a population of cells."""
        integrates = population.role == INTEGRATORS
        threshold = np.full(population.size, NEVER_MV) if integrates else population.threshold_l
        cell = make_cell(self.backend, self.plan, v_thresh=threshold.astype(float))
        start = self.plan.options.v_rest + population.start_l.astype(float)
        added = self.sim.Population(
            population.size, cell, initial_values={"v": start}, label=population.name
        )
        if not integrates:
            added.record("spikes")
        if population.name in self.plan.membranes:
            added.record("v")
        return added

    def delay_ms(self, connection: Connection) -> float:
        """Return the delay of a connection as PyNN is told it."""
        # With slow synapses the next layer spikes later than it should.
        delay_steps = max(1, self.plan.delay(connection) - self.response.late_steps)
        return delay_steps * self.plan.dt_ms

    def connect(self, connection: Connection) -> list[Any]:
        """Return the projections of a connection, excitatory and inhibitory ones apart."""
        source, target = (self.populations[name] for name in (connection.source, connection.target))
        delay_ms = self.delay_ms(connection)
        made = []
        factor = self.amplitude if self.is_from_input(connection) else 1.0
        for pre, post, weight in self.with_signs(connection):
            for receptor, chosen in ((EXCITATORY, weight > 0), (INHIBITORY, weight < 0)):
                if not chosen.any():
                    continue
                projection = project(
                    self.backend,
                    self.plan,
                    (source, target),
                    (
                        pre[chosen],
                        post[chosen],
                        np.abs(weight[chosen]) * factor * self.scale(receptor),
                    ),
                    receptor=receptor,
                    delay_ms=delay_ms,
                )
                made.append(projection)
        return made

    def scale(self, receptor: str) -> float:
        """Return the weight with which one spike moves the potential by 1 mV, up or down."""
        return self.response.weight_per_mv[receptor]

    def finish(self) -> None:
        """Nothing is left to do."""

    # Running.

    def advance(self, steps: int) -> None:
        """Let the simulator run for some steps."""
        self.backend.run(steps * self.plan.dt_ms, self.progress(steps))

    def run_samples(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, *, number: int
    ) -> Found:
        """Simulate samples one after the other."""
        with self.backend.within():
            return found([self._run_sample(drives, spiking, sample) for sample in range(number)])

    def _run_sample(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, sample: int
    ) -> Found:
        if spiking is not None and spiking.amplitude_b[sample] != self.amplitude:
            self.amplitude = float(spiking.amplitude_b[sample])
            self.build()
        for name in self._driven:
            self.populations[name].set(i_offset=0.0)
        if self._has_run:
            self.sim.reset()
        self._has_run = True
        if spiking is not None:
            self._send(spiking, sample)
        # Currents begin with the first step of their population.
        clock = -LEAD
        for begin in sorted({self.plan.late(name) for name in drives}):
            self.advance(begin - clock)
            clock = begin
            for name, drive_b_l in drives.items():
                if self.plan.late(name) == begin:
                    current = drive_b_l[sample].astype(float) / self.plan.dt_ms
                    self.populations[name].set(i_offset=current * self.plan.options.cm)
        self._driven = list(drives)
        # Spikes of the last step are stamped later, and those at the very end are not recorded.
        self.advance(self.plan.timing.run_steps - clock + 2)
        return self._found()

    def _send(self, spiking: SpikingInput, sample: int) -> None:
        """Give the input's sources their times."""
        response, population = self.response, self.populations[self.tables.input_name]
        offset = LEAD + response.stamp_steps + response.late_steps - response.late_source_steps
        steps = spiking.steps(sample, population.size)
        times = [(np.rint(offset) + step_e) * self.plan.dt_ms for step_e in steps]
        population.set(spike_times=times)

    # Results.

    def _found(self) -> Found:
        spikes, membranes = {}, {}
        for item in self.tables.populations:
            population = self.populations[item.name]
            segment = population.get_data(clear=True).segments[-1]
            if item.role != INTEGRATORS:
                spikes[item.name] = self._spikes(item.name, population, segment)
            if item.name in self.plan.membranes:
                membranes[item.name] = self._potentials(item.name, segment)
        return Found(spikes=spikes, membranes_t_b_l=membranes)

    def _spikes(self, name: str, population: Any, segment: Any) -> Events:
        ids, times = segment.spiketrains.multiplexed
        steps = np.asarray(times.rescale("ms").magnitude) / self.plan.dt_ms
        clock_e = np.rint(steps - LEAD - self.response.stamp_steps).astype(np.int64)
        cell_e = np.asarray(ids, np.int64) - int(population.first_id)
        return self.in_own_steps(name, np.zeros_like(clock_e), clock_e, cell_e)

    def _potentials(self, name: str, segment: Any) -> Float32[Array, "t b l"]:
        (signal,) = (item for item in segment.analogsignals if item.name == "v")
        # Potentials are recorded at the beginning of each step; that of the first one comes first.
        first = LEAD + self.plan.late(name) + max(1, round(self.response.stamp_steps))
        v_t_l = np.asarray(signal.magnitude)[first : first + self.plan.steps]
        return (v_t_l - self.plan.options.v_rest)[:, None].astype(np.float32)


def make_cell(backend: Backend, plan: Plan, *, v_thresh: Any) -> Any:
    """Return PyNN's cell with the parameters that options and settings ask for."""
    options = plan.options
    rest_steps = plan.rest_steps + (backend.lost_rest_steps if plan.rest_steps else 0)
    parameters = {
        "v_thresh": v_thresh,
        "v_reset": options.v_reset,
        "v_rest": options.v_rest,
        "cm": options.cm,
        "tau_m": plan.tau_m_ms,
        "tau_refrac": rest_steps * plan.dt_ms,
        "i_offset": 0.0,
    }
    if options.cell != "IF_curr_delta":
        parameters |= {"tau_syn_E": options.tau_syn_E, "tau_syn_I": options.tau_syn_I}
    if "cond" in options.cell:
        parameters |= {"e_rev_E": options.e_rev_E, "e_rev_I": options.e_rev_I}
    return backend.cells[options.cell](**parameters)


def project(
    backend: Backend,
    plan: Plan,
    ends: tuple[Any, Any],
    synapses: tuple[Array, Array, Array],
    *,
    receptor: str,
    delay_ms: float,
) -> Any:
    """Return a projection of synapses given by source, target and weight."""
    source, target = ends
    return backend.projection(
        source,
        target,
        backend.connector(*synapses, delay_ms, plan.options.cell, receptor),
        backend.sim.StaticSynapse(delay=delay_ms),
        receptor_type=receptor,
        label=f"{source.label}→{target.label} ({receptor})",
    )


def measure(backend: Backend, plan: Plan) -> Response:
    """Measure what a spike and a current do to a cell of the simulator."""
    weights = {EXCITATORY: 1e-3, INHIBITORY: 1e-3}
    # What conductances do depends on how far they move the potential: the second time it is 0.1 mV.
    for _ in range(2 if "cond" in plan.options.cell else 1):
        moved = np.abs(moved_by_spikes(backend, plan, weights))
        weights = {
            receptor: 0.1 * weight / by
            for (receptor, weight), by in zip(weights.items(), moved.tolist(), strict=True)
        }
    weights = {receptor: 10 * weight for receptor, weight in weights.items()}
    return _measure_times(backend, plan, weights)


def moved_by_spikes(backend: Backend, plan: Plan, weights: dict[str, float]) -> tuple[float, float]:
    """Return by how many mV one spike moves a cell at rest, for each receptor and its weight."""
    sim, dt_ms, options = backend.sim, plan.dt_ms, plan.options
    backend.set_up(dt_ms, 2, 0.0)
    source = sim.Population(1, backend.source(spike_times=[LEAD * dt_ms]))
    cells = sim.Population(
        2, make_cell(backend, plan, v_thresh=NEVER_MV), initial_values={"v": options.v_rest}
    )
    cells.record("v")
    zero = np.zeros(1, np.int32)
    projections = [
        project(
            backend,
            plan,
            (source, cells),
            (zero, zero + cell, np.array([weight])),
            receptor=receptor,
            delay_ms=2 * dt_ms,
        )
        for cell, (receptor, weight) in enumerate(weights.items())
    ]
    settled_steps = math.ceil(20 * max(options.tau_syn_E, options.tau_syn_I) / dt_ms)
    sim.run((3 * LEAD + settled_steps) * dt_ms)
    (signal,) = cells.get_data().segments[-1].analogsignals
    moved_t_2 = np.asarray(signal.magnitude) - options.v_rest
    del projections
    largest = np.abs(moved_t_2).argmax(axis=0)
    return float(moved_t_2[largest[0], 0]), float(moved_t_2[largest[1], 1])


def _measure_times(backend: Backend, plan: Plan, weights: dict[str, float]) -> Response:
    """Let a source make a cell spike, and that another one; and a current a third one."""
    sim, dt_ms = backend.sim, plan.dt_ms
    backend.set_up(dt_ms, 2, 0.0)
    source = sim.Population(1, backend.source(spike_times=[2 * LEAD * dt_ms]))
    cell = make_cell(backend, plan, v_thresh=plan.options.v_rest + 1.0)
    cells = sim.Population(3, cell, initial_values={"v": plan.options.v_rest})
    cells.record("spikes")
    strong = np.array([2 * weights[EXCITATORY]])
    zero = np.zeros(1, np.int32)
    projections = [
        project(
            backend,
            plan,
            ends,
            (zero, zero + target, strong),
            receptor=EXCITATORY,
            delay_ms=2 * dt_ms,
        )
        for ends, target in (((source, cells), 0), ((cells, cells), 1))
    ]
    sim.run(LEAD * dt_ms)
    current = 1.5 * plan.options.cm / dt_ms
    cells.set(i_offset=np.array([0.0, 0.0, current]))
    sim.run(3 * LEAD * dt_ms)
    trains = cells.get_data().segments[-1].spiketrains
    times = [np.asarray(train.rescale("ms").magnitude) / dt_ms for train in trains]
    del projections
    if not all(len(train) for train in times):
        raise SimulationError(
            f"Cells of the kind {plan.options.cell} do not spike with these options, although a "
            f"spike of twice the threshold arrived. Some simulators need tau_syn_E and tau_syn_I "
            f"to be longer than a step of {dt_ms:g} ms; check v_rest and v_reset, too."
        )
    first, second, driven = (float(train[0]) for train in times)
    return Response(
        weight_per_mv=weights,
        late_steps=round(second - first) - 2,
        late_source_steps=round(first - 2 * LEAD) - 2,
        stamp_steps=driven - LEAD,
    )

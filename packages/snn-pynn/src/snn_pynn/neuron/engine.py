"""Building and running a network of exact neurons in NEURON."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyNN.neuron as sim
from neuron import h

from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.tables import INTEGRATORS, Connection, Tables
from snn_core.typing import Array, Float32
from snn_pynn.engine import Engine, found
from snn_pynn.inputs import SpikingInput
from snn_pynn.neuron import cells
from snn_pynn.neuron.objects import Projection, TableConnector, forget_projections
from snn_pynn.plan import Plan
from snn_pynn.progress import Progress
from snn_pynn.quiet import quietly
from snn_pynn.standard import INHIBITORY, Backend, StandardEngine


def holds(population: Any) -> bool:
    """Return whether NEURON still holds a population."""
    sources = sim.simulator.state.gid_sources
    return any(item is population.all_cells[0]._cell.source for item in sources)


def run(duration_ms: float, progress: Progress) -> None:
    """Let NEURON run, and interrupt it for a callback."""
    sim.run(duration_ms, callbacks=[progress])


def _set_up_standard(dt_ms: float, longest_delay: int, flush_ms: float) -> None:
    forget_projections()
    sim.setup(timestep=dt_ms)


def _connect_standard(
    pre: Array, post: Array, weight: Array, delay_ms: float, cell: str, receptor: str
) -> TableConnector:
    # Currents of inhibitory synapses are negative, conductances are not.
    is_negative = receptor == INHIBITORY and "curr" in cell
    return TableConnector(pre, post, -weight if is_negative else weight, delay_ms)


STANDARD = Backend(
    sim=sim,
    source=sim.SpikeSourceArray,
    cells={
        "IF_curr_exp": sim.IF_curr_exp,
        "IF_curr_alpha": sim.IF_curr_alpha,
        "IF_cond_exp": sim.IF_cond_exp,
        "IF_cond_alpha": sim.IF_cond_alpha,
    },
    set_up=_set_up_standard,
    connector=_connect_standard,
    projection=Projection,
    run=run,
    lost_rest_steps=0,
    holds=holds,
    within=quietly,
)
"""NEURON with PyNN's standard cells."""


class NeuronEngine(Engine):
    """A network of exact neurons in NEURON."""

    sim: ClassVar[Any] = sim
    cells: ClassVar[Any] = cells

    # Building.

    def set_up(self) -> None:
        """Begin a network."""
        self.amplitude = 1.0
        forget_projections()
        cells.set_up(self.plan.dt_ms)
        self._inputs: list[tuple[Projection, Array]] = []
        self._records: dict[str, tuple[Any, Any, list[Any]]] = {}
        self._meters: dict[str, tuple[Any, list[Any]]] = {}

    def holds(self, population: Any) -> bool:
        """Return whether NEURON still holds a population."""
        return holds(population)

    def connect(self, connection: Connection) -> list[Any]:
        """Return the projections of a connection."""
        source, target = (self.populations[name] for name in (connection.source, connection.target))
        delay_ms = self.delay_ms(connection)
        made = []
        for pre, post, weight in self.with_signs(connection):
            projection = Projection(
                source,
                target,
                TableConnector(pre, post, weight, delay_ms),
                cells.PlainSynapse(delay=delay_ms),
                label=f"{source.label}→{target.label}",
            )
            made.append(projection)
            if self.is_from_input(connection):
                self._inputs.append((projection, projection.weights.as_numpy().copy()))
        return made

    def finish(self) -> None:
        """Record spikes and potentials, each population's in vectors of its own."""
        for population in self.tables.populations:
            name = population.name
            sources = [cell._cell.source for cell in self.populations[name].all_cells]
            if population.role != INTEGRATORS:
                times, numbers = h.Vector(), h.Vector()
                net_cons = [h.NetCon(source, None) for source in sources]
                for number, net_con in enumerate(net_cons):
                    net_con.record(times, numbers, number)
                self._records[name] = times, numbers, net_cons
            if name in self.plan.membranes:
                # After the update in the middle of each step.
                clock = np.arange(self.plan.steps) + self.plan.late(name) + 0.75
                when = h.Vector(clock * self.plan.dt_ms)
                vectors = [h.Vector().record(item._ref_potential, when) for item in sources]
                self._meters[name] = when, vectors

    # Running.

    def run_samples(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, *, number: int
    ) -> Found:
        """Simulate samples one after the other."""
        return found([self._run_sample(drives, spiking, sample) for sample in range(number)])

    def _run_sample(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, sample: int
    ) -> Found:
        for name, drive_b_l in drives.items():
            cells.drive(
                self.populations[name],
                drive_b_l[sample],
                first_step=self.plan.late(name),
                num_steps=self.plan.steps,
                dt_ms=self.plan.dt_ms,
            )
        if spiking is not None:
            self._send(spiking, sample)
        sim.reset()
        self.advance(self.plan.timing.run_steps)
        return self._found()

    def _send(self, spiking: SpikingInput, sample: int) -> None:
        """Give the input's sources their times."""
        amplitude = float(spiking.amplitude_b[sample])
        if amplitude != self.amplitude:
            for projection, weight in self._inputs:
                projection.weights.as_numpy()[:] = weight * amplitude
            self.amplitude = amplitude
        population = self.populations[self.tables.input_name]
        cells.send(population, spiking.steps(sample, population.size), self.plan.dt_ms)

    # Results.

    def _found(self) -> Found:
        spikes = {}
        # NumPy before 2 takes an empty vector of NEURON for no sequence.
        for name, (times, numbers, _) in self._records.items():
            clock_e = cells.steps_of(times.as_numpy(), self.plan.dt_ms)
            cell_e = numbers.as_numpy().astype(np.int32)
            spikes[name] = self.in_own_steps(name, np.zeros_like(cell_e), clock_e, cell_e)
        membranes = {
            name: np.array([vector.as_numpy() for vector in vectors], np.float32).T[:, None]
            for name, (_, vectors) in self._meters.items()
        }
        return Found(spikes=spikes, membranes_t_b_l=membranes)


def start(tables: Tables, plan: Plan) -> Engine:
    """Build a network of exact neurons or of PyNN's standard cells."""
    if not plan.options.is_exact:
        return StandardEngine(tables, plan, STANDARD)
    return NeuronEngine(tables, plan)

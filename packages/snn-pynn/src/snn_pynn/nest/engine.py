"""Building and running a network of exact neurons in NEST.

NEST's time goes on from sample to sample. A spike that a population sends in a step is stamped
with the end of that step; with a delay of d steps, its receiver spikes d steps later. What
populations receive in every step comes from one source per population, whose synapses weigh as
much.
"""

from __future__ import annotations

import logging
import os
from typing import Any, ClassVar

import nest
import numpy as np
import pyNN.nest as sim

from snn_core.errors import SimulationError
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.tables import Connection, Population
from snn_core.typing import Array, Float32
from snn_pynn.engine import Engine, found, thresholds
from snn_pynn.inputs import SpikingInput
from snn_pynn.nest import cells, objects
from snn_pynn.nest.cells import LEAD
from snn_pynn.nest.objects import (
    Drive,
    Projection,
    Sources,
    Synapses,
    TableConnector,
    holds,
    set_all,
    set_each,
    sort_synapses,
)
from snn_pynn.nest.spikes import SpikeBits
from snn_pynn.options import NestOptions
from snn_pynn.progress import Progress
from snn_pynn.quiet import quietly
from snn_pynn.standard import EXCITATORY, Backend

logger = logging.getLogger(__name__)

ASIDE = -1e9
"""What puts a potential where no neuron spikes, whatever arrives."""

SYNAPSES_PER_THREAD = 100_000
"""Fewest synapses for which a further thread is used; threads wait for each other in each step."""


class NestEngine(Engine):
    """A network of exact neurons in NEST."""

    sim: ClassVar[Any] = sim
    cells: ClassVar[Any] = cells

    # Building.

    def set_up(self) -> None:
        """Begin a network."""
        self.amplitude = 1.0
        delays = (self.plan.delay(item) for item in self.spiking_connections)
        self._longest_delay = max(delays, default=1)
        with quietly():
            cells.set_up(
                self.plan.dt_ms,
                longest_delay=self._longest_delay,
                threads=self._threads(),
            )
        # NEST would shrink a buffer in each pause, and keep account of every time that it did.
        nest.SetKernelStatus({"spike_buffer_shrink_limit": 0.0})
        self._drives: dict[str, Drive] = {}
        self._meters: dict[str, Any] = {}
        self._inputs: list[tuple[Synapses, Array]] | None = None
        self._is_clean = True

    def _threads(self) -> int:
        assert isinstance(self.plan.options, NestOptions)  # noqa: S101
        if self.plan.options.threads:
            return self.plan.options.threads
        synapses = sum(len(item) for item in self.spiking_connections)
        return max(1, min(processors(), synapses // SYNAPSES_PER_THREAD))

    def holds(self, population: Any) -> bool:
        """Return whether NEST still holds a population."""
        return holds(population)

    def add_source(self, size: int, label: str) -> Any:
        """Return a population of spike sources."""
        with quietly():
            return Sources(size, label)

    def add_population(self, population: Population) -> Any:
        """Return a population of neurons."""
        with quietly():
            added = objects.Population(
                thresholds(population), self.plan.reset, label=population.name
            )
        if self.is_driven(population):
            self._drives[population.name] = Drive(added, self.plan.dt_ms)
        return added

    def connect(self, connection: Connection) -> list[Any]:
        """Return the projections of a connection."""
        source, target = connection.source, connection.target
        delay_ms = self.delay_ms(connection)
        return [
            Projection(
                self.populations[source],
                self.populations[target],
                TableConnector(pre, post, weight, delay_ms),
                label=f"{source}→{target}",
            )
            for pre, post, weight in self.with_signs(connection)
        ]

    def finish(self) -> None:
        """Add what records spikes and potentials."""
        dt_ms = self.plan.dt_ms
        self._spikes = SpikeBits(
            {
                item.name: self.populations[item.name].node_collection
                for item in self.spiking_populations
            },
            dt_ms=dt_ms,
        )
        self._aside = Sources(1, "aside")
        for population in self.tables.populations:
            nest.Connect(
                self._aside.node_collection,
                self.populations[population.name].node_collection,
                "all_to_all",
                {"synapse_model": objects.SYNAPSE_MODEL, "weight": ASIDE, "delay": dt_ms},
            )
        for name in self.plan.membranes:
            self._meters[name] = nest.Create(
                "multimeter", {"record_from": ["V_m"], "interval": dt_ms}
            )
            nest.Connect(
                self._meters[name],
                self.populations[name].node_collection,
                syn_spec={"delay": dt_ms},
            )
        sort_synapses()  # what users find through PyNN from now on stays what it is

    def _input_weights(self) -> list[tuple[Synapses, Array]]:
        """Return the synapses from the input, and their weights for an amplitude of 1."""
        if self._inputs is None:
            synapses = [
                Synapses(projection)
                for projection, connection in zip(
                    self.projections, self._connection_of_each(), strict=True
                )
                if self.is_from_input(connection)
            ]
            self._inputs = [(item, item.weights()) for item in synapses]
        return self._inputs

    def _connection_of_each(self) -> list[Connection]:
        """Return the connection of each projection."""
        return [
            connection
            for connection in self.spiking_connections
            for _ in self.with_signs(connection)
        ]

    # Running.

    def run_samples(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, *, number: int
    ) -> Found:
        """Simulate samples one after the other."""
        return found([self._run_sample(drives, spiking, sample) for sample in range(number)])

    def _run_sample(
        self, drives: dict[str, Float32[Array, "b l"]], spiking: SpikingInput | None, sample: int
    ) -> Found:
        if not self._is_clean:
            self._flush()
        for population in self.tables.populations:
            nodes = self.populations[population.name].node_collection
            set_each(nodes, "V_m", population.start_l.astype(float))
        first = self._now() + LEAD
        for name, drive_b_l in drives.items():
            self._drives[name].send(
                drive_b_l[sample].astype(float),
                first_step=first + self.plan.late(name),
                steps=self.plan.steps,
            )
        if spiking is not None:
            self._send(spiking, sample, first)
        self._is_clean = False
        # A step more, in which spikes of the last one are recorded.
        self.advance(self.plan.timing.run_steps + LEAD + 1)
        return self._found(first)

    def _send(self, spiking: SpikingInput, sample: int, first: int) -> None:
        """Give the input's sources their times."""
        amplitude = float(spiking.amplitude_b[sample])
        if amplitude != self.amplitude:
            for synapses, weight_s in self._input_weights():
                synapses.set_weights(weight_s * amplitude)
            self.amplitude = amplitude
        population = self.populations[self.tables.input_name]
        step_e, ends = spiking.ordered(sample, population.size)
        times = ((first + step_e) * self.plan.dt_ms).tolist()
        starts = [0, *ends[:-1]]
        population.send([times[start:end] for start, end in zip(starts, ends, strict=True)])

    def _flush(self) -> None:
        """Let spikes that are on their way arrive where they have no effect, and forget records."""
        sources = [item.source for item in self._drives.values()]
        if not self.plan.is_constant:
            sources.append(self.populations[self.tables.input_name])
        for source in sources:
            source.silence()
        # Setting potentials takes NEST a hundred times as long as adding to them.
        self._aside.send([[(self._now() + 1) * self.plan.dt_ms]])
        nest.Simulate((self._longest_delay + 3) * self.plan.dt_ms)
        self._spikes.forget()
        for meter in self._meters.values():
            set_all(meter, n_events=0)
        self._is_clean = True

    def _now(self) -> int:
        now_ms: float = nest.biological_time
        return round(now_ms / self.plan.dt_ms)

    # Results.

    def _found(self, first: int) -> Found:
        spikes = {}
        for name, (stamp_e, cell_e) in self._spikes.found().items():
            spikes[name] = self.in_own_steps(name, np.zeros_like(stamp_e), stamp_e - first, cell_e)
        membranes = {
            name: self._potentials(name, meter, first) for name, meter in self._meters.items()
        }
        return Found(spikes=spikes, membranes_t_b_l=membranes)

    def _potentials(self, name: str, meter: Any, first: int) -> Float32[Array, "t b l"]:
        events, population = meter.events, self.populations[name]
        step = np.rint(events["times"] / self.plan.dt_ms).astype(np.int64)
        step -= first + self.plan.late(name)
        own = (step >= 0) & (step < self.plan.steps)
        cell = events["senders"][own] - int(population.first_id)
        v_t_b_l = np.zeros((self.plan.steps, 1, population.size), np.float32)
        v_t_b_l[step[own], 0, cell] = events["V_m"][own]
        return v_t_b_l


def processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(duration_ms: float, progress: Progress) -> None:
    """Let NEST run, and interrupt it for a callback."""
    sim.run(duration_ms, callbacks=[progress])


def _set_up_standard(dt_ms: float, longest_delay: int, flush_ms: float) -> None:
    cells.set_up(dt_ms, longest_delay=longest_delay, flush_ms=flush_ms)


def _connect_standard(
    pre: Array, post: Array, weight: Array, delay_ms: float, cell: str, receptor: str
) -> TableConnector:
    # From nA or uS to pA or nS, but for IF_curr_delta, whose weights are in mV. Inhibitory
    # conductances are negative in NEST.
    unit = 1.0 if cell == "IF_curr_delta" else 1000.0
    positive = receptor == EXCITATORY
    return TableConnector(pre, post, weight * (unit if positive else -unit), delay_ms)


STANDARD = Backend(
    sim=sim,
    source=sim.SpikeSourceArray,
    cells={
        "IF_curr_delta": cells.IF_curr_delta,
        "IF_curr_exp": sim.IF_curr_exp,
        "IF_curr_alpha": sim.IF_curr_alpha,
        "IF_cond_exp": sim.IF_cond_exp,
        "IF_cond_alpha": sim.IF_cond_alpha,
    },
    set_up=_set_up_standard,
    connector=_connect_standard,
    projection=sim.Projection,
    run=run,
    lost_rest_steps=0,
    holds=holds,
    within=quietly,
)
"""NEST with PyNN's standard cells."""


def check_neuron() -> None:
    """Make sure that a neuron which receives 0.75 in every step spikes as it must.

    ``eprop_iaf`` is made for learning; another release of NEST may change what is used of it here.

    Raises
    ------
    SimulationError
        Names the release that is known to work.
    """
    for reset, expected in (("subtraction", [2, 3, 4, 6, 7, 8]), ("zero", [2, 4, 6, 8])):
        with quietly():
            cells.set_up(1.0, longest_delay=1)
            neuron = sim.Population(1, cells.integrate_and_fire(reset)(), label="neuron")
        drive, recorder = Drive(neuron, 1.0), nest.Create("spike_recorder")
        nest.Connect(neuron.node_collection, recorder)
        drive.send(np.array([0.75]), first_step=LEAD + 1, steps=8)
        sim.run(8.0 + 2 * LEAD)
        spiked = (recorder.events["times"] - LEAD).tolist()
        if spiked != expected:
            raise SimulationError(
                f"NEST {nest.__version__} does not spike as it must with the reset {reset!r}: a "
                f"neuron that receives 0.75 in each of 8 steps spiked in steps {spiked}, expected "
                f"{expected}. Install the release that snn-pynn is made for: "
                f"`pip install nest-simulator==3.10.0`."
            )

"""Brian2: its side of the contract of snn-core."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from snn_brian2 import equations
from snn_brian2.engine import Engine, RuntimeEngine, StandaloneEngine, rounds_per_run
from snn_brian2.groups import Objects, Plan
from snn_brian2.memory import FOOTPRINT, copies_of
from snn_brian2.options import Brian2Options
from snn_brian2.targets import Choice, choose, import_brian2
from snn_core import artifact
from snn_core.neurons.arithmetic import decay_per_step, refractory_steps
from snn_core.settings import Options
from snn_core.simulation.capabilities import ANY
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.memory import Footprint
from snn_core.simulation.synapses.tabled import SynapseTableSNN


class SNN(OriginalNames, SynapseTableSNN):
    """A converted network on Brian2.

    On networks whose sums do not round, its spikes are those of the reference simulator, on each of
    Brian2's targets and with any delay.
    """

    name: ClassVar[str] = "brian2"
    footprint: ClassVar[Footprint] = FOOTPRINT

    capabilities: ClassVar[Capabilities] = Capabilities(
        max_pool_methods=frozenset({"fir_max", "avg_max", "exp_max", "pre_spike_max"}),
        minimum_pooling=True,
        softmax=True,
        settings={
            "input.encoding": {"constant", "poisson", "regular", "events"},
            "cell.leak": ANY,
            "cell.tau_m": ANY,
            "cell.tau_refrac": ANY,
        },
    )
    options_type: ClassVar[type[Options]] = Brian2Options
    options: Brian2Options

    eqs: ClassVar[str] = equations.NEURONS
    threshold: ClassVar[str] = equations.THRESHOLD

    _engine: Engine | None = None

    # Under the names of snn_toolbox.

    @property
    def v_reset(self) -> str:
        """What a spike does to the potential, in Brian2's notation."""
        return equations.RESETS[self.settings.cell.reset]

    @property
    def layers(self) -> list[Any]:
        """Brian2's `NeuronGroup` of each population, the input first where it spikes."""
        return list(self._objects.groups.values())

    @property
    def connections(self) -> list[Any]:
        """Brian2's `Synapses`."""
        return self._objects.connections

    @property
    def spikemonitors(self) -> list[Any]:
        """Brian2's monitors of spikes in the last run, for each population with a threshold."""
        return list(self._objects.spikemonitors.values())

    @property
    def statemonitors(self) -> list[Any]:
        """Brian2's monitors of potentials in the last run, where those are recorded."""
        return list(self._objects.statemonitors.values())

    @property
    def snn(self) -> Any:
        """Brian2's `Network`."""
        return self._objects.network

    @property
    def _objects(self) -> Objects:
        self.build()
        return self._built.objects

    @property
    def _built(self) -> Engine:
        assert self._engine is not None, "build() comes first"  # noqa: S101
        return self._engine

    @property
    def target(self) -> Choice:
        """Brian2's runtime target that is in use, and why."""
        self.build()
        return self._choice

    @property
    def details(self) -> dict[str, str]:
        """Brian2's runtime target and why, and how many samples are simulated side by side."""
        return {
            **super().details,
            "target": f"{self.target.target}, {self.target.reason}",
            "copies": str(self._built.plan.copies),
        }

    @property
    def delay_steps(self) -> int:
        """Fewest steps that a spike takes to the next population, from the option ``delay``."""
        steps: int = self.options.delay_steps(self.settings.simulation.dt)
        return steps

    # Building.

    @property
    def copies(self) -> int:
        """Copies of the network side by side; a compiled program may do with fewer."""
        return self._copies("numpy")

    def _copies(self, target: str) -> int:
        # A compiled program loses nothing by simulating one sample after the other.
        wanted = self.options.copies or (1 if target == "cpp_standalone" else 0)
        return copies_of(
            wanted,
            synapses=self.num_synapses,
            cells=self.num_cells,
            batch_size=self.batch_size,
            limit_mb=self.options.memory_limit_mb,
        )

    def compile(self) -> None:
        """Choose the target and hand the network to Brian2."""
        import_brian2()
        self.check_memory()
        samples = self.expected_samples or self.settings.simulation.num_to_test or self.batch_size
        self._choice = choose(
            self.options.target,
            synapses=self.num_synapses,
            steps=self.settings.num_steps,
            samples=samples,
        )
        self._engine = None  # the old network's memory is needed for the new one
        self._engine = self._new_engine(self._choice.target)

    def _new_engine(self, target: str) -> Engine:
        tables, plan = self.tables, self._plan(target)
        rounds = rounds_per_run(tables, plan, batch_size=self.batch_size)
        cache = self.options.cache_folder()
        if target != "cpp_standalone":
            return RuntimeEngine(
                tables, plan, rounds=rounds, target=target, cache=cache, checkpoint=self.checkpoint
            )
        what = f"{artifact.fingerprint(self.network)} {plan} {rounds}"
        key = hashlib.sha256(what.encode()).hexdigest()[:16]
        return StandaloneEngine(tables, plan, rounds=rounds, cache=cache, key=key)

    def _plan(self, target: str) -> Plan:
        cell, dt = self.settings.cell, self.settings.simulation.dt
        rest_steps = refractory_steps(self.settings)
        decay = decay_per_step(self.settings)
        return Plan(
            dt_ms=dt,
            steps=self.settings.num_steps,
            timing=self.timing,
            copies=self._copies(target),
            cell=equations.Cell(
                reset=cell.reset,
                decays=decay is not None,
                leaks=cell.leak > 0,
                rests=rest_steps > 0,
            ),
            decay=1.0 if decay is None else float(decay),
            leak=cell.leak * dt,
            rest_steps=rest_steps,
            is_constant=self.is_constant,
            membranes=self.membranes,
        )

    # Simulating.

    @property
    def part_size(self) -> int:
        """Samples of a run, side by side and one after the other."""
        return self._built.rounds * self._built.plan.copies

    def run_part(self, signal: InputSignal) -> Found:
        """Simulate some samples in one run of Brian2."""
        return self._built.run(signal)

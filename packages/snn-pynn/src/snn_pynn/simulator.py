"""What the simulators behind PyNN have in common: their side of the contract of snn-core."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from snn_core.errors import UnsupportedError
from snn_core.neurons.arithmetic import refractory_steps
from snn_core.settings import Options
from snn_core.simulation.capabilities import ANY
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.tabled import SynapseTableSNN
from snn_core.simulation.synapses.tables import INTEGRATORS
from snn_pynn.engine import Engine
from snn_pynn.options import PyNNOptions
from snn_pynn.plan import Plan

WITHOUT_LEAK_MS = 1e6
"""Time constant of standard cells if none is asked for; Brian2 computes badly with longer ones."""


STANDARD = Capabilities(
    settings={
        "cell.reset": {"zero"},
        "cell.tau_m": ANY,
        "cell.tau_refrac": ANY,
        "input.encoding": {"constant", "poisson", "regular", "events"},
    },
    # One step in which the synapse acts, and one for simulators in which it begins a step later.
    delay_steps=2,
    rate_tolerance=0.25,
)
"""What PyNN's standard cells can do, on every simulator."""


class PyNNSNN(OriginalNames, SynapseTableSNN):
    """A converted network on a simulator behind PyNN."""

    options_type: ClassVar[type[Options]] = PyNNOptions
    options: PyNNOptions

    _engine: Engine | None = None

    # What it can do.

    @classmethod
    def capabilities_for(cls, options: Options) -> Capabilities:
        """Return the capabilities with exact neurons, or with PyNN's standard cells."""
        assert isinstance(options, PyNNOptions)  # noqa: S101 - the class's own options
        return cls.capabilities if options.is_exact else STANDARD

    @property
    def delay_steps(self) -> int:
        """Fewest steps that a spike takes to the next population, from the option ``delay``."""
        steps: int = self.options.delay_steps(self.settings.simulation.dt, name=self.name)
        return max(self.can.delay_steps, steps)

    # Building.

    @property
    def plan(self) -> Plan:
        """How the network is laid out."""
        return Plan(
            dt_ms=self.settings.simulation.dt,
            steps=self.settings.num_steps,
            timing=self.timing,
            reset=self.settings.cell.reset,
            rest_steps=refractory_steps(self.settings),
            tau_m_ms=self.settings.cell.tau_m or WITHOUT_LEAK_MS,
            is_constant=self.is_constant,
            membranes=self.membranes,
            copies=self.copies,
            options=self.options,
            checkpoint=self.checkpoint,
        )

    def compile(self) -> None:
        """Hand the network to the simulator."""
        self.check_memory()
        self._require_quiet_start()
        self._engine = None  # the old network's memory is needed for the new one
        self._engine = self.new_engine()

    def _require_quiet_start(self) -> None:
        """Refuse neurons that begin at their threshold: simulators compare before the first step.

        Some spike while the layers before theirs are simulated, others only once something arrives.
        """
        problems = [
            f"{item.name}: potentials begin at the threshold or above (the largest is "
            f"{(item.start_l / item.threshold_l).max():g} thresholds), so that {self.name} would "
            f"spike outside the layer's steps; choose a v_init below 1, or another simulator"
            for item in self.tables.populations
            if item.role != INTEGRATORS and (item.start_l >= item.threshold_l).any()
        ]
        if problems:
            raise UnsupportedError(problems, what=f"{self.name} cannot simulate this network")

    @abstractmethod
    def new_engine(self) -> Engine:
        """Import the simulator and build the network in it."""

    @property
    def engine(self) -> Engine:
        """The network in the simulator."""
        self.build()
        assert self._engine is not None, "build() makes it"  # noqa: S101
        self._engine.revive()
        return self._engine

    # Simulating.

    @property
    def part_size(self) -> int:
        """Samples that are simulated side by side, or after which the user may stop a run."""
        return max(self.copies, 1)

    def run_part(self, signal: InputSignal) -> Found:
        """Simulate some samples."""
        return self.engine.run(signal)

    # Under the names of snn_toolbox.

    @property
    def layers(self) -> list[Any]:
        """PyNN's population of each layer with neurons, the input first where it spikes."""
        return list(self.engine.populations.values())

    @property
    def cellparams(self) -> dict[str, Any]:
        """What the options and settings say about the cells."""
        options = self.options.model_dump()
        chosen = {"cell": options["cell"], "reset": self.settings.cell.reset}
        if self.options.is_exact:
            return chosen
        names = ("cm", "tau_syn_E", "tau_syn_I", "e_rev_E", "e_rev_I", "v_rest", "v_reset")
        return {**chosen, "tau_m": self.plan.tau_m_ms, **{name: options[name] for name in names}}

    @property
    def connections(self) -> list[Any]:
        """PyNN's projections."""
        return self.engine.projections

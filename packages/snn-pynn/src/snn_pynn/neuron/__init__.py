"""Converted spiking networks on NEURON.

NEURON and PyNN are imported when a network is built.
"""

from __future__ import annotations

from typing import ClassVar

from snn_core.ir import Network
from snn_core.settings import Options
from snn_core.simulation.capabilities import ANY
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.synapses.memory import Footprint
from snn_pynn.assembly import AssemblySNN
from snn_pynn.engine import Engine
from snn_pynn.options import NeuronOptions

__all__ = ["SNN"]


class SNN(AssemblySNN):
    """A converted network on NEURON.

    On networks whose sums do not round, its spikes are those of the reference simulator.
    """

    cells: ClassVar[str] = "neuron/cells"
    name: ClassVar[str] = "pynn-neuron"
    footprint: ClassVar[Footprint] = Footprint(synapse_bytes=60, cell_bytes=6000)
    options_type: ClassVar[type[Options]] = NeuronOptions
    options: NeuronOptions

    capabilities: ClassVar[Capabilities] = Capabilities(
        softmax=True,
        settings={
            "input.encoding": {"constant", "poisson", "regular", "events"},
            "cell.tau_refrac": ANY,
        },
        delay_steps=1,
    )

    def problems(self, network: Network) -> list[str]:
        """Return everything about a network and the settings that cannot be simulated."""
        found = super().problems(network)
        dt, rests = self.settings.simulation.dt, self.settings.cell.tau_refrac
        if not self.options.is_exact and rests < dt:
            found.append(
                f"cell.tau_refrac = {rests:g} is not supported with {self.name}.cell = "
                f"{self.options.cell!r}: with less than a step ({dt:g} ms), a cell that is still "
                f"above its threshold after a spike never spikes again"
            )
        return found

    def new_engine(self) -> Engine:
        """Import NEURON, compiling its neurons if that has not been done, and build the network."""
        from snn_pynn.neuron.mechanisms import import_neuron

        import_neuron(self.options.cache_folder())
        from snn_pynn.neuron.engine import start

        return start(self.tables, self.plan)

"""Converted spiking networks on NEST.

NEST and PyNN are imported when a network is built.
"""

from __future__ import annotations

from typing import ClassVar

from snn_core.settings import Options
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.synapses.memory import Footprint
from snn_pynn.assembly import AssemblySNN
from snn_pynn.engine import Engine
from snn_pynn.options import NestOptions

__all__ = ["SNN"]


class SNN(AssemblySNN):
    """A converted network on NEST.

    On networks whose sums do not round, its spikes are those of the reference simulator.
    """

    cells: ClassVar[str] = "nest/cells"
    name: ClassVar[str] = "pynn-nest"
    footprint: ClassVar[Footprint] = Footprint(synapse_bytes=60, cell_bytes=12_000)
    options_type: ClassVar[type[Options]] = NestOptions

    capabilities: ClassVar[Capabilities] = Capabilities(
        softmax=True,
        settings={
            "cell.reset": {"subtraction", "zero"},
            "input.encoding": {"constant", "poisson", "regular", "events"},
        },
        delay_steps=1,
    )

    def new_engine(self) -> Engine:
        """Import NEST and build the network in it."""
        from snn_pynn.nest.start import start

        return start(self.tables, self.plan)

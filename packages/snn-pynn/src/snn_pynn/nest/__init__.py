"""Converted spiking networks on NEST.

NEST and PyNN are imported when a network is built.
"""

from __future__ import annotations

from typing import ClassVar

from snn_core.ir import Network
from snn_core.settings import Options
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.synapses.memory import Footprint
from snn_pynn.assembly import AssemblySNN
from snn_pynn.engine import Engine
from snn_pynn.options import NestOptions

__all__ = ["SNN"]

TICS_PER_MS = 1000
"""Units of time in NEST."""


class SNN(AssemblySNN):
    """A converted network on NEST.

    On networks whose sums do not round, its spikes are those of the reference simulator.
    """

    cells: ClassVar[str] = "nest/cells"
    name: ClassVar[str] = "pynn-nest"
    footprint: ClassVar[Footprint] = Footprint(synapse_bytes=60, cell_bytes=4000)
    options_type: ClassVar[type[Options]] = NestOptions

    capabilities: ClassVar[Capabilities] = Capabilities(
        softmax=True,
        settings={
            "cell.reset": {"subtraction", "zero"},
            "input.encoding": {"constant", "poisson", "regular", "events"},
        },
        delay_steps=1,
    )

    def problems(self, network: Network) -> list[str]:
        """Return everything about a network and the settings that cannot be simulated."""
        found = super().problems(network)
        dt = self.settings.simulation.dt
        nearest = max(1, round(dt * TICS_PER_MS)) / TICS_PER_MS
        if dt != nearest:
            found.append(
                f"simulation.dt = {dt!r} ms is not supported: NEST's steps are multiples of "
                f"{1 / TICS_PER_MS:g} ms; the nearest one is {nearest!r}"
            )
        return found

    def new_engine(self) -> Engine:
        """Import NEST and build the network in it."""
        from snn_pynn.nest.start import start

        return start(self.tables, self.plan)

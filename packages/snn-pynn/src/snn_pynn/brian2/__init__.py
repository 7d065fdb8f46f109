"""Converted spiking networks on Brian2, through PyNN.

Brian2 and PyNN are imported when a network is built.
"""

from __future__ import annotations

from typing import ClassVar

from snn_core.errors import SimulatorImportError
from snn_core.installing import how_to_install
from snn_core.settings import Options
from snn_core.simulation.capabilities import ANY
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.synapses.memory import Footprint
from snn_pynn.assembly import AssemblySNN
from snn_pynn.engine import Engine
from snn_pynn.options import Brian2Options
from snn_pynn.quiet import quietly

__all__ = ["SNN"]

WORTHWHILE_SYNAPSES = 1_000_000
"""Synapses in all copies together, above which further copies hardly save time per sample."""


class SNN(AssemblySNN):
    """A converted network on Brian2, through PyNN.

    On networks whose sums do not round, its spikes are those of the reference simulator.
    """

    cells: ClassVar[str] = "brian2/cells"
    name: ClassVar[str] = "pynn-brian2"
    footprint: ClassVar[Footprint] = Footprint(synapse_bytes=80, cell_bytes=300)
    options_type: ClassVar[type[Options]] = Brian2Options
    options: Brian2Options

    capabilities: ClassVar[Capabilities] = Capabilities(
        softmax=True,
        settings={
            "input.encoding": {"constant", "poisson", "regular", "events"},
            "cell.tau_refrac": ANY,
        },
        delay_steps=1,
    )

    @property
    def copies(self) -> int:
        """Copies of the network side by side."""
        if not self.options.is_exact:
            return 1
        if self.options.copies:
            return min(self.options.copies, self.batch_size)
        useful = -(-WORTHWHILE_SYNAPSES // max(1, self.num_synapses))
        each = self.footprint.needed(synapses=self.num_synapses, cells=self.num_cells)
        room = int(self.options.memory_limit_mb * 1e6 / 2 // max(1, each))
        return max(1, min(self.batch_size, useful, room))

    def new_engine(self) -> Engine:
        """Import Brian2 and build the network in it."""
        try:
            with quietly():
                from snn_pynn.brian2.engine import start
        except Exception as error:
            # With a NumPy that is too new or too old, importing fails in various ways.
            raise SimulatorImportError(
                f"Brian2 cannot be imported: {type(error).__name__}: {error}. This chooses a NumPy "
                f"that it works with: {how_to_install('snn-pynn', extra='brian2')}"
            ) from error
        return start(self.tables, self.plan)

"""Memory limits of simulators that store every synapse."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from snn_core.errors import SimulationError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory that a simulator needs while it builds a network.

    Parameters
    ----------
    synapse_bytes, cell_bytes
        Bytes for each synapse that transmits spikes, and for each cell.
    """

    synapse_bytes: int
    cell_bytes: int

    def needed(self, *, synapses: int, cells: int, copies: int = 1) -> int:
        """Return about how many bytes a network takes in so many copies."""
        return copies * (synapses * self.synapse_bytes + cells * self.cell_bytes)

    def check(
        self, *, synapses: int, cells: int, copies: int, limit_mb: float, simulator: str
    ) -> None:
        """Log how much memory a network needs, before it is built.

        Raises
        ------
        SimulationError
            If that is more than the limit.
        """
        needed_mb = self.needed(synapses=synapses, cells=cells, copies=copies) / 1e6
        size = f"{synapses} synapses and {cells} cells"
        size += f" in {copies} copies" if copies > 1 else ""
        what = f"{size} need about {needed_mb:.2f} MB"
        logger.info("%s", what)
        if needed_mb > limit_mb:
            fewer = "ask for fewer copies, " if copies > 1 else ""
            raise SimulationError(
                f"{simulator} stores every synapse: {what}, more than {simulator}.memory_limit_mb "
                f"= {limit_mb:g}. Raise the limit, {fewer}or use a simulator that shares weights."
            )

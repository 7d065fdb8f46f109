"""How much memory Brian2 needs for a network, and how many copies of it are worth having."""

from __future__ import annotations

import logging

from snn_core.errors import SimulationError

logger = logging.getLogger(__name__)

SYNAPSE_BYTES = 40
"""Per synapse, while it is made: source, target and weight or index, each in Brian2's array and in
the one it is made from, and its place in the queue of spikes. Measured: 36 to 40."""

CELL_BYTES = 100
"""Per cell: state variables, their initial values and the events of a step."""

WORTHWHILE_EVENTS = 75_000
"""Synapses that should transmit in a step, so that Python's share of a step is small. Measured: a
step costs 0.3 ms on Python's side and 12 ns for each such synapse."""

TYPICAL_RATE = 0.1
"""Spikes per neuron and step of a converted network."""


def bytes_needed(*, synapses: int, cells: int, copies: int) -> int:
    """Return about how much memory a network takes while it is built."""
    return copies * (synapses * SYNAPSE_BYTES + cells * CELL_BYTES)


def copies_of(wanted: int, *, synapses: int, cells: int, batch_size: int, limit_mb: float) -> int:
    """Return how many samples to simulate side by side.

    Parameters
    ----------
    wanted
        Number of copies asked for; 0 takes as many as make good use of each step, no more than
        half of the memory allows.
    synapses, cells
        Synapses that transmit spikes, and cells, of one copy.
    batch_size
        Number of samples at hand.
    limit_mb
        Memory limit.
    """
    if wanted:
        return min(wanted, batch_size)
    useful = -(-WORTHWHILE_EVENTS // max(1, int(synapses * TYPICAL_RATE)))
    each = bytes_needed(synapses=synapses, cells=cells, copies=1)
    return max(1, min(batch_size, useful, int(limit_mb * 1e6 / 2 // each)))


def check_memory(*, synapses: int, cells: int, copies: int, limit_mb: float) -> None:
    """Say how much memory a network needs before it is built.

    Raises
    ------
    SimulationError
        If that is more than the limit.
    """
    needed_mb = bytes_needed(synapses=synapses, cells=cells, copies=copies) / 1e6
    what = f"{synapses} synapses and {cells} cells in {copies} copies need about {needed_mb:.2f} MB"
    logger.info("%s", what)
    if needed_mb > limit_mb:
        raise SimulationError(
            f"Brian2 stores every synapse: {what}, more than brian2.memory_limit_mb = "
            f"{limit_mb:g}. Raise the limit, ask for fewer copies, or use a simulator that "
            f"shares weights."
        )

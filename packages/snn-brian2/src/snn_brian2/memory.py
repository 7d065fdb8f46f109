"""Memory that Brian2 needs for a network, and how many copies of it to simulate side by side."""

from __future__ import annotations

from snn_core.simulation.synapses.memory import Footprint

FOOTPRINT = Footprint(synapse_bytes=40, cell_bytes=100)
"""Per synapse, while it is made: source, target and weight or index, each in Brian2's array and in
the one it is made from, and its place in the queue of spikes. Measured: 36 to 40. Per cell: state
variables, their initial values and the events of a step."""

WORTHWHILE_EVENTS = 75_000
"""Synapses that should transmit in a step, so that Python's share of a step is small. Measured: a
step costs 0.3 ms on Python's side and 12 ns for each such synapse."""

TYPICAL_RATE = 0.1
"""Spikes per neuron and step of a converted network."""


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
    each = FOOTPRINT.needed(synapses=synapses, cells=cells)
    return max(1, min(batch_size, useful, int(limit_mb * 1e6 / 2 // each)))

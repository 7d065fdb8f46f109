"""Scale of 16-bit weights: the ring buffers' left shift that sPyNNaker chooses.

A synapse holds a weight of 16 bits without sign; excitatory and inhibitory ones have scales of
their own, one for each population. What arrives in a tick is added up in a ring buffer of 16 bits,
which saturates, and is shifted left to become an s16.15 current. Source of all rules: sPyNNaker's
``PopulationVertex.get_ring_buffer_shifts``, ``get_weight_scales`` and ``_Stats``
(``models/neuron/population_vertex.py``), ``FromListConnector``, and ``neuron/synapses.c``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from snn_core.typing import Array, Float64, Int

WEIGHT_MAX = 0xFFFF
"""Largest weight, and largest sum of a ring buffer."""

MOST_SHIFT = 15
"""Largest shift of a ring buffer whose sums stay below 65536."""

RECEPTORS = ("excitatory", "inhibitory")

SPIKES_PER_SECOND = 30.0
"""Rate that sPyNNaker assumes of a neuron (``spikes_per_second`` of its ``spynnaker.cfg``)."""


def left_shift(largest: float) -> int:
    """Return the shift of a ring buffer for the largest sum that is expected.

    It is the exponent of the next power of two above the sum, and never negative.
    """
    if largest <= 0:
        return 0
    shift = math.ceil(max(0.0, math.log2(largest)))
    return shift + 1 if 2**shift <= largest else shift


def weight_scale(shift: int) -> float:
    """Return what weights are multiplied by: shifted left, they are s16.15 numbers."""
    return 2.0 ** (15 - shift)


def quantised(weight: Float64[Array, "s"], shift: int) -> Int[Array, "s"]:
    """Return the 16 bits of weights (``SynapseDynamicsStatic.get_static_synaptic_data``)."""
    counted: Array = np.rint(np.abs(weight) * weight_scale(shift)).astype(np.int64) & WEIGHT_MAX
    return counted


def expected_sum(projections: Iterable[tuple[Array, Array]], *, dt_ms: float) -> float:
    """Return the largest sum in a tick that sPyNNaker expects if it is not told one.

    For each projection of a receptor it is the largest weight times the most synapses of a target,
    as if all sources spiked at once.

    Parameters
    ----------
    projections
        Target and weight of every synapse, for each projection.
    dt_ms
        Length of a tick.
    """
    per_tick = max(1.0, SPIKES_PER_SECOND / (1000.0 / dt_ms))
    total, biggest = 0.0, 0.0
    for post, weight in projections:
        if len(post):
            largest = float(np.abs(weight).max())
            total += per_tick * (largest * int(np.bincount(post).max()))
            biggest = max(biggest, largest)
    return max(total, biggest)


def largest_sum(projections: Iterable[tuple[Array, Array]], size: int) -> float:
    """Return the largest sum that can arrive at a cell in a tick, if every source spikes once."""
    total_l = np.zeros(size)
    for post, weight in projections:
        total_l += np.bincount(post, weights=np.abs(weight), minlength=size)
    return float(total_l.max(initial=0))

"""Arithmetic of one step of the chip's neuron, the same for integers and without rounding."""

from __future__ import annotations

import numpy as np

from snn_core.typing import Array
from snn_loihi.ranges import STATE_MAX, WRAP


def wrapped(current: Array) -> Array:
    """Return currents as a register of 24 bits with sign holds them.

    What leaves the range wraps around, as in lava's bit-accurate ``LIF``; that model leaves 2**23
    itself alone, which 24 bits cannot hold.
    """
    half = WRAP // 2
    found: Array = np.mod(current + half, WRAP) - half
    return found


def saturated(membrane: Array) -> Array:
    """Return membranes kept within 24 bits, as lava's bit-accurate ``LIF`` does."""
    found: Array = np.clip(membrane, -STATE_MAX, STATE_MAX)
    return found

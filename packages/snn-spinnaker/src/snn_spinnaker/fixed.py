"""Arithmetic of the board's s16.15 numbers, as integers that count 2**-15.

The board's processors have no floating point. A value is a signed integer of 32 bits with 15 of
them behind the point (C's ``accum``). Sources are files of sPyNNaker's ``neural_modelling`` and of
``spinn_common``, named at each rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from snn_core.typing import Array

BITS = 15
ONE = 1 << BITS
"""The integer that stands for 1."""

LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1
"""Smallest and largest integer of a register."""

LARGEST = HIGHEST / ONE
"""Largest value, just below 65536."""


def encoded(value: Any) -> Array:
    """Return values as the host writes them to the board: the nearest, halves to even.

    Source: ``DataType.encode_as_int`` of SpiNNFrontEndCommon.
    """
    counted: Array = np.rint(np.asarray(value, np.float64) * ONE).astype(np.int64)
    return counted


def change(value: Any, wanted: Any) -> float:
    """Return by how much values change as numbers of the board.

    It is the root mean square of the change over that of the values that were wanted; 0 if they
    are 0.
    """
    wanted = np.asarray(wanted, np.float64)
    total = float(np.sqrt((wanted**2).mean())) if wanted.size else 0.0
    changed = encoded(value) / ONE - wanted
    return float(np.sqrt((changed**2).mean())) / total if total else 0.0


def in_range(value: Any) -> bool:
    """Return whether the host can write all of some values."""
    flat = np.asarray(value, np.float64)
    return bool((np.abs(flat) <= LARGEST).all())


def wrapped(value: Array) -> Array:
    """Return sums as a register of 32 bits holds them: what leaves the range wraps around.

    Source: ``accum`` is not declared ``_Sat``, so C adds it like an ``int32_t``.
    """
    found: Array = ((value - LOWEST) & 0xFFFFFFFF) + LOWEST
    return found


def product_to_nearest(x: Array | int, y: Array | int) -> Array:
    """Return the product of two s16.15 numbers, halves rounded up, saturated.

    Source: ``MULT_ROUND_NEAREST_ACCUM`` of spinn_common's ``round.h``.
    """
    product = np.asarray(x, np.int64) * np.asarray(y, np.int64)
    found: Array = np.clip((product + (ONE >> 1)) >> BITS, LOWEST, HIGHEST)
    return found


def product(x: Array | int, y: Array | int) -> Array:
    """Return the product of two s16.15 numbers, rounded down: C's ``*`` of two ``accum``."""
    return wrapped((np.asarray(x, np.int64) * np.asarray(y, np.int64)) >> BITS)


def quotient(x: int, y: int) -> int:
    """Return the quotient of two positive s16.15 numbers, rounded down.

    Source: ``kdivk`` of sPyNNaker's ``common/maths-util.h``.
    """
    return (x << BITS) // y


def decayed(x: Array, decay: int) -> Array:
    """Return s16.15 numbers multiplied by a fraction of 32 bits, rounded down.

    Source: ``decay_s1615`` of sPyNNaker's ``neuron/decay.h``.
    """
    return wrapped((np.asarray(x, np.int64) * decay) >> 32)

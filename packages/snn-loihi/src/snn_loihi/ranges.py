"""Ranges of Loihi's integers.

Sources, named where they are used: "Davies" is M. Davies et al. 2018, "Loihi: A Neuromorphic
Manycore Processor with On-Chip Learning", IEEE Micro 38(1); "lava" is the documentation of the
bit-accurate models of lava-nc 0.10 (processes ``LIF``, ``Dense``, ``Sparse``).
"""

from __future__ import annotations

MSB_SHIFT = 6
"""Synaptic sums and thresholds are shifted left by so many bits to meet the membrane (lava)."""

UNIT = 1 << MSB_SHIFT
"""What a synaptic sum, or a threshold mantissa, of 1 stands for in the membrane."""

STATE_BITS = 24
"""Bits of current and membrane, sign included (lava)."""

STATE_MAX = (1 << (STATE_BITS - 1)) - 1
"""Largest magnitude of a membrane, which saturates at it in both directions (lava)."""

WRAP = 1 << STATE_BITS
"""Distance by which a current that leaves its range wraps around (lava)."""

WEIGHT_BITS = 8
"""Bits of a weight mantissa (Davies: 1 to 9 bits with the sign; lava: 8)."""

WEIGHT_EXPONENTS = (-8, 7)
"""Smallest and largest weight exponent, four bits with sign (lava)."""

BIAS_BITS = 12
"""Bits of a bias mantissa besides the sign: -4096 to 4095 (lava)."""

BIAS_EXPONENTS = (0, 7)
"""Smallest and largest bias exponent, three bits (lava)."""

THRESHOLD_BITS = 17
"""Bits of a threshold mantissa, which has no sign (lava)."""

THRESHOLD_MAX = (1 << THRESHOLD_BITS) - 1


def weight_step(bits: int, *, mixed: bool) -> int:
    """Return the distance between two neighbouring weight mantissas.

    The lowest bits of an eight-bit mantissa are missing where it has fewer bits, and one more holds
    the sign where weights of both signs are mixed (lava, ``truncate_weights``).

    Parameters
    ----------
    bits
        Number of weight bits, 1 to 8.
    mixed
        Whether a connection has weights of both signs.
    """
    return 1 << (WEIGHT_BITS - bits + int(mixed))


def weight_limit(bits: int, *, mixed: bool) -> int:
    """Return the largest weight mantissa that both signs have."""
    return (1 << WEIGHT_BITS) - weight_step(bits, mixed=mixed)


def lowest_exponent(bits: int, *, mixed: bool) -> int:
    """Return the smallest weight exponent that loses no bit of the mantissa.

    A negative exponent shifts the synaptic sum to the right before it meets the membrane (lava);
    bits that are 0 in every mantissa are not lost by it.
    """
    step = weight_step(bits, mixed=mixed)
    return -(step.bit_length() - 1)

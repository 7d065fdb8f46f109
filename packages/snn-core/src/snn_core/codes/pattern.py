"""Binary patterns: a number is a binary fraction, its first digit first."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snn_core.codes.base import SpikeCode
from snn_core.ir import Network
from snn_core.typing import Array, Float32, Int8

FLOAT32_BITS = 24
"""Number of bits of a float32 significand."""


class Pattern(SpikeCode):
    """The binary digits of a number below 1, one step each."""

    name: ClassVar[str] = "temporal_pattern"
    steps_setting: ClassVar[str | None] = "num_bits"
    # The weight is shifted before it is added.
    operations_per_synapse: ClassVar[int] = 2
    is_per_ms: ClassVar[bool] = False
    has_output_spikes: ClassVar[bool] = False
    has_input_spikes: ClassVar[bool] = True
    rounds: ClassVar[bool] = True

    def num_steps(self, network: Network) -> int:
        """Return the number of digits."""
        return self.settings.conversion.num_bits

    @property
    def levels(self) -> int:
        """Number of values that the digits tell apart."""
        return int(2**self.settings.conversion.num_bits)

    @property
    def highest(self) -> float:
        """The number of a spike in every step."""
        return float(1 - 2.0**-self.settings.conversion.num_bits)

    @classmethod
    def rates(
        cls, spikes_b_l_t: Int8[Array, "b *l t"], *, dt_ms: float, window_steps: int
    ) -> Float32[Array, "b *l"]:
        """Return the binary fraction."""
        weights_t = pattern_weights(spikes_b_l_t.shape[-1])
        values: Array = (spikes_b_l_t * weights_t).sum(axis=-1, dtype=np.float32)
        return values


def pattern_levels(x: Float32[Array, "..."], *, num_bits: int) -> Float32[Array, "..."]:
    """Return each value as a whole multiple of ``2**-num_bits``, at most ``1 - 2**-num_bits``.

    ``min(floor(x 2^B + 1/2), 2^B - 1)``: to the nearest level, so that the error is at most
    ``2**-(B + 1)`` up to the largest level, and below ``2**-B`` from there to 1. Negative values
    become 0.

    Returns
    -------
    The levels, whole numbers as float32.
    """
    levels = np.float32(2.0**num_bits)
    # Beyond 24 bits the largest float32 below 2^B; each step is exact in float32.
    highest = levels - np.float32(max(1.0, 2.0 ** (num_bits - FLOAT32_BITS)))
    scaled = np.asarray(x, np.float32) * levels
    # Values that have no fraction any more must not be moved by adding one half.
    rounded = np.where(scaled < 2**23, np.floor(scaled + np.float32(0.5)), scaled)
    clipped: Array = np.clip(rounded, np.float32(0), highest)
    return clipped


def to_binary(x: Float32[Array, "..."], *, num_bits: int) -> Int8[Array, "... t"]:
    """Return the spike pattern of each value: its first ``num_bits`` binary digits.

    The spike in step i = 1 .. B stands for ``2**-i``, so the most significant digit comes first.
    """
    levels = pattern_levels(x, num_bits=num_bits)
    powers = np.exp2(np.arange(num_bits - 1, -1, -1, dtype=np.float32))
    return (np.floor(levels[..., None] / powers) % 2).astype(np.int8)


def to_binary_numpy(x: Float32[Array, "..."], num_bits: int) -> Float32[Array, "... t"]:
    """Return the spike pattern of each value, each spike weighted by what it stands for."""
    return to_binary(x, num_bits=num_bits) * pattern_weights(num_bits)


def pattern_weights(num_bits: int) -> Float32[Array, "t"]:
    """Return what the spike in each step of a pattern stands for: 1/2, 1/4, ..."""
    return np.exp2(-np.arange(1, num_bits + 1, dtype=np.float32))


def pattern_range(x_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b"]:
    """Return the range of each sample's input patterns: the power of two not below its maximum.

    A power of two keeps fixed-point arithmetic exact, and the sample's own keeps results
    independent of the batch.
    """
    flat = np.abs(x_b_l).reshape(len(x_b_l), -1).max(axis=1, initial=0)
    mantissa, exponent = np.frexp(flat)
    # A power of two itself has the mantissa 1/2.
    exponent = exponent - (mantissa == 0.5)
    return np.ldexp(np.float32(1), np.where(flat > 0, exponent, 0)).astype(np.float32)

"""Binary patterns: a neuron's spikes are the binary digits of its activation, first digit first.

Rueckauer and Liu, "Temporal pattern coding in deep spiking neural networks", IJCNN 2021. In step
i = 1 .. B a spike delivers the weight times ``2**-i``, and the bias is spread evenly over the
steps. Numbers are rounded to the nearest level; see `snn_core.codes.pattern.pattern_levels`. The
input is encoded like a layer, with the sample's own range and with signed spikes for negative
values.
"""

from __future__ import annotations

import numpy as np

from snn_core.codes.pattern import pattern_levels, pattern_range, pattern_weights, to_binary
from snn_core.recording.recorder import Recorder
from snn_core.simulation.codes.one_pass import OnePass
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, Float32


class TemporalPattern(OnePass):
    """A network whose layers send patterns of ``conversion.num_bits`` steps."""

    @property
    def num_bits(self) -> int:
        """Number of digits B."""
        return self.settings.conversion.num_bits

    def input_values(self, x_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *l"]:
        """Return the samples rounded to patterns of each sample's range."""
        range_b_l = _ranges(x_b_l)
        return self.values(np.abs(x_b_l) / range_b_l) * range_b_l * np.sign(x_b_l)

    def values(self, rate_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *l"]:
        """Return multiples of ``2**-B`` below 1."""
        levels: Array = pattern_levels(rate_b_l, num_bits=self.num_bits)
        return levels * np.float32(2.0**-self.num_bits)

    def record_input(self, signal: InputSignal, recorder: Recorder) -> None:
        """Record the weighted spikes of the input."""
        x_b_l = signal.x_b_l
        range_b_l = _ranges(x_b_l)
        pattern_b_l_t = to_binary(np.abs(x_b_l) / range_b_l, num_bits=self.num_bits)
        for step, weight in enumerate(pattern_weights(self.num_bits)):
            spikes_b_l = pattern_b_l_t[..., step] * np.sign(x_b_l) * (range_b_l * weight)
            recorder.input(step, spikes_b_l[None], spiking=True)

    def record_spikes(self, name: str, value_b_l: Array, recorder: Recorder) -> None:
        """Record the digits."""
        pattern_b_l_t = to_binary(value_b_l, num_bits=self.num_bits)
        recorder.spikes(name, 0, np.ascontiguousarray(np.moveaxis(pattern_b_l_t, -1, 0)))

    def delivered(self, name: str, value_b_l: Array, step: int) -> Array:
        """Return the digits so far."""
        range_b_l = _ranges(value_b_l) if name == self.network.input.name else np.float32(1)
        unit = np.float32(2.0**-step) * range_b_l
        return np.trunc(value_b_l / unit) * unit

    def bias_share(self, name: str, step: int) -> float:
        """Return the share of steps done."""
        return step / self.num_bits


def _ranges(x_b_l: Array) -> Float32[Array, "b *l"]:
    """Return each sample's range, shaped to divide the samples."""
    return pattern_range(x_b_l).reshape(-1, *[1] * (x_b_l.ndim - 1))

"""Exact time to first spike: each layer spikes in a window of its own, earlier for larger values.

Stanojevic et al., "An exact mapping from ReLU networks to spiking neural networks", Neural
Networks 2023, and "High-performance deep spiking neural networks with 0.3 spikes per neuron",
Nature Communications 2024, with slope 1 ("B1"). Windows follow each other, one for the input and
one for each layer. While its sources' windows last, a neuron integrates: a spike at time t starts
a current that lasts until its source's window ends at t_max, so that it delivers
``w (t_max - t) = w a``. In its own window the potential rises with slope 1 and reaches the
threshold, one window's length, at ``t = t_max - a``. Negative sums come too late to spike, and
sums above one window spike at once: that bounds the activations by the layer's scale.

With S steps per window a neuron compares in the middle of each step, which rounds to the nearest
of S levels: ``clip(floor(a S + 1/2), 0, S) / S``. Without steps, times are real numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snn_core.codes.windows import passes_spikes_on, spike_windows
from snn_core.recording.recorder import Recorder
from snn_core.simulation.codes.one_pass import OnePass
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, Float32


class ExactFirstSpike(OnePass):
    """A network with ``conversion.window_steps`` steps in each window, or continuous time."""

    @property
    def window_steps(self) -> int:
        """Number of steps of a window S; 0 in continuous time."""
        return self.settings.conversion.window_steps

    @property
    def _recorded_steps(self) -> int:
        return max(1, self.window_steps)

    def input_values(self, x_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *l"]:
        """Return the samples: the input is a constant current of one window's length."""
        return x_b_l

    def values(self, rate_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *l"]:
        """Return the share of the window that is left at the spike, 0 for no spike."""
        if self.window_steps:
            steps = np.float32(self.window_steps)
            levels: Array = np.clip(np.floor(rate_b_l * steps + np.float32(0.5)), 0, steps)
            return levels / steps
        return np.clip(rate_b_l, np.float32(0), np.float32(1))

    def record_input(self, signal: InputSignal, recorder: Recorder) -> None:
        """Record the current, which is on in the first window."""
        steps = self._recorded_steps
        x_b_l = signal.x_b_l / np.float32(steps)
        recorder.input(0, np.broadcast_to(x_b_l, (steps, *x_b_l.shape)), spiking=False)

    def record_spikes(self, name: str, value_b_l: Array, recorder: Recorder) -> None:
        """Record the one spike of each neuron that has one, in the layer's window."""
        steps = self._recorded_steps
        left = np.arange(steps, 0, -1).reshape(-1, *[1] * value_b_l.ndim)
        window = self._windows[name]
        recorder.spikes(name, window * steps, self._steps_left(value_b_l) == left)

    def _steps_left(self, value_b_l: Array) -> Array:
        """Return the steps of the window that are left at the spike, its own step included."""
        # In continuous time a window is recorded as one step.
        whole: Array = np.rint(value_b_l * self.window_steps)
        return whole if self.window_steps else np.ceil(value_b_l)

    def delivered(self, name: str, value_b_l: Array, step: int) -> Array:
        """Return what the current of each spike, or of the input, has amounted to."""
        steps = self._recorded_steps
        into = min(max(step - self._windows[name] * steps, 0), steps)
        if into == steps:
            return value_b_l
        if name == self.network.input.name:
            return value_b_l * np.float32(into / steps)
        passed: Array = np.maximum(self._steps_left(value_b_l) - (steps - into), 0)
        return passed / np.float32(steps)

    def bias_share(self, name: str, step: int) -> float:
        """Return the share of the window, the last one of the layer's sources, that has passed."""
        window = max(self._windows[source] for source in self.network[name].inputs)
        return min(max(step / self._recorded_steps - window, 0.0), 1.0)

    def resting(self, name: str, sum_b_l: Array, value_b_l: Array, step: int) -> Array:
        """Return the sum and the ramp in the own window; 0 once a neuron has spiked."""
        steps = self._recorded_steps
        into = min(max(step - self._windows[name] * steps, 0), steps)
        spiked = self._steps_left(value_b_l) > steps - into
        ramp = 0 if passes_spikes_on(self.network, name) else into / steps
        return np.where(spiked, np.float32(0), sum_b_l + np.float32(ramp))

    def spike_times_ms(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the time of each neuron's spike from the start, infinity where there is none."""
        window_ms = self._recorded_steps * self.settings.simulation.dt
        return {
            layer.name: np.where(
                values[layer.name] > 0,
                (self._windows[layer.name] + 1 - values[layer.name].astype(np.float64)) * window_ms,
                np.inf,
            )
            for layer in self.network.spiking_layers
            if layer is not self.network.output
        }

    @property
    def _windows(self) -> dict[str, int]:
        if not hasattr(self, "_window_of"):
            self._window_of = spike_windows(self.network)
        return self._window_of

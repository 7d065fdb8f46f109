"""The neurons of one layer with every option of the cell, in NumPy.

`snn_core.neurons.arithmetic` holds the arithmetic of a plain neuron; this module adds the state and
the order in which the options act within a step. All of them work on each sample separately.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snn_core.ir import BinarySigmoid, BinaryTanh, QuantizedReLU, Spiking
from snn_core.neurons.arithmetic import (
    decay_per_step,
    initial_potential,
    leak_per_step,
    refractory_steps,
    reset_potential,
)
from snn_core.settings import Settings
from snn_core.typing import Array, Bool, Float32

SETTLED_VARIANCE = 1e-4
"""Variance of the running averages below which input counts as settled."""

_BINARY = (BinarySigmoid, BinaryTanh)


class Neurons:
    """Neurons of one layer and their state.

    Parameters
    ----------
    layer
        The layer.
    settings
        The section ``cell``, the online normalization, and the length of a step.
    batch_size
        Number of samples.
    v_b_l
        Potentials before the first step; ``v_init`` of the layer if not given.
    clamp_until
        Step, counted from 1, up to which input is ignored; that step itself is the first one used.

    Attributes
    ----------
    v_b_l
        Membrane potentials.
    blocked_b_l
        Number of steps for which each neuron is still refractory.
    """

    def __init__(
        self,
        layer: Spiking,
        settings: Settings,
        *,
        batch_size: int,
        v_b_l: Float32[Array, "b *l"] | None = None,
        clamp_until: int = 0,
    ) -> None:
        self._layer = layer
        self._cell = settings.cell
        self._settings = settings
        self._decay = decay_per_step(settings)
        self._leak = leak_per_step(layer, settings)
        self._refractory_steps = refractory_steps(settings)
        self._clamp_until = clamp_until
        self.v_b_l = initial_potential(layer, batch_size) if v_b_l is None else v_b_l
        self.blocked_b_l = np.zeros(self.v_b_l.shape, np.int64)
        self.begin_sample()

    def begin_sample(self) -> None:
        """Start the clock and everything that is averaged over time; potentials stay."""
        self.t = 0
        self._input = InputStatistics(self._settings)
        self._online = OnlineNormalization(self._settings, shape_b_l=self.v_b_l.shape)

    def integrate(self, drive_b_l: Float32[Array, "b *l"], inputs: Sequence[Array] = ()) -> None:
        """Let one step pass: decay, add the input, leak, clip, round.

        Parameters
        ----------
        drive_b_l
            Weighted input of the step, bias included.
        inputs
            What arrives from the presynaptic layers; only ``clamp_var`` looks at it.
        """
        self.t += 1
        ignored = self.blocked_b_l > 0
        if self.t < self._clamp_until:
            ignored = np.ones_like(ignored)
        if self._cell.clamp_var:
            settled_b = self._input.update(inputs)
            ignored = ignored | ~settled_b.reshape(-1, *[1] * (ignored.ndim - 1))
        v = self.v_b_l if self._decay is None else self.v_b_l * self._decay
        v = v + np.where(ignored, np.float32(0), drive_b_l)
        v = np.where(v > 0, np.maximum(v - self._leak, 0), v)
        if self._cell.v_clip is not None:
            bound = self._layer.threshold * np.float32(self._cell.v_clip)
            v = np.clip(v, -bound, bound)
        if isinstance(self._layer.activation, QuantizedReLU):
            v = fixed_point(v, self._layer.activation, threshold=self._layer.threshold)
        self.v_b_l = v

    def fire(self) -> Float32[Array, "b *l"]:
        """Reset the neurons that fire in this step and return what their spikes carry.

        That is 1, or -1 for a negative spike, or more or less as the options say; 0 without a
        spike.
        """
        threshold = self._online.threshold(self._layer.threshold)
        signs_b_l = self._signs(threshold)
        fired_b_l = signs_b_l != 0
        carried_b_l = self._online.amplitude(signs_b_l)
        if self._cell.payloads:
            carried_b_l = np.where(fired_b_l, self.v_b_l / self._layer.threshold, np.float32(0))
        if not isinstance(self._layer.activation, _BINARY):
            reset = "zero" if self._cell.payloads else self._cell.reset
            self.v_b_l = reset_potential(self.v_b_l, fired_b_l, threshold, reset=reset)
        self.rest(fired_b_l)
        self._online.update(fired_b_l, self.t)
        return carried_b_l

    def _signs(self, threshold: Array) -> Float32[Array, "b *l"]:
        """Return 1 where a neuron spikes, -1 where it spikes negatively, else 0."""
        if isinstance(self._layer.activation, BinaryTanh):
            signs = np.sign(self.v_b_l)
        elif isinstance(self._layer.activation, BinarySigmoid):
            signs = (self.v_b_l > 0).astype(np.float32)
        else:
            signs = (self.v_b_l >= threshold).astype(np.float32)
        awake: Array = np.where(self.blocked_b_l > 0, np.float32(0), signs)
        return awake

    def rest(self, fired_b_l: Bool[Array, "b *l"]) -> None:
        """Begin the refractory time of the neurons that fired; that of others goes by."""
        waiting = np.maximum(self.blocked_b_l - 1, 0)
        self.blocked_b_l = np.where(fired_b_l, self._refractory_steps, waiting)


def fixed_point(
    v: Float32[Array, "b *l"], form: QuantizedReLU, *, threshold: Float32[Array, "*c"]
) -> Float32[Array, "b *l"]:
    """Return potentials in the fixed-point format of an activation.

    They are rounded to multiples of the step, halves to even, and saturate at the largest value
    plus what may be left of a threshold, in both directions. Under constant input the spike rate is
    then that of the rounded input, since a sum of multiples is one.
    """
    step = np.asarray(form.step, np.float32)
    bound = np.asarray(form.max_value, np.float32) + threshold
    rounded: Array = np.clip(np.round(v / step) * step, -bound, bound)
    return rounded


def bias_factor(layer_index: int, t: int, num_steps: int) -> np.float32:
    """Return the part of its bias that a layer receives in step ``t`` under ``bias_relaxation``.

    ``clip(1 - (1 - 2 t / N) i / 50, 0, 1)``: deeper layers start with less, all have their true
    bias from the middle of the run on.

    Parameters
    ----------
    layer_index
        Number i of layers between this one and the input.
    t
        Step, counted from 1.
    """
    missing = (1 - 2 * t / num_steps) * layer_index / 50
    return np.float32(np.clip(1 - missing, 0, 1))


class InputStatistics:
    """Running average of what arrives, and how certain it is, for each presynaptic neuron.

    With ``δ = x - r`` the average is ``r ← r + δ / t`` and its variance
    ``v ← (v + δ (x - r)) / t``, which goes to 0 as the average settles.

    Parameters
    ----------
    settings
        For the length of the run.
    """

    def __init__(self, settings: Settings) -> None:
        self._num_steps = settings.num_steps
        self._t = 0
        self._means: list[Array] = []
        self._variances: list[Array] = []

    def update(self, inputs: Sequence[Array]) -> Bool[Array, "b"]:
        """Take the input of a step; return for each sample whether it may be integrated.

        That is so once the mean variance is small, and in the second half of the run in any case.
        """
        if not self._means:
            self._means = [np.zeros_like(x_b_l) for x_b_l in inputs]
            self._variances = [np.zeros_like(x_b_l) for x_b_l in inputs]
        self._t += 1
        t = np.float32(self._t)
        for i, x_b_l in enumerate(inputs):
            difference = x_b_l - self._means[i]
            self._means[i] = self._means[i] + difference / t
            grown = self._variances[i] + difference * (x_b_l - self._means[i])
            self._variances[i] = grown / t
        flat = np.concatenate([v.reshape(len(v), -1) for v in self._variances], axis=1)
        late = 2 * self._t > self._num_steps
        settled: Array = (flat.mean(axis=1, dtype=np.float64) < SETTLED_VARIANCE) | late
        return settled


class OnlineNormalization:
    """Lowers the threshold of a layer whose neurons all spike rarely, during the run.

    In every ``timestep_fraction``-th step, if the highest spike rate of the layer is below the
    maximum by more than ``diff_to_max_rate``, and not below ``diff_to_min_rate``, the threshold
    becomes that rate (1 being a spike per step). A spike then carries as much less, so that what
    a rate stands for stays the same. Each sample has thresholds of its own.

    Parameters
    ----------
    settings
        The section ``normalization``, and the length of a step.
    shape_b_l
        Shape of the layer, batch axis first.
    """

    def __init__(self, settings: Settings, *, shape_b_l: tuple[int, ...]) -> None:
        self._options = settings.normalization
        self._highest_hz = 1000 / settings.simulation.dt
        self._shape_b_1 = (shape_b_l[0], *[1] * (len(shape_b_l) - 1))
        self._counts_b_l = np.zeros(shape_b_l, np.int64)
        self._factor_b_1 = np.ones(self._shape_b_1, np.float32)

    def threshold(self, threshold: Float32[Array, "*c"]) -> Array:
        """Return the thresholds in force."""
        return threshold * self._factor_b_1 if self._options.online_normalization else threshold

    def amplitude(self, signs_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *l"]:
        """Return what spikes carry."""
        return signs_b_l * self._factor_b_1 if self._options.online_normalization else signs_b_l

    def update(self, fired_b_l: Bool[Array, "b *l"], t: int) -> None:
        """Count the spikes of step ``t`` = 1, 2, ... and adapt the thresholds if it is time."""
        if not self._options.online_normalization:
            return
        self._counts_b_l += fired_b_l
        if t % self._options.timestep_fraction:
            return
        rate_b_1 = self._counts_b_l.reshape(len(fired_b_l), -1).max(axis=1) / t
        rate_b_1 = rate_b_1.reshape(self._shape_b_1)
        rate_hz = rate_b_1 * self._highest_hz
        adapts = (
            (rate_hz > 0)
            & (rate_hz >= self._options.diff_to_min_rate)
            & (self._highest_hz - rate_hz > self._options.diff_to_max_rate)
        )
        self._factor_b_1 = np.where(adapts, rate_b_1, self._factor_b_1).astype(np.float32)

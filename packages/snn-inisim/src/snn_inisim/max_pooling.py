"""Spiking max pooling as a Keras layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from snn_core import ir
from snn_core.evaluation.operators import image_paddings
from snn_core.typing import Array, Float32
from snn_inisim.geometry import cells_of_windows, pad
from snn_inisim.integrate_and_fire import through_steps
from snn_inisim.spike_layer import SpikeLayer
from snn_inisim.typing import Tensor


class SpikeMaxPooling2D(SpikeLayer, keras.layers.MaxPooling2D):
    """Spiking max pooling; `snn_core.neurons.max_pooling.MaxPool` states the rules.

    Parameters
    ----------
    coefficients_t
        `snn_core.neurons.max_pooling.pool_coefficients` of the simulation.
    jit
        Compile with XLA what the layer does to several steps.
    """

    def __init__(
        self,
        layer: ir.MaxPooling2D,
        *,
        coefficients_t: Float32[Array, "t"],
        jit: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(layer, pool_size=layer.pool_size, strides=layer.strides, **common)
        self.coefficients_t = coefficients_t
        choose = self._choose
        self._compiled = tf.function(choose, jit_compile=True, autograph=False) if jit else choose

    def start(self, input_b_hwc: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the state before the first step: running rates, and their maximum passed on."""
        passed_on = (input_b_hwc[0], *self.source.output_shape)
        return tf.zeros(tuple(input_b_hwc)), tf.zeros(passed_on)

    def largest(self, x_b_hwc: Tensor) -> Tensor:
        """Return the maximum (or minimum) of each window, weighted, of cells in the image."""
        border = image_paddings(self.source, self.source.pool_size, (1, 1), x_b_hwc.shape[1:3])
        first, *rest = cells_of_windows(
            pad(self.source.upright(x_b_hwc), border, fill=-np.inf),
            self.source.pool_size,
            self.source.strides,
        )
        for cell in rest:
            first = tf.maximum(first, cell)
        return self._turn_back(first) * self.source.weight_c

    def _turn_back(self, highest: Tensor) -> Tensor:
        """Return maxima of upright values as values of the input; 0 for windows in the padding."""
        return self.source.upright(tf.where(highest == -np.inf, 0.0, highest))

    def gate(
        self, state: tuple[Tensor, Tensor], x_t_b_hwc: Tensor, first: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return the new state and what the neurons receive in each of several steps.

        Parameters
        ----------
        first
            Number of steps before the first of these.
        """
        steps = x_t_b_hwc.shape[0]
        coefficients = tf.constant(self.coefficients_t)[first : first + steps]
        # Outside of what is compiled, where the product could be fused into the sum.
        parts = x_t_b_hwc * tf.reshape(coefficients, (steps, 1, 1, 1, 1))
        state, drive = self._compiled(state, x_t_b_hwc, parts)
        return state, drive * self.source.weight_c

    def _choose(
        self, state: tuple[Tensor, Tensor], x_t_b_hwc: Tensor, parts_t_b_hwc: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        running_b_hwc, passed_on = state

        def add(t: Any, sums: Tensor) -> tuple[Tensor, Tensor]:
            total = sums + parts_t_b_hwc[t]
            return total, total

        steps = x_t_b_hwc.shape[0]
        running_b_hwc, sums_t_b_hwc, _ = through_steps(add, running_b_hwc, steps)
        highest, chosen = self._winners(sums_t_b_hwc, x_t_b_hwc)
        if self.source.method != "pre_spike_max":
            return (running_b_hwc, passed_on), chosen
        before = tf.concat([passed_on[None], highest[:-1]], axis=0)
        return (running_b_hwc, highest[-1]), highest - before

    def _winners(self, rates: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the winning rate of each window and the input there, the first cell on ties."""
        layer = self.source
        border = image_paddings(layer, layer.pool_size, (1, 1), x.shape[-3:-1])
        candidates = zip(
            cells_of_windows(
                pad(layer.upright(rates), border, fill=-np.inf), layer.pool_size, layer.strides
            ),
            cells_of_windows(pad(x, border), layer.pool_size, layer.strides),
            strict=True,
        )
        highest, chosen = next(candidates)
        for rate, value in candidates:
            chosen = tf.where(rate > highest, value, chosen)
            highest = tf.maximum(rate, highest)
        return self._turn_back(highest), chosen

    def build_state(self, batch_size: int) -> None:
        """Create potentials, running rates and the clock."""
        super().build_state(batch_size)
        self.running = [
            self.add_weight(shape=part.shape, initializer="zeros", trainable=False)
            for part in self.start((batch_size, *self._input_hwc))
        ]
        self.clock = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def build(self, input_shape: Any) -> None:
        """Remember the input's shape, then build."""
        self._input_hwc = tuple(input_shape[1:])
        super().build(input_shape)

    def reset_state(self) -> None:
        """Go back to the beginning of a simulation."""
        super().reset_state()
        for part in getattr(self, "running", ()):
            part.assign(tf.zeros(part.shape))
        if hasattr(self, "clock"):
            self.clock.assign(0)

    def call(self, inputs: Tensor) -> Tensor:
        """Advance by one step and return the spikes."""
        state = (self.running[0].value, self.running[1].value)
        state, drive_t_b_l = self.gate(state, inputs[None], self.clock.value)
        for part, value in zip(self.running, state, strict=True):
            part.assign(value)
        self.clock.assign_add(1)
        return self.fire(drive_t_b_l[0])

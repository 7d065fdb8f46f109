"""Keras layers with integrate-and-fire neurons, made from layers of a converted network.

Each derives from the Keras layer of the same kind, holds its weights and, as part of a Keras
model, advances by one time step per call. `SpikeLayer.drive` is the part without state: what the
layer adds up, for samples along the first axis or, with time folded into it, for samples and
steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from snn_core import ir
from snn_core.ir.shapes import transposed_crop
from snn_core.typing import Array, Float32, Pair
from snn_inisim.codes.temporal_mean_rate import IntegrateAndFire, Tensor
from snn_inisim.geometry import NO_PADDING, dilated, fitted, padded, paddings, windows


class SpikeLayer(keras.layers.Layer):
    """What all layers share: weights and bias of the representation, and perhaps neurons.

    Parameters
    ----------
    layer
        The layer to compute.
    neurons
        Its neurons; ``None`` if it passes its sum on at once.
    dt
        Length of a step in ms; the bias is multiplied by it.
    arguments
        Arguments of the Keras layer.
    """

    def __init__(
        self,
        layer: ir.Layer,
        *,
        neurons: IntegrateAndFire | None = None,
        dt: float = 1.0,
        **arguments: Any,
    ) -> None:
        super().__init__(dtype="float32", trainable=False, **arguments)
        self.source: Any = layer
        self.neurons = neurons
        self.bias_o = layer.bias_o * np.float32(dt) if isinstance(layer, ir.Weighted) else None

    def weights_of_keras(self) -> Float32[Array, "..."] | None:
        """Return the kernel as the Keras layer wants it; ``None`` if it has none."""
        return self.source.weight if isinstance(self.source, ir.Weighted) else None

    def build(self, input_shape: Any) -> None:
        """Create and fill the kernel, and the potentials if the batch size is known."""
        super().build(input_shape)
        kernel = self.weights_of_keras()
        if kernel is not None:
            self.kernel.assign(kernel)
        first = input_shape if isinstance(input_shape[0], (int, type(None))) else input_shape[0]
        if first[0] is not None:
            self.build_state(first[0])

    def build_state(self, batch_size: int) -> None:
        """Create what a layer remembers from one call to the next."""
        if self.neurons is not None:
            shape = (batch_size, *self.source.output_shape)
            self.v_b_l = self.add_weight(shape=shape, initializer="zeros", trainable=False)
            self.reset_state()

    def reset_state(self) -> None:
        """Go back to the beginning of a simulation."""
        if self.neurons is not None:
            self.v_b_l.assign(self.neurons.start(self.v_b_l.shape[0]))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the batch size and the shape of the layer."""
        first = input_shape if isinstance(input_shape[0], (int, type(None))) else input_shape[0]
        return (first[0], *self.source.output_shape)

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Return weights times inputs: one tensor, or a list for several inbound layers."""
        return super().call(inputs)

    def drive(self, inputs: Tensor) -> Tensor:
        """Return what the layer adds up in one step: weights times inputs, and bias times dt."""
        y = self.weighted_sum(inputs)
        return y if self.bias_o is None else y + self.bias_o

    def call(self, inputs: Tensor) -> Tensor:
        """Advance by one step and return the spikes, or the sum of a layer without neurons."""
        return self.fire(self.drive(inputs))

    def fire(self, drive_b_l: Tensor) -> Tensor:
        """Integrate a step's sum and return the spikes; without neurons return the sum."""
        if self.neurons is None:
            return drive_b_l
        v_b_l, spikes_b_l = self.neurons.step(self.v_b_l.value, drive_b_l)
        self.v_b_l.assign(v_b_l)
        return spikes_b_l


class SpikeDense(SpikeLayer, keras.layers.Dense):
    """Fully connected layer on the last axis."""

    def __init__(self, layer: ir.Dense, **common: Any) -> None:
        units = layer.weight_io.shape[1]
        super().__init__(layer, units=units, use_bias=False, **common)


class _SpikeConvolution(SpikeLayer):
    """Convolutions: what Keras cannot pad, stride or dilate is done beside it."""

    def __init__(self, layer: Any, *, axes: int, **common: Any) -> None:
        self._dilation = _tuple(layer.dilation)
        strides = _tuple(layer.strides)
        # TensorFlow does not dilate and stride at once.
        self._spreads = max(strides) > 1 and max(self._dilation) > 1
        super().__init__(
            layer,
            kernel_size=self._spread(layer.weight).shape[:axes],
            strides=strides,
            dilation_rate=1 if self._spreads else self._dilation,
            padding=layer.padding if isinstance(layer.padding, str) else "valid",
            use_bias=False,
            **common,
        )

    def _spread(self, weight: Array) -> Array:
        return dilated(weight, self._dilation) if self._spreads else weight

    def weights_of_keras(self) -> Float32[Array, "..."]:
        """Return the kernel, with zeros between the taps where Keras cannot dilate."""
        return self._spread(self.source.weight)


class SpikeConv1D(_SpikeConvolution, keras.layers.Conv1D):
    """1-D convolution, causal padding and groups included."""

    def __init__(self, layer: ir.Conv1D, **common: Any) -> None:
        filters = layer.weight_wio.shape[2]
        super().__init__(layer, axes=1, filters=filters, groups=layer.groups, **common)

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Pad as the layer says, then convolve."""
        padding = self.source.padding
        if not isinstance(padding, str):
            inputs = tf.pad(inputs, ((0, 0), padding, (0, 0)))
        return super().weighted_sum(inputs)


class SpikeConv2D(_SpikeConvolution, keras.layers.Conv2D):
    """2-D convolution, groups included."""

    def __init__(self, layer: ir.Conv2D, **common: Any) -> None:
        filters = layer.weight_hwio.shape[3]
        super().__init__(layer, axes=2, filters=filters, groups=layer.groups, **common)

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Pad as the layer says, then convolve."""
        padding = self.source.padding
        return super().weighted_sum(padded(inputs, _explicit(padding)))


class SpikeDepthwiseConv2D(SpikeLayer, keras.layers.DepthwiseConv2D):
    """Convolution of each channel with kernels of its own."""

    def __init__(self, layer: ir.DepthwiseConv2D, **common: Any) -> None:
        # TensorFlow wants equal strides along both axes, and none together with dilation.
        self._subsampling = layer.strides if layer.strides[0] != layer.strides[1] else (1, 1)
        self._kernel = dilated(layer.weight_hwcm, layer.dilation)
        super().__init__(
            layer,
            kernel_size=self._kernel.shape[:2],
            depth_multiplier=layer.weight_hwcm.shape[3],
            strides=(1, 1) if self._subsampling != (1, 1) else layer.strides,
            padding="valid",
            use_bias=False,
            **common,
        )

    def weights_of_keras(self) -> Float32[Array, "h w c m"]:
        """Return the kernel with zeros between its taps."""
        return self._kernel

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Pad as the layer says, convolve, and leave out rows or columns that strides skip."""
        layer = self.source
        border = paddings(layer, layer.weight_hwcm.shape[:2], inputs.shape[1:3])
        y = super().weighted_sum(padded(inputs, border))
        return y[:, :: self._subsampling[0], :: self._subsampling[1]]


class SpikeConv2DTranspose(SpikeLayer, keras.layers.Conv2DTranspose):
    """Transposed convolution: the whole of it, cut as the layer's geometry says."""

    def __init__(self, layer: ir.Conv2DTranspose, **common: Any) -> None:
        # TensorFlow does not dilate transposed convolutions on all devices.
        self._kernel = dilated(layer.weight_hwoi, layer.dilation)
        super().__init__(
            layer,
            filters=layer.weight_hwoi.shape[2],
            kernel_size=self._kernel.shape[:2],
            strides=layer.strides,
            padding="valid",
            use_bias=False,
            **common,
        )
        top, left = (
            transposed_crop(
                layer.padding if isinstance(layer.padding, str) else layer.padding[axis],
                layer.output_shape[axis],
                kernel=layer.weight_hwoi.shape[axis],
                stride=layer.strides[axis],
                dilation=layer.dilation[axis],
            )[0]
            for axis in range(2)
        )
        self._crop = (top, left)

    def weights_of_keras(self) -> Float32[Array, "h w o i"]:
        """Return the kernel with zeros between its taps."""
        return self._kernel

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Convolve and cut."""
        return fitted(super().weighted_sum(inputs), self._crop, self.source.output_shape[:2])


class SpikeUpSampling2D(SpikeLayer, keras.layers.UpSampling2D):
    """Repetition of rows and columns, scaled per channel."""

    def __init__(self, layer: ir.UpSampling2D, **common: Any) -> None:
        super().__init__(layer, size=layer.size, interpolation="nearest", **common)

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Repeat and scale."""
        return super().weighted_sum(inputs) * self.source.weight_c


class SpikeAveragePooling2D(SpikeLayer, keras.layers.AveragePooling2D):
    """Mean over windows, scaled per channel; cells outside the image do not count."""

    def __init__(self, layer: ir.AveragePooling2D, **common: Any) -> None:
        super().__init__(layer, pool_size=layer.pool_size, strides=layer.strides, **common)

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Add up each window, then divide: whole numbers of spikes add up exactly."""
        layer = self.source
        border = paddings(layer, layer.pool_size, inputs.shape[1:3])
        inside = np.pad(np.ones((1, *inputs.shape[1:3], 1), np.float32), ((0, 0), *border, (0, 0)))
        count = sum(windows(inside, layer.pool_size, layer.strides))
        share = (layer.weight_c / count).astype(np.float32)
        cells = windows(padded(inputs, border), layer.pool_size, layer.strides)
        return tf.add_n(cells) * share


class SpikeMaxPooling2D(SpikeLayer, keras.layers.MaxPooling2D):
    """Spiking max pooling; `snn_core.neuron.MaxPool` states the rules.

    Parameters
    ----------
    coefficients_t
        `snn_core.neuron.pool_coefficient` of every step of the simulation.
    """

    def __init__(
        self, layer: ir.MaxPooling2D, *, coefficients_t: Float32[Array, "t"], **common: Any
    ) -> None:
        super().__init__(layer, pool_size=layer.pool_size, strides=layer.strides, **common)
        self.coefficients_t = coefficients_t

    def start(self, input_b_hwc: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the state before the first step: running rates, and their maximum passed on."""
        passed_on = (input_b_hwc[0], *self.source.output_shape)
        return tf.zeros(tuple(input_b_hwc)), tf.zeros(passed_on)

    def gate(
        self, state: tuple[Tensor, Tensor], x_t_b_hwc: Tensor, first: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Return the new state and what the neurons receive in each of several steps.

        Parameters
        ----------
        first
            Number of steps before the first of these.
        """
        running_b_hwc, passed_on = state
        steps, batch, *shape = x_t_b_hwc.shape
        coefficients = tf.constant(self.coefficients_t)[first : first + steps]
        parts = x_t_b_hwc * tf.reshape(coefficients, (steps, 1, 1, 1, 1))
        # Sums in the order of time, starting from the state.
        sums = tf.cumsum(tf.concat([running_b_hwc[None], parts], axis=0))[1:]
        border = paddings(self.source, self.source.pool_size, shape[:2])
        rates = padded(tf.reshape(sums, (-1, *shape)), border, fill=-np.inf)
        if self.source.method == "pre_spike_max":
            highest = tf.reshape(self._max(rates)[0], (steps, batch, *self.source.output_shape))
            before = tf.concat([passed_on[None], highest[:-1]], axis=0)
            return (sums[-1], highest[-1]), (highest - before) * self.source.weight_c
        cells = padded(tf.reshape(x_t_b_hwc, (-1, *shape)), border)
        chosen = tf.gather(tf.reshape(cells, (-1,)), self._max(rates)[1])
        drive = tf.reshape(chosen, (steps, batch, *self.source.output_shape))
        return (sums[-1], passed_on), drive * self.source.weight_c

    def _max(self, rates_n_hwc: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maximum of each window and its index among all cells, the first on ties."""
        highest, index = tf.nn.max_pool_with_argmax(
            rates_n_hwc,
            self.source.pool_size,
            self.source.strides,
            padding="VALID",
            include_batch_in_index=True,
        )
        return highest, index

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


class SpikeAdd(SpikeLayer, keras.layers.Add):
    """Sum of the inbound layers, each scaled per channel."""

    def weighted_sum(self, inputs: Sequence[Tensor]) -> Tensor:
        """Scale and add, in the order of the inbound layers."""
        first, *rest = (x * weight for x, weight in zip(inputs, self.source.weight_nc, strict=True))
        return sum(rest, start=first)


class SpikeFlatten(SpikeLayer, keras.layers.Flatten):
    """Flattening."""


class SpikeReshape(SpikeLayer, keras.layers.Reshape):
    """Reshaping."""

    def __init__(self, layer: ir.Reshape, **common: Any) -> None:
        super().__init__(layer, target_shape=layer.output_shape, **common)


class SpikeZeroPadding2D(SpikeLayer, keras.layers.ZeroPadding2D):
    """Zeros around the image."""

    def __init__(self, layer: ir.ZeroPadding2D, **common: Any) -> None:
        super().__init__(layer, padding=layer.padding, **common)


class SpikeConcatenate(SpikeLayer, keras.layers.Concatenate):
    """Concatenation of the inbound layers."""

    def __init__(self, layer: ir.Concatenate, **common: Any) -> None:
        super().__init__(layer, axis=layer.axis + 1, **common)


LAYERS: dict[str, type[SpikeLayer]] = {
    kind.__name__.removeprefix("Spike"): kind
    for kind in (
        SpikeDense,
        SpikeConv1D,
        SpikeConv2D,
        SpikeDepthwiseConv2D,
        SpikeConv2DTranspose,
        SpikeUpSampling2D,
        SpikeAveragePooling2D,
        SpikeMaxPooling2D,
        SpikeAdd,
        SpikeFlatten,
        SpikeReshape,
        SpikeZeroPadding2D,
        SpikeConcatenate,
    )
}
"""Kind of layer to its class."""


def _tuple(value: int | Pair) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else value


def _explicit(padding: ir.layers.Padding2D) -> tuple[Pair, Pair]:
    """Return the padding that Keras does not do itself."""
    return NO_PADDING if isinstance(padding, str) else padding

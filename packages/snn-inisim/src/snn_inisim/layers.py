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
import tensorflow as tf

from snn_core import ir
from snn_core.evaluation.operators import image_paddings, pool_shares
from snn_core.ir.shapes import axis_padding, transposed_crop
from snn_core.typing import Array, Float32, Pair
from snn_inisim.geometry import NO_PADDING, dilate, fit, pad, window_sums
from snn_inisim.max_pooling import SpikeMaxPooling2D
from snn_inisim.spike_layer import SpikeLayer
from snn_inisim.typing import Tensor


class SpikeDense(SpikeLayer, keras.layers.Dense):
    """Fully connected layer on the last axis."""

    def __init__(self, layer: ir.Dense, **common: Any) -> None:
        units = layer.weight_io.shape[1]
        super().__init__(layer, units=units, use_bias=False, **common)


class _SpikeConvolution(SpikeLayer):
    """Convolutions: what Keras cannot pad, stride or dilate is done beside it."""

    def __init__(self, layer: Any, *, axes: int, **common: Any) -> None:
        self._dilation = _tuple(layer.dilation)
        strides = _tuple(common.pop("strides", layer.strides))
        padding = common.pop("padding", layer.padding)
        # TensorFlow does not dilate and stride at once.
        self._spreads = max(strides) > 1 and max(self._dilation) > 1
        super().__init__(
            layer,
            kernel_size=self._spread(layer.weight).shape[:axes],
            strides=strides,
            dilation_rate=1 if self._spreads else self._dilation,
            padding=padding if isinstance(padding, str) else "valid",
            use_bias=False,
            **common,
        )

    def _spread(self, weight: Array) -> Array:
        return dilate(weight, self._dilation) if self._spreads else weight

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
        # TensorFlow's convolutions on processors are wrong for images of one channel where a stride
        # of more than 1 finds a single column. Such a stride is none.
        sizes = layer.output_shape[:2]
        strides = tuple(s if n > 1 else 1 for s, n in zip(layer.strides, sizes, strict=True))
        self._is_cut = strides != layer.strides
        padding = "valid" if self._is_cut else layer.padding
        taps = zip(layer.strides, sizes, layer.weight_hwio.shape[:2], layer.dilation, strict=True)
        self._read = tuple((n - 1) * s + (k - 1) * d + 1 for s, n, k, d in taps)
        common |= {"strides": strides, "padding": padding}
        super().__init__(layer, axes=2, filters=filters, groups=layer.groups, **common)

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Pad as the layer says, then convolve what the windows find."""
        layer = self.source
        if not self._is_cut:
            return super().weighted_sum(pad(inputs, _explicit(layer.padding)))
        border = image_paddings(
            layer, layer.weight_hwio.shape[:2], layer.dilation, inputs.shape[1:3]
        )
        return super().weighted_sum(fit(pad(inputs, border), (0, 0), self._read))


class SpikeDepthwiseConv2D(SpikeLayer, keras.layers.DepthwiseConv2D):
    """Convolution of each channel with kernels of its own."""

    def __init__(self, layer: ir.DepthwiseConv2D, **common: Any) -> None:
        # TensorFlow wants equal strides along both axes, and none together with dilation.
        self._subsampling = layer.strides if layer.strides[0] != layer.strides[1] else (1, 1)
        self._kernel = dilate(layer.weight_hwcm, layer.dilation)
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
        border = image_paddings(
            layer, layer.weight_hwcm.shape[:2], layer.dilation, inputs.shape[1:3]
        )
        y = super().weighted_sum(pad(inputs, border))
        return y[:, :: self._subsampling[0], :: self._subsampling[1]]


class SpikeConv2DTranspose(SpikeLayer, keras.layers.Conv2DTranspose):
    """Transposed convolution: the whole of it, cut as the layer's geometry says."""

    def __init__(self, layer: ir.Conv2DTranspose, **common: Any) -> None:
        # TensorFlow does not dilate transposed convolutions on all devices.
        self._kernel = dilate(layer.weight_hwoi, layer.dilation)
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
                axis_padding(layer.padding, axis),
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
        return fit(super().weighted_sum(inputs), self._crop, self.source.output_shape[:2])


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
        border = image_paddings(layer, layer.pool_size, (1, 1), inputs.shape[1:3])
        sums = window_sums(pad(inputs, border), layer.pool_size, layer.strides)
        return sums * pool_shares(layer, inputs.shape[1:])


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

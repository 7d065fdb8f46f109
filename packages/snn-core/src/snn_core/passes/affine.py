"""Maps ``gain * x + offset`` per channel, multiplied into the weights before or behind them.

Arithmetic is float64; what layers hold is rounded to float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from snn_core.ir import (
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Layer,
    Reshape,
    Weighted,
)
from snn_core.ir.blocks import blocks, fill_by_blocks
from snn_core.ir.shapes import axis_padding, count, resolve_padding
from snn_core.typing import Array, Shape


@dataclass(frozen=True, slots=True)
class Affine:
    """``gain * x + offset`` along the last axis, in float64."""

    gain_c: Array
    offset_c: Array

    def tile(self, size: int) -> Affine:
        """Return the same map after a reshape whose last axis holds several pixels."""
        times = size // self.gain_c.size
        return Affine(np.tile(self.gain_c, times), np.tile(self.offset_c, times))


def along_channels(layer: BatchNormalization) -> Affine | None:
    """Return the map if it runs along the last axis, or along an axis of one cell."""
    gain_c, offset_c = layer.gain_c.astype(np.float64), layer.offset_c.astype(np.float64)
    channels = layer.output_shape[-1]
    if layer.axis != len(layer.output_shape) - 1:
        if gain_c.size != 1:
            return None
        gain_c, offset_c = np.repeat(gain_c, channels), np.repeat(offset_c, channels)
    return Affine(gain_c, offset_c)


def takes_offset(layer: Weighted, shape: Shape, affine: Affine) -> bool:
    """Return whether a layer's weights can take a map of its input, which has a shape.

    Every output has to sum over all taps, so that the offset is the same everywhere.
    """
    if not affine.offset_c.any() or isinstance(layer, Dense):
        return True
    if not isinstance(layer, (Conv1D, Conv2D, DepthwiseConv2D)):
        return False  # the edges of a transposed convolution receive fewer taps
    return all(padding == (0, 0) for padding in _resolve_paddings(layer, shape))


def _resolve_paddings(
    layer: Conv1D | Conv2D | DepthwiseConv2D, shape: Shape
) -> list[tuple[int, int]]:
    if isinstance(layer, Conv1D):
        kernel, stride = layer.weight_wio.shape[0], layer.strides
        return [
            resolve_padding(
                layer.padding, shape[0], kernel=kernel, stride=stride, dilation=layer.dilation
            )
        ]
    return [
        resolve_padding(
            axis_padding(layer.padding, i),
            shape[i],
            kernel=layer.weight.shape[i],
            stride=layer.strides[i],
            dilation=layer.dilation[i],
        )
        for i in range(2)
    ]


def scale_output(layer: Weighted, affine: Affine) -> Weighted:
    """Return the layer followed by the map."""
    gain = affine.gain_c
    if isinstance(layer, DepthwiseConv2D):
        gain = gain.reshape(layer.weight_hwcm.shape[2:])
    if isinstance(layer, Conv2DTranspose):
        gain = gain[:, None]
    weight = fill_by_blocks(layer.weight.shape, lambda rows: layer.weight[rows] * gain)
    return _with_weights(layer, weight, layer.bias_o * affine.gain_c + affine.offset_c)


def _with_weights(layer: Weighted, weight: Array, bias_o: Array) -> Weighted:
    arrays: dict[str, Any] = {layer.weight_name: weight, "bias_o": bias_o.astype(np.float32)}
    return replace(layer, **arrays)


_Spread: TypeAlias = Callable[[Any, Array], Array]


def _per_group(layer: Conv1D | Conv2D, values_c: Array) -> Array:
    """Return what each output channel sees of the values of the input channels, shape (i, o)."""
    outputs = layer.weight.shape[-1]
    grouped = values_c.reshape(layer.groups, -1)
    return np.repeat(grouped, outputs // layer.groups, axis=0).T


def scale_input(layer: Weighted, affine: Affine) -> Weighted:
    """Return the layer applied to the mapped input."""
    spread = _SPREAD[type(layer)]
    weight, gain, offset = (
        layer.weight, *(spread(layer, values) for values in (affine.gain_c, affine.offset_c))
    )  # fmt: skip
    scaled = fill_by_blocks(weight.shape, lambda rows: weight[rows] * _part(gain, weight, rows))
    if isinstance(layer, Conv2DTranspose):
        return _with_weights(layer, scaled, layer.bias_o)  # the offset is zero, see takes_offset
    kept = 2 if isinstance(layer, DepthwiseConv2D) else 1
    summed = tuple(range(weight.ndim - kept))
    bias_o = layer.bias_o.astype(np.float64)
    for rows in blocks(weight.shape):
        shift = weight[rows].astype(np.float64) * _part(offset, weight, rows)
        bias_o = bias_o + shift.sum(axis=summed).reshape(-1)
    return _with_weights(layer, scaled, bias_o)


def _part(values: Array, weight: Array, rows: slice) -> Array:
    """Return what belongs to a range of the first axis of a weight array."""
    return values[rows] if values.ndim == weight.ndim else values


_SPREAD: dict[type[Layer], _Spread] = {
    Dense: lambda layer, values_c: values_c[:, None],
    Conv1D: _per_group,
    Conv2D: _per_group,
    DepthwiseConv2D: lambda layer, values_c: values_c[:, None],
    Conv2DTranspose: lambda layer, values_c: values_c,
}
"""How values per input channel spread over a weight array."""


def relay(layer: BatchNormalization, affine: Affine | None) -> list[Layer]:
    """Return a depthwise 1x1 convolution; other shapes than images pass through it as one pixel."""
    shape = layer.output_shape
    if affine is not None and len(shape) == 3:
        return [_depthwise(layer.name, layer.inputs, shape, affine)]
    if affine is None:
        ones = [1] * len(shape)
        ones[layer.axis] = -1
        gain, offset = (
            np.broadcast_to(values.reshape(ones), shape).reshape(-1).astype(np.float64)
            for values in (layer.gain_c, layer.offset_c)
        )
        affine = Affine(gain, offset)
    affine = affine.tile(count(shape))
    pixel = (1, 1, count(shape))
    before = Reshape(name=f"{layer.name}/pixel", inputs=layer.inputs, output_shape=pixel)
    scale = _depthwise(f"{layer.name}/scale", (before.name,), pixel, affine)
    after = Reshape(name=layer.name, inputs=(scale.name,), output_shape=shape)
    return [before, scale, after]


def _depthwise(name: str, inputs: tuple[str, ...], shape: Shape, affine: Affine) -> DepthwiseConv2D:
    return DepthwiseConv2D(
        name=name,
        inputs=inputs,
        output_shape=shape,
        weight_hwcm=affine.gain_c[None, None, :, None].astype(np.float32),
        bias_o=affine.offset_c.astype(np.float32),
    )

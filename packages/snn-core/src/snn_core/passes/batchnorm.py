"""Folding batch normalization into weights.

At inference batch normalization is ``gain * x + offset`` per channel (Ioffe & Szegedy 2015,
section 3.1). It is folded backward into the linear layer before it, else forward into the weighted
layers after it, else it becomes a 1x1 depthwise convolution: a relay without neurons. All three
are exact; arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from snn_core.ir import (
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Layer,
    MaxPooling2D,
    Network,
    Reshape,
    UpSampling2D,
    Weighted,
)
from snn_core.ir.blocks import blocks, fill_by_blocks
from snn_core.ir.shapes import axis_padding, count, resolve_padding
from snn_core.passes.edit import exchange, keeps_channels, reads_alone, remove
from snn_core.typing import Array, Shape


def fold_batch_normalization(network: Network) -> Network:
    """Fold every `BatchNormalization` into weights, or turn it into a relay."""
    before = network
    for layer in before.layers:
        if isinstance(layer, BatchNormalization):
            network = _fold(network, layer.name)
    return network


@dataclass(frozen=True, slots=True)
class _Affine:
    """``gain * x + offset`` along the last axis, in float64."""

    gain_c: Array
    offset_c: Array

    def tile(self, size: int) -> _Affine:
        """Return the same map after a reshape whose last axis holds several pixels."""
        times = size // self.gain_c.size
        return _Affine(np.tile(self.gain_c, times), np.tile(self.offset_c, times))


def _fold(network: Network, name: str) -> Network:
    layer = network[name]
    if not isinstance(layer, BatchNormalization):  # excluded by the caller
        return network
    affine = _along_channels(layer)
    if affine is not None:
        source = _linear_source(network, name, affine)
        if source is not None:
            network = network.replace(_scale_output(source, affine))
            return remove(network, [name], note=f"folded {name} into {source.name}")
        readers = _fold_into_readers(network, name, affine)
        if readers:
            network = network.replace(*readers.values())
            return remove(network, [name], note=f"folded {name} into {', '.join(readers)}")
    return exchange(
        network, {name: _relay(layer, affine)}, note=f"turned {name} into a relay without neurons"
    )


def _along_channels(layer: BatchNormalization) -> _Affine | None:
    """Return the map if it runs along the last axis, or along an axis of one cell."""
    gain_c, offset_c = layer.gain_c.astype(np.float64), layer.offset_c.astype(np.float64)
    channels = layer.output_shape[-1]
    if layer.axis != len(layer.output_shape) - 1:
        if gain_c.size != 1:
            return None
        gain_c, offset_c = np.repeat(gain_c, channels), np.repeat(offset_c, channels)
    return _Affine(gain_c, offset_c)


def _linear_source(network: Network, name: str, affine: _Affine) -> Weighted | None:
    """Return the linear weighted layer whose output the map may scale instead."""
    while True:
        name = network[name].inputs[0]
        layer = network[name]
        if not reads_alone(network, name):
            return None
        if isinstance(layer, Weighted):
            return layer if layer.activation.is_linear else None
        if not _commutes(network, layer, affine):
            return None


def _commutes(network: Network, layer: Layer, affine: _Affine) -> bool:
    """Return whether mapping a layer's inputs is the same as mapping its outputs."""
    if isinstance(layer, (Flatten, Reshape)):
        return keeps_channels(layer, network.input_shapes(layer.name)[0])
    if isinstance(layer, (AveragePooling2D, UpSampling2D, MaxPooling2D)):
        # Means and copies commute with any affine map, maxima with growing ones.
        growing = not isinstance(layer, MaxPooling2D) or bool((affine.gain_c >= 0).all())
        return growing and layer.activation.is_linear and bool((layer.weight_c == 1).all())
    return False


def _fold_into_readers(network: Network, name: str, affine: _Affine) -> dict[str, Weighted]:
    """Return all layers after a map with the map in their weights; empty if one cannot take it."""
    found: dict[str, Weighted] = {}
    readers = network.outbound(name)
    for reader in readers:
        if isinstance(reader, (Flatten, Reshape)):
            size = reader.output_shape[-1]
            if size % affine.gain_c.size:
                return {}
            further = _fold_into_readers(network, reader.name, affine.tile(size))
            if not further:
                return {}
            found.update(further)
        elif isinstance(reader, Weighted) and _takes_offset(network, reader, affine):
            found[reader.name] = _scale_input(reader, affine)
        else:
            return {}
    return found


def _takes_offset(network: Network, layer: Weighted, affine: _Affine) -> bool:
    """Return whether every output sums over all taps, so that the offset is the same everywhere."""
    if not affine.offset_c.any() or isinstance(layer, Dense):
        return True
    if not isinstance(layer, (Conv1D, Conv2D, DepthwiseConv2D)):
        return False  # the edges of a transposed convolution receive fewer taps
    shape = network.input_shapes(layer.name)[0]
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


def _scale_output(layer: Weighted, affine: _Affine) -> Weighted:
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


def _scale_input(layer: Weighted, affine: _Affine) -> Weighted:
    """Return the layer applied to the mapped input."""
    spread = _SPREAD[type(layer)]
    weight, gain, offset = (
        layer.weight, *(spread(layer, values) for values in (affine.gain_c, affine.offset_c))
    )  # fmt: skip
    scaled = fill_by_blocks(weight.shape, lambda rows: weight[rows] * _part(gain, weight, rows))
    if isinstance(layer, Conv2DTranspose):
        return _with_weights(layer, scaled, layer.bias_o)  # the offset is zero, see _takes_offset
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


def _relay(layer: BatchNormalization, affine: _Affine | None) -> list[Layer]:
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
        affine = _Affine(gain, offset)
    affine = affine.tile(count(shape))
    pixel = (1, 1, count(shape))
    before = Reshape(name=f"{layer.name}/pixel", inputs=layer.inputs, output_shape=pixel)
    scale = _depthwise(f"{layer.name}/scale", (before.name,), pixel, affine)
    after = Reshape(name=layer.name, inputs=(scale.name,), output_shape=shape)
    return [before, scale, after]


def _depthwise(
    name: str, inputs: tuple[str, ...], shape: Shape, affine: _Affine
) -> DepthwiseConv2D:
    return DepthwiseConv2D(
        name=name,
        inputs=inputs,
        output_shape=shape,
        weight_hwcm=affine.gain_c[None, None, :, None].astype(np.float32),
        bias_o=affine.offset_c.astype(np.float32),
    )

"""Folding batch normalization into weights.

At inference batch normalization is ``gain * x + offset`` per channel (Ioffe & Szegedy 2015,
section 3.1). It is folded backward into the linear layer before it, else forward into the weighted
layers after it, else it becomes a 1x1 depthwise convolution: a relay without neurons. It changes
places with max pooling on the way: where its gain is negative, the maximum of what it returns is
the minimum of what it gets. All of this is exact; arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from snn_core.ir import (
    ActivationLayer,
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
from snn_core.passes.edit import Draft, keeps_channels, reads_alone
from snn_core.passes.spiking import is_nonnegative
from snn_core.typing import Array, Shape


def fold_batch_normalization(network: Network) -> Network:
    """Fold every `BatchNormalization` into weights, or turn it into a relay."""
    draft = Draft(network)
    for layer in network.layers:
        if isinstance(layer, BatchNormalization):
            _fold(draft, layer.name)
    return draft.finish()


@dataclass(frozen=True, slots=True)
class _Affine:
    """``gain * x + offset`` along the last axis, in float64."""

    gain_c: Array
    offset_c: Array

    def tile(self, size: int) -> _Affine:
        """Return the same map after a reshape whose last axis holds several pixels."""
        times = size // self.gain_c.size
        return _Affine(np.tile(self.gain_c, times), np.tile(self.offset_c, times))


def _fold(network: Draft, name: str) -> None:
    layer = network[name]
    if not isinstance(layer, BatchNormalization):  # excluded by the caller
        return
    affine = _along_channels(layer)
    if affine is not None:
        before = _fold_into_source(network, name, affine)
        if before:
            network.replace(*before)
            network.remove(name, note=f"folded {name} into {before[-1].name}")
            return
        readers = _fold_into_readers(network, name, affine)
        if readers:
            network.replace(*readers.values())
            network.remove(name, note=f"folded {name} into {', '.join(readers)}")
            return
        following = _fold_into_maps(network, name, affine)
        if following:
            network.replace(*following)
            names = ", ".join(map_.name for map_ in following)
            network.remove(name, note=f"folded {name} into {names}")
            return
        reader = _movable_behind(network, name)
        if reader:
            _move_behind(network, name, reader, affine)
            _fold(network, reader)
            if name in network:
                _fold(network, name)
            return
    network.exchange(
        {name: _relay(layer, affine)}, note=f"turned {name} into a relay without neurons"
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


def _fold_into_source(network: Draft, name: str, affine: _Affine) -> list[Layer]:
    """Return the linear weighted layer before a map with the map in its weights, if there is one.

    Max pooling in between, which then reads mapped values, comes before it in the list.
    """
    found: list[Layer] = []
    while True:
        name = network[name].inputs[0]
        layer = network[name]
        if not reads_alone(network, name):
            return []
        if isinstance(layer, Weighted):
            return [*found, _scale_output(layer, affine)] if layer.activation.is_linear else []
        if not _commutes(network, layer):
            return []
        if isinstance(layer, MaxPooling2D):
            found.append(_turn(layer, affine))


def _commutes(network: Draft, layer: Layer) -> bool:
    """Return whether mapping a layer's inputs is the same as mapping its outputs.

    That holds for means, copies and, with `_turn`, for maxima.
    """
    if isinstance(layer, (Flatten, Reshape)):
        return keeps_channels(layer, network.input_shapes(layer.name)[0])
    if isinstance(layer, (AveragePooling2D, UpSampling2D, MaxPooling2D)):
        return layer.activation.is_linear and bool((layer.weight_c == 1).all())
    return False


def _turn(pool: MaxPooling2D, affine: _Affine) -> MaxPooling2D:
    """Return max pooling that changes places with a map: falling ones turn maxima to minima."""
    if not (affine.gain_c < 0).any():
        return pool
    side_c = np.where(affine.gain_c < 0, np.float32(-1), np.float32(1))
    sign_c = side_c if pool.sign_c is None else side_c * pool.sign_c
    return replace(pool, sign_c=None if (sign_c == 1).all() else sign_c)


def _fold_into_maps(network: Draft, name: str, affine: _Affine) -> list[BatchNormalization]:
    """Return all layers after a map, if they are maps as well, with this one in them."""
    found: list[BatchNormalization] = []
    for reader in network.outbound(name):
        after = _along_channels(reader) if isinstance(reader, BatchNormalization) else None
        if after is None or not isinstance(reader, BatchNormalization):
            return []
        found.append(
            replace(
                reader,
                gain_c=(after.gain_c * affine.gain_c).astype(np.float32),
                offset_c=(after.gain_c * affine.offset_c + after.offset_c).astype(np.float32),
                axis=len(reader.output_shape) - 1,
            )
        )
    return found


def _movable_behind(network: Draft, name: str) -> str | None:
    """Return a reader behind which a map makes max pooling one of values that are never negative.

    That reader is the pool, or a reshape in front of it. A pool with a rectifier of its own takes
    mapped values as they are.
    """
    if not is_nonnegative(network, network[name].inputs[0]):
        return None
    return next((r.name for r in network.outbound(name) if _leads_to_pool(network, r)), None)


def _leads_to_pool(network: Draft, layer: Layer) -> bool:
    if not _commutes(network, layer) or isinstance(layer, (AveragePooling2D, UpSampling2D)):
        return False
    readers = network.outbound(layer.name)
    if isinstance(layer, MaxPooling2D):
        return not (len(readers) == 1 and isinstance(readers[0], ActivationLayer))
    return any(_leads_to_pool(network, reader) for reader in readers)


def _move_behind(network: Draft, name: str, reader: str, affine: _Affine) -> None:
    """Let a reader of a map read what the map reads, and map what it returns.

    The map behind takes the reader's name; the old one goes if nothing else reads it.
    """
    layer = network[reader]
    moved = _turn(layer, affine) if isinstance(layer, MaxPooling2D) else layer
    moved = replace(moved, name=f"{reader}/unmapped", inputs=network[name].inputs)
    behind = BatchNormalization(
        name=reader,
        inputs=(moved.name,),
        output_shape=layer.output_shape,
        gain_c=affine.gain_c.astype(np.float32),
        offset_c=affine.offset_c.astype(np.float32),
        axis=len(layer.output_shape) - 1,
    )
    rest = [] if reads_alone(network, name) else [network[name]]
    note = f"moved {name} behind {reader}"
    network.exchange({name: rest, reader: [moved, behind]}, note=note)


def _fold_into_readers(network: Draft, name: str, affine: _Affine) -> dict[str, Weighted]:
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


def _takes_offset(network: Draft, layer: Weighted, affine: _Affine) -> bool:
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

"""What each kind of layer reads of the populations before it; see `snn_inisim.event.wiring`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np

from snn_core.ir import layers as ir
from snn_core.ir.shapes import axis_padding, count
from snn_core.ir.taps import Taps, correlation_taps, repetition_taps, transposed_taps
from snn_core.typing import Array, Shape
from snn_inisim.event.wiring import (
    Copies,
    Sums,
    add_sums,
    join,
    list_sums,
    scale,
    scale_entries,
    spread,
    spread_values,
    sums_of,
    unique_rows,
)


@singledispatch
def wire(layer: ir.Layer, inputs: Sequence[Copies | Sums]) -> Copies | Sums | None:
    """Return how a layer reads populations; ``None`` if it is computed from its inputs.

    Parameters
    ----------
    layer
        A layer.
    inputs
        How its inbound layers read populations.
    """
    return None


def _wires_copies(function: Callable[[Any, Sequence[Copies]], Any]) -> Callable[..., Any]:
    """Let a function have inputs that are copies, and answer ``None`` for others."""

    def checked(layer: Any, inputs: Sequence[Copies | Sums]) -> Any:
        copies = [each for each in inputs if isinstance(each, Copies)]
        return function(layer, copies) if len(copies) == len(inputs) else None

    return checked


@wire.register(ir.Flatten)
@wire.register(ir.Reshape)
@_wires_copies
def _reshape(layer: ir.Layer, inputs: Sequence[Copies]) -> Copies | None:
    (x,) = inputs
    channels = layer.output_shape[-1]
    if channels % x.channels:
        return None
    joined = channels // x.channels  # neighbouring positions become channels of one
    return replace(
        x,
        shape=layer.output_shape,
        output_e=x.output_e // joined,
        offset_e=x.offset_e + x.output_e % joined * x.channels,
    )


@wire.register(ir.ZeroPadding2D)
@_wires_copies
def _zero_padding(layer: ir.ZeroPadding2D, inputs: Sequence[Copies]) -> Copies:
    (x,) = inputs
    (top, _), (left, _) = layer.padding
    row_e, column_e = np.divmod(x.output_e, x.shape[1])
    output_e = (row_e + top) * layer.output_shape[1] + column_e + left
    return replace(x, shape=layer.output_shape, output_e=output_e)


@wire.register(ir.Concatenate)
@_wires_copies
def _concatenate(layer: ir.Concatenate, inputs: Sequence[Copies]) -> Copies:
    parts, before = [], 0
    size = layer.output_shape[layer.axis]
    for x in inputs:
        inner = count(x.shape[layer.axis + 1 : -1])
        if layer.axis == len(x.shape) - 1:
            part = replace(x, offset_e=x.offset_e + before)
        else:
            outer_e, rest_e = np.divmod(x.output_e, x.shape[layer.axis] * inner)
            part = replace(x, output_e=outer_e * size * inner + before * inner + rest_e)
        parts.append(part)
        before += x.shape[layer.axis]
    return join(parts, layer.output_shape)


@wire.register(ir.UpSampling2D)
@_wires_copies
def _up_sampling(layer: ir.UpSampling2D, inputs: Sequence[Copies]) -> Copies | Sums:
    (x,) = inputs
    rows = repetition_taps(x.shape[0], size=layer.size[0])
    columns = repetition_taps(x.shape[1], size=layer.size[1])
    cell_s, _, output_s = pixels(rows, columns)
    factor_c = np.asarray(layer.weight_c, np.float32).reshape(-1)
    return scale(spread(x, cell_s, output_s, layer.output_shape), factor_c)


@wire.register(ir.AveragePooling2D)
@_wires_copies
def _average_pooling(layer: ir.AveragePooling2D, inputs: Sequence[Copies]) -> Copies:
    (x,) = inputs
    cell_s, _, output_s = pixels(*window_taps(layer, x.shape))
    inside_o = np.bincount(output_s, minlength=count(layer.output_shape[:-1]))
    made = spread(x, cell_s, output_s, layer.output_shape)
    weight = np.asarray(layer.weight_c, np.float32).reshape(-1)
    sizes, size_e = np.unique(inside_o[made.output_e], return_inverse=True)
    shares = [(weight / np.float32(size)).astype(np.float32) for size in sizes]
    return scale_entries(made, shares, size_e)


@wire.register(ir.Add)
def _add(layer: ir.Add, inputs: Sequence[Copies | Sums]) -> Copies | Sums:
    weights = [np.asarray(w, np.float32).reshape(-1) for w in layer.weight_nc]
    copies = [x for x in inputs if isinstance(x, Copies)]
    if len(copies) == len(inputs):
        parts = [scale(x, w) for x, w in zip(copies, weights, strict=True)]
        return join(parts, layer.output_shape)
    sums = [sums_of(x) if isinstance(x, Copies) else x for x in inputs]
    return add_sums(sums, weights, layer.output_shape)


@wire.register(ir.Dense)
@_wires_copies
def _dense(layer: ir.Dense, inputs: Sequence[Copies]) -> Sums:
    (x,) = inputs
    everywhere = np.arange(x.positions)
    no_tap = np.zeros_like(everywhere)
    return _weigh(layer, x, everywhere, no_tap, everywhere, layer.weight_io[None])


@wire.register(ir.Conv1D)
@_wires_copies
def _conv1d(layer: ir.Conv1D, inputs: Sequence[Copies]) -> Sums | None:
    (x,) = inputs
    taps = correlation_taps(
        x.shape[0],
        layer.output_shape[0],
        kernel=layer.weight_wio.shape[0],
        stride=layer.strides,
        dilation=layer.dilation,
        padding=layer.padding,
    )
    weight_kio = _ungrouped(layer.weight_wio, layer.groups)
    return _weigh(layer, x, taps.inputs_e, taps.taps_e, taps.outputs_e, weight_kio)


@wire.register(ir.Conv2D)
@_wires_copies
def _conv2d(layer: ir.Conv2D, inputs: Sequence[Copies]) -> Sums:
    (x,) = inputs
    kernel = layer.weight_hwio
    weight_kio = _ungrouped(kernel.reshape(-1, *kernel.shape[2:]), layer.groups)
    return _weigh(layer, x, *pixels(*_correlation(layer, x.shape, kernel.shape)), weight_kio)


@wire.register(ir.DepthwiseConv2D)
@_wires_copies
def _depthwise(layer: ir.DepthwiseConv2D, inputs: Sequence[Copies]) -> Sums | None:
    (x,) = inputs
    kernel = layer.weight_hwcm
    cell_s, tap_s, output_s = pixels(*_correlation(layer, x.shape, kernel.shape))
    if kernel.shape[3] > 1:
        weight_kio = _depthwise_rows(kernel.reshape(-1, *kernel.shape[2:]))
        return _weigh(layer, x, cell_s, tap_s, output_s, weight_kio)
    made = spread(x, cell_s, output_s, layer.output_shape)
    # Entries of a cell lie together, so that the taps must be told apart by pairs of both.
    tap_e = spread_values(x, cell_s, output_s, tap_s)
    factors = list(kernel.reshape(-1, kernel.shape[2]))
    return replace(sums_of(scale_entries(made, factors, tap_e)), bias_o=layer.bias_o)


@wire.register(ir.Conv2DTranspose)
@_wires_copies
def _conv2d_transpose(layer: ir.Conv2DTranspose, inputs: Sequence[Copies]) -> Sums:
    (x,) = inputs
    kernel = layer.weight_hwoi
    rows, columns = (
        transposed_taps(
            x.shape[i],
            layer.output_shape[i],
            kernel=kernel.shape[i],
            stride=layer.strides[i],
            dilation=layer.dilation[i],
            padding=axis_padding(layer.padding, i),
        )
        for i in range(2)
    )
    weight_kio = kernel.reshape(-1, *kernel.shape[2:]).transpose(0, 2, 1)
    return _weigh(layer, x, *pixels(rows, columns), weight_kio)


def window_taps(layer: Any, shape: Shape) -> tuple[Taps, Taps]:
    """Return the cells of pooling windows along rows and columns."""
    return _correlation(layer, shape, layer.pool_size)


def _correlation(layer: Any, shape: Shape, kernel: Sequence[int]) -> tuple[Taps, Taps]:
    dilation = getattr(layer, "dilation", (1, 1))
    rows, columns = (
        correlation_taps(
            shape[i],
            layer.output_shape[i],
            kernel=kernel[i],
            stride=layer.strides[i],
            dilation=dilation[i],
            padding=axis_padding(layer.padding, i),
        )
        for i in range(2)
    )
    return rows, columns


def pixels(rows: Taps, columns: Taps) -> tuple[Array, Array, Array]:
    """Return input pixel, tap and output pixel of each connected pair of pixels."""
    return (
        (rows.inputs_e[:, None] * columns.sizes[0] + columns.inputs_e).reshape(-1),
        (rows.taps_e[:, None] * columns.sizes[1] + columns.taps_e).reshape(-1),
        (rows.outputs_e[:, None] * columns.sizes[2] + columns.outputs_e).reshape(-1),
    )


def _weigh(
    layer: ir.Weighted, x: Copies, cell_s: Array, tap_s: Array, output_s: Array, weight_kio: Array
) -> Sums:
    """Return the sums of a layer that connects pairs of positions through taps of a kernel."""
    made = spread(x, cell_s, output_s, layer.output_shape)
    tap_e = spread_values(x, cell_s, output_s, tap_s)
    blocks, block_e = unique_rows(tap_e, made.scale_e, made.offset_e, made.width_e)
    size_b = blocks[:, 3]
    first_b = np.cumsum(size_b) - size_b
    rows = np.empty((int(size_b.sum()), weight_kio.shape[2]), np.float32)
    for (tap, index, offset, width), first in zip(blocks, first_b, strict=True):
        factor = np.broadcast_to(x.scales[index], width)[:, None]
        rows[first : first + width] = weight_kio[tap, offset : offset + width] * factor
    return list_sums(made, first_b[block_e], rows, layer.bias_o)


def _ungrouped(weight_kio: Array, groups: int) -> Array:
    """Return a kernel whose input axis holds the channels of all groups."""
    if groups == 1:
        return weight_kio
    taps, per_group, outputs = weight_kio.shape
    whole = np.zeros((taps, groups * per_group, outputs), np.float32)
    size = outputs // groups
    for g in range(groups):
        inputs, part = slice(g * per_group, (g + 1) * per_group), slice(g * size, (g + 1) * size)
        whole[:, inputs, part] = weight_kio[:, :, part]
    return whole


def _depthwise_rows(weight_kcm: Array) -> Array:
    """Return kernels of single channels as one of all channels."""
    taps, channels, multiplier = weight_kcm.shape
    whole = np.zeros((taps, channels, channels, multiplier), np.float32)
    whole[:, np.arange(channels), np.arange(channels)] = weight_kcm
    return whole.reshape(taps, channels, -1)

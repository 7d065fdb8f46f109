"""What each kind of layer reads of the populations before it; see `snn_inisim.event.wiring`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np

from snn_core.ir import layers as ir
from snn_core.ir.connectivity import Pattern, pattern
from snn_core.ir.shapes import count
from snn_core.typing import Array
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
    cell_s, _, output_s = pixels(pattern(layer, x.shape))
    factor_c = np.asarray(layer.weight_c, np.float32).reshape(-1)
    return scale(spread(x, cell_s, output_s, layer.output_shape), factor_c)


@wire.register(ir.AveragePooling2D)
@_wires_copies
def _average_pooling(layer: ir.AveragePooling2D, inputs: Sequence[Copies]) -> Copies:
    (x,) = inputs
    cell_s, _, output_s = pixels(pattern(layer, x.shape))
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
@wire.register(ir.Conv2D)
@wire.register(ir.Conv2DTranspose)
@wire.register(ir.DepthwiseConv2D)
@_wires_copies
def _convolution(layer: ir.Weighted, inputs: Sequence[Copies]) -> Sums:
    (x,) = inputs
    found = pattern(layer, x.shape)
    pairs = pixels(found)
    taps = found.kernel.shape[0] * found.kernel.shape[1]
    if isinstance(layer, ir.DepthwiseConv2D) and layer.weight_hwcm.shape[3] == 1:
        return _select(layer, x, *pairs, found.kernel.reshape(taps, -1))
    weight_kio = np.zeros((taps, *found.channels), np.float32)
    weight_k_p = found.kernel.reshape(taps, -1)[:, found.kernel_place]
    weight_kio[:, found.channel_in, found.channel_out] = weight_k_p
    return _weigh(layer, x, *pairs, weight_kio)


def _select(
    layer: ir.Weighted, x: Copies, cell_s: Array, tap_s: Array, output_s: Array, weight_k_c: Array
) -> Sums:
    """Return the sums of a layer whose channels read from the same channel only."""
    made = spread(x, cell_s, output_s, layer.output_shape)
    tap_e = spread_values(x, cell_s, output_s, tap_s)
    return replace(sums_of(scale_entries(made, list(weight_k_c), tap_e)), bias_o=layer.bias_o)


def pixels(found: Pattern) -> tuple[Array, Array, Array]:
    """Return input pixel, tap and output pixel of each connected pair of pixels."""
    rows, columns = found.rows, found.columns
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
    # Taps of one scale lie side by side, so that neighbouring positions can be read at once.
    blocks, block_e = unique_rows(made.scale_e, tap_e, made.offset_e, made.width_e)
    size_b = blocks[:, 3]
    first_b = np.cumsum(size_b) - size_b
    rows = np.empty((int(size_b.sum()), weight_kio.shape[2]), np.float32)
    for (index, tap, offset, width), first in zip(blocks, first_b, strict=True):
        factor = np.broadcast_to(x.scales[index], width)[:, None]
        rows[first : first + width] = weight_kio[tap, offset : offset + width] * factor
    return list_sums(made, first_b[block_e], rows, layer.bias_o)

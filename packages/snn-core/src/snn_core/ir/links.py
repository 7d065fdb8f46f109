"""Cells of populations that reach one cell of a layer each, so that synapses need not be listed.

Layers that rearrange, scale or add values pass each cell on to one cell, and so does pooling whose
windows do not overlap. What leaves such a cell is what leaves the one that it reaches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from snn_core.ir.connectivity import Pattern, index_maps, pattern
from snn_core.ir.layer import Layer
from snn_core.ir.layers import (
    REARRANGING,
    Add,
    AveragePooling2D,
    DepthwiseConv2D,
    Flatten,
    Reshape,
)
from snn_core.ir.network import Network
from snn_core.ir.shapes import count, window
from snn_core.ir.taps import Taps
from snn_core.ir.ways import layers_between
from snn_core.typing import Array, Int, Shape


def linked_cells(network: Network, name: str) -> dict[str, Int[Array, "l"]] | None:
    """Return which cell of a layer each cell of each population reaches, -1 where none.

    ``None`` if a cell reaches several, or one on several ways.
    """
    found: dict[str, dict[str, Array]] = {}
    for layer in layers_between(network, [name]):
        reached = found[layer.name] = {}
        for place, source in enumerate(layer.inputs):
            behind = found.get(source) or _own(network, source)
            if not reached.keys().isdisjoint(behind):
                return None
            if isinstance(layer, (Flatten, Reshape)):
                reached.update(behind)
                continue
            passed = _passed_on(layer, place, network.input_shapes(layer.name))
            if passed is None:
                return None
            for population, cells in behind.items():
                reached[population] = np.where(cells >= 0, passed[cells], passed.dtype.type(-1))
    return found.get(name) or _own(network, name)


def _own(network: Network, name: str) -> dict[str, Array]:
    return {name: _numbers(count(network[name].output_shape))}


def _numbers(size: int) -> Array:
    return np.arange(size, dtype=_kind(size))


def _kind(size: int) -> type[np.signedinteger[Any]]:
    """Return the type of the cells of a layer, as narrow as they allow."""
    return np.int32 if size <= np.iinfo(np.int32).max else np.int64


def _passed_on(layer: Layer, place: int, shapes: tuple[Shape, ...]) -> Array | None:
    """Return which cell of a layer each cell of one of its inputs reaches, -1 where none."""
    if isinstance(layer, REARRANGING):
        copied = index_maps(layer, shapes)[place]
        (real,) = np.nonzero(copied >= 0)
        passed = np.full_like(_numbers(count(shapes[place])), -1)
        passed[copied[real]] = real
        return passed
    if isinstance(layer, Add):
        is_live = np.broadcast_to(layer.weight_nc[place] != 0, shapes[place]).reshape(-1)
        passed = _numbers(is_live.size)
        passed[~is_live] = -1
        return passed
    if isinstance(layer, DepthwiseConv2D):
        kernel, dilation = layer.weight_hwcm.shape[:2], layer.dilation
    elif isinstance(layer, AveragePooling2D):
        kernel, dilation = layer.pool_size, (1, 1)
    else:
        return None
    reach = [window(*sizes) for sizes in zip(kernel, dilation, strict=True)]
    if any(step < size for step, size in zip(layer.strides, reach, strict=True)):
        return None
    found = pattern(layer, shapes[place])
    return _passed_by(found) if found.channels[0] == found.channels[1] else None


def _passed_by(found: Pattern) -> Array:
    """Return which cell each cell reaches where it lies in one window at most."""
    (row_y, down_y), (column_x, across_x) = _windows_of(found.rows), _windows_of(found.columns)
    width, channels = found.columns.sizes[2], found.channels[1]
    is_inside = (row_y[:, None] >= 0) & (column_x >= 0)
    pixel_y_x = np.where(is_inside, row_y[:, None] * width + column_x, 0)
    kind = _kind((int(pixel_y_x.max()) + 1) * channels)
    first_y_x = pixel_y_x.astype(kind) * kind(channels)
    passed = first_y_x[..., None] + found.channel_out.astype(kind)
    weight = found.kernel[down_y[:, None], across_x]
    passed[(weight == 0) | ~is_inside[..., None]] = -1
    flat: Array = passed.reshape(-1)
    return flat


def _windows_of(taps: Taps) -> tuple[Array, Array]:
    """Return the window in which each cell of an axis lies, -1 where in none, and its tap."""
    window_i, tap_i = np.full(taps.sizes[0], -1), np.zeros(taps.sizes[0], np.int64)
    window_i[taps.inputs_e], tap_i[taps.inputs_e] = taps.outputs_e, taps.taps_e
    return window_i, tap_i

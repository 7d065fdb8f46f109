"""Layouts of arrays: kernels want channels in whole vectors, and positions before steps."""

from __future__ import annotations

import numpy as np

from snn_core.ir import Layer
from snn_core.ir.shapes import count
from snn_core.typing import Array, Float32, Shape
from snn_inisim.event.vector import LANES

CACHE_LINE = 64
"""Size of a line of the cache, and of a vector, in bytes."""

BLOCK = 2
"""Vectors of channels that are computed at once: enough to hide how long an addition takes, and few
enough for the weights of many inputs to fit the cache."""


def aligned(shape: Shape) -> Float32[Array, "..."]:
    """Return an array without values that begins with a line of the cache.

    A vector that lies in two lines takes longer to read, and arrays of NumPy begin anywhere.
    """
    values = np.empty(count(shape) + LANES, np.float32)
    start = -values.ctypes.data % CACHE_LINE // values.itemsize
    return values[start : start + count(shape)].reshape(shape)


def align(values: Array) -> Float32[Array, "..."]:
    """Return a copy of values that begins with a line of the cache."""
    copy = aligned(values.shape)
    copy[:] = values
    return copy


def padded(channels: int) -> int:
    """Return the number of channels with those that fill the last block of vectors."""
    return channels + -channels % (LANES if channels <= LANES else BLOCK * LANES)


def pad_channels(values: Array, channels: int, *, fill: float = 0.0) -> Float32[Array, "*o c"]:
    """Return values with a fill behind the last channel, so that there are whole blocks.

    Parameters
    ----------
    values
        Values with one channel for all, or ``channels``.
    """
    every = aligned((*values.shape[:-1], padded(channels)))
    every[..., :channels] = values
    every[..., channels:] = fill
    return every


def positions_first(x_t_b_l: Float32[Array, "t b *l"]) -> Float32[Array, "b o t c"]:
    """Return the steps of each position side by side."""
    steps, number, *_, channels = x_t_b_l.shape
    x_t_b_o_c = x_t_b_l.reshape(steps, number, -1, channels)
    return pad_channels(x_t_b_o_c.transpose(1, 2, 0, 3), channels)


def steps_first(x_b_o_t_c: Float32[Array, "b o t c"], layer: Layer) -> Float32[Array, "t b *l"]:
    """Return one image of a layer after the other, as simulators exchange them."""
    number, _, steps, _ = x_b_o_t_c.shape
    x_t_b_o_c = x_b_o_t_c.transpose(2, 0, 1, 3)[..., : layer.output_shape[-1]]
    return x_t_b_o_c.reshape(steps, number, *layer.output_shape)


def as_positions(x_b_l: Array, layer: Layer) -> Float32[Array, "b o c"]:
    """Return a value for each neuron of a layer, channels padded; memory may be shared."""
    channels = layer.output_shape[-1]
    x_b_o_c = x_b_l.reshape(len(x_b_l), -1, channels)
    if channels == padded(channels):
        return np.ascontiguousarray(x_b_o_c, np.float32)
    return pad_channels(x_b_o_c, channels)


def as_layer(x_b_o_c: Array, layer: Layer) -> Array:
    """Return a value for each neuron in the shape of its layer, without padding."""
    return x_b_o_c[..., : layer.output_shape[-1]].reshape(len(x_b_o_c), *layer.output_shape)

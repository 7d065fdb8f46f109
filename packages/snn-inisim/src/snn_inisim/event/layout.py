"""Layouts of arrays: kernels want channels in whole vectors, and positions before steps."""

from __future__ import annotations

import numpy as np

from snn_core.ir import Layer
from snn_core.typing import Array, Float32
from snn_inisim.event.vector import LANES


def pad_channels(values: Array, channels: int, *, fill: float = 0.0) -> Float32[Array, "*o c"]:
    """Return values with a fill behind the last channel, so that there are whole vectors.

    Parameters
    ----------
    values
        Values with one channel for all, or ``channels``.
    """
    padded = np.empty((*values.shape[:-1], channels + -channels % LANES), np.float32)
    padded[..., :channels] = values
    padded[..., channels:] = fill
    return padded


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
    if channels % LANES == 0:
        return np.ascontiguousarray(x_b_o_c, np.float32)
    return pad_channels(x_b_o_c, channels)


def as_layer(x_b_o_c: Array, layer: Layer) -> Array:
    """Return a value for each neuron in the shape of its layer, without padding."""
    return x_b_o_c[..., : layer.output_shape[-1]].reshape(len(x_b_o_c), *layer.output_shape)

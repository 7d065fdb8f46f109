"""Weights of a layer as an array whose last axis is the output channel, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from snn_core.ir import (
    Add,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Spiking,
    UpSampling2D,
    Weighted,
)
from snn_core.typing import Array

PLAIN = (Dense, Conv1D, Conv2D, DepthwiseConv2D, Conv2DTranspose, UpSampling2D, Add)
"""Layers whose weights are kept as they are; average pooling becomes one of them."""


def as_convolution(layer: AveragePooling2D, *, cells: int) -> DepthwiseConv2D:
    """Return average pooling with neurons as the convolution that it is.

    Parameters
    ----------
    cells
        Number of cells in each window.
    """
    channels = layer.output_shape[-1]
    weight_c = np.broadcast_to(layer.weight_c / cells, channels)
    return DepthwiseConv2D(
        name=layer.name,
        inputs=layer.inputs,
        output_shape=layer.output_shape,
        activation=layer.activation,
        threshold=layer.threshold,
        v_init=layer.v_init,
        bias_o=np.zeros(channels, np.float32),
        weight_hwcm=np.broadcast_to(weight_c[:, None], (*layer.pool_size, channels, 1)),
        strides=layer.strides,
        padding=layer.padding,
    )


def kernel(layer: Spiking) -> Array:
    """Return the weights of a layer in `PLAIN`, the output channel on the last axis."""
    if isinstance(layer, Conv2DTranspose):
        return np.moveaxis(layer.weight_hwoi, 2, -1)
    if isinstance(layer, DepthwiseConv2D):
        return layer.weight_hwcm.reshape(*layer.weight_hwcm.shape[:2], -1)
    if isinstance(layer, Weighted):
        return layer.weight
    channels = layer.output_shape[-1]
    if isinstance(layer, Add):
        rows = [np.broadcast_to(row, channels) for row in layer.weight_nc]
        return np.stack(rows)
    return np.broadcast_to(layer.arrays["weight_c"], channels)[None]


def with_kernel(layer: Spiking, values: Array) -> Spiking:
    """Return a layer with other weights, given as `kernel` returns them, and without bias."""
    changes: dict[str, Any] = {}
    if isinstance(layer, Conv2DTranspose):
        changes["weight_hwoi"] = np.moveaxis(values, -1, 2)
    elif isinstance(layer, DepthwiseConv2D):
        changes["weight_hwcm"] = values.reshape(layer.weight_hwcm.shape)
    elif isinstance(layer, Weighted):
        changes[layer.weight_name] = values
    elif isinstance(layer, Add):
        changes["weight_nc"] = values
    else:
        changes["weight_c"] = values[0]
    if isinstance(layer, Weighted):
        changes["bias_o"] = np.zeros_like(layer.bias_o)
    return replace(layer, **changes)


def with_factors(layer: Spiking, factors: Sequence[Array]) -> Spiking | None:
    """Return a layer whose weights count what arrives at each cell by a factor.

    Parameters
    ----------
    factors
        For each inbound layer the factor of each of its cells.

    Returns
    -------
    ``None`` if one weight serves cells with different factors.
    """
    usual = factors[0].flat[0]
    if all((factor == usual).all() for factor in factors):
        return layer if usual == 1 else with_kernel(layer, kernel(layer) * usual)
    if isinstance(layer, Dense) and factors[0].ndim == 1:
        return replace(layer, weight_io=layer.weight_io * factors[0][:, None])
    channels = [factor.reshape(-1, factor.shape[-1]) for factor in factors]
    if any((rows != rows[0]).any() for rows in channels):
        return None
    first = channels[0][0]
    if isinstance(layer, Add):
        rows = np.stack([np.broadcast_to(w, first.shape) for w in layer.weight_nc])
        return replace(layer, weight_nc=rows * np.stack([rows_c[0] for rows_c in channels]))
    if isinstance(layer, DepthwiseConv2D):
        return replace(layer, weight_hwcm=layer.weight_hwcm * first[:, None])
    if isinstance(layer, (Dense, Conv2D)) and getattr(layer, "groups", 1) == 1:
        return replace(layer, **{layer.weight_name: layer.weight * first[:, None]})
    return None

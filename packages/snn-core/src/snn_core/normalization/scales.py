"""Applying scales: weights and biases are rewritten so that activations become firing rates.

With scales lambda, ``W <- W lambda_in / lambda_out`` and ``b <- b / lambda_out`` (Rueckauer et al.
2017, section 2.2.3): a rate of 1 spike per ms then stands for the activation lambda. Scales travel
through layers that only rearrange values cell by cell, so branches that meet in a concatenation
keep their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.evaluation.operators import drive
from snn_core.ir import Network
from snn_core.ir import layers as ir
from snn_core.ir.blocks import fill_by_blocks
from snn_core.ir.layer import Layer
from snn_core.typing import Array, Float, Float64

_PER_LAYER = "use one scale per layer (normalization.per_channel = false)"


def apply_scales(
    network: Network,
    scales: Mapping[str, Array],
    *,
    v_thresh: float = 1.0,
    highest: float | None = None,
) -> Network:
    """Return the network with scaled weights.

    Parameters
    ----------
    scales
        Layer name to lambda, shape ``()`` or ``(channels,)``. Layers with neurons but no entry keep
        the scale of their input (pooling) or 1 (the output); relays work in source units.
    v_thresh
        Threshold of all neurons; a spike then carries this value, as in the original.
    highest
        Largest number that spikes can stand for (`SpikeCode.highest`). Where an activation has an
        upper bound, scales are changed so that this number stands for the bound at most: neurons
        that spike as much as they can then clip it exactly. ``None``: scales stay as they are.

    Raises
    ------
    UnsupportedError
        If scales differ within what one weight serves.
    """
    carried: dict[str, Array] = {}
    new: list[Layer] = []
    factors: dict[str, Array] = {}
    for layer in network:
        inputs = [carried[name] for name in layer.inputs]
        theta = v_thresh if network.has_neurons(layer) else 1.0
        own = _own_scale(layer, scales.get(layer.name), inputs, theta)
        if isinstance(layer, ir.Spiking) and highest and network.has_neurons(layer):
            own = _keep_bound(layer, own * theta, highest) / theta
        carried[layer.name] = own * theta
        if isinstance(layer, ir.Spiking):
            new.append(_scale(layer, inputs, own, theta))
            factors[layer.name] = _reduce(carried[layer.name])
    return network.replace(*new, scale_facs=factors)


def share_output_scale(network: Network, scales: Mapping[str, Array]) -> dict[str, Array]:
    """Return scales in which all channels of the output have one: the largest of theirs.

    Outputs are compared with each other, which scales of their own would distort.
    """
    found = dict(scales)
    name = network.output.name
    if name in found:
        found[name] = np.asarray(np.max(found[name]))
    return found


def _own_scale(
    layer: Layer, given: Array | None, inputs: list[Array], theta: float
) -> Float64[Array, "*l"]:
    """Return the scale of each cell of a layer's output, not counting the value of a spike."""
    if isinstance(layer, (ir.Flatten, ir.Reshape, ir.Concatenate)):
        moved: Array = drive(layer, [scale[None] for scale in inputs])[0]
        return moved
    if isinstance(layer, ir.ZeroPadding2D):
        return np.pad(inputs[0], (*layer.padding, (0, 0)), mode="edge")
    if given is None and isinstance(layer, (ir.AveragePooling2D, ir.MaxPooling2D, ir.UpSampling2D)):
        given = _channels(layer, inputs[0]) / theta
    return np.broadcast_to(np.float64(1) if given is None else given, layer.output_shape).astype(
        np.float64
    )


def _keep_bound(
    layer: ir.Spiking, scale_l: Float64[Array, "*l"], highest: float
) -> Float64[Array, "*l"]:
    """Return scales with which ``highest`` stands for the activation's upper bound at most.

    It stands for the bound itself where activations reach that.
    """
    bound = layer.activation.upper_bound
    if bound is None:
        return scale_l
    reached = scale_l >= bound.astype(np.float32)
    return np.where(reached, bound / highest, np.minimum(scale_l, bound / highest))


def _scale(layer: ir.Spiking, inputs: list[Array], own: Array, theta: float) -> ir.Spiking:
    """Return a layer with inputs scaled by ``inputs`` and an output scaled by ``own``."""
    changes: dict[str, Any] = {
        "threshold": np.float32(theta),
        **_weights(layer, inputs, _channels(layer, own)),
    }
    if isinstance(layer, ir.Weighted):
        changes["bias_o"] = layer.bias_o / _channels(layer, own)
    if layer.bias_t_c is not None:
        changes["bias_t_c"] = layer.bias_t_c / _channels(layer, own)
    changes["activation"] = layer.activation.rescale(_channels(layer, own))
    return replace(layer, **changes)


@singledispatch
def _weights(layer: ir.Spiking, inputs: list[Array], out_o: Float[Array, "o"]) -> dict[str, Array]:
    """Return the weight field of a layer after scaling."""
    # Pooling and up-sampling: one factor per channel.
    ratio = _channels(layer, inputs[0]) / out_o
    return {"weight_c": _collapse(layer.arrays["weight_c"] * ratio)}


@_weights.register
def _(layer: ir.Add, inputs: list[Array], out_o: Array) -> dict[str, Array]:
    rows = [
        np.broadcast_to(weight_c * _channels(layer, scale) / out_o, out_o.shape)
        for weight_c, scale in zip(layer.weight_nc, inputs, strict=True)
    ]
    weight_nc = np.stack(rows)
    if (weight_nc == weight_nc[:, :1]).all():
        weight_nc = weight_nc[:, 0]
    return {"weight_nc": weight_nc}


@_weights.register
def _(layer: ir.Dense, inputs: list[Array], out_o: Array) -> dict[str, Array]:
    weight_io, in_i = layer.weight_io, _channels(layer, inputs[0])
    return {
        "weight_io": fill_by_blocks(
            weight_io.shape, lambda rows: weight_io[rows] * in_i[rows, None] / out_o
        )
    }


@_weights.register(ir.Conv1D)
@_weights.register(ir.Conv2D)
def _(layer: ir.Conv1D | ir.Conv2D, inputs: list[Array], out_o: Array) -> dict[str, Array]:
    in_g_i = _channels(layer, inputs[0]).reshape(layer.groups, -1)
    group_o = np.arange(len(out_o)) // (len(out_o) // layer.groups)
    weight, in_i_o = layer.weight, in_g_i[group_o].T
    return {
        layer.weight_name: fill_by_blocks(weight.shape, lambda rows: weight[rows] * in_i_o / out_o)
    }


@_weights.register
def _(layer: ir.DepthwiseConv2D, inputs: list[Array], out_o: Array) -> dict[str, Array]:
    in_c = _channels(layer, inputs[0])
    return {"weight_hwcm": layer.weight_hwcm * in_c[:, None] / out_o.reshape(len(in_c), -1)}


@_weights.register
def _(layer: ir.Conv2DTranspose, inputs: list[Array], out_o: Array) -> dict[str, Array]:
    return {"weight_hwoi": layer.weight_hwoi * _channels(layer, inputs[0]) / out_o[:, None]}


def _channels(layer: Layer, scale_l: Float[Array, "*l"]) -> Float[Array, "c"]:
    """Return the scale per channel of an array of scales per cell."""
    rows = scale_l.reshape(-1, scale_l.shape[-1])
    if (rows != rows[0]).any():
        raise UnsupportedError(
            [f"{layer.name}: cells of one input channel have different scales; {_PER_LAYER}"]
        )
    first: Array = rows[0]
    return first


def _reduce(scale_l: Float[Array, "*l"]) -> Float[Array, "*c"]:
    """Return scales per cell as scales per channel, or as one number if all agree."""
    return np.asarray(_collapse(scale_l.reshape(-1, scale_l.shape[-1])[0]), np.float32)


def _collapse(values_c: Float[Array, "c"]) -> Float[Array, "*c"]:
    """Return one number in place of equal ones."""
    return np.asarray(values_c[0]) if (values_c == values_c[0]).all() else values_c

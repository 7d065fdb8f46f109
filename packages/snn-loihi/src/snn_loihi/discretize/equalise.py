"""Thresholds folded into weights, and channels scaled to each other, before integers are chosen."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.evaluation.forward import forward
from snn_core.evaluation.operators import drive
from snn_core.ir import AveragePooling2D, Network, Spiking, Weighted
from snn_core.ir.ways import populations_behind
from snn_core.normalization.scales import apply_scales
from snn_core.typing import Array, Float32
from snn_loihi.discretize.connection import connections_of
from snn_loihi.discretize.kernels import PLAIN, kernel, with_kernel

EXCESS = 4.0
"""How many times larger than usual the largest weight of a channel may be."""

QUANTILE = 0.99
"""Quantile of a channel's activations that counts as its range."""


def fold_thresholds(network: Network) -> Network:
    """Return a network whose neurons all have the threshold 1, with the same spikes.

    A potential and everything that is added to it is divided by the threshold of its channel. One
    threshold per layer then serves all channels.
    """
    folded: list[Spiking] = []
    for layer in network.spiking_layers:
        theta = np.asarray(layer.threshold, np.float32)
        if (theta == 1).all() or not isinstance(layer, (*PLAIN, AveragePooling2D)):
            continue
        if layer is network.output and network.readout == "membrane":
            continue
        folded.append(_divided(layer, theta))
    return network.replace(*folded) if folded else network


def _divided(layer: Spiking, theta: Array) -> Spiking:
    changes: dict[str, Any] = {"threshold": np.float32(1)}
    if theta.ndim == 0:
        changes["activation"] = layer.activation.rescale(float(theta))
    if isinstance(layer, AveragePooling2D):
        return replace(layer, weight_c=layer.weight_c / theta, **changes)
    scaled = with_kernel(layer, kernel(layer) / theta)
    if isinstance(layer, Weighted):
        changes["bias_o"] = layer.bias_o / theta
    return replace(scaled, **changes)


def level_channels(network: Network) -> Network:
    """Return a network without channels whose weights are far larger than those of others.

    One such channel takes the range of its layer's weights, so that those of others are rounded to
    0. It is a channel with small activations, as normalization gives all channels the same rates.
    Its weights and biases are divided by the excess, and the next layer's weights for it multiplied
    by it, as far as they stay within that layer's range. That is the same function for ReLU (Nagel
    et al. 2019, see `equalise`): its spikes become rarer and count more.
    """
    for layer in network.spiking_layers:
        if layer is network.output or not isinstance(layer, Weighted) or _is_bounded(layer):
            continue
        magnitude = np.abs(kernel(layer)).reshape(-1, layer.output_shape[-1]).max(axis=0)
        if not magnitude.any():
            continue
        usual = EXCESS * float(np.median(magnitude[magnitude > 0]))
        excess_c = np.maximum(magnitude / usual, 1).astype(np.float32)
        if (excess_c > 1).any():
            # Where cells of several channels share a weight behind the layer, it stays as it is.
            with contextlib.suppress(UnsupportedError):
                room_c = _within_room(network, layer, excess_c)
                network = _rescaled(network, {layer.name: room_c})
    return network


def _within_room(network: Network, layer: Spiking, excess_c: Array) -> Float32[Array, "c"]:
    """Return factors under which no weight behind a layer gets larger than the largest there."""
    scaled = _rescaled(network, {layer.name: excess_c})
    room_c = excess_c.copy()
    for target in network.spiking_layers:
        names = populations_behind(network, target)
        if layer.name not in names:
            continue
        before, after = (
            connections_of(net, item, names=names)
            for net, item in ((network, target), (scaled, scaled[target.name]))
            if isinstance(item, Spiking)
        )
        for old, new in zip(before, after, strict=True):
            magnitude = np.abs(old.weights)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.abs(new.weights) / magnitude
            for c in np.flatnonzero(excess_c > 1):
                own = magnitude[np.isclose(ratio, excess_c[c], rtol=1e-5)]
                if own.size:
                    room_c[c] = min(room_c[c], magnitude.max() / own.max())
    return np.maximum(room_c, 1)


def equalise(network: Network, x_b_l: Float32[Array, "b *l"]) -> Network:
    """Return a network whose channels all reach the same rate, the same function for ReLU.

    For the channels c of a layer with the ranges ``q_c``, ``s_c = q_c / geometric mean of q``; its
    weights and biases are divided by ``s_c``, and the next layer's weights for that channel are
    multiplied by it (Nagel et al. 2019, "Data-free quantization through weight equalization and
    bias correction", section 4.1, with ranges of activations instead of weights).

    Parameters
    ----------
    network
        A normalized network.
    x_b_l
        Typical samples.
    """
    network = fold_thresholds(network)
    found = forward(network, x_b_l)
    scales = {
        layer.name: _channel_scale(found[layer.name])
        for layer in network.spiking_layers
        if layer is not network.output and not _is_bounded(layer)
    }
    return _rescaled(network, scales)


def normalize_thresholds(
    network: Network, x_b_l: Float32[Array, "b *l"], *, ratio: float
) -> Network:
    """Return a network whose thresholds are a multiple of the largest input of each layer.

    Parameters
    ----------
    x_b_l
        Typical samples.
    ratio
        Threshold divided by the largest input per ms.
    """
    network = fold_thresholds(network)
    found = forward(network, x_b_l)
    scales: dict[str, Array] = {}
    for layer in network.spiking_layers:
        inputs = [found[name] for name in layer.inputs]
        largest = float(drive(layer, inputs).max(initial=0))
        if largest > 0:
            scales[layer.name] = np.asarray(ratio * largest, np.float32)
    return _rescaled(network, scales)


def _is_bounded(layer: Spiking) -> bool:
    """Return whether a neuron's highest rate is an upper bound of its activation."""
    return getattr(layer.activation, "max_value", None) is not None


def _channel_scale(rate_b_l: Array) -> Float32[Array, "c"]:
    """Return the range of each channel divided by the geometric mean; 1 for silent channels."""
    flat = rate_b_l.reshape(-1, rate_b_l.shape[-1])
    # The quantile over samples of what the channel's busiest neuron does, so that sparse
    # channels count as what they reach.
    largest = rate_b_l.reshape(len(rate_b_l), -1, rate_b_l.shape[-1]).max(axis=1)
    range_c = np.quantile(largest, QUANTILE, axis=0)
    active = range_c > 1e-6 * max(float(flat.max(initial=0)), 1e-30)
    if not active.any():
        return np.ones(len(range_c), np.float32)
    mean = np.exp(np.log(range_c[active]).mean())
    return np.where(active, range_c / mean, 1).astype(np.float32)


def _rescaled(network: Network, scales: dict[str, Array]) -> Network:
    """Apply scales on top of those that the network has."""
    before = network.scale_facs
    changed = apply_scales(network, scales)
    factors = {
        name: np.asarray(before.get(name, np.float32(1)) * factor, np.float32)
        for name, factor in changed.scale_facs.items()
    }
    return changed.replace(scale_facs=factors)

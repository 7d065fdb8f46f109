"""Recognition of weights that training has never changed.

Frameworks draw the weights of a new layer from a known distribution with sharp bounds, and give a
new batch normalization the statistics 0 and 1. The first step of training moves some weight out of
its bounds and every statistic away from its start, so that trained models are not taken for new
ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snn_core.ir import (
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Layer,
    Network,
    Weighted,
)
from snn_core.typing import Array

WORDS = "the weights look freshly initialised"
"""How the note in the history of a network begins."""

FEWEST = 50
"""Weights of a network below which their distribution tells too little."""

MOST = 10_000
"""Weights of a layer whose distribution is tested; the bounds hold for all."""

SLACK = 1e-4
"""How far beyond its bounds rounding, or a folded new batch normalization, may bring a weight."""

MISS = 12
"""The largest of n evenly drawn weights is less than (1 - 12/n) of the bound once in e¹² layers."""

SIGNIFICANCE = 1e-4
"""Probability with which the test of evenness takes even weights for uneven ones."""


def note_untrained_weights(network: Network) -> Network:
    """Note in a network of the source dialect that its weights look freshly initialised."""
    signs = find_signs(network)
    return network.replace(note=f"{WORDS}: {signs}") if signs else network


def find_signs(dialect: Network) -> str:
    """Return why a network of the source dialect looks untrained; empty if it does not.

    It does if all its batch normalizations are new, or if it has none and all weights are evenly
    distributed within the bounds that PyTorch or Keras draw them from.
    """
    behind = _behind_weights(dialect)
    found_norms = (_is_new_norm(layer) for layer in dialect if layer.name in behind)
    norms = [state for state in found_norms if state is not None]
    if not all(norms):
        return ""
    if norms:
        return f"{len(norms)} of {len(norms)} batch normalizations have the statistics 0 and 1"
    found: list[Array] = []
    for layer in dialect:
        if _is_learned(layer):
            shares = _within_bounds(layer)
            if shares is None:
                return ""
            found.append(shares)
    drawn = np.concatenate(found) if found else np.zeros(0, np.float32)
    if len(drawn) < FEWEST or not _is_even(drawn):
        return ""
    return f"all {len(found)} layers have weights spread evenly within the bounds of new ones"


def _is_new_norm(layer: Layer) -> bool | None:
    """Return whether a layer is a new batch normalization; ``None`` if it is none at all.

    That of a new one is 1/√(1 + ε) times its input. Other constant factors are no batch
    normalizations.
    """
    if not isinstance(layer, BatchNormalization):
        return None
    if np.ptp(layer.gain_c) or layer.offset_c.any():
        return False
    return True if 0.95 < layer.gain_c[0] < 1 else None


def _behind_weights(network: Network) -> frozenset[str]:
    """Return the layers behind one with weights; what is done to the input before is not learned.

    Of several inputs, the first counts.
    """
    found: set[str] = set()
    for layer in network.layers[1:]:
        source = network[layer.inputs[0]]
        if isinstance(source, Weighted) or source.name in found:
            found.add(layer.name)
    return frozenset(found)


def _is_learned(layer: Layer) -> bool:
    """Return whether a layer has weights, other than those that pick channels."""
    if not isinstance(layer, Weighted):
        return False
    weights = layer.weight.reshape(-1)
    # The first of them tell for all but layers that pick.
    return not all(np.isin(part, (0, 1)).all() for part in (weights[:MOST], weights[MOST:]))


def _within_bounds(layer: Layer) -> Array | None:
    """Return weights of a new layer as shares of their bound; ``None`` if it is not new."""
    if not isinstance(layer, (Dense, Conv1D, Conv2D, DepthwiseConv2D)):
        return None
    weights = layer.weight.reshape(-1)
    largest = max(float(weights.max()), -float(weights.min()))
    bias = float(np.abs(layer.bias_o).max(initial=0.0))
    for bound, bias_bound in _bounds(layer):
        is_full = bound * (1 - MISS / weights.size) <= largest <= bound * (1 + SLACK)
        if is_full and bias <= bias_bound * (1 + SLACK):
            return weights[:: 1 + weights.size // MOST] / np.float32(bound)
    return None


def _bounds(layer: Weighted) -> Iterator[tuple[float, float]]:
    """Yield the bounds of weights and biases in new layers.

    PyTorch: 1/√fan_in for both. Elsewhere biases are 0, and weights follow Glorot & Bengio 2010
    (√(6/(fan_in + fan_out)), Keras) or He et al. 2015 (√(6/fan_in)).
    """
    kernel, outputs = layer.weight.shape[:-1], layer.weight.shape[-1]
    fan_in = float(np.prod(kernel))
    fan_out = outputs * fan_in / kernel[-1]
    # PyTorch has one input channel for each filter of a depthwise convolution, Keras all.
    own = fan_in / kernel[-1] if isinstance(layer, DepthwiseConv2D) else fan_in
    yield own**-0.5, own**-0.5
    for fans in (fan_in + fan_out, fan_in, own):
        yield (6 / fans) ** 0.5, 0.0


def _is_even(shares: Array) -> bool:
    """Return whether numbers are drawn evenly from -1 to 1, by the test of Kolmogorov and Smirnov.

    The critical value is that of Dvoretzky, Kiefer & Wolfowitz with the constant of Massart 1990.
    """
    places = (np.sort(shares.astype(np.float64)) + 1) / 2
    away = np.abs(places - (np.arange(len(places)) + 0.5) / len(places)).max()
    return bool(away <= np.sqrt(np.log(2 / SIGNIFICANCE) / (2 * len(places))))

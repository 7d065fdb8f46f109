"""Finding out whether a model rescales its input by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snn_core.ir import (
    Activation,
    ActivationLayer,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    Linear,
    MaxPooling2D,
    Network,
    QuantizedReLU,
    ReLU,
    Reshape,
    UpSampling2D,
    Weighted,
    ZeroPadding2D,
)
from snn_core.ir.input_data import LARGEST_SCALED

LARGEST_LEARNED = 16.0
"""Takes the place of `LARGEST_SCALED` where factors differ by channel, as those of a batch
normalization: training has changed them, too."""

LARGEST_RAW = 255.0
"""Largest value of 8 bits."""

_PASSED = (
    ActivationLayer,
    Add,
    AveragePooling2D,
    Concatenate,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
"""What may stand in front of a rescaling without changing it."""


def find_input_scale(network: Network) -> Network:
    """Note in a network of the source dialect that its first operations rescale 8-bit values.

    They do if they divide by `LARGEST_SCALED` or more, or centre on more, as ``Rescaling(1/255)``,
    ``x / 127.5 - 1`` and the normalization with statistics of values from 0 to 255 do; or if they
    clip at 255. Crops, pooling and the like may stand in front of it. Where the input takes several
    ways, it is rescaled on each. Raw values are what such a model was trained on, so 8-bit integers
    then enter as they are.
    """
    if network.input_data.decided_by != "rule":
        return network
    found = _rescaling_layer(network)
    if found is None:
        return network
    done = "clips" if isinstance(found, ActivationLayer) else "rescales"
    data = replace(network.input_data, uint8_scale=1.0, decided_by="model")
    note = f"{found.name} {done} the input: 8-bit values are raw"
    return network.replace(input_data=data, note=note)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What a layer's values are of the input: ``gain * x + offset``, with ``gain`` above 0.

    Once a layer is found to rescale raw values (``by``), it stays so, whatever factors follow.
    """

    gain: float = 1.0
    offset: float = 0.0
    largest: float = LARGEST_SCALED
    by: str = ""

    def judged(self, name: str) -> _Scale:
        """Return the scale with the layer of that name in it, if it makes it one for raw values."""
        small = self.gain <= 1 / self.largest or abs(self.offset) > self.largest * self.gain
        return replace(self, by=self.by or (name if small else ""))

    def after(self, layer: BatchNormalization) -> _Scale | None:
        """Return the scale behind a layer, or ``None`` if nothing of the input is left."""
        # The median, as statistics of pixels that are always black tell nothing.
        factor = float(np.median(np.abs(layer.gain_c)))
        gain, offset = factor * self.gain, factor * self.offset + float(np.median(layer.offset_c))
        largest = LARGEST_LEARNED if np.ptp(layer.gain_c) else self.largest
        return _Scale(gain, offset, largest, self.by).judged(layer.name) if gain else None


def _rescaling_layer(network: Network) -> Layer | None:
    """Return the first layer that rescales the input, if no way leads around such layers."""
    found = []
    known = {network.input.name: _Scale()}
    for layer in network.layers[1:]:
        entering = [known.get(name) for name in layer.inputs]
        after = _scale_behind(layer, entering)
        if after is not None:
            known[layer.name] = after
        else:
            found += [scale.by for scale in entering if scale is not None]
    if network.output.name in known:
        found.append(known[network.output.name].by)
    return network[found[0]] if all(found) else None  # else raw values meet weights


def _scale_behind(layer: Layer, entering: list[_Scale | None]) -> _Scale | None:
    """Return the scale of a layer's values; ``None`` if they are no longer those of the input."""
    scales = [scale for scale in entering if scale is not None]
    if len(scales) < len(entering) or not all(_keeps(layer, scale) for scale in scales):
        return None
    first = scales[0]
    if isinstance(layer, Add):  # of channels, say, each with its share of the grey
        gain, offset = sum(s.gain for s in scales), sum(s.offset for s in scales)
        return _Scale(gain, offset, max(s.largest for s in scales)).judged(layer.name)
    if isinstance(layer, BatchNormalization):
        return first.after(layer)
    if _clips_raw_values(layer, first):
        return replace(first, by=layer.name)
    agree = len(set(scales)) == 1 or all(scale.by for scale in scales)
    return first if agree else None


def _keeps(layer: Layer, scale: _Scale) -> bool:
    """Return whether a layer only moves, pools, scales and shifts the 8-bit values it gets."""
    if isinstance(layer, Weighted):
        moves = _averages(layer)
    else:
        moves = isinstance(layer, (BatchNormalization, *_PASSED))
    activation: Activation = getattr(layer, "activation", Linear())
    moves = moves and isinstance(activation, (Linear, ReLU, QuantizedReLU))
    bound = activation.upper_bound
    brightest = scale.gain * LARGEST_RAW + scale.offset
    return moves and (bound is None or bool(np.min(bound) >= brightest * (1 - 1e-6)))


def _clips_raw_values(layer: Layer, scale: _Scale) -> bool:
    """Return whether a layer says that values end at 255, which is so of 8-bit ones alone."""
    if not isinstance(layer, ActivationLayer) or scale != _Scale():
        return False
    bound = layer.activation.upper_bound
    return bound is not None and bool(np.all(bound == LARGEST_RAW))


def _averages(layer: Weighted) -> bool:
    """Return whether each value is a mean of what it reads, or a copy, as crops and slices are."""
    axes = (0, 1) if isinstance(layer, DepthwiseConv2D) else tuple(range(layer.weight.ndim - 1))
    total = layer.weight.sum(axis=axes)
    is_mean = (layer.weight >= 0).all() and np.allclose(total, 1, rtol=0, atol=1e-3)
    return bool(is_mean and not layer.bias_o.any())

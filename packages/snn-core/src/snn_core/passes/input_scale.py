"""Finding out whether a model rescales its input by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from snn_core.ir import (
    AveragePooling2D,
    BatchNormalization,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    Network,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
from snn_core.ir.input_data import LARGEST_SCALED

LARGEST_LEARNED = 16.0
"""Takes the place of `LARGEST_SCALED` where factors differ by channel, as those of a batch
normalization: training has changed them, too."""

_PASSED = (
    AveragePooling2D,
    Dropout,
    Flatten,
    MaxPooling2D,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
"""What may stand in front of a rescaling without changing it."""


def find_input_scale(network: Network) -> Network:
    """Note in a network of the source dialect that its first operations rescale 8-bit values.

    They do if they divide by `LARGEST_SCALED` or more, or centre on more, as ``Rescaling(1/255)``,
    ``x / 127.5 - 1`` and the normalization with statistics of values from 0 to 255 do. Raw values
    are what such a model was trained on, so 8-bit integers then enter as they are.
    """
    if network.input_data.decided_by != "rule":
        return network
    name = _rescaling_layer(network)
    if name is None:
        return network
    data = replace(network.input_data, uint8_scale=1.0, decided_by="model")
    return network.replace(input_data=data, note=f"{name} rescales the input: 8-bit values are raw")


def _rescaling_layer(network: Network) -> str | None:
    """Return the name of the first layer at which the input is rescaled."""
    gain, offset, largest = 1.0, 0.0, LARGEST_SCALED
    for layer in _first_layers(network):
        if not isinstance(layer, BatchNormalization):
            continue
        # The median, as statistics of pixels that are always black tell nothing.
        factor = float(np.median(np.abs(layer.gain_c)))
        gain, offset = factor * gain, factor * offset + float(np.median(layer.offset_c))
        if not gain:
            return None
        if np.ptp(layer.gain_c):
            largest = LARGEST_LEARNED
        if gain <= 1 / largest or abs(offset) > largest * gain:
            return layer.name
    return None


def _first_layers(network: Network) -> Iterator[Layer]:
    """Yield the layers that do nothing but rearrange, scale and shift what enters."""
    layer: Layer = network.input
    while len(network.outbound(layer.name)) == 1:
        (layer,) = network.outbound(layer.name)
        if len(layer.inputs) > 1 or not isinstance(layer, (BatchNormalization, *_PASSED)):
            return
        yield layer

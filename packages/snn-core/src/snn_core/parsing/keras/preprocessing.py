"""Keras layers that prepare samples: normalization, cropping and augmentation.

What is random is off at inference, as dropout is.
"""

from __future__ import annotations

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.emit import affine, images
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.elementwise import pass_on
from snn_core.parsing.emit.views import View
from snn_core.parsing.keras.calls import Emitter, LayerCall
from snn_core.parsing.keras.config import AUGMENTATIONS, read_numbers
from snn_core.typing import Array, Shape

_EPSILON = 1e-7
"""The smallest standard deviation that ``Normalization`` divides by: ``keras.config.epsilon()``."""


def _pass_on(b: Builder, layer: LayerCall) -> View:
    return pass_on(b, layer.name, layer.tensor())


def _normalize(b: Builder, layer: LayerCall) -> View:
    """Emit ``(x - mean) / max(sqrt(variance), epsilon)``, or the way back."""
    x = layer.tensor()
    kept = sorted(layer.shift(axis) for axis in layer.fields.axes())
    shape = tuple(x.shape[axis] for axis in kept)
    mean, variance = _statistics(layer, shape)
    if (variance < 0).any():
        raise ParseError(f"its variance is {variance.min():g}; expected no negative number.")
    full = tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape))
    try:
        mean, deviation = (
            np.broadcast_to(values, shape).reshape(full)
            for values in (mean, np.maximum(np.sqrt(variance), _EPSILON))
        )
    except ValueError:
        found = f"{mean.shape} and {variance.shape}"
        raise ParseError(f"its mean and variance are {found}; expected {shape}.") from None
    if layer.fields.flag("invert", default=False):
        return affine.scale(b, layer.name, x, deviation, mean)
    return affine.scale(b, layer.name, x, 1 / deviation, -mean / deviation)


def _statistics(layer: LayerCall, shape: Shape) -> tuple[Array, Array]:
    """Return mean and variance: those that are set, or those that were adapted to data."""
    config = layer.call.config
    if config.get("mean") is not None:
        return read_numbers(config["mean"], "mean"), read_numbers(
            config.get("variance"), "variance"
        )
    values = layer.read(mean=shape, variance=shape, count=())
    return values["mean"].astype(np.float64), values["variance"].astype(np.float64)


def _crop(b: Builder, layer: LayerCall) -> View:
    """Emit a crop around the centre; smaller images would be resized.

    At inference, `RandomCrop` resizes instead of cropping.
    """
    x = layer.image(b)
    wanted = (layer.fields.integer("height"), layer.fields.integer("width"))
    if x.stored[:2] == wanted:
        return pass_on(b, layer.name, x)
    more = [size - aim for size, aim in zip(x.stored, wanted, strict=False)]
    if layer.kind != "CenterCrop" or min(more) < 0:
        reason = f"it resizes images of {x.stored[:2]} to {wanted} at inference"
        raise UnsupportedError([f"{reason}; resize the data instead"])
    return images.crop(b, layer.name, x, [(extra // 2, extra - extra // 2) for extra in more])


EMITTERS: dict[str, Emitter] = {
    **dict.fromkeys(AUGMENTATIONS, _pass_on),
    **dict.fromkeys(("CenterCrop", "RandomCrop", "Resizing"), _crop),
    "Normalization": _normalize,
}
"""Keras class names to the functions that emit their layers."""

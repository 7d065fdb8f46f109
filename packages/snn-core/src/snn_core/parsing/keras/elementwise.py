"""Keras layers that treat every value alike: activations, sums and rescaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Activation, Softmax
from snn_core.parsing.emit import affine, elementwise
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import source_axis
from snn_core.parsing.keras.activations import activation_of, relu_of
from snn_core.parsing.keras.calls import Emitter, LayerCall
from snn_core.parsing.keras.config import CUSTOM_CLASSES
from snn_core.typing import Array


def _pass_on(b: Builder, layer: LayerCall) -> View:
    return elementwise.pass_on(b, layer.name, layer.tensor())


def _activate(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    if layer.kind == "ReLU" or layer.kind in CUSTOM_CLASSES:
        found: Activation = relu_of(layer.fields, kind=layer.kind)
    elif layer.kind in ("Relu", "Relu6", "Softmax"):  # the first two are keras.ops
        found = activation_of(layer.kind.lower())
    else:
        found = layer.activation
    if not isinstance(found, Softmax):
        return elementwise.activate(b, layer.name, x, found)
    axis = layer.fields.axis()
    if axis is None:
        reason = f"softmax along the axes {layer.fields.values['axis']} is not supported"
        raise UnsupportedError([f"{reason}; use the channels"])
    return elementwise.apply_softmax(b, layer.name, x, axis=source_axis(axis, x.rank))


def _add(b: Builder, layer: LayerCall) -> View:
    number = len(layer.inputs)
    if number < 2:
        raise ParseError(f"it has {number} input(s); expected two or more.")
    weights = {
        "Add": [1.0] * number,
        "Average": [1 / number] * number,
        "Subtract": [1.0] + [-1.0] * (number - 1),
    }
    return elementwise.add(b, layer.name, layer.inputs, weights[layer.kind])


def _concatenate(b: Builder, layer: LayerCall) -> View:
    if not layer.inputs:
        raise ParseError("it has no inputs.")
    axis = source_axis(layer.fields.integer("axis", -1), layer.inputs[0].rank)
    return elementwise.concatenate(b, layer.name, layer.inputs, axis=axis)


def _rescale(b: Builder, layer: LayerCall) -> View:
    gain, offset = (_numbers(layer, key, number) for key, number in (("scale", 1), ("offset", 0)))
    return affine.scale(b, layer.name, layer.tensor(), gain, offset)


def _numbers(layer: LayerCall, key: str, default: float) -> Array:
    """Return a setting that is a number or an array, which Keras 3 serializes as an object."""
    value: Any = layer.call.config.get(key, default)
    if isinstance(value, Mapping) and value.get("class_name") == "__numpy__":
        settings = value.get("config")
        value = settings.get("value") if isinstance(settings, Mapping) else None
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ParseError(f"its {key} is {value!r}; expected numbers.") from None
    if not np.isfinite(array).all():
        raise ParseError(f"its {key} is {value!r}; expected finite numbers.")
    return array


EMITTERS: dict[str, Emitter] = {
    **dict.fromkeys(
        (
            "ActivityRegularization",
            "AlphaDropout",
            "Dropout",
            "GaussianDropout",
            "GaussianNoise",
            "Identity",
            "SpatialDropout1D",
            "SpatialDropout2D",
        ),
        _pass_on,
    ),
    **dict.fromkeys(("Activation", "ReLU", "Relu", "Relu6", "Softmax", *CUSTOM_CLASSES), _activate),
    **dict.fromkeys(("Add", "Average", "Subtract"), _add),
    "Concatenate": _concatenate,
    "Rescaling": _rescale,
}
"""Keras class names to the functions that emit their layers."""

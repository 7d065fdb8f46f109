"""Keras layers and operations that treat every value alike: activations, sums and scales."""

from __future__ import annotations

from collections.abc import Callable

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Activation, Softmax
from snn_core.parsing.emit import affine, elementwise
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import source_axis
from snn_core.parsing.keras.activations import activation_of, relu_of
from snn_core.parsing.keras.calls import Emitter, LayerCall
from snn_core.parsing.keras.config import CUSTOM_CLASSES, read_numbers


def _pass_on(b: Builder, layer: LayerCall) -> View:
    return elementwise.pass_on(b, layer.name, layer.tensor())


def _activate(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    if layer.kind == "ReLU" or layer.kind in CUSTOM_CLASSES:
        found: Activation = relu_of(layer.fields, kind=layer.kind)
    elif layer.kind in ("Relu", "Relu6", "Sigmoid", "Softmax"):  # all but the last are keras.ops
        found = activation_of(layer.kind.lower())
    else:
        found = layer.activation
    if not isinstance(found, Softmax):
        return elementwise.activate(b, layer.name, x, found)
    axis = layer.fields.axis() if layer.kind == "Softmax" else -1
    if axis is None:
        reason = f"softmax along the axes {layer.fields.values['axis']} is not supported"
        raise UnsupportedError([f"{reason}; use the channels"])
    return elementwise.apply_softmax(b, layer.name, x, axis=source_axis(axis, x.rank))


_WEIGHTS: dict[str, Callable[[int], list[float]]] = {
    "Add": lambda number: [1.0] * number,
    "Average": lambda number: [1 / number] * number,
    "Subtract": lambda number: [1.0] + [-1.0] * (number - 1),
}


def _add(b: Builder, layer: LayerCall) -> View:
    """Emit a sum of tensors, or of a tensor and a constant as `keras.ops` allows it."""
    if layer.call.constants:
        return _compute(b, layer)
    number = len(layer.inputs)
    if number < 2:
        raise ParseError(f"it has {number} input(s); expected two or more.")
    return elementwise.add(b, layer.name, layer.inputs, _WEIGHTS[layer.kind](number))


_OPERATIONS = {
    "Add": "add",
    "Divide": "div",
    "Multiply": "mul",
    "Subtract": "sub",
    "TrueDivide": "div",
}


def _compute(b: Builder, layer: LayerCall) -> View:
    """Emit the change of a tensor by a constant."""
    values, reverse = layer.constant()
    return affine.apply_constants(
        b,
        layer.name,
        layer.tensor(),
        operation=_OPERATIONS[layer.kind],
        values=values,
        reverse=reverse,
    )


def _negate(b: Builder, layer: LayerCall) -> View:
    return affine.scale(b, layer.name, layer.tensor(), -1.0, 0.0)


def _bound(b: Builder, layer: LayerCall) -> View:
    """Emit the maximum or minimum of a tensor and a number."""
    bound = elementwise.uniform_value(layer.constant()[0])
    low, high = (bound, None) if layer.kind == "Maximum" else (None, bound)
    return elementwise.clip(b, layer.name, layer.tensor(), low=low, high=high)


def _clip(b: Builder, layer: LayerCall) -> View:
    given = [(key, layer.call.config.get(key)) for key in ("x_min", "x_max")]
    low, high = (
        None if value is None else elementwise.uniform_value(read_numbers(value, key))
        for key, value in given
    )
    return elementwise.clip(b, layer.name, layer.tensor(), low=low, high=high)


def _concatenate(b: Builder, layer: LayerCall) -> View:
    if not layer.inputs:
        raise ParseError("it has no inputs.")
    axis = source_axis(layer.fields.integer("axis", -1), layer.inputs[0].rank)
    return elementwise.concatenate(b, layer.name, layer.inputs, axis=axis)


def _rescale(b: Builder, layer: LayerCall) -> View:
    config = layer.call.config
    gain, offset = (
        read_numbers(config.get(key, number), key) for key, number in (("scale", 1), ("offset", 0))
    )
    return affine.scale(b, layer.name, layer.tensor(), gain, offset)


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
    **dict.fromkeys(
        ("Activation", "ReLU", "Relu", "Relu6", "Sigmoid", "Softmax", *CUSTOM_CLASSES), _activate
    ),
    **dict.fromkeys(("Add", "Average", "Subtract"), _add),
    **dict.fromkeys(("Divide", "Multiply", "TrueDivide"), _compute),
    **dict.fromkeys(("Maximum", "Minimum"), _bound),
    "Cast": _pass_on,  # to real numbers: other types are refused
    "Clip": _clip,
    "Concatenate": _concatenate,
    "Negative": _negate,
    "Rescaling": _rescale,
}
"""Keras class names to the functions that emit their layers."""

WITH_CONSTANTS = ("Maximum", "Minimum", *_OPERATIONS)
"""Operations that constants may take part in."""

OF_ONE_TENSOR = {
    **dict.fromkeys(("Maximum", "Minimum"), "it compares tensors, which spike rates cannot"),
    **dict.fromkeys(("Divide", "TrueDivide"), "division by activations has no spiking form"),
    "Multiply": "products of activations have no spiking form",
}
"""Operations that take a constant beside one tensor, with what to say of several."""

"""Keras layers that treat every value alike: activations, sums and normalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import ActivationLayer, Add, BatchNormalization, Dropout
from snn_core.parsing.keras.activations import activation_of, relu_of
from snn_core.parsing.keras.build import Builder, Emitter, Tensor, exactly
from snn_core.parsing.keras.config import CUSTOM_CLASSES, Fields
from snn_core.parsing.keras.graph import Call
from snn_core.typing import Array


def _inert(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    return b.add(Dropout, call, x, x.shape, order=x.order)


def _activation(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    rank = len(x.shape)
    if call.kind == "Softmax":
        axis = call.config.get("axis", -1)
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        if not isinstance(axis, int) or b.axis(axis, rank) != rank - 1:
            raise UnsupportedError(
                [f"softmax along axis {axis} is not supported; use the channels"]
            )
        found = activation_of("softmax")
    elif call.kind == "ReLU" or call.kind in CUSTOM_CLASSES:
        found = relu_of(Fields(call.config), kind=call.kind)
    elif call.kind in ("Relu", "Relu6"):  # operations: keras.ops.relu(x)
        found = activation_of(call.kind.lower())
    else:
        found = b.activation(call, rank)
    return b.add(ActivationLayer, call, x, x.shape, order=x.order, activation=found)


def _add(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    if len(inputs) < 2:
        raise ParseError(f"it has {len(inputs)} input(s); expected two or more.")
    if len({x.shape for x in inputs}) > 1:
        shapes = ", ".join(str(x.shape) for x in inputs)
        raise UnsupportedError(
            [f"its inputs differ in shape ({shapes}); broadcast them explicitly"]
        )
    orders = [x.order for x in inputs]
    if any(not _same(order, orders[0]) for order in orders):
        raise UnsupportedError(["it adds tensors that were flattened in different orders"])
    weight_nc = np.ones(len(inputs), np.float32)
    if call.kind == "Average":
        weight_nc /= len(inputs)
    if call.kind == "Subtract":
        weight_nc[1:] = -1
    return b.add(Add, call, inputs, inputs[0].shape, order=orders[0], weight_nc=weight_nc)


def _same(first: Array | None, second: Array | None) -> bool:
    if first is None or second is None:
        return first is second
    return np.array_equal(first, second)


def _batch_normalization(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    """Emit ``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` as gain and offset."""
    (x,) = exactly(inputs, 1)
    fields = Fields(call.config)
    axis = call.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if not isinstance(axis, int):
        raise UnsupportedError([f"normalization over the axes {axis} is not supported; use one"])
    place = b.axis(axis, len(x.shape))
    shape = (x.shape[place],)
    shapes = {"gamma": shape} if fields.flag("scale", default=True) else {}
    if fields.flag("center", default=True):
        shapes["beta"] = shape
    values = b.read(call, **shapes, moving_mean=shape, moving_variance=shape)
    values = {name: value.astype(np.float64) for name, value in values.items()}
    variance = values["moving_variance"] + fields.number("epsilon", 1e-3)
    if variance.min() <= 0:
        raise ParseError("its moving variance is negative; the file is damaged or training failed.")
    gain = values.get("gamma", 1.0) / np.sqrt(variance)
    offset = values.get("beta", 0.0) - values["moving_mean"] * gain
    return _affine(b, call, x, gain, offset, place)


def _affine(b: Builder, call: Call, x: Tensor, gain_c: Array, offset_c: Array, axis: int) -> Tensor:
    if x.order is not None:
        gain_c, offset_c = (_unordered(values, x.order) for values in (gain_c, offset_c))
    return b.add(
        BatchNormalization,
        call,
        x,
        x.shape,
        order=x.order,
        gain_c=gain_c.astype(np.float32),
        offset_c=offset_c.astype(np.float32),
        axis=axis,
    )


def _unordered(values: Array, order: Array) -> Array:
    """Bring values of the source's places to the places where this network has them."""
    moved = np.empty_like(values)
    moved[order] = values
    return moved


def _rescaling(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    size = x.shape[-1]
    values: list[Array] = []
    for key, default in (("scale", 1.0), ("offset", 0.0)):
        value = call.config.get(key, default)
        value = value["config"]["value"] if _is_array(value) else value
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise ParseError(f"its {key} is {value!r}; expected numbers.") from None
        if not np.isfinite(array).all():
            raise ParseError(f"its {key} is {value!r}; expected finite numbers.")
        if array.size != 1 and (array.shape != (size,) or (b.channels_first and len(x.shape) > 1)):
            raise UnsupportedError([f"its {key} must be one number or one per channel (last axis)"])
        values.append(np.broadcast_to(array.reshape(-1), (size,)).copy())
    return _affine(b, call, x, values[0], values[1], len(x.shape) - 1)


def _is_array(value: Any) -> bool:
    """Return whether a setting is an array as Keras 3 serializes it."""
    return (
        isinstance(value, Mapping)
        and value.get("class_name") == "__numpy__"
        and isinstance(value.get("config"), Mapping)
        and "value" in value["config"]
    )


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
        _inert,
    ),
    **dict.fromkeys(
        ("Activation", "ReLU", "Relu", "Relu6", "Softmax", *CUSTOM_CLASSES), _activation
    ),
    **dict.fromkeys(("Add", "Average", "Subtract"), _add),
    "BatchNormalization": _batch_normalization,
    "Rescaling": _rescaling,
}
"""Keras class names to the functions that emit their layers."""

"""Check layers against what their fields say: types, ranges, axes of arrays, values.

A layer that is made in Python is taken as it is; passes make thousands of layers that were checked.
What comes from a file is checked here, once, so that nothing behind has to expect a stride of 0, a
shape of floats, or a threshold for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_type_hints

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from snn_core.errors import ParseError
from snn_core.ir.activations import Activation, QuantizedReLU, ReLU
from snn_core.ir.layer import Layer
from snn_core.ir.layers import Concatenate
from snn_core.ir.network import Network
from snn_core.settings.section import describe_error

LARGEST = float(np.float32(1e30))
"""Largest number in an array; the smallest threshold and scale is its inverse. Activations in units
beyond these, or of weights beyond, are no float32 numbers."""

_POSITIVE = ("threshold", "scale_facs")


def require_valid(network: Network) -> None:
    """Make sure that all fields of all layers are what they are declared to be.

    Raises
    ------
    ParseError
        Names the layer and the field, what was found and what was expected.
    """
    for layer in network.layers:
        # mypy takes the class for its objects, which have no hash.
        for name, hint in _hints(type(layer)).items():  # type: ignore[arg-type]
            _require_field(layer, name, getattr(layer, name), hint)
        if isinstance(layer, Concatenate) and layer.axis >= len(layer.output_shape):
            raise _problem(layer, "axis", layer.axis, f"one of {len(layer.output_shape)} axes")
    for name, factor in network.scale_facs.items():
        _require_numbers(network[name], "scale_facs", factor, "*c")


@cache
def _hints(kind: type[Layer]) -> dict[str, Any]:
    """Return what each field of a kind of layers may hold: an adapter of pydantic, or a type."""
    strict, found = ConfigDict(strict=True), get_type_hints(kind, include_extras=True)
    hints = {item.name: found[item.name] for item in fields(kind)}
    return {
        name: hint if _axes(hint) or hint is Activation else TypeAdapter(hint, config=strict)
        for name, hint in hints.items()
    }


def _axes(hint: Any) -> str:
    """Return the axis letters of an annotation of arrays, which may be optional; "" for others."""
    return next((h.dim_str for h in (hint, *get_args(hint)) if hasattr(h, "dim_str")), "")


def _require_field(layer: Layer, name: str, value: Any, hint: Any) -> None:
    if isinstance(hint, TypeAdapter):
        try:
            hint.validate_python(value)
        except ValidationError as error:
            said = "; or ".join(dict.fromkeys(map(describe_error, error.errors())))
            raise _problem(layer, name, value, said.removeprefix("expected ")) from error
    elif hint is Activation:
        if not isinstance(value, Activation):
            raise _problem(layer, name, value, "an activation")
        _require_activation(layer, value)
    elif value is not None or type(None) not in get_args(hint):
        axes = _axes(hint)
        if not _is_array(value, axes.split()):
            raise _problem(layer, name, value, f"a float32 array ({axes})")
        _require_numbers(layer, name, value, axes)


def _is_array(value: object, axes: Sequence[str]) -> bool:
    """Return whether a value is an array of these axes; jaxtyping compares sizes, too."""
    if not isinstance(value, np.ndarray) or value.dtype != np.float32:
        return False
    fixed = sum(not axis.startswith("*") for axis in axes)
    return value.ndim == fixed if fixed == len(axes) else value.ndim >= fixed


def _require_numbers(layer: Layer, name: str, values: Any, axes: str) -> None:
    """Make sure that an array holds numbers in bounds, for as many channels as there are."""
    shape, channels = values.shape[len(axes.split()) - 1 :], layer.output_shape[-1:]
    if axes.endswith("*c") and shape not in ((), (1,), channels):
        expected = f"one value, or one for each of {channels[0]} channels"
        raise _problem(layer, name, f"an array of shape {values.shape}", expected)
    if axes == "o" and shape != channels:
        expected = f"one value for each of {channels[0]} channels"
        raise _problem(layer, name, f"an array of shape {values.shape}", expected)
    least = 1 / LARGEST if name in _POSITIVE else -LARGEST
    # Both pass on what is not a number, and need no array of the same size.
    low, high = (values.min(), values.max()) if values.size else (least, least)
    if not least <= low <= high <= LARGEST:
        found = low if low < least else high
        raise _problem(layer, name, found, f"numbers from {least:g} to {LARGEST:g}")


def _require_activation(layer: Layer, activation: Activation) -> None:
    """Make sure that the parameters of an activation are numbers of its range."""
    if isinstance(activation, QuantizedReLU):
        _require_parameter(layer, "step", activation.step, least=1 / LARGEST)
    if isinstance(activation, QuantizedReLU) or (
        isinstance(activation, ReLU) and activation.max_value is not None
    ):
        _require_parameter(layer, "max_value", activation.max_value, least=0)


def _require_parameter(layer: Layer, name: str, value: Any, *, least: float) -> None:
    channels = layer.output_shape[-1] if layer.output_shape else 1
    values = value if isinstance(value, tuple) else (value,)
    if len(values) not in (1, channels) or not all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and least <= v <= LARGEST
        for v in values
    ):
        expected = f"a number from {least:g} to {LARGEST:g}, or one for each of {channels} channels"
        raise _problem(layer, f"activation.{name}", value, expected)


def _problem(layer: Layer, name: str, found: Any, expected: str) -> ParseError:
    text = " ".join(str(found).split())
    shown = text if len(text) <= 60 else f"{text[:60]} ..."
    return ParseError(f"Layer {layer.name!r}: found {name} = {shown}; expected {expected}.")

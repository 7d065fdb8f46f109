"""Typed access to the settings of a Keras layer, and what in them rules a conversion out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Activation, Linear, ReLU, Softmax
from snn_core.typing import Pair

Config: TypeAlias = Mapping[str, Any]

ACTIVATIONS: dict[str, Activation] = {
    "linear": Linear(),
    "relu": ReLU(),
    "relu6": ReLU(max_value=6.0),
    "softmax": Softmax(),
}

_ADVICE = (
    "use relu, relu6, linear or (at the output) softmax and retrain: spike rates cannot follow "
    "other functions"
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The settings of one layer; every accessor raises a `ParseError` for a value of wrong type."""

    values: Config

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a truth value."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def text(self, key: str, default: str) -> str:
        """Return a string."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def number(self, key: str, default: float) -> float:
        """Return a finite number."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(key, "a number")
        if not math.isfinite(value):
            raise self._wrong(key, "a finite number")
        return float(value)

    def sizes(self, key: str, rank: int, default: int | tuple[int, ...] = 1) -> tuple[int, ...]:
        """Return ``rank`` positive numbers; a single number stands for all axes."""
        value = self.values.get(key)
        value = default if value is None else value
        if isinstance(value, int) and not isinstance(value, bool):
            value = [value] * rank
        if not (
            isinstance(value, (list, tuple))
            and len(value) == rank
            and all(isinstance(size, int) and size > 0 for size in value)
        ):
            raise self._wrong(key, f"{rank} positive number(s)")
        return tuple(value)

    def pair(self, key: str, default: int | Pair = 1) -> Pair:
        """Return two positive numbers, for rows and columns."""
        first, second = self.sizes(key, 2, default)
        return first, second

    def _wrong(self, key: str, expected: str) -> ParseError:
        found = repr(self.values[key]) if key in self.values else "nothing"
        return ParseError(f"its setting {key!r} is {found}; expected {expected}.")


def activation_of(value: Any) -> Activation:
    """Return the activation that a Keras setting names.

    Parameters
    ----------
    value
        ``None``, a name, or the dictionary of a serialized function or activation layer.

    Raises
    ------
    UnsupportedError
        For any activation that a spike rate cannot express.
    """
    if value is None:
        return Linear()
    if isinstance(value, str):
        if value in ACTIVATIONS:
            return ACTIVATIONS[value]
        raise UnsupportedError([f"activation {value!r} is not supported; {_ADVICE}"])
    if not isinstance(value, Mapping):
        raise ParseError(f"its activation is {value!r}; expected a name.")
    kind, settings = value.get("class_name"), value.get("config")
    if kind == "ReLU" and isinstance(settings, Mapping):
        return relu_of(Fields(settings))
    if kind == "Softmax" and isinstance(settings, Mapping) and settings.get("axis", -1) == -1:
        return Softmax()
    # Keras writes its own functions as plain names: whatever else comes is foreign code.
    named = settings if isinstance(settings, str) else kind
    raise UnsupportedError([f"activation {named!r} is not supported; {_ADVICE}"])


def relu_of(fields: Fields) -> ReLU:
    """Return the activation of a Keras ``ReLU`` layer.

    Raises
    ------
    UnsupportedError
        If it leaks below zero, has a threshold or an upper bound that is not positive.
    """
    for key in ("negative_slope", "threshold"):
        if fields.values.get(key) is not None and fields.number(key, 0.0) != 0:
            raise UnsupportedError(
                [f"ReLU with {key}={fields.values[key]} is not supported; {_ADVICE}"]
            )
    if fields.values.get("max_value") is None:
        return ReLU()
    bound = fields.number("max_value", 0.0)
    if bound <= 0:
        raise UnsupportedError([f"ReLU with max_value={bound:g} is always 0; remove the layer"])
    return ReLU(max_value=bound)


def refusals(kind: str, config: Config) -> list[str]:
    """Return every reason in a layer's settings alone not to convert it.

    Parameters
    ----------
    kind
        Keras class name of the layer.
    config
        Its settings.
    """
    reasons: list[str] = []
    try:
        activation_of(config.get("activation"))
        if kind == "ReLU":
            relu_of(Fields(config))
    except UnsupportedError as error:
        reasons += error.problems
    if config.get("interpolation", "nearest") != "nearest":
        reasons.append(f"interpolation {config['interpolation']!r} is not supported; use 'nearest'")
    dtype = config.get("dtype")
    name = str(dtype.get("class_name") if isinstance(dtype, Mapping) else dtype)
    if "quantized" in name.lower() or name.startswith(("int", "float8")):
        reasons.append(
            f"data type {name!r} is not supported; convert the model before quantizing it (weights "
            f"can be quantized during conversion)"
        )
    return reasons

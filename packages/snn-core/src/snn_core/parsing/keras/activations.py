"""Activations of Keras layers by name, and refusals of settings without a spiking form.

Besides Keras' own, the custom functions that snn_toolbox came with are known by their names, also
as registered objects (``package>binary_tanh``): the code behind a name is neither stored in a file
nor executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.ir import (
    Activation,
    BinarySigmoid,
    BinaryTanh,
    Linear,
    QuantizedReLU,
    ReLU,
    Sigmoid,
    Softmax,
)
from snn_core.parsing.keras.accounting import Settings, require_accounted
from snn_core.parsing.keras.config import CUSTOM_CLASSES, Config, Fields
from snn_core.parsing.keras.nodes import kind_of

ACTIVATIONS: dict[str, Activation] = {
    "linear": Linear(),
    "relu": ReLU(),
    "relu6": ReLU(max_value=6.0),
    "softmax": Softmax(),
    "sigmoid": Sigmoid(),
}
"""Keras' own activations that spike rates, or the potentials of an output, can express."""

CUSTOM: dict[str, Activation] = {
    "binary_sigmoid": BinarySigmoid(),
    "binary_tanh": BinaryTanh(),
    "clamped_relu": ReLU(max_value=1.0),
    # Noise belongs to training; what is left of it is a ReLU.
    "noisy_relu": ReLU(),
    # Functions of TensorFlow whose names are not those of Keras.
    "identity": Linear(),
    "sign": BinaryTanh(),
    "softmax_v2": Softmax(),
}
"""Custom activations known by name."""

_CLAMPED = re.compile(r"clamped_relu_(?P<threshold>[0-9.e+-]+)_(?P<bound>None|[0-9.e+-]+)")
_QUANTIZED = re.compile(r"(?P<name>\w+)_Q(?P<m>[0-9]+)\.(?P<f>[0-9]+)")
_MAX_BITS = 24
"""float32 represents this many exactly."""

_ADVICE = (
    "use relu, relu6, linear or (at the output) softmax or sigmoid and retrain: spike rates cannot "
    "follow other functions"
)


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
        return ACTIVATIONS[value] if value in ACTIVATIONS else custom_activation(value)
    if _is_lambda(value):
        reason = "its activation is a lambda, Python code that is not executed"
        raise UnsupportedError([f"{reason}; name a function, such as 'relu', and save again"])
    if not isinstance(value, Mapping):
        raise ParseError(f"its activation is {brief(value)}; expected a name.")
    kind, settings = value.get("class_name"), value.get("config")
    if isinstance(settings, str):  # a function; Keras writes its own as plain names
        return custom_activation(settings)
    if not isinstance(kind, str) or not isinstance(settings, Mapping):
        raise ParseError(f"its activation is {brief(value)}; expected a name or a class.")
    own = kind_of(value)
    if own in ("ReLU", "Softmax", *CUSTOM_CLASSES):
        return _layer_as_activation(own, settings)
    if kind in ("ReLU", "Softmax"):
        raise _refuse_namesake(kind)
    return custom_activation(kind)


def _layer_as_activation(kind: str, config: Config) -> Activation:
    """Return what a layer does that another one has as its activation."""
    settings = Settings(config)
    if kind != "Softmax":
        found: Activation = relu_of(Fields(settings), kind=kind)
    elif settings.get("axis", -1) == -1:
        found = Softmax()
    else:
        reason = f"softmax along the axes {brief(settings['axis'])} is not supported"
        raise UnsupportedError([f"{reason}; use the channels"])
    require_accounted(kind, settings)
    return found


def _refuse_namesake(name: str) -> UnsupportedError:
    """Return the error for what has a name of Keras, and is not what Keras has under that name."""
    short = name.rpartition(">")[2]
    reason = f"activation {brief(name)} is not supported: it is not the one of Keras"
    return UnsupportedError(
        [f"{reason} but a custom one, whose code is in no file; use activation={short.lower()!r}"]
    )


def _is_lambda(value: Any) -> bool:
    """Return whether an activation is the code of a lambda, as one of the versions of Keras has it.

    Code, defaults and closure come as a list, or as the value of a dictionary without a class.
    """
    if isinstance(value, Mapping):
        return value.get("class_name") == "__lambda__" or (
            "class_name" not in value and _is_lambda(value.get("value"))
        )
    return isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str)


def custom_activation(name: str) -> Activation:
    """Return the custom activation of a name such as ``binary_tanh`` or ``relu_Q1.4``.

    Raises
    ------
    UnsupportedError
        If the name is not known or the function has no spiking form.
    """
    short = name.rpartition(">")[2]
    if short in CUSTOM:
        return CUSTOM[short]
    if clamped := _CLAMPED.fullmatch(short):
        threshold, bound = clamped["threshold"], clamped["bound"]
        try:
            config = {
                "threshold": float(threshold),
                "max_value": None if bound == "None" else float(bound),
            }
        except ValueError:
            raise UnsupportedError(
                [f"activation {brief(name)} is not supported; {_ADVICE}"]
            ) from None
        return relu_of(Fields(config), kind="ClampedReLU")
    if quantized := _QUANTIZED.fullmatch(short):
        return _make_quantized_relu(quantized["name"], int(quantized["m"]), int(quantized["f"]))
    if short in ACTIVATIONS:
        raise _refuse_namesake(name)
    if short == "noisy_softplus":
        return relu_of(Fields({}), kind="NoisySoftplus")
    raise UnsupportedError([f"activation {brief(name)} is not supported; {_ADVICE}"])


def _make_quantized_relu(name: str, m: int, f: int) -> QuantizedReLU:
    """Return ``name`` in the fixed-point format Qm.f."""
    if name not in ("relu", "quantized_relu"):
        raise UnsupportedError([f"activation '{name}_Q{m}.{f}': only relu can be quantised"])
    if not 1 <= m + f <= _MAX_BITS:
        raise UnsupportedError([f"the format Q{m}.{f} has {m + f} bits; expected 1 to {_MAX_BITS}"])
    return QuantizedReLU(step=2.0**-f, max_value=2.0**m - 2.0**-f)


def relu_of(fields: Fields, *, kind: str = "ReLU") -> ReLU:
    """Return the activation of a Keras ``ReLU`` layer, or of a custom class like it.

    Raises
    ------
    UnsupportedError
        If it leaks below zero, has a threshold or an upper bound that is not positive.
    """
    if kind == "NoisySoftplus":
        raise UnsupportedError([f"NoisySoftplus is never 0, unlike a spike rate; {_ADVICE}"])
    for key in ("negative_slope", "threshold"):
        if fields.values.get(key) is not None and fields.number(key, 0.0) != 0:
            raise UnsupportedError(
                [f"{kind} with {key}={fields.values[key]} is not supported; {_ADVICE}"]
            )
    if fields.values.get("max_value") is None:
        return ReLU()
    bound = fields.number("max_value", 0.0)
    if bound <= 0:
        raise UnsupportedError([f"{kind} with max_value={bound:g} is always 0; remove the layer"])
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
        if kind == "ReLU" or kind in CUSTOM_CLASSES:
            relu_of(Fields(config), kind=kind)
    except UnsupportedError as error:
        reasons += error.problems
    if kind.startswith("UpSampling") and config.get("interpolation", "nearest") != "nearest":
        reasons.append(f"interpolation {config['interpolation']!r} is not supported; use 'nearest'")
    if config.get("lora_rank"):
        reasons.append("its low-rank adaptation is not merged; merge it and save the model again")
    return reasons

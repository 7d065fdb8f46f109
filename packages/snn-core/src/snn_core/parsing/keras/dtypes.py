"""Types of numbers in Keras models: what is read as real numbers, and what computes with integers.

Keras turns what a model is called with into the type that its input declares, and rounds it then.
Only 8-bit integers are read beside real numbers, as samples have them, and only where nothing
rounds or wraps around before they become real numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snn_core.parsing.keras.config import AUGMENTATIONS, FLOATS, UINT8, name_of_type
from snn_core.parsing.keras.graph import Call

_KEEPS = frozenset((
    *AUGMENTATIONS, "Activation", "AlphaDropout", "Amax", "CenterCrop", "Clip", "Concatenate",
    "Cropping1D", "Cropping2D", "Dropout", "ExpandDims", "Flatten", "GaussianDropout",
    "GaussianNoise", "GetItem", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Identity", "Max",
    "MaxPool", "MaxPooling1D", "MaxPooling2D", "Maximum", "Minimum", "Pad", "Permute", "RandomCrop",
    "ReLU", "Relu", "Relu6", "Reshape", "Resizing", "SpatialDropout1D", "SpatialDropout2D",
    "Squeeze", "Swapaxes", "Transpose", "UpSampling1D", "UpSampling2D", "ZeroPadding1D",
    "ZeroPadding2D",
))  # fmt: skip
"""Layers that arrange and choose among values, and so do to integers what they do to numbers."""

_CASTS = frozenset((
    "BatchNormalization", "Cast", "Dense", "Divide", "GlobalAveragePooling1D",
    "GlobalAveragePooling2D", "Mean", "Normalization", "Rescaling", "Sparse", "TrueDivide",
))  # fmt: skip
"""Layers that make real numbers of integers before they compute with them."""

_BOUNDS = ("max_value", "x_max", "x_min")
"""Settings that Keras rounds to the type of what it bounds."""


def refuse_input(dtype: str) -> list[str]:
    """Return why the values of an input cannot be read as real numbers, if they cannot."""
    if dtype in (*FLOATS, UINT8):
        return []
    found = f"its values are {dtype:.99}, to which Keras rounds them"
    expected = f"{', '.join(FLOATS)} and {UINT8} are read as real numbers"
    return [f"{found}; {expected}: build the model with a float input"]


def follow_integers(call: Call, *, reads_integers: bool) -> tuple[bool, list[str]]:
    """Return whether a call gives 8-bit integers, and why it is not read, if it is not.

    Parameters
    ----------
    reads_integers
        Whether any of its inputs holds 8-bit integers.
    """
    if call.kind == "InputLayer":  # of a nested model
        dtype = name_of_type(call.config.get("dtype"))
        problems = refuse_input(dtype)
        if dtype == UINT8 and not reads_integers:
            problems = ["it rounds numbers to 8-bit integers; build the model with a float input"]
        return reads_integers and dtype == UINT8, problems
    if not reads_integers or call.kind in _CASTS:
        return False, []
    if call.kind in _KEEPS:
        bounds = [call.config.get(key) for key in _BOUNDS]
        if all(not isinstance(bound, float) or bound.is_integer() for bound in bounds):
            return True, []
        return True, ["it rounds its bounds to 8-bit integers; cast to float before it"]
    if call.constants and all(map(_is_real, call.constants.values())) and len(call.inputs) == 1:
        return False, []
    reason = "it computes with 8-bit integers, which rounds and wraps around, or fails"
    return False, [f"{reason}; begin with Rescaling, or build the model with a float input"]


def _is_real(value: Any) -> bool:
    """Return whether a constant makes real numbers of the integers that it meets."""
    if isinstance(value, Mapping):
        settings = value.get("config")
        return isinstance(settings, Mapping) and settings.get("dtype") in FLOATS
    return isinstance(value, float)

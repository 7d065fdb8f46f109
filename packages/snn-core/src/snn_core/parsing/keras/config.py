"""Typed access to the settings of a Keras layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from snn_core.errors import ParseError, brief
from snn_core.typing import Array, Pair

Config: TypeAlias = Mapping[str, Any]

CUSTOM_CLASSES = ("ClampedReLU", "LimitedReLU", "NoisyReLU", "NoisySoftplus")
"""Activations of snn_toolbox that are classes, as layers too."""

PRUNED_CLASSES = ("Sparse", "SparseConv2D", "SparseDepthwiseConv2D")
"""Layers of keras_rewiring, which hold a mask of their kernel."""


AUGMENTATIONS = (
    "AugMix", "CutMix", "Equalization", "MixUp", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomElasticTransform",
    "RandomErasing", "RandomFlip", "RandomGaussianBlur", "RandomGrayscale", "RandomHeight",
    "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomWidth",
    "RandomZoom", "Solarization",
)  # fmt: skip
"""Layers that pass images on unchanged at inference."""

PREPARING = (
    *AUGMENTATIONS, "AutoContrast", "CLAHE", "CenterCrop", "Pipeline", "RandomCrop", "Resizing"
)  # fmt: skip
"""Layers whose calls say ``training=True`` by default; the model decides all the same."""


OPERATIONS = (
    "Amax", "AveragePool", "Cast", "Clip", "Divide", "ExpandDims", "GetItem", "Max", "MaxPool",
    "Mean", "Negative", "Pad", "Relu", "Relu6", "Sigmoid", "Squeeze", "Sum", "Swapaxes",
    "Transpose", "TrueDivide",
)  # fmt: skip
"""Operations of ``keras.ops`` whose names no layer has."""

OPERATIONS_TOO = (
    "Add", "Concatenate", "Maximum", "Minimum", "Multiply", "Reshape", "Softmax", "Subtract"
)  # fmt: skip
"""Layers that are operations as well."""


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number, which true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


CHANNELS_FIRST, CHANNELS_LAST = "channels_first", "channels_last"

FLOATS = ("float16", "bfloat16", "float32", "float64")

UINT8 = "uint8"


def name_of_type(value: Any) -> str:
    """Return the name of the type that a setting ``dtype`` holds, ``float32`` where it is left out.

    Types of layers are serialized as objects, those of quantized ones by their class.
    """
    if isinstance(value, Mapping):
        kind, settings = str(value.get("class_name")), value.get("config")
        named = settings.get("name") if isinstance(settings, Mapping) else None
        value = kind if "quantized" in kind.lower() or named is None else named
    return "float32" if value is None else str(value)


def read_numbers(value: Any, what: str) -> Array:
    """Return a number or an array, which Keras 3 serializes as an object.

    Parameters
    ----------
    what
        Its name in messages.

    Raises
    ------
    ParseError
        If it is anything else or not finite.
    """
    stored = value
    if isinstance(value, Mapping) and value.get("class_name") in ("__numpy__", "__tensor__"):
        settings = value.get("config")
        stored = settings.get("value") if isinstance(settings, Mapping) else None
    try:
        array = np.asarray(stored)
    except ValueError:  # lists of different lengths
        array = np.asarray(None)
    if array.size and array.dtype.kind not in "iuf":  # nor texts that spell numbers
        raise ParseError(f"its {what} is {brief(value)}; expected numbers.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ParseError(f"its {what} is {brief(value)}; expected finite numbers.")
    return array


@dataclass(frozen=True, slots=True)
class Fields:
    """The settings of one layer; every accessor raises a `ParseError` for a value of wrong type."""

    values: Config

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self.values.get(key, default)
        if not is_whole(value):
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
        if is_whole(value):
            value = [value] * rank
        if not (
            isinstance(value, (list, tuple))
            and len(value) == rank
            and all(is_whole(size) and size > 0 for size in value)
        ):
            raise self._wrong(key, f"{rank} positive number(s)")
        return tuple(value)

    def pair(self, key: str, default: int | Pair = 1) -> Pair:
        """Return two positive numbers, for rows and columns."""
        first, second = self.sizes(key, 2, default)
        return first, second

    def channels_first(self) -> bool:
        """Return whether the data format has the channels first.

        Keras always writes the format of a layer that has one. Layers of versions that knew none,
        and Keras as it is installed, have the channels last.
        """
        value = self.values.get("data_format")
        found = CHANNELS_LAST if value is None else str(value).lower()
        if found not in (CHANNELS_FIRST, CHANNELS_LAST):
            raise self._wrong("data_format", f"{CHANNELS_FIRST!r} or {CHANNELS_LAST!r}")
        return found == CHANNELS_FIRST

    def axis(self) -> int | None:
        """Return the setting ``axis``, -1 by default; nothing if it names several axes."""
        value = self.values.get("axis", -1)
        if isinstance(value, (list, tuple)):
            value = value[0] if len(value) == 1 else None
        return value if is_whole(value) else None

    def axes(self, key: str = "axis") -> list[int]:
        """Return axes as whole numbers; none where the setting is left out."""
        value = self.values.get(key)
        found = [value] if is_whole(value) else [] if value is None else value
        if not isinstance(found, (list, tuple)) or not all(map(is_whole, found)):
            raise self._wrong(key, "whole numbers")
        return list(found)

    def _wrong(self, key: str, expected: str) -> ParseError:
        found = brief(self.values[key]) if key in self.values else "nothing"
        return ParseError(f"its setting {key!r} is {found}; expected {expected}.")

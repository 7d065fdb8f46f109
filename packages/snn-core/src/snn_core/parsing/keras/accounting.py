"""Settings of Keras layers and models: each is read, means nothing at inference, or is refused.

Keras itself refuses a setting that it does not know. What the tables list are the settings that
Keras 2 and 3 write beside those that decide what a layer computes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.parsing.keras.config import (
    AUGMENTATIONS,
    FLOATS,
    PRUNED_CLASSES,
    Config,
    Fields,
    is_whole,
    name_of_type,
)
from snn_core.parsing.seen import Seen

_Check: TypeAlias = Callable[[Fields, str], object]
"""What raises a `ParseError` or `UnsupportedError` for a value that no Keras writes there."""


class Settings(Seen[Any]):
    """The settings of a layer, which remember what has been looked at; ``None`` says nothing."""

    def unseen(self) -> dict[str, Any]:
        """Return what has not been looked at and says something."""
        return {key: value for key, value in super().unseen().items() if value is not None}


def _any(fields: Fields, key: str) -> None:
    """Accept whatever is there."""


def _flag(fields: Fields, key: str) -> None:
    fields.flag(key, default=False)


def _number(fields: Fields, key: str) -> None:
    fields.number(key, 0.0)


def _text(fields: Fields, key: str) -> None:
    fields.text(key, "")


def _rate(fields: Fields, key: str) -> None:
    if not 0 <= fields.number(key, 0.0) <= 1:
        raise ParseError(f"its setting {key!r} is {fields.values[key]}; expected 0 to 1.")


def _shape(fields: Fields, key: str) -> None:
    """Accept a shape with the axis of the samples; sizes may be left open."""
    found = fields.values[key]
    is_list = isinstance(found, (list, tuple))
    if not is_list or not all(size is None or is_whole(size) for size in found):
        raise ParseError(f"its setting {key!r} is {brief(found)}; expected sizes.")


def _number_or_object(fields: Fields, key: str) -> None:
    if not isinstance(fields.values[key], Mapping):
        fields.number(key, 0.0)


def _object(fields: Fields, key: str) -> None:
    """Accept a serialized object, or its name."""
    found = fields.values[key]
    if not isinstance(found.get("class_name") if isinstance(found, Mapping) else found, str):
        raise ParseError(f"its setting {key!r} is {brief(found)}; expected an object or its name.")


def _off(fields: Fields, key: str) -> None:
    if fields.flag(key, default=False):
        raise UnsupportedError([f"its setting {key!r} is true, which is not supported"])


def _number_of(expected: int) -> _Check:
    """Return a check for a setting that the class leaves no choice of."""

    def check(fields: Fields, key: str) -> None:
        found = fields.integer(key)
        if found != expected:
            reason = f"its setting {key!r} is {found}, which is not supported"
            raise UnsupportedError([f"{reason}; expected {expected}"])

    return check


_EVERYWHERE: Mapping[str, _Check] = {
    "name": _text,  # read where layers are looked up
    "dtype": _any,  # what it computes in, which is judged for all layers alike
    "trainable": _flag,  # for training
    "activity_regularizer": _object,  # for training
    "batch_input_shape": _shape,  # read of the first layer; others are called on what is there
    "dynamic": _flag,  # how TensorFlow runs it
    "autocast": _flag,  # between floats, which are all read as real numbers
}

_TRAINED: Mapping[str, _Check] = {
    # How variables begin and what they cost: they are stored.
    f"{variable}_{part}": _object
    for variable in ("kernel", "bias", "depthwise", "pointwise")
    for part in ("initializer", "regularizer", "constraint")
}

_QUANTIZED: Mapping[str, _Check] = {
    "quantization_config": _any,  # how it would be quantized; whether it is, its dtype says
    "lora_alpha": _number,  # of what is refused, unless it is off
    "lora_rank": _any,  # judged for all layers alike
}

_NORMALIZING: Mapping[str, _Check] = {
    **{
        f"{variable}_{part}": _object
        for variable in ("beta", "gamma", "moving_mean", "moving_variance")
        for part in ("initializer", "regularizer", "constraint")
    },
    "momentum": _number,  # for training
    "synchronized": _flag,  # for training
    "fused": _flag,  # how TensorFlow computes it
    "renorm": _off,  # has more variables
    "renorm_clipping": _any,  # of renorm
    "renorm_momentum": _number,  # of renorm
}

_RANDOM: Mapping[str, _Check] = {
    "rate": _rate,  # for training
    "stddev": _number,  # for training
    "noise_shape": _any,  # for training
    "seed": _number_or_object,  # for training
    "data_format": _text,  # of what is dropped
}

_AUGMENTING: Mapping[str, _Check] = {
    # Such a layer does nothing at inference, whatever it is told to do in training.
    **dict.fromkeys(
        (
            "addition_factor", "all_ops", "alpha", "bins", "brightness_factor", "chain_depth",
            "contrast_factor", "factor", "fill_mode", "fill_value", "height_factor", "hue_factor",
            "interpolation", "kernel_size", "mode", "num_chains", "num_ops", "rng_type",
            "saturation_factor", "scale", "sigma", "threshold_factor", "value_range",
            "width_factor", "x_factor", "y_factor",
        ),
        _any,
    ),
    "data_format": _text,
    "seed": _number_or_object,
}  # fmt: skip

_RESIZING: Mapping[str, _Check] = {
    # How it makes images larger or smaller: it is read where it leaves them as they are.
    **dict.fromkeys(("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"), _flag),
    **dict.fromkeys(("fill_mode", "interpolation", "rng_type"), _text),
    "fill_value": _number,
    "seed": _number_or_object,
}

_UPSAMPLING: Mapping[str, _Check] = {"interpolation": _text}  # judged before it is read

_GROUPED_BY_NATURE: Mapping[str, _Check] = {"groups": _number_of(1)}  # Keras 2 writes it in all

_OF_KIND: Mapping[str, Mapping[str, _Check]] = {
    "Dense": {**_TRAINED, **_QUANTIZED},
    **{
        kind: {**_TRAINED, **_QUANTIZED, "rank": _number_of(1 if "1D" in kind else 2)}
        for kind in ("Conv1D", "Conv2D")
    },
    **{
        kind: {**_TRAINED, **_GROUPED_BY_NATURE, "rank": _number_of(1 if "1D" in kind else 2)}
        for kind in (
            "Conv1DTranspose", "Conv2DTranspose", "DepthwiseConv1D", "DepthwiseConv2D",
            "SeparableConv1D", "SeparableConv2D",
        )
    },
    "BatchNormalization": _NORMALIZING,
    **dict.fromkeys(
        ("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "SpatialDropout1D",
         "SpatialDropout2D"),
        _RANDOM,
    ),
    "ActivityRegularization": {"l1": _number, "l2": _number},  # for training
    "NoisyReLU": {"sigma": _number, "k": _number},  # noise, which belongs to training
    **dict.fromkeys(("UpSampling1D", "UpSampling2D"), _UPSAMPLING),
    **dict.fromkeys(AUGMENTATIONS, _AUGMENTING),
    **dict.fromkeys(("CenterCrop", "RandomCrop", "Resizing"), _RESIZING),
    "InputLayer": {
        "batch_shape": _shape,  # read of the first layer; others are called on what is there
        "sparse": _off,
        "ragged": _off,
        "optional": _flag,  # whether the model may be called without it
    },
}  # fmt: skip

_POLICIES = (*FLOATS, "mixed_float16", "mixed_bfloat16", "_infer")
"""Names of what layers compute in; the last is one of Keras 2, for the type of the input."""

_OF_MODELS = (
    "name", "trainable", "dtype", "layers", "input_layers", "output_layers", "build_input_shape"
)  # fmt: skip


def require_accounted(kind: str, settings: Settings, *, seen: Collection[str] = ()) -> None:
    """Make sure that nothing a layer is told is overlooked, once the layer is read.

    Parameters
    ----------
    kind
        Its class name.
    settings
        Its settings, which know what has been read of them.
    seen
        What else has been looked at.

    Raises
    ------
    ParseError
        If a setting that means nothing at inference has a value of the wrong type.
    UnsupportedError
        With all settings that are not known, or have a value that is not supported.
    """
    fields, checks = Fields(settings), {**_EVERYWHERE, **_OF_KIND.get(kind, {})}
    problems: list[str] = []
    for key, value in settings.unseen().items():
        if key in seen or kind in PRUNED_CLASSES:  # theirs tell how training prunes
            continue
        if key not in checks:
            problems.append(_unknown(key, value))
            continue
        try:
            checks[key](fields, key)
        except UnsupportedError as error:
            problems += error.problems
    if problems:
        raise UnsupportedError(problems)


def refuse_model_settings(config: Config) -> list[str]:
    """Return why the settings of a model are not read, if they are not."""
    unknown = [
        _unknown(key, value)
        for key, value in config.items()
        if key not in _OF_MODELS and value is not None
    ]
    return [*unknown, *refuse_policy(config)]


def refuse_policy(config: Config) -> list[str]:
    """Return why what a layer computes in is not read, if it is not."""
    name = name_of_type(config.get("dtype"))
    if name in _POLICIES:
        return []
    advice = "use float32"
    if "quantized" in name.lower() or name.startswith(("int", "float8")):
        advice = (
            "convert the model before quantizing it (weights can be quantized during conversion)"
        )
    return [f"data type {brief(name)} is not supported; {advice}"]


def _unknown(key: str, value: object) -> str:
    return (
        f"its setting {brief(key)} is not known (here {brief(value)}); build the model without it, "
        f"or save it with a version of Keras that is supported"
    )

"""The section ``[input]`` of the settings: where samples come from and how they enter a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from snn_core.settings.section import Section

_NO_RANDOM_IMAGES = (
    "makes random images, which are for training; remove it, or set it to False or 0"
)
_FRAME_METHODS = {
    "rectified_sum_polarity_channels": "rectified_polarity_channels",
    "signed_sum_polarity_channels": "signed_polarity_channels",
}


MOST_PIXELS = 2**15
"""Rows or columns of an image or a sensor; the largest sensors have some ten thousand."""

MOST_CLASSES = 10**6
"""Classes that folders may be numbered for; a name is kept for each."""


def parse_fraction(text: str) -> float:
    """Return the number that a text such as ``1/255`` or ``0.5`` stands for.

    Raises
    ------
    ValueError
        If it stands for none.
    """
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is no number; expected one such as 1 or 1/255") from None


class DatagenKwargs(Section):
    """How images are scaled and centred; names as in Keras' ``ImageDataGenerator``."""

    rescale: float | None = None
    samplewise_center: bool = False
    samplewise_std_normalization: bool = False
    featurewise_center: bool = False
    featurewise_std_normalization: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[Annotated[float, Field(ge=0)], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_keras_names(cls, values: Any) -> Any:
        """Leave out what changes nothing, and refuse random images by name."""
        if not isinstance(values, Mapping):
            return values
        kept = {}
        for key, value in values.items():
            if key in cls.model_fields:
                kept[key] = (value,) if key in ("mean", "std") and _is_number(value) else value
            elif key in ("data_format", "dtype", "validation_split", "fill_mode", "cval"):
                if (key, value) == ("data_format", "channels_first"):
                    raise ValueError("data_format 'channels_first': samples are channels last here")
            elif key == "preprocessing_function":
                if value not in (None, ""):
                    raise ValueError(
                        "preprocessing_function: code named in settings is never run; prepare "
                        "the images, or write the samples with np.savez"
                    )
            elif value in (None, False, 0, 0.0):
                continue
            elif key in _AUGMENTATIONS:
                raise ValueError(f"{key} {_NO_RANDOM_IMAGES}")
            else:
                kept[key] = value
        return kept

    @model_validator(mode="after")
    def _require_statistics(self) -> DatagenKwargs:
        """Ask for the training data's mean and standard deviation where they are needed."""
        for key, value, name in (
            ("featurewise_center", self.mean, "mean"),
            ("featurewise_std_normalization", self.std, "std"),
        ):
            if getattr(self, key) and value is None:
                raise ValueError(
                    f"{key} needs {name}: the training images' {name} after rescaling, one "
                    f"number or one per channel"
                )
        return self

    @property
    def changes_values(self) -> bool:
        """Whether images become something else than the 8-bit integers in their files."""
        return self != DatagenKwargs(mean=self.mean, std=self.std)


_AUGMENTATIONS = frozenset(
    (
        "rotation_range",
        "width_shift_range",
        "height_shift_range",
        "brightness_range",
        "shear_range",
        "zoom_range",
        "channel_shift_range",
        "horizontal_flip",
        "vertical_flip",
        "zca_whitening",
    )
)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class DataflowKwargs(Section):
    """Which files are read and in which size; names as in Keras' ``flow_from_directory``."""

    target_size: tuple[int, int] | None = None
    color_mode: Literal["auto", "rgb", "grayscale", "rgba"] = "auto"
    classes: tuple[str, ...] | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"] = (
        "nearest"
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_keras_names(cls, values: Any) -> Any:
        """Leave out what something else decides here."""
        if not isinstance(values, Mapping):
            return values
        elsewhere = ("directory", "class_mode", "batch_size", "shuffle", "seed", "follow_links")
        return {key: value for key, value in values.items() if key not in elsewhere}

    @field_validator("target_size")
    @classmethod
    def _require_positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not 1 <= min(value) <= max(value) <= MOST_PIXELS:
            raise ValueError(f"expected a height and a width of 1 to {MOST_PIXELS}")
        return value


class InputSettings(Section):
    """Where samples come from and how they enter the network."""

    other_stage: ClassVar[frozenset[str]] = frozenset({"uint8_scale"})
    claimed: ClassVar[frozenset[str]] = frozenset({"encoding"})

    encoding: Literal["constant", "poisson", "regular", "events"] = Field(
        "constant",
        description="`constant`: every step receives the analog sample; `poisson`: spikes at rate "
        "x · input_rate; `regular`: evenly spaced spikes at rate x per ms; `events`: the events "
        "that a camera recorded",
    )
    input_rate: float = Field(
        1000.0, gt=0, description="rate in Hz of a Poisson input of 1; each spike then carries "
        "1000 / input_rate, so that the mean input is x per ms",
    )  # fmt: skip
    num_poisson_events_per_sample: int = Field(
        -1, ge=-1, description="stop a sample's Poisson input after this many spikes; -1: never"
    )
    max_num_input_spikes: int | None = Field(
        None, ge=0, description="stop a sample once its constant input would have made input "
        "neurons spike more often than this; never if not given",
    )  # fmt: skip
    uint8_scale: float | None = Field(
        None, gt=0, description="factor for 8-bit integers, such as 1 or `1/255`; "
        "`None`: 1/255, or 1 where the model rescales by itself",
    )  # fmt: skip
    dataset_format: Literal["auto", "npz", "jpg", "png", "aedat"] = Field(
        "auto", description="what `--data` holds: arrays, images, or events in any format; `auto` "
        "looks at the files",
    )  # fmt: skip
    datagen_kwargs: DatagenKwargs = Field(
        DatagenKwargs(), description="images: `rescale` (by default as other 8-bit integers), "
        "`samplewise_center`, `samplewise_std_normalization`, `featurewise_center` by `mean`, "
        "`featurewise_std_normalization` by `std`",
    )  # fmt: skip
    dataflow_kwargs: DataflowKwargs = Field(
        DataflowKwargs(), description="images: `target_size` (height, width), `color_mode` (rgb, "
        "grayscale, rgba; by default as many channels as the network reads), `interpolation`, "
        "`classes` (sub-folders in the order of labels); `target_size` (rows, columns) is also the "
        "size that events are sub-sampled to",
    )  # fmt: skip
    label_dict: dict[str, Annotated[int, Field(ge=0, lt=MOST_CLASSES)]] = Field(
        {}, description="sub-folder to class; by default classes are numbered in the order of names"
    )
    chip_size: tuple[int, int] | None = Field(
        None, description="width and height of the event camera; events beyond are left out; "
        "`None`: as the recording says",
    )  # fmt: skip
    frame_gen_method: Literal[
        "rectified_sum", "signed_sum", "rectified_polarity_channels", "signed_polarity_channels"
    ] = Field(
        "rectified_polarity_channels",
        description="what an event adds to its cell: always 1 (`rectified`), or -1 if OFF "
        "(`signed`); `polarity_channels`: OFF events in channel 0, ON events in channel 1",
    )
    is_x_first: bool = Field(False, description="frames are [x, y] instead of [y, x]")
    is_x_flipped: bool = Field(False, description="mirror x")
    is_y_flipped: bool = Field(False, description="mirror y")
    maxpool_subsampling: bool = Field(
        True, description="events of one time and polarity that meet in a cell count once"
    )
    do_clip_three_sigma: bool = Field(
        True, description="leave out the last events of cells with more than three standard "
        "deviations of all cells with events (`signed_sum`: 1.5 to both sides of the mean)",
    )  # fmt: skip
    num_dvs_events_per_sample: int | None = Field(
        None, ge=1, description="cut recordings into samples of this many events; `None`: a "
        "recording is one sample",
    )  # fmt: skip
    sample_window_us: int | None = Field(
        None, ge=1, description="cut recordings into samples of this length in µs instead"
    )
    eventframe_width: float | None = Field(
        None, gt=0, description="time of the camera, in µs, that one step delivers; `None`: the "
        "sample's own time is spread over all steps",
    )  # fmt: skip
    event_amplitude: float | None = Field(
        None, gt=0, description="what an event carries; `None`: so much that the mean input per ms "
        "is the frame while the sample lasts",
    )  # fmt: skip

    @field_validator("uint8_scale", mode="before")
    @classmethod
    def _accept_fraction(cls, value: object) -> object:
        """Accept a fraction as text."""
        return parse_fraction(value) if isinstance(value, str) else value

    @field_validator("chip_size", "is_x_first", "is_x_flipped", "is_y_flipped", mode="before")
    @classmethod
    def _accept_empty(cls, value: object, info: Any) -> object:
        """Accept the empty text that stands for "not given" in the original's files."""
        return cls.model_fields[info.field_name].default if value in ("", None) else value

    @field_validator("frame_gen_method", mode="before")
    @classmethod
    def _accept_long_names(cls, value: object) -> object:
        """Accept the empty text and the long names."""
        if value in ("", None):
            return cls.model_fields["frame_gen_method"].default
        return _FRAME_METHODS.get(value, value) if isinstance(value, str) else value

    @field_validator("chip_size")
    @classmethod
    def _require_positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and not 1 <= min(value) <= max(value) <= MOST_PIXELS:
            raise ValueError(f"expected a width and a height of 1 to {MOST_PIXELS}")
        return value

    @model_validator(mode="after")
    def _refuse_two_cuts(self) -> InputSettings:
        if self.num_dvs_events_per_sample and self.sample_window_us:
            raise ValueError(
                "num_dvs_events_per_sample and sample_window_us are both given; expected one"
            )
        return self

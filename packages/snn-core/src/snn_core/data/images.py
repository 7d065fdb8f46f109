"""Image folders: files that Pillow (extra ``images``) decodes, batch by batch."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snn_core.data.base import Dataset
from snn_core.data.folders import find_files, hash_files
from snn_core.data.lazy import LazyItems, LazySamples
from snn_core.data.png import require_all_rows
from snn_core.data.preparation import describe_preparation
from snn_core.errors import DataError, shorten, warn
from snn_core.installing import how_to_install
from snn_core.reading import FileStates, spend, while_reading
from snn_core.settings import DatagenKwargs, InputSettings
from snn_core.typing import Array, Float32, Shape

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

SUFFIXES = {"jpg": (".jpg", ".jpeg"), "png": (".png",)}
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif")
"""Endings of image files, in lower case. Of several pages or frames the first is read."""

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")

_MODES = {"rgb": "RGB", "grayscale": "L", "rgba": "RGBA"}
_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
_GREY = ("1", "L", "LA")
_PER_PIXEL = 12
"""Bytes of memory for a pixel: four channels at most, decoded, converted and as an array."""
_EPSILON = 1e-6
"""Added to standard deviations, as Keras does."""


def from_image_folder(
    folder: Path,
    settings: InputSettings,
    *,
    classes: Sequence[str] = (),
    channels: int | None = None,
) -> Dataset:
    """Return the images of a folder, with one sub-folder for each class.

    They are 8-bit integers, unless `datagen_kwargs` changes them.

    Parameters
    ----------
    classes
        Classes that a network knows; see `find_files`.
    channels
        Channels that a network reads: images get as many, unless the settings say it. Images in
        colour become grey only if they are told to.

    Raises
    ------
    DataError
        If there are none, or Pillow is missing.

    Warns
    -----
    DataWarning
        If Pillow warns of an image; each text once, with the first image that it says it of.
    """
    flow = settings.dataflow_kwargs
    suffixes = SUFFIXES.get(settings.dataset_format, IMAGE_SUFFIXES)
    files = find_files(
        folder,
        suffixes,
        label_dict=settings.label_dict,
        classes=flow.classes or (),
        known=classes,
    )
    mode = _MODES.get(flow.color_mode) or _CHANNELS.get(channels or 3, "RGB")
    states, told = FileStates(), set[str]()
    decode = functools.partial(_decode, settings=settings, mode=mode, states=states, told=told)
    size = flow.target_size or decode(files.paths[0]).shape[:2]
    read = functools.partial(_read, files.paths, settings, (*size, len(mode)), decode)
    shape = (*size, len(mode))
    number = len(files.paths)
    return Dataset(
        x_b_l=LazySamples(
            LazyItems(read, range(number)),
            shape,
            np.float32 if settings.datagen_kwargs.changes_values else np.uint8,
        ),
        labels_b=files.labels_b,
        sample_ids=range(number),
        name=str(folder),
        sha256=hash_files(files, folder, states),
        classes=files.classes,
        preparation=describe_preparation(settings),
        advice="Set target_size and color_mode in input.dataflow_kwargs (--set "
        "input.dataflow_kwargs.target_size=[ROWS,COLUMNS]), or choose another model.",
    )


def _read(
    paths: Sequence[Path],
    settings: InputSettings,
    shape: Shape,
    decode: Callable[[Path], Array],
    i: int,
) -> Array:
    """Return an image as the network wants it."""
    image_hwc = decode(paths[i])
    if image_hwc.shape != shape:
        raise DataError(
            f"{paths[i]} has {image_hwc.shape[0]} x {image_hwc.shape[1]} pixels, the first image "
            f"{shape[0]} x {shape[1]}; set target_size in input.dataflow_kwargs."
        )
    if not settings.datagen_kwargs.changes_values:
        return image_hwc
    changes = settings.datagen_kwargs
    if changes.rescale is None:
        changes = changes.model_copy(update={"rescale": settings.uint8_scale})
    return standardize(image_hwc, changes, str(paths[i]))


def _decode(
    path: Path, *, settings: InputSettings, mode: str, states: FileStates, told: set[str]
) -> Array:
    """Return the bytes of an image, converted and resized."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f"{path} is an image, which needs Pillow. {how_to_install('snn-core', extra='images')}"
        ) from error
    advice = "it is damaged or no image: remove it, or copy it again"
    with while_reading(path, error=DataError, advice=advice), _warn_with_name(path, told):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        spend(path.stat().st_size, "the file")
        # From memory, as Pillow reads as much of a file as its chunks declare.
        with states.watch(path):
            content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            spend(_PER_PIXEL * image.width * image.height, "the image")
            if image.format == "PNG":
                require_all_rows(content)
            image_hwc = np.asarray(_convert(image, path, settings, mode))
            return image_hwc.reshape(*image_hwc.shape[:2], -1)  # grey images come without channel


_MOST_TOLD = 5
_LONGEST_TOLD = 200
"""Warnings of Pillow about the images of a folder, and letters of each, that are shown."""


@contextmanager
def _warn_with_name(path: Path, told: set[str]) -> Iterator[None]:
    """Say what Pillow warns of in a block with the name of the image, unless it was told before.

    Where the block fails, its error says enough.
    """
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    for item in found:
        if not issubclass(item.category, (UserWarning, RuntimeWarning)):  # about code
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)
            continue
        text = shorten(" ".join(str(item.message).split()), _LONGEST_TOLD)
        if text not in told and len(told) < _MOST_TOLD:
            told.add(text)
            warn(f"{path}: {text} (a warning of Pillow; other images are not named). Look at it.")


def _convert(image: ImageFile, path: Path, settings: InputSettings, mode: str) -> Image:
    from PIL import Image as PILImage

    flow = settings.dataflow_kwargs
    if image.mode.startswith(("I", "F")) or _is_cut_off(image):
        raise DataError(
            f"{path} has more than 8 bits per channel; expected 8. Save it with 8 bits, or give "
            f"all values as arrays (.npz)."
        )
    if flow.color_mode == "auto" and mode == "L" and image.mode not in _GREY:
        _require_grey(np.asarray(image.convert("RGB")), path)
    if flow.target_size is None:
        return image.convert(mode)
    rows, columns = flow.target_size
    spend(_PER_PIXEL * rows * columns, "the image in its target_size")
    method = PILImage.Resampling[flow.interpolation.upper()]
    return image.convert(mode).resize((columns, rows), method)


def _is_cut_off(image: ImageFile) -> bool:
    """Return whether Pillow keeps the upper 8 of 16 bits, as it does with colours.

    The mode of the image does not tell, but how its parts are stored does: ``RGB;16B``. Only BMP's
    ``BGR;16`` are the bits of a whole pixel.
    """
    return image.format != "BMP" and any(";16" in str(part) for part in image.tile)


ROUNDED = 1
"""Largest difference between the channels of a grey image: formats such as WebP store brightness
and colour apart, and round each channel that they compute from these."""


def _require_grey(image_hwc: Array, path: Path) -> None:
    """Refuse to lose colours that nobody said to lose."""
    if np.ptp(image_hwc, axis=-1).max(initial=0) > ROUNDED:
        raise DataError(
            f"{path} is in colour, and the network reads grey images; with "
            f"input.dataflow_kwargs.color_mode = 'grayscale' images are made grey."
        )


def standardize(
    image_hwc: Array, settings: DatagenKwargs, name: str = "image"
) -> Float32[Array, "h w c"]:
    """Scale and centre an image, in the order of Keras' ``ImageDataGenerator.standardize``."""
    x = image_hwc.astype(np.float32)
    x = x / np.float32(255) if settings.rescale is None else x * np.float32(settings.rescale)
    if settings.samplewise_center:
        x -= x.mean()
    if settings.samplewise_std_normalization:
        x /= x.std() + np.float32(_EPSILON)
    for values, is_std in ((settings.mean, False), (settings.std, True)):
        asked = (
            settings.featurewise_std_normalization if is_std else settings.featurewise_center
        )  # fmt: skip
        if not asked or values is None:
            continue
        if len(values) not in (1, x.shape[-1]):
            raise DataError(
                f"{name} has {x.shape[-1]} channels; input.datagen_kwargs has {len(values)} "
                f"values in {'std' if is_std else 'mean'}. Expected one, or one per channel."
            )
        value_c = np.array(values, np.float32)
        x = x / (value_c + np.float32(_EPSILON)) if is_std else x - value_c
    return x

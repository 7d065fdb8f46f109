"""Loading of data sets from paths, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from snn_core.data.arrays import (
    ORIGINAL_FILES,
    from_arrays,
    from_original_folder,
    may_be_events,
    npz_names,
)
from snn_core.data.base import Dataset
from snn_core.data.event_files import from_event_files
from snn_core.data.events import EVENT_SUFFIXES
from snn_core.data.events.arrays import find_columns, set_prefix
from snn_core.data.folders import walk_classes
from snn_core.data.forms import from_memory
from snn_core.data.images import IMAGE_SUFFIXES, from_image_folder
from snn_core.data.lazy import LazySamples
from snn_core.errors import DataError
from snn_core.files import MODEL_SUFFIXES, NETWORK_SUFFIX, as_path, describe_path, require_file
from snn_core.phases import phase
from snn_core.settings import InputSettings, Settings
from snn_core.typing import PathLikeStr, Shape

PARTS = ("test", "calibration")

Data: TypeAlias = Any
"""Samples, with labels or without, in any form that `as_dataset` takes: the path of a data set,
arrays or tensors, pairs of them, a dictionary, a `Dataset`, or a data set of a framework."""


@phase("reading the data")
def load_dataset(
    path: PathLikeStr,
    *,
    part: str = "test",
    settings: InputSettings | Mapping[str, Any] | None = None,
    classes: Sequence[str] = (),
    input_shape: Shape | None = None,
) -> Dataset:
    """Load a data set from a file or folder.

    Parameters
    ----------
    path
        A ``.npz`` file with ``x`` and ``y``; a ``.npy`` file of samples; a folder in the original's
        layout; a folder with one sub-folder of images or of recordings for each class; or a file
        of recordings. The last three are read when samples are needed.
    part
        What to take where both are there: ``"test"`` samples with labels, or ``"calibration"``
        samples.
    settings
        How images are prepared, and how events become samples; also as a dictionary.
    classes
        Names of the classes that a network knows, in their order. A folder whose sub-folders are
        among them gets their numbers, so that a class of which it has no samples shifts nothing.
    input_shape
        Shape of one sample in a network. Images get its number of channels, unless the settings
        say it.

    Raises
    ------
    DataError
        If it is missing or holds anything that cannot be used.
    """
    path = as_path(path)
    if settings is None:
        settings = InputSettings()
    elif not isinstance(settings, InputSettings):
        settings = Settings.of({"input": settings}).input
    require_file(path)
    kind: str = settings.dataset_format
    suffix = path.suffix.lower()
    holds_events = suffix in EVENT_SUFFIXES  # HDF5 files may be models, too
    if (
        path.is_file()
        and suffix in (NETWORK_SUFFIX, *MODEL_SUFFIXES)
        and not (holds_events and kind == "aedat")
    ):
        events = ", or set input.dataset_format = 'aedat' for events" if holds_events else ""
        raise DataError(
            f"{path} is {describe_path(path)}; expected samples: .npz with x and y{events}."
        )
    try:
        kind = _kind(path) if kind == "auto" else kind
        return _load(path, kind, part, settings, classes, input_shape)
    except OSError as error:  # such as a folder in it that nobody may read
        raise DataError(
            f"{path} cannot be searched for samples ({error.filename or path}: {error.strerror}); "
            f"expected a file of samples, or a folder with nothing else but a sub-folder for each "
            f"class."
        ) from error


def _load(
    path: Path,
    kind: str,
    part: str,
    settings: InputSettings,
    classes: Sequence[str],
    input_shape: Shape | None,
) -> Dataset:
    """Return the samples of a known format."""
    if kind in ("jpg", "png"):
        _require_folder(path)
        channels = input_shape[-1] if input_shape is not None and len(input_shape) == 3 else None
        return from_image_folder(path, settings, classes=classes, channels=channels)
    if kind == "aedat":
        if not path.exists():
            raise DataError(f"There is no data file or folder {path}.")
        return from_event_files(path, part=part, settings=settings, classes=classes)
    return from_original_folder(path, part=part) if path.is_dir() else from_arrays(path)


def as_dataset(
    data: Data,
    *,
    part: str = "test",
    settings: InputSettings | None = None,
    classes: Sequence[str] = (),
    input_shape: Shape | None = None,
) -> Dataset:
    """Return data of any form as a data set.

    Parameters
    ----------
    data
        A data set; the path of one; or samples in memory, as `snn_core.data.forms.from_memory`
        takes them.
    part, settings, classes
        For `load_dataset`.
    input_shape
        Shape of one sample in the network that they are for.

    Raises
    ------
    DataError
        If they cannot be used.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, (str, PathLike)):
        return load_dataset(
            data, part=part, settings=settings, classes=classes, input_shape=input_shape
        )
    if isinstance(data, LazySamples):
        return Dataset(
            x_b_l=data,
            labels_b=None,
            sample_ids=range(len(data)),
            name="samples",
            sha256="",
        )
    return from_memory(data, input_shape=input_shape)


def _kind(path: Path) -> str:
    """Return the format of what a path holds."""
    if path.is_dir():
        return _kind_of_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        names = dict.fromkeys(npz_names(path))
        has_events = find_columns(names) or any(set_prefix(names, part) for part in PARTS)
        return "aedat" if has_events else "npz"
    if suffix == ".npy":
        return "aedat" if may_be_events(path) else "npz"
    return "aedat" if suffix in EVENT_SUFFIXES else "npz"


def _kind_of_folder(folder: Path) -> str:
    if any((folder / name).exists() for name in ORIGINAL_FILES):
        return "npz"
    if (folder / "run.json").exists():
        raise DataError(f"{folder} is {describe_path(folder)}; expected samples.")
    arrays = [path.name for path in sorted(folder.glob("*.npz")) if "x" in npz_names(path)]
    if arrays and not any(path.is_dir() for path in folder.iterdir()):
        _refuse_several(folder, arrays)
    suffixes = {path.suffix.lower() for path in walk_classes(folder)}
    images, events = suffixes & set(IMAGE_SUFFIXES), suffixes & set(EVENT_SUFFIXES)
    if images and events:
        raise DataError(
            f"{folder} holds images ({', '.join(sorted(images))}) and events "
            f"({', '.join(sorted(events))}); say which in input.dataset_format: jpg, png or aedat."
        )
    if not images and not events:
        raise DataError(
            f"{folder} holds neither images nor recordings, and no {ORIGINAL_FILES[0]}; expected a "
            f"sub-folder of them for each class, or give a file of arrays (.npz)."
        )
    return "jpg" if images else "aedat"


def _refuse_several(folder: Path, names: list[str]) -> None:
    """Refuse to choose among files of arrays, unless they may hold events."""
    plain = [name for name in names if _kind(folder / name) == "npz"]
    if plain:
        raise DataError(
            f"{folder} is a folder of arrays ({', '.join(plain)}); give one of the files, "
            f"such as {folder / plain[-1]}."
        )


def _require_folder(path: Path) -> None:
    if not path.is_dir():
        raise DataError(f"{path} is no folder; expected one with a sub-folder for each class.")

"""Keras model files, ``.keras`` archives and ``.h5`` files, read without TensorFlow.

Nothing in a file is executed: the configuration is JSON, the weights are arrays.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py

from snn_core.errors import ParseError
from snn_core.files import hash_file
from snn_core.parsing.keras.groups import GroupWeights
from snn_core.parsing.keras.weights import ArchiveWeights, WeightStore
from snn_core.reading import FileStates, hdf5, open_archive, parse_json, read_member

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"
DEPTH = 2000
"""Depth of a configuration: models in models, each some levels deep."""

UNKNOWN = "of unknown version"
"""Version of a file that does not tell it."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a Keras model file: configuration and weights.

    Parameters
    ----------
    model
        The configuration.
    weights
        Where the weights are.
    note
        What was read, for the history.
    version
        Version of Keras that wrote it.
    """

    model: Any
    weights: WeightStore
    note: str
    version: str


@contextmanager
def open_file(path: Path) -> Iterator[Contents]:
    """Open a Keras model file and yield its contents.

    Raises
    ------
    ParseError
        If the file is no complete Keras model.
    """
    with FileStates(error=ParseError).watch(path), _reader(path)(path) as contents:
        digest = hash_file(path, error=ParseError)  # once it is known to be a model
        note = f"read {path.name}: {contents.note}, sha256 {digest}"
        yield replace(contents, note=note)


def _reader(path: Path) -> Callable[[Path], AbstractContextManager[Contents]]:
    """Return what reads a file, by its first bytes."""
    with path.open("rb") as file:
        magic = file.read(8)
    if magic == HDF5_MAGIC:
        return _hdf5_contents
    if magic.startswith(_ZIP_MAGIC):
        return _archive_contents
    raise ParseError(
        f"{path} is neither a .keras archive nor an HDF5 file; save the model with "
        f"model.save('model.keras')."
    )


@contextmanager
def _hdf5_contents(path: Path) -> Iterator[Contents]:
    with hdf5.open_hdf5(path) as file:
        text, weights, version = _hdf5_model(file, path)
        model = parse_json(text, "model_config", depth=DEPTH)
        yield Contents(
            model,
            GroupWeights(weights, model),
            f"HDF5 file of Keras {version}",
            version,
        )


def _hdf5_model(file: h5py.File, path: Path) -> tuple[str, h5py.Group, str]:
    """Return the configuration, the weights and the version of Keras."""
    if "model_config" not in file.attrs:
        raise ParseError(
            f"{path} holds no model configuration, so it may hold weights only; save the whole "
            f"model with model.save('model.keras')."
        )
    link = file.get("model_weights", getlink=True)
    if not isinstance(link, h5py.HardLink) or not isinstance(file["model_weights"], h5py.Group):
        raise ParseError(f"{path} holds no weights; save the whole model again.")
    version = _text(file.attrs.get("keras_version", UNKNOWN))
    return _text(file.attrs["model_config"]), file["model_weights"], version


@contextmanager
def _archive_contents(path: Path) -> Iterator[Contents]:
    with open_archive(path) as archive:
        model = parse_json(_member(archive, "config.json"), "config.json", depth=DEPTH)
        metadata = parse_json(_member(archive, "metadata.json"), "metadata.json")
        data = _member(archive, "model.weights.h5")
    version = _text(metadata.get("keras_version", UNKNOWN))
    with hdf5.open_hdf5(data) as file:
        note = f".keras archive of Keras {version}"
        yield Contents(model, ArchiveWeights(file), note, version)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if name not in archive.namelist():
        raise ParseError(
            f"{archive.filename} holds no {name}, so it is no .keras archive; save the model with "
            f"model.save('model.keras')."
        )
    return read_member(archive, name)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

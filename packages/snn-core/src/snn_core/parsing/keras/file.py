"""Keras model files, ``.keras`` archives and ``.h5`` files, read without TensorFlow.

Nothing in a file is executed: the configuration is JSON, the weights are arrays.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py

from snn_core.errors import ParseError
from snn_core.files import hash_file
from snn_core.parsing.keras.weights import ArchiveWeights, GroupWeights, WeightStore, while_reading

MAX_JSON_BYTES = 2**26
MAX_WEIGHT_BYTES = 2**33

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,  # encrypted member
    NotImplementedError,  # unknown compression
)

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
    digest = hash_file(path, error=ParseError)
    with path.open("rb") as file:
        magic = file.read(8)
    if magic == HDF5_MAGIC:
        reader = _hdf5_contents
    elif magic.startswith(_ZIP_MAGIC):
        reader = _archive_contents
    else:
        raise ParseError(
            f"{path} is neither a .keras archive nor an HDF5 file; save the model with "
            f"model.save('model.keras')."
        )
    with reader(path) as contents:
        note = f"read {path.name}: {contents.note}, sha256 {digest}"
        yield replace(contents, note=note)


@contextmanager
def _hdf5_contents(path: Path) -> Iterator[Contents]:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ParseError(f"{path} is a damaged HDF5 file ({error}); copy it again.") from error
    with file:
        with while_reading():
            model, weights, version = _hdf5_model(file, path)
        yield Contents(
            _json(model, what=f"The model configuration of {path}"),
            GroupWeights(weights),
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
    try:
        with zipfile.ZipFile(path) as archive:
            model = _json(
                _member(archive, "config.json", limit=MAX_JSON_BYTES), what=f"config.json of {path}"
            )
            metadata = _json(
                _member(archive, "metadata.json", limit=MAX_JSON_BYTES),
                what=f"metadata.json of {path}",
            )
            data = _member(archive, "model.weights.h5", limit=MAX_WEIGHT_BYTES)
    except _ZIP_ERRORS as error:
        raise ParseError(f"{path} is a damaged archive ({error}); copy it again.") from error
    version = _text(metadata.get("keras_version", UNKNOWN))
    try:
        file = h5py.File(io.BytesIO(data), "r")
    except OSError as error:
        raise ParseError(
            f"The weights in {path} are damaged ({error}); save the model again."
        ) from error
    with file:
        note = f".keras archive of Keras {version}"
        yield Contents(model, ArchiveWeights(file), note, version)


def _member(archive: zipfile.ZipFile, name: str, *, limit: int) -> bytes:
    """Return a member's bytes; its declared size, which bounds what is unpacked, is checked."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ParseError(
            f"{archive.filename} holds no {name}, so it is no .keras archive; save the model with "
            f"model.save('model.keras')."
        ) from None
    if info.file_size > limit:
        raise ParseError(
            f"{name} in {archive.filename} would unpack to {info.file_size} bytes; at most {limit} "
            f"are read."
        )
    return archive.read(info)


def _json(text: str | bytes, *, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{what} is damaged ({error}); save the model again.") from error
    if not isinstance(value, dict):
        raise ParseError(f"{what} is no JSON object; save the model again.")
    return value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

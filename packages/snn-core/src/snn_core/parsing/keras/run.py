"""Safe evaluation of Keras models by Keras: no code from their files is run.

A configuration names classes and functions by module; Keras imports what it is told to. What a
model computes depends only on layers and activations that the parser has seen. Initializers,
regularizers and constraints do not matter at inference and are left out; anything else that is not
Keras' own is not loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.files import redirect_process_stderr
from snn_core.ir import Activation, BinarySigmoid, BinaryTanh, QuantizedReLU, ReLU, Softmax
from snn_core.parsing.keras.activations import ACTIVATIONS, activation_of
from snn_core.parsing.keras.config import CUSTOM_CLASSES
from snn_core.parsing.keras.file import DEPTH, HDF5_MAGIC
from snn_core.parsing.keras.layers import EMITTERS
from snn_core.parsing.keras.nodes import NESTED
from snn_core.reading import hdf5, open_archive, parse_json, read_member
from snn_core.typing import Array

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

_UNUSED = ("_initializer", "_regularizer", "_constraint")
_LEFT_OUT = ("compile_config", "quantization_config")
_KNOWN = frozenset(
    (
        *EMITTERS,
        *NESTED,
        "DTypePolicy",
        "InputLayer",
        "Policy",
        "__keras_tensor__",
        "__numpy__",
        "__slice__",
        "__tensor__",
    )
)
"""Classes that may be named in what Keras loads."""


def run_model(model: Any, x: Array) -> tuple[Array, str] | None:
    """Evaluate a model in memory, for samples in its own axis order."""
    package = type(model).__module__.partition(".")[0]
    keras = _import_keras("tf_keras" if package == "tf_keras" else "keras")
    return None if keras is None else (_evaluate(keras, model, x), _engine(keras))


def run_file(path: Path, x: Array) -> tuple[Array, str] | None:
    """Evaluate the model in a file, for samples in its own axis order."""
    keras = _import_keras("keras")
    if keras is None:
        return None
    with tempfile.TemporaryDirectory() as folder, _silence_backend():
        copy, known = _harmless_copy(path, Path(folder), keras)
        model = keras.models.load_model(copy, custom_objects=known, compile=False, safe_mode=True)
        return _evaluate(keras, model, x), _engine(keras)


def _import_keras(name: str) -> Any:
    """Import Keras and its backend quietly; return nothing where one is missing."""
    try:
        with _silence_backend():
            return importlib.import_module(name)
    except ImportError:
        return None


def _engine(keras: Any) -> str:
    return f"keras {keras.__version__} ({keras.backend.backend()})"


def _evaluate(keras: Any, model: Any, x: Array) -> Array:
    """Evaluate a model on the CPU: GPUs may round to fewer bits than float32 has."""
    with _silence_backend():
        if hasattr(keras, "device"):
            with keras.device("cpu:0"):
                found = keras.ops.convert_to_numpy(model(x, training=False))
        else:
            found = np.asarray(model(x, training=False))
    coarse = ("float16", "bfloat16")
    return found if found.dtype.name in coarse else np.asarray(found, np.float32)


def _harmless_copy(path: Path, folder: Path, keras: Any) -> tuple[Path, dict[str, Any]]:
    """Copy a file without what could run other code; return it and the functions it names."""
    clean = _Cleaner(keras)
    with path.open("rb") as file:
        is_hdf5 = file.read(len(HDF5_MAGIC)) == HDF5_MAGIC
    copy = folder / ("model.h5" if is_hdf5 else "model.keras")
    if is_hdf5:
        _copy_plain(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = clean.json(file.attrs["model_config"])
            file.attrs.pop("training_config", None)
        return copy, clean.functions
    with open_archive(path) as archive, zipfile.ZipFile(copy, "w") as target:
        target.writestr("metadata.json", read_member(archive, "metadata.json"))
        target.writestr("config.json", clean.json(read_member(archive, "config.json")))
        weights = folder / "weights.h5"
        _copy_plain(read_member(archive, "model.weights.h5"), weights)
        target.write(weights, "model.weights.h5")
    return copy, clean.functions


def plain_weights(path: Path, folder: Path) -> Path:
    """Copy the weights in a file, without links to others; return the copy."""
    if not zipfile.is_zipfile(path):
        _copy_plain(path, folder / path.name)
        return folder / path.name
    copy = folder / "model.weights.h5"
    with open_archive(path) as archive:
        _copy_plain(read_member(archive, copy.name), copy)
    return copy


def _copy_plain(source: Path | bytes, target: Path) -> None:
    with hdf5.open_hdf5(source) as file, h5py.File(target, "w") as copy:
        hdf5.copy_plain(file, copy)


class _Cleaner:
    """Cleaner of Keras configurations: afterwards they name only what the parser knows.

    ``functions`` holds the activations that are not Keras' own, under the names that stand for them
    in the result.
    """

    def __init__(self, keras: Any) -> None:
        self.functions: dict[str, Any] = {}
        self._keras = keras

    def json(self, text: str | bytes) -> str:
        """Return a configuration as text."""
        return json.dumps(self._value(parse_json(text, "config.json", depth=DEPTH)))

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "class_name" in value:
            value = self._require_known(value)
        found = {}
        for key, item in value.items():
            if key == "activation":
                found[key] = self._activation(item)
            elif key not in _LEFT_OUT:
                found[key] = None if key.endswith(_UNUSED) else self._value(item)
        return found

    def _require_known(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the entry of an object; raise if the parser does not know its class."""
        kind, module = entry["class_name"], entry.get("module")
        if str(kind).rpartition(">")[2] in CUSTOM_CLASSES:
            named = {"class_name": "ReLU", "module": "keras.layers", "registered_name": None}
            return entry | (named if "module" in entry else {"class_name": "ReLU"})
        if kind not in _KNOWN or str(module or "keras").partition(".")[0] != "keras":
            raise ParseError(f"it holds {module or ''} {kind}, which is not loaded")
        return entry

    def _activation(self, value: Any) -> Any:
        """Return a name for an activation, defined where it is not Keras' own."""
        if value is None or (isinstance(value, str) and value in ACTIVATIONS):
            return value
        try:
            function = _make_function(self._keras, activation_of(value))
        except UnsupportedError:
            return "linear"  # the output does not depend on this layer, or it would be refused
        name = f"snn_activation_{len(self.functions)}"
        self.functions[name] = function
        serialized = {"module": "builtins", "class_name": "function", "config": name}
        return {**serialized, "registered_name": "function"}


def _make_function(keras: Any, activation: Activation) -> Any:
    """Return an activation as a function of Keras 3."""
    if not hasattr(keras, "ops"):
        raise ParseError(f"custom activations need Keras 3; this is Keras {keras.__version__}")
    ops = keras.ops
    if isinstance(activation, ReLU):
        return lambda x: keras.activations.relu(x, max_value=activation.max_value)
    if isinstance(activation, QuantizedReLU):
        return lambda x: ops.clip(
            ops.round(x / activation.step) * activation.step, 0.0, activation.max_value
        )
    if isinstance(activation, BinarySigmoid):
        return lambda x: ops.cast(x > 0, x.dtype)
    if isinstance(activation, BinaryTanh):
        return lambda x: ops.cast(x > 0, x.dtype) * 2 - 1
    return keras.activations.softmax if isinstance(activation, Softmax) else lambda x: x


@contextmanager
def _silence_backend() -> Iterator[None]:
    """Keep what TensorFlow writes to standard error from the terminal; errors are exceptions."""
    before = os.environ.get(LOG_LEVEL)
    os.environ.setdefault(LOG_LEVEL, "2")
    try:
        with Path(os.devnull).open("w") as nothing, redirect_process_stderr(nothing):
            yield
    finally:
        if before is None:
            os.environ.pop(LOG_LEVEL, None)

"""Keras models: files of Keras 2 and 3, and models in memory."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from snn_core.errors import ParseError
from snn_core.ir import Network
from snn_core.parsing.base import ModelName
from snn_core.parsing.keras.config import UINT8
from snn_core.parsing.keras.file import Contents, open_file
from snn_core.parsing.keras.graph import flatten_model
from snn_core.parsing.keras.layers import build
from snn_core.parsing.keras.run import plain_weights, run_file, run_model
from snn_core.parsing.keras.weights import ModelWeights
from snn_core.parsing.sources import load_named, to_type
from snn_core.reading import while_reading
from snn_core.typing import Array, Shape

_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(\.|$)")

SUFFIXES = (".keras", ".h5", ".hdf5")

TESTED = (3, 15)
"""Newest version of Keras with which the tests of snn-inisim compare what files mean."""


class KerasParser:
    """Parser of models saved with ``model.save`` by Keras 2 or 3, and of ``keras.Model`` objects.

    Reading a file needs no Keras.
    """

    name = "keras"
    framework = "keras and tensorflow"
    reads = "Keras models (.keras, .h5, .hdf5, module:attribute, keras.Model)"

    def accepts(self, source: Any) -> bool:
        """Return whether ``source`` is a file with a Keras suffix or an object of Keras."""
        if isinstance(source, (str, PathLike)):
            return Path(source).suffix.lower() in SUFFIXES
        return isinstance(source, ModelName) or _is_model(source)

    def parse(self, source: Any, *, input_shape: Shape | None = None) -> Network:
        """Return the network of a model, in the source dialect.

        Layers carry the names they have in Keras; those of nested models are joined by slashes.

        Parameters
        ----------
        input_shape
            Shape of one sample in the model's axis order, where the model leaves it open.

        Raises
        ------
        ParseError
            If a file is no complete Keras model, or an object has no weights yet.
        UnsupportedError
            With every layer that cannot be converted.
        """
        with _open_contents(source) as contents:
            graph = flatten_model(contents.model, input_shape=input_shape)
            return build(graph, contents.weights, note=contents.note).network

    def vouches(self, source: Any) -> str:
        """Return why Keras does not have to be started to check a source; empty if it has to.

        Starting it takes seconds. What a file means depends on its layers and on the version that
        wrote it. Tests compare every layer with Keras up to `TESTED`, so what is left to find out
        is whether a newer version means the same. Where Keras runs already, it is asked.
        """
        is_running = "keras" in sys.modules or "tf_keras" in sys.modules
        if is_running or not isinstance(source, (str, PathLike)):
            return ""
        with _open_contents(source) as contents:
            version = contents.version
        newest = ".".join(map(str, TESTED))
        return f"written by Keras {version}, tested up to {newest}" if _is_tested(version) else ""

    def run(
        self, source: Any, x_b_l: Array, *, input_shape: Shape | None = None
    ) -> tuple[Array, str, str] | None:
        """Evaluate the model with Keras; return its version and the type of numbers, too.

        Returns nothing if it is missing.
        """
        with _open_contents(source) as contents:
            graph = flatten_model(contents.model, input_shape=input_shape)
            # Refuses what must not be run.
            reading = build(graph, contents.weights, note=contents.note)
        x = reading.to_source(x_b_l)
        x = to_type(x, UINT8) if graph.dtype == UINT8 else x
        if isinstance(source, (str, PathLike)):
            found = run_file(Path(source), x)
        else:
            found = run_model(_model(source), x)
        if found is None:
            return None
        y, engine = found
        return reading.from_source(y), engine, y.dtype.name


def _is_tested(version: str) -> bool:
    """Return whether tests compare with a version of Keras, or with a newer one."""
    found = _VERSION.match(version)
    return found is not None and tuple(map(int, found.group(1, 2))) <= TESTED


@contextmanager
def _open_contents(source: Any) -> Iterator[Contents]:
    if isinstance(source, (str, PathLike)):
        path = Path(source)
        advice = "copy it again, or save the model again: model.save('model.keras')"
        with while_reading(path, error=ParseError, advice=advice), open_file(path) as contents:
            yield contents
        return
    model = _model(source)
    version = getattr(sys.modules.get(type(model).__module__.partition(".")[0]), "__version__", "")
    config = _config(model)
    note = f"read the model {model.name!r} of Keras {version}"
    yield Contents(config, ModelWeights(model), note, version)


def _is_model(source: Any) -> bool:
    """Return whether an object is a Keras model; whoever has one has imported Keras."""
    frameworks = (sys.modules.get(name) for name in ("keras", "tf_keras"))
    kinds = tuple(
        kind for item in frameworks if isinstance(kind := getattr(item, "Model", 0), type)
    )
    return isinstance(source, kinds)


def _model(source: Any) -> Any:
    """Return the model that is meant, with its weights."""
    return load_named(source, KerasParser(), _load_weights)


def _load_weights(model: Any, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model.load_weights(plain_weights(path, Path(folder)))


def _config(model: Any) -> Any:
    """Return the configuration of a model as a file would hold it."""
    try:
        return json.loads(model.to_json())
    except (NotImplementedError, TypeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise ParseError(
            f"The Keras model {model.name!r} cannot describe its layers ({first}); build it as a "
            f"functional model, keras.Model(inputs, outputs)."
        ) from error

"""ONNX models, opset 7 and later, read with the ``onnx`` package (extra ``snn-core[onnx]``)."""

from __future__ import annotations

import hashlib
import sys
from os import PathLike
from pathlib import Path
from typing import Any

from snn_core.errors import ParseError
from snn_core.ir import Network
from snn_core.parsing.base import require
from snn_core.parsing.emit.walk import Reading
from snn_core.parsing.onnx.graph import read
from snn_core.parsing.onnx.run import evaluate
from snn_core.reading import limit_memory, spend, while_reading
from snn_core.typing import Array, Shape

SUFFIXES = (".onnx",)

_ADVICE = "copy it again, or export the model again"


class OnnxFileParser:
    """Parser of ``.onnx`` files and of ``onnx.ModelProto`` objects."""

    name = "onnx"
    reads = "ONNX models (.onnx)"

    def accepts(self, source: Any) -> bool:
        """Return whether ``source`` is the path of an ``.onnx`` file or a loaded model."""
        if isinstance(source, (str, PathLike)):
            return Path(source).suffix.lower() in SUFFIXES
        onnx = sys.modules.get("onnx")
        return onnx is not None and isinstance(source, onnx.ModelProto)

    def parse(self, source: Any, *, input_shape: Shape | None = None) -> Network:
        """Return the network of a model, in the source dialect.

        Layers carry the names of their nodes.

        Parameters
        ----------
        input_shape
            Shape of one sample in the model's axis order, where the model leaves it open.

        Raises
        ------
        ParseError
            If the file is no complete ONNX model, or the package ``onnx`` is missing.
        UnsupportedError
            With every node that cannot be converted.
        """
        return _read(source, input_shape).network

    def run(
        self, source: Any, x_b_l: Array, *, input_shape: Shape | None = None
    ) -> tuple[Array, str]:
        """Evaluate the model with an ONNX engine; return the engine's name, too.

        ``onnxruntime`` where it is installed, else the reference evaluator of ``onnx``.
        """
        reading = _read(source, input_shape)
        x = reading.to_source(x_b_l)
        stored = reading.network.output.output_shape
        with limit_memory("The model", error=ParseError):
            y, engine = evaluate(source, x, tuple(stored[axis] for axis in reading.output_axes))
        return reading.from_source(y), engine


def _read(source: Any, input_shape: Shape | None) -> Reading:
    onnx = require("onnx", extra="onnx")
    if not isinstance(source, (str, PathLike)):
        # Text that is not UTF-8, for one, comes out of protobuf as bytes.
        with while_reading("the ONNX model", error=ParseError, advice=_ADVICE):
            return read(source, folder=None, note="read an ONNX model", input_shape=input_shape)
    path = Path(source)
    with while_reading(path, error=ParseError, advice=_ADVICE):
        model, digest = _load(onnx, path)
        producer = f"{model.producer_name} {model.producer_version}".strip()
        producer = producer or "an unknown producer"
        note = f"read {path.name}: ONNX model of {producer}, sha256 {digest}"
        return read(model, folder=path.parent, note=note, input_shape=input_shape)


def _load(onnx: Any, path: Path) -> tuple[Any, str]:
    """Return the model without data stored in other files, and the hash of the file."""
    spend(path.stat().st_size, path.name)
    content = path.read_bytes()
    model = onnx.load_model_from_string(content)
    if not model.graph.node:
        raise ParseError(f"{path} holds no ONNX graph; export the model again.")
    return model, hashlib.sha256(content).hexdigest()

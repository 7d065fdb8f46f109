"""Safe evaluation of ONNX models by an engine: only plain operators, and only their own files.

An engine loads what a model names: data in other files, libraries' operators, functions of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.parsing.onnx.constants import external_file
from snn_core.parsing.onnx.graph import DOMAINS
from snn_core.parsing.sources import to_type
from snn_core.typing import Array, Shape

_TYPES = {
    "tensor(float16)": "f2", "tensor(float)": "f4", "tensor(double)": "f8", "tensor(uint8)": "u1"
}  # fmt: skip

_UNUSED = ("metadata_props", "training_info", "configuration")
"""Parts of a model that do not matter for what it computes, but may for an engine."""


def evaluate(source: Any, x: Array, shape: Shape) -> tuple[Array, str]:
    """Run a model on samples in its own axis order and type, one by one as some demand it.

    Parameters
    ----------
    shape
        That of one output; a model for one sample may give it without the axis of the samples.

    Returns
    -------
    The outputs and the name of the engine.

    Raises
    ------
    ParseError
        If the model holds what no engine is given.
    """
    content = _harmless(source)
    try:
        runtime = import_module("onnxruntime")
    except ImportError:
        onnx = import_module("onnx")
        evaluator = import_module("onnx.reference").ReferenceEvaluator(content)
        name = evaluator.input_names[0]
        kind = onnx.helper.tensor_dtype_to_np_dtype(evaluator.input_types[0].tensor_type.elem_type)
        engine = f"the reference evaluator of onnx {onnx.__version__}"
    else:
        runtime.set_default_logger_severity(3)  # errors only
        evaluator = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        name, kind = evaluator.get_inputs()[0].name, _TYPES[evaluator.get_inputs()[0].type]
        engine = f"onnxruntime {runtime.__version__}"
    x = to_type(x, kind)
    outputs = [evaluator.run(None, {name: x[i : i + 1]})[0] for i in range(len(x))]
    return np.stack([y.reshape(shape) for y in outputs]), engine


def _harmless(source: Any) -> str | bytes:
    """Return what an engine may load: a model's bytes, or its path if its data lie beside it."""
    path = Path(source) if isinstance(source, (str, PathLike)) else None
    onnx = import_module("onnx")
    model = onnx.ModelProto()
    model.CopyFrom(source if path is None else onnx.load_model_from_string(path.read_bytes()))
    folder = None if path is None else path.parent
    functions = {(item.domain, item.name) for item in model.functions}
    lies_outside = False
    for part in _parts(model):
        kind = type(part).__name__
        if kind == "TensorProto" and part.data_location == part.EXTERNAL:
            external_file(part, folder)
            lies_outside = True
        is_plain = kind != "NodeProto" or part.domain in DOMAINS
        if not is_plain and (part.domain, part.op_type) not in functions:
            raise ParseError(f"it holds {part.domain}.{part.op_type}, which no engine is given")
    for name in _UNUSED:
        if hasattr(model, name):  # new versions of onnx have more parts
            model.ClearField(name)
    return str(path) if lies_outside else model.SerializeToString()


def _parts(message: Any) -> Iterator[Any]:
    """Yield a message of protocol buffers and all that lie in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in [value] if hasattr(value, "ListFields") else value:
                yield from _parts(item)

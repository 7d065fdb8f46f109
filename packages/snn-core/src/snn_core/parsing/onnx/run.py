"""Safe evaluation of ONNX models by an engine: only plain operators, and only their own files.

An engine loads what a model names: data in other files, libraries' operators, functions of its own.
"""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.parsing.emit.walk import trace_back
from snn_core.parsing.onnx.external import external_file, is_external, load_external, parts_of
from snn_core.parsing.onnx.functions import DOMAINS, inline_functions
from snn_core.parsing.sources import to_type
from snn_core.reading import spend
from snn_core.typing import Array, Shape

_TYPES = {
    "tensor(float16)": "f2", "tensor(float)": "f4", "tensor(double)": "f8", "tensor(uint8)": "u1"
}  # fmt: skip

_UNUSED = ("metadata_props", "training_info", "configuration")
"""Parts of a model that do not matter for what it computes, but may for an engine."""


def evaluate(source: Any, x: Array, shape: Shape) -> tuple[Array, str]:
    """Run a model on samples in its own axis order and type, as many at once as it demands.

    A model that leaves their number open gets one after the other. The last samples are repeated
    where they do not fill a batch.

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
        name, declared = evaluator.input_names[0], evaluator.input_types[0].tensor_type
        kind = onnx.helper.tensor_dtype_to_np_dtype(declared.elem_type)
        number: Any = declared.shape.dim[0].dim_value
        engine = f"the reference evaluator of onnx {onnx.__version__}"
    else:
        runtime.set_default_logger_severity(3)  # errors only
        options = runtime.SessionOptions()  # without kernels that round otherwise than the model
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        evaluator = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        entry = evaluator.get_inputs()[0]
        name, kind, number = entry.name, _TYPES.get(entry.type), entry.shape[0]
        if kind is None:
            raise ParseError(f"onnxruntime takes no NumPy arrays of the type {entry.type}")
        engine = f"onnxruntime {runtime.__version__}"
    number = number if isinstance(number, int) and number > 0 else 1
    x = to_type(x, kind)
    spend(number * (x[:1].nbytes + 8), f"A batch of {number} samples", kept=False)
    outputs = [
        evaluator.run(None, {name: _take(x, start, number)})[0].reshape(number, *shape)
        for start in range(0, len(x), number)
    ]
    return np.concatenate(outputs)[: len(x)], engine


def _take(x: Array, start: int, number: int) -> Array:
    """Return a batch of samples, which begins again where they end."""
    return x.take(range(start, start + number), axis=0, mode="wrap")


def _harmless(source: Any) -> str | bytes:
    """Return what an engine may load: a model's bytes, or its path if its data lie beside it."""
    path = Path(source) if isinstance(source, (str, PathLike)) else None
    onnx = import_module("onnx")
    model = onnx.ModelProto()
    model.CopyFrom(source if path is None else onnx.load_model_from_string(path.read_bytes()))
    folder = None if path is None else path.parent
    functions = {(item.domain, item.name) for item in model.functions}
    lies_outside = False
    for part in parts_of(model):
        kind = type(part).__name__
        if is_external(part):
            external_file(part, folder)
            lies_outside = True
        is_plain = kind != "NodeProto" or part.domain in DOMAINS
        if not is_plain and (part.domain, part.op_type) not in functions:
            raise ParseError(f"it holds {part.domain}.{part.op_type}, which no engine is given")
    for name in _UNUSED:
        if hasattr(model, name):  # new versions of onnx have more parts
            model.ClearField(name)
    model, is_whole = _needed_part(model)
    if lies_outside and is_whole:
        return str(path)
    content: bytes = load_external(model, folder).SerializeToString()
    return content


def _needed_part(model: Any) -> tuple[Any, bool]:
    """Return a model with the nodes alone that its output needs, and whether that is all of it.

    Engines compute the others as well, whatever memory that takes, when constants are folded.
    """
    inlined = inline_functions(model)
    graph = inlined.graph
    reads = [_names_in(node) for node in graph.node]
    targets = [item.name for item in graph.output]
    needed = trace_back(reads, [node.output for node in graph.node], targets)
    if inlined is model and len(needed) == len(graph.node):
        return model, True
    kept = [node for i, node in enumerate(graph.node) if i in needed]
    read = {name for i in needed for name in reads[i]} | set(targets)
    unread = {item.name for item in graph.initializer} - read
    made = read | {name for node in kept for name in node.output}
    for items, keep in (
        (graph.node, kept),
        (graph.initializer, [item for item in graph.initializer if item.name not in unread]),
        (graph.input, [item for item in graph.input if item.name not in unread]),
        (graph.value_info, [item for item in graph.value_info if item.name in made]),
    ):
        copies = [type(item).FromString(item.SerializeToString()) for item in keep]
        del items[:]
        items.extend(copies)
    return inlined, False


def _names_in(node: Any) -> list[str]:
    """Return the names that a node reads, in its subgraphs, too."""
    return [
        name for part in parts_of(node) if type(part).__name__ == "NodeProto" for name in part.input
    ]

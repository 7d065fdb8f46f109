"""Constants, constant folding and shape inference of an ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.base import require
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Value
from snn_core.parsing.onnx.external import with_external_data
from snn_core.reading import count_values, spend, while_reading
from snn_core.typing import Array, Shape

HEADLINE = "This ONNX model cannot be converted"

MAX_FOLDED = 2**28
"""Largest number of values that a constant may grow to, so that small files stay small."""

SMALL = 64
"""Number of values up to which constants can hold a shape or settings."""

_FOLDED = frozenset((
    "Add", "Cast", "CastLike", "Ceil", "Concat", "Constant", "ConstantOfShape",
    "DequantizeLinear", "Div", "Equal", "Expand", "Flatten", "Floor", "Gather", "Identity",
    "Max", "Min", "Mul", "Neg", "Pow", "QuantizeLinear", "Range", "Reciprocal", "ReduceL2",
    "ReduceProd", "ReduceSum", "Reshape", "Shape", "Size", "Slice", "Split", "Sqrt", "Squeeze",
    "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
))  # fmt: skip

_ITEMSIZE = 8
"""Bytes that a value of a constant takes at most."""

_COPIES = 2
"""How often the values of a constant are there while it is computed."""

_QUANTIZERS = ("DequantizeLinear", "QuantizeLinear")
_OLDEST_QUANTIZERS = 19
"""The first operator set of which onnx evaluates them; models of older ones mean the same there."""


class Constants:
    """The constants of a graph by name; large ones are read when they are needed."""

    def __init__(self, graph: Any, folder: Path | None) -> None:
        self._stored = {item.name: item for item in graph.initializer}
        self.folder = folder
        self._folded: dict[str, Array] = {}
        sparse = [item.values.name for item in graph.sparse_initializer]
        if sparse:
            raise UnsupportedError(
                [f"{', '.join(sparse)}: sparse initializers; store them as dense ones"],
                what=HEADLINE,
            )

    def __contains__(self, name: str) -> bool:
        return name in self._stored or name in self._folded

    def __getitem__(self, name: str) -> Array:
        if name in self._folded:
            return self._folded[name]
        tensor = self._stored[name]
        helper = require("onnx.numpy_helper", extra="onnx")
        what = f"The constant {name!r}"
        with while_reading(what, error=ParseError, advice="export the model again"):
            if min(tensor.dims, default=0) < 0:
                raise ParseError(
                    f"{what} has a negative size in its shape {tuple(tensor.dims)}; the file is "
                    f"damaged: export the model again."
                )
            if tensor.data_location == tensor.EXTERNAL:
                tensor = with_external_data(tensor, self.folder)
            spend(_ITEMSIZE * count_values(tensor.dims), what)
            return np.asarray(helper.to_array(tensor))

    def __setitem__(self, name: str, values: Array) -> None:
        spend(values.nbytes, f"The constant {name!r}")
        self._folded[name] = values


def fold(node: Any, feeds: Mapping[str, Array], *, opset: int) -> list[Array]:
    """Compute the outputs of a node whose inputs are all constants.

    Raises
    ------
    UnsupportedError
        If that is not possible.
    """
    if node.op_type not in _FOLDED:
        raise UnsupportedError(["it computes with constants alone; fold them first"])
    number = _count_values(node, feeds)
    if number > MAX_FOLDED:
        raise UnsupportedError(
            [f"it makes more than {MAX_FOLDED} values out of few; fold it first"]
        )
    what = f"The constant {node.output[0]!r}"
    spend(int(_COPIES * _ITEMSIZE * number), what, kept=False)
    helper = require("onnx.helper", extra="onnx")
    value_info = require("onnx", extra="onnx").ValueInfoProto
    graph = helper.make_graph(
        [node],
        "constant",
        [value_info(name=item) for item in feeds],
        [value_info(name=item) for item in node.output if item],
    )
    if node.op_type in _QUANTIZERS:
        opset = max(opset, _OLDEST_QUANTIZERS)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    evaluator = require("onnx.reference", extra="onnx").ReferenceEvaluator
    try:
        found = evaluator(model).run(None, dict(feeds))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnsupportedError([f"it cannot be computed from constants ({reason})"]) from error
    return [np.asarray(values) for values in found]


_BROADCASTING = frozenset((
    "Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Where", "Equal", "Gather",
))  # fmt: skip


def _count_values(node: Any, feeds: Mapping[str, Array]) -> float:
    """Return at most how many values a node makes out of its inputs."""
    given = [feeds[name] for name in node.input if name]
    sizes = [float(values.size) for values in given]
    if node.op_type == "ConstantOfShape":
        return float(np.prod(given[0], dtype=np.float64))
    if node.op_type == "Range":
        start, limit, delta = (float(values.reshape(-1)[0]) for values in given)
        return abs((limit - start) / delta) if delta else math.inf
    if node.op_type in ("Expand", "Tile"):
        return sizes[0] * float(np.prod(given[1], dtype=np.float64))
    if node.op_type in _BROADCASTING:
        return math.prod(sizes) if max(sizes) > SMALL else 0.0
    return 0.0


def infer_shapes(
    node: Any, inputs: Sequence[Value], *, opset: int, batch: int
) -> tuple[list[Shape | None], str]:
    """Return the shapes of one sample of a node's outputs, as ONNX infers them, or why it cannot.

    Parameters
    ----------
    inputs
        What the node reads, in its order; ``None`` where that is unknown or left out.
    batch
        Number of samples of the tensors.
    """
    helper = require("onnx.helper", extra="onnx")
    numpy_helper = require("onnx.numpy_helper", extra="onnx")
    if node.op_type == "Squeeze":
        batch = max(batch, 2)  # without axes it would remove that of a single sample, too
    given = {item.name for item in node.attribute if item.i or item.s or item.ints}
    # Up to operator set 21 ONNX counts windows that no engine computes, and adds the output padding
    # to what ``SAME`` makes input times stride.
    if "ceil_mode" in given or given >= {"auto_pad", "output_padding"}:
        return [], ""
    types: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for name, value in zip(node.input, inputs, strict=True):
        if isinstance(value, View):
            # All activations are read as float32.
            types[name] = helper.make_tensor_type_proto(1, (batch, *value.shape))
        elif value is not None:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            types[name] = helper.make_tensor_type_proto(kind, value.shape)
            if value.size <= SMALL:
                data[name] = numpy_helper.from_array(value, name)
        elif name:
            return [], ""
    inference = require("onnx.shape_inference", extra="onnx")
    try:
        schema = require("onnx.defs", extra="onnx").get_schema(node.op_type, opset)
        imports = [helper.make_opsetid("", opset)]
        found = inference.infer_node_outputs(schema, node, types, data, opset_imports=imports)
    except inference.InferenceError as error:
        return [], str(error).removeprefix("[ShapeInferenceError] ").rstrip(".")
    except Exception:  # noqa: BLE001 - the operator is not known
        return [], ""
    return [shape_of(found[name]) if name in found else None for name in node.output], ""


def shape_of(kind: Any) -> Shape | None:
    """Return the shape of one sample of a typed value, if it is fixed."""
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = list(kind.tensor_type.shape.dim)[1:]
    if any(not dim.HasField("dim_value") or dim.dim_value < 1 for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)

"""The walk over an ONNX graph: shapes are inferred and constants folded on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.base import require
from snn_core.parsing.channels_first.builder import Builder
from snn_core.parsing.channels_first.views import View
from snn_core.parsing.channels_first.walk import (
    Call,
    Reading,
    Value,
    channels_come_first,
    finished,
    outputs_of,
)
from snn_core.parsing.onnx_ops import ADVICE, DEFAULT_ADVICE, EMITTERS
from snn_core.typing import Array, Shape

HEADLINE = "This ONNX model cannot be converted"
OLDEST_OPSET = 7
"""Before it, broadcasting and batch normalization had other meanings."""

DOMAINS = ("", "ai.onnx")

MAX_FOLDED = 2**26
"""Largest number of values that an operator may make out of a few."""

_FOLDED = frozenset(
    [
        "Add",
        "Cast",
        "CastLike",
        "Ceil",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "DequantizeLinear",
        "Div",
        "Equal",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "Identity",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Pow",
        "QuantizeLinear",
        "Range",
        "Reciprocal",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Shape",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
# Operators that can make much out of little, and the input that tells how much.
_GROWING = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Range": 1}


def read(model: Any, *, folder: Path | None, note: str, input_shape: Shape | None) -> Reading:
    """Return the network of an ONNX model.

    Parameters
    ----------
    model
        An ``onnx.ModelProto``.
    folder
        Where files with external data lie.
    note
        First line of the history.
    input_shape
        Shape of one sample, where the model leaves it open.

    Raises
    ------
    ParseError
        If the model is damaged.
    UnsupportedError
        With all nodes that cannot be converted.
    """
    opset = _opset(model)
    if model.functions:
        model = require("onnx.inliner", extra="onnx").inline_local_functions(model)
    graph = model.graph
    constants = _Constants(graph, folder)
    source = _the_one([item for item in graph.input if item.name not in constants], "inputs")
    target = _the_one(graph.output, "outputs")
    needed, dead = _needed(graph.node, target.name)
    problems = _foreign(graph.node, needed)
    shape, batch = _input_shape(source, input_shape)
    b = Builder()
    start = b.start(shape, channels_first=_channels_first(graph.node, source.name, len(shape)))
    walk = _Walk(b, constants, opset, batch, {source.name: start})
    for i, node in enumerate(graph.node):
        if i in needed:
            problems += walk.visit(node, i)
    if problems:
        raise UnsupportedError(problems, what=HEADLINE)
    history = [note]
    if dead:
        history.append(f"left out, as the output does not depend on them: {', '.join(dead)}")
    log_softmax = any(graph.node[i].op_type == "LogSoftmax" for i in needed)
    try:
        return finished(b, start, walk.value(target.name), history=history, log_softmax=log_softmax)
    except UnsupportedError as error:
        raise UnsupportedError(
            [f"{target.name}: {problem}" for problem in error.problems], what=HEADLINE
        ) from error


def _opset(model: Any) -> int:
    versions = {item.domain: item.version for item in model.opset_import}
    version = next((versions[domain] for domain in DOMAINS if domain in versions), 0)
    newest = require("onnx.defs", extra="onnx").onnx_opset_version()
    if not OLDEST_OPSET <= version <= newest:
        raise ParseError(
            f"The model uses the operator set {version}; this installation reads {OLDEST_OPSET} to "
            f"{newest}. Convert it with onnx.version_converter, or update onnx."
        )
    return int(version)


def _the_one(values: Iterable[Any], what: str) -> Any:
    values = list(values)
    if len(values) != 1:
        names = ", ".join(value.name for value in values) or "none"
        raise UnsupportedError(
            [f"the model has {len(values)} {what} ({names}); expected one"], what=HEADLINE
        )
    return values[0]


def _foreign(nodes: Any, needed: set[int]) -> list[str]:
    """Return a line for each node of a foreign operator set."""
    return [
        f"{_name(node, i)} ({node.domain}.{node.op_type}): operators of the domain "
        f"{node.domain!r} are not known; export the model with standard operators"
        for i, node in enumerate(nodes)
        if i in needed and node.domain not in DOMAINS
    ]


def _needed(nodes: Any, target: str) -> tuple[set[int], list[str]]:
    """Return which nodes the output depends on, and the names of the others."""
    producers = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    found: set[int] = set()
    waiting = [target]
    while waiting:
        i = producers.get(waiting.pop())
        if i is not None and i not in found:
            found.add(i)
            waiting += list(nodes[i].input)
    dead = [_name(node, i) for i, node in enumerate(nodes) if i not in found]
    return found, dead


def _name(node: Any, index: int) -> str:
    return node.name or (node.output[0] if node.output else f"node {index}")


def _input_shape(source: Any, given: Shape | None) -> tuple[Shape, int]:
    """Return the shape of one sample and the number of samples that the model is made for."""
    dims = source.type.tensor_type.shape.dim
    declared = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if not declared:
        raise ParseError("The model's input has no shape; export it again with one.")
    batch, *sizes = declared
    if given is not None:
        fits = len(given) == len(sizes) and all(
            size in (None, own) for size, own in zip(sizes, given, strict=True)
        )
        if not fits:
            found = tuple("?" if size is None else size for size in sizes)
            raise ParseError(f"The input shape {given} does not fit to the model's {found}.")
        sizes = list(given)
    if not sizes or any(size is None or size < 1 for size in sizes):
        raise ParseError(
            f"The model leaves its input shape open ({source.name}: {declared}); give the shape of "
            f"one sample, for example --input-shape 3,32,32."
        )
    return tuple(sizes), batch or 1


def _channels_first(nodes: Any, source: str, rank: int) -> bool:
    def first_reader(name: str) -> tuple[str, str, list[int]] | None:
        for node in nodes:
            if name in node.input:
                role = _ROLES.get(node.op_type, "other")
                axes = [list(item.ints) for item in node.attribute if item.name == "perm"]
                return role, node.output[0], axes[0] if axes else []
        return None

    return channels_come_first(first_reader, source, rank)


_ROLES = {
    **dict.fromkeys(
        ("Identity", "Cast", "Add", "Sub", "Mul", "Div", "Neg", "Relu", "Clip", "Dropout"),
        "elementwise",
    ),
    **dict.fromkeys(("MatMul", "Gemm"), "dense"),
    **dict.fromkeys(("Reshape", "Flatten"), "reshape"),
    "Transpose": "transpose",
}


class _Constants:
    """The constants of a graph by name; large ones are read when they are needed."""

    def __init__(self, graph: Any, folder: Path | None) -> None:
        self._stored = {item.name: item for item in graph.initializer}
        self._folder = folder
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
        try:
            if tensor.data_location == tensor.EXTERNAL:
                tensor = _with_external_data(tensor, self._folder)
            return np.asarray(helper.to_array(tensor))
        except (ValueError, TypeError, OSError) as error:
            raise ParseError(f"The constant {name!r} is damaged ({error}).") from error

    def __setitem__(self, name: str, values: Array) -> None:
        self._folded[name] = values


def _with_external_data(tensor: Any, folder: Path | None) -> Any:
    """Return a tensor with its data, which must lie in the model's own folder."""
    entries = {item.key: item.value for item in tensor.external_data}
    location = entries.get("location", "")
    path = None if folder is None else (folder / location)
    if path is None or not location or Path(location).is_absolute() or ".." in Path(location).parts:
        raise ParseError(
            f"The constant {tensor.name!r} lies outside the model's folder ({location!r}), which "
            f"is not read; export the model as one file or put its data beside it."
        )
    if path.is_symlink() or not path.is_file():
        raise ParseError(f"The constant {tensor.name!r} lies in {path}, which is no plain file.")
    full = type(tensor)()
    full.CopyFrom(tensor)
    with path.open("rb") as file:
        file.seek(int(entries.get("offset", 0)))
        full.raw_data = file.read(int(entries.get("length", -1)))
    full.data_location = full.DEFAULT
    del full.external_data[:]
    return full


@dataclass(slots=True)
class _Walk:
    """The values computed so far."""

    b: Builder
    constants: _Constants
    opset: int
    batch: int
    tensors: dict[str, View | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def value(self, name: str) -> Value:
        """Return a tensor or a constant."""
        if name in self.tensors:
            return self.tensors[name]
        if name in self.constants:
            return self.constants[name]
        raise ParseError(f"The model reads {name!r} before it is computed; export it again.")

    def visit(self, node: Any, index: int) -> list[str]:
        """Compute one node; return the reasons why it cannot be converted."""
        if node.domain not in DOMAINS:
            self._set(node, [None])
            return []
        name = _name(node, index)
        settings = _settings(node) | {"opset": self.opset, "batch": self.batch}
        settings |= {"outputs": len(node.output)}
        read = [item for item in node.input if item]
        unknown = any(self.tensors.get(item, True) is None for item in read)
        if all(item in self.constants for item in read):
            return self._fold(node, name)
        if node.op_type in ("Shape", "Size") and not unknown:
            return self._fold(node, name, {node.input[0]: self._shaped(node.input[0])})
        inputs = {str(place): self.value(item) for place, item in enumerate(node.input) if item}
        call = Call(name=name, kind=node.op_type, inputs=inputs, settings=settings)
        advice = ADVICE.get(node.op_type, DEFAULT_ADVICE)
        values, problems = outputs_of(EMITTERS.get(node.op_type), self.b, call, advice=advice)
        self._set(node, values)
        return problems

    def _shaped(self, name: str) -> Array:
        """Return zeros of the shape that a tensor has for a whole batch."""
        view = self.tensors[name]
        shape = view.shape if view is not None else ()
        return np.broadcast_to(np.float32(0), (self.batch, *shape))

    def _set(self, node: Any, values: Any) -> None:
        """Keep the outputs of a node; those it does not give are unknown."""
        for place, name in enumerate(node.output):
            value = values[place] if place < len(values) else None
            if isinstance(value, np.ndarray):
                self.constants[name] = value
            else:
                self.tensors[name] = value

    def _fold(self, node: Any, name: str, given: Mapping[str, Array] | None = None) -> list[str]:
        """Compute a node from constants."""
        helper = require("onnx.helper", extra="onnx")
        evaluator = require("onnx.reference", extra="onnx").ReferenceEvaluator
        feeds = {item: self.constants[item] for item in node.input if item and not given}
        feeds |= given or {}
        value_info = require("onnx", extra="onnx").ValueInfoProto
        graph = helper.make_graph(
            [node],
            "constant",
            [value_info(name=item) for item in feeds],
            [value_info(name=item) for item in node.output if item],
        )
        if node.op_type not in _FOLDED or _grows(node, feeds):
            self._set(node, [None])
            return [f"{name} ({node.op_type}): it computes with constants alone; fold them first"]
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        try:
            found = evaluator(model).run(None, feeds)
        except Exception as error:  # whatever the evaluator stumbles over, the node is at fault
            reason = f"it cannot be computed from constants ({type(error).__name__}: {error})"
            self._set(node, [None])
            return [f"{name} ({node.op_type}): {reason}"]
        self._set(node, [np.asarray(values) for values in found])
        return []


def _grows(node: Any, feeds: Mapping[str, Array]) -> bool:
    """Return whether a node makes more values than `MAX_FOLDED` out of its inputs."""
    if node.op_type not in _GROWING:
        return False
    size = np.asarray(feeds[node.input[_GROWING[node.op_type]]], np.float64)
    return bool(np.abs(size).prod() > MAX_FOLDED)


def _settings(node: Any) -> dict[str, Any]:
    helper = require("onnx.helper", extra="onnx")
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}

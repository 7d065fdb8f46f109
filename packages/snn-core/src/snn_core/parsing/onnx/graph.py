"""Conversion of an ONNX graph to a network, with inferred shapes and folded constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.base import require
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import (
    Call,
    Reading,
    Value,
    channels_come_first,
    emit_call,
    finish,
    stand_in,
    start,
    trace_back,
)
from snn_core.parsing.onnx.constants import HEADLINE, Constants, fold, infer_shapes, shape_of
from snn_core.parsing.onnx.declared import (
    FLOATS,
    UINT8,
    refuse_integers,
    refuse_type,
    require_names,
    sample_shape,
    sizes_of,
)
from snn_core.parsing.onnx.external import load_external
from snn_core.parsing.onnx.functions import DOMAINS, inline_functions
from snn_core.parsing.onnx.gather import Gathering, gather, gatherings
from snn_core.parsing.onnx.ops import ADVICE, DEFAULT_ADVICE, EMITTERS
from snn_core.parsing.onnx.schema import Types, require_ir_version
from snn_core.parsing.onnx.unbatched import Unbatched
from snn_core.parsing.problems import refuse_several
from snn_core.typing import Array, Shape

MAX_INPUTS = 1_000_000
"""Inputs of all nodes that are read; nodes of real models have a few each."""

OLDEST_OPSET = 7
"""Before it, broadcasting and batch normalization had other meanings."""


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
    require_ir_version(model)
    opset = _opset(model)
    graph = inline_functions(model).graph
    require_names(graph)
    inputs = sum(len(node.input) for node in graph.node)
    if inputs > MAX_INPUTS:
        raise ParseError(
            f"The nodes of the model have {inputs} inputs; at most {MAX_INPUTS} are read. The file "
            f"is damaged, or no model."
        )
    constants = Constants(graph, folder)
    sources = [item for item in graph.input if item.name not in constants]
    targets = [item.name for item in graph.output]
    problems = refuse_several([item.name for item in sources], "inputs")
    problems += refuse_several(targets, "outputs")
    if not sources or not targets:
        raise UnsupportedError(problems, what=HEADLINE)
    needed = trace_back([n.input for n in graph.node], [n.output for n in graph.node], targets)
    refused = refuse_type(sources[0])
    problems += refused
    kind = sources[0].type.tensor_type.elem_type
    shape, batch = sample_shape(sources[0], input_shape)
    b = Builder(channels_first=True, takes_uint8=kind == UINT8)
    channels_first = _channels_first(graph.node, sources[0].name, len(shape))
    entry = start(b, shape, channels_first=channels_first, problems=problems)
    integers = set() if kind in FLOATS else {sources[0].name}
    tensors: dict[str, View | None] = {sources[0].name: entry}
    unbatched = Unbatched(sizes_of(sources[0])[0] == 1)
    walk = _Walk(b, constants, opset, batch, _reads(graph), tensors, integers, unbatched)
    for item in sources[1:]:
        walk.tensors[item.name] = stand_in(b, f"{item.name}/refused", shape_of(item.type))
    together = gatherings(graph.node, constants)
    types = Types(opset, _element_types(graph, without=sources if refused else ()))
    for i, node in enumerate(graph.node):
        triple = together.get(node.output[0]) if node.output else None
        if i not in needed:
            continue
        if node.domain in DOMAINS:
            types.require(node, _name(node, i))
        if triple is not None:
            problems += walk.gather(triple, i)
        elif not any(name in together for name in node.output):
            problems += walk.visit(node, i)
    if not problems:
        types.require_declared(graph.output[0])
    return finish(
        b,
        entry,
        walk.value(targets[0]),
        note=note,
        dead=[_name(node, i) for i, node in enumerate(graph.node) if i not in needed],
        log_softmax=any(graph.node[i].op_type == "LogSoftmax" for i in needed),
        problems=problems,
        what=HEADLINE,
    )


def _opset(model: Any) -> int:
    versions = [item.version for item in model.opset_import if item.domain in DOMAINS]
    if len(versions) > 1:
        raise ParseError(
            f"The model names the standard operators' set {len(versions)} times ({versions}); "
            f"expected one: export it again."
        )
    version = versions[0] if versions else 0
    newest = require("onnx.defs", extra="onnx").onnx_opset_version()
    if not OLDEST_OPSET <= version <= newest:
        raise ParseError(
            f"The model uses the operator set {version}; this installation reads {OLDEST_OPSET} to "
            f"{newest}. Convert it with onnx.version_converter, or update onnx."
        )
    return int(version)


def _element_types(graph: Any, *, without: Sequence[Any]) -> dict[str, int]:
    """Return the types of the values of inputs and constants by name."""
    found = {
        item.name: item.type.tensor_type.elem_type for item in graph.input if item not in without
    }
    return found | {item.name: item.data_type for item in graph.initializer}


def _reads(graph: Any) -> set[str]:
    """Return the names of all values that are read."""
    return {name for node in graph.node for name in node.input} | {o.name for o in graph.output}


def _name(node: Any, index: int) -> str:
    return node.name or (node.output[0] if node.output else f"node {index}")


def _channels_first(nodes: Any, source: str, rank: int) -> bool:
    readers: dict[str, Any] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, node)

    def first_reader(name: str) -> tuple[str, str, list[int]] | None:
        node = readers.get(name)
        if node is None:
            return None
        role = _ROLES.get(node.op_type, "other")
        axes = [list(item.ints) for item in node.attribute if item.name == "perm"]
        return role, node.output[0], axes[0] if axes else []

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


@dataclass(slots=True)
class _Walk:
    """Walk over the nodes of a graph, with the values computed so far.

    ``integers`` are the names of the tensors that hold integers.
    """

    b: Builder
    constants: Constants
    opset: int
    batch: int
    reads: set[str]
    tensors: dict[str, View | None]
    integers: set[str]
    unbatched: Unbatched

    def value(self, name: str) -> Value:
        """Return a tensor or a constant."""
        if name in self.tensors:
            return self.tensors[name]
        if name in self.constants:
            return self.constants[name]
        raise ParseError(f"The model reads {name!r} before it is computed; export it again.")

    def visit(self, node: Any, index: int) -> list[str]:
        """Compute one node; return the reasons why it cannot be converted."""
        name = _name(node, index)
        node = load_external(node, self.constants.folder)
        if node.domain not in DOMAINS:
            self._set(node, [None])
            reason = f"operators of the domain {node.domain!r} are not known"
            line = f"{name} ({node.domain}.{node.op_type}): {reason}"
            return [f"{line}; export the model with standard operators"]
        settings = _settings(node) | {"opset": self.opset, "batch": self.batch}
        read_places = [i for i, item in enumerate(node.output, 1) if item in self.reads]
        settings |= {"outputs": len(node.output), "read_outputs": max(read_places, default=0)}
        read = [item for item in node.input if item]
        unknown = any(self.tensors.get(item, True) is None for item in read)
        if all(item in self.constants for item in read):
            return self._fold(node, name)
        if node.op_type in ("Shape", "Size") and not unknown:
            return self._fold(node, name, {node.input[0]: self._make_zeros(node.input[0])})
        inputs = {str(place): self.value(item) for place, item in enumerate(node.input) if item}
        given = [self.value(item) if item else None for item in node.input]
        shapes, wrong = infer_shapes(node, given, opset=self.opset, batch=self.batch)
        call = Call(name=name, kind=node.op_type, inputs=inputs, settings=settings, shapes=shapes)
        advice = ADVICE.get(node.op_type, DEFAULT_ADVICE)
        emit = EMITTERS.get(node.op_type)
        values, problems = emit_call(emit, self.b, call, advice=advice, framework="ONNX")
        if wrong and not unknown and not problems:
            raise ParseError(
                f"Operator {name} ({node.op_type}) contradicts itself or what it reads ({wrong}); "
                f"export the model again."
            )
        self._set(node, values)
        if emit is not None and self.integers.intersection(read) and node.op_type != "Cast":
            self.integers.update(node.output)
            problems += [f"{name} ({node.op_type}): {why}" for why in refuse_integers(node.op_type)]
        reasons = self.unbatched.follow(node, call)
        return problems + [f"{name} ({node.op_type}): {why}" for why in reasons]

    def gather(self, nodes: Gathering, index: int) -> list[str]:
        """Compute the cells that three nodes pick together."""
        source, indices = nodes.before.input[0], nodes.gather.input[1]
        call = Call(
            name=_name(nodes.gather, index),
            kind=nodes.gather.op_type,
            inputs={"0": self.value(source), "1": self.value(indices)},
            settings=_settings(nodes.gather) | nodes.permutations(),
        )
        values, problems = emit_call(gather, self.b, call, advice="", framework="ONNX")
        if source in self.integers:
            self.integers.update(nodes.after.output)
        self._set(nodes.after, values)
        return problems

    def _make_zeros(self, name: str) -> Array:
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
        feeds = given or {item: self.constants[item] for item in node.input if item}
        try:
            found = fold(node, feeds, opset=self.opset)
        except UnsupportedError as error:
            self._set(node, [None])
            return [f"{name} ({node.op_type}): {problem}" for problem in error.problems]
        self._set(node, found)
        return []


def _settings(node: Any) -> dict[str, Any]:
    helper = require("onnx.helper", extra="onnx")
    found: dict[str, Any] = {}
    for item in node.attribute:
        if item.name in found:
            raise ParseError(f"A node ({node.op_type}) has the attribute {item.name!r} twice.")
        found[item.name] = helper.get_attribute_value(item)
    return found

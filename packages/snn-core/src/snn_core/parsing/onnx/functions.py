"""Functions of ONNX models, written out where they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from snn_core.errors import ParseError
from snn_core.parsing.base import require
from snn_core.reading import spend

DOMAINS = ("", "ai.onnx")
"""Names of the domain of standard operators."""

_OF_ENGINES = ("ai.onnx.", "com.microsoft", "com.ms.", "org.pytorch.")
"""Beginnings of the names of domains whose operators onnxruntime brings."""

MAX_NODES = 100_000
"""Largest number of nodes that functions may be written out to; networks have thousands."""

_PER_BYTE = 4
"""Bytes that a byte of a file takes as nodes in memory, roughly."""

_Key: TypeAlias = tuple[str, str, str]


def inline_functions(model: Any) -> Any:
    """Return a model without functions: their nodes take the place of their calls.

    Raises
    ------
    ParseError
        If a function calls itself, lies in a domain of operators, or all together become more
        nodes than any network has: functions that call others twice double with each level.
    """
    if not model.functions:
        return model
    for function in model.functions:
        domain = function.domain
        if domain in DOMAINS or domain.startswith(_OF_ENGINES):  # whose operator may run instead
            raise ParseError(
                f"The model defines a function {function.name!r} in the domain {domain!r}, which "
                f"has operators of its own; expected another one. Export it without functions."
            )
    functions = {(f.domain, f.name, _overload(f)): f.node for f in model.functions}
    total = _count(model.graph.node, functions)
    if total.nodes > MAX_NODES:
        raise ParseError(
            f"The functions of the model, written out, have {total.nodes} nodes; at most "
            f"{MAX_NODES} are read. Export the model without functions."
        )
    spend(_PER_BYTE * total.size, "The model with its functions written out")
    inlined = require("onnx.inliner", extra="onnx").inline_local_functions(model)
    left = [node for node in _walk(inlined.graph.node) if _key(node) in functions]
    if left:  # the inliner leaves what it would have to convert
        raise ParseError(
            f"The function {left[0].op_type!r} in the domain {left[0].domain!r} uses another "
            f"version of the standard operators than the model. Export it without functions."
        )
    return inlined


@dataclass(frozen=True, slots=True)
class _Extent:
    """Number of nodes and their size in bytes."""

    nodes: int
    size: int


def _count(nodes: Sequence[Any], functions: Mapping[_Key, Sequence[Any]]) -> _Extent:
    """Return the extent of nodes when all functions are written out.

    Every function is counted once, after those that it calls.
    """
    found: dict[_Key, _Extent] = {}
    open_: set[_Key] = set()
    waiting = [key for key in map(_key, _walk(nodes)) if key in functions]
    while waiting:
        key = waiting[-1]
        missing = [
            inner
            for inner in map(_key, _walk(functions[key]))
            if inner in functions and inner not in found
        ]
        if key in found or not missing:
            waiting.pop()
            open_.discard(key)
            found.setdefault(key, _add_up(functions[key], found))
            continue
        open_.add(key)
        for inner in missing:
            if inner in open_:
                raise ParseError(f"The function {inner[1]!r} of the model calls itself.")
        waiting += dict.fromkeys(missing)
    return _add_up(nodes, found)


def _add_up(nodes: Sequence[Any], found: Mapping[_Key, _Extent]) -> _Extent:
    parts = [found.get(_key(node), _Extent(1, node.ByteSize())) for node in _walk(nodes)]
    return _Extent(sum(part.nodes for part in parts), sum(part.size for part in parts))


def _walk(nodes: Sequence[Any]) -> Iterator[Any]:
    """Yield nodes and those in their subgraphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _walk(graph.node)


def _key(node: Any) -> _Key:
    return node.domain, node.op_type, _overload(node)


def _overload(item: Any) -> str:
    """Return the overload of a function or a call; old versions of onnx have none."""
    return str(getattr(item, "overload", ""))

"""Conversion of the graph of an exported PyTorch program to a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.emit.builder import Builder
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
from snn_core.parsing.problems import refuse_several
from snn_core.parsing.sources import merge_shapes
from snn_core.parsing.torch.archive import BYTE, Program
from snn_core.parsing.torch.arguments import accounting
from snn_core.parsing.torch.conditions import require_guards
from snn_core.parsing.torch.memory import find_shared_changes
from snn_core.parsing.torch.nodes import Node, tensor_names
from snn_core.parsing.torch.ops import ADVICE, DEFAULT_ADVICE, EMITTERS
from snn_core.parsing.torch.unions import member_of, read_sizes, require_form
from snn_core.parsing.torch.value_types import (
    find_input_problems,
    find_type_problems,
    require_declared,
)
from snn_core.typing import Array, Shape

HEADLINE = "This PyTorch model cannot be converted"

_ELEMENTWISE = (
    "add", "sub", "mul", "div", "neg", "relu", "relu_", "clamp", "dropout", "to", "clone", "detach"
)  # fmt: skip


def read(program: Program, *, note: str, input_shape: Shape | None = None) -> Reading:
    """Return the network of an exported program.

    Parameters
    ----------
    note
        First line of the history.
    input_shape
        Shape of one sample, where the program leaves it open.

    Raises
    ------
    ParseError
        If the program is damaged.
    UnsupportedError
        With all operators that cannot be converted.
    """
    graph = program.graph
    nodes = [Node.of(node) for node in graph["nodes"]]
    constants, sources, problems = find_inputs(program)
    targets, written, more = find_outputs(program)
    problems += more
    _require_unique([*constants, *sources, *(n for node in nodes for n in node.outputs if n)])
    _require_agreement(graph, [*constants, *sources], [*written, *targets])
    needed = trace_back([list(n.reads()) for n in nodes], [n.outputs for n in nodes], targets)
    problems += find_shared_changes(nodes, needed, targets, constants)
    source, *others = sources
    declared = graph["tensor_values"][source]
    problems += find_input_problems(declared["dtype"], source)
    shape = _input_shape(declared["sizes"], input_shape, source)
    require_guards(program.guards, source, shape)
    b = Builder(channels_first=True, takes_uint8=declared["dtype"] == BYTE)
    channels_first = _channels_first(nodes, source, len(shape))
    entry = start(b, shape, channels_first=channels_first, problems=problems)
    walk = _Walk(b, graph["tensor_values"], {**constants, source: entry})
    for name in others:
        walk.values[name] = stand_in(b, f"{name}/refused", walk.shape(name))
    problems += [
        problem for i, node in enumerate(nodes) if i in needed for problem in walk.visit(node)
    ]
    return finish(
        b,
        entry,
        walk.values.get(targets[0]),
        note=note,
        dead=[n.name for i, n in enumerate(nodes) if i not in needed and any(n.outputs)],
        log_softmax=any("log_softmax" in nodes[i].kind for i in needed),
        problems=problems,
        what=HEADLINE,
    )


def _require_unique(names: Sequence[str]) -> None:
    """Raise a `ParseError` if a name stands for several values."""
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise ParseError(f"The program computes {twice[0]!r} more than once; export it again.")


def _require_agreement(graph: Mapping[str, Any], given: Sequence[str], targets: list[str]) -> None:
    """Raise a `ParseError` if the graph has other inputs or outputs than the signature."""
    for key, expected in (("inputs", given), ("outputs", targets)):
        names = [name for item in graph[key] for name in tensor_names(item) if name]
        if sorted(names) != sorted(expected):
            raise ParseError(
                f"The {key} of the graph ({', '.join(names)}) are not those that the program "
                f"declares ({', '.join(expected)}); export it again."
            )


def find_inputs(program: Program) -> tuple[dict[str, Array], list[str], list[str]]:
    """Return the constants by their names in the graph, the names of the inputs, and problems."""
    constants: dict[str, Array] = {}
    sources: list[str] = []
    problems: list[str] = []
    for spec in program.signature["input_specs"]:
        kind, value = member_of(spec)
        if kind == "user_input":
            names = [name for name in tensor_names(value["arg"]) if name is not None]
            sources += names
            if not names:
                problems.append("an input of the model is no tensor; give it a default and export")
        elif kind in ("parameter", "buffer", "tensor_constant"):
            name = value[f"{kind}_name"]
            if name not in program.arrays:
                raise ParseError(f"The {kind} {name!r} is missing from the exported program.")
            found, values = value["arg"]["name"], program.arrays[name]
            declared = program.graph["tensor_values"][found]
            require_declared(name, program.types[name], values.shape, declared)
            constants[found] = values
        else:
            problems.append(f"an input of the kind {kind!r} is not known")
    if not sources:
        raise UnsupportedError([*problems, "the model has no input"], what=HEADLINE)
    problems += refuse_several(sources, "inputs")
    return constants, sources, problems


def find_outputs(program: Program) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the outputs, of what is written into inputs, and what is wrong."""
    found: list[str | None] = []
    written: list[str] = []
    problems: list[str] = []
    for spec in program.signature["output_specs"]:
        kind, value = member_of(spec)
        if kind == "user_output":
            found += tensor_names(value["arg"]) or [None]
        elif kind in ("user_input_mutation", "buffer_mutation"):
            # What the graph computes is not changed by it: it is written when all is computed.
            written.append(value["arg"]["name"])
        else:
            problems.append(f"an output of the kind {kind!r} is not known")
        if kind == "buffer_mutation":
            problems.append(
                f"{value['buffer_name']}: the model changes this buffer, as in training; call "
                f"model.eval() and export again"
            )
    targets = [name for name in found if name is not None]
    if not targets:
        raise UnsupportedError([*problems, "the model has no tensor as output"], what=HEADLINE)
    problems += refuse_several([name or "no tensor" for name in found], "outputs")
    return targets, written, problems


def _input_shape(sizes: Any, given: Shape | None, name: str) -> Shape:
    shape = read_sizes(sizes[1:])
    if shape is None:
        raise ParseError(
            f"The program leaves the shape of {name!r} open; export it with fixed sizes of all "
            f"axes but the first."
        )
    merge_shapes(shape, given)
    return shape


def _channels_first(nodes: list[Node], source: str, rank: int) -> bool:
    readers: dict[str, Node] = {}
    for node in nodes:
        if node.outputs and node.outputs[0]:
            for name in node.reads():
                readers.setdefault(name, node)

    def first_reader(name: str) -> tuple[str, str, list[int]] | None:
        node = readers.get(name)
        if node is None or node.outputs[0] is None:
            return None
        perm = node.setting("dims") or []
        kind = {"permute": "transpose", "linear": "dense", "matmul": "dense"}.get(node.kind)
        if node.kind in ("transpose", "swapaxes"):
            kind, perm = "transpose", _swap_axes(node, rank)
        if node.kind in _ELEMENTWISE:
            kind = "elementwise"
        if node.kind in ("flatten", "view", "reshape"):
            kind = "reshape"
        return kind or "other", node.outputs[0], perm

    return channels_come_first(first_reader, source, rank)


def _swap_axes(node: Node, rank: int) -> list[int]:
    perm = list(range(rank + 1))
    keys = ("axis0", "axis1") if node.kind == "swapaxes" else ("dim0", "dim1")
    a, b = (int(node.setting(key)) for key in keys)
    perm[a], perm[b] = perm[b], perm[a]
    return perm


def _read_setting(node: Node, key: str) -> Any:
    try:
        if node.kind in EMITTERS:
            require_form(key, node.arguments[key])
        return node.setting(key)
    except ParseError as error:
        raise ParseError(
            f"Operator {node.name} ({node.kind}), argument {key!r}: {error}"
        ) from error


@dataclass(slots=True)
class _Walk:
    """Walk over the nodes of a program, with the values computed so far.

    ``indices`` names the outputs that tell where maxima are, which have no spiking form.
    """

    b: Builder
    types: Mapping[str, Any]
    values: dict[str, Value] = field(default_factory=dict)
    indices: set[str] = field(default_factory=set)

    def visit(self, node: Node) -> list[str]:
        """Compute one node; return the reasons why it cannot be converted."""
        if not self.indices.isdisjoint(node.reads()):
            self.values |= dict.fromkeys((name for name in node.outputs if name), None)
            return [f"{node.name} ({node.kind}): it reads where a maximum is; use its value alone"]
        inputs: dict[str, Value] = {}
        settings: dict[str, Any] = {}
        for key, argument in node.arguments.items():
            names = tensor_names(argument)
            if "as_tensor" in argument:
                inputs[key] = self._value(names[0])
            elif names and "as_none" not in argument:
                inputs |= {f"{key}.{i}": self._value(name) for i, name in enumerate(names) if name}
            elif "as_none" not in argument:
                settings[key] = _read_setting(node, key)
        shapes = [self.shape(name) if name else None for name in node.outputs]
        call = Call(name=node.name, kind=node.kind, inputs=inputs, settings=settings, shapes=shapes)
        advice = ADVICE.get(node.kind, DEFAULT_ADVICE)
        emit = EMITTERS.get(node.kind)
        emit = emit and accounting(emit, node.overload)
        found, problems = emit_call(emit, self.b, call, advice=advice, framework="PyTorch")
        problems += [] if problems else self._find_type_problems(node, found)
        for place, name in enumerate(node.outputs):
            if name is not None:
                self.values[name] = found[place] if place < len(found) else None
                if place >= len(found) and not problems:
                    self.indices.add(name)
        return problems

    def _find_type_problems(self, node: Node, found: Sequence[Value]) -> list[str]:
        kinds = [self.types[name]["dtype"] if name else None for name in node.outputs]
        problems = find_type_problems(node.kind, found, kinds, takes_bytes=self.b.takes_uint8)
        return [f"{node.name} ({node.kind}): {problem}" for problem in problems]

    def _value(self, name: str | None) -> Value:
        if name not in self.values:
            raise ParseError(f"The program reads {name!r} before it is computed; export it again.")
        return self.values[name]

    def shape(self, name: str) -> Shape | None:
        """Return the shape of one sample of a value, if it is fixed."""
        return read_sizes(self.types[name]["sizes"][1:]) if name in self.types else None

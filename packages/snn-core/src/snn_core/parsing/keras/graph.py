"""Flat list of the layer calls of a Keras configuration.

Nested models are inlined and a layer that is called several times yields several calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from snn_core.errors import OpenShapeError, ParseError
from snn_core.parsing.keras.config import Config
from snn_core.parsing.keras.nodes import (
    FUNCTIONAL,
    NESTED,
    Key,
    Nodes,
    config_of,
    entries_of,
    kind_of,
    name_of,
    references,
    snake_case,
    unsupported,
)
from snn_core.parsing.problems import refuse_several
from snn_core.parsing.sources import merge_shapes
from snn_core.typing import Shape

MAX_DEPTH = 50
"""How deep models may be nested."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the weights of a layer are stored.

    Parameters
    ----------
    names
        Names of the enclosing models (without the outermost) and of the layer.
    group
        Path in the weights file of a ``.keras`` archive.
    twins
        Paths of all layers of the same name and class, its own among them: those in other models
        may be the same layer.
    """

    names: tuple[str, ...]
    group: str
    twins: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """Call of a layer in a Keras model.

    ``inputs`` are indices of earlier calls; ``constants`` what it is called with beside them, by
    place among both; ``problems`` tells what else it is called with.
    """

    name: str
    kind: str
    config: Config
    inputs: tuple[int, ...]
    location: Location
    constants: Mapping[int, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class Graph:
    """All calls in topological order; the first stands for the input.

    ``dead`` names layers from which the output cannot be reached.
    """

    input_shape: Shape
    calls: list[Call] = field(default_factory=list)
    output: int = 0
    problems: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)


def flatten_model(model: Any, *, input_shape: Shape | None = None) -> Graph:
    """Return the flat graph of a serialized Keras model.

    Parameters
    ----------
    model
        The configuration.
    input_shape
        Shape of one sample, in the source's axis order, where the model leaves it open.

    Raises
    ------
    ParseError
        If the configuration is damaged.
    UnsupportedError
        If it is not a functional or sequential model with one input and one output.
    """
    kind, config = kind_of(model), config_of(model)
    if kind not in NESTED or "layers" not in config:
        raise unsupported(
            f"{config.get('name', 'model')} ({kind}): only functional and sequential models "
            f"describe their layers; rebuild the model with keras.Model(inputs, outputs)"
        )
    graph = Graph(input_shape=_input_shape(kind, config, input_shape))
    location = Location((), "")
    graph.calls.append(
        Call(name="input", kind="InputLayer", config={}, inputs=(), location=location)
    )
    graph.output = _Inliner(graph).inline(kind, config, inputs=[0], location=location)
    graph.calls = _with_twins(graph.calls)
    return graph


def _with_twins(calls: list[Call]) -> list[Call]:
    """Return calls that know where else a layer that several models share may be stored."""
    groups: dict[tuple[str, str], set[str]] = {}
    keys = [(call.location.names[-1] if call.location.names else "", call.kind) for call in calls]
    for key, call in zip(keys, calls, strict=True):
        groups.setdefault(key, set()).add(call.location.group)
    twins = {key: tuple(sorted(found)) for key, found in groups.items()}
    return [
        replace(call, location=replace(call.location, twins=twins[key]))
        for key, call in zip(keys, calls, strict=True)
    ]


def _input_shape(kind: str, config: Config, given: Shape | None) -> Shape:
    """Return the shape of one sample, in the source's axis order."""
    entries = entries_of(config)
    if kind == "Sequential":
        candidates = [_first_shape(entries[0]), config.get("build_input_shape")]
    else:
        names = [ref.name for ref in references(config.get("input_layers"))]
        if problems := refuse_several(names, "inputs"):
            raise unsupported(*problems)
        candidates = [_first_shape(entry) for entry in entries if name_of(entry) == names[0]]
    shape = next((shape for shape in candidates if isinstance(shape, (list, tuple))), None)
    if shape is None and given is None:
        raise OpenShapeError(
            "The model has no input shape; build it (model.build or a call on data) and save "
            "again, or give input_shape."
        )
    sizes: Sequence[Any] = merge_shapes(
        shape[1:] if shape is not None else (None,) * len(given or ()), given
    )
    fixed = tuple(size for size in sizes if isinstance(size, int) and size > 0)
    if not sizes or len(fixed) < len(sizes):
        raise OpenShapeError(
            f"The input shape {sizes} is not fixed; give the shape of one sample "
            f"(--input-shape, input_shape), or rebuild the model with a fixed one."
        )
    return fixed


def _first_shape(entry: Any) -> Any:
    """Return the shape (with a sample axis) that the first layer of a model declares, if any."""
    config = config_of(entry)
    if kind_of(entry) in NESTED and "layers" in config:
        return _first_shape(entries_of(config)[0]) or config.get("build_input_shape")
    return config.get("batch_shape") or config.get("batch_input_shape")


class _Inliner:
    """Inliner of nested models: appends their calls to one flat graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._used: dict[str, int] = {"input": 1}

    def inline(self, kind: str, config: Config, *, inputs: list[int], location: Location) -> int:
        """Append a model that is applied to earlier calls; return the index of its output."""
        if len(location.names) > MAX_DEPTH:
            raise ParseError(f"Models are nested more than {MAX_DEPTH} deep; flatten the model.")
        append = self._functional if kind in FUNCTIONAL else self._sequential
        return append(config, inputs, location)

    def _apply(
        self,
        entry: Any,
        inputs: list[int],
        location: Location,
        *,
        constants: Mapping[int, Any] | None = None,
        problems: Sequence[str] = (),
    ) -> int:
        kind, config = kind_of(entry), config_of(entry)
        if kind in NESTED and "layers" in config:
            name = "/".join(location.names)
            self.graph.problems += [f"{name} ({kind}): {problem}" for problem in problems]
            return self.inline(kind, config, inputs=inputs, location=location)
        self.graph.calls.append(
            Call(
                name=self._unique("/".join(location.names)),
                kind=kind,
                config=config,
                inputs=tuple(inputs),
                location=location,
                constants=constants or {},
                problems=tuple(problems),
            )
        )
        return len(self.graph.calls) - 1

    def _unique(self, name: str) -> str:
        self._used[name] = self._used.get(name, 0) + 1
        return name if self._used[name] == 1 else f"{name}#{self._used[name]}"

    def _sequential(self, config: Config, inputs: list[int], outer: Location) -> int:
        entries = [entry for entry in entries_of(config) if kind_of(entry) != "InputLayer"]
        current = inputs
        for entry, location in zip(entries, _locations(entries, outer), strict=True):
            current = [self._apply(entry, current, location)]
        return current[0]

    def _functional(self, config: Config, inputs: list[int], outer: Location) -> int:
        entries = entries_of(config)
        locations = _locations(entries, outer)
        sources = [ref.name for ref in references(config.get("input_layers"))]
        if len(sources) != len(inputs):
            raise ParseError(
                f"The model {'/'.join(outer.names) or 'itself'} has {len(sources)} inputs but is "
                f"called with {len(inputs)}; save again."
            )
        nodes = Nodes(entries)
        output = nodes.output(config, where="/".join(outer.names) or "the model")
        needed = nodes.find_needed(output)
        done: dict[Key, int] = {(name, 0): i for name, i in zip(sources, inputs, strict=True)}
        for key in nodes.order(needed, ready=set(done)):
            place = nodes.place[key[0]]
            done[key] = self._apply(
                entries[place],
                [done[source] for source in nodes.inputs[key]],
                locations[place],
                constants=nodes.constants[key],
                problems=nodes.problems[key],
            )
        used = {*sources, *(key[0] for key in needed)}
        self.graph.dead += [
            "/".join((*outer.names, name)) for name in nodes.place if name not in used
        ]
        return done[output]


def _locations(entries: list[Any], outer: Location) -> list[Location]:
    """Return where the weights of a model's layers are.

    A ``.keras`` archive numbers the layers of each class (``layers/conv2d``, ``layers/conv2d_1``)
    and leaves operations out, which are not layers.
    """
    used: dict[str, int] = {}
    found = []
    for entry in entries:
        names = (*outer.names, name_of(entry))
        if str(entry.get("module") or "").startswith("keras.src.ops"):
            found.append(Location(names, ""))
            continue
        kind = snake_case("Functional" if kind_of(entry) in FUNCTIONAL else kind_of(entry))
        number = used.get(kind, 0)
        used[kind] = number + 1
        group = f"layers/{kind}_{number}" if number else f"layers/{kind}"
        found.append(Location(names, f"{outer.group}/{group}" if outer.group else group))
    return found

"""Flat list of the layer calls of a Keras configuration.

Nested models are written out and a layer that is called several times yields several calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from snn_core.errors import OpenShapeError, ParseError
from snn_core.parsing.keras.config import Config, is_whole
from snn_core.parsing.keras.nodes import (
    FUNCTIONAL,
    config_of,
    entries_of,
    is_nested,
    kind_of,
    name_of,
    references,
    unsupported,
)
from snn_core.parsing.keras.plan import Location, Plan, Step, input_type, plan_model
from snn_core.parsing.problems import refuse_several
from snn_core.parsing.sources import merge_shapes
from snn_core.reading import spend
from snn_core.typing import Shape

_LETTERS = 8
"""How often a name is repeated in what is made of a call, roughly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """Call of a layer in a Keras model.

    ``inputs`` are indices of earlier calls; ``constants`` what it is called with beside them, by
    place among both; ``problems`` tells what else it is called with; ``built`` what Keras builds
    its variables for, as the file has it.
    """

    name: str
    kind: str
    config: Config
    inputs: tuple[int, ...]
    location: Location
    constants: Mapping[int, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    built: Any = None


@dataclass(kw_only=True, slots=True)
class Graph:
    """All calls in topological order; the first stands for the input.

    Parameters
    ----------
    input_name
        Name of the layer that declares what the model is called with.
    input_shape
        Shape of one sample, in the source's axis order.
    dtype
        Type of what the model is called with.
    calls
        The calls.
    output
        Index of the one whose result the model returns.
    problems
        What nested models cannot be called with.
    dead
        Names of layers from which the output cannot be reached.
    """

    input_name: str
    input_shape: Shape
    dtype: str
    calls: list[Call] = field(default_factory=list)
    output: int = 0
    problems: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


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
    if not is_nested(model):
        raise unsupported(
            f"{config.get('name', 'model')} ({kind}): only functional and sequential models "
            f"describe their layers; rebuild the model with keras.Model(inputs, outputs)"
        )
    shape = _input_shape(kind, config, input_shape)
    plan = plan_model(kind, config, Location((), ""))
    if plan.inputs != 1:
        raise ParseError(f"The model has {plan.inputs} inputs but is called with 1; save again.")
    plan.require_small()
    first = _first_layer(model)
    graph = Graph(
        input_name=name_of(first),
        input_shape=shape,
        dtype=input_type(first),
        dead=plan.dead,
        problems=plan.problems,
    )
    start = Location(("input",), "")
    graph.calls.append(Call(name="input", kind="InputLayer", config={}, inputs=(), location=start))
    graph.output = _Writer(graph).write(plan, [0])
    graph.calls = _with_twins(graph.calls)
    return graph


def _with_twins(calls: list[Call]) -> list[Call]:
    """Return calls that know where else a layer that several models share may be stored."""
    groups: dict[tuple[str, str], set[str]] = {}
    keys = [(call.location.names[-1], call.kind) for call in calls]
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
    fixed = tuple(size for size in sizes if is_whole(size) and size > 0)
    if not sizes or len(fixed) < len(sizes):
        raise OpenShapeError(
            f"The input shape {sizes} is not fixed; give the shape of one sample "
            f"(--input-shape, input_shape), or rebuild the model with a fixed one."
        )
    return fixed


def _first_shape(entry: Any) -> Any:
    """Return the shape (with a sample axis) that the first layer of a model declares, if any."""
    config = config_of(entry)
    if is_nested(entry):
        return _first_shape(entries_of(config)[0]) or config.get("build_input_shape")
    return config.get("batch_shape") or config.get("batch_input_shape")


def _first_layer(model: Any) -> Any:
    """Return the layer that declares what a model is called with: its input, or its first one."""
    if not is_nested(model):
        return model
    config = config_of(model)
    found = entries_of(config)
    if kind_of(model) in FUNCTIONAL:
        names = [ref.name for ref in references(config.get("input_layers"))]
        found = [entry for entry in found if name_of(entry) in names[:1]] or found
    return _first_layer(found[0])


class _Writer:
    """Writer of nested models: appends their calls to one flat graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._used: dict[str, int] = {"input": 1}

    def write(self, plan: Plan, inputs: Sequence[int]) -> int:
        """Append a model that is applied to earlier calls; return the index of its output."""
        values = list(inputs)
        for step in plan.steps:
            reads = [values[i] for i in step.inputs]
            written = (
                self._call(step, reads) if step.inner is None else self.write(step.inner, reads)
            )
            values.append(written)
        return values[plan.output]

    def _call(self, step: Step, inputs: Sequence[int]) -> int:
        self.graph.calls.append(
            Call(
                name=self._unique(step),
                kind=step.kind,
                config=step.config,
                inputs=tuple(inputs),
                location=step.location,
                constants=step.constants,
                problems=step.problems,
                built=step.built,
            )
        )
        return len(self.graph.calls) - 1

    def _unique(self, step: Step) -> str:
        name = step.location.name
        spend(_LETTERS * len(name + step.kind), "The names of all calls")
        self._used[name] = self._used.get(name, 0) + 1
        return name if self._used[name] == 1 else f"{name}#{self._used[name]}"

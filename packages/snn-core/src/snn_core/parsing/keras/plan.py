"""Plans of Keras models and the models nested in them: what each calls, in order.

A nested model stands in a file once, however often it is called. Its plan is made once, too, and
says how many calls it takes to write it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.parsing.keras.accounting import (
    Settings,
    refuse_model_settings,
    require_accounted,
)
from snn_core.parsing.keras.config import FLOATS, Config, name_of_type
from snn_core.parsing.keras.nodes import (
    FUNCTIONAL,
    Key,
    Nodes,
    config_of,
    entries_of,
    is_nested,
    is_operation,
    kind_of,
    name_of,
    references,
    snake_case,
)

MAX_DEPTH = 50
"""How deep models may be nested."""

MAX_CALLS = 100_000
"""Largest number of calls when nested models are written out; networks have thousands."""

MAX_ARGUMENTS = 1_000_000
"""Largest number of what they are all called with."""


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

    @property
    def name(self) -> str:
        """Name of the layer, behind those of the models around it."""
        return "/".join(self.names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One call in a model.

    Parameters
    ----------
    kind, config, location
        The layer or the nested model that is called.
    inputs
        What it reads, by place among the inputs of the model and the results of its steps.
    constants
        What else it is called with, by place among both.
    problems
        What it cannot be called with.
    inner
        The plan of a nested model.
    built
        What Keras builds its variables for, as the file has it.
    """

    kind: str
    config: Config
    location: Location
    inputs: tuple[int, ...]
    constants: Mapping[int, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    inner: Plan | None = None
    built: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The calls of one model.

    Parameters
    ----------
    inputs
        Number of its inputs.
    steps
        Its calls, each after what it reads.
    output
        What it returns, counted as `Step.inputs` are.
    dead
        Names of layers from which the output cannot be reached.
    problems
        What nested models cannot be called with, and settings of models and inputs that are not
        read, each with the name of what it is about.
    """

    inputs: int
    steps: tuple[Step, ...]
    output: int
    dead: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    calls: int = field(init=False)
    arguments: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the calls, and what they are made with, when nested models are written out.

        A model that does nothing costs a call as well.
        """
        inner = [step.inner for step in self.steps if step.inner is not None]
        object.__setattr__(self, "calls", 1 + len(self.steps) + sum(plan.calls for plan in inner))
        own = sum(len((*step.inputs, *step.constants, *step.problems)) for step in self.steps)
        object.__setattr__(self, "arguments", own + sum(plan.arguments for plan in inner))

    def require_small(self) -> None:
        """Make sure that the model can be written out.

        Raises
        ------
        ParseError
            If it has more calls than any network: models that each call another one twice double
            their number with each level.
        """
        if self.calls > MAX_CALLS or self.arguments > MAX_ARGUMENTS:
            raise ParseError(
                f"The model, with the models nested in it counted for each call, has {self.calls} "
                f"calls of layers with {self.arguments} arguments; at most {MAX_CALLS} with "
                f"{MAX_ARGUMENTS} are read. Call nested models less often."
            )


def plan_model(kind: str, config: Config, location: Location) -> Plan:
    """Return the plan of a model.

    Raises
    ------
    ParseError
        If its configuration is damaged, or models are nested too deep.
    UnsupportedError
        If a model has several outputs.
    """
    if len(location.names) > MAX_DEPTH:
        raise ParseError(f"Models are nested more than {MAX_DEPTH} deep; flatten the model.")
    make = _plan_functional if kind in FUNCTIONAL else _plan_sequential
    return make(config, location)


def input_type(entry: Any) -> str:
    """Return the type that a model turns its input into, from its first layer."""
    return name_of_type(config_of(entry).get("dtype") if kind_of(entry) == "InputLayer" else None)


def _plan_sequential(config: Config, outer: Location) -> Plan:
    first, *rest = entries_of(config)
    keep_first = kind_of(first) != "InputLayer" or _rounds(first, outer)
    entries = [first] if keep_first else []
    for entry in rest:
        if kind_of(entry) == "InputLayer":
            raise ParseError(
                f"The sequential model {outer.name or 'of the file'} has an input, "
                f"{name_of(entry)!r}, behind other layers; only the first may be one: save again."
            )
    entries += rest
    steps = [
        _step(entry, location, (i,), inner=_inner(entry, location))
        for i, (entry, location) in enumerate(zip(entries, _locations(entries, outer), strict=True))
    ]
    problems = _refuse_settings(config, outer, [] if keep_first else [first])
    return _plan(1, steps, output=len(steps), problems=problems)


def _plan_functional(config: Config, outer: Location) -> Plan:
    entries = entries_of(config)
    locations = _locations(entries, outer)
    sources = [ref.name for ref in references(config.get("input_layers"))]
    nodes = Nodes(entries)
    output = nodes.output(config, where=outer.name or "the model")
    needed = nodes.find_needed(output)
    done: dict[Key, int] = {(name, 0): i for i, name in enumerate(sources)}
    inner: dict[int, Plan | None] = {}
    steps: list[Step] = []
    passed: list[Any] = []
    for i, name in enumerate(sources):
        place = nodes.place.get(name, 0)
        if kind_of(entries[place]) != "InputLayer":
            raise ParseError(
                f"The input {name!r} of {outer.name or 'the model'} is no InputLayer but a "
                f"{kind_of(entries[place]):.99}; build the model on keras.Input and save again."
            )
        if _rounds(entries[place], outer):
            done[name, 0] = len(sources) + len(steps)
            steps.append(_step(entries[place], locations[place], (i,), inner=None))
        else:
            passed.append(entries[place])
    for key in nodes.order(needed, ready=set(done)):
        place = nodes.place[key[0]]
        if place not in inner:
            inner[place] = _inner(entries[place], locations[place])
        step = _step(
            entries[place],
            locations[place],
            tuple(done[source] for source in nodes.inputs[key]),
            constants=nodes.constants[key],
            problems=tuple(nodes.problems[key]),
            inner=inner[place],
        )
        done[key] = len(sources) + len(steps)
        steps.append(step)
    used = {*sources, *(key[0] for key in needed)}
    dead = ["/".join((*outer.names, name)) for name in nodes.place if name not in used]
    problems = _refuse_settings(config, outer, passed)
    return _plan(len(sources), steps, output=done[output], dead=dead, problems=problems)


def _refuse_settings(config: Config, outer: Location, inputs: Sequence[Any]) -> list[str]:
    """Return what is not read of the settings of a model, and of inputs that are no steps."""
    name = outer.name or str(config.get("name", "model"))
    problems = [f"{name}: {problem}" for problem in refuse_model_settings(config)]
    for entry in inputs:
        name = "/".join((*outer.names, name_of(entry)))
        try:
            require_accounted("InputLayer", Settings(config_of(entry)))
        except UnsupportedError as error:
            problems += [f"{name} (InputLayer): {problem}" for problem in error.problems]
        except ParseError as error:
            raise ParseError(f"Layer {name!r} (InputLayer): {error}") from error
    return problems


def _rounds(entry: Any, outer: Location) -> bool:
    """Return whether a nested model turns its input into numbers that are not real ones.

    This is a step of its own then. What the whole model does with its samples is none.
    """
    return bool(outer.names) and input_type(entry) not in FLOATS


def _plan(
    inputs: int,
    steps: list[Step],
    *,
    output: int,
    dead: Iterable[str] = (),
    problems: Sequence[str] = (),
) -> Plan:
    """Return a plan that knows what those of the models nested in it know."""
    inner = {id(step.inner): step.inner for step in steps if step.inner is not None}.values()
    wrong = [
        f"{step.location.name} ({step.kind}): {problem}"
        for step in steps
        if step.inner is not None
        for problem in (*step.problems, *_refuse_constants(step))
    ]
    return Plan(
        inputs=inputs,
        steps=tuple(steps),
        output=output,
        dead=(*(name for plan in inner for name in plan.dead), *dead),
        problems=(*(line for plan in inner for line in plan.problems), *problems, *wrong),
    )


def _refuse_constants(step: Step) -> list[str]:
    """Return what a model is called with beside tensors, such as ``training`` by its place."""
    return [
        f"it is called with the constant {brief(value)}; remove the argument"
        for value in step.constants.values()
        if value is not False
    ]


def _inner(entry: Any, location: Location) -> Plan | None:
    """Return the plan of a layer that is a model."""
    return plan_model(kind_of(entry), config_of(entry), location) if is_nested(entry) else None


def _step(
    entry: Any,
    location: Location,
    inputs: tuple[int, ...],
    *,
    constants: Mapping[int, Any] | None = None,
    problems: tuple[str, ...] = (),
    inner: Plan | None,
) -> Step:
    if inner is not None and inner.inputs != len(inputs):
        raise ParseError(
            f"The model {location.name} has {inner.inputs} inputs but is called with "
            f"{len(inputs)}; save again."
        )
    built = entry.get("build_config")
    if not isinstance(built, (Mapping, type(None))):
        raise ParseError(f"Layer {location.name!r} is built for {brief(built)}; expected a shape.")
    return Step(
        kind=kind_of(entry),
        config=config_of(entry),
        location=location,
        inputs=inputs,
        constants=constants or {},
        problems=problems,
        inner=inner,
        built=built,
    )


def _locations(entries: Sequence[Any], outer: Location) -> list[Location]:
    """Return where the weights of a model's layers are.

    A ``.keras`` archive numbers the layers of each class (``layers/conv2d``, ``layers/conv2d_1``)
    and leaves operations out, which are not layers.
    """
    used: dict[str, int] = {}
    found = []
    for entry in entries:
        names = (*outer.names, name_of(entry))
        if is_operation(entry.get("module")):
            found.append(Location(names, ""))
            continue
        kind = snake_case("Functional" if kind_of(entry) in FUNCTIONAL else kind_of(entry))
        number = used.get(kind, 0)
        used[kind] = number + 1
        group = f"layers/{kind}_{number}" if number else f"layers/{kind}"
        found.append(Location(names, f"{outer.group}/{group}" if outer.group else group))
    return found

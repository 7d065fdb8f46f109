"""Layers and connections of a Keras configuration, in its three notations.

Three notations exist: ``Sequential`` lists, the functional notation of Keras 2 (``inbound_nodes``
as lists ``[layer, node, tensor, arguments]``) and that of Keras 3 (``args`` and ``kwargs`` that
hold ``__keras_tensor__`` entries).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.keras.config import (
    CUSTOM_CLASSES,
    OPERATIONS,
    OPERATIONS_TOO,
    PREPARING,
    PRUNED_CLASSES,
    Config,
    is_whole,
)
from snn_core.parsing.problems import refuse_several

FUNCTIONAL = ("Functional", "Model")
NESTED = (*FUNCTIONAL, "Sequential", "Pipeline")

_PACKAGES = ("keras", "tf_keras", "tensorflow")

HEADLINE = "This Keras model cannot be converted"

Key: TypeAlias = tuple[str, int]
"""A call: the name of the layer and which of its calls."""

# Arguments of these names may hold the input tensors.
_TENSOR_ARGUMENTS = ("inputs", "x", "x1", "x2")


def unsupported(*problems: str) -> UnsupportedError:
    """Return the error for a model that cannot be converted as a whole."""
    return UnsupportedError(problems, what=HEADLINE)


def kind_of(entry: Any) -> str:
    """Return the class name of a serialized layer.

    A class that is not Keras' own keeps its package or module (``mine>Dense``), so that it is not
    taken for the one of Keras, unless it is known by name. So does one that Keras does not have
    where it is said to be.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("class_name"), str):
        raise ParseError("The model configuration holds a layer without a class name; save again.")
    name = str(entry["class_name"])
    short = name.rpartition(">")[2]
    if short in (*CUSTOM_CLASSES, *PRUNED_CLASSES):
        return short
    module = str(entry.get("module", "keras"))  # files of Keras 2 name no module
    registered = name if entry.get("registered_name") is None else str(entry["registered_name"])
    if registered.rpartition(">")[0] and registered != name:
        return registered
    is_own = module.partition(".")[0] in _PACKAGES and registered == name
    return name if is_own and _may_hold(entry.get("module"), name) else f"{module}>{registered}"


def _may_hold(module: object, name: str) -> bool:
    """Return whether a module of Keras may have a class, as far as the class is read."""
    if is_operation(module):
        return name in (*OPERATIONS, *OPERATIONS_TOO)
    return module is None or name not in OPERATIONS


def is_operation(module: object) -> bool:
    """Return whether a module of Keras holds operations, which are no layers."""
    return str(module or "").startswith("keras.src.ops")


def config_of(entry: Any) -> Config:
    """Return the settings of a serialized layer."""
    config = entry.get("config")
    if isinstance(config, list):  # Sequential models of the first Keras 2 versions
        return {"layers": config}
    if not isinstance(config, Mapping):
        raise ParseError(f"The {kind_of(entry)} entry of the model configuration has no settings.")
    return config


def is_nested(entry: Any) -> bool:
    """Return whether a serialized layer is a model that describes its layers."""
    return kind_of(entry) in NESTED and "layers" in config_of(entry)


def name_of(entry: Any) -> str:
    """Return the name of a serialized layer."""
    name = entry.get("name") or config_of(entry).get("name")
    return str(name) if name else snake_case(kind_of(entry))


def entries_of(config: Config) -> list[Any]:
    """Return the serialized layers of a model."""
    layers = config.get("layers")
    if not isinstance(layers, list) or not layers:
        raise ParseError("The model configuration lists no layers; save a built model.")
    for entry in layers:
        kind_of(entry)
    return layers


def snake_case(name: str) -> str:
    """Return a class name as Keras spells it in paths: ``Conv2D`` becomes ``conv2d``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


@dataclass(frozen=True, slots=True)
class _Reference:
    name: str
    node: int
    tensor: int


def references(value: Any) -> list[_Reference]:
    """Return all ``[layer, node, tensor]`` triples of a nested structure, in order."""
    if isinstance(value, Mapping):
        return [ref for item in value.values() for ref in references(item)]
    if not isinstance(value, (list, tuple)):
        raise ParseError("The model configuration names no input or output layers; save again.")
    if value and isinstance(value[0], str):
        return [_read_reference(value)]
    return [ref for item in value for ref in references(item)]


def _read_reference(value: Any) -> _Reference:
    match value:
        case [str(name), node, tensor] | [str(name), node, tensor, _]:
            if is_whole(node) and is_whole(tensor):
                return _Reference(name, node, tensor)
    raise ParseError(f"The model configuration holds the broken connection {value!r}; save again.")


@dataclass(slots=True)
class _Node:
    """The inputs of one call; ``problems`` tells what else was passed.

    ``constants`` holds what is no tensor, by its place among all that the call is made with.
    """

    inputs: list[_Reference] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    keras2: bool = False

    def add_argument(self, value: Any) -> None:
        """Collect the tensors and constants of a Keras 3 argument."""
        if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            self.inputs.append(_read_reference(config_of(value).get("keras_history")))
        elif isinstance(value, (list, tuple)) and _holds_tensors(value):
            for item in value:
                self.add_argument(item)
        elif value is not None and value != []:
            self.constants[len(self.inputs) + len(self.constants)] = value

    def add_options(self, options: Any, *, kind: str) -> None:
        """Collect the keyword arguments of a call of a layer."""
        if not isinstance(options, (Mapping, type(None))):
            raise ParseError(f"The model configuration holds the broken arguments {options!r}.")
        for name, value in (options or {}).items():
            if name in _TENSOR_ARGUMENTS:
                self.add_argument(value)
            elif name == "training" and kind in PREPARING:
                continue
            elif name == "training" and value:
                self.problems.append("it is called with training=True; remove the argument")
            elif not _is_empty(value):
                self.problems.append(f"it is called with {name:.99}=..., which is not supported")


def _holds_tensors(value: Any) -> bool:
    """Return whether there are tensors in a nested argument."""
    if isinstance(value, Mapping):
        return value.get("class_name") == "__keras_tensor__"
    return isinstance(value, (list, tuple)) and any(map(_holds_tensors, value))


def _is_empty(value: Any) -> bool:
    """Return whether an argument says nothing, such as ``mask=[None, None]``."""
    if isinstance(value, (list, tuple)):
        return all(_is_empty(item) for item in value)
    return value is None or value is False


def _parse_node(node: Any, *, kind: str) -> _Node:
    if isinstance(node, Mapping):
        parsed = _Node()
        parsed.add_argument(node.get("args"))
        parsed.add_options(node.get("kwargs"), kind=kind)
        return parsed
    if not isinstance(node, (list, tuple)):
        raise ParseError(f"The model configuration holds the broken connection {node!r}.")
    parsed = _Node(keras2=True)
    for item in [node] if node and isinstance(node[0], str) else node:
        parsed.inputs.append(_read_reference(item))
        parsed.add_options(item[3] if len(item) > 3 else None, kind=kind)
    return parsed


class Nodes:
    """The calls of one functional model and their connections."""

    def __init__(self, entries: list[Any]) -> None:
        self.place = {name_of(entry): i for i, entry in enumerate(entries)}
        for i, entry in enumerate(entries):
            if self.place[name_of(entry)] != i:
                raise ParseError(f"Several layers have the name {name_of(entry)!r}; save again.")
        self._entries = entries
        parsed: dict[Key, _Node] = {}
        for entry in entries:
            nodes = entry.get("inbound_nodes") or []
            if not isinstance(nodes, list):
                raise ParseError(f"Layer {name_of(entry)!r} has broken connections; save again.")
            name, kind = name_of(entry), kind_of(entry)
            parsed.update({(name, i): _parse_node(node, kind=kind) for i, node in enumerate(nodes)})
        self._keras2 = any(node.keras2 for node in parsed.values())
        first = {ref.name for node in parsed.values() for ref in node.inputs if ref.node <= 0}
        self._counts_from_one = {
            name for name in self.place if name not in first and self._is_nested(name)
        }
        self.problems = {key: node.problems for key, node in parsed.items()}
        self.constants = {key: node.constants for key, node in parsed.items()}
        self.inputs = {
            key: [self._key(ref, output=False) for ref in node.inputs]
            for key, node in parsed.items()
        }

    def _is_nested(self, name: str) -> bool:
        return is_nested(self._entries[self.place[name]])

    def _key(self, ref: _Reference, *, output: bool) -> Key:
        """Return the call that a reference means.

        A model owns a first node from when it was built. Keras 2 counts it everywhere, Keras 3
        only for functional models and only where the outputs of the outer model are listed.
        """
        if ref.name not in self.place:
            raise ParseError(f"The model configuration refers to a missing layer {ref.name!r}.")
        if ref.tensor != 0:
            raise unsupported(f"{ref.name}: only layers with one output are supported")
        shifted = self._is_nested(ref.name) and ref.node > 0
        if shifted and output and not self._keras2:
            shifted = kind_of(self._entries[self.place[ref.name]]) in FUNCTIONAL
        elif shifted:
            shifted = self._keras2 and ref.name in self._counts_from_one
        return ref.name, ref.node - 1 if shifted else ref.node

    def output(self, config: Config, *, where: str) -> Key:
        """Return the call whose result the model returns."""
        found = references(config.get("output_layers"))
        if problems := refuse_several([ref.name for ref in found], "outputs", where=where):
            raise unsupported(*problems)
        return self._key(found[0], output=True)

    def find_needed(self, output: Key) -> set[Key]:
        """Find all calls that the output depends on."""
        found: set[Key] = set()
        waiting = [output]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += self.inputs.get(key, [])
        return found

    def order(self, needed: set[Key], *, ready: set[Key]) -> list[Key]:
        """Return calls so that inputs come first, else in the order of the configuration.

        Calls that stand before one of their inputs wait for the next round through the
        configuration.
        """
        place = {key: i for i, key in enumerate(self.inputs) if key in needed and key not in ready}
        missing = needed - set(place) - ready
        readers: dict[Key, list[Key]] = {}
        open_ = dict.fromkeys(place, 0)
        for key in place:
            for source in self.inputs[key]:
                if source in place:
                    open_[key] += 1
                    readers.setdefault(source, []).append(key)
        rounds = dict.fromkeys(place, 0)
        waiting = [key for key, number in open_.items() if not number]
        for key in waiting:  # grows
            for reader in readers.get(key, ()):
                later = rounds[key] + (place[reader] < place[key])
                rounds[reader] = max(rounds[reader], later)
                open_[reader] -= 1
                if not open_[reader]:
                    waiting.append(reader)
        missing |= {key for key, number in open_.items() if number}
        if missing:
            raise ParseError(
                f"Layer {min(missing)[0]!r} is not connected to the model's input; save the model "
                f"again."
            )
        return sorted(place, key=lambda key: (rounds[key], place[key]))

"""Nodes of an exported PyTorch program: operators and what they are called with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from snn_core.errors import ParseError
from snn_core.parsing.torch.unions import member_of, to_plain

_PREFIX = "torch.ops."


@dataclass(frozen=True, slots=True)
class Node:
    """One call of an operator.

    Parameters
    ----------
    name
        Where in the module tree it is called.
    kind, overload
        The two parts of the operator's name; ``kind`` has the library, unless that is ``aten``.
    arguments
        What it is called with, as the schema has it.
    outputs
        Names of its results, ``None`` for those that are no tensors.
    """

    name: str
    kind: str
    overload: str
    arguments: Mapping[str, Mapping[str, Any]]
    outputs: tuple[str | None, ...]

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Node:
        """Return a node of the graph's JSON."""
        target = str(node["target"]).removeprefix(_PREFIX)
        library, _, rest = target.partition(".")
        operator, _, overload = rest.partition(".")
        kind = operator if library == "aten" else f"{library}.{operator}"
        outputs = tuple(name for item in node["outputs"] for name in tensor_names(item))
        name = _module_name(node, outputs[0] if outputs else None) or kind
        arguments = {item["name"]: item["arg"] for item in node["inputs"]}
        if len(arguments) != len(node["inputs"]):
            raise ParseError(f"The program names an argument of {name!r} twice; export it again.")
        return cls(name, kind, overload, arguments, outputs)

    def reads(self) -> Iterator[str]:
        """Yield the names of all tensors that it is called with."""
        for argument in self.arguments.values():
            yield from (name for name in tensor_names(argument) if name is not None)

    def setting(self, key: str) -> Any:
        """Return an argument that is no tensor as a plain value, ``None`` if it is not given."""
        return to_plain(self.arguments.get(key, {"as_none": True}))


def tensor_names(argument: Mapping[str, Any]) -> list[str | None]:
    """Return the names of the tensors in an argument."""
    kind, value = member_of(argument)
    if kind == "as_tensor":
        return [value["name"]]
    if kind == "as_tensors":
        return [item["name"] for item in value]
    if kind == "as_optional_tensors":
        return [name for item in value for name in tensor_names(item)]
    return [None] if kind == "as_none" else []


def _module_name(node: Mapping[str, Any], result: str | None) -> str | None:
    """Return where in the module tree an operator is called: ``features.0`` or ``features/add``."""
    stack = str(node.get("metadata", {}).get("nn_module_stack", "")).split(";")
    parts = stack[-1].split(",")
    if len(parts) != 3:
        return result
    _, path, kind = parts
    leaf = kind.startswith("torch.nn.modules.") and not kind.startswith(
        "torch.nn.modules.container"
    )
    if path and leaf:
        return path
    return f"{path}/{result}" if path else result

"""Operators of PyTorch programs that change tensors in place, and who else sees the change.

The parser reads ``x.relu_()`` as a new value. That is what PyTorch computes as long as nobody
afterwards reads ``x`` or another tensor in the same memory; a program that does is refused.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from snn_core.parsing.torch.nodes import Node, tensor_names
from snn_core.parsing.torch.ops import EMITTERS

SHARING = frozenset((
    "alias", "detach", "detach_", "contiguous", "expand", "view", "_unsafe_view", "reshape",
    "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "t", "swapaxes",
    "slice", "select", "chunk", "split", "split_with_sizes", "channel_shuffle", "to", "type_as",
    "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
))  # fmt: skip
"""Operators that are read and may return their first argument's memory."""

_WRITING = ("out", "values", "dim_max", "dim_min")
"""In the overloads of operators that write to tensors that they are given, as ``out=`` does."""

_ADVICE = (
    "write it out of place (y = x.relu(), not x.relu_()), or save what "
    "torch.export.export(model, (x,)).run_decompositions({}) returns"
)


@dataclass(slots=True)
class _Memory:
    """Tensors that may share memory.

    ``last`` is the index of the last operator that reads one of them, and that one; ``own`` whether
    a parameter or buffer of the model is among them.
    """

    names: list[str]
    last: tuple[int, str]
    own: bool


class _Memories:
    """Which tensors may share memory, as far as a walk over the nodes has come."""

    def __init__(self, last: dict[str, int], own: Container[str]) -> None:
        self._last = last
        self._own = own
        self._found: dict[str, _Memory] = {}

    def of(self, name: str) -> _Memory:
        """Return what a tensor lies in."""
        if name not in self._found:
            last = (self._last.get(name, -1), name)
            self._found[name] = _Memory([name], last, name in self._own)
        return self._found[name]

    def join(self, names: Sequence[str]) -> None:
        """Take note that tensors may lie in the same memory."""
        for name in names[1:]:
            small, large = sorted((self.of(names[0]), self.of(name)), key=lambda m: len(m.names))
            if small is not large:
                large.names += small.names
                large.last = max(large.last, small.last)
                large.own |= small.own
                self._found.update(dict.fromkeys(small.names, large))


def find_shared_changes(
    nodes: Sequence[Node], needed: Container[int], targets: Sequence[str], own: Container[str]
) -> list[str]:
    """Return a problem for each operator that changes in place what is read later, too.

    Parameters
    ----------
    nodes
        All of the program, in order; those that the output does not depend on may change what it
        does depend on.
    needed
        Indices of the nodes that the output depends on.
    targets
        Names of the outputs.
    own
        Names of parameters and buffers, which outlive a call.
    """
    last = {name: i for i, node in enumerate(nodes) if i in needed for name in node.reads()}
    last |= dict.fromkeys(targets, len(nodes))
    memories = _Memories(last, own)
    problems: list[str] = []
    for i, node in enumerate(nodes):
        # Where an operator is refused anyway, what it changes is of no interest.
        refused = i in needed and (node.kind not in EMITTERS or node.kind.endswith("batch_norm"))
        for name in [] if refused else dict.fromkeys(_changed(node)):
            memory = memories.of(name)
            beside = [
                other
                for other in node.reads()
                if i in needed and other != name and memories.of(other) is memory
            ]
            place, reader = memory.last
            line = f"{node.name} ({node.kind}): it changes {name!r} in place"
            if memory.own:
                problems.append(
                    f"{line}, in which the model keeps numbers from call to call; make a copy, or "
                    f"call model.eval() if it is made for training"
                )
            elif place > i or beside:
                reader = beside[0] if beside else reader
                same = "" if reader == name else f", which may lie in the same memory as {reader!r}"
                read = f"{reader!r} is read {'there' if beside else 'later'}"
                problems.append(f"{line}{same}, and {read}; {_ADVICE}")
        memories.join(_shared(node))
    return problems


def _changed(node: Node) -> Iterator[str]:
    """Yield the tensors that an operator writes to."""
    # What other libraries do is not known; and results may be written to tensors that are given.
    if "." in node.kind or any(part in node.overload for part in _WRITING):
        yield from node.reads()
    if node.kind == "detach_" or (node.kind.endswith("dropout_") and not node.setting("train")):
        return
    if _is_in_place(node.kind):
        yield from _first(node)
    if node.kind.endswith("batch_norm") and node.setting("training"):
        yield from (name for key in ("running_mean", "running_var") for name in _named(node, key))


def _is_in_place(kind: str) -> bool:
    return kind.startswith("__i") or (kind.endswith("_") and not kind.endswith("__"))


def _shared(node: Node) -> list[str]:
    """Return tensors that may lie in the same memory after a call; of unknown operators, all."""
    outputs = [name for name in node.outputs if name is not None]
    if node.kind not in EMITTERS:
        return [*outputs, *node.reads()] if outputs else []
    shares = node.kind in SHARING or _is_in_place(node.kind)
    return [*outputs, *_first(node)] if shares else []


def _first(node: Node) -> list[str]:
    return _named(node, next(iter(node.arguments), ""))


def _named(node: Node, key: str) -> list[str]:
    return [name for name in tensor_names(node.arguments.get(key, {"as_none": True})) if name]

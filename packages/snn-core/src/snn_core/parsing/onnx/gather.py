"""``GatherND`` nodes that pick cells of an image by constant indices.

PyTorch's exporter writes an adaptive pooling to more cells than there are, as after the single
cell that deep networks for small images end in, as three nodes: a ``Transpose`` that moves the
image axes to the front, a ``GatherND`` that picks and repeats cells, and a ``Transpose`` that moves
the axis of the samples back. Only all three together keep the samples apart, so they are read as
one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir.shapes import count
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call
from snn_core.parsing.onnx.constants import Constants

KIND = "GatherND"


@dataclass(frozen=True, slots=True)
class Gathering:
    """Gathering of image cells: a transposition, a ``GatherND`` and the transposition back."""

    before: Any
    gather: Any
    after: Any

    def permutations(self) -> dict[str, list[int]]:
        """Return the orders of the axes that the two transpositions make."""
        return {
            key: [int(axis) for item in node.attribute if item.name == "perm" for axis in item.ints]
            for key, node in (("before", self.before), ("after", self.after))
        }


def gatherings(nodes: Any, constants: Constants) -> dict[str, Gathering | None]:
    """Find the gatherings of a graph, by the name of their last output.

    The outputs of the first two nodes of each are there too, with ``None``.
    """
    producers = {name: node for node in nodes for name in node.output}
    readers = Counter(name for node in nodes for name in node.input)
    last = {name: node for node in nodes for name in node.input}
    found: dict[str, Gathering | None] = {}
    for gather in nodes:
        if gather.op_type != KIND or len(gather.input) != 2 or gather.input[1] not in constants:
            continue
        source, result = gather.input[0], gather.output[0]
        before, after = producers.get(source), last.get(result)
        alone = readers[source] == readers[result] == 1
        if before is None or after is None or not alone:
            continue
        if before.op_type == after.op_type == "Transpose":
            found |= {source: None, result: None}
            found[after.output[0]] = Gathering(before, gather, after)
    return found


def gather(b: Builder, call: Call) -> View:
    """Return the view of the cells that three such nodes pick."""
    x = call.tensor("0")
    indices = call.constant("1")
    before, after = call.settings["before"], call.settings["after"]
    if call.settings.get("batch_dims", 0):
        raise UnsupportedError(["it gathers other cells for each sample"])
    indexed = indices.shape[-1]
    if before.index(0) < indexed:
        raise UnsupportedError(["it works across samples"])
    samples = indices.ndim - 1 + before.index(0) - indexed
    if after[0] != samples:
        raise UnsupportedError(["it moves the axis of the samples"])
    taken = count(tuple((1, *x.shape)[axis] for axis in before[:indexed]))
    x.require_room(indices.size // max(indexed, 1) * count(x.shape) // taken)
    index = np.broadcast_to(np.arange(x.places().size).reshape(x.shape), (1, *x.shape))
    picked = index.transpose(before)[tuple(np.moveaxis(indices, -1, 0))].transpose(after)[0]
    return x.reshape((-1,)).index(picked)

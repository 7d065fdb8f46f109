"""Tensors of ONNX models for one sample that have lost the axis of the samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call

_KEEPING = frozenset(("Cast", "Clip", "Dropout", "Identity", "Neg", "Relu", "Sigmoid"))
_ARITHMETIC = frozenset(("Add", "Div", "Mul", "Sub"))


@dataclass(slots=True)
class Unbatched:
    """Follows tensors without an axis of the samples through a graph.

    ``Squeeze`` without axes removes that axis, too, where a model is made for one sample. All axes
    are counted from another one then; here, they are always counted from that of the samples.

    Parameters
    ----------
    is_for_one
        Whether the model is made for one sample.
    names
        The tensors without that axis.
    """

    is_for_one: bool
    names: set[str] = field(default_factory=set)

    def follow(self, node: Any, call: Call) -> list[str]:
        """Note which outputs of a node have no such axis; return why that changes what it does."""
        if not self.is_for_one:
            return []
        found = self.names.intersection(node.input)
        squeezes = node.op_type == "Squeeze" and not {"axes", "1"} & {*call.settings, *call.inputs}
        if squeezes or (found and _is_alike(call, len(found))):
            self.names.update(node.output)
        elif found:
            reason = "a Squeeze without axes before it removes the axis of the samples"
            return [f"{reason}, as the model is made for one; name the axes that it removes"]
        return []


def _is_alike(call: Call, unbatched: int) -> bool:
    """Return whether a node does the same with and without an axis in front."""
    values = call.inputs.values()
    tensors = [value for value in values if isinstance(value, View)]
    axes = [value.ndim for value in values if isinstance(value, np.ndarray)]
    if call.kind in _ARITHMETIC:  # a constant of more axes brings one back
        rank = max((tensor.rank for tensor in tensors), default=0)
        return unbatched == len(set(map(id, tensors))) and max(axes, default=0) <= rank
    if call.kind in ("Softmax", "LogSoftmax"):
        return bool(call.settings.get("axis", -1 if call.settings["opset"] >= 13 else 1) == -1)
    return call.kind in _KEEPING or (call.kind == "MatMul" and axes == [2])

"""What an ONNX graph declares: names, and the shapes and types of its input."""

from __future__ import annotations

from typing import Any

from snn_core.errors import OpenShapeError, ParseError
from snn_core.parsing.base import require
from snn_core.parsing.sources import merge_shapes
from snn_core.typing import Shape

UINT8 = 2
"""``TensorProto.DataType`` of uint8."""

FLOATS = (1, 10, 11, 16)
"""``TensorProto.DataType`` of float, float16, double and bfloat16."""

EXACT_ON_INTEGERS = frozenset((
    "Clip", "Concat", "Flatten", "Gather", "GatherND", "Identity", "Max", "MaxPool", "Min", "Pad",
    "ReduceMax", "Relu", "Reshape", "Resize", "Shape", "Size", "Slice", "Split", "Squeeze",
    "Transpose", "Unsqueeze", "Upsample",
))  # fmt: skip
"""Operators that arrange and choose among values, and so do to integers what they do to numbers."""


def require_names(graph: Any) -> None:
    """Make sure that every name of a graph stands for one value, of the shape that it declares.

    Raises
    ------
    ParseError
        Names what is computed or stored twice, or stored in another shape than declared.
    """
    stored = {item.name: item for item in graph.initializer}
    sources = [item.name for item in graph.input]
    given = [*(item.name for item in graph.initializer), *set(sources).difference(stored)]
    made = [name for node in graph.node for name in node.output if name]
    seen: set[str] = set()
    for name in given + made:
        if name in seen:
            raise ParseError(
                f"The model gives the name {name!r} to two values; expected one for each: export "
                f"it again."
            )
        seen.add(name)
    for item in graph.input:
        if item.name in stored and not _fits(item.type.tensor_type, stored[item.name].dims):
            found, declared = tuple(stored[item.name].dims), tuple(sizes_of(item))
            raise ParseError(
                f"The constant {item.name!r} has the shape {found}, and {declared} as an input of "
                f"the model; export it again."
            )


def _fits(declared: Any, dims: Any) -> bool:
    """Return whether a shape is the declared one, where that is not open."""
    sizes = declared.shape.dim
    return not declared.HasField("shape") or (
        len(sizes) == len(dims)
        and all(
            size.dim_value in (found, 0, -1)  # 0 where it is open, too
            for size, found in zip(sizes, dims, strict=True)
        )
    )


def sizes_of(source: Any) -> list[int | None]:
    """Return the declared shape of an input; ``None`` where it is open."""
    dims = source.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]


def sample_shape(source: Any, given: Shape | None) -> tuple[Shape, int]:
    """Return the shape of one sample and the number of samples that the model is made for.

    Exporters write open sizes as 0 or -1, too.

    Raises
    ------
    ParseError
        If there is none, or another one is given.
    OpenShapeError
        If the model leaves it open.
    """
    declared = sizes_of(source)
    if not declared:
        raise ParseError("The model's input has no shape; export it again with one.")
    batch, *own = (size if size is not None and size > 0 else None for size in declared)
    sizes = merge_shapes(own, given)
    shape = tuple(size for size in sizes if size is not None)
    if not sizes or len(shape) < len(sizes):
        raise OpenShapeError(
            f"The model leaves its input shape open ({source.name}: {declared}); give the shape of "
            f"one sample, for example --input-shape 3,32,32."
        )
    return shape, batch or 1


def refuse_type(source: Any) -> list[str]:
    """Return why the values of an input cannot be read as real numbers, if they cannot."""
    kind = source.type.tensor_type.elem_type
    if kind in (*FLOATS, UINT8):
        return []
    names = {
        number: name for name, number in require("onnx", extra="onnx").TensorProto.DataType.items()
    }
    found = names.get(kind, f"type {kind}").lower()
    expected = "float, float16, bfloat16, double and uint8 are read as real numbers"
    return [f"{source.name}: its values are {found}; {expected}: export it with a float input"]


def refuse_integers(kind: str) -> list[str]:
    """Return why an operator cannot be applied to integers, if it computes with them."""
    if kind in EXACT_ON_INTEGERS:
        return []
    return ["it computes with integers, which rounds and wraps around; cast to float before it"]

"""Safe evaluation of exported PyTorch programs by PyTorch: no code from their files is run.

``torch.export.load`` is not used. It unpickles parts of a file, imports modules that it names,
evaluates the expressions of its sizes and makes Python code out of its names. Here PyTorch's own
operators are called one after the other, those alone that the parser knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.parsing.sources import to_type
from snn_core.parsing.torch.archive import Program, read_program, read_sizes
from snn_core.parsing.torch.graph import find_inputs, find_outputs
from snn_core.parsing.torch.ops import EMITTERS
from snn_core.typing import Array

_SIZES = ("sym_size", "sym_numel")
"""Operators that tell the number of samples to others."""

_CHECKS = ("_assert_tensor_metadata", "_assert_scalar")
"""Operators without a result."""

# Numbers of `torch._export.serde.schema.ScalarType`.
_TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 12: "bool", 13: "bfloat16",
}  # fmt: skip

# Numbers of `torch._export.serde.schema.MemoryFormat`.
_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}


def run_archive(torch: Any, path: Path, x: Array) -> tuple[Array, str] | None:
    """Evaluate a program; return nothing if it holds operators that are not known.

    Parameters
    ----------
    x
        Samples in the axis order of the program.

    Returns
    -------
    The outputs and the name of the type that the program computes in.
    """
    program = read_program(path, what=str(path))
    calls = list(_calls(torch, program))
    if any(function is None for function, _ in calls):
        return None
    types = program.graph["tensor_values"]
    constants, (source, *_), _ = find_inputs(program)
    (target, *_), _ = find_outputs(program)
    weights = {
        # A copy, which PyTorch may write to.
        name: torch.from_numpy(np.array(values)).to(_type(torch, types[name]["dtype"]))
        for name, values in constants.items()
    }
    kind, shape = _type(torch, types[source]["dtype"]), read_sizes(types[source]["sizes"][:1])
    x = to_type(x, np.uint8) if kind == torch.uint8 else x
    size = len(x) if shape is None else shape[0]
    results, computed_in = [], ""
    with torch.no_grad():
        for start in range(0, len(x), size):
            part = x[start : start + size]
            full = np.concatenate([part, np.zeros((size - len(part), *x.shape[1:]), x.dtype)])
            given = {**weights, source: torch.from_numpy(full).to(kind)}
            values = _evaluate(torch, calls, given)[target]
            computed_in = name_type(values)
            results.append(to_array(torch, values)[: len(part)])
    return np.concatenate(results), computed_in


def name_type(values: Any) -> str:
    """Return the name of a tensor's type, as NumPy would call it."""
    return str(values.dtype).removeprefix("torch.")


def to_array(torch: Any, values: Any) -> Array:
    """Return a tensor as an array; bfloat16, which NumPy lacks, becomes float32."""
    values = values.float() if values.dtype == torch.bfloat16 else values
    return np.asarray(values.cpu().numpy())


def _type(torch: Any, number: int) -> Any:
    return getattr(torch, _TYPES[number])


def _calls(torch: Any, program: Program) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Yield the operator of each node that computes, ``None`` if it is not known, and the node."""
    for node in program.graph["nodes"]:
        library, _, rest = str(node["target"]).removeprefix("torch.ops.").partition(".")
        name, _, overload = rest.partition(".")
        is_known = library == "aten" and name in (*EMITTERS, *_SIZES, *_CHECKS)
        if is_known and name in _CHECKS:
            continue
        operator = getattr(torch.ops.aten, name) if is_known else None
        is_known = operator is not None and overload in operator.overloads()
        yield getattr(operator, overload) if is_known else None, node


def _evaluate(torch: Any, calls: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a program by name, those that it is given among them."""
    for function, node in calls:
        arguments = {item["name"]: _decode(torch, item["arg"], values) for item in node["inputs"]}
        found = function(**arguments)
        names = [name for output in node["outputs"] for name in _names(output)]
        results = found if isinstance(found, (tuple, list)) else [found]
        values |= dict(zip(names, results, strict=False))
    return values


def _names(output: Mapping[str, Any]) -> list[str]:
    """Return the names of an output, which may be a list of tensors or a size."""
    (kind, value), *_ = output.items()
    if kind == "as_tensors":
        return [item["name"] for item in value]
    return [value["name"] if kind == "as_tensor" else value["as_name"]]


def _decode(torch: Any, argument: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """Return an argument as PyTorch takes it."""
    (kind, value), *_ = argument.items()
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return values[value["name"]]
    if kind == "as_tensors":
        return [values[item["name"]] for item in value]
    if kind in ("as_optional_tensors", "as_sym_ints"):
        return [_decode(torch, item, values) for item in value]
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return _decode(torch, value, values)
    if kind == "as_name":
        return values[value]
    if kind == "as_scalar_type":
        return _type(torch, value)
    if kind == "as_memory_format":
        return getattr(torch, _FORMATS[value])
    if kind == "as_layout":
        return torch.strided
    if kind == "as_device":
        return torch.device("cpu")
    return float(value) if kind == "as_float" else value  # infinity is a text

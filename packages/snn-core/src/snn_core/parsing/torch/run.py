"""Safe evaluation of exported PyTorch programs by PyTorch: no code from their files is run.

``torch.export.load`` is not used. It unpickles parts of a file, imports modules that it names,
evaluates the expressions of its sizes and makes Python code out of its names. Here PyTorch's own
operators are called one after the other, those alone that the parser knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.parsing.emit.walk import trace_back
from snn_core.parsing.sources import to_type
from snn_core.parsing.torch.archive import TYPE_NAMES, Program, read_program
from snn_core.parsing.torch.graph import find_inputs, find_outputs
from snn_core.parsing.torch.ops import EMITTERS
from snn_core.parsing.torch.unions import member_of, read_sizes
from snn_core.reading import limit_memory, spend
from snn_core.typing import Array, Shape

_SIZES = ("sym_size", "sym_numel")
"""Operators that tell the number of samples to others."""

_CHECKS = ("_assert_tensor_metadata", "_assert_scalar")
"""Operators without a result."""

# Numbers of `torch._export.serde.schema.MemoryFormat`.
_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}


@dataclass(frozen=True, slots=True)
class _Step:
    """One call of an operator that computes.

    ``inputs`` are its arguments as the schema has them, ``reads`` and ``outputs`` the names of the
    tensors and sizes among them and of its results.
    """

    function: Any
    inputs: Sequence[Mapping[str, Any]]
    reads: Sequence[str]
    outputs: Sequence[str]


def run_archive(torch: Any, path: Path, x: Array) -> tuple[Array, str]:
    """Evaluate what the output of a program depends on.

    Parameters
    ----------
    x
        Samples in the axis order of the program.

    Returns
    -------
    The outputs and the name of the type that the program computes in.

    Raises
    ------
    ParseError
        If it holds operators that are not known, makes tensors of other sizes than it declares, or
        would take more memory than a file may.
    """
    program = read_program(path, what=str(path))
    with limit_memory("The program", error=ParseError), torch.no_grad():
        return _run(torch, program, x)


def _run(torch: Any, program: Program, x: Array) -> tuple[Array, str]:
    types = program.graph["tensor_values"]
    constants, (source, *_), _ = find_inputs(program)
    (target, *_), *_ = find_outputs(program)
    steps = _steps(torch, program, target)
    read = {name for step in steps for name in step.reads}
    kinds = {name: _type(torch, types[name]["dtype"]) for name in (*constants, source)}
    x = to_type(x, np.uint8) if kinds[source] == torch.uint8 else x
    size = _batch_size(types[source], len(x))
    spend(size * x[:1].nbytes, f"{size} samples, for which the program is made,", kept=False)
    shapes = {name: values.shape for name, values in constants.items() if name in read}
    shapes |= {source: (size, *x.shape[1:])}
    _measure(torch, steps, {n: (s, kinds[n]) for n, s in shapes.items()}, target, types)
    weights = {
        # A copy, which PyTorch may write to.
        name: torch.from_numpy(np.array(values)).to(kinds[name])
        for name, values in constants.items()
        if name in read
    }
    results, computed_in = [], ""
    for start in range(0, len(x), size):
        part = x[start : start + size]
        full = np.concatenate([part, np.zeros((size - len(part), *x.shape[1:]), x.dtype)])
        given = {**weights, source: torch.from_numpy(full).to(kinds[source])}
        values = _evaluate(torch, steps, given, target)
        computed_in = name_type(values)
        results.append(to_array(torch, values)[: len(part)])
    return np.concatenate(results), computed_in


def _batch_size(declared: Mapping[str, Any], given: int) -> int:
    """Return for how many samples a program is made; any number may mean as many as are given."""
    shape = read_sizes(declared["sizes"][:1])
    size = given if shape is None else shape[0]
    if size < 1:
        raise ParseError(f"The program is made for {size} samples; expected at least one.")
    return size


def name_type(values: Any) -> str:
    """Return the name of a tensor's type, as NumPy would call it."""
    return str(values.dtype).removeprefix("torch.")


def to_array(torch: Any, values: Any) -> Array:
    """Return a tensor as an array; bfloat16, which NumPy lacks, becomes float32."""
    values = values.float() if values.dtype == torch.bfloat16 else values
    return np.asarray(values.cpu().numpy())


def _type(torch: Any, number: int) -> Any:
    if number not in TYPE_NAMES:
        raise ParseError(f"The program has the data type number {number}; expected real numbers.")
    return getattr(torch, TYPE_NAMES[number])


def _steps(torch: Any, program: Program, target: str) -> list[_Step]:
    """Return what an output depends on, with all that changes tensors in place.

    Raises
    ------
    ParseError
        If a node, needed or not, has an operator that is not known.
    """
    steps: list[_Step] = []
    roots = [target]
    for node in program.graph["nodes"]:
        library, _, rest = str(node["target"]).removeprefix("torch.ops.").partition(".")
        name, _, overload = rest.partition(".")
        is_known = library == "aten" and name in (*EMITTERS, *_SIZES, *_CHECKS)
        if is_known and name in _CHECKS:
            continue
        operator = getattr(torch.ops.aten, name) if is_known else None
        if operator is None or overload not in operator.overloads():
            raise ParseError(f"It holds the operator {node['target']!r}, which is not run.")
        reads = [name for item in node["inputs"] for name in _read_names(item["arg"])]
        outputs = [name for output in node["outputs"] for name in _names(output)]
        steps.append(_Step(getattr(operator, overload), node["inputs"], reads, outputs))
        roots += outputs if name.endswith("_") else []
    needed = trace_back([s.reads for s in steps], [s.outputs for s in steps], roots)
    return [step for i, step in enumerate(steps) if i in needed]


def _measure(
    torch: Any,
    steps: Sequence[_Step],
    given: Mapping[str, tuple[Shape, Any]],
    target: str,
    types: Mapping[str, Any],
) -> None:
    """Make sure that tensors have the sizes that the program declares, and fit into memory.

    PyTorch computes the sizes alone, on its device ``meta``.

    Parameters
    ----------
    given
        Shape and type of weights and samples.
    types
        Of the values of the program, as its schema has them.
    """
    # What nothing reads may differ: normalization gives more at inference than is declared.
    read = {target, *(name for step in steps for name in step.reads)}

    def visit(values: Mapping[str, Any], names: Sequence[str]) -> None:
        tensors = {n: value for n, value in values.items() if isinstance(value, torch.Tensor)}
        for name in names:
            if name in tensors and name in types and name in read:
                _require_declared(name, tuple(tensors[name].shape), types[name]["sizes"])
        size = sum(value.numel() * value.element_size() for value in tensors.values())
        spend(size, "Evaluating the program", kept=False)

    start = {
        name: torch.empty(shape, dtype=kind, device="meta") for name, (shape, kind) in given.items()
    }
    _evaluate(torch, steps, start, target, device="meta", visit=visit)


def _require_declared(name: str, found: Shape, sizes: Sequence[Mapping[str, Any]]) -> None:
    """Raise a `ParseError` if a tensor has another shape than a program declares."""
    declared = [value if form == "as_int" else None for form, value in map(member_of, sizes)]
    same = [size in (None, own) for size, own in zip(declared, found, strict=False)]
    if len(declared) != len(found) or not all(same):
        raise ParseError(f"{name!r} has the shape {found}; the program declares {declared}.")


def _evaluate(
    torch: Any,
    steps: Sequence[_Step],
    given: Mapping[str, Any],
    target: str,
    *,
    device: str = "cpu",
    visit: Callable[[Mapping[str, Any], Sequence[str]], None] | None = None,
) -> Any:
    """Return one value of a program; the others go when nothing reads them any more.

    Parameters
    ----------
    given
        Weights and samples by name.
    visit
        Called after each step with the values that there are and the names of the new ones.
    """
    values = dict(given)
    last = {name: i for i, step in enumerate(steps) for name in step.reads}
    for i, step in enumerate(steps):
        arguments = {
            item["name"]: _decode(torch, item["arg"], values, device) for item in step.inputs
        }
        if any(item.name == "device" for item in step.function._schema.arguments):
            arguments["device"] = torch.device(device)
        found = step.function(**arguments)
        results = found if isinstance(found, (tuple, list)) else [found]
        new = dict(zip(step.outputs, results, strict=False))
        del arguments, found, results
        values |= new
        if visit is not None:
            visit(values, list(new))
        del new
        for name in {*step.reads, *step.outputs}:
            if name != target and last.get(name, i) <= i:
                values.pop(name, None)
    return values[target]


def _read_names(argument: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the tensors and sizes in an argument."""
    kind, value = member_of(argument)
    if kind == "as_tensor":
        yield value["name"]
    elif kind == "as_tensors":
        yield from (item["name"] for item in value)
    elif kind in ("as_optional_tensors", "as_sym_ints"):
        yield from (name for item in value for name in _read_names(item))
    elif kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        yield from _read_names(value)
    elif kind == "as_name":
        yield value


def _names(output: Mapping[str, Any]) -> list[str]:
    """Return the names of an output, which may be a list of tensors or a size."""
    kind, value = member_of(output)
    if kind == "as_tensors":
        return [item["name"] for item in value]
    return [value["name"] if kind == "as_tensor" else value["as_name"]]


def _decode(torch: Any, argument: Mapping[str, Any], values: Mapping[str, Any], device: str) -> Any:
    """Return an argument as PyTorch takes it."""
    kind, value = member_of(argument)
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return values[value["name"]]
    if kind == "as_tensors":
        return [values[item["name"]] for item in value]
    if kind in ("as_optional_tensors", "as_sym_ints"):
        return [_decode(torch, item, values, device) for item in value]
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return _decode(torch, value, values, device)
    if kind == "as_name":
        return values[value]
    if kind == "as_scalar_type":
        return _type(torch, value)
    if kind == "as_memory_format":
        return getattr(torch, _FORMATS[value])
    if kind == "as_layout":
        return torch.strided
    if kind == "as_device":
        return torch.device(device)
    return float(value) if kind == "as_float" else value  # infinity is a text

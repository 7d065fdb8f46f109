"""Types of the values in PyTorch programs, as spike rates and weights are real numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Value
from snn_core.parsing.torch.archive import BYTE, FLOATS, TYPE_NAMES
from snn_core.parsing.torch.ops import EMITTERS, REARRANGING
from snn_core.parsing.torch.unions import read_sizes
from snn_core.reading import spend
from snn_core.typing import Array, Shape

_ARRAY_TYPES = {
    kind: np.dtype("float32" if name == "bfloat16" else name) for kind, name in TYPE_NAMES.items()
}
"""Types of arrays; float32 reaches as far as bfloat16, which NumPy lacks."""


def name_of(kind: Any) -> str:
    """Return the name of a type, which PyTorch's schema numbers."""
    return TYPE_NAMES.get(kind, f"number {kind}")


def require_declared(name: str, kind: Any, shape: Shape, declared: Mapping[str, Any]) -> None:
    """Raise a `ParseError` if a constant has not the type and sizes that the program declares."""
    sizes = read_sizes(declared["sizes"])
    if (kind, shape) != (declared["dtype"], sizes):
        raise ParseError(
            f"{name!r} is stored as {name_of(kind)} of the shape {shape}; the program declares "
            f"{name_of(declared['dtype'])} of {sizes}. Export it again."
        )


def find_input_problems(kind: Any, name: str) -> list[str]:
    """Return what is wrong with the type of an input."""
    if kind in FLOATS or kind == BYTE:
        return []
    return [f"the input {name!r} has the type {name_of(kind)}; export for floats or bytes (uint8)"]


def find_type_problems(
    operator: str, found: Sequence[Value], kinds: Sequence[Any], *, takes_bytes: bool
) -> list[str]:
    """Return why results do not have the types that the program declares.

    Parameters
    ----------
    operator
        Its name without the overload.
    found
        Its results as they were read.
    kinds
        Numbers of their types.
    takes_bytes
        Whether the samples are bytes. Those may be moved about before they become floats, but what
        is computed in bytes wraps around.
    """
    problems: list[str] = []
    for value, kind in zip(found, kinds, strict=False):
        if isinstance(value, View) and kind not in FLOATS:
            moved = takes_bytes and kind == BYTE and EMITTERS.get(operator) in REARRANGING
            if not moved:
                problems.append(f"it computes in {name_of(kind)}; call x.float() before it")
        if isinstance(value, np.ndarray) and not _holds(kind, value):
            problems.append(f"it computes constants that {name_of(kind)} cannot hold; keep floats")
    return problems


def _holds(kind: Any, values: Array) -> bool:
    """Return whether a type has all values of a constant: exactly, or rounded if it is a float."""
    if kind not in _ARRAY_TYPES:
        raise ParseError(f"a constant has the data type number {kind}; expected real numbers.")
    target = _ARRAY_TYPES[kind]
    if values.dtype == target:
        return True
    spend(target.itemsize * values.size, "A constant in its type", kept=False)
    with np.errstate(all="ignore"):
        cast = values.astype(target)
    if kind in FLOATS:
        return bool(np.array_equal(np.isfinite(cast), np.isfinite(values)))
    return bool(np.array_equal(cast, values))

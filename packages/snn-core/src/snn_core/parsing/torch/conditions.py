"""Conditions of exported PyTorch programs: ranges of sizes, and guards on their inputs.

PyTorch compiles and runs guards; here the usual ones are compared as text.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from snn_core.errors import ParseError, brief
from snn_core.typing import Shape

_GUARD = re.compile(
    r"L\['(?P<name>\w+)'\]\.size\(\)\[(?P<axis>\d{1,3})\] (?P<sign>[<>=!]=|<|>) (?P<size>\d{1,18})"
)
_SIGNS = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


def require_ranges(ranges: Mapping[str, Any]) -> None:
    """Make sure that every size that a program leaves open can have a value.

    Raises
    ------
    ParseError
        If the smallest value is larger than the largest, or one is no number.
    """
    for name, found in ranges.items():
        low, high = found["min_val"], found["max_val"]
        bounds = [bound for bound in (low, high) if bound is not None]
        if any(isinstance(bound, bool) or not isinstance(bound, int) for bound in bounds):
            raise ParseError(f"The sizes {name!r} range from {brief(low)} to {brief(high)}.")
        if len(bounds) == 2 and low > high:
            raise ParseError(
                f"The sizes {name!r} range from {low} to {high}, which no size does; export the "
                f"model again."
            )


def require_guards(guards: Sequence[Any], source: str, shape: Shape) -> None:
    """Make sure that no guard refuses every input.

    What depends on the number of samples is left to who calls the program.

    Parameters
    ----------
    guards
        Conditions as Python code, which is not run.
    source
        Name of the input.
    shape
        Shape of one sample.

    Raises
    ------
    ParseError
        If one does not depend on the input, or its fixed sizes are refused.
    """
    for guard in guards:
        found = _GUARD.fullmatch(guard)
        axis = int(found["axis"]) - 1 if found and found["name"] == source else -1
        is_met = guard == "True" or "L[" in guard
        if found and 0 <= axis < len(shape):
            is_met = _SIGNS[found["sign"]](shape[axis], int(found["size"]))
        if not is_met:
            raise ParseError(
                f"The program is guarded by {brief(guard)}, which samples of the shape {shape} do "
                f"not meet; export the model again."
            )

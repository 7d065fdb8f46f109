"""The memory that reading one file may take, counted before anything is unpacked or allocated."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from snn_core.errors import SettingsError

LIMIT_VARIABLE = "SNN_MEMORY_LIMIT"
"""Environment variable with the limit, in bytes or as ``500M``, ``16G``."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_ASSUMED = 2**33
"""Bytes of memory where the system does not tell."""


class BudgetExceededError(Exception):
    """A file would take more memory than it may; `while_reading` names the file."""


def memory_limit() -> int:
    """Return how many bytes the contents of one file may take in memory.

    A quarter of the machine's memory, unless the environment variable `LIMIT_VARIABLE` says
    otherwise.

    Raises
    ------
    SettingsError
        If the variable is no size.
    """
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not text:
        return _memory() // 4
    found = re.fullmatch(r"([0-9]{1,18})([KMGT]?)B?", text.upper())
    if found is None:
        raise SettingsError(
            f"Found {LIMIT_VARIABLE}={text!r}; expected a number of bytes such as 500M or 16G."
        )
    return int(found[1]) * _UNITS[found[2]]


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return _ASSUMED


_left: ContextVar[int | None] = ContextVar("bytes that reading may still take", default=None)


@contextmanager
def open_budget(*, enabled: bool = True) -> Iterator[None]:
    """Give the block the whole limit, unless it lies in another block that has it."""
    if not enabled or _left.get() is not None:
        yield
        return
    token = _left.set(memory_limit())
    try:
        yield
    finally:
        _left.reset(token)


def bytes_left() -> int:
    """Return how many bytes the file that is being read may still take."""
    left = _left.get()
    return memory_limit() if left is None else left


def describe_rest() -> str:
    """Return how much memory is left for the file that is being read, and how to get more."""
    return (
        f"{_format(bytes_left())} of the {_format(memory_limit())} for one file are left. Set the "
        f"environment variable {LIMIT_VARIABLE} (for example 16G) to read more"
    )


def spend(size: int, what: str, *, kept: bool = True) -> None:
    """Count memory that a part of a file takes, before it is taken.

    Parameters
    ----------
    size
        Bytes that the part takes.
    what
        The part, for the message.
    kept
        Whether it stays; otherwise it has to fit for the moment, and nothing is counted.

    Raises
    ------
    BudgetExceededError
        If the file takes more than the limit with it, or the size is negative.
    """
    left = bytes_left()
    if size < 0:
        raise BudgetExceededError(
            f"{what} has a negative size ({_format(size)}); the file is damaged: copy it again."
        )
    if not size <= left:
        raise BudgetExceededError(f"{what} would take {_format(size)} in memory; {describe_rest()}")
    if kept and _left.get() is not None:
        _left.set(left - size)


def _format(size: int) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if abs(size) < 2**10:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size = size / 2**10  # type: ignore[assignment]
    return f"{size:.4g} GiB"


MOST_AXES = 32
"""Axes of an array: as many as NumPy has had in every version."""


def count_values(shape: Sequence[int]) -> int:
    """Return how many values an array of a shape that a file tells has.

    Raises
    ------
    ValueError
        If it has more axes than an array can have; the product of very many takes for ever.
    """
    if len(shape) > MOST_AXES:
        raise ValueError(f"found a shape of {len(shape)} axes; expected at most {MOST_AXES}")
    return math.prod(shape)

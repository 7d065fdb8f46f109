"""Where users' values come in: what a function cannot use is an error that says what it takes."""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from snn_core.errors import DataError

Function = TypeVar("Function", bound=Callable[..., Any])

MISUSES = (
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    StopIteration,
    ArithmeticError,
)
"""What Python and NumPy raise on values of another kind or shape."""


def explain_misuse(function: Function) -> Function:
    """Return a function that answers values it cannot use in words.

    It is for what users call with arrays of their own. The command line calls the functions
    themselves, so that an error in one of them stays one.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def explained(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except MISUSES as error:
            given = _describe_given(signature, arguments, keywords)
            raise DataError(
                f"{function.__name__} cannot use what it was given ({type(error).__name__}: "
                f"{error}).\n{given}"
            ) from error

    return explained  # type: ignore[return-value]  # it takes and returns what the function does


def _describe_given(
    signature: inspect.Signature, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> str:
    """Return a line for each argument: what was found, and what was expected."""
    try:
        given = signature.bind(*arguments, **keywords).arguments
    except TypeError:
        return f"Expected the arguments {signature}."
    return "\n".join(
        f"  - {name}: found {_describe(value)}; expected {signature.parameters[name].annotation}"
        for name, value in given.items()
    )


def _describe(value: Any) -> str:
    """Return what a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return f"{type(value).__name__} {reprlib.repr(value)}"

"""Files, named models, input shapes and weights, as all parsers read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.ir.validation import LARGEST
from snn_core.parsing.base import ModelName, Parser, choose
from snn_core.typing import Array, Shape


def load_named(source: Any, parser: Parser, load_weights: Callable[[Any, Path], object]) -> Any:
    """Return the model that a source is or names, with its weights.

    Parameters
    ----------
    parser
        Reads the model.
    load_weights
        Loads weights from a file into the model.

    Raises
    ------
    ParseError
        If there is no such model, or its weights are missing or those of another one.
    """
    if not isinstance(source, ModelName):
        return source
    found, _ = choose(ModelName(source.target), [parser])
    if source.weights is not None:
        if not source.weights.is_file():
            raise ParseError(f"The weights file {source.weights} does not exist; check the path.")
        try:
            load_weights(found, source.weights)
        except ParseError:
            raise
        except Exception as error:  # frameworks raise errors of many types
            raise ParseError(
                f"{source.weights} does not fit to {source.target}: {error}"
            ) from error
    return found


def merge_shapes(declared: Sequence[int | None], given: Shape | None) -> tuple[int | None, ...]:
    """Return the shape of one sample; a given one fills in what the model leaves open.

    Raises
    ------
    ParseError
        If the two differ.
    """
    sizes = tuple(declared)
    if given is None:
        return sizes
    if len(given) != len(sizes) or any(
        size not in (None, wanted) for size, wanted in zip(sizes, given, strict=True)
    ):
        raise ParseError(f"The input shape {given} was given; the model expects {sizes}.")
    return tuple(map(int, given))


def require_real(values: Array, what: str) -> Array:
    """Return values as they are.

    Raises
    ------
    ParseError
        If they are no real numbers: complex ones, times, texts, records or objects.
    """
    # True for the small types of ml_dtypes, too, which NumPy takes for records.
    if not np.can_cast(values.dtype, np.float64, "same_kind"):
        raise ParseError(f"its {what} holds {values.dtype} instead of real numbers.")
    return values


def require_finite(values: Array, what: str) -> Array:
    """Return numbers as float32.

    Raises
    ------
    ParseError
        If they are no real numbers, infinite, not a number, or too large for an artifact.
    """
    values = require_real(np.asarray(values), what)
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused
        values = np.asarray(values, np.float32)
    # Both pass on what is not a number, and need no array of the same size.
    low, high = (values.min(), values.max()) if values.size else (0.0, 0.0)
    if not np.isfinite([low, high]).all():
        bad = int((~np.isfinite(values)).sum())
        raise ParseError(
            f"its {what} holds {bad} value(s) that are infinite or not a number; the training "
            f"diverged: retrain or restore an earlier state."
        )
    if max(-low, high) > LARGEST:
        raise ParseError(
            f"its {what} holds numbers up to {max(-low, high):.3g}; expected at most {LARGEST:g}: "
            f"retrain or restore an earlier state."
        )
    return values


def to_type(x_b_l: Array, kind: Any) -> Array:
    """Return samples in the type that a source takes.

    Raises
    ------
    ValueError
        If it takes 8-bit integers and they are none.
    """
    found = x_b_l.astype(kind)
    if found.dtype == np.uint8 and not np.array_equal(found, x_b_l):
        raise ValueError("it takes 8-bit integers; the samples are none")
    return found

"""Data in memory in the forms that people have: arrays, tensors, dictionaries, data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from snn_core.data.base import Dataset
from snn_core.data.numbers import as_array
from snn_core.data.shapes import channels_last
from snn_core.errors import DataError, brief
from snn_core.reading import printable, spend, while_reading
from snn_core.typing import Array, Shape

EXPECTED = (
    "expected samples x, a pair (x, y), a dictionary with x and y, the path of a file or folder, "
    "or a data set of PyTorch, TensorFlow or Keras"
)


_PER_NAME = 128
"""Bytes of memory for a name of one letter, as an object of Python."""


def from_memory(data: Any, *, input_shape: Shape | None = None) -> Dataset:
    """Return samples that are in memory as a data set.

    Parameters
    ----------
    data
        Samples, or a pair of samples and labels, as arrays or tensors; a mapping as `from_mapping`
        takes it; or what yields samples, pairs, or batches of them: a data set or a loader.
    input_shape
        Shape of one sample in a network, which tells samples from batches.

    Raises
    ------
    DataError
        If it is something else, or cannot be used.
    """
    if isinstance(data, Mapping):
        return from_mapping(data, name="the dictionary")
    if isinstance(data, list) and _is_pair(data):
        data = tuple(data)
    if isinstance(data, tuple):
        if not 1 <= len(data) <= 2:
            raise DataError(f"Found a tuple of {len(data)}; {EXPECTED}.")
        return Dataset.of(*data)
    if isinstance(data, list) and _holds_pairs(data):
        return _collect(data, input_shape)
    if isinstance(data, list) or hasattr(data, "__array__") or hasattr(data, "detach"):
        return Dataset.of(data)
    if hasattr(data, "__iter__") or hasattr(data, "__getitem__"):
        return _collect(data, input_shape)
    raise DataError(f"Found data of type {type(data).__name__}; {EXPECTED}.")


def from_mapping(arrays: Mapping[str, Any], *, name: str, advice: str = "") -> Dataset:
    """Return samples ``x``, if there with labels ``y`` and names of ``classes``, as a data set.

    Parameters
    ----------
    name
        Where they come from.
    advice
        How to have them under these names.

    Raises
    ------
    DataError
        If there is no ``x``, or anything cannot be used.
    """
    if "x" not in arrays:
        found = ", ".join(sorted(map(str, arrays))) or "nothing"
        raise DataError(f"{name} holds {found}; expected the arrays x and y{advice}.")
    with while_reading(name, error=DataError, advice="give the names of the classes as texts"):
        classes = as_array(arrays.get("classes", ()), "classes").reshape(-1)
        spend(_PER_NAME * classes.size + classes.nbytes, "the names of the classes")
        names = [printable(_require_short(_as_text(item), name)) for item in classes]
    return Dataset.of(arrays["x"], arrays.get("y"), name=name, classes=names)


_LONGEST_NAME = 1000
"""Letters of a class's name: it is shown wherever its samples are."""


def _require_short(name: str, where: str) -> str:
    if len(name) > _LONGEST_NAME:
        raise DataError(
            f"{where} has a class with a name of {len(name)} letters ({brief(name)}); expected at "
            f"most {_LONGEST_NAME}. Give it a shorter one."
        )
    return name


def _as_text(name: Any) -> str:
    """Return a name as a text: NumPy and HDF5 store texts as bytes, too."""
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)


def _is_pair(data: list[Any]) -> bool:
    """Return whether a list is samples and labels: two arrays of shapes that differ."""
    shapes = [getattr(item, "shape", None) for item in data]
    return len(data) == 2 and None not in shapes and shapes[0] != shapes[1]


def _holds_pairs(data: list[Any]) -> bool:
    """Return whether a list holds pairs of a sample and its label, rather than rows of numbers."""
    return (
        bool(data) and isinstance(data[0], tuple) and len(data[0]) == 2 and np.ndim(data[0][0]) > 0
    )


def _collect(data: Any, input_shape: Shape | None) -> Dataset:
    """Return all that a data set or a loader of a framework yields."""
    name = f"the {type(data).__name__}"
    _require_end(data, name)
    samples: list[Array] = []
    labels: list[Array] = []
    for element in _elements(data):
        x, y = _split(element, name)
        if not _is_batch(x, y, input_shape):
            x, y = x[None], None if y is None else y[None]
        samples.append(x)
        labels += [] if y is None else [y]
    if len(labels) not in (0, len(samples)):
        raise DataError(f"{name} has labels for some samples only; expected all or none.")
    if not samples:
        raise DataError(f"{name} has no samples; expected at least one.")
    try:
        x_b_l, y_b = np.concatenate(samples), np.concatenate(labels) if labels else None
    except ValueError as error:
        raise DataError(
            f"{name} has samples of different shapes ({error}); expected one."
        ) from None
    return Dataset.of(x_b_l, y_b, name=name)


def _elements(data: Any) -> Iterator[Any]:
    """Yield the elements of what can be iterated over, or has a length and indices."""
    if hasattr(data, "__iter__"):
        yield from data
    elif hasattr(data, "__len__"):
        for i in range(len(data)):
            yield data[i]
    else:
        raise DataError(f"The {type(data).__name__} has no length; {EXPECTED}.")


def _split(element: Any, name: str) -> tuple[Array, Array | None]:
    """Return the samples and the labels of an element, which is a pair, a mapping or samples."""
    if isinstance(element, Mapping):
        if "x" not in element:
            raise DataError(
                f"{name} yields {', '.join(map(str, element))}; expected pairs of samples and "
                f"labels, or x and y."
            )
        element = (element["x"], element.get("y"))
    if not isinstance(element, (tuple, list)):
        element = (element, None)
    if not 1 <= len(element) <= 2:
        raise DataError(
            f"{name} yields {len(element)} things at a time; expected pairs of samples and labels."
        )
    x, y = (*element, None)[:2]
    return as_array(x), None if y is None else as_array(y, "labels")


def _is_batch(x: Array, y: Array | None, input_shape: Shape | None) -> bool:
    """Return whether these are several samples, as their shape tells it, or else that of labels."""
    if input_shape is not None:
        if _fits(x.shape, input_shape):
            return False
        if _fits(x.shape[1:], input_shape):
            return True
    return y is not None and y.ndim > 0


def _fits(found: Shape, expected: Shape) -> bool:
    return expected in (found, (*found, 1), channels_last(found))


def _require_end(data: Any, name: str) -> None:
    """Refuse a data set of TensorFlow that repeats for ever."""
    cardinality = getattr(data, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise DataError(f"{name} never ends; take a number of its elements: data.take(10).")

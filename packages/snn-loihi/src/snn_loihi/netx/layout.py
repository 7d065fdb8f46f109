"""Order of axes and cells in a file, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from snn_core.reading.hdf5 import child, read_dataset
from snn_core.typing import Array, Shape

FORMAT = 2


def write_words(group: Any, **words: str) -> None:
    """Write words as NetX reads them, as arrays of one."""
    for name, word in words.items():
        group[name] = np.array([word.encode()])


def outside(shape: Shape) -> Shape:
    """Return the shape of an image with the channels first."""
    return (shape[2], *shape[:2]) if len(shape) == 3 else shape


def inside(shape: Shape) -> Shape:
    """Return the shape of an image with the channels last."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def channels_first(values: Array) -> Array:
    """Return an image with the channels first."""
    return np.moveaxis(values, -1, 0) if values.ndim == 3 else values


def outside_cells(shape: Shape) -> Array:
    """Return the number of each cell, row by row and channels last, in the order of a file."""
    cells = channels_first(np.arange(int(np.prod(shape))).reshape(shape))
    return cells.reshape(-1)


def width_first(values: Array) -> Array:
    """Return an image with the width first, or back."""
    return values.swapaxes(0, 1) if values.ndim == 3 else values


def inside_order(values: Array, shape: Shape) -> Array:
    """Return a number for each neuron in the order of this package."""
    if values.ndim == len(shape):
        return width_first(values)
    if len(shape) != 3:
        return values.reshape(shape)
    return np.moveaxis(values.reshape(outside(shape)), 0, -1)


class Stored:
    """A group of a file that may be damaged; call it in a `while_reading`.

    Parameters
    ----------
    group
        The group, as HDF5 has it.

    Raises
    ------
    ValueError
        If it is none, or an array is no plain one.
    KeyError
        If something is missing.
    """

    def __init__(self, group: Any) -> None:
        if not hasattr(group, "keys"):
            raise ValueError("a group is missing")
        self._group = group

    def __iter__(self) -> Iterator[str]:
        """Yield the names of what is in it."""
        return iter(self._group)

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def group(self, name: str) -> Stored:
        """Return a group inside."""
        return Stored(child(self._group, name))

    def values(self, name: str) -> Array:
        """Return an array of whole numbers, or of words."""
        found = child(self._group, name)
        if found is None or hasattr(found, "keys"):
            raise KeyError(name)
        values = np.asarray(read_dataset(found))
        if values.dtype.kind not in "iubS":
            raise ValueError(f"{name} holds {values.dtype}")
        return values

    def number(self, name: str) -> int:
        """Return a whole number."""
        return int(self.values(name).item())

    def word(self, name: str) -> str:
        """Return a word, which `write_words` has written as an array of one."""
        word: str = self.values(name)[0].decode()
        return word

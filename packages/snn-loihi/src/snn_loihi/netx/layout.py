"""Order of axes and cells in a file, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

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


def read_word(dataset: Any) -> str:
    """Return a word that was written so."""
    word: str = dataset[0].decode()
    return word

"""Lazy samples: read when they are needed, so that memory holds one batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from snn_core.files import explain_failures
from snn_core.phases import at_once
from snn_core.typing import Array, Shape

Item = TypeVar("Item")


_LESS = "Take fewer samples at a time, or smaller ones."


class LazyItems(Generic[Item]):
    """A sequence whose items are read one by one; slices, and choices by indices, are lists.

    Parameters
    ----------
    read
        Returns the item of an index.
    indices
        The indices of this sequence.
    """

    def __init__(self, read: Callable[[int], Item], indices: Sequence[int] | Array) -> None:
        self._read, self._indices = read, np.asarray(indices, np.int64)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._indices)

    def __getitem__(self, part: slice | Array) -> list[Item]:
        """Read some items.

        Raises
        ------
        DataError
            If a file cannot be read, or is not what it was.
        OutOfMemoryError
            If they do not fit into memory.
        """
        with explain_failures(memory=_LESS), at_once():
            return [self._read(int(i)) for i in self._indices[part]]

    def choose(self, positions: Array) -> LazyItems[Item]:
        """Return the items at some positions, unread."""
        return LazyItems(self._read, self._indices[positions])

    def map(self, function: Callable[[Item], Item]) -> LazyItems[Item]:
        """Return items that pass through a function when they are read."""
        read = self._read
        return LazyItems(lambda i: function(read(i)), self._indices)


class LazySamples:
    """An array of samples of which only the parts that are asked for are read.

    Parameters
    ----------
    items
        The samples.
    shape
        Shape of each.
    dtype
        Type of their numbers, float32 or uint8.
    """

    def __init__(self, items: LazyItems[Array], shape: Shape, dtype: DTypeLike = "f4") -> None:
        self._items, self._shape, self.dtype = items, shape, np.dtype(dtype)

    @property
    def shape(self) -> Shape:
        """Shape ``(samples, *l)``."""
        return (len(self._items), *self._shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._items)

    def __getitem__(self, part: slice | Array) -> Array:
        """Read some samples into an array; see `LazyItems`."""
        found = self._items[part]
        with explain_failures(memory=_LESS):
            return np.stack(found) if found else np.zeros((0, *self._shape), self.dtype)

    def __array__(  # NumPy calls it like this
        self,
        dtype: Any = None,
        copy: bool | None = None,  # noqa: FBT001
    ) -> Array:
        """Read everything."""
        if copy is False:
            raise ValueError("These samples lie in files; reading them makes a copy.")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def choose(self, positions: Array) -> LazySamples:
        """Return the samples at some positions, unread."""
        return LazySamples(self._items.choose(positions), self._shape, self.dtype)

    def map(self, function: Callable[[Array], Array]) -> LazySamples:
        """Return samples that pass through a function, which keeps their shape, when they are read.

        It returns float32.
        """
        return LazySamples(self._items.map(function), self._shape)

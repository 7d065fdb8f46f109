"""Tensors of a source as views of layers that hold them channels last.

A source reshapes, transposes and slices its tensors freely. None of that needs a layer: a `View`
remembers where each value of the source's tensor lies in the output of an emitted layer, and only
what computes on a tensor asks for a certain arrangement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.ir.shapes import count
from snn_core.reading import spend
from snn_core.typing import Array, Shape

_ITEMSIZE = 8
"""Bytes of a place, an int64."""

_COPIES = 6
"""Arrays of places that are in use at once: rows, columns, channels and their comparisons."""

CHANNELS_LAST: dict[int, tuple[int, ...]] = {1: (0,), 2: (1, 0), 3: (2, 0, 1)}
"""Number of axes of a sample to the stored axis of each source axis, for channels-first sources."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A tensor of the source; samples have no axis.

    Parameters
    ----------
    name
        The layer whose output holds the values.
    stored
        Output shape of that layer, channels last.
    axes
        The stored axis of each source axis, where the source's tensor is a transposition.
    order
        Otherwise: for each value of the source's tensor its place in the flattened output.
    """

    name: str
    stored: Shape
    axes: tuple[int, ...] | None = None
    order: Array | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the source's tensor."""
        if self.axes is not None:
            return tuple(self.stored[axis] for axis in self.axes)
        shape: Shape = self.places().shape
        return shape

    @property
    def rank(self) -> int:
        """Number of axes of the source's tensor."""
        return len(self.shape)

    def places(self) -> Array:
        """Return the place of each value in the flattened output, in the source's shape."""
        if self.order is not None:
            return self.order
        if self.axes is None:
            raise ParseError(f"The view of {self.name!r} has neither axes nor an order.")
        spend(_COPIES * _ITEMSIZE * count(self.stored), f"The places of {self.name!r}", kept=False)
        return np.arange(count(self.stored)).reshape(self.stored).transpose(self.axes)

    @property
    def repeats(self) -> bool:
        """Whether several values of the tensor are one value of the layer's output."""
        return self.order is not None and len(np.unique(self.order)) < self.order.size

    def on(self, name: str) -> View:
        """Return the same view of another layer, whose output has the same shape."""
        return View(name, self.stored, self.axes, self.order)

    def transpose(self, axes: Sequence[int]) -> View:
        """Return the tensor with its axes in another order."""
        if sorted(axes) != list(range(self.rank)):
            raise ParseError(f"it transposes {self.rank} axes by {tuple(axes)}.")
        if self.axes is not None:
            return View(self.name, self.stored, tuple(self.axes[axis] for axis in axes))
        return View(self.name, self.stored, None, self.places().transpose(axes))

    def reshape(self, shape: Shape) -> View:
        """Return the tensor with another shape; one size may be -1."""
        if shape == self.shape:
            return self
        self._keep(count(self.shape))
        try:
            order = self.places().reshape(shape)
        except ValueError:
            raise ParseError(
                f"it reshapes the {count(self.shape)} values of {self.shape} to {tuple(shape)}."
            ) from None
        return _simplify(View(self.name, self.stored, None, order))

    def index(self, index: Any) -> View:
        """Return a part of the tensor, as NumPy indexes it."""
        order = self.places()[index]
        self._keep(order.size)
        if not order.size:
            raise ParseError("it selects no values at all.")
        # A copy, as a small part would keep the whole.
        return _simplify(View(self.name, self.stored, None, np.array(order)))

    def along(self, axis: int, index: Any) -> View:
        """Return the part of the tensor at an index, a slice or an array of indices of one axis."""
        if isinstance(index, np.ndarray):  # which may repeat them
            self.require_room(count(self.shape) // self.shape[axis] * index.size)
        return self.index((*(slice(None),) * axis, index))

    def split(self, sizes: Sequence[int], axis: int) -> list[View]:
        """Return the tensor cut into parts of the given sizes along an axis."""
        ends = np.minimum(np.cumsum(sizes), self.shape[axis])
        whole = View(self.name, self.stored, None, self.places())
        return [
            whole.along(axis, slice(start, end))
            for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]

    def require_room(self, values: int) -> None:
        """Make sure that so many values can be picked."""
        spend(_COPIES * _ITEMSIZE * values, f"{values} values of {self.name!r}", kept=False)

    def _keep(self, size: int) -> None:
        """Count the order of a view that is made of this one."""
        spend(_ITEMSIZE * size, f"The order of {size} values of {self.name!r}")

    def same_as(self, other: View) -> bool:
        """Return whether two tensors lie in the same way in the outputs of their layers."""
        if self.stored != other.stored or self.shape != other.shape:
            return False
        if self.axes is not None and other.axes is not None:
            return self.axes == other.axes
        return np.array_equal(self.places(), other.places())


def _simplify(view: View) -> View:
    """Return the view with axes instead of an order, if it holds the whole output untransposed."""
    order = view.places()
    if order.shape == view.stored and np.array_equal(order.reshape(-1), np.arange(order.size)):
        return View(view.name, view.stored, tuple(range(order.ndim)))
    if order.ndim in CHANNELS_LAST and order.ndim == len(view.stored):
        plain = View(view.name, view.stored, CHANNELS_LAST[order.ndim])
        if plain.shape == order.shape and np.array_equal(plain.places(), order):
            return plain
    return view


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows, columns and channels that a view takes from an image, as starts, steps and indices.

    Each row and column is taken ``repeats`` times in a row.
    """

    starts: tuple[int, int]
    steps: tuple[int, int]
    channels: Array
    repeats: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, order_hwc: Array, stored: Shape) -> Selection | None:
        """Return the selection that an order describes, if it is one.

        Parameters
        ----------
        order_hwc
            Places in the flattened image, arranged as the image that is wanted.
        stored
            Height, width and channels of the image.
        """
        rows, rest = np.divmod(order_hwc, stored[1] * stored[2])
        columns, channels = np.divmod(rest, stored[2])
        row_h, column_w, channel_c = rows[:, 0, 0], columns[0, :, 0], channels[0, 0, :]
        separable = (
            (rows == row_h[:, None, None]).all()
            and (columns == column_w[None, :, None]).all()
            and (channels == channel_c).all()
        )
        vertical, horizontal = (_spacing(cells) for cells in (row_h, column_w))
        if not separable or vertical is None or horizontal is None:
            return None
        steps, repeats = zip(vertical, horizontal, strict=True)
        return cls((int(row_h[0]), int(column_w[0])), steps, channel_c, repeats)


def _spacing(cells: Array) -> tuple[int, int] | None:
    """Return the distance of evenly spaced, growing cells and how often each is repeated."""
    repeats = int((cells == cells[0]).sum())
    picked = cells[::repeats]
    steps = set(np.diff(picked).tolist()) or {1}
    if len(steps) > 1 or min(steps) < 1 or not np.array_equal(np.repeat(picked, repeats), cells):
        return None
    return steps.pop(), repeats

"""Geometry of convolutions and pooling: strides, padding and dilations along the image axes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir.shapes import output_size
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.typing import Pair, Shape


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the windows of a kernel lie.

    Parameters
    ----------
    strides, dilations
        One number per image axis.
    padding
        A rule by name (see `snn_core.ir.shapes.resolve_padding`), or the cells before and after
        each image axis.
    """

    strides: Sequence[int]
    padding: str | Sequence[Pair]
    dilations: Sequence[int]

    def along(self, axis: int) -> dict[str, Any]:
        """Return stride, dilation and padding of one axis, as `snn_core.ir.shapes` names them."""
        padding = self.padding if isinstance(self.padding, str) else _to_pairs(self.padding)[axis]
        return {
            "stride": self.strides[axis], "dilation": self.dilations[axis], "padding": padding
        }  # fmt: skip

    def output_sizes(self, x: View, kernel: Sequence[int]) -> Shape:
        """Return the numbers of windows along the image axes of a stored tensor."""
        return tuple(
            output_size(x.stored[i], kernel=size, **self.along(i)) for i, size in enumerate(kernel)
        )

    def fields(self) -> dict[str, Any]:
        """Return strides, padding and dilation as layers for sequences or images hold them."""
        if len(self.strides) == 1:
            (stride,), (dilation,) = self.strides, self.dilations
            padding: Any = self.along(0)["padding"]
            return {"strides": stride, "padding": padding, "dilation": dilation}
        padding = self.padding
        if not isinstance(padding, str):
            padding = _to_pairs(padding) if np.any(padding) else "valid"
        return {
            "strides": tuple(self.strides), "padding": padding, "dilation": tuple(self.dilations)
        }  # fmt: skip

    def on_rows(self) -> Geometry:
        """Return the geometry on images of one row that a sequence has."""
        padding = self.padding if isinstance(self.padding, str) else [(0, 0), *self.padding]
        return Geometry((1, *self.strides), padding, (1, *self.dilations))

    def with_padding(self, padding: str | Sequence[Pair]) -> Geometry:
        """Return the same with another padding."""
        return replace(self, padding=padding)


def arrange_image(b: Builder, name: str, x: View, rank: int) -> View:
    """Return a sequence (``rank`` 1) or an image (2) as it is stored."""
    if rank not in (1, 2):
        raise UnsupportedError([f"it has {rank} image axes; only 1 and 2 are supported"])
    if x.rank != rank + 1:
        raise ParseError(
            f"its input has the shape {x.shape}; expected {rank + 1} axes (without samples)."
        )
    return b.arrange(x, name=name)


def require_sizes(values: Any, what: str, *, number: int, least: int = 1) -> list[int]:
    """Return whole numbers, one per image axis.

    Parameters
    ----------
    what
        What they are, for the message.
    number
        How many there are.
    least
        The smallest that is allowed.

    Raises
    ------
    ParseError
        If there are others.
    """
    found = list(values) if isinstance(values, (list, tuple)) else [values]
    try:
        sizes = [operator.index(size) for size in found]
    except TypeError:
        sizes = []
    if len(sizes) != number or min(sizes, default=least) < least:
        raise ParseError(
            f"its {what} is {values!r}; expected {number} whole number(s) of at least {least}."
        )
    return sizes


def _to_pairs(pads: Sequence[Pair]) -> tuple[Pair, ...]:
    return tuple((int(before), int(after)) for before, after in pads)

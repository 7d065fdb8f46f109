"""Means, sums and maxima along axes of a tensor, as pooling or as weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import Reshape
from snn_core.ir.shapes import count
from snn_core.parsing.emit.affine import connect, scale
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry
from snn_core.parsing.emit.pooling import pool
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.windows import WINDOWS, reduce_windows
from snn_core.reading import spend

Reduction: TypeAlias = Literal["mean", "sum", "max"]


def reduce(
    b: Builder, name: str, x: View, *, axes: Sequence[int], keep: bool, what: Reduction
) -> View:
    """Emit the mean, the sum or the maximum over some axes of a tensor.

    Parameters
    ----------
    axes
        Source axes, without that of the samples; none stand for all, that of the samples too.
    keep
        Whether they stay, with one cell each.

    Raises
    ------
    UnsupportedError
        For maxima over channels, and for axes that are neither those of an image nor channels.
    """
    if not axes:
        raise UnsupportedError(["it reduces all axes, that of the samples too"])
    shape = tuple(
        1 if i in axes else size for i, size in enumerate(x.shape) if keep or i not in axes
    )
    number = count(tuple(x.shape[axis] for axis in axes))
    if number == 1:
        return x.reshape(shape)
    inner = f"{name}/mean" if what == "sum" else name
    y = _reduce(b, inner, x, axes, maximum=what == "max").reshape(shape)
    return scale(b, name, y, float(number), 0.0) if what == "sum" else y


def _reduce(b: Builder, name: str, x: View, axes: Sequence[int], *, maximum: bool) -> View:
    """Emit a mean or maximum; the axes that stay have their order, whatever their sizes."""
    y = _reduce_image(b, name, x, axes, maximum=maximum)
    if y is None and x.rank == 5 and tuple(sorted(axes)) == WINDOWS:
        y = reduce_windows(b, name, x, maximum=maximum)
    if y is not None:
        return y
    x = b.settle(x, name=name)
    last = x.rank - 1
    if x.axes is None:
        raise UnsupportedError([f"reducing axes {tuple(axes)} of {x.shape} is not supported"])
    channels = x.axes.index(last)
    if channels not in axes:
        return _reduce_cells(b, name, x, axes, maximum=maximum)
    if maximum:
        raise UnsupportedError(["a maximum over channels has no spiking form; reduce image axes"])
    image = [axis for axis in axes if axis != channels]
    if image:
        # The channels stay the last stored axis, wherever the source has them.
        x = b.arrange(_reduce_cells(b, f"{name}/cells", x, image, maximum=False), x.axes, name=name)
    # The mean over channels is a dense layer at every place.
    features = x.stored[-1]
    spend(4 * features, f"The weights of {name!r}")
    stored = View(x.name, x.stored, tuple(range(len(x.stored))))
    y = connect(b, name, stored, np.full((features, 1), 1 / features, np.float32), None)
    return replace(y, axes=x.axes)


def _reduce_image(
    b: Builder, name: str, x: View, axes: Sequence[int], *, maximum: bool
) -> View | None:
    """Emit a reduction of whole channels of an image, however the source has arranged its cells.

    Flattened, permuted images are among them: all that matters is that every result reads the cells
    of one channel.
    """
    *image, channels = x.stored
    cells = count(tuple(image))
    kept = [axis for axis in range(x.rank) if axis not in axes]
    if len(image) != 2 or count(tuple(x.shape[axis] for axis in axes)) != cells:
        return None
    places = x.places().transpose(*kept, *axes).reshape(-1, cells)
    channel = places[:, 0] % channels
    wanted = channel[:, None] + np.arange(cells) * channels
    if not np.array_equal(np.sort(places, axis=1), wanted):
        return None
    stored = View(x.name, x.stored, b.axes(3))
    window = Geometry(image, "valid", (1, 1))
    y = pool(b, name, stored, maximum=maximum, kernel=image, geometry=window)
    order = channel.reshape([x.shape[axis] for axis in kept])
    return View(y.name, y.stored, None, order)


def _reduce_cells(b: Builder, name: str, x: View, axes: Sequence[int], *, maximum: bool) -> View:
    """Emit a reduction over some of the axes in front of the channels."""
    rank = x.rank
    if x.axes is None or rank not in (2, 3):
        raise UnsupportedError([f"reducing axes {tuple(axes)} of {x.shape} is not supported"])
    kernel = [x.stored[i] if x.axes.index(i) in axes else 1 for i in range(rank - 1)]
    image = x
    if rank == 2:
        kernel = [1, *kernel]
        image = b.add(Reshape, f"{name}/image", x, (1, *x.stored))
    image = View(image.name, image.stored, b.axes(3))
    geometry = Geometry(kernel, "valid", (1, 1))
    y = pool(b, name, image, maximum=maximum, kernel=kernel, geometry=geometry)
    y = View(y.name, y.stored, (0, 1, 2))
    if rank == 2:
        y = y.reshape(y.stored[1:])
    return y.transpose(x.axes)

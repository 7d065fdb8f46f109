"""Means and maxima over windows of sequences and images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import AveragePooling2D, Linear, MaxPooling2D
from snn_core.ir.shapes import output_size
from snn_core.parsing.emit.affine import scale
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.elementwise import concatenate, pass_on
from snn_core.parsing.emit.geometry import Geometry, arrange_image
from snn_core.parsing.emit.images import crop, upsample, zero_pad
from snn_core.parsing.emit.views import Selection, View
from snn_core.reading import spend
from snn_core.typing import Pair


def pool(
    b: Builder,
    name: str,
    x: View,
    *,
    maximum: bool,
    kernel: Sequence[int],
    geometry: Geometry,
    ceil_mode: bool = False,
    count_padding: bool = False,
    divisor: int | None = None,
) -> View:
    """Emit average or max pooling of a sequence or an image.

    Windows and means are those of PyTorch and of onnxruntime: with ``ceil_mode`` a last window may
    reach past the end, but not start in the padding after it; cells past the padding never count.

    Parameters
    ----------
    ceil_mode
        Whether a last window may reach past the end.
    count_padding
        Whether explicit padding counts as zeros; otherwise it is left out of means and maxima.
    divisor
        What sums are divided by, instead of the number of cells that count.
    """
    if any(size != 1 for size in geometry.dilations):
        raise UnsupportedError(["dilated pooling is not supported"])
    x = arrange_image(b, name, x, len(kernel))
    if maximum and max(kernel) == 1:
        return _subsample(b, name, x, geometry)
    counted = Counted.ALL if divisor else Counted.PADDING if count_padding else Counted.NOTHING
    inner = f"{name}/mean" if divisor else name
    y = _pool(
        b,
        inner,
        x,
        maximum=maximum,
        kernel=kernel,
        geometry=geometry,
        ceil_mode=ceil_mode,
        counted=Counted.NOTHING if maximum else counted,
    )
    return y if divisor is None else scale(b, name, y, math.prod(kernel) / divisor, 0.0)


class Counted(Enum):
    """Cells beyond an image that means count as zeros."""

    NOTHING = "nothing"
    PADDING = "padding"
    ALL = "all"


def _pool(
    b: Builder,
    name: str,
    x: View,
    *,
    maximum: bool,
    kernel: Sequence[int],
    geometry: Geometry,
    ceil_mode: bool,
    counted: Counted,
) -> View:
    """Emit pooling of a stored sequence or image."""
    if len(kernel) == 1:
        return b.add_on_sequence(
            name,
            x,
            lambda image, rows: _pool(
                b,
                rows,
                image,
                maximum=maximum,
                kernel=[1, *kernel],
                geometry=geometry.on_rows(),
                ceil_mode=ceil_mode,
                counted=counted,
            ),
        )
    if not isinstance(geometry.padding, str) and (ceil_mode or counted is not Counted.NOTHING):
        pairs = [
            _padding(size, k, geometry, i, ceil_mode=ceil_mode, counted=counted)
            for i, (size, k) in enumerate(zip(x.stored, kernel, strict=False))
        ]
        zeros, pads = zip(*pairs, strict=True)
        if np.any(zeros):
            x = zero_pad(b, f"{name}/pad", x, zeros)
        geometry = geometry.with_padding(pads)
    fields = geometry.fields()
    return b.add(
        MaxPooling2D if maximum else AveragePooling2D,
        name,
        x,
        (*geometry.output_sizes(x, kernel), x.stored[2]),
        pool_size=tuple(kernel),
        strides=fields["strides"],
        padding=fields["padding"],
        activation=Linear(),
    )


def _padding(
    size: int, kernel: int, geometry: Geometry, axis: int, *, ceil_mode: bool, counted: Counted
) -> tuple[Pair, Pair]:
    """Return the zeros that count around an axis, and the padding around them that does not."""
    along = geometry.along(axis)
    (before, after), stride = along["padding"], along["stride"]
    if ceil_mode:
        number = -(-(size + before + after - kernel) // stride) + 1
        if (number - 1) * stride >= size + before:
            number -= 1  # the last window would start in the padding after the image
    else:
        number = output_size(size, kernel=kernel, **along)
    past = max((number - 1) * stride + kernel - size - before, 0)
    if counted is Counted.NOTHING:
        return (0, 0), (before, past)
    zeros = past if counted is Counted.ALL else min(past, after)
    return (before, zeros), (0, past - zeros)


def _subsample(b: Builder, name: str, x: View, geometry: Geometry) -> View:
    """Emit pooling of single cells: every n-th row and column, whatever sign its values have.

    No window reaches past the end, so the rules for that make no difference.
    """
    if set(geometry.strides) == {1}:
        return pass_on(b, name, x)
    if not isinstance(geometry.padding, str) and np.any(geometry.padding):
        raise UnsupportedError(["padding around single cells gives windows without any value"])
    if len(x.stored) == 2:
        return b.add_on_sequence(
            name, x, lambda image, rows: _subsample(b, rows, image, geometry.on_rows())
        )
    down, across = geometry.strides
    height, width, channels = x.stored
    wanted = (-(-height // down), -(-width // across), channels)
    return b.pick(x, Selection((0, 0), (down, across), np.arange(channels)), wanted, name=name)


def pool_adaptively(b: Builder, name: str, x: View, *, sizes: Sequence[int], maximum: bool) -> View:
    """Emit pooling to a given size.

    Cell ``i`` of ``n`` covers the rows from ``floor(i * size / n)`` to
    ``ceil((i + 1) * size / n)``. Where these windows differ in size, each is pooled alone.
    """
    kernel: list[int] = []
    strides: list[int] = []
    factors: list[int] = []
    uneven: list[tuple[int, int]] = []
    for axis, (wanted, size) in enumerate(zip(sizes, x.shape[1:], strict=True)):
        if wanted > size and wanted % size == 0:
            kernel.append(1)
            strides.append(1)
            factors.append(wanted // size)
            continue
        windows = _windows(size, wanted)
        lengths = {end - start for start, end in windows}
        steps = set(np.diff([start for start, _ in windows]).tolist()) or {1}
        if len(lengths) > 1 or len(steps) > 1:
            uneven.append((axis, wanted))
            lengths, steps = {1}, {1}
        kernel.append(lengths.pop())
        strides.append(steps.pop())
        factors.append(1)
    for axis, wanted in uneven:
        x = _pool_unevenly(b, f"{name}/axis{axis}", x, axis, wanted, maximum=maximum)
    if max(kernel) > 1 or max(strides) > 1:
        geometry = Geometry(strides, "valid", (1,) * len(strides))
        x = pool(b, name, x, maximum=maximum, kernel=kernel, geometry=geometry)
    return upsample(b, f"{name}/repeat", x, factors) if max(factors) > 1 else x


_WINDOW = 200
"""Bytes of a window, a pair of Python's numbers in a list."""


def _windows(size: int, number: int) -> list[tuple[int, int]]:
    """Return where the windows of adaptive pooling start and end."""
    spend(_WINDOW * number, f"{number} windows of adaptive pooling", kept=False)
    return [(i * size // number, -(-(i + 1) * size // number)) for i in range(number)]


def _pool_unevenly(
    b: Builder, name: str, x: View, axis: int, number: int, *, maximum: bool
) -> View:
    """Emit pooling along one image axis, window by window, and join the results.

    Each result comes from a relay, so that none has a scale of its own: the cells of one channel
    have one weight in the layer after them.
    """
    x = arrange_image(b, name, x, x.rank - 1)
    if len(x.stored) == 2:
        return b.add_on_sequence(
            name,
            x,
            lambda image, rows: _pool_unevenly(b, rows, image, 1, number, maximum=maximum),
        )
    parts: dict[tuple[int, int], View] = {}
    windows = _windows(x.stored[axis], number)
    for start, end in dict.fromkeys(windows):
        cuts, kernel, whole = [(0, 0), (0, 0)], [1, 1], [(0, 0), (0, 0)]
        cuts[axis], kernel[axis] = (start, x.stored[axis] - end), end - start
        window = f"{name}/{start}to{end}"
        part = crop(b, f"{window}/cells", x, cuts)
        if end - start > 1:
            geometry = Geometry(kernel, "valid", (1, 1))
            part = pool(b, window, part, maximum=maximum, kernel=kernel, geometry=geometry)
            part = crop(b, f"{window}/sum", part, whole) if maximum else part
        parts[start, end] = part
    return concatenate(b, name, [parts[window] for window in windows], axis=axis + 1)

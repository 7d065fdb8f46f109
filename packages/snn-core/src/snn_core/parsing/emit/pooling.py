"""Means and maxima over windows of sequences and images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import AveragePooling2D, Linear, MaxPooling2D, Reshape
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry, arrange_image
from snn_core.parsing.emit.images import upsample, zero_pad
from snn_core.parsing.emit.views import View
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
) -> View:
    """Emit average or max pooling of a sequence or an image.

    Parameters
    ----------
    ceil_mode
        Whether a last window may reach past the end, where its cells do not count.
    count_padding
        Whether explicit padding counts as zeros; otherwise it is left out of means and maxima.
    """
    if any(size != 1 for size in geometry.dilations):
        raise UnsupportedError(["dilated pooling is not supported"])
    x = arrange_image(b, name, x, len(kernel))
    zeros = f"{name}/pad" if count_padding and not maximum else ""
    options: dict[str, Any] = {"maximum": maximum, "ceil_mode": ceil_mode, "zeros": zeros}
    if len(kernel) == 2:
        return _pool_image(b, name, x, kernel, geometry, **options)
    return b.add_on_sequence(
        name,
        x,
        lambda image, rows: _pool_image(
            b, rows, image, [1, *kernel], geometry.on_rows(), **options
        ),
    )


def _pool_image(
    b: Builder,
    name: str,
    x: View,
    kernel: Sequence[int],
    geometry: Geometry,
    *,
    maximum: bool,
    ceil_mode: bool,
    zeros: str,
) -> View:
    """Emit pooling of an image; ``zeros`` names a layer for the padding, if that counts."""
    pads = geometry.padding
    if not isinstance(pads, str):
        if zeros and np.any(pads):
            x, pads = zero_pad(b, zeros, x, pads), [(0, 0), (0, 0)]
        if ceil_mode:
            pads = [
                _reach_past(size, k, stride, pad)
                for size, k, stride, pad in zip(
                    x.stored, kernel, geometry.strides, pads, strict=False
                )
            ]
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


def _reach_past(size: int, kernel: int, stride: int, pad: Pair) -> Pair:
    """Return the padding with which the last window fits, if it starts before the right padding."""
    before, after = pad
    number = -(-(size + before + after - kernel) // stride) + 1
    if (number - 1) * stride >= size + before:
        number -= 1
    return before, max((number - 1) * stride + kernel - size - before, after)


def reduce(
    b: Builder, name: str, x: View, *, axes: Sequence[int], keep: bool, maximum: bool
) -> View:
    """Emit the mean or the maximum over some image axes of a tensor.

    Parameters
    ----------
    axes
        Source axes, without that of the samples; none stand for all, that of the samples too.
    keep
        Whether they stay, with one cell each.
    """
    if not axes:
        raise UnsupportedError(["it reduces all axes, that of the samples too"])
    shape = tuple(
        1 if i in axes else size for i, size in enumerate(x.shape) if keep or i not in axes
    )
    if all(x.shape[axis] == 1 for axis in axes):
        return x.reshape(shape)
    x = b.settle(x, name=name)
    rank = x.rank
    if x.axes is None or rank == 1 or x.axes.index(rank - 1) in axes:
        raise UnsupportedError(
            [f"reducing axes {tuple(axes)} of {x.shape} is not supported; reduce image axes"]
        )
    kernel = [x.stored[i] if x.axes.index(i) in axes else 1 for i in range(rank - 1)]
    image = x
    if rank == 2:
        kernel = [1, *kernel]
        image = b.add(Reshape, f"{name}/image", x, (1, *x.stored))
    image = View(image.name, image.stored, b.axes(3))
    y = pool(
        b, name, image, maximum=maximum, kernel=kernel, geometry=Geometry(kernel, "valid", (1, 1))
    )
    y = View(y.name, y.stored, (0, 1, 2))
    if rank == 2:
        y = y.reshape(y.stored[1:])
    return y.transpose(x.axes).reshape(shape)


def pool_adaptively(b: Builder, name: str, x: View, *, sizes: Sequence[int], maximum: bool) -> View:
    """Emit pooling to a given size, whose windows must all be equal.

    Cell ``i`` of ``n`` covers the rows from ``floor(i * size / n)`` to
    ``ceil((i + 1) * size / n)``.
    """
    kernel: list[int] = []
    strides: list[int] = []
    factors: list[int] = []
    for wanted, size in zip(sizes, x.shape[1:], strict=True):
        if wanted > size and wanted % size == 0:
            kernel.append(1)
            strides.append(1)
            factors.append(wanted // size)
            continue
        starts = [i * size // wanted for i in range(wanted)]
        ends = [-(-(i + 1) * size // wanted) for i in range(wanted)]
        windows = {end - start for start, end in zip(starts, ends, strict=True)}
        steps = set(np.diff(starts).tolist()) or {1}
        if len(windows) > 1 or len(steps) > 1:
            reason = f"adaptive pooling of {size} cells to {wanted} has windows of unequal sizes"
            raise UnsupportedError([f"{reason}; choose a divisor of {size}"])
        kernel.append(windows.pop())
        strides.append(steps.pop())
        factors.append(1)
    if max(kernel) > 1 or max(strides) > 1:
        geometry = Geometry(strides, "valid", (1,) * len(strides))
        x = pool(b, name, x, maximum=maximum, kernel=kernel, geometry=geometry)
    return upsample(b, f"{name}/repeat", x, factors) if max(factors) > 1 else x

"""Layers without weights: pooling, padding, up-sampling, joining and activations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import (
    Activation,
    ActivationLayer,
    Add,
    AveragePooling2D,
    Concatenate,
    Dropout,
    Linear,
    MaxPooling2D,
    ReLU,
    Reshape,
    Softmax,
    UpSampling2D,
    ZeroPadding2D,
)
from snn_core.ir.shapes import output_size
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import CHANNELS_LAST, View
from snn_core.parsing.emit.weighted import Pads, pad_channels
from snn_core.typing import Pair


def inert(b: Builder, name: str, x: View) -> View:
    """Emit a layer that does nothing at inference."""
    return b.elementwise(Dropout, name, x)


def activation(b: Builder, name: str, x: View, function: Activation) -> View:
    """Emit an activation that treats all values alike."""
    return b.elementwise(ActivationLayer, name, x, activation=function)


def clipped(b: Builder, name: str, x: View, *, low: float | None, high: float | None) -> View:
    """Emit ``min(max(x, low), high)``; it must be 0 below some input and may have a bound above.

    Parameters
    ----------
    low, high
        Bounds; ``None`` for none.
    """
    low = None if low is None or low == -np.inf else low
    high = None if high is None or high == np.inf else high
    if (low is None or low < 0) and _is_rectified(b, x):
        low = 0.0
    if low is None and high is None:
        return inert(b, name, x)
    if low != 0 or (high is not None and high <= 0):
        reason = f"clipping to [{low}, {high}] is not supported"
        raise UnsupportedError([f"{reason}; clip below at 0 (Relu, Relu6) and retrain"])
    return activation(b, name, x, ReLU(max_value=high))


def _is_rectified(b: Builder, x: View) -> bool:
    """Return whether a layer's values come right out of a rectifier."""
    layer = next(layer for layer in b.layers if layer.name == x.name)
    return isinstance(layer, ActivationLayer) and isinstance(layer.activation, ReLU)


def softmax(b: Builder, name: str, x: View, *, axis: int) -> View:
    """Emit a softmax along a source axis."""
    if x.rank == 1:
        x = b.vector(x, name=name)
    x = b.canonical(x, name=name)
    if x.axes is None or x.axes[axis] != len(x.stored) - 1:
        raise UnsupportedError([f"softmax along axis {axis} of {x.shape}; use the channels"])
    return b.elementwise(ActivationLayer, name, x, activation=Softmax())


def addition(b: Builder, name: str, inputs: Sequence[View], weights: Sequence[float]) -> View:
    """Emit a weighted sum of tensors of one shape."""
    shapes = {x.shape for x in inputs}
    if len(shapes) > 1:
        found = ", ".join(str(x.shape) for x in inputs)
        raise UnsupportedError([f"its inputs differ in shape ({found}); broadcast them explicitly"])
    views = list(inputs)
    if any(not view.same_as(views[0]) for view in views):
        views = [b.canonical(view, name=name) for view in views]
        axes = next((view.axes for view in views if view.axes is not None), None)
        if axes is not None:
            views = [b.arranged(view, axes, name=name) for view in views]
    weight_nc = np.asarray(weights, np.float32)
    y = b.add(Add, name, views, views[0].stored, weight_nc=weight_nc)
    return views[0].on(y.name)


def concatenation(b: Builder, name: str, inputs: Sequence[View], *, axis: int) -> View:
    """Emit a concatenation along a source axis."""
    if len(inputs) == 1:
        return inputs[0]
    if len({x.rank for x in inputs}) > 1:
        raise ParseError(f"it joins tensors of shapes {', '.join(str(x.shape) for x in inputs)}.")
    if inputs[0].rank == 1:
        return _joined_vectors(b, name, [b.flat(x, name=name) for x in inputs])
    views = [b.canonical(x, name=name) for x in inputs]
    axes = views[0].axes
    if axes is None:
        raise UnsupportedError([f"it joins tensors with {views[0].rank} axes per sample"])
    views = [b.arranged(view, axes, name=name) for view in views]
    place = axes[axis]
    stored = list(views[0].stored)
    stored[place] = sum(view.stored[place] for view in views)
    others = [[*view.stored[:place], *view.stored[place + 1 :]] for view in views]
    if any(sizes != others[0] for sizes in others):
        shapes = ", ".join(str(x.shape) for x in inputs)
        raise ParseError(f"it joins tensors of shapes {shapes} along axis {axis}.")
    return b.add(Concatenate, name, views, tuple(stored), axes=axes, axis=place)


def _joined_vectors(b: Builder, name: str, views: list[View]) -> View:
    sizes = [view.stored[0] for view in views]
    starts = np.cumsum([0, *sizes[:-1]])
    y = b.add(Concatenate, name, views, (sum(sizes),), axis=0)
    return y.indexed(
        np.concatenate([view.places() + start for view, start in zip(views, starts, strict=True)])
    )


def pooling(
    b: Builder,
    name: str,
    x: View,
    *,
    maximum: bool,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Pads,
    ceil_mode: bool = False,
    count_padding: bool = False,
) -> View:
    """Emit average or max pooling of a sequence or an image.

    Parameters
    ----------
    pads
        Cells before and after each image axis.
    ceil_mode
        Whether a last window may reach past the end, where its cells do not count.
    count_padding
        Whether the padding counts as zeros; otherwise it is left out of means and maxima.
    """
    rank = len(kernel)
    if x.rank != rank + 1 or rank > 2:
        raise ParseError(f"its input has the shape {x.shape}; expected {rank + 1} axes.")
    x = b.arranged(x, CHANNELS_LAST[rank + 1], name=name)
    if rank == 1:
        kernel, strides, pads = [1, *kernel], [1, *strides], [(0, 0), *pads]
        x = b.add(Reshape, f"{name}/image", x, (1, *x.stored))
    if count_padding and not maximum and np.any(pads):
        x = zero_padding(b, f"{name}/pad", x, [(0, 0), *pads])
        pads = [(0, 0), (0, 0)]
    sizes = x.stored[:2]
    if ceil_mode:
        pads = [
            _reaching_past(size, k, stride, pad)
            for size, k, stride, pad in zip(sizes, kernel, strides, pads, strict=True)
        ]
    rows, columns = (
        output_size(sizes[i], kernel=kernel[i], stride=strides[i], padding=pads[i])
        for i in range(2)
    )
    y = b.add(
        MaxPooling2D if maximum else AveragePooling2D,
        name if rank == 2 else f"{name}/rows",
        x,
        (rows, columns, x.stored[2]),
        pool_size=tuple(kernel),
        strides=tuple(strides),
        padding=tuple(tuple(pad) for pad in pads) if np.any(pads) else "valid",
        activation=Linear(),
    )
    return y if rank == 2 else b.add(Reshape, name, y, y.stored[1:])


def _reaching_past(size: int, kernel: int, stride: int, pad: Pair) -> Pair:
    """Return the padding with which the last window fits, if it starts before the right padding."""
    before, after = pad
    number = -(-(size + before + after - kernel) // stride) + 1
    if (number - 1) * stride >= size + before:
        number -= 1
    return before, max((number - 1) * stride + kernel - size - before, after)


def reduction(
    b: Builder, name: str, x: View, *, axes: Sequence[int], keep: bool, maximum: bool
) -> View:
    """Emit the mean or the maximum over some image axes of a tensor.

    Parameters
    ----------
    axes
        Source axes, without that of the samples.
    keep
        Whether they stay, with one cell each.
    """
    shape = tuple(
        1 if i in axes else size for i, size in enumerate(x.shape) if keep or i not in axes
    )
    if all(x.shape[axis] == 1 for axis in axes):
        return x.reshaped(shape)
    x = b.canonical(x, name=name)
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
    rows, columns = (image.stored[i] // kernel[i] for i in range(2))
    y = b.add(
        MaxPooling2D if maximum else AveragePooling2D,
        name,
        image,
        (rows, columns, x.stored[-1]),
        axes=(0, 1, 2),
        pool_size=tuple(kernel),
        strides=tuple(kernel),
        activation=Linear(),
    )
    if rank == 2:
        y = y.reshaped(y.stored[1:])
    return y.transposed(x.axes).reshaped(shape)


def adaptive_pooling(
    b: Builder, name: str, x: View, *, sizes: Sequence[int], maximum: bool
) -> View:
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
    pads = [(0, 0)] * len(kernel)
    if any(k > 1 for k in kernel) or any(stride > 1 for stride in strides):
        x = pooling(b, name, x, maximum=maximum, kernel=kernel, strides=strides, pads=pads)
    return up_sampling(b, f"{name}/repeat", x, factors) if max(factors) > 1 else x


def up_sampling(b: Builder, name: str, x: View, factors: Sequence[int]) -> View:
    """Emit nearest-neighbour up-sampling of a sequence or an image."""
    x = b.arranged(x, CHANNELS_LAST[len(factors) + 1], name=name)
    if len(factors) == 1:
        factors = [1, *factors]
        x = b.add(Reshape, f"{name}/image", x, (1, *x.stored))
        y = up_sampling(b, f"{name}/rows", x, factors)
        return b.add(Reshape, name, y, y.stored[1:])
    height, width, channels = x.stored
    shape = (height * factors[0], width * factors[1], channels)
    return b.add(UpSampling2D, name, x, shape, size=tuple(factors), activation=Linear())


def zero_padding(b: Builder, name: str, x: View, pads: Pads) -> View:
    """Emit zeros around a tensor; negative numbers crop.

    Parameters
    ----------
    pads
        Cells before and after each source axis.
    """
    crop = tuple(
        slice(max(-before, 0), size - max(-after, 0))
        for (before, after), size in zip(pads, x.shape, strict=True)
    )
    if crop != tuple(slice(0, size) for size in x.shape):
        x = x.indexed(crop)
    more = [(max(before, 0), max(after, 0)) for before, after in pads]
    if not np.any(more):
        return x
    if x.rank == 2:
        x = b.arranged(x, CHANNELS_LAST[2], name=name)
        x = b.add(Reshape, f"{name}/image", x, (1, *x.stored))
        y = zero_padding(b, f"{name}/rows", x, [more[0], (0, 0), more[1]])
        return b.add(Reshape, name, y, y.stored[1:])
    if x.rank != 3:
        raise UnsupportedError([f"padding of a tensor of shape {x.shape} is not supported"])
    if any(more[0]):
        x = pad_channels(b, name if not np.any(more[1:]) else f"{name}/channels", x, *more[0])
    if not np.any(more[1:]):
        return x
    x = b.image(x, name=name)
    (top, bottom), (left, right) = more[1:]
    height, width, channels = x.stored
    shape = (height + top + bottom, width + left + right, channels)
    return b.add(ZeroPadding2D, name, x, shape, padding=((top, bottom), (left, right)))

"""Activations, clipping, softmax, sums and concatenations of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Activation, ActivationLayer, Add, Concatenate, Dropout, ReLU, Softmax
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.typing import Array


def pass_on(b: Builder, name: str, x: View) -> View:
    """Emit a layer that does nothing at inference."""
    return b.add_elementwise(Dropout, name, x)


def activate(b: Builder, name: str, x: View, function: Activation) -> View:
    """Emit an activation that treats all values alike."""
    return b.add_elementwise(ActivationLayer, name, x, activation=function)


def clip(b: Builder, name: str, x: View, *, low: float | None, high: float | None) -> View:
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
        return pass_on(b, name, x)
    if low != 0 or (high is not None and high <= 0):
        reason = f"clipping to [{low}, {high}] is not supported"
        raise UnsupportedError([f"{reason}; clip below at 0 (Relu, Relu6) and retrain"])
    return activate(b, name, x, ReLU(max_value=high))


def uniform_value(values: Array) -> float:
    """Return the number that all values of a bound are.

    Raises
    ------
    UnsupportedError
        If they differ.
    """
    values = np.asarray(values, np.float64).reshape(-1)
    if not values.size or (values != values[0]).any():
        raise UnsupportedError(["its bounds differ from value to value; use one number"])
    return float(values[0])


def _is_rectified(b: Builder, x: View) -> bool:
    """Return whether a layer's values come right out of a rectifier."""
    layer = next(layer for layer in b.layers if layer.name == x.name)
    return isinstance(layer, ActivationLayer) and isinstance(layer.activation, ReLU)


def apply_softmax(b: Builder, name: str, x: View, *, axis: int) -> View:
    """Emit a softmax along a source axis."""
    x = b.settle(x, name=name)
    require_softmax_over_channels(x, axis)
    return b.add_elementwise(ActivationLayer, name, x, activation=Softmax())


def require_softmax_over_channels(x: View, axis: int) -> None:
    """Raise an `UnsupportedError` unless a source axis is the one that layers hold last."""
    if x.axes is None or x.axes[axis] != len(x.stored) - 1:
        reason = f"softmax along axis {axis} of {x.shape} is not supported; use the channels"
        raise UnsupportedError([reason])


def add(b: Builder, name: str, inputs: Sequence[View], weights: Sequence[float]) -> View:
    """Emit a weighted sum of tensors of one shape."""
    shapes = {x.shape for x in inputs}
    if len(shapes) > 1:
        found = ", ".join(str(x.shape) for x in inputs)
        raise UnsupportedError([f"its inputs differ in shape ({found}); broadcast them explicitly"])
    views = list(inputs)
    if any(not view.same_as(views[0]) for view in views):
        views = [b.settle(view, name=name) for view in views]
        axes = next((view.axes for view in views if view.axes is not None), None)
        if axes is not None:
            views = [b.arrange(view, axes, name=name) for view in views]
    weight_nc = np.asarray(weights, np.float32)
    y = b.add(Add, name, views, views[0].stored, weight_nc=weight_nc)
    return views[0].on(y.name)


def combine(
    b: Builder, name: str, operation: str, pair: Sequence[View], *, factor: float = 1.0
) -> View:
    """Emit the sum or difference of two tensors.

    Parameters
    ----------
    operation
        ``"add"``, ``"sub"``, ``"mul"`` or ``"div"``.
    factor
        What the second tensor is multiplied by.

    Raises
    ------
    UnsupportedError
        If tensors are multiplied or divided.
    """
    if operation in ("mul", "div"):
        raise UnsupportedError(["products of activations have no spiking form"])
    return add(b, name, pair, [1.0, factor if operation == "add" else -factor])


def concatenate(b: Builder, name: str, inputs: Sequence[View], *, axis: int) -> View:
    """Emit a concatenation along a source axis."""
    if len(inputs) == 1:
        return inputs[0]
    if len({x.rank for x in inputs}) > 1:
        raise ParseError(f"it joins tensors of shapes {', '.join(str(x.shape) for x in inputs)}.")
    if inputs[0].rank == 1:
        return _join_vectors(b, name, [b.store_as_vector(x, name=name) for x in inputs])
    views = [b.settle(x, name=name) for x in inputs]
    axes = views[0].axes
    if axes is None:
        raise UnsupportedError([f"it joins tensors with {views[0].rank} axes per sample"])
    views = [b.arrange(view, axes, name=name) for view in views]
    place = axes[axis]
    stored = list(views[0].stored)
    stored[place] = sum(view.stored[place] for view in views)
    others = [[*view.stored[:place], *view.stored[place + 1 :]] for view in views]
    if any(sizes != others[0] for sizes in others):
        shapes = ", ".join(str(x.shape) for x in inputs)
        raise ParseError(f"it joins tensors of shapes {shapes} along axis {axis}.")
    return b.add(Concatenate, name, views, tuple(stored), axes=axes, axis=place)


def _join_vectors(b: Builder, name: str, views: list[View]) -> View:
    sizes = [view.stored[0] for view in views]
    starts = np.cumsum([0, *sizes[:-1]])
    y = b.add(Concatenate, name, views, (sum(sizes),), axis=0)
    if all(view.axes is not None for view in views):  # nothing is out of order
        return y
    return y.index(
        np.concatenate([view.places() + start for view, start in zip(views, starts, strict=True)])
    )

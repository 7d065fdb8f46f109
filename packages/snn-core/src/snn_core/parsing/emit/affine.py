"""Dense layers, gains and offsets, and batch normalization."""

from __future__ import annotations

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Activation, BatchNormalization, Dense
from snn_core.ir.shapes import count
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.convolution import LINEAR, fill_bias
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Value
from snn_core.parsing.sources import require_finite
from snn_core.reading import spend
from snn_core.typing import Array

_COPIES = 3
"""Arrays of float64 that are in use at once where constants are arranged."""


def connect(
    b: Builder,
    name: str,
    x: View,
    weight_io: Array,
    bias_o: Array | None,
    *,
    activation: Activation = LINEAR,
) -> View:
    """Emit a dense layer on the last axis of a tensor."""
    if weight_io.ndim != 2 or weight_io.shape[:1] != x.shape[-1:]:
        raise ParseError(
            f"its weights have the shape {weight_io.shape}; it reads values of shape {x.shape}."
        )
    outputs = weight_io.shape[1]
    if x.rank == 1:
        x = b.store_as_vector(x, name=name)
        if x.axes is None:
            weight_io = _place_rows(weight_io, x.places(), x.stored[0])
    else:
        x = b.arrange(x, tuple(range(x.rank)), name=name)
    stored = (*x.stored[:-1], outputs)
    return b.add(
        Dense, name, x, stored, axes=tuple(range(len(stored))),
        weight_io=weight_io, bias_o=fill_bias(bias_o, outputs), activation=activation,
    )  # fmt: skip


def _place_rows(weight_io: Array, places: Array, number: int) -> Array:
    """Return weights with each row where its input is stored; rows of one input add up."""
    spend(4 * number * weight_io.shape[1], "Weights for all places of a layer")
    placed = np.zeros((number, weight_io.shape[1]), np.float32)
    if len(np.unique(places)) == places.size:
        placed[places] = weight_io
    else:
        np.add.at(placed, places, weight_io)
    placed.setflags(write=False)
    return placed


def multiply(b: Builder, name: str, x: Value, weight_io: Array) -> View:
    """Emit the product of a tensor with constant weights."""
    if not isinstance(x, View):
        raise UnsupportedError(["its first input is a constant; expected the second to be one"])
    if weight_io.ndim != 2:
        raise UnsupportedError([f"its weights have the shape {weight_io.shape}; expected two axes"])
    return connect(b, name, x, weight_io, None)


def scale(
    b: Builder,
    name: str,
    x: View,
    gain: Array | float,
    offset: Array | float,
    *,
    axis: int | None = None,
) -> View:
    """Emit ``gain * x + offset``.

    Parameters
    ----------
    gain, offset
        Numbers, or arrays that NumPy would broadcast to the tensor.
    axis
        Source axis that they belong to where they are the same along all axes; the channels by
        default.

    Raises
    ------
    ParseError
        If they are infinite, not a number, or larger than an artifact may hold.
    UnsupportedError
        If they differ along several axes.
    """
    gain, offset = np.asarray(gain, np.float64), np.asarray(offset, np.float64)
    if not (np.isfinite(gain).all() and np.isfinite(offset).all()):
        raise ParseError(
            "it computes with numbers that are infinite or not a number; the file is damaged or "
            "training failed."
        )
    if max(gain.size, offset.size) > 1:
        x = b.store_as_vector(x, name=name) if x.rank == 1 else x
        x = b.settle(x, name=name) if x.repeats else x
    gain, offset = np.broadcast_arrays(_arrange(x, gain), _arrange(x, offset))
    rank = len(x.stored)
    varying = [place for place in range(rank) if gain.shape[place] > 1]
    if len(varying) > 1:
        raise UnsupportedError(
            [f"its constant of shape {gain.shape} differs along several axes; one is supported"]
        )
    place = rank - 1 if axis is None or x.axes is None else x.axes[axis]
    place = varying[0] if varying else place
    spend(2 * 4 * x.stored[place], f"The gains and offsets of {name!r}")
    gain_c, offset_c = (
        np.broadcast_to(require_finite(values.reshape(-1), what), (x.stored[place],)).copy()
        for values, what in ((gain, "gain"), (offset, "offset"))
    )
    return b.add_elementwise(
        BatchNormalization, name, x, gain_c=gain_c, offset_c=offset_c, axis=place
    )


def apply_constants(
    b: Builder, name: str, x: View, *, operation: str, values: Array, reverse: bool
) -> View:
    """Emit ``x + values``, ``x - values``, ``x * values`` or ``x / values``.

    Parameters
    ----------
    operation
        ``"add"``, ``"sub"``, ``"mul"`` or ``"div"``.
    reverse
        Whether the constants come first: ``values - x``.

    Raises
    ------
    UnsupportedError
        If the tensor would divide.
    """
    values = np.asarray(values, np.float64)
    if operation == "add":
        return scale(b, name, x, 1.0, values)
    if operation == "sub":
        return scale(b, name, x, -1.0, values) if reverse else scale(b, name, x, 1.0, -values)
    if operation == "mul":
        return scale(b, name, x, values, 0.0)
    if reverse:
        raise UnsupportedError(["division by activations has no spiking form"])
    if not values.all():
        raise ParseError("it divides by 0.")
    return scale(b, name, x, 1 / values, 0.0)


def _arrange(x: View, values: Array) -> Array:
    """Return constants with the axes of the stored tensor, as small as they can be."""
    if values.size == 1:
        return values.reshape((1,) * len(x.stored))
    if values.ndim > x.rank:
        # The first axis may be that of the samples.
        if values.ndim > x.rank + 1 or values.shape[0] != 1:
            raise ParseError(f"its constant of shape {values.shape} does not fit to {x.shape}.")
        values = values[0]
    values = values.reshape((1,) * (x.rank - values.ndim) + values.shape)
    if any(size not in (1, full) for size, full in zip(values.shape, x.shape, strict=True)):
        raise ParseError(f"its constant of shape {values.shape} does not fit to {x.shape}.")
    if x.axes is not None:
        return values.transpose(np.argsort(x.axes))
    spend(_COPIES * 8 * count(x.stored), "Constants for all places of a layer", kept=False)
    full = np.zeros(x.stored)
    full.reshape(-1)[x.places()] = np.broadcast_to(values, x.shape)
    return _shrink(full)


def _shrink(values: Array) -> Array:
    """Return an array without the repetitions along its axes."""
    for axis in range(values.ndim):
        first = values.take([0], axis)
        if (values == first).all():
            values = first
    return values


def normalize(
    b: Builder,
    name: str,
    x: View,
    *,
    axis: int,
    gamma_c: Array | None,
    beta_c: Array | None,
    mean_c: Array,
    variance_c: Array,
    epsilon: object,
) -> View:
    """Emit batch normalization over a source axis, at inference.

    ``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` per channel (Ioffe & Szegedy 2015,
    section 3.1).
    """
    channels = x.shape[axis]
    given = [values for values in (gamma_c, beta_c, mean_c, variance_c) if values is not None]
    if any(values.shape != (channels,) for values in given):
        shapes = ", ".join(str(values.shape) for values in given)
        raise ParseError(f"its parameters have the shapes {shapes}; expected ({channels},).")
    if not isinstance(epsilon, (int, float)) or not 0 <= epsilon < np.inf:
        raise ParseError(f"its epsilon is {epsilon!r}; expected a small positive number.")
    variance = variance_c.astype(np.float64) + epsilon
    if variance.min() <= 0:
        raise ParseError(
            "its running variance is negative; the file is damaged or training failed."
        )
    gain = (1.0 if gamma_c is None else gamma_c.astype(np.float64)) / np.sqrt(variance)
    offset = (0.0 if beta_c is None else beta_c) - mean_c.astype(np.float64) * gain
    shape = [channels if i == axis else 1 for i in range(x.rank)]
    return scale(b, name, x, gain.reshape(shape), offset.reshape(shape), axis=axis)

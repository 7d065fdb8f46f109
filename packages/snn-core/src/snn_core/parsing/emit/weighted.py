"""Layers with weights: dense layers, convolutions, and gains and offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import (
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Linear,
    Reshape,
)
from snn_core.ir.shapes import output_size, transposed_output_size
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import CHANNELS_LAST, View
from snn_core.typing import Array, Pair

Pads = Sequence[Pair]
"""Zeros before and after each image axis."""


def linear(b: Builder, name: str, x: View, weight_oi: Array, bias_o: Array | None) -> View:
    """Emit a dense layer on the last axis of a tensor."""
    inputs = x.shape[-1]
    if weight_oi.ndim != 2 or weight_oi.shape[1] != inputs:
        raise ParseError(f"its weights have the shape {weight_oi.shape}; it reads {inputs} values.")
    outputs = weight_oi.shape[0]
    weight_io = weight_oi.T
    if x.rank == 1:
        x = b.flat(x, name=name)
        if x.axes is None:
            rows = np.zeros((x.stored[0], outputs), np.float32)
            np.add.at(rows, x.places(), weight_io)
            weight_io = rows
    else:
        x = b.arranged(x, tuple(range(x.rank)), name=name)
    stored = (*x.stored[:-1], outputs)
    axes = tuple(range(len(stored)))
    bias = _bias(bias_o, outputs)
    return b.add(Dense, name, x, stored, axes=axes, weight_io=weight_io, bias_o=bias)


def convolution(
    b: Builder,
    name: str,
    x: View,
    weight: Array,
    bias_o: Array | None,
    *,
    strides: Sequence[int],
    pads: Pads,
    dilations: Sequence[int],
    groups: int,
) -> View:
    """Emit a correlation of a sequence or an image.

    Parameters
    ----------
    weight
        Shape ``(outputs, inputs per group, *kernel)``.
    bias_o
        One value per output channel, or none.
    strides, pads, dilations
        One entry per image axis.
    groups
        Number of groups of channels that do not mix.
    """
    rank = weight.ndim - 2
    _require_image(x, rank)
    outputs, per_group, *kernel = weight.shape
    channels = x.shape[0]
    if groups < 1 or per_group * groups != channels or outputs % groups:
        raise ParseError(
            f"its weights have the shape {weight.shape} in {groups} group(s); it reads {channels} "
            f"channels."
        )
    x = b.arranged(x, CHANNELS_LAST[rank + 1], name=name)
    sizes = tuple(
        output_size(
            x.stored[i], kernel=kernel[i], stride=strides[i], dilation=dilations[i], padding=pads[i]
        )
        for i in range(rank)
    )
    stored = (*sizes, outputs)
    bias = _bias(bias_o, outputs)
    if rank == 1:
        return b.add(
            Conv1D,
            name,
            x,
            stored,
            weight_wio=weight.transpose(2, 1, 0),
            bias_o=bias,
            strides=strides[0],
            padding=_plain(pads)[0],
            dilation=dilations[0],
            groups=groups,
        )
    geometry: dict[str, Any] = {
        "strides": tuple(strides),
        "padding": "valid" if not np.any(pads) else _plain(pads),
        "dilation": tuple(dilations),
    }
    if per_group == 1 and groups == channels and groups > 1:
        weight_hwcm = weight.reshape(channels, -1, *kernel).transpose(2, 3, 0, 1)
        return b.add(
            DepthwiseConv2D, name, x, stored, weight_hwcm=weight_hwcm, bias_o=bias, **geometry
        )
    weight_hwio = weight.transpose(2, 3, 1, 0)
    return b.add(
        Conv2D, name, x, stored, weight_hwio=weight_hwio, bias_o=bias, groups=groups, **geometry
    )


def transposed_convolution(
    b: Builder,
    name: str,
    x: View,
    weight: Array,
    bias_o: Array | None,
    *,
    strides: Sequence[int],
    pads: Pads,
    output_padding: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> View:
    """Emit a transposed convolution; a sequence runs as an image of one row.

    Parameters
    ----------
    weight
        Shape ``(inputs, outputs per group, *kernel)``.
    pads
        What is cut from the full output, per image axis.
    output_padding
        Cells that are added at the end of each image axis.
    """
    rank = weight.ndim - 2
    _require_image(x, rank)
    inputs, per_group, *kernel = weight.shape
    if inputs != x.shape[0] or groups < 1 or inputs % groups:
        raise ParseError(
            f"its weights have the shape {weight.shape} in {groups} group(s); it reads "
            f"{x.shape[0]} channels."
        )
    x = b.arranged(x, CHANNELS_LAST[rank + 1], name=name)
    if rank == 1:
        weight, kernel = weight[:, :, None], [1, *kernel]
        strides, dilations = [1, *strides], [1, *dilations]
        pads, output_padding = [(0, 0), *pads], [0, *output_padding]
        x = b.add(Reshape, f"{name}/image", x, (1, *x.stored))
    # What is added at the end is cut less there.
    crops = [
        (before, after - more) for (before, after), more in zip(pads, output_padding, strict=True)
    ]
    rows, columns = (
        transposed_output_size(
            x.stored[i], kernel=kernel[i], stride=strides[i], dilation=dilations[i],
            padding=crops[i],
        )
        for i in range(2)
    )  # fmt: skip
    outputs = per_group * groups
    y = b.add(
        Conv2DTranspose,
        name if rank == 2 else f"{name}/rows",
        x,
        (rows, columns, outputs),
        weight_hwoi=_ungrouped(weight, groups).transpose(2, 3, 1, 0),
        bias_o=_bias(bias_o, outputs),
        strides=tuple(strides),
        padding=_plain(crops),
        dilation=tuple(dilations),
    )
    return y if rank == 2 else b.add(Reshape, name, y, y.stored[1:])


def _ungrouped(weight: Array, groups: int) -> Array:
    """Return the weights of all channel pairs, which are 0 between groups."""
    if groups == 1:
        return weight
    inputs, per_group, *kernel = weight.shape
    full = np.zeros((inputs, per_group * groups, *kernel), weight.dtype)
    for group in range(groups):
        rows = slice(group * inputs // groups, (group + 1) * inputs // groups)
        full[rows, group * per_group : (group + 1) * per_group] = weight[rows]
    return full


def affine(b: Builder, name: str, x: View, gain: Array | float, offset: Array | float) -> View:
    """Emit ``gain * x + offset``.

    Parameters
    ----------
    gain, offset
        Numbers, or arrays that NumPy would broadcast to the tensor.

    Raises
    ------
    UnsupportedError
        If they differ along several axes.
    """
    gain, offset = np.asarray(gain, np.float64), np.asarray(offset, np.float64)
    if x.rank == 1 and max(gain.size, offset.size) > 1:
        x = b.flat(x, name=name)
    gain, offset = np.broadcast_arrays(_as_stored(x, gain), _as_stored(x, offset))
    rank = len(x.stored)
    varying = [axis for axis in range(rank) if gain.shape[axis] > 1]
    if len(varying) > 1:
        raise UnsupportedError(
            [f"its constant of shape {gain.shape} differs along several axes; one is supported"]
        )
    axis = varying[0] if varying else rank - 1
    sizes = x.stored[axis]
    gain_c, offset_c = (
        np.broadcast_to(values.reshape(-1), (sizes,)).astype(np.float32)
        for values in (gain, offset)
    )
    return b.elementwise(BatchNormalization, name, x, gain_c=gain_c, offset_c=offset_c, axis=axis)


def changed(
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
        return affine(b, name, x, 1.0, values)
    if operation == "sub":
        return affine(b, name, x, -1.0, values) if reverse else affine(b, name, x, 1.0, -values)
    if operation == "mul":
        return affine(b, name, x, values, 0.0)
    if reverse:
        raise UnsupportedError(["division by activations has no spiking form"])
    if not values.all():
        raise ParseError("it divides by 0.")
    return affine(b, name, x, 1 / values, 0.0)


def _as_stored(x: View, values: Array) -> Array:
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
    full = np.zeros(x.stored)
    full.reshape(-1)[x.places()] = np.broadcast_to(values, x.shape)
    return _shrunk(full)


def _shrunk(values: Array) -> Array:
    """Return an array without the repetitions along its axes."""
    for axis in range(values.ndim):
        first = values.take([0], axis)
        if (values == first).all():
            values = first
    return values


def normalization(
    b: Builder,
    name: str,
    x: View,
    *,
    gamma_c: Array | None,
    beta_c: Array | None,
    mean_c: Array,
    variance_c: Array,
    epsilon: float,
) -> View:
    """Emit batch normalization over the first source axis, at inference.

    ``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` per channel (Ioffe & Szegedy 2015,
    section 3.1).
    """
    channels = x.shape[0]
    given = [values for values in (gamma_c, beta_c, mean_c, variance_c) if values is not None]
    if any(values.shape != (channels,) for values in given):
        shapes = ", ".join(str(values.shape) for values in given)
        raise ParseError(f"its parameters have the shapes {shapes}; expected ({channels},).")
    variance = variance_c.astype(np.float64) + epsilon
    if variance.min() <= 0:
        raise ParseError("its running variance is negative; the file is damaged.")
    gain = (1.0 if gamma_c is None else gamma_c.astype(np.float64)) / np.sqrt(variance)
    offset = (0.0 if beta_c is None else beta_c) - mean_c.astype(np.float64) * gain
    shape = (channels,) + (1,) * (x.rank - 1)
    return affine(b, name, x, gain.reshape(shape), offset.reshape(shape))


def _require_image(x: View, rank: int) -> None:
    if rank not in (1, 2):
        raise UnsupportedError([f"it has {rank} image axes; only 1 and 2 are supported"])
    if x.rank != rank + 1:
        raise ParseError(f"its input has the shape {x.shape}; expected {rank + 1} axes.")


def _bias(bias_o: Array | None, outputs: int) -> Array:
    if bias_o is None:
        return np.zeros(outputs, np.float32)
    if bias_o.shape != (outputs,):
        raise ParseError(f"its bias has the shape {bias_o.shape}; expected ({outputs},).")
    return bias_o


def _plain(pads: Pads) -> tuple[Pair, ...]:
    return tuple((int(before), int(after)) for before, after in pads)


def pad_channels(b: Builder, name: str, x: View, before: int, after: int) -> View:
    """Emit a relay that puts channels of zeros around those of an image."""
    x = b.image(x, name=name)
    height, width, channels = x.stored
    weight_hwio = np.zeros((1, 1, channels, before + channels + after), np.float32)
    weight_hwio[0, 0, :, before : before + channels] = np.eye(channels)
    return b.add(
        Conv2D,
        name,
        x,
        (height, width, weight_hwio.shape[-1]),
        weight_hwio=weight_hwio,
        bias_o=np.zeros(weight_hwio.shape[-1], np.float32),
        activation=Linear(),
    )

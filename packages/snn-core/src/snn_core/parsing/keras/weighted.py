"""Keras layers with weights: dense layers and convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Conv1D, Conv2D, Conv2DTranspose, Dense, DepthwiseConv2D, Linear, Reshape
from snn_core.ir.shapes import output_size, transposed_output_size
from snn_core.parsing.keras.build import Builder, Tensor, require_rank, two_axes
from snn_core.parsing.keras.config import Fields
from snn_core.parsing.keras.graph import Call

WeightedEmitter: TypeAlias = Callable[[Builder, Call, Tensor], Tensor]


def _dense(b: Builder, call: Call, x: Tensor) -> Tensor:
    if b.channels_first and len(x.shape) > 1:
        raise UnsupportedError(
            ["Dense on the last axis of a channels_first image; flatten it first"]
        )
    units = Fields(call.config).integer("units")
    values = b.read(call, kernel=(x.shape[-1], units), bias=(units,))
    weight_io = values["kernel"]
    if x.order is not None:
        rows = np.empty_like(weight_io)
        rows[x.order] = weight_io
        weight_io = rows
    shape = (*x.shape[:-1], units)
    return b.add(
        Dense,
        call,
        x,
        shape,
        weight_io=weight_io,
        bias_o=values["bias"],
        activation=b.activation(call, len(shape)),
    )


def _conv1d(b: Builder, call: Call, x: Tensor) -> Tensor:
    require_rank(x, 2)
    fields = Fields(call.config)
    (kernel,), (stride,), (dilation,) = (
        fields.sizes(key, 1) for key in ("kernel_size", "strides", "dilation_rate")
    )
    padding = fields.text("padding", "valid")
    depthwise = call.kind == "DepthwiseConv1D"
    channels = x.shape[-1]
    if depthwise:
        multiplier = fields.integer("depth_multiplier", 1)
        groups, filters = channels, channels * multiplier
        values = b.read(call, depthwise_kernel=(kernel, channels, multiplier), bias=(filters,))
        # One group per channel: output channel c * m + k, as the kernel's axes already lie.
        weight_wio = values["depthwise_kernel"].reshape(kernel, 1, filters)
    else:
        groups, filters = _groups(fields, channels)
        values = b.read(call, kernel=(kernel, channels // groups, filters), bias=(filters,))
        weight_wio = values["kernel"]
    size = output_size(x.shape[0], kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    return b.add(
        Conv1D,
        call,
        x,
        (size, filters),
        weight_wio=weight_wio,
        bias_o=values["bias"],
        strides=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        activation=b.activation(call, 2),
    )


def _groups(fields: Fields, channels: int) -> tuple[int, int]:
    """Return the numbers of groups and filters, which must divide each other and the channels."""
    groups, filters = fields.integer("groups", 1), fields.integer("filters")
    if groups < 1 or filters < 1 or channels % groups or filters % groups:
        raise ParseError(
            f"it has {groups} group(s) for {channels} channels and {filters} filters; both must be "
            f"multiples of the groups."
        )
    return groups, filters


def _image_size(fields: Fields, x: Tensor) -> tuple[int, int]:
    """Return rows and columns of a 2-D convolution's output."""
    kernel, strides = fields.pair("kernel_size"), fields.pair("strides")
    dilation, padding = fields.pair("dilation_rate"), fields.text("padding", "valid")
    rows, columns = (
        output_size(
            x.shape[i], kernel=kernel[i], stride=strides[i], dilation=dilation[i], padding=padding
        )
        for i in range(2)
    )
    return rows, columns


def _conv2d(b: Builder, call: Call, x: Tensor) -> Tensor:
    require_rank(x, 3)
    fields = Fields(call.config)
    channels = x.shape[-1]
    groups, filters = _groups(fields, channels)
    shape = (*fields.pair("kernel_size"), channels // groups, filters)
    values = b.read(call, kernel=shape, bias=(filters,))
    return b.add(
        Conv2D,
        call,
        x,
        (*_image_size(fields, x), filters),
        weight_hwio=values["kernel"],
        bias_o=values["bias"],
        strides=fields.pair("strides"),
        padding=fields.text("padding", "valid"),
        dilation=fields.pair("dilation_rate"),
        groups=groups,
        activation=b.activation(call, 3),
    )


def _depthwise_conv2d(b: Builder, call: Call, x: Tensor) -> Tensor:
    require_rank(x, 3)
    fields = Fields(call.config)
    channels, multiplier = x.shape[-1], fields.integer("depth_multiplier", 1)
    outputs = channels * multiplier
    shape = (*fields.pair("kernel_size"), channels, multiplier)
    values = b.read(call, depthwise_kernel=shape, bias=(outputs,))
    return b.add(
        DepthwiseConv2D,
        call,
        x,
        (*_image_size(fields, x), outputs),
        weight_hwcm=values["depthwise_kernel"],
        bias_o=values["bias"],
        strides=fields.pair("strides"),
        padding=fields.text("padding", "valid"),
        dilation=fields.pair("dilation_rate"),
        activation=b.activation(call, 3),
    )


def _separable_conv2d(b: Builder, call: Call, x: Tensor) -> Tensor:
    """Emit a depthwise relay and a pointwise convolution that carries bias and activation."""
    require_rank(x, 3)
    fields = Fields(call.config)
    channels, multiplier = x.shape[-1], fields.integer("depth_multiplier", 1)
    between, filters = channels * multiplier, fields.integer("filters")
    values = b.read(
        call,
        depthwise_kernel=(*fields.pair("kernel_size"), channels, multiplier),
        pointwise_kernel=(1, 1, between, filters),
        bias=(filters,),
    )
    size = _image_size(fields, x)
    inner = b.add(
        DepthwiseConv2D,
        call,
        x,
        (*size, between),
        part="depthwise",
        weight_hwcm=values["depthwise_kernel"],
        bias_o=np.zeros(between, np.float32),
        strides=fields.pair("strides"),
        padding=fields.text("padding", "valid"),
        dilation=fields.pair("dilation_rate"),
        activation=Linear(),
    )
    return b.add(
        Conv2D,
        call,
        inner,
        (*size, filters),
        weight_hwio=values["pointwise_kernel"],
        bias_o=values["bias"],
        activation=b.activation(call, 3),
    )


def _separable_conv1d(b: Builder, call: Call, x: Tensor) -> Tensor:
    """Emit a depthwise relay and a pointwise convolution that carries bias and activation."""
    require_rank(x, 2)
    fields = Fields(call.config)
    (kernel,), (stride,), (dilation,) = (
        fields.sizes(key, 1) for key in ("kernel_size", "strides", "dilation_rate")
    )
    padding, channels = fields.text("padding", "valid"), x.shape[-1]
    multiplier, filters = fields.integer("depth_multiplier", 1), fields.integer("filters")
    between = channels * multiplier
    values = b.read(
        call,
        depthwise_kernel=(kernel, channels, multiplier),
        pointwise_kernel=(1, between, filters),
        bias=(filters,),
    )
    size = output_size(x.shape[0], kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    inner = b.add(
        Conv1D,
        call,
        x,
        (size, between),
        part="depthwise",
        weight_wio=values["depthwise_kernel"].reshape(kernel, 1, between),
        bias_o=np.zeros(between, np.float32),
        strides=stride,
        padding=padding,
        dilation=dilation,
        groups=channels,
        activation=Linear(),
    )
    return b.add(
        Conv1D,
        call,
        inner,
        (size, filters),
        weight_wio=values["pointwise_kernel"],
        bias_o=values["bias"],
        activation=b.activation(call, 2),
    )


def _transposed(b: Builder, call: Call, x: Tensor) -> Tensor:
    """Emit a transposed convolution; one on a sequence runs on an image of one row."""
    rank = 1 if call.kind.startswith("Conv1D") else 2
    require_rank(x, rank + 1)
    fields = Fields(call.config)
    filters, padding = fields.integer("filters"), fields.text("padding", "valid")
    kernel, strides, dilation = (
        fields.sizes(key, rank) for key in ("kernel_size", "strides", "dilation_rate")
    )
    values = b.read(call, kernel=(*kernel, filters, x.shape[-1]), bias=(filters,))
    size = tuple(
        transposed_output_size(
            x.shape[i],
            kernel=kernel[i],
            stride=strides[i],
            dilation=dilation[i],
            padding=padding,
            output_padding=extra,
        )
        for i, extra in enumerate(_output_padding(call, rank))
    )
    image = b.as_image(call, x) if rank == 1 else x
    found = b.add(
        Conv2DTranspose,
        call,
        image,
        (*two_axes(size), filters),
        part="rows" if rank == 1 else "",
        weight_hwoi=values["kernel"].reshape(*two_axes(kernel), filters, x.shape[-1]),
        bias_o=values["bias"],
        strides=two_axes(strides),
        padding=padding,
        dilation=two_axes(dilation),
        activation=b.activation(call, rank + 1),
    )
    return b.add(Reshape, call, found, found.shape[1:]) if rank == 1 else found


def _output_padding(call: Call, rank: int) -> tuple[int | None, ...]:
    value = call.config.get("output_padding")
    if value is None:
        return (None,) * rank
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,) * rank
    is_list = isinstance(value, (list, tuple)) and len(value) == rank
    if not is_list or not all(isinstance(extra, int) for extra in value):
        raise ParseError(f"its output padding is {value!r}; expected {rank} number(s).")
    return tuple(value)


EMITTERS: dict[str, WeightedEmitter] = {
    "Conv1D": _conv1d,
    "Conv2D": _conv2d,
    "Conv1DTranspose": _transposed,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "DepthwiseConv1D": _conv1d,
    "DepthwiseConv2D": _depthwise_conv2d,
    "SeparableConv1D": _separable_conv1d,
    "SeparableConv2D": _separable_conv2d,
    "Sparse": _dense,
    "SparseConv2D": _conv2d,
    "SparseDepthwiseConv2D": _depthwise_conv2d,
}
"""Keras class names to the functions that emit their layers."""

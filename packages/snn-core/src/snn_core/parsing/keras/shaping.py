"""Keras layers that rearrange or pool values.

Layers on sequences that only exist in two dimensions here run on an image of one row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import (
    AveragePooling2D,
    Concatenate,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    Linear,
    MaxPooling2D,
    Reshape,
    UpSampling2D,
    ZeroPadding2D,
)
from snn_core.ir.shapes import count, output_size
from snn_core.parsing.keras.build import (
    Builder,
    Emitter,
    Tensor,
    exactly,
    require_plain_order,
    require_rank,
    two_axes,
)
from snn_core.parsing.keras.config import Fields
from snn_core.parsing.keras.graph import Call
from snn_core.typing import Pair


def _flatten(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    if len(x.shape) == 1:
        return b.add(Flatten, call, x, x.shape, order=x.order)
    places = np.arange(count(x.shape)).reshape(x.shape)
    if b.channels_first:
        places = np.moveaxis(places, -1, 0)  # as the source has them
    if Fields(call.config).text("data_format", "channels_last") == "channels_first":
        places = np.moveaxis(places, 0, -1)  # Keras itself moves the channels then
    order = places.reshape(-1)
    moved = not np.array_equal(order, np.arange(order.size))
    return b.add(Flatten, call, x, (order.size,), order=order if moved else None)


def _reshape(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    require_plain_order(x)
    target = call.config.get("target_shape")
    if not isinstance(target, (list, tuple)) or not all(isinstance(n, int) for n in target):
        raise ParseError(f"its target shape is {target!r}; expected numbers.")
    known = math.prod(n for n in target if n != -1)
    if target.count(-1) == 1 and known and count(x.shape) % known == 0:
        target = [count(x.shape) // known if n == -1 else n for n in target]
    if min(target, default=0) < 1 or math.prod(target) != count(x.shape):
        raise ParseError(f"its target shape {tuple(target)} does not hold {count(x.shape)} values.")
    if b.channels_first and (len(x.shape) > 1 or len(target) > 1):
        raise UnsupportedError(
            ["a Reshape in a channels_first model is not supported; use channels_last or Flatten"]
        )
    return b.add(Reshape, call, x, tuple(target))


def _pooling(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    rank = 1 if call.kind.endswith("1D") else 2
    require_rank(x, rank + 1)
    fields = Fields(call.config)
    size = fields.sizes("pool_size", rank, 2)
    strides = fields.sizes("strides", rank, size)
    padding = fields.text("padding", "valid")
    layer = AveragePooling2D if call.kind.startswith("Average") else MaxPooling2D
    kernel, step = two_axes(size), two_axes(strides)

    def emit(image: Tensor, part: str) -> Tensor:
        y, x_ = (
            output_size(image.shape[i], kernel=kernel[i], stride=step[i], padding=padding)
            for i in range(2)
        )
        return b.add(
            layer,
            call,
            image,
            (y, x_, image.shape[2]),
            part=part,
            pool_size=kernel,
            strides=step,
            padding=padding,
            activation=Linear(),
        )

    return _as_sequence(b, call, x, emit) if rank == 1 else emit(x, "")


def _as_sequence(
    b: Builder, call: Call, x: Tensor, emit: Callable[[Tensor, str], Tensor]
) -> Tensor:
    """Run a 2-D layer on a sequence."""
    y = emit(b.as_image(call, x), "rows")
    return b.add(Reshape, call, y, y.shape[1:])


def _global_pooling(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    rank = 1 if call.kind.endswith("1D") else 2
    require_rank(x, rank + 1)
    keep = Fields(call.config).flag("keepdims", default=False)
    channels = x.shape[-1]
    shape = (*(1,) * rank, channels) if keep else (channels,)
    if rank == 1:
        x = b.as_image(call, x)
    if call.kind.startswith("GlobalAverage"):
        if rank == 1:
            x = b.add(GlobalAveragePooling2D, call, x, (1, 1, channels), part="rows")
            return b.add(Reshape if keep else Flatten, call, x, shape)
        return b.add(GlobalAveragePooling2D, call, x, shape)
    window = (x.shape[0], x.shape[1])
    x = b.add(
        MaxPooling2D,
        call,
        x,
        (1, 1, channels),
        part="pool",
        pool_size=window,
        strides=window,
        activation=Linear(),
    )
    return b.add(Reshape if keep else Flatten, call, x, shape)


def _up_sampling(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    rank = 1 if call.kind.endswith("1D") else 2
    require_rank(x, rank + 1)
    size = two_axes(Fields(call.config).sizes("size", rank, 2))

    def emit(image: Tensor, part: str) -> Tensor:
        h, w, c = image.shape
        shape = (h * size[0], w * size[1], c)
        return b.add(UpSampling2D, call, image, shape, part=part, size=size, activation=Linear())

    return _as_sequence(b, call, x, emit) if rank == 1 else emit(x, "")


def _zero_padding(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    (x,) = exactly(inputs, 1)
    rank = 1 if call.kind.endswith("1D") else 2
    require_rank(x, rank + 1)
    padding = _paddings(call.config.get("padding", 1), rank)

    def emit(image: Tensor, part: str) -> Tensor:
        h, w, c = image.shape
        shape = (h + sum(padding[0]), w + sum(padding[1]), c)
        return b.add(ZeroPadding2D, call, image, shape, part=part, padding=padding)

    return _as_sequence(b, call, x, emit) if rank == 1 else emit(x, "")


def _cropping(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    """Emit a depthwise relay whose only weight per channel picks the pixel that is kept."""
    (x,) = exactly(inputs, 1)
    rank = 1 if call.kind.endswith("1D") else 2
    require_rank(x, rank + 1)
    (top, bottom), (left, right) = _paddings(call.config.get("cropping", 1), rank)

    def emit(image: Tensor, part: str) -> Tensor:
        h, w, c = image.shape
        shape = (h - top - bottom, w - left - right, c)
        if min(shape) < 1:
            raise ParseError(f"it crops all of an image of shape {image.shape}.")
        weight_hwcm = np.zeros((top + bottom + 1, left + right + 1, c, 1), np.float32)
        weight_hwcm[top, left] = 1
        return b.add(
            DepthwiseConv2D,
            call,
            image,
            shape,
            part=part,
            weight_hwcm=weight_hwcm,
            bias_o=np.zeros(c, np.float32),
            activation=Linear(),
        )

    return _as_sequence(b, call, x, emit) if rank == 1 else emit(x, "")


def _paddings(value: Any, rank: int) -> tuple[Pair, Pair]:
    """Return the zeros around an image from one number, one per axis or one pair per axis."""

    def is_size(item: Any) -> bool:
        return isinstance(item, int) and not isinstance(item, bool) and item >= 0

    def is_pair(item: Any) -> bool:
        return isinstance(item, (list, tuple)) and len(item) == 2 and all(map(is_size, item))

    if is_size(value):
        return ((0, 0) if rank == 1 else (value, value)), (value, value)
    if rank == 1 and is_pair(value):
        return (0, 0), (value[0], value[1])
    if rank == 2 and is_pair(value):
        return (value[0], value[0]), (value[1], value[1])
    pairs = isinstance(value, (list, tuple)) and len(value) == 2 and all(map(is_pair, value))
    if rank == 2 and pairs:
        return (value[0][0], value[0][1]), (value[1][0], value[1][1])
    raise ParseError(f"its padding is {value!r}; expected numbers of zeros per side.")


def _concatenate(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
    if not inputs:
        raise ParseError("it has no inputs.")
    rank = len(inputs[0].shape)
    axis = b.axis(Fields(call.config).integer("axis", -1), rank)
    frames = {(*x.shape[:axis], *x.shape[axis + 1 :], len(x.shape)) for x in inputs}
    if len(frames) > 1:
        raise ParseError(f"its inputs {[x.shape for x in inputs]} fit together on one axis only.")
    shape = list(inputs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in inputs)
    order = None
    if any(x.order is not None for x in inputs):
        sizes = [x.shape[0] for x in inputs]
        starts = np.cumsum([0, *sizes[:-1]])
        order = np.concatenate(
            [
                start + (np.arange(size) if x.order is None else x.order)
                for x, start, size in zip(inputs, starts, sizes, strict=True)
            ]
        )
    return b.add(Concatenate, call, inputs, tuple(shape), order=order, axis=axis)


EMITTERS: dict[str, Emitter] = {
    **dict.fromkeys(
        ("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D"), _pooling
    ),
    **dict.fromkeys(
        (
            "GlobalAveragePooling1D",
            "GlobalAveragePooling2D",
            "GlobalMaxPooling1D",
            "GlobalMaxPooling2D",
        ),
        _global_pooling,
    ),
    **dict.fromkeys(("Cropping1D", "Cropping2D"), _cropping),
    **dict.fromkeys(("UpSampling1D", "UpSampling2D"), _up_sampling),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _zero_padding),
    "Concatenate": _concatenate,
    "Flatten": _flatten,
    "Reshape": _reshape,
}
"""Keras class names to the functions that emit their layers."""

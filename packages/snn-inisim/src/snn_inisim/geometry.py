"""Padding, cropping and dilation, where Keras layers on TensorFlow cannot express them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from snn_core.typing import Array, Float32, Pair, Shape
from snn_inisim.typing import Tensor

NO_PADDING = ((0, 0), (0, 0))


def pad(x_b_hwc: Tensor, padding: tuple[Pair, Pair], *, fill: float = 0.0) -> Tensor:
    """Return images with a border; there may be several axes in front of theirs."""
    if padding == NO_PADDING:
        return x_b_hwc
    front = [(0, 0)] * (len(x_b_hwc.shape) - 3)
    return tf.pad(x_b_hwc, (*front, *padding, (0, 0)), constant_values=fill)


def fit(x_b_hwc: Tensor, crop: Pair, size: Shape) -> Tensor:
    """Return images cut to a size, or continued with zeros.

    Parameters
    ----------
    crop
        Rows and columns to leave out at the top and on the left.
    size
        Height and width of the result.
    """
    top, left = crop
    height, width = size
    x_b_hwc = x_b_hwc[:, top : top + height, left : left + width]
    missing = (height - x_b_hwc.shape[1], width - x_b_hwc.shape[2])
    return pad(x_b_hwc, ((0, missing[0]), (0, missing[1])))


def dilate(weight: Float32[Array, "..."], dilation: tuple[int, ...]) -> Float32[Array, "..."]:
    """Return a kernel with zeros between its taps.

    TensorFlow refuses dilation together with strides, and for transposed convolutions altogether.

    Parameters
    ----------
    weight
        Kernel with the spatial axes first.
    dilation
        Distance of the taps along each spatial axis.
    """
    axes = len(dilation)
    sizes = [(n - 1) * d + 1 for n, d in zip(weight.shape[:axes], dilation, strict=True)]
    spread = np.zeros((*sizes, *weight.shape[axes:]), np.float32)
    spread[tuple(slice(None, None, d) for d in dilation)] = weight
    return spread


def window_sums(x_b_hwc: Tensor, pool: Pair, strides: Pair) -> Tensor:
    """Return the sum of each pooling window; whole numbers add up exactly.

    A convolution with ones is many times faster than adding slices, and unlike a mean it does not
    divide before the sum is complete.
    """
    ones = np.ones((*pool, x_b_hwc.shape[-1], 1), np.float32)
    # TensorFlow wants equal strides along both axes.
    stride, skip = (strides[0], (1, 1)) if strides[0] == strides[1] else (1, strides)
    sums = tf.nn.depthwise_conv2d(x_b_hwc, ones, (1, stride, stride, 1), "VALID")
    return sums[:, :: skip[0], :: skip[1]]


def cells_of_windows(x_t_b_hwc: Tensor, pool: Pair, strides: Pair) -> list[Tensor]:
    """Return, for each cell of the pooling window, row by row, what lies under it."""
    height, width = x_t_b_hwc.shape[-3:-1]
    rows = (height - pool[0]) // strides[0] * strides[0] + 1
    columns = (width - pool[1]) // strides[1] * strides[1] + 1
    return [
        x_t_b_hwc[..., i : i + rows : strides[0], j : j + columns : strides[1], :]
        for i in range(pool[0])
        for j in range(pool[1])
    ]

"""NumPy operators of all layers: what a layer adds up before its activation.

`drive` is the only NumPy implementation of the layers; the forward pass, the reference simulator
and calibration share it. Convolutions gather windows as strided views and multiply matrices;
transposed ones are computed as the gradient of the convolution they reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from snn_core.errors import UnsupportedError
from snn_core.ir import layers as ir
from snn_core.ir.layer import Layer
from snn_core.ir.shapes import axis_padding, output_size, resolve_padding, transposed_crop, window
from snn_core.typing import Array, Float, Float32, Pair, Shape

Inputs: TypeAlias = Sequence[Array]


def drive(layer: Layer, inputs_n_b_l: Inputs) -> Float[Array, "b *l"]:
    """Return what a layer adds up: weights times inputs plus bias, before the activation.

    Parameters
    ----------
    layer
        The layer.
    inputs_n_b_l
        Values of the inbound layers in order, each of shape ``(samples, *layer)``.

    Returns
    -------
    Array of shape ``(samples, *layer.output_shape)``.

    Raises
    ------
    UnsupportedError
        For a layer type that has no operator.
    """
    y: Array = _apply(layer, inputs_n_b_l)
    return y + layer.bias_o if isinstance(layer, ir.Weighted) else y


def weighted_sum(layer: Layer, inputs_n_b_l: Inputs) -> Float[Array, "b *l"]:
    """Return weights times inputs, without the bias; otherwise like `drive`."""
    y: Array = _apply(layer, inputs_n_b_l)
    return y


def pool_windows(
    x_b_hwc: Float[Array, "b h w c"],
    layer: ir.AveragePooling2D | ir.MaxPooling2D,
    *,
    fill: float,
) -> Float[Array, "b y x c k"]:
    """Return the cells of every pooling window, row-major along the last axis.

    Cells outside the image hold ``fill``.
    """
    x = _pad(x_b_hwc, image_paddings(layer, layer.pool_size, (1, 1), x_b_hwc.shape[1:3]), fill=fill)
    view = _windows(x, layer.pool_size, layer.strides, (1, 1))
    b, y, x_, kh, kw, c = view.shape
    return view.transpose(0, 1, 2, 5, 3, 4).reshape(b, y, x_, c, kh * kw)


def pool_shares(layer: ir.AveragePooling2D, image: Shape) -> Float32[Array, "y x #c"]:
    """Return the factor of a cell in each window: the weight over the number of cells that count.

    A window wholly in the padding has none; its mean is 0, as no synapse reaches the neuron.

    Parameters
    ----------
    image
        Shape of the input.
    """
    cells = pool_windows(np.ones((1, *image[:2], 1), np.float32), layer, fill=0.0).sum(axis=-1)
    share: Array = (layer.weight_c / np.maximum(cells[0], 1)).astype(np.float32)
    return share


def largest_of_windows(
    x_b_hwc: Float[Array, "b h w c"], layer: ir.MaxPooling2D
) -> Float[Array, "b y x c"]:
    """Return the maximum of every pooling window, the minimum in channels that take it.

    A window wholly in the padding has neither; 0 stands for it, as no synapse reaches the neuron.
    """
    highest = pool_windows(layer.upright(x_b_hwc), layer, fill=-np.inf).max(axis=-1)
    largest: Array = layer.upright(np.where(highest == -np.inf, np.zeros_like(highest), highest))
    return largest


def image_paddings(
    layer: ir.Windowed, kernel: Sequence[int], dilation: Pair, sizes: Sequence[int]
) -> tuple[Pair, Pair]:
    """Return the cells that a two-dimensional layer pads around its input.

    Parameters
    ----------
    layer
        A layer with ``padding`` and ``strides``.
    kernel, dilation
        Height and width of its kernel or window, and the distance of the taps.
    sizes
        Height and width of the input.
    """
    first, second = (
        resolve_padding(
            axis_padding(layer.padding, i),
            sizes[i],
            kernel=kernel[i],
            stride=layer.strides[i],
            dilation=dilation[i],
        )
        for i in range(2)
    )
    return first, second


@singledispatch
def _apply(layer: Layer, inputs: Inputs) -> Array:
    raise UnsupportedError(
        [f"{layer.name}: a {layer.kind} layer has no NumPy operator; run the structural passes."],
        what="This network cannot be evaluated",
    )


def _operator(*kinds: type[Layer]) -> Callable[[Callable[[Any, Inputs], Array]], Any]:
    """Register a function for several layer types."""

    def register(function: Callable[[Any, Inputs], Array]) -> Callable[[Any, Inputs], Array]:
        for kind in kinds:
            _apply.register(kind)(function)
        return function

    return register


@_operator(ir.Input, ir.Dropout, ir.ActivationLayer)
def _pass_on(layer: Layer, inputs: Inputs) -> Array:
    return inputs[0]


@_operator(ir.Flatten, ir.Reshape)
def _reshape(layer: Layer, inputs: Inputs) -> Array:
    return inputs[0].reshape(-1, *layer.output_shape)


@_operator(ir.ZeroPadding2D)
def _zero_padding(layer: ir.ZeroPadding2D, inputs: Inputs) -> Array:
    return _pad(inputs[0], layer.padding)


@_operator(ir.Concatenate)
def _concatenate(layer: ir.Concatenate, inputs: Inputs) -> Array:
    return np.concatenate(inputs, axis=layer.axis + 1)


@_operator(ir.Add)
def _add(layer: ir.Add, inputs: Inputs) -> Array:
    total: Array = inputs[0] * layer.weight_nc[0]
    for x, weight_c in zip(inputs[1:], layer.weight_nc[1:], strict=True):
        total = total + x * weight_c
    return total


@_operator(ir.Dense)
def _dense(layer: ir.Dense, inputs: Inputs) -> Array:
    return inputs[0] @ layer.weight_io


@_operator(ir.Conv1D)
def _conv1d(layer: ir.Conv1D, inputs: Inputs) -> Array:
    """Run as a 2-D convolution of height 1."""
    pad = resolve_padding(
        layer.padding,
        inputs[0].shape[1],
        kernel=layer.weight_wio.shape[0],
        stride=layer.strides,
        dilation=layer.dilation,
    )
    y = _correlate(
        _pad(inputs[0][:, None], ((0, 0), pad)),
        layer.weight_wio[None],
        strides=(1, layer.strides),
        dilation=(1, layer.dilation),
        groups=layer.groups,
    )
    return y[:, 0]


@_operator(ir.Conv2D)
def _conv2d(layer: ir.Conv2D, inputs: Inputs) -> Array:
    kernel = layer.weight_hwio.shape[:2]
    pad = image_paddings(layer, kernel, layer.dilation, inputs[0].shape[1:3])
    return _correlate(
        _pad(inputs[0], pad),
        layer.weight_hwio,
        strides=layer.strides,
        dilation=layer.dilation,
        groups=layer.groups,
    )


@_operator(ir.DepthwiseConv2D)
def _depthwise(layer: ir.DepthwiseConv2D, inputs: Inputs) -> Array:
    kh, kw, c, m = layer.weight_hwcm.shape
    pad = image_paddings(layer, (kh, kw), layer.dilation, inputs[0].shape[1:3])
    view = _windows(_pad(inputs[0], pad), (kh, kw), layer.strides, layer.dilation)
    b, y, x = view.shape[:3]
    # Channels first, so that each channel is one matrix product.
    columns_c_n_k = view.transpose(5, 0, 1, 2, 3, 4).reshape(c, b * y * x, kh * kw)
    weight_c_k_m = layer.weight_hwcm.transpose(2, 0, 1, 3).reshape(c, kh * kw, m)
    out_c_n_m = columns_c_n_k @ weight_c_k_m
    return out_c_n_m.transpose(1, 0, 2).reshape(b, y, x, c * m)


@_operator(ir.Conv2DTranspose)
def _conv2d_transpose(layer: ir.Conv2DTranspose, inputs: Inputs) -> Array:
    kh, kw, outputs, _ = layer.weight_hwoi.shape
    x = inputs[0]
    b, height, width = x.shape[:3]
    full = [
        (size - 1) * stride + window(kernel, dilation)
        for size, stride, kernel, dilation in zip(
            (height, width), layer.strides, (kh, kw), layer.dilation, strict=True
        )
    ]
    crops = [
        transposed_crop(axis_padding(layer.padding, i), layer.output_shape[i],
                        kernel=(kh, kw)[i], stride=layer.strides[i], dilation=layer.dilation[i])
        for i in range(2)
    ]  # fmt: skip
    # The output may reach past the last tap (output padding); those cells receive nothing.
    extent = [max(full[i], crops[i][0] + layer.output_shape[i]) for i in range(2)]
    y = np.zeros((b, *extent, outputs), np.result_type(x, layer.weight_hwoi))
    for i in range(kh):
        for j in range(kw):
            top, left = i * layer.dilation[0], j * layer.dilation[1]
            rows = slice(top, top + (height - 1) * layer.strides[0] + 1, layer.strides[0])
            columns = slice(left, left + (width - 1) * layer.strides[1] + 1, layer.strides[1])
            y[:, rows, columns] += x @ layer.weight_hwoi[i, j].T
    top, left = crops[0][0], crops[1][0]
    return y[:, top : top + layer.output_shape[0], left : left + layer.output_shape[1]]


@_operator(ir.UpSampling2D)
def _up_sampling(layer: ir.UpSampling2D, inputs: Inputs) -> Array:
    y = np.repeat(np.repeat(inputs[0], layer.size[0], axis=1), layer.size[1], axis=2)
    return y * layer.weight_c


@_operator(ir.AveragePooling2D)
def _average_pooling(layer: ir.AveragePooling2D, inputs: Inputs) -> Array:
    cells = pool_windows(inputs[0], layer, fill=0.0)
    # Whole numbers of spikes add up exactly, so only the product rounds, the same everywhere.
    y: Array = cells.sum(axis=-1) * pool_shares(layer, inputs[0].shape[1:])
    return y


@_operator(ir.MaxPooling2D)
def _max_pooling(layer: ir.MaxPooling2D, inputs: Inputs) -> Array:
    y: Array = largest_of_windows(inputs[0], layer) * layer.weight_c
    return y


@_operator(ir.GlobalAveragePooling2D)
def _global_average_pooling(layer: ir.GlobalAveragePooling2D, inputs: Inputs) -> Array:
    y: Array = inputs[0].mean(axis=(1, 2)).reshape(-1, *layer.output_shape)
    return y


@_operator(ir.BatchNormalization)
def _batch_normalization(layer: ir.BatchNormalization, inputs: Inputs) -> Array:
    shape = [1] * inputs[0].ndim
    shape[layer.axis + 1] = -1
    return inputs[0] * layer.gain_c.reshape(shape) + layer.offset_c.reshape(shape)


def _pad(x_b_hwc: Array, padding: tuple[Pair, Pair], *, fill: float = 0) -> Array:
    if padding == ((0, 0), (0, 0)):
        return x_b_hwc
    return np.pad(x_b_hwc, ((0, 0), *padding, (0, 0)), constant_values=fill)


def _windows(x_b_hwc: Array, kernel: Sequence[int], strides: Pair, dilation: Pair) -> Array:
    """Return a read-only view of shape ``(b, y, x, kh, kw, c)`` over an already padded image."""
    b, h, w, c = x_b_hwc.shape
    y = output_size(h, kernel=kernel[0], stride=strides[0], dilation=dilation[0])
    x = output_size(w, kernel=kernel[1], stride=strides[1], dilation=dilation[1])
    sb, sh, sw, sc = x_b_hwc.strides
    return as_strided(
        x_b_hwc,
        (b, y, x, kernel[0], kernel[1], c),
        (sb, sh * strides[0], sw * strides[1], sh * dilation[0], sw * dilation[1], sc),
        writeable=False,
    )


def _correlate(
    x_b_hwc: Array, weight_hwio: Array, *, strides: Pair, dilation: Pair, groups: int
) -> Array:
    kh, kw, per_group, outputs = weight_hwio.shape
    view = _windows(x_b_hwc, (kh, kw), strides, dilation)
    b, y, x = view.shape[:3]
    if groups == 1:
        columns = view.reshape(b * y * x, kh * kw * per_group)
        return (columns @ weight_hwio.reshape(-1, outputs)).reshape(b, y, x, outputs)
    grouped = view.reshape(b, y, x, kh, kw, groups, per_group)
    columns_g_n_k = grouped.transpose(5, 0, 1, 2, 3, 4, 6).reshape(groups, b * y * x, -1)
    weight_g_k_o = weight_hwio.reshape(kh * kw * per_group, groups, -1).transpose(1, 0, 2)
    out_g_n_o = columns_g_n_k @ weight_g_k_o
    return out_g_n_o.transpose(1, 0, 2).reshape(b, y, x, outputs)

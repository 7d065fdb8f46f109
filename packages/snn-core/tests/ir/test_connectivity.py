"""Synapses are the layer: their matrix applied to the input is the layer's operator."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_core.errors import UnsupportedError
from snn_core.evaluation.operators import weighted_sum
from snn_core.ir import (
    Add,
    AveragePooling2D,
    Concatenate,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    Reshape,
    UpSampling2D,
    Weighted,
    ZeroPadding2D,
)
from snn_core.ir.connectivity import fanout, synapses
from snn_core.ir.shapes import output_size, transposed_output_size

RNG = np.random.default_rng(0)

KERNELS = [(1, 1), (2, 3), (3, 3), (4, 1)]
STRIDES = [(1, 1), (2, 1), (2, 3)]
PADDINGS = ["valid", "same", ((1, 0), (2, 1))]
DILATIONS = [(1, 1), (2, 1)]
IMAGE = (7, 9, 4)


def _whole(*shape: int) -> np.ndarray:
    """Whole numbers, zeros among them: every float32 sum of them is exact."""
    return RNG.integers(-3, 4, size=shape).astype(np.float32)


def _along(padding: Any, axis: int) -> Any:
    return padding if isinstance(padding, str) else padding[axis]


def _check(layer: Layer, *shapes: tuple[int, ...]) -> None:
    """Compare synapses and fan-out with the operator, exactly."""
    parts = synapses(layer, shapes)
    inputs = [RNG.integers(-8, 9, size=(2, *shape)).astype(np.float32) for shape in shapes]
    summed = sum(
        x.reshape(2, -1) @ p.to_csr().toarray() for x, p in zip(inputs, parts, strict=True)
    )
    expected = weighted_sum(layer, inputs)
    np.testing.assert_array_equal(np.reshape(summed, expected.shape), expected)
    for counts, part, shape in zip(fanout(layer, shapes), parts, shapes, strict=True):
        assert counts.shape == shape
        np.testing.assert_array_equal(
            counts.reshape(-1), np.bincount(part.pre, minlength=part.shape[0])
        )
        assert (part.weight != 0).all()
        if isinstance(layer, Weighted):
            np.testing.assert_array_equal(layer.weight.reshape(-1)[part.kernel_index], part.weight)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "dilation"),
    list(itertools.product(KERNELS, STRIDES, PADDINGS, DILATIONS)),
)
def test_convolution(kernel, strides, padding, dilation, groups) -> None:
    rows, columns = (
        output_size(IMAGE[i], kernel=kernel[i], stride=strides[i], dilation=dilation[i],
                    padding=_along(padding, i))
        for i in range(2)
    )  # fmt: skip
    _check(
        Conv2D(name="conv", inputs=("x",), output_shape=(rows, columns, 6), strides=strides,
               weight_hwio=_whole(*kernel, 4 // groups, 6), bias_o=np.zeros(6), padding=padding,
               dilation=dilation, groups=groups),
        IMAGE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "dilation"),
    list(itertools.product(KERNELS, STRIDES, PADDINGS, DILATIONS)),
)
def test_depthwise_convolution(kernel, strides, padding, dilation) -> None:
    rows, columns = (
        output_size(IMAGE[i], kernel=kernel[i], stride=strides[i], dilation=dilation[i],
                    padding=_along(padding, i))
        for i in range(2)
    )  # fmt: skip
    _check(
        DepthwiseConv2D(name="conv", inputs=("x",), output_shape=(rows, columns, 8),
                        weight_hwcm=_whole(*kernel, 4, 2), bias_o=np.zeros(8), strides=strides,
                        padding=padding, dilation=dilation),
        IMAGE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "dilation"),
    list(itertools.product(KERNELS, STRIDES, ["valid", "same"], DILATIONS)),
)
def test_transposed_convolution(kernel, strides, padding, dilation) -> None:
    rows, columns = (
        transposed_output_size(IMAGE[i], kernel=kernel[i], stride=strides[i],
                               dilation=dilation[i], padding=padding)
        for i in range(2)
    )  # fmt: skip
    _check(
        Conv2DTranspose(name="conv", inputs=("x",), output_shape=(rows, columns, 3),
                        weight_hwoi=_whole(*kernel, 3, 4), bias_o=np.zeros(3), strides=strides,
                        padding=padding, dilation=dilation),
        IMAGE,
    )  # fmt: skip


@pytest.mark.parametrize("padding", ["valid", "same", "causal", (2, 1)])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "groups"),
    list(itertools.product([1, 3], [1, 2], [1, 2], [1, 2])),
)
def test_1d_convolution(padding, kernel, stride, dilation, groups) -> None:
    steps = output_size(9, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    _check(
        Conv1D(name="conv", inputs=("x",), output_shape=(steps, 6), strides=stride,
               weight_wio=_whole(kernel, 4 // groups, 6), bias_o=np.zeros(6), padding=padding,
               dilation=dilation, groups=groups),
        (9, 4),
    )  # fmt: skip


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("size", [(2, 2), (2, 4), (3, 2)])
def test_average_pooling(size, strides, padding) -> None:
    rows, columns = (
        output_size(IMAGE[i], kernel=size[i], stride=strides[i], padding=padding) for i in range(2)
    )
    layer = AveragePooling2D(
        name="pool", inputs=("x",), output_shape=(rows, columns, 4), pool_size=size,
        strides=strides, padding=padding, weight_c=np.array([1, 2, 4, 8]),
    )  # fmt: skip
    (part,) = synapses(layer, [IMAGE])
    x = RNG.integers(-8, 9, size=(2, *IMAGE)).astype(np.float32)
    expected = weighted_sum(layer, [x])
    summed = (x.reshape(2, -1) @ part.to_csr().toarray()).reshape(expected.shape)
    # A third is no dyadic number: sums in another order differ in the last places.
    np.testing.assert_allclose(summed, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(
        fanout(layer, [IMAGE])[0].reshape(-1), np.bincount(part.pre, minlength=part.shape[0])
    )


def test_max_pooling_connects_each_window_with_its_cells() -> None:
    layer = MaxPooling2D(
        name="pool", inputs=("x",), output_shape=(2, 1, 1), pool_size=(2, 2), strides=(1, 2)
    )
    (part,) = synapses(layer, [(3, 2, 1)])
    # Window 0 holds rows 0 and 1, window 1 rows 1 and 2, of two columns.
    windows = {post: sorted(part.pre[part.post == post].tolist()) for post in (0, 1)}
    assert windows == {0: [0, 1, 2, 3], 1: [2, 3, 4, 5]}


def test_other_layers() -> None:
    _check(UpSampling2D(name="up", inputs=("x",), output_shape=(14, 27, 4), size=(2, 3)), IMAGE)
    _check(
        Dense(name="dense", inputs=("x",), output_shape=(5, 6), weight_io=_whole(4, 6),
              bias_o=np.zeros(6)),
        (5, 4),
    )  # fmt: skip
    _check(
        Add(name="add", inputs=("x", "y"), output_shape=(5, 4), weight_nc=np.array([[1], [-2]])),
        (5, 4),
        (5, 4),
    )
    _check(Concatenate(name="c", inputs=("x", "y"), output_shape=(5, 7), axis=1), (5, 4), (5, 3))
    _check(Concatenate(name="c", inputs=("x", "y"), output_shape=(7, 3), axis=0), (4, 3), (3, 3))
    padding = ((1, 0), (2, 3))
    _check(
        ZeroPadding2D(name="p", inputs=("x",), output_shape=(5, 8, 2), padding=padding), (4, 3, 2)
    )
    _check(Flatten(name="f", inputs=("x",), output_shape=(24,)), (4, 3, 2))
    _check(Reshape(name="r", inputs=("x",), output_shape=(2, 12)), (4, 3, 2))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_geometry(data) -> None:
    draw = data.draw
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)), 2)
    kernel = [draw(st.integers(1, 3)) for _ in range(2)]
    strides = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    rows, columns = (
        output_size(shape[i], kernel=kernel[i], stride=strides[i], dilation=dilation[i],
                    padding="same")
        for i in range(2)
    )  # fmt: skip
    _check(
        Conv2D(name="conv", inputs=("x",), output_shape=(rows, columns, 3), strides=strides,
               weight_hwio=_whole(*kernel, 2, 3), bias_o=np.zeros(3), padding="same",
               dilation=dilation),
        shape,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "channels", "filters", "kernel", "stride", "padding", "expected"),
    [
        # One axis of 6 cells under a 3-window has 4 * 3 = 12 taps inside ("valid") or 16 ("same").
        (6, 2, 3, 3, 1, "valid", 12 * 12 * 6),
        (6, 2, 3, 3, 1, "same", 16 * 16 * 6),
        (6, 2, 3, 3, 2, "valid", 6 * 6 * 6),
        (6, 2, 3, 1, 2, "same", 3 * 3 * 6),
        (28, 1, 6, 5, 2, "valid", 12 * 5 * 12 * 5 * 6),
    ],
)
def test_numbers_of_synapses(size, channels, filters, kernel, stride, padding, expected) -> None:
    out = output_size(size, kernel=kernel, stride=stride, padding=padding)
    layer = Conv2D(
        name="conv", inputs=("x",), output_shape=(out, out, filters), strides=(stride, stride),
        weight_hwio=np.ones((kernel, kernel, channels, filters)), bias_o=np.zeros(filters),
        padding=padding,
    )  # fmt: skip
    assert len(synapses(layer, [(size, size, channels)])[0]) == expected
    assert fanout(layer, [(size, size, channels)])[0].sum() == expected


def test_pruned_weights_are_no_synapses() -> None:
    weight = np.ones((2, 3))
    weight[0, 1] = 0
    layer = Dense(name="d", inputs=("x",), output_shape=(3,), weight_io=weight, bias_o=np.zeros(3))
    assert len(synapses(layer, [(2,)])[0]) == 5
    assert fanout(layer, [(2,)])[0].tolist() == [2, 3]


def test_source_dialect_has_no_synapses() -> None:
    with pytest.raises(UnsupportedError, match="drop: Dropout"):
        synapses(Dropout(name="drop", inputs=("x",), output_shape=(2,)), [(2,)])

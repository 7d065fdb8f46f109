"""Batch normalization by hand: small numbers, and where it ends up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snn_core.evaluation.forward import predict
from snn_core.ir import (
    ActivationLayer,
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    Layer,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
    Weighted,
)
from snn_core.passes import fold_batch_normalization


def chain(
    shape: tuple[int, ...], *layers: tuple[type[Layer], tuple[int, ...], dict[str, Any]]
) -> Network:
    """Return a network of layers that each read the one before; they are called l1, l2, ..."""
    found: list[Layer] = [Input(name="l0", output_shape=shape)]
    for kind, output_shape, settings in layers:
        name = f"l{len(found)}"
        settings = {
            key: value.astype(np.float32) if isinstance(value, np.ndarray) else value
            for key, value in settings.items()
        }
        found.append(
            kind(name=name, inputs=(found[-1].name,), output_shape=output_shape, **settings)
        )
    return Network(layers=tuple(found))


def bn(shape: tuple[int, ...], gain: list[float], offset: list[float], axis: int = -1) -> Any:
    settings = {"gain_c": np.array(gain), "offset_c": np.array(offset), "axis": axis % len(shape)}
    return BatchNormalization, shape, settings


def dense(weight: Any, bias: Any, **settings: Any) -> Any:
    weight_io = np.array(weight, np.float32)
    settings = {"weight_io": weight_io, "bias_o": np.array(bias), **settings}
    return Dense, (weight_io.shape[1],), settings


def weights(layer: Layer) -> tuple[list[Any], list[Any]]:
    assert isinstance(layer, Weighted)
    return layer.weight.tolist(), layer.bias_o.tolist()


def test_backward_into_dense() -> None:
    """W' = W * gain per output, b' = b * gain + offset: 1 * 2 + 5 = 7 and -1 * -3 + 6 = 9."""
    network = chain((2,), dense([[1, 2], [3, 4]], [1, -1]), bn((2,), [2, -3], [5, 6]))
    found = fold_batch_normalization(network)
    assert [layer.name for layer in found] == ["l0", "l1"]
    assert weights(found["l1"]) == ([[2, -6], [6, -12]], [7, 9])
    assert found.history == ("folded l2 into l1",)


def test_forward_into_dense_behind_a_rectification() -> None:
    """W' = gain * W per input, b' = b + offset @ W = 1 + 5 * 1 + 6 * 3 = 24."""
    network = chain(
        (2,),
        dense(np.eye(2), [0, 0], activation=ReLU()),
        bn((2,), [2, -3], [5, 6]),
        dense([[1], [3]], [1]),
    )
    found = fold_batch_normalization(network)
    assert weights(found["l1"]) == ([[1, 0], [0, 1]], [0, 0])
    assert weights(found["l3"]) == ([[2], [-9]], [24])


def test_forward_through_flatten_repeats_per_pixel() -> None:
    """Flattened pixels alternate between channels, so gains 2, 3 become 2, 3, 2, 3."""
    network = chain(
        (1, 2, 2),
        bn((1, 2, 2), [2, 3], [1, 10]),
        (Flatten, (4,), {}),
        dense([[1], [1], [1], [2]], [0]),
    )
    found = fold_batch_normalization(network)
    assert weights(found["l3"]) == ([[2], [3], [2], [6]], [1 + 10 + 1 + 20])


def conv(padding: str, **settings: Any) -> Any:
    shape = (2, 2, 1) if padding == "same" else (1, 1, 1)
    settings = {"weight_hwio": np.ones((2, 2, 1, 1)), "bias_o": np.zeros(1), **settings}
    return Conv2D, shape, {"padding": padding, **settings}


def test_forward_into_an_unpadded_convolution() -> None:
    """Every output sums four taps of the offset 3: the bias becomes 12."""
    network = chain((2, 2, 1), bn((2, 2, 1), [2], [3]), conv("valid"))
    found = fold_batch_normalization(network)
    assert weights(found["l2"]) == ([[[[2]], [[2]]], [[[2]], [[2]]]], [12])


def test_padding_keeps_an_offset_out_of_the_bias() -> None:
    """Padded zeros are not normalized: on zeros, outputs at the border sum fewer offsets.

    A 2x2 kernel over a 2x2 image padded after it sees 4, 2, 2 and 1 pixels of value 3.
    """
    network = chain((2, 2, 1), bn((2, 2, 1), [2], [3]), conv("same"))
    found = fold_batch_normalization(network)
    assert isinstance(found["l1"], DepthwiseConv2D)
    assert not found.has_neurons(found["l1"])
    y = predict(found, np.zeros((1, 2, 2, 1), np.float32))
    assert y.reshape(-1).tolist() == [12, 6, 6, 3]


def test_padding_does_not_matter_without_offset() -> None:
    found = fold_batch_normalization(chain((2, 2, 1), bn((2, 2, 1), [2], [0]), conv("same")))
    assert [layer.kind for layer in found] == ["Input", "Conv2D"]


def test_depth_multiplier_spreads_channels() -> None:
    """Channel c with multiplier 2 makes outputs 2c and 2c + 1, each with its own gain."""
    depthwise = {"weight_hwcm": np.ones((1, 1, 2, 2)), "bias_o": np.arange(4.0)}
    network = chain(
        (1, 1, 2),
        (DepthwiseConv2D, (1, 1, 4), depthwise),
        bn((1, 1, 4), [1, 2, 3, 4], [0, 0, 0, 1]),
    )
    found = fold_batch_normalization(network)
    assert weights(found["l1"]) == ([[[[1, 2], [3, 4]]]], [0, 2, 6, 13])


def test_transposed_kernels_have_their_outputs_first() -> None:
    kernel = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])  # one pixel, 2 outputs, 3 inputs
    network = chain(
        (1, 1, 3),
        (Conv2DTranspose, (1, 1, 2), {"weight_hwoi": kernel, "bias_o": np.array([1.0, 1.0])}),
        bn((1, 1, 2), [10, -1], [0, 3]),
    )
    found = fold_batch_normalization(network)
    assert weights(found["l1"]) == ([[[[10, 20, 30], [-4, -5, -6]]]], [10, 2])


def test_groups_see_their_own_channels_only() -> None:
    """Two groups of one channel: gains 2 and 3 reach one output each."""
    grouped = {"weight_hwio": np.ones((1, 1, 1, 2)), "bias_o": np.zeros(2), "groups": 2}
    network = chain((1, 1, 2), bn((1, 1, 2), [2, 3], [5, 7]), (Conv2D, (1, 1, 2), grouped))
    found = fold_batch_normalization(network)
    assert weights(found["l2"]) == ([[[[2, 3]]]], [5, 7])


@pytest.mark.parametrize(("gain", "sign"), [(2.0, None), (-2.0, [-1]), (0.0, None)])
def test_falling_maps_turn_maxima_in_front_of_them_to_minima(
    gain: float, sign: list[int] | None
) -> None:
    pool = {"pool_size": (2, 2), "strides": (2, 2), "activation": Linear()}
    point = {"weight_hwio": np.ones((1, 1, 1, 1)), "bias_o": np.zeros(1)}
    network = chain(
        (2, 2, 1),
        (Conv2D, (2, 2, 1), point),
        (MaxPooling2D, (1, 1, 1), pool),
        bn((1, 1, 1), [gain], [1]),
    )
    found = fold_batch_normalization(network)
    assert len(found) == 3
    assert signs(found["l2"]) == sign
    x = np.array([1, 2, 3, -4], np.float32).reshape(1, 2, 2, 1)
    assert predict(found, x).item() == 3 * gain + 1


def relu_bn_pool(gain: list[float], offset: list[float], *after: Any) -> Network:
    """Return two channels of two cells, rectified, mapped and pooled."""
    pool = {"pool_size": (1, 2), "strides": (1, 2), "activation": Linear()}
    rectified = {"activation": ReLU()}
    return chain(
        (1, 2, 2),
        (ActivationLayer, (1, 2, 2), rectified),
        bn((1, 2, 2), gain, offset),
        (MaxPooling2D, (1, 1, 2), pool),
        *after,
    )


def signs(layer: Layer) -> list[int] | None:
    assert isinstance(layer, MaxPooling2D)
    return None if layer.sign_c is None else layer.sign_c.tolist()


X = np.array([[3, 5], [1, -2]], np.float32).reshape(1, 1, 2, 2)
"""Cells (3, 5) and (1, -2): the rectified maxima are 3 and 5, the minima 1 and 0."""


def test_maps_of_rates_move_behind_maxima_of_them() -> None:
    """max(2 r + 1) = 2 max(r) + 1; max(-3 r + 4) = -3 min(r) + 4."""
    found = fold_batch_normalization(relu_bn_pool([2, -3], [1, 4]))
    assert [layer.name for layer in found] == ["l0", "l1", "l3/unmapped", "l3"]
    assert signs(found["l3/unmapped"]) == [1, -1]
    assert weights(found["l3"]) == ([[[[2], [-3]]]], [1, 4])
    assert predict(found, X).ravel().tolist() == [7, 4]


def test_a_map_behind_maxima_goes_on_into_the_next_weights() -> None:
    flat = (Flatten, (2,), {})
    found = fold_batch_normalization(relu_bn_pool([2, -3], [1, 4], flat, dense([[1], [10]], [0])))
    assert [layer.name for layer in found] == ["l0", "l1", "l3/unmapped", "l4", "l5"]
    assert weights(found["l5"]) == ([[2], [-30]], [41])
    assert predict(found, X).ravel().tolist() == [7 + 40]


def test_a_gain_of_zero_leaves_the_offset() -> None:
    found = fold_batch_normalization(relu_bn_pool([0, 2], [5, 0]))
    assert signs(found["l3/unmapped"]) is None
    assert predict(found, X).ravel().tolist() == [5, 10]


def test_minima_of_minima_are_maxima_again() -> None:
    pool = {"pool_size": (1, 1), "strides": (1, 1), "activation": Linear()}
    again = bn((1, 1, 2), [-1, -1], [0, 0]), (MaxPooling2D, (1, 1, 2), pool)
    found = fold_batch_normalization(relu_bn_pool([2, -3], [1, 4], *again))
    assert signs(found["l3/unmapped"]) == [1, -1]
    assert signs(found["l5/unmapped"]) == [-1, 1]
    assert predict(found, X).ravel().tolist() == [-7, -4]


def test_a_map_that_others_read_stays_for_them() -> None:
    flat = (Flatten, (2,), {})
    network = relu_bn_pool([2, -3], [1, 4], flat)
    wide = Flatten(name="wide", inputs=("l2",), output_shape=(4,))
    both = Concatenate(name="both", inputs=("l4", "wide"), output_shape=(6,), axis=0)
    found = fold_batch_normalization(replace(network, layers=(*network.layers, wide, both)))
    assert found["l3/unmapped"].inputs == ("l1",)
    assert found["l4"].inputs == ("l3",)
    assert found["wide"].inputs == ("l2",)
    assert predict(found, X).ravel().tolist() == [7, 4, 7, -11, 3, 4]


def test_a_pool_with_a_rectifier_of_its_own_takes_mapped_values() -> None:
    rectifier = (ActivationLayer, (1, 1, 2), {"activation": ReLU()})
    found = fold_batch_normalization(relu_bn_pool([2, -3], [1, 4], rectifier))
    assert [layer.name for layer in found] == ["l0", "l1", "l2", "l3", "l4"]
    assert signs(found["l3"]) is None


def test_other_axes_pass_through_one_pixel() -> None:
    """Rows are scaled by 1 and 10."""
    found = fold_batch_normalization(chain((2, 1, 2), bn((2, 1, 2), [1, 10], [0, 1], axis=0)))
    assert [layer.kind for layer in found] == ["Input", "Reshape", "DepthwiseConv2D", "Reshape"]
    y = predict(found, np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 1, 2))
    assert y.reshape(-1).tolist() == [1, 2, 31, 41]


def test_an_axis_of_one_cell_counts_as_all_channels() -> None:
    network = chain((1, 1, 2), bn((1, 1, 2), [3], [1], axis=0), (Flatten, (2,), {}),
                    dense([[1], [1]], [0]))  # fmt: skip
    found = fold_batch_normalization(network)
    assert weights(found["l3"]) == ([[3], [3]], [2])


def test_a_source_that_others_read_is_not_scaled() -> None:
    network = chain((2,), dense(np.eye(2), [0, 0]), bn((2,), [2, 2], [0, 0]))
    other = Dense(
        name="other",
        inputs=("l1",),
        output_shape=(2,),
        weight_io=np.eye(2, dtype=np.float32),
        bias_o=np.zeros(2, np.float32),
    )
    add = Add(
        name="sum", inputs=("l2", "other"), output_shape=(2,), weight_nc=np.ones(2, np.float32)
    )
    found = fold_batch_normalization(Network(layers=(*network.layers, other, add)))
    np.testing.assert_array_equal(found["l1"].weight, np.eye(2))
    assert predict(found, np.array([[1, 2]], np.float32)).tolist() == [[3, 6]]

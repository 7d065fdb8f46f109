"""Scaling keeps what the network computes, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest

from snn_core.errors import UnsupportedError
from snn_core.evaluation.forward import forward
from snn_core.ir import (
    Add,
    AveragePooling2D,
    Concatenate,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    Linear,
    MaxPooling2D,
    Network,
    QuantizedReLU,
    ReLU,
    Reshape,
    Spiking,
    UpSampling2D,
    ZeroPadding2D,
)
from snn_core.normalization import apply_scales

RNG = np.random.default_rng(5)


def _array(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def _image_network() -> Network:
    """Every two-dimensional layer kind, with branches, relays and grouped convolution."""
    relu = ReLU()
    return Network(
        layers=(
            Input(name="input", output_shape=(6, 8, 3)),
            Conv2D(name="conv", inputs=("input",), output_shape=(6, 8, 4), activation=relu,
                   weight_hwio=_array(3, 3, 3, 4), bias_o=_array(4), padding="same"),
            DepthwiseConv2D(name="depthwise", inputs=("conv",), output_shape=(6, 8, 8),
                            weight_hwcm=_array(3, 1, 4, 2), bias_o=_array(8), padding="same",
                            activation=relu),
            Conv2D(name="relay", inputs=("conv",), output_shape=(6, 8, 8), groups=2,
                   weight_hwio=_array(1, 1, 2, 8), bias_o=_array(8)),
            Add(name="add", inputs=("depthwise", "relay"), output_shape=(6, 8, 8),
                weight_nc=np.ones((2, 1)), activation=relu),
            AveragePooling2D(name="pool", inputs=("add",), output_shape=(3, 4, 8),
                             pool_size=(2, 2), strides=(2, 2)),
            MaxPooling2D(name="maxpool", inputs=("conv",), output_shape=(3, 4, 4),
                         pool_size=(2, 2), strides=(2, 2)),
            Concatenate(name="concatenate", inputs=("pool", "maxpool"), output_shape=(3, 4, 12),
                        axis=2),
            ZeroPadding2D(name="padding", inputs=("concatenate",), output_shape=(5, 4, 12),
                          padding=((1, 1), (0, 0))),
            Conv2DTranspose(name="transposed", inputs=("padding",), output_shape=(10, 8, 4),
                            weight_hwoi=_array(2, 2, 4, 12), bias_o=_array(4), strides=(2, 2),
                            activation=relu),
            UpSampling2D(name="up", inputs=("transposed",), output_shape=(10, 16, 4), size=(1, 2),
                         activation=Linear()),
            Conv2D(name="grouped", inputs=("up",), output_shape=(4, 8, 4), groups=2,
                   weight_hwio=_array(3, 2, 2, 4), bias_o=_array(4), strides=(2, 2),
                   activation=ReLU(max_value=0.75)),
            Flatten(name="flatten", inputs=("grouped",), output_shape=(128,)),
            Dense(name="output", inputs=("flatten",), output_shape=(5,), weight_io=_array(128, 5),
                  bias_o=_array(5)),
        )
    )  # fmt: skip


def _sequence_network() -> Network:
    return Network(
        layers=(
            Input(name="input", output_shape=(12, 2)),
            Conv1D(name="conv", inputs=("input",), output_shape=(12, 4), groups=2,
                   weight_wio=_array(3, 1, 4), bias_o=_array(4), padding="causal",
                   activation=ReLU()),
            Reshape(name="reshape", inputs=("conv",), output_shape=(3, 4, 4)),
            Conv2D(name="conv2", inputs=("reshape",), output_shape=(3, 4, 2), activation=ReLU(),
                   weight_hwio=_array(1, 1, 4, 2), bias_o=_array(2)),
            Flatten(name="flatten", inputs=("conv2",), output_shape=(24,)),
            Dense(name="output", inputs=("flatten",), output_shape=(3,), weight_io=_array(24, 3),
                  bias_o=_array(3)),
        )
    )  # fmt: skip


def _scales(network: Network, *, per_channel: bool) -> dict[str, np.ndarray]:
    def shape(layer: Spiking) -> tuple[int, ...]:
        return layer.output_shape[-1:] if per_channel else ()

    return {
        layer.name: RNG.uniform(0.5, 3, size=shape(layer)).astype(np.float32)
        for layer in network.spiking_layers
        if layer.kind not in ("AveragePooling2D", "MaxPooling2D") and layer is not network.output
    }


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("v_thresh", [1.0, 0.5])
@pytest.mark.parametrize("make", [_image_network, _sequence_network])
def test_rates_times_scale_are_the_activations(make, v_thresh, per_channel) -> None:
    network = make()
    scaled = apply_scales(network, _scales(network, per_channel=per_channel), v_thresh=v_thresh)
    x = RNG.normal(size=(4, *network.input.output_shape)).astype(np.float32)
    before, after = forward(network, x), forward(scaled, x)
    for layer in network.spiking_layers:
        expected = before[layer.name]
        # float32 sums in another scale: a few units in the last place of the largest terms.
        np.testing.assert_allclose(
            after[layer.name] * scaled.scale_facs[layer.name],
            expected,
            rtol=1e-4,
            atol=1e-5 * np.abs(expected).max(),
        )


def test_weights_follow_the_formula() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(1,)),
            Dense(name="hidden", inputs=("input",), output_shape=(2,), activation=ReLU(),
                  weight_io=np.array([[1, 2]]), bias_o=np.array([4, 8])),
            Dense(name="output", inputs=("hidden",), output_shape=(1,),
                  weight_io=np.array([[3], [5]]), bias_o=np.array([7])),
        )
    )  # fmt: skip
    scaled = apply_scales(network, {"hidden": np.array([2, 4], np.float32)})
    assert scaled["hidden"].weight_io.tolist() == [[0.5, 0.5]]  # W / lambda
    assert scaled["hidden"].bias_o.tolist() == [2, 2]  # b / lambda
    assert scaled["output"].weight_io.tolist() == [[6], [20]]  # W lambda_in
    assert scaled["output"].bias_o.tolist() == [7]
    assert network["hidden"].weight_io.tolist() == [[1, 2]]  # the source is untouched


def _clipped(activation) -> Network:
    return Network(
        layers=(
            Input(name="input", output_shape=(1,)),
            Dense(name="clipped", inputs=("input",), output_shape=(2,), weight_io=np.ones((1, 2)),
                  bias_o=np.zeros(2), activation=activation),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (ReLU(max_value=6.0), ReLU(max_value=(6.0, 3.0))),
        (QuantizedReLU(step=0.25, max_value=2.0),
         QuantizedReLU(step=(0.25, 0.125), max_value=(2.0, 1.0))),
    ],
)  # fmt: skip
def test_a_bound_differs_by_channel_where_scales_do(activation, expected) -> None:
    network = _clipped(activation)
    scaled = apply_scales(network, {"clipped": np.array([1, 2], np.float32)})
    assert scaled["clipped"].activation == expected
    x = np.array([[-1], [0.3], [1.7], [9]], np.float32)
    found = forward(scaled, x)["clipped"] * scaled.scale_facs["clipped"]
    np.testing.assert_array_equal(found, forward(network, x)["clipped"])


@pytest.mark.parametrize(("highest", "v_thresh"), [(1.0, 1.0), (4.0, 1.0), (0.75, 1.0), (1.0, 2.0)])
def test_the_most_that_spikes_can_say_is_at_most_the_bound(highest, v_thresh) -> None:
    network = _clipped(ReLU(max_value=3.0))
    scaled = apply_scales(
        network, {"clipped": np.array([0.25, 20], np.float32)}, v_thresh=v_thresh, highest=highest
    )
    most = scaled.scale_facs["clipped"] * highest
    assert most.tolist() == [0.25 * v_thresh * highest, 3]
    assert apply_scales(network, {}).scale_facs["clipped"] == 1


def test_a_pool_with_a_bound_of_its_own_keeps_it() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(2, 2, 1)),
            Conv2D(name="conv", inputs=("input",), output_shape=(2, 2, 2), activation=ReLU(),
                   weight_hwio=np.ones((1, 1, 1, 2)), bias_o=np.zeros(2)),
            AveragePooling2D(name="pool", inputs=("conv",), output_shape=(1, 1, 2),
                             pool_size=(2, 2), strides=(2, 2), activation=ReLU(max_value=6.0)),
        )
    )  # fmt: skip
    scaled = apply_scales(network, {"conv": np.array([2, 8], np.float32)}, highest=1.0)
    assert scaled.scale_facs["pool"].tolist() == [2, 6]
    assert scaled["pool"].activation == ReLU(max_value=(3.0, 1.0))


def test_scales_that_differ_within_a_channel_are_refused() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(1,)),
            Dense(name="hidden", inputs=("input",), output_shape=(4,), weight_io=np.ones((1, 4)),
                  bias_o=np.zeros(4), activation=ReLU()),
            Reshape(name="reshape", inputs=("hidden",), output_shape=(2, 2, 1)),
            Conv2D(name="conv", inputs=("reshape",), output_shape=(2, 2, 1),
                   weight_hwio=np.ones((1, 1, 1, 1)), bias_o=np.zeros(1)),
        )
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match="conv: cells of one input channel"):
        apply_scales(network, {"hidden": np.array([1, 2, 3, 4], np.float32)})

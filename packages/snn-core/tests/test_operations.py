"""Counts of neurons, synapses and operations, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from snn_core import operations
from snn_core.ir import (
    Add,
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Linear,
    Network,
    ReLU,
    ZeroPadding2D,
)
from snn_core.operations import (
    ann_operations,
    connectivity_statistics,
    estimate_snn_ops,
    format_operations,
    get_ann_ops,
    get_layer_synaptic_operations,
    layer_operations,
    neuron_operations,
)


def _conv(name: str, source: str, channels: int, filters: int, size: int, **more) -> Conv2D:
    return Conv2D(
        name=name, inputs=(source,), output_shape=(size, size, filters), padding="same",
        weight_hwio=np.ones((3, 3, channels, filters)), bias_o=np.ones(filters),
        activation=more.pop("activation", ReLU()), **more,
    )  # fmt: skip


@pytest.fixture
def network() -> Network:
    """conv 8 - average pool 2 - conv 16 - dense 10 on 8x8, all 3x3 "same"."""
    return Network(
        layers=(
            Input(name="input", output_shape=(8, 8, 1)),
            _conv("conv", "input", 1, 8, 8),
            AveragePooling2D(name="pool", inputs=("conv",), output_shape=(4, 4, 8),
                             pool_size=(2, 2), strides=(2, 2)),
            _conv("conv2", "pool", 8, 16, 4),
            Flatten(name="flat", inputs=("conv2",), output_shape=(256,)),
            Dense(name="output", inputs=("flat",), output_shape=(10,),
                  weight_io=np.ones((256, 10)), bias_o=np.ones(10)),
        )
    )  # fmt: skip


def test_neurons_and_fanin(network: Network) -> None:
    counted = connectivity_statistics(network)
    assert counted.names == ["input", "conv", "pool", "conv2", "output"]
    assert counted.num_neurons == [64, 512, 128, 256, 10]
    assert counted.num_neurons_with_bias == [0, 512, 0, 256, 10]
    assert counted.fanin == [0, 9, 4, 72, 256]


def test_fanout_knows_the_borders(network: Network) -> None:
    fanout = connectivity_statistics(network).fanout_of
    assert fanout["input"][0, 0, 0] == 2 * 2 * 8  # a corner lies in four windows
    assert fanout["input"][0, 4, 0] == 2 * 3 * 8
    assert fanout["input"][4, 4, 0] == 3 * 3 * 8
    assert (fanout["conv"] == 1).all()
    assert (fanout["conv2"] == 10).all()
    assert (fanout["output"] == 0).all()


def test_analog_operations(network: Network) -> None:
    # Taps inside the image per axis: 3 * 8 - 2 = 22 and 3 * 4 - 2 = 10.
    first, second, third = 22 * 22 * 8, 10 * 10 * 8 * 16, 256 * 10
    assert layer_operations(network, network["conv"]) == 2 * first + 512
    assert layer_operations(network, network["pool"]) == 0
    assert ann_operations(network) == 2 * (first + second + third) + 778
    # The formula that ignores borders counts 51 978.
    assert get_ann_ops([64, 512, 128, 256, 10], [0, 512, 0, 256, 10], [0, 9, 0, 72, 256]) == 51978


def test_neuron_operations_evaluate_the_first_layer_once(network: Network) -> None:
    counted = connectivity_statistics(network)
    assert neuron_operations(counted, num_steps=3).tolist() == [778 + 2 * 22 * 22 * 8, 778, 778]
    assert neuron_operations(counted, num_steps=2, encoding="poisson").tolist() == [778, 778]


def test_relays_count_with_the_synapses_behind_them() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(2,)),
            Dense(name="relay", inputs=("input",), output_shape=(3,), weight_io=np.ones((2, 3)),
                  bias_o=np.zeros(3)),
            Dense(name="output", inputs=("relay",), output_shape=(4,), weight_io=np.ones((3, 4)),
                  bias_o=np.zeros(4)),
        )
    )  # fmt: skip
    counted = connectivity_statistics(network)
    assert counted.names == ["input", "output"]
    assert counted.fanout[0].tolist() == [4, 4]
    assert ann_operations(network) == 2 * (6 + 12)  # the analog network runs layer by layer


@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 2), (0, 1))])
def test_counting_without_listing_synapses_agrees(padding, monkeypatch) -> None:
    """Both ways of counting agree, padding in front of the convolution included."""
    size = 4 + sum(padding[0]), 4 + sum(padding[1])
    weight = np.ones((3, 3, 2, 3))
    weight[0, 1, 1] = 0
    network = Network(
        layers=(
            Input(name="input", output_shape=(4, 4, 2)),
            ZeroPadding2D(name="padded", inputs=("input",), output_shape=(*size, 2),
                          padding=padding),
            Conv2D(name="output", inputs=("padded",), output_shape=(size[0] - 2, size[1] - 2, 3),
                   weight_hwio=weight, bias_o=np.zeros(3)),
        )
    )  # fmt: skip
    quick = connectivity_statistics(network)
    monkeypatch.setattr(operations, "copied_cells", lambda *_: None)
    listed = connectivity_statistics(network)
    assert quick.fanin == listed.fanin
    np.testing.assert_array_equal(quick.fanout[0], listed.fanout[0])


def test_additions_cost_one_operation_per_further_summand() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(5,)),
            Dense(name="a", inputs=("input",), output_shape=(5,), weight_io=np.eye(5),
                  bias_o=np.zeros(5), activation=ReLU()),
            Add(name="output", inputs=("a", "input", "a"), output_shape=(5,),
                weight_nc=np.ones((3, 1)), activation=Linear()),
        )
    )  # fmt: skip
    assert layer_operations(network, network["output"]) == 2 * 5
    # The identity has five synapses; its zeros are none.
    assert layer_operations(network, network["a"]) == 2 * 5


def test_operations_of_spikes() -> None:
    spikes = np.array([[[1, 0], [-1, 1]], [[0, 0], [0, 1]]])
    assert get_layer_synaptic_operations(spikes, 7).tolist() == [21, 7]
    fanout = np.array([[1, 10], [100, 1000]])
    assert get_layer_synaptic_operations(spikes, fanout).tolist() == [1101, 1000]


def test_estimate_rounds_spike_counts_down() -> None:
    # 0.26 and 0.5 in 10 steps: 2 + 5 spikes, 7 synapses each.
    assert estimate_snn_ops([np.array([[0.26, 0.5]])], [7], 10) == 49
    assert get_ann_ops([4, 3, 2], [0, 3, 0], [0, 4, 3]) == 39


def test_units() -> None:
    assert format_operations(51978.0) == "52.0 kOps"
    assert format_operations(3_164_805.4) == "3.2 MOps"
    assert format_operations(12.0) == "12 Ops"

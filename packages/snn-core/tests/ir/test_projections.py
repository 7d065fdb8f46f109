"""Between populations: relays are multiplied into the synapses behind them."""

from __future__ import annotations

import numpy as np
import pytest

from snn_core.evaluation.forward import forward
from snn_core.ir import (
    Add,
    AveragePooling2D,
    Concatenate,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
    ZeroPadding2D,
)
from snn_core.ir.projections import copied_cells, drive_bias, projections_of

RNG = np.random.default_rng(1)


def _conv(name: str, inputs: str, shape: tuple[int, ...], channels: int, *, rectified: bool = True,
          padding: str = "same") -> Conv2D:  # fmt: skip
    return Conv2D(
        name=name, inputs=(inputs,), output_shape=shape, padding=padding,
        weight_hwio=RNG.integers(-2, 3, size=(3, 3, channels, shape[-1])),
        bias_o=RNG.integers(1, 4, size=shape[-1]), activation=ReLU() if rectified else Linear(),
    )  # fmt: skip


@pytest.fixture
def network() -> Network:
    """A residual branch, a padded concatenation and two relays in a row."""
    return Network(
        layers=(
            Input(name="input", output_shape=(6, 5, 2)),
            _conv("first", "input", (6, 5, 3), 2),
            _conv("shortcut", "input", (6, 5, 3), 2, rectified=False),
            Add(name="add", inputs=("first", "shortcut"), output_shape=(6, 5, 3),
                weight_nc=np.array([[1], [2]]), activation=ReLU()),
            Concatenate(name="both", inputs=("add", "first"), output_shape=(6, 5, 6), axis=2),
            ZeroPadding2D(name="padded", inputs=("both",), output_shape=(7, 6, 6),
                          padding=((1, 0), (0, 1))),
            _conv("inner", "padded", (5, 4, 4), 6, padding="valid"),
            _conv("relay", "inner", (5, 4, 2), 4, rectified=False),
            AveragePooling2D(name="pool", inputs=("relay",), output_shape=(5, 2, 2),
                             pool_size=(1, 2), strides=(1, 2), activation=Linear()),
            _conv("outer", "pool", (5, 2, 3), 2),
            Flatten(name="flat", inputs=("outer",), output_shape=(30,)),
            Dense(name="output", inputs=("flat",), output_shape=(3,),
                  weight_io=RNG.integers(-2, 3, size=(30, 3)), bias_o=np.ones(3)),
        )
    )  # fmt: skip


def test_projections_and_bias_give_the_sums_of_the_forward_pass(network: Network) -> None:
    x = RNG.integers(-4, 5, size=(2, 6, 5, 2)).astype(np.float32)
    values = forward(network, x)
    for layer in network.spiking_layers:
        total = drive_bias(network, layer).reshape(1, -1)
        for projection in projections_of(network, layer):
            source = values[projection.source].reshape(2, -1)
            total = total + source @ projection.synapses.to_csr().toarray()
        expected = layer.activation(total.reshape(2, *layer.output_shape))
        # Whole numbers and halves: exact in any order.
        np.testing.assert_array_equal(expected, values[layer.name], err_msg=layer.name)


def test_sources_are_populations(network: Network) -> None:
    sources = {
        layer.name: sorted(p.source for p in projections_of(network, layer))
        for layer in network.spiking_layers
    }
    assert sources == {
        "first": ["input"],
        "add": ["first", "input"],
        "inner": ["add", "first"],
        "outer": ["inner"],
        "output": ["outer"],
    }


def test_kernel_places_survive_rearranging_but_not_relays(network: Network) -> None:
    for projection in projections_of(network, network["inner"]):
        weights = network["inner"].weight_hwio.reshape(-1)
        part = projection.synapses
        np.testing.assert_array_equal(weights[part.kernel_index], part.weight)
    (outer,) = projections_of(network, network["outer"])
    assert outer.synapses.kernel_index is None


def test_max_pooling_is_a_population_of_its_own() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(2, 2, 1)),
            MaxPooling2D(name="pool", inputs=("input",), output_shape=(1, 1, 1),
                         pool_size=(2, 2), strides=(2, 2)),
            Flatten(name="flat", inputs=("pool",), output_shape=(1,)),
            Dense(name="output", inputs=("flat",), output_shape=(1,), weight_io=np.ones((1, 1)),
                  bias_o=np.zeros(1)),
        )
    )  # fmt: skip
    (into_pool,) = projections_of(network, network["pool"])
    (into_output,) = projections_of(network, network["output"])
    assert (into_pool.source, into_output.source) == ("input", "pool")


def test_two_paths_from_one_population_are_added() -> None:
    dense = {"inputs": ("input",), "output_shape": (2,), "bias_o": np.array([1, 0])}
    network = Network(
        layers=(
            Input(name="input", output_shape=(2,)),
            Dense(name="left", weight_io=np.array([[1, 0], [2, 3]]), **dense),
            Dense(name="right", weight_io=np.array([[4, 5], [-2, 0]]), **dense),
            Add(name="output", inputs=("left", "right"), output_shape=(2,),
                weight_nc=np.ones((2, 1))),
        )
    )  # fmt: skip
    (projection,) = projections_of(network, network["output"])
    # The entries 2 and -2 cancel: no synapse is left.
    assert projection.synapses.to_csr().toarray().tolist() == [[5, 5], [0, 3]]
    assert len(projection.synapses) == 3
    assert drive_bias(network, network["output"]).tolist() == [2, 0]


def test_copied_cells_stop_at_relays(network: Network) -> None:
    cells = copied_cells(network, "padded")
    assert cells is not None
    assert sorted(cells) == ["add", "first"]
    assert (cells["add"] >= 0).sum() == 6 * 5 * 3
    assert copied_cells(network, "pool") is None

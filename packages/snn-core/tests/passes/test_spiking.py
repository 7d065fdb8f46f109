"""Conversion passes: same function, other spiking realisation; the lossy ones say so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snn_core.evaluation.forward import forward, predict
from snn_core.ir import (
    Add,
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
    Softmax,
    UpSampling2D,
)
from snn_core.passes.spiking import (
    max_pool_method,
    max_to_average_pooling,
    nonnegative_layers,
    relay_pools,
    set_v_init,
    softmax_to_relu,
    spiking_pools,
)

RNG = np.random.default_rng(3)


def _network(pool: type = AveragePooling2D, *, branch: bool = False) -> Network:
    """Convolution, pool, dense softmax; ``branch`` lets a second layer read the convolution."""
    activation = ReLU() if pool is MaxPooling2D else Linear()
    layers = [
        Input(name="input", output_shape=(4, 6, 2)),
        Conv2D(name="conv", inputs=("input",), output_shape=(4, 6, 3), activation=ReLU(),
               weight_hwio=RNG.normal(size=(1, 1, 2, 3)), bias_o=RNG.normal(size=3)),
        pool(name="pool", inputs=("conv",), output_shape=(2, 3, 3), pool_size=(2, 2),
             strides=(2, 2), activation=activation),
    ]  # fmt: skip
    last = "pool"
    if branch:
        layers += [
            Conv2D(name="side", inputs=("conv",), output_shape=(2, 3, 3), strides=(2, 2),
                   weight_hwio=RNG.normal(size=(1, 1, 3, 3)), bias_o=np.zeros(3)),
            Add(name="add", inputs=("pool", "side"), output_shape=(2, 3, 3),
                weight_nc=np.ones((2, 1)), activation=ReLU()),
        ]  # fmt: skip
        last = "add"
    layers += [
        Flatten(name="flatten", inputs=(last,), output_shape=(18,)),
        Dense(name="output", inputs=("flatten",), output_shape=(4,), activation=Softmax(),
              weight_io=RNG.normal(size=(18, 4)), bias_o=RNG.normal(size=4)),
    ]  # fmt: skip
    return Network(layers=tuple(layers))


def _same_function(a: Network, b: Network) -> bool:
    x = RNG.normal(size=(5, *a.input.output_shape)).astype(np.float32)
    return bool((predict(a, x) == predict(b, x)).all())


def test_pool_of_rectified_values_gets_neurons_and_loses_them_again() -> None:
    network = _network()
    spiking = spiking_pools(network)
    assert [layer.name for layer in spiking.spiking_layers] == ["conv", "pool", "output"]
    assert _same_function(network, spiking)
    relay = relay_pools(spiking)
    assert [layer.name for layer in relay.spiking_layers] == ["conv", "output"]
    assert _same_function(network, relay)


def test_pool_of_possibly_negative_values_stays_a_relay() -> None:
    layers = list(_network().layers)
    layers[1] = Conv2D(
        name="conv", inputs=("input",), output_shape=(4, 6, 3), activation=Linear(),
        weight_hwio=RNG.normal(size=(1, 1, 2, 3)), bias_o=RNG.normal(size=3),
    )  # fmt: skip
    network = Network(layers=tuple(layers))
    assert spiking_pools(network) is network


def test_pool_on_the_input_stays_a_relay() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(2, 2, 1)),
            UpSampling2D(name="up", inputs=("input",), output_shape=(4, 4, 1), size=(2, 2),
                         activation=Linear()),
            Flatten(name="flatten", inputs=("up",), output_shape=(16,)),
            Dense(name="output", inputs=("flatten",), output_shape=(2,),
                  weight_io=np.ones((16, 2)), bias_o=np.zeros(2)),
        )
    )  # fmt: skip
    assert spiking_pools(network) is network


def test_sign_is_followed_through_shapes_pools_and_sums() -> None:
    network = _network(branch=True)
    assert nonnegative_layers(network) == {"conv", "pool", "add", "flatten", "output"}


def test_passes_that_do_not_apply_return_the_same_network() -> None:
    dense = Network(
        layers=(
            Input(name="input", output_shape=(2,)),
            Dense(name="output", inputs=("input",), output_shape=(2,), weight_io=np.eye(2),
                  bias_o=np.zeros(2)),
        )
    )  # fmt: skip
    for apply in (spiking_pools, relay_pools, max_to_average_pooling, softmax_to_relu):
        assert apply(dense) is dense
    assert max_pool_method(dense, method="fir_max") is dense


@pytest.mark.parametrize("method", ["fir_max", "avg_max", "exp_max"])
def test_gating_methods_only_set_the_method(method: str) -> None:
    network = _network(MaxPooling2D)
    changed = max_pool_method(network, method=method)
    assert changed["pool"].method == method
    assert changed["conv"] is network["conv"]


def test_pre_spike_max_works_on_the_sums_of_the_layer_before() -> None:
    network = _network(MaxPooling2D)
    changed = max_pool_method(network, method="pre_spike_max")
    assert [layer.name for layer in changed.spiking_layers] == ["pool", "output"]
    assert _same_function(network, changed)


def test_pre_spike_max_keeps_the_bounds_before_and_after_the_pool() -> None:
    network = _network(MaxPooling2D)
    for before, after in ((ReLU(), ReLU(max_value=6.0)), (ReLU(max_value=6.0), ReLU())):
        (source,) = network.inbound("pool")
        bounded = network.replace(
            replace(source, activation=before), replace(network["pool"], activation=after)
        )
        changed = max_pool_method(bounded, method="pre_spike_max")
        assert changed["pool"].activation == ReLU(max_value=6.0)


@pytest.mark.parametrize("method", ["fir_max", "pre_spike_max"])
def test_pools_of_sums_pass_on_increments_whatever_the_method(method: str) -> None:
    network = _network(MaxPooling2D)
    linear = network.replace(replace(network["pool"], activation=Linear()))
    assert max_pool_method(linear, method=method)["pool"].method == "pre_spike_max"


def test_pre_spike_max_keeps_neurons_that_others_listen_to() -> None:
    changed = max_pool_method(_network(MaxPooling2D, branch=True), method="pre_spike_max")
    assert "conv" in [layer.name for layer in changed.spiking_layers]


def test_max_to_average_pooling_averages_the_same_windows() -> None:
    network = _network(MaxPooling2D)
    changed = max_to_average_pooling(network)
    x = RNG.normal(size=(2, 4, 6, 2)).astype(np.float32)
    conv = forward(network, x)["conv"]
    expected = conv.reshape(2, 2, 2, 3, 2, 3).mean(axis=(2, 4))
    # Four summands in another order.
    np.testing.assert_allclose(forward(changed, x)["pool"], expected, rtol=1e-6, atol=1e-6)


def test_softmax_to_relu_keeps_the_largest_output() -> None:
    network = _network()
    changed = softmax_to_relu(network)
    x = RNG.normal(size=(50, 4, 6, 2)).astype(np.float32)
    scores = predict(changed, x)
    positive = scores.max(axis=1) > 0
    assert positive.any()
    same = predict(network, x).argmax(axis=1) == scores.argmax(axis=1)
    assert same[positive].all()


@pytest.mark.parametrize(("readout", "start"), [("counts", 0.5), ("membrane", 0.0)])
def test_output_starts_at_zero_if_its_potential_is_read(readout: str, start: float) -> None:
    changed = set_v_init(_network().replace(readout=readout), v_init=0.5)
    assert changed["conv"].v_init == 0.5
    assert changed["output"].v_init == start


def test_every_change_is_noted() -> None:
    network = spiking_pools(_network())
    network = set_v_init(softmax_to_relu(network), v_init=0.5)
    assert network.history == (
        "spiking_pools: pool",
        "softmax_to_relu: output",
        "set_v_init: 0.5 of the threshold",
    )

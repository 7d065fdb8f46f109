"""Where activations go, and where neurons of their own appear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snn_core.errors import UnsupportedError
from snn_core.ir import (
    Activation,
    ActivationLayer,
    Add,
    Concatenate,
    Dense,
    Flatten,
    Input,
    Layer,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
)
from snn_core.passes import (
    add_output_neurons,
    fuse_activations,
    rectify_max_pooling,
    run_structural,
)


def dense(name: str, source: str, activation: Activation | None = None) -> Dense:
    settings: dict[str, Any] = {} if activation is None else {"activation": activation}
    return Dense(
        name=name,
        inputs=(source,),
        output_shape=(2,),
        weight_io=np.eye(2, dtype=np.float32),
        bias_o=np.zeros(2, np.float32),
        **settings,
    )


def act(name: str, source: str, activation: Activation | None = None) -> ActivationLayer:
    return ActivationLayer(
        name=name, inputs=(source,), output_shape=(2,), activation=activation or ReLU()
    )


def network(*layers: Layer) -> Network:
    return Network(layers=(Input(name="x", output_shape=(2,)), *layers))


def activation(layer: Layer) -> Activation:
    found: Activation = layer.activation  # type: ignore[attr-defined]
    return found


def test_relu_moves_into_the_layer_before() -> None:
    found = fuse_activations(network(dense("a", "x"), act("r", "a"), dense("b", "r")))
    assert [layer.name for layer in found] == ["x", "a", "b"]
    assert activation(found["a"]) == ReLU()
    assert found["b"].inputs == ("a",)


def test_relu_moves_past_a_flatten() -> None:
    flat = Flatten(name="f", inputs=("a",), output_shape=(2,))
    found = fuse_activations(network(dense("a", "x"), flat, act("r", "f")))
    assert activation(found["a"]) == ReLU()
    assert found.output.name == "f"


def test_layer_that_is_read_unrectified_too_stays_linear() -> None:
    join = Concatenate(name="j", inputs=("a", "r"), output_shape=(4,), axis=0)
    found = fuse_activations(network(dense("a", "x"), act("r", "a"), join))
    assert activation(found["a"]) == Linear()
    assert isinstance(found["r"], Add)
    assert activation(found["r"]) == ReLU()
    assert found["r"].weight_nc.tolist() == [1]


def test_second_relu_is_dropped_even_where_the_first_is_read_elsewhere() -> None:
    join = Concatenate(name="j", inputs=("a", "r"), output_shape=(4,), axis=0)
    found = fuse_activations(network(dense("a", "x", ReLU()), act("r", "a"), join))
    assert found["j"].inputs == ("a", "a")


def test_tighter_bound_wins() -> None:
    layers = dense("a", "x", ReLU(max_value=6.0)), act("r", "a", ReLU(max_value=2.0))
    found = fuse_activations(network(*layers))
    assert activation(found["a"]) == ReLU(max_value=2.0)


def test_tighter_bound_does_not_reach_other_readers() -> None:
    join = Concatenate(name="j", inputs=("a", "r"), output_shape=(4,), axis=0)
    layers = dense("a", "x", ReLU(max_value=6.0)), act("r", "a", ReLU(max_value=2.0)), join
    found = fuse_activations(network(*layers))
    assert activation(found["a"]) == ReLU(max_value=6.0)
    assert activation(found["r"]) == ReLU(max_value=2.0)


def test_relu_on_the_input_gets_neurons() -> None:
    found = fuse_activations(network(act("r", "x"), dense("a", "r")))
    assert isinstance(found["r"], Add)


def test_hidden_softmax_stays_for_the_check_to_report() -> None:
    before = network(dense("a", "x"), act("s", "a", Softmax()), dense("b", "s"))
    assert fuse_activations(before) is before


def test_softmax_after_relu_gets_neurons() -> None:
    found = fuse_activations(network(dense("a", "x", ReLU()), act("s", "a", Softmax())))
    assert activation(found["a"]) == ReLU()
    assert isinstance(found.output, Add)
    assert activation(found.output) == Softmax()


def test_trailing_flatten_hands_its_softmax_to_output_neurons() -> None:
    flat = Flatten(name="f", inputs=("a",), output_shape=(2,))
    found = add_output_neurons(network(dense("a", "x", Softmax()), flat))
    assert activation(found["a"]) == Linear()
    assert activation(found.output) == Softmax()
    assert found.output.inputs == ("f",)


def test_a_sigmoid_goes_to_the_sums_that_it_is_of() -> None:
    flat = Flatten(name="f", inputs=("a",), output_shape=(2,))
    for layers in (
        (dense("a", "x"), act("s", "a", Sigmoid())),
        (dense("a", "x"), flat, act("s", "f", Sigmoid())),
    ):
        found = fuse_activations(network(*layers))
        assert activation(found["a"]) == Sigmoid()
        assert "s" not in found


def test_hidden_sigmoid_stays_for_the_check_to_report() -> None:
    before = network(dense("a", "x"), act("s", "a", Sigmoid()), dense("b", "s"))
    assert fuse_activations(before) is before
    with pytest.raises(
        UnsupportedError, match=r"s \(ActivationLayer\): sigmoid inside the network"
    ):
        run_structural(before)


def test_trailing_flatten_hands_its_sigmoid_to_output_neurons() -> None:
    flat = Flatten(name="f", inputs=("s",), output_shape=(2,))
    found = run_structural(network(dense("a", "x"), act("s", "a", Sigmoid()), flat))
    assert activation(found.output) == Sigmoid()
    assert all(
        activation(layer) != Sigmoid() for layer in found.layers[1:-1] if layer.kind == "Dense"
    )


def test_a_sigmoid_does_not_overflow() -> None:
    x = np.float32([-1000, -1, 0, 1, 1000])
    expected = [0, 1 / (1 + np.e), 0.5, 1 / (1 + 1 / np.e), 1]
    np.testing.assert_allclose(Sigmoid()(x), expected, rtol=1e-6)  # float32
    assert Sigmoid()(x).dtype == np.float32


def pool(source: str, name: str = "p") -> MaxPooling2D:
    return MaxPooling2D(
        name=name, inputs=(source,), output_shape=(1, 1, 2), pool_size=(1, 1), strides=(1, 1),
        activation=Linear(),
    )  # fmt: skip


def image(name: str, source: str, weight: float) -> Add:
    return Add(
        name=name,
        inputs=(source,),
        output_shape=(1, 1, 2),
        weight_nc=np.array([weight], np.float32),
        activation=Linear(),
    )


def test_max_pooling_of_rates_gets_neurons_and_of_signed_values_does_not() -> None:
    start = Input(name="x", output_shape=(1, 1, 2))
    rates = Add(name="r", inputs=("x",), output_shape=(1, 1, 2), weight_nc=np.ones(1, np.float32),
                activation=ReLU())  # fmt: skip

    def pooled(*layers: Layer) -> Activation:
        return activation(rectify_max_pooling(Network(layers=(start, *layers))).output)

    assert pooled(rates, pool("r")) == ReLU()
    assert pooled(rates, image("k", "r", 0.5), pool("k")) == ReLU()
    assert pooled(rates, pool("r"), pool("p", "q")) == ReLU()
    assert pooled(rates, image("k", "r", -0.5), pool("k")) == Linear()
    assert pooled(pool("x")) == Linear()

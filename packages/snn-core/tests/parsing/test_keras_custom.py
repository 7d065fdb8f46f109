"""Keras models with custom activations, pruned layers and open shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.errors import OpenShapeError, ParseError, UnsupportedError
from snn_core.ir import Activation, BinarySigmoid, BinaryTanh, Network, QuantizedReLU, ReLU
from snn_core.operations import connectivity_statistics
from snn_core.parsing.keras.model import KerasParser
from snn_core.passes import run_structural

Writer = Callable[..., Path]

KERNEL = [[1.0, -2.0], [0.5, 4.0], [-1.0, 0.25]]


def parse(path: Path, **kwargs: Any) -> Network:
    return KerasParser().parse(path, **kwargs)


def sequential(*layers: dict[str, Any], shape: Any = (None, 3)) -> dict[str, Any]:
    start = {"class_name": "InputLayer", "config": {"batch_shape": list(shape), "name": "start"}}
    return {"class_name": "Sequential", "config": {"name": "net", "layers": [start, *layers]}}


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


def function(name: str) -> dict[str, Any]:
    """Return how Keras 3 serializes a function of the user's."""
    return {"module": "builtins", "class_name": "function", "config": name,
            "registered_name": "function"}  # fmt: skip


def instance(kind: str, **config: Any) -> dict[str, Any]:
    """Return how Keras 3 serializes an object of a class of the user's."""
    return {"module": None, "class_name": kind, "config": config, "registered_name": kind}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("binary_sigmoid", BinarySigmoid()),
        (function("binary_sigmoid"), BinarySigmoid()),
        (function("mine>binary_tanh"), BinaryTanh()),
        ("clamped_relu", ReLU(max_value=1.0)),
        (function("clamped_relu_0.0_0.5"), ReLU(max_value=0.5)),
        ("clamped_relu_0_None", ReLU()),
        (instance("ClampedReLU", threshold=0.0, max_value=2), ReLU(max_value=2.0)),
        (instance("LimitedReLU", negative_slope=0.0, threshold=0.0, max_value=1.5),
         ReLU(max_value=1.5)),
        (function("noisy_relu"), ReLU()),
        (instance("NoisyReLU", sigma=0.1), ReLU()),
        ("relu_Q1.4", QuantizedReLU(step=1 / 16, max_value=2 - 1 / 16)),
        (function("lab>relu_Q0.3"), QuantizedReLU(step=1 / 8, max_value=7 / 8)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["Dense", "Activation"])
def test_custom_activations_are_known_by_name(
    write_archive: Writer, kind: str, value: Any, expected: Activation
) -> None:
    own = value if kind == "Dense" else "linear"
    model = sequential(
        layer("Dense", "a", units=2, use_bias=False, activation=own),
        *([layer("Activation", "act", activation=value)] if kind == "Activation" else []),
    )
    found = run_structural(parse(write_archive(model, {"layers/dense": [KERNEL]})))
    assert found.output.activation == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (function("clamped_relu_0.1_1.0"), "threshold=0.1"),
        (instance("ClampedReLU", threshold=0.1, max_value=None), "ClampedReLU with threshold=0.1"),
        (instance("LimitedReLU", negative_slope=0.1), "negative_slope=0.1"),
        (instance("NoisySoftplus", k=0.2), "NoisySoftplus is never 0"),
        (function("noisy_softplus"), "NoisySoftplus is never 0"),
        (function("sigmoid_Q1.4"), "only relu can be quantised"),
        (function("relu_Q0.0"), "0 bits"),
        (function("relu_Q30.1"), "31 bits"),
        (function("clamped_relu_.._1"), "not supported"),
        (function("clamped_relu_0_١"), "not supported"),
        (function("relu_Q1.٤"), "not supported"),
        (function("surprise"), "'surprise' is not supported"),
        # A function of the user's may have the name of one of Keras' own.
        (function("relu"), "'relu' is not supported"),
        (instance("Surprise", a=1), "'Surprise' is not supported"),
    ],
)
def test_custom_activations_without_a_spiking_form_are_refused(
    write_archive: Writer, value: Any, reason: str
) -> None:
    model = sequential(layer("Dense", "a", units=2, use_bias=False, activation=value))
    with pytest.raises(UnsupportedError, match=reason):
        parse(write_archive(model, {"layers/dense": [KERNEL]}))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (function("relu"), "'relu' is not supported: it is not the one of Keras but a custom one"),
        (function("mine>relu"), "'mine>relu' is not .* but a custom one, .* use activation='relu'"),
        ("mine>softmax", "'mine>softmax' is not .* a custom one, .* use activation='softmax'"),
        ({"module": "mine", "class_name": "ReLU", "config": {}, "registered_name": "mine>ReLU"},
         "'ReLU' is not supported: it is not the one of Keras but a custom one"),
        (instance("Softmax"), "'Softmax' is not supported: it is not the one of Keras but a"),
        ({"module": "keras.layers", "class_name": "Softmax", "config": {"axis": 1}},
         "softmax along the axes 1 is not supported; use the channels"),
    ],
)  # fmt: skip
def test_activations_that_bear_a_name_of_keras_are_told_from_those_of_keras(
    write_archive: Writer, value: Any, message: str
) -> None:
    model = sequential(layer("Dense", "fc", units=2, use_bias=False, activation=value))
    with pytest.raises(UnsupportedError, match=message):
        parse(write_archive(model, {"layers/dense": [KERNEL]}))


def test_pruned_layers_keep_their_mask(write_archive: Writer) -> None:
    model = sequential(
        layer("Reshape", "image", target_shape=[1, 3, 1]),
        layer("SparseConv2D", "conv", filters=2, kernel_size=[1, 2], activation="relu"),
        layer("SparseDepthwiseConv2D", "each", kernel_size=[1, 2], use_bias=False),
        layer("Flatten", "flat"),
        layer("Sparse", "out", units=2, activation="softmax"),
    )
    ones, mask = np.full((1, 2, 1, 2), 3.0), np.array([1, 0, 1, 1]).reshape(1, 2, 1, 2)
    depthwise = np.array([1, 1, 0, 1]).reshape(1, 2, 2, 1)
    weights = {
        "layers/sparse_conv2d": [ones, [1, 2], mask],
        "layers/sparse_depthwise_conv2d": [np.full((1, 2, 2, 1), 2.0), depthwise],
        "layers/sparse": [np.full((2, 2), 5.0), [0, 0], [[1, 0], [0, 1]]],
    }
    network = parse(write_archive(model, weights))
    np.testing.assert_array_equal(network["conv"].weight, 3 * mask)
    np.testing.assert_array_equal(network["each"].weight, 2 * depthwise)
    np.testing.assert_array_equal(network["out"].weight, 5 * np.eye(2))
    # Three taps at two places into conv. Behind it "each" is a relay: the first output reads one
    # of its taps, the second two.
    assert connectivity_statistics(run_structural(network)).num_synapses == 3 * 2 + 1 + 2


def test_pruned_layers_of_keras_2_keep_their_mask(write_keras2: Writer) -> None:
    model = sequential(
        {"class_name": "Sparse",
         "config": {"name": "out", "units": 2, "batch_input_shape": [None, 3]}}
    )  # fmt: skip
    model["config"]["layers"] = model["config"]["layers"][-1:]
    mask = np.array([[1, 0], [0, 0], [1, 1]])
    path = write_keras2(
        model, {"out/out/kernel:0": KERNEL, "out/out/bias:0": [0, 0], "out/out/mask:0": mask}
    )
    np.testing.assert_array_equal(parse(path)["out"].weight, KERNEL * mask)


def test_open_shapes_can_be_given(write_archive: Writer) -> None:
    model = sequential(
        layer("Conv1D", "conv", filters=2, kernel_size=[2], use_bias=False), shape=(None, None, 3)
    )
    path = write_archive(model, {"layers/conv1d": [np.ones((2, 3, 2))]})
    assert parse(path, input_shape=(5, 3)).output.output_shape == (4, 2)
    with pytest.raises(OpenShapeError, match=r"--input-shape, input_shape"):
        parse(path)
    with pytest.raises(ParseError, match=r"\(5, 4\) was given; the model expects \(None, 3\)"):
        parse(path, input_shape=(5, 4))
    with pytest.raises(ParseError, match="was given"):
        parse(path, input_shape=(5,))


def test_low_rank_adaptations_are_refused(write_archive: Writer) -> None:
    model = sequential(layer("Dense", "a", units=2, use_bias=False, lora_rank=2))
    with pytest.raises(UnsupportedError, match="low-rank adaptation is not merged"):
        parse(write_archive(model, {"layers/dense": [KERNEL]}))


def test_hidden_softmax_is_named_with_the_other_problems(write_archive: Writer) -> None:
    model = sequential(
        layer("Dense", "focus", units=2, use_bias=False, activation="softmax"),
        layer("LeakyReLU", "leak"),
        layer("Dense", "end", units=2, use_bias=False, activation="softmax"),
    )
    weights = {"layers/dense": [KERNEL], "layers/dense_1": [KERNEL[:2]]}
    with pytest.raises(UnsupportedError) as caught:
        parse(write_archive(model, weights))
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "leak (LeakyReLU)",
        "focus (Dense)",
    ]

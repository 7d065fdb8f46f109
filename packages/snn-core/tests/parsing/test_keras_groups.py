"""Weights of ``.h5`` files of Keras are taken in the order in which the file lists them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from snn_core.errors import ParseError
from snn_core.ir import BatchNormalization
from snn_core.parsing.keras.model import KerasParser

Writer = Callable[..., Path]

BN = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


def sequential(*layers: dict[str, Any], name: str = "net") -> dict[str, Any]:
    start = layer("InputLayer", f"start_{name}", batch_input_shape=[None, 2])
    return {"class_name": "Sequential", "config": {"name": name, "layers": [start, *layers]}}


def dense(name: str, **config: Any) -> dict[str, Any]:
    return layer("Dense", name, units=2, **config)


def of_dense(path: str, factor: float) -> dict[str, Any]:
    return {f"{path}/kernel:0": np.eye(2) * factor, f"{path}/bias:0": [factor, 0]}


def nested() -> dict[str, Any]:
    norm = layer("BatchNormalization", "bn", epsilon=0)
    return sequential(sequential(dense("a"), norm, dense("b"), name="inner"))


def of_nested() -> dict[str, Any]:
    norm = {f"inner/bn/{name}": [4.0, 16.0] for name in BN}
    trained = {name: norm.pop(name) for name in list(norm)[:2]}
    return {**of_dense("inner/a", 2), **trained, **of_dense("inner/b", 4), **norm}


def lists(weights: dict[str, Any]) -> list[str]:
    return [name.partition("/")[2] for name in weights]


def test_variables_are_taken_in_the_order_of_the_list(write_keras2: Writer) -> None:
    """gain = gamma / sqrt(variance), offset = beta - mean * gain, with gamma and beta swapped."""
    model = sequential(layer("BatchNormalization", "bn", epsilon=0))
    weights = dict(
        zip((f"bn/{name}" for name in BN), ([3, 1], [2, 5], [1, 1], [4, 1]), strict=True)
    )
    swapped = ["beta:0", "gamma:0", "moving_mean:0", "moving_variance:0"]
    (_, found) = KerasParser().parse(write_keras2(model, weights, {"bn": swapped}))
    assert isinstance(found, BatchNormalization)
    np.testing.assert_array_equal(found.gain_c, [1, 5])
    np.testing.assert_array_equal(found.offset_c, [2, -4])


def test_lists_may_be_split_into_parts(write_keras2: Writer) -> None:
    path = write_keras2(sequential(dense("d")), of_dense("d", 2))
    with h5py.File(path, "a") as file:
        attributes = file["model_weights/d"].attrs
        for i, name in enumerate(attributes.pop("weight_names")):
            attributes[f"weight_names{i}"] = [name]
        file["model_weights"].attrs["layer_names0"] = file["model_weights"].attrs.pop("layer_names")
    np.testing.assert_array_equal(KerasParser().parse(path)["d"].weight, np.eye(2) * 2)


@pytest.mark.parametrize(
    ("config", "listed", "message"),
    [
        ({"use_bias": False}, None, r"expected 1 variable.*\(kernel\).*found kernel:0, bias:0"),
        ({}, ["kernel:0"], r"expected 2 variable.*\(kernel, bias\).*found kernel:0\."),
        ({}, ["bias:0", "kernel:0"], r"kernel has the shape \(2,\)"),
        ({}, ["kernel:0", "kernel:0"], r"bias has the shape \(2, 2\)"),
        ({}, ["kernel:0", "offset:0"], r"bias is missing from the file"),
        ({}, [], r"lists no weights|holds no weights for it"),
    ],
)
def test_variables_that_the_layer_does_not_have_are_refused(
    write_keras2: Writer, config: dict[str, Any], listed: list[str] | None, message: str
) -> None:
    more = {} if listed is None else {"d": listed}
    path = write_keras2(sequential(dense("d", **config)), of_dense("d", 2), more)
    with pytest.raises(ParseError, match=message):
        KerasParser().parse(path)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([], "lists no weights for any layer"),
        (["b", "a"], "lists the weights of the layer 'a' at another place"),
        (["a", "a", "b"], "lists the weights of the layer 'a' at another place"),
        (["a"], "holds no weights for it"),
        (["a", "b", "c"], "lists the weights of the layer 'c' at another place"),
    ],
)
def test_layers_are_listed_as_the_model_has_them(
    write_keras2: Writer, listed: list[str], message: str
) -> None:
    model = sequential(dense("a"), dense("b"))
    weights = {**of_dense("a", 2), **of_dense("b", 4), **of_dense("c", 8)}
    KerasParser().parse(write_keras2(model, weights, {"": ["a", "b"]}))
    with pytest.raises(ParseError, match=message):
        KerasParser().parse(write_keras2(model, weights, {"": listed}))


def test_layers_of_a_nested_model_stand_in_one_list(write_keras2: Writer) -> None:
    """What is trained comes first, then what is not, both in the order of the layers."""
    network = KerasParser().parse(write_keras2(nested(), of_nested()))
    np.testing.assert_array_equal(network["inner/b"].weight, np.eye(2) * 4)
    np.testing.assert_array_equal(network["inner/bn"].gain_c, [2, 4])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/kernel:0", "b/kernel:0"),
        ("a/bias:0", "bn/gamma:0"),
        ("bn/gamma:0", "bn/beta:0"),
        ("bn/moving_mean:0", "bn/moving_variance:0"),
    ],
)
def test_variables_of_a_nested_model_in_another_order_are_refused(
    write_keras2: Writer, first: str, second: str
) -> None:
    weights = of_nested()
    swap = {first: second, second: first}
    listed = [swap.get(name, name) for name in lists(weights)]
    with pytest.raises(ParseError, match="in another order than the model has them"):
        KerasParser().parse(write_keras2(nested(), weights, {"inner": listed}))


def test_layers_that_are_not_trained_stand_behind_the_others(write_keras2: Writer) -> None:
    model = nested()
    model["config"]["layers"][1]["config"]["layers"][1]["config"]["trainable"] = False
    weights = of_nested()
    kept = {name: weights.pop(name) for name in list(weights)[:2]}
    network = KerasParser().parse(write_keras2(model, weights | kept))
    np.testing.assert_array_equal(network["inner/a"].weight, np.eye(2) * 2)


def test_a_bias_too_many_in_a_nested_model_is_refused(write_keras2: Writer) -> None:
    model = nested()
    model["config"]["layers"][1]["config"]["layers"][3]["config"]["use_bias"] = False
    with pytest.raises(ParseError, match=r"'inner/b' \(Dense\): expected 1 variable.*b/bias:0"):
        KerasParser().parse(write_keras2(model, of_nested()))

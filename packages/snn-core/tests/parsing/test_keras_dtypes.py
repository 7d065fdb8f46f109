"""Types of what Keras models are called with, which Keras rounds to, and of their layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.errors import UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing.keras.model import KerasParser

Writer = Callable[..., Path]

X = np.array([[0, 2, 255, 7], [1, 128, 64, 31]], np.uint8)


def layer(kind: str, name: str, *args: Any, **config: Any) -> dict[str, Any]:
    """Return a layer; ``args`` is what it is called with beside the one before it."""
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "args": args}


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


def chain(*layers: dict[str, Any], dtype: Any = "uint8", name: str = "net") -> dict[str, Any]:
    """Return a functional model of one layer after the other, on vectors of 4 numbers."""
    start = layer("InputLayer", "x", batch_shape=[None, 4], dtype=dtype)
    entries, before = [{**start, "inbound_nodes": []}], "x"
    for entry in layers:
        node = {"args": [tensor(before), *entry.get("args", ())], "kwargs": {}}
        before = entry["config"]["name"]
        entries.append({**entry, "name": before, "inbound_nodes": [node]})
    config = {"name": name, "layers": entries, "input_layers": [["x", 0, 0]],
              "output_layers": [[before, 0, 0]]}  # fmt: skip
    return {"class_name": "Functional", "config": config}


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(UnsupportedError) as caught:
        KerasParser().parse(path)
    return caught.value.problems


RESCALE = layer("Rescaling", "scale", scale=0.5, offset=-1.0)
TWICE = layer("Rescaling", "twice", scale=2.0)


@pytest.mark.parametrize("dtype", ["int32", "int8", "uint16", "bool", "string", "float8_e4m3fn"])
def test_inputs_that_keras_rounds_are_refused(write_archive: Writer, dtype: str) -> None:
    [found] = problems(write_archive(chain(RESCALE, dtype=dtype), {}))
    assert found.startswith(f"x (InputLayer): its values are {dtype}, to which Keras rounds them")
    assert "float32, float64 and uint8 are read" in found


@pytest.mark.parametrize("dtype", [None, "float32", "float64", "float16", "bfloat16"])
def test_inputs_of_real_numbers_are_read(write_archive: Writer, dtype: str | None) -> None:
    network = KerasParser().parse(write_archive(chain(RESCALE, dtype=dtype), {}))
    np.testing.assert_array_equal(predict(network, X.astype(np.float32)), X * 0.5 - 1)


@pytest.mark.parametrize(
    "layers",
    [
        (RESCALE,),
        (layer("Dropout", "drop", rate=0.5), layer("RandomFlip", "flip"), RESCALE),
        (layer("Reshape", "rows", target_shape=[2, 2]), layer("Flatten", "flat"), RESCALE),
        (layer("Multiply", "half", 0.5), layer("Subtract", "minus", 1.0)),
        (layer("TrueDivide", "half", 2), layer("Subtract", "minus", 1)),
        (layer("Cast", "cast", dtype="float32"), layer("Divide", "half", 2), layer("Add", "a", -1)),
    ],
)
def test_models_of_8_bit_integers_get_them_as_they_are(write_archive: Writer, layers: Any) -> None:
    network = KerasParser().parse(write_archive(chain(*layers), {}))
    assert str(network.input_data) == "uint8 × 1, as the model rescales by itself"
    np.testing.assert_array_equal(predict(network, X), X * 0.5 - 1)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (layer("Multiply", "odd", 2), "it computes with 8-bit integers"),
        (layer("Add", "odd", {"class_name": "__numpy__", "config": {"value": [1, 2, 3, 4],
                                                                  "dtype": "int32"}}),
         "it computes with 8-bit integers"),
        (layer("Subtract", "odd", 127), "it computes with 8-bit integers"),
        (layer("Negative", "odd"), "it computes with 8-bit integers"),
        (layer("ReLU", "odd", max_value=6.5), "it rounds its bounds to 8-bit integers"),
        (layer("Sum", "odd", axis=[1], keepdims=True), "it computes with 8-bit integers"),
    ],
)  # fmt: skip
def test_what_computes_with_8_bit_integers_is_refused(
    write_archive: Writer, entry: dict[str, Any], message: str
) -> None:
    [found] = problems(write_archive(chain(entry, TWICE), {}))
    assert found.startswith(f"odd ({entry['class_name']}): {message}")


def test_integers_are_numbers_behind_a_layer_that_makes_them_real(write_archive: Writer) -> None:
    path = write_archive(chain(RESCALE, layer("Multiply", "twice", 2), layer("ReLU", "r")), {})
    found = predict(KerasParser().parse(path), X)
    np.testing.assert_array_equal(found, np.maximum(X * 1.0 - 2, 0))


def test_a_nested_model_of_8_bit_integers_is_read_where_they_are_some(
    write_archive: Writer,
) -> None:
    inner = chain(RESCALE, name="inner")
    network = KerasParser().parse(write_archive(chain(inner), {}))
    np.testing.assert_array_equal(predict(network, X), X * 0.5 - 1)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (chain(RESCALE, name="inner"), "it rounds numbers to 8-bit integers"),
        (chain(RESCALE, name="inner", dtype="int32"), "its values are int32"),
        ({"class_name": "Sequential", "config": {"name": "inner", "layers": [
            layer("InputLayer", "x", batch_shape=[None, 4], dtype="bool"), RESCALE]}},
         "its values are bool"),
    ],
)  # fmt: skip
def test_nested_models_that_round_are_refused(
    write_archive: Writer, inner: dict[str, Any], message: str
) -> None:
    [found] = problems(write_archive(chain(TWICE, inner, dtype="float32"), {}))
    assert found.startswith(f"inner/x (InputLayer): {message}")


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "int8_from_float32"])
@pytest.mark.parametrize("wrap", [str, lambda name: {"class_name": "DTypePolicy",
                                                     "config": {"name": name}}])  # fmt: skip
def test_layers_that_compute_in_integers_are_refused(
    write_archive: Writer, wrap: Callable[[str], Any], dtype: str
) -> None:
    flat = layer("Flatten", "flat", dtype=wrap(dtype))
    [found] = problems(write_archive(chain(flat, dtype="float32"), {}))
    assert found.startswith(f"flat (Flatten): data type '{dtype}' is not supported; ")


def test_a_cast_to_integers_is_refused(write_archive: Writer) -> None:
    [found] = problems(write_archive(chain(TWICE, layer("Cast", "cast", dtype="int32")), {}))
    assert found.startswith("cast (Cast): data type 'int32' is not supported; ")

"""Operations, preparing layers and functions of Keras files, on hand-made numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing.keras import groups
from snn_core.parsing.keras.model import KerasParser

Writer = Callable[..., Path]

KERNEL = [[1.0, -2.0], [0.5, 4.0], [-1.0, 0.25]]
X = np.array([[1, 2, -1], [0.5, -0.25, 4]], np.float32)


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


def sequential(*layers: dict[str, Any], shape: Any = (None, 3)) -> dict[str, Any]:
    start = {"class_name": "InputLayer", "config": {"batch_shape": list(shape), "name": "start"}}
    return {"class_name": "Sequential", "config": {"name": "net", "layers": [start, *layers]}}


def functional(entry: dict[str, Any], *args: Any, shape: Any = (None, 3)) -> dict[str, Any]:
    """Return a model of one call; ``"x"`` among its arguments stands for the input."""
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["start", 0, 0]}}
    given = [tensor if isinstance(arg, str) and arg == "x" else arg for arg in args]
    start = layer("InputLayer", "start", batch_shape=list(shape)) | {"inbound_nodes": []}
    call = {**entry, "inbound_nodes": [{"args": given, "kwargs": {}}]}
    return {
        "class_name": "Functional",
        "config": {
            "layers": [start, call],
            "input_layers": [["start", 0, 0]],
            "output_layers": [[entry["config"]["name"], 0, 0]],
        },
    }


def operation(kind: str, **config: Any) -> dict[str, Any]:
    return {"module": "keras.src.ops.numpy", **layer(kind, kind.lower(), **config)}


def outputs(path: Path, x: Any = X) -> Any:
    return predict(KerasParser().parse(path), x)


def array(*values: float) -> dict[str, Any]:
    return {"class_name": "__numpy__", "config": {"value": list(values), "dtype": "float32"}}


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("Multiply", ("x", 2.0), 2 * X),
        ("Multiply", (array(1.0, 2.0, -1.0), "x"), X * [1, 2, -1]),
        ("Add", ("x", 0.5), X + 0.5),
        ("Subtract", (1.0, "x"), 1 - X),
        ("Subtract", ("x", 1.0), X - 1),
        ("TrueDivide", ("x", 4.0), X / 4),
        ("Divide", ("x", array(1.0, 2.0, 4.0)), X / [1, 2, 4]),
        ("Negative", ("x",), -X),
        ("Maximum", (0.0, "x"), np.maximum(X, 0)),
    ],
)
def test_constants_of_operations_are_read(
    write_archive: Writer, kind: str, args: Any, expected: Any
) -> None:
    path = write_archive(functional(operation(kind), *args), {})
    np.testing.assert_array_equal(outputs(path), expected)


@pytest.mark.parametrize(
    ("entry", "args", "message"),
    [
        (layer("Softmax", "soft"), ("x", 1.5), "called with the constant 1.5, which has no neur"),
        (operation("TrueDivide"), (1.0, "x"), "division by activations"),
        (operation("Multiply"), ("x", "x"), "products of activations"),
        (operation("Maximum"), ("x", array(0.0, 1.0, 2.0)), "bounds differ from value to value"),
        (operation("Clip", x_min=-1, x_max=1), ("x",), r"clipping to \[-1.0, 1.0\]"),
        (operation("Reshape", newshape=[4, -1]), ("x",), "fixes the number of samples"),
        (operation("Reshape", newshape=[-1, 2]), ("x",), "mixes samples"),
    ],
)
def test_what_constants_cannot_take_part_in_is_refused(
    write_archive: Writer, entry: Any, args: Any, message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        outputs(write_archive(functional(entry, *args), {}))


def test_a_constant_that_is_no_number_is_a_clear_error(write_archive: Writer) -> None:
    path = write_archive(functional(operation("Multiply"), "x", array(1.0, float("inf"), 0.0)), {})
    with pytest.raises(ParseError, match=r"multiply.*expected finite numbers"):
        outputs(path)


@pytest.mark.parametrize(
    ("entry", "args"),
    [
        (operation("GetItem"), ("x",)),
        (operation("GetItem"), ("x", [{"class_name": "__slice__", "config": 3}, 0])),
        (operation("GetItem"), ("x", [{"class_name": "__slice__", "config": {}}, 7])),
        (operation("Pad", pad_width=[[0, 0], [1]]), ("x",)),
        (operation("Pad", pad_width="x"), ("x",)),
        (operation("Transpose", axes=[0, 5]), ("x",)),
        (operation("Mean", axis="x"), ("x",)),
        (operation("Squeeze", axis=1), ("x",)),
        (operation("Clip", x_min=None, x_max=[]), ("x",)),
        (layer("Normalization", "n", axis=[-1], mean=[1.0, 2.0], variance=[1.0, 2.0]), ("x",)),
        (layer("Normalization", "n", axis=[-1], mean=[1.0, 2.0, 3.0]), ("x",)),
        (layer("Normalization", "n", axis=[-1], mean=0.0, variance=-1.0), ("x",)),
    ],
)
def test_broken_settings_of_operations_are_clear_errors(
    write_archive: Writer, entry: Any, args: Any
) -> None:
    with pytest.raises((ParseError, UnsupportedError)):
        outputs(write_archive(functional(entry, *args), {}))


def test_normalization_by_its_settings(write_archive: Writer) -> None:
    """(x - mean) / sqrt(variance), and its inverse."""
    given = {"mean": [1.0, 2.0, 0.0], "variance": [4.0, 0.25, 1.0], "axis": [-1]}
    path = write_archive(sequential(layer("Normalization", "n", **given)), {})
    np.testing.assert_array_equal(outputs(path), (X - [1, 2, 0]) / [2, 0.5, 1])
    path = write_archive(sequential(layer("Normalization", "n", **given, invert=True)), {})
    np.testing.assert_array_equal(outputs(path), X * [2, 0.5, 1] + [1, 2, 0])


def test_normalization_by_what_it_was_adapted_to(write_archive: Writer) -> None:
    entry = layer("Normalization", "n", axis=[-1], mean=None, variance=None)
    weights = {"layers/normalization": [[1, 2, 0], [4, 0.25, 1], 100]}
    path = write_archive(sequential(entry), weights)
    np.testing.assert_array_equal(outputs(path), (X - [1, 2, 0]) / [2, 0.5, 1])


def test_a_variance_of_zero_divides_by_the_epsilon_of_keras(write_archive: Writer) -> None:
    given = {"mean": 0.0, "variance": 0.0, "axis": []}
    path = write_archive(sequential(layer("Normalization", "n", **given)), {})
    np.testing.assert_allclose(outputs(path), X * 1e7, rtol=1e-6)  # a rounding of 1e-7


def test_augmentation_passes_samples_on(write_archive: Writer) -> None:
    zoom = layer("RandomZoom", "zoom", height_factor=0.1, interpolation="bilinear")
    pipeline = layer("Pipeline", "pipeline", layers=[layer("RandomFlip", "flip"), zoom])
    image = np.arange(24, dtype=np.float32).reshape(1, 4, 3, 2)
    path = write_archive(sequential(pipeline, shape=(None, 4, 3, 2)), {})
    np.testing.assert_array_equal(outputs(path, image), image)


def test_augmentation_is_off_although_its_call_says_training(write_archive: Writer) -> None:
    model = functional(layer("RandomFlip", "flip"), "x", shape=(None, 4, 3, 2))
    model["config"]["layers"][1]["inbound_nodes"][0]["kwargs"] = {"training": True}
    image = np.arange(24, dtype=np.float32).reshape(1, 4, 3, 2)
    np.testing.assert_array_equal(outputs(write_archive(model, {}), image), image)


@pytest.mark.parametrize("size", [(2, 1), (3, 3), (4, 2)])
def test_centre_crops_keep_the_middle(write_archive: Writer, size: tuple[int, int]) -> None:
    height, width = size
    path = write_archive(
        sequential(layer("CenterCrop", "c", height=height, width=width), shape=(None, 4, 3, 1)), {}
    )
    image = np.arange(12, dtype=np.float32).reshape(1, 4, 3, 1)
    top, left = (4 - height) // 2, (3 - width) // 2
    expected = image[:, top : top + height, left : left + width]
    np.testing.assert_array_equal(outputs(path, image), expected)


@pytest.mark.parametrize("kind", ["CenterCrop", "RandomCrop", "Resizing"])
def test_layers_that_resize_are_refused(write_archive: Writer, kind: str) -> None:
    entry = layer(kind, "c", height=5, width=3)
    path = write_archive(sequential(entry, shape=(None, 4, 3, 1)), {})
    with pytest.raises(UnsupportedError, match=r"resizes images of \(4, 3\) to \(5, 3\)"):
        outputs(path)


@pytest.mark.parametrize(
    "value",
    [
        {"value": ["4wEAAA==", None, None]},
        {"class_name": "__lambda__", "config": {"value": "4wEAAA=="}},
        ["4wEAAA==", None, None],
    ],
    ids=["Keras 3", "Keras 3, object", "Keras 2"],
)
def test_lambdas_are_refused_with_advice(write_archive: Writer, value: Any) -> None:
    model = sequential(layer("Dense", "d", units=2, use_bias=False, activation=value))
    with pytest.raises(UnsupportedError, match=r"d \(Dense\).*not executed; name a function"):
        outputs(write_archive(model, {"layers/dense": [KERNEL]}))


@pytest.mark.parametrize("name", ["softmax_v2", {"class_name": "function", "config": "softmax_v2"}])
def test_the_softmax_of_tensorflow_is_read(write_archive: Writer, name: Any) -> None:
    model = sequential(layer("Dense", "d", units=2, use_bias=False, activation=name))
    found = outputs(write_archive(model, {"layers/dense": [KERNEL]}))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)  # rounding of two numbers


def test_the_variables_of_a_nested_model_are_listed_once(
    write_keras2: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise reading a model takes quadratic time."""
    inner = sequential(*(layer("Dense", f"d{i}", units=3, activation="relu") for i in range(40)))
    inner["config"]["name"] = "inner"
    model = sequential(inner)
    weights = {
        f"inner/d{i}/{name}:0": values
        for i in range(40)
        for name, values in (("kernel", np.eye(3)), ("bias", np.zeros(3)))
    }
    path = write_keras2(model, weights)
    lists: list[str] = []
    read = groups._read_names
    monkeypatch.setattr(
        groups, "_read_names", lambda group, key: lists.append(key) or read(group, key)
    )
    network = KerasParser().parse(path)
    assert len(network) == 41
    assert lists == ["layer_names", "weight_names"]

"""Keras models of 8-bit integers compute what Keras computes, or are refused where it rounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops
from keras_zoo import IMAGE, randomized

from snn_core.errors import UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing import read
from snn_core.parsing.exactness import compare
from snn_core.parsing.keras.model import KerasParser

Layer = Callable[[Any], Any]


def nested(dtype: str) -> Any:
    return keras.Sequential([keras.Input(IMAGE, dtype=dtype), kl.Rescaling(1 / 255)])


def saved(function: Layer, folder: Path, *, dtype: str = "uint8") -> Path:
    """Save a model that applies a function to integers, and then a convolution."""
    start = keras.Input(IMAGE, dtype=dtype)
    x = kl.Conv2D(4, 3, activation="relu")(function(start))
    model = randomized(keras.Model(start, kl.Dense(3)(kl.Flatten()(x))))
    model.save(folder / "model.keras")
    return folder / "model.keras"


READ: dict[str, Layer] = {
    "rescaled": kl.Rescaling(1 / 127.5, offset=-1),
    "normalized": kl.Normalization(mean=[120.0, 100, 90], variance=[900.0, 800, 70]),
    "batch normalization": kl.BatchNormalization(),
    "dense": kl.Dense(3),
    "cast": lambda x: ops.cast(x, "float32") / 255,
    "divided": lambda x: x / 255 - 0.5,
    "times a float": lambda x: x * 0.25,
    "arranged": lambda x: kl.Rescaling(0.1)(ops.expand_dims(kl.Cropping2D(1)(x)[:, 1:, :, 1], -1)),
    "pooled": lambda x: kl.Rescaling(0.1)(kl.MaxPooling2D(2, strides=1)(kl.ZeroPadding2D(1)(x))),
    "bounded": lambda x: kl.Rescaling(0.1)(kl.ReLU(max_value=100)(kl.Dropout(0.5)(x))),
    "repeated": lambda x: kl.Rescaling(0.1)(kl.UpSampling2D(2)(kl.Concatenate()([x, x]))),
    "nested": nested("uint8"),
    "augmented": lambda x: kl.Rescaling(0.1)(kl.RandomFlip()(x)),
}


@pytest.mark.parametrize("name", READ)
def test_models_of_8_bit_integers_compute_what_keras_computes(name: str, tmp_path: Path) -> None:
    parsed = read(saved(READ[name], tmp_path), parsers=[KerasParser()])
    x_b_l = np.random.default_rng(1).integers(0, 256, (5, *IMAGE)).astype(np.uint8)
    found = compare(parsed, x_b_l)
    version = tuple(map(int, keras.__version__.split(".")[:2]))
    if name == "batch normalization" and version < (3, 15) and found.failed:
        pytest.skip(f"Keras {keras.__version__} cannot run it itself")
    # Rounding of sums in another order.
    assert found.is_within(1e-5), found


def test_samples_that_are_no_8_bit_integers_are_not_compared_with_what_keras_makes_of_them(
    tmp_path: Path,
) -> None:
    parsed = read(saved(READ["rescaled"], tmp_path), parsers=[KerasParser()])
    found = compare(parsed, np.full((1, *IMAGE), 0.5, np.float32))
    assert found.failed
    assert "it takes 8-bit integers; the samples are none" in found.reason


REFUSED: dict[str, tuple[Layer, str]] = {
    "times a whole number": (lambda x: kl.Rescaling(0.1)(x * 2), "computes with 8-bit integers"),
    "minus": (lambda x: kl.Rescaling(0.1)(x - 127), "computes with 8-bit integers"),
    "sum": (lambda x: kl.Rescaling(0.1)(kl.Add()([x, x])), "computes with 8-bit integers"),
    "bound": (lambda x: kl.Rescaling(0.1)(kl.ReLU(max_value=100.5)(x)), "rounds its bounds"),
    "nested": (lambda x: nested("uint8")(kl.Rescaling(0.3)(x)), "rounds numbers to 8-bit"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_keras_rounds_is_refused(name: str, tmp_path: Path) -> None:
    function, message = REFUSED[name]
    path = saved(function, tmp_path)
    with pytest.raises(UnsupportedError, match=message):
        KerasParser().parse(path)


@pytest.mark.parametrize("dtype", ["int32", "bool", "int8", "uint16"])
def test_inputs_of_other_types_are_refused(dtype: str, tmp_path: Path) -> None:
    path = saved(kl.Rescaling(0.5), tmp_path, dtype=dtype)
    with pytest.raises(UnsupportedError, match=f"its values are {dtype}, to which Keras rounds"):
        KerasParser().parse(path)


def test_8_bit_integers_are_not_divided_by_255(tmp_path: Path) -> None:
    path = saved(READ["dense"], tmp_path)
    x_b_l = np.random.default_rng(1).integers(0, 256, (2, *IMAGE)).astype(np.uint8)
    expected = np.asarray(keras.models.load_model(path)(x_b_l))
    found = predict(read(path, parsers=[KerasParser()]).network, x_b_l)
    # Rounding of sums in another order.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())

"""Weights of all frameworks are finite real numbers, and layers consist of something."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from snn_core.errors import ParseError
from snn_core.ir import Dense, Flatten, Linear
from snn_core.ir.validation import LARGEST
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.sources import require_finite


@pytest.fixture(autouse=True)
def quiet():
    """No warning of NumPy gets to who reads a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("kind", ["?", "i1", "u8", "i8", "f2", "f4", "f8", "g"])
def test_real_numbers_become_float32(kind: str) -> None:
    found = require_finite(np.array([0, 1], kind), "kernel")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [0, 1])


def test_types_that_numpy_lacks_become_float32() -> None:
    kinds = pytest.importorskip("ml_dtypes")
    for kind in (kinds.bfloat16, kinds.float8_e4m3fn, kinds.int4):
        np.testing.assert_array_equal(require_finite(np.ones(2, kind), "kernel"), [1, 1])
    with pytest.raises(ParseError, match="instead of real numbers"):
        require_finite(np.zeros(2, "V2"), "kernel")


@pytest.mark.parametrize(
    "values",
    [
        np.ones(2, np.complex64),
        np.ones(2, np.complex128),
        np.zeros(2, "M8[s]"),
        np.zeros(2, "m8[s]"),
        np.array(["1", "2"]),
        np.array([b"1", b"2"]),
        np.array([1.0, 2.0], object),
        np.zeros(2, [("real", "f4"), ("more", "f4")]),
        np.zeros(2, [("real", "f4")]),
        np.zeros(2, "V4"),
    ],
)
def test_what_is_no_real_number_is_refused(values: Any) -> None:
    with pytest.raises(ParseError, match=r"its kernel holds .* instead of real numbers"):
        require_finite(values, "kernel")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e300, -1e39])
def test_what_is_not_finite_in_float32_is_refused(value: float) -> None:
    with pytest.raises(ParseError, match=r"holds 1 value\(s\) that are infinite"):
        require_finite(np.array([1.0, value]), "kernel")


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_are_at_most_what_an_artifact_may_hold(sign: int) -> None:
    largest = sign * np.float32(LARGEST)
    assert require_finite(np.array([largest, 0]), "kernel")[0] == largest
    with pytest.raises(ParseError, match=r"numbers up to 3e\+38; expected at most 1e\+30"):
        require_finite(np.array([sign * 3e38, 0]), "kernel")


def test_no_weights_are_finite() -> None:
    assert require_finite(np.zeros((4, 0)), "kernel").shape == (4, 0)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0, 2)])
@pytest.mark.parametrize("channels_first", [False, True])
def test_an_input_has_cells(shape: tuple[int, ...], channels_first: bool) -> None:
    with pytest.raises(ParseError, match=r"The model's input has the shape .*which holds nothing"):
        Builder(channels_first=True).start(shape, channels_first=channels_first)


def dense(*, inputs: int, outputs: int, bias: int) -> View:
    b = Builder(channels_first=False)
    x = b.start((3,), channels_first=False)
    return b.add(
        Dense, "fc", x, (outputs,), activation=Linear(),
        weight_io=np.ones((inputs, outputs), np.float32), bias_o=np.ones(bias, np.float32),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        ({"inputs": 3, "outputs": 0, "bias": 0}, "the layer 'fc'"),
        ({"inputs": 0, "outputs": 2, "bias": 2}, "weight_io of the layer 'fc'"),
        ({"inputs": 3, "outputs": 2, "bias": 0}, "bias_o of the layer 'fc'"),
    ],
)
def test_a_layer_has_neurons_and_weights(sizes: dict[str, int], what: str) -> None:
    assert dense(inputs=3, outputs=2, bias=2).shape == (2,)
    with pytest.raises(ParseError, match=f"^{what} has the shape .*0.*, which holds nothing"):
        dense(**sizes)


def test_layers_without_weights_have_cells() -> None:
    b = Builder(channels_first=False)
    x = b.start((3, 4), channels_first=False)
    with pytest.raises(ParseError, match="'flat' has the shape"):
        b.add(Flatten, "flat", x, (0,))

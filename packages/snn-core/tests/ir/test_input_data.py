import numpy as np
import pytest

from snn_core.ir import InputData

ALL = np.arange(256, dtype=np.uint8)


def test_bytes_are_divided_by_255_exactly():
    np.testing.assert_array_equal(InputData().as_floats(ALL), ALL / np.float32(255))


@pytest.mark.parametrize("scale", [1, 0.5, 1 / 128])
def test_bytes_are_multiplied_by_the_factor(scale):
    found = InputData(uint8_scale=scale).as_floats(ALL.reshape(2, 8, 16))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.ravel(), np.arange(256) * np.float32(scale))


@pytest.mark.parametrize("kind", ["bool", "int8", "uint16", "int64", "float16", "float32", "f8"])
def test_all_other_numbers_enter_as_they_are(kind):
    x_b_l = np.array([[0, 1], [1, 0]], kind)
    found = InputData().as_floats(x_b_l)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, x_b_l.astype(float))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (InputData(), "uint8 ÷ 255"),
        (InputData(uint8_scale=1 / 16), "uint8 ÷ 16"),
        (InputData(uint8_scale=0.3), "uint8 × 0.3"),
        (
            InputData(uint8_scale=1.0, decided_by="model"),
            "uint8 × 1, as the model rescales by itself",
        ),
        (InputData(uint8_scale=1, decided_by="user"), "uint8 × 1, as asked"),
    ],
)
def test_it_says_how_bytes_enter(data, text):
    assert str(data) == text


@pytest.mark.parametrize(
    "values",
    [
        {"uint8_scale": 0},
        {"uint8_scale": -1.0},
        {"uint8_scale": float("inf")},
        {"uint8_scale": True},
        {"decided_by": "nobody"},
        {"low": float("nan")},
        {"classes": "cats"},
        {"classes": (1, 2)},
    ],
)
def test_impossible_values_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        InputData(**values)

"""Whether a model rescales its input by itself, from its first layers."""

import numpy as np
import pytest

from snn_core.ir import (
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    Input,
    InputData,
    Network,
    ReLU,
    ZeroPadding2D,
)
from snn_core.passes import run_structural
from snn_core.passes.input_scale import find_input_scale

STD_C = np.array([60.0, 50.0, 70.0])
MEAN_C = np.array([120.0, 110.0, 100.0])


def affine(gain_c, offset_c=0.0):
    """Return ``gain * x + offset`` for three channels."""
    gain_c, offset_c = (np.ones(3, np.float32) * np.float32(v) for v in (gain_c, offset_c))
    return BatchNormalization, {"gain_c": gain_c, "offset_c": offset_c, "axis": 2}


def network(*first):
    """Return a network of the source dialect on 2 x 2 x 3 pixels that begins with some layers."""
    layers = [Input(name="input", output_shape=(2, 2, 3))]
    for i, (kind, settings) in enumerate(first):
        settings = {"output_shape": layers[-1].output_shape, **settings}
        layers.append(kind(name=f"layer{i}", inputs=(layers[-1].name,), **settings))
    size = int(np.prod(layers[-1].output_shape))
    layers.append(Flatten(name="flat", inputs=(layers[-1].name,), output_shape=(size,)))
    weight_io = np.ones((size, 2), np.float32)
    layers.append(Dense(name="dense", inputs=("flat",), output_shape=(2,), activation=ReLU(),
                        weight_io=weight_io, bias_o=np.zeros(2, np.float32)))  # fmt: skip
    return Network(layers=tuple(layers))


PADDING = (ZeroPadding2D, {"padding": ((1, 0), (0, 0)), "output_shape": (3, 2, 3)})


@pytest.mark.parametrize(
    "first",
    [
        [affine(1 / 255)],
        [affine(1 / 127.5, -1)],
        [affine(1 / 16)],
        [affine(1, -127.5), affine(1 / 127.5)],
        [affine(1, -MEAN_C)],
        [affine(1 / STD_C, -MEAN_C / STD_C)],
        [affine(1 / 255), affine(255 / STD_C, -MEAN_C / STD_C)],
        [(Dropout, {}), affine(1 / 255)],
        [PADDING, affine(1 / 255)],
        # One channel has been black in all of training: its gain tells nothing.
        [affine(1 / np.array([1e-3, 50, 70]))],
    ],
)
def test_a_model_that_rescales_takes_bytes_as_they_are(first):
    found = find_input_scale(network(*first))
    assert (found.input_data.uint8_scale, found.input_data.decided_by) == (1.0, "model")
    assert "rescales the input" in found.history[-1]
    assert run_structural(network(*first)).input_data == found.input_data


@pytest.mark.parametrize(
    "first",
    [
        [],
        [PADDING],
        [affine(2, -1)],
        [affine(255 / STD_C, -MEAN_C / STD_C)],
        [affine([0.3, 0.1, 2.0], [0.5, -1.0, 0.1])],
        [affine(0.5)],
    ],
)
def test_a_model_for_scaled_values_divides_bytes_by_255(first):
    made = network(*first)
    assert find_input_scale(made) is made
    assert run_structural(made).input_data == InputData()


def test_the_user_has_the_last_word():
    data = InputData(uint8_scale=1 / 255, decided_by="user")
    made = network(affine(1 / 255)).replace(input_data=data)
    assert find_input_scale(made) is made

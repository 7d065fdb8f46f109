"""Whether a model rescales its input by itself, from its first layers."""

import numpy as np
import pytest

from snn_core.ir import (
    ActivationLayer,
    Add,
    BatchNormalization,
    BinaryTanh,
    Concatenate,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
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


def network(*first, scaled=()):
    """Return a network of the source dialect on 2 x 2 x 3 pixels that begins with some layers."""
    layers = [Input(name="input", output_shape=(2, 2, 3)), *scaled]
    for i, (kind, settings) in enumerate(first):
        settings = {"output_shape": layers[-1].output_shape, **settings}
        settings = {"inputs": (layers[-1].name,), **settings}
        layers.append(kind(name=f"layer{i}", **settings))
    size = int(np.prod(layers[-1].output_shape))
    layers.append(Flatten(name="flat", inputs=(layers[-1].name,), output_shape=(size,)))
    weight_io = np.ones((size, 2), np.float32)
    layers.append(Dense(name="dense", inputs=("flat",), output_shape=(2,), activation=ReLU(),
                        weight_io=weight_io, bias_o=np.zeros(2, np.float32)))  # fmt: skip
    return Network(layers=tuple(layers))


PADDING = (ZeroPadding2D, {"padding": ((1, 0), (0, 0)), "output_shape": (3, 2, 3)})


def crop(*taps, bias=0.0):
    """Return a layer that takes the first row, as a sum of its two rows with some weights."""
    weight_hwcm = np.float32(taps).reshape(2, 1, 1, 1) * np.ones((1, 1, 3, 1), np.float32)
    return DepthwiseConv2D, {"weight_hwcm": weight_hwcm, "bias_o": np.full(3, bias, np.float32),
                             "output_shape": (1, 2, 3)}  # fmt: skip


def pointwise(*weights_i):
    """Return a layer that makes one channel of three."""
    weight_hwio = np.float32(weights_i).reshape(1, 1, 3, 1)
    return Conv2D, {"weight_hwio": weight_hwio, "bias_o": np.zeros(1, np.float32),
                    "output_shape": (2, 2, 1)}  # fmt: skip


def clip(max_value=None):
    return ActivationLayer, {"activation": ReLU(max_value=max_value)}


GLOBAL = (GlobalAveragePooling2D, {"output_shape": (3,)})
GRAY = (BatchNormalization, {"gain_c": np.float32([1 / 255]), "offset_c": np.zeros(1), "axis": 2})
FLAT = (BatchNormalization, {"gain_c": np.full(3, 1 / 255), "offset_c": np.zeros(3), "axis": 0})


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
        [crop(1, 0), affine(1 / 127.5, -1)],
        [crop(1, 0), affine(1 / STD_C, -MEAN_C / STD_C)],
        [crop(0.5, 0.5), affine(1 / 255)],
        [pointwise(0, 0, 1), GRAY],
        [pointwise(0.299, 0.587, 0.114), GRAY],
        [GLOBAL, FLAT],
        [clip(), affine(1 / 255)],
        [affine(0.5), clip(127.5), affine(1 / 127.5)],
        [clip(300.0), PADDING, affine(1 / 255)],
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
        [crop(1, 0)],
        [crop(1, 0), affine(0.5)],
        [crop(2, -1), affine(1 / 255)],
        [crop(1, 1), affine(1 / 255)],
        [crop(1, 0, bias=0.5), affine(1 / 255)],
        [pointwise(0.5, -0.5, 1), GRAY],
        [clip()],
        [clip(1.0)],
        [clip(300.0)],
        [clip(6.0), affine(1 / 255)],
        [(ActivationLayer, {"activation": BinaryTanh()}), affine(1 / 255)],
    ],
)
def test_a_model_for_scaled_values_divides_bytes_by_255(first):
    made = network(*first)
    assert find_input_scale(made) is made
    assert run_structural(made).input_data == InputData()


@pytest.mark.parametrize("rest", [[], [affine(1 / 127.5, -1)], [affine(1 / 2)]])
def test_a_bound_of_255_says_that_values_are_raw(rest):
    found = find_input_scale(network(clip(255.0), *rest))
    assert (found.input_data.uint8_scale, found.input_data.decided_by) == (1.0, "model")
    assert found.history[-1] == "layer0 clips the input: 8-bit values are raw"


def branches(*all_ways, join=Add):
    """Return a network whose input takes several ways, which meet in one layer."""
    layers, ends = [Input(name="input", output_shape=(2, 2, 3))], []
    for way in all_ways:
        end = "input"
        for kind, settings in (*way, pointwise(1, -2, 3)):
            settings = {"output_shape": (2, 2, 3), **settings}
            layers.append(kind(name=f"layer{len(layers)}", inputs=(end,), **settings))
            end = layers[-1].name
        ends.append(end)
    shape = (2, 2, len(ends)) if join is Concatenate else (2, 2, 1)
    how = {"axis": 2} if join is Concatenate else {"weight_nc": np.ones(len(ends), np.float32)}
    layers.append(join(name="join", inputs=tuple(ends), output_shape=shape, **how))
    return Network(layers=tuple(layers))


@pytest.mark.parametrize("join", [Add, Concatenate])
@pytest.mark.parametrize(
    ("all_ways", "decided_by"),
    [
        ([[affine(1 / 255)], [affine(1 / 255)]], "model"),
        ([[affine(1 / 229)], [affine(1 / 224)], [affine(1 / 225)]], "model"),
        ([[affine(1, -120), affine(1 / 60)], [clip(), affine(1 / 255)]], "model"),
        ([[affine(1 / 255)], []], "rule"),
        ([[affine(1 / 255)], [affine(0.5)]], "rule"),
        ([[affine(0.458, -0.03)], [affine(0.448, -0.088)]], "rule"),
    ],
)
def test_the_input_is_rescaled_on_each_of_its_ways(all_ways, decided_by, join):
    assert find_input_scale(branches(*all_ways, join=join)).input_data.decided_by == decided_by


@pytest.mark.parametrize(
    ("gains", "rest", "by"),
    [
        ((0.299, 0.587, 0.114), [affine(1 / 255)], "layer1"),
        ((0.25, 0.25, 0.25, 0.25), [affine(1 / 255)], "layer1"),
        ((1 / 255, 1 / 255), [], "layer0"),
        ((0.299, 0.587, 0.114), [], ""),
        ((0.25, 0.25, 0.25, 0.25), [], ""),
    ],
)
def test_a_sum_of_scaled_inputs_has_the_sum_of_their_scales(gains, rest, by):
    scaled = [
        BatchNormalization(name=f"gain{i}", inputs=("input",), output_shape=(2, 2, 3),
                           gain_c=np.full(3, gain), offset_c=np.zeros(3), axis=2)
        for i, gain in enumerate(gains)
    ]  # fmt: skip
    names = tuple(layer.name for layer in scaled)
    weight_nc = np.ones(len(names), np.float32)
    made = network((Add, {"inputs": names, "weight_nc": weight_nc}), *rest, scaled=scaled)
    found = find_input_scale(made)
    assert found.input_data.decided_by == ("model" if by else "rule")
    assert found.history == ((f"{by} rescales the input: 8-bit values are raw",) if by else ())


def test_channels_put_together_again_are_one_input():
    made = network(
        (Concatenate, {"axis": 2, "inputs": ("input", "input"), "output_shape": (2, 2, 6)}),
        (BatchNormalization, {"gain_c": np.full(6, 1 / 255), "offset_c": np.zeros(6), "axis": 2}),
    )
    assert find_input_scale(made).input_data.decided_by == "model"


def test_the_user_has_the_last_word():
    data = InputData(uint8_scale=1 / 255, decided_by="user")
    made = network(affine(1 / 255)).replace(input_data=data)
    assert find_input_scale(made) is made

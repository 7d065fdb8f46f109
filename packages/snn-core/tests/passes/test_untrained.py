"""Weights as frameworks draw them are told from trained ones."""

from pathlib import Path

import numpy as np
import pytest

from snn_core.conversion import convert
from snn_core.errors import DataWarning
from snn_core.ir import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    Linear,
    Network,
)
from snn_core.parsing.base import ModelName, Parsed
from snn_core.passes import run_structural
from snn_core.passes.untrained import find_signs, note_untrained_weights


def torch_bound(*, kernel, inputs, outputs):
    """Return the bounds of weights and biases in a new layer of PyTorch."""
    return (kernel * inputs) ** -0.5, (kernel * inputs) ** -0.5


def keras_bound(*, kernel, inputs, outputs):
    return (6 / (kernel * (inputs + outputs))) ** 0.5, 0.0


def network(bounds=torch_bound, *, seed=0, factor=1.0, norm=None, moved=0.0):
    """Return a convolutional network with new weights, times a factor, one of them moved."""
    rng = np.random.default_rng(seed)

    def draw(shape, **sizes):
        weight, bias = bounds(**sizes)
        found = factor * rng.uniform(-weight, weight, shape)
        found.flat[np.abs(found).argmax()] *= 1 + moved
        return found.astype("f4"), rng.uniform(-bias, bias, sizes["outputs"]).astype("f4")

    layers = [Input(name="input", output_shape=(6, 6, 2))]

    def add(kind, name, shape, **settings):
        layers.append(kind(name=name, inputs=(layers[-1].name,), output_shape=shape, **settings))

    scale = {"gain_c": np.float32([1 / 255] * 2), "offset_c": np.zeros(2, "f4"), "axis": 2}
    add(BatchNormalization, "rescale", (6, 6, 2), **scale)
    weight, bias = draw((3, 3, 2, 8), kernel=9, inputs=2, outputs=8)
    add(Conv2D, "conv", (4, 4, 8), weight_hwio=weight, bias_o=bias, activation=Linear())
    if norm is not None:
        gain_c, offset_c = (np.broadcast_to(np.float32(values), 8) for values in norm)
        add(BatchNormalization, "norm", (4, 4, 8), axis=2, gain_c=gain_c, offset_c=offset_c)
    own = {"kernel": 9, "inputs": 1 if bounds is torch_bound else 8, "outputs": 8}
    if bounds is keras_bound:
        own["outputs"] = 1
    weight, bias = draw((3, 3, 8, 1), **own)
    add(DepthwiseConv2D, "depthwise", (2, 2, 8), weight_hwcm=weight, bias_o=np.resize(bias, 8))
    picks = np.eye(8, dtype="f4")[None, None]
    add(Conv2D, "pick", (2, 2, 8), weight_hwio=picks, bias_o=np.zeros(8, "f4"))
    add(Flatten, "flat", (32,))
    weight, bias = draw((32, 10), kernel=1, inputs=32, outputs=10)
    add(Dense, "scores", (10,), weight_io=weight, bias_o=bias)
    return Network(layers=tuple(layers))


NEW_NORM = (1 / np.sqrt(1 + 1e-5), 0)


@pytest.mark.parametrize("bounds", [torch_bound, keras_bound])
def test_new_weights_are_seen(bounds):
    for seed in range(20):
        assert find_signs(network(bounds, seed=seed)) == (
            "all 3 layers have weights spread evenly within the bounds of new ones"
        )


def test_new_batch_normalizations_are_seen_whatever_the_weights():
    expected = "1 of 1 batch normalizations have the statistics 0 and 1"
    assert find_signs(network(factor=3, norm=NEW_NORM)) == expected
    assert find_signs(network(factor=3, norm=(1 / np.sqrt(1 + 1e-3), 0))) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"moved": 0.01},  # a single weight has left its bounds by a hundredth
        {"factor": 1.05},
        {"factor": 0.9},
        {"norm": (np.linspace(0.9, 1, 8), 0)},
        {"norm": (NEW_NORM[0], np.linspace(-0.1, 0.1, 8))},
    ],
)
@pytest.mark.parametrize("bounds", [torch_bound, keras_bound])
def test_trained_weights_are_left_alone(bounds, changes):
    assert all(find_signs(network(bounds, seed=seed, **changes)) == "" for seed in range(20))


def test_weights_of_another_form_are_left_alone():
    """A bell as narrow as the bounds is not drawn evenly."""
    rng = np.random.default_rng(0)
    weight_io = np.clip(rng.normal(0, 0.4, (64, 16)), -1, 1) / 8
    layers = (
        Input(name="input", output_shape=(64,)),
        Dense(name="dense", inputs=("input",), output_shape=(16,), weight_io=weight_io,
              bias_o=np.zeros(16)),
    )  # fmt: skip
    assert find_signs(Network(layers=layers)) == ""


def test_few_weights_tell_nothing():
    weight_io = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 9))
    layers = (
        Input(name="input", output_shape=(4,)),
        Dense(name="dense", inputs=("input",), output_shape=(9,), weight_io=weight_io,
              bias_o=np.zeros(9)),
    )  # fmt: skip
    assert find_signs(Network(layers=layers)) == ""


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        (ModelName("net:Net", Path("weights.pth")), "Save them after training"),
        ("net.pt2", "Save them after training"),
        (object(), "Give them with --weights FILE, or load them into the model"),
        (None, "Give them with --weights FILE, or load them into the model"),
    ],
)
def test_a_conversion_warns_and_says_what_to_do(source, advice):
    made = run_structural(network())
    if source is not None:
        made = Parsed(source=source, parser=None, input_shape=None, network=made)
    x_b_l = np.random.default_rng(0).integers(0, 256, (9, 6, 6, 2), dtype=np.uint8)
    with pytest.warns(DataWarning, match=f"look freshly initialised: all 3 layers .*{advice}"):
        converted = convert(made, x_b_l, check="off")
    assert any("look freshly initialised" in line for line in converted.history)


def test_trained_weights_are_no_note():
    made = network(moved=0.01)
    assert note_untrained_weights(made) is made

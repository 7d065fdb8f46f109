"""Real Keras models, saved by Keras, compute the same after parsing.

All weights are random, batch-normalization gains of both signs among them, and no image is square.
Parsed and original outputs differ by float32 rounding only: BN folding and other summation orders
cost a few units in the last place per layer, far below the relative 1e-4 that is asserted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl
from keras import ops
from keras_zoo import IMAGE, LAYERS, MODELS, PIPELINE, chain, lenet, randomized

from snn_core.errors import OpenShapeError, ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.ir import ActivationLayer, BatchNormalization, Network, ReLU
from snn_core.parsing import parse
from snn_core.parsing.keras.config import AUGMENTATIONS
from snn_core.parsing.keras.model import KerasParser

PARSERS = (KerasParser(),)


def parsed(model: Any, folder: Path, suffix: str = ".keras") -> Network:
    path = folder / f"model{suffix}"
    model.save(path)
    return parse(path, parsers=PARSERS)


def assert_same(model: Any, network: Network, *, samples: int = 5) -> None:
    shape = network.input.output_shape
    x_b_l = np.random.default_rng(1).normal(0, 1, (samples, *shape)).astype(np.float32)
    expected = np.asarray(model(x_b_l, training=False))
    found = predict(network, x_b_l)
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 1e-3, "a silent model would prove nothing"
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_computes_what_keras_computes(name: str, tmp_path: Path) -> None:
    model = randomized(LAYERS[name]())
    assert_same(model, parsed(model, tmp_path))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_computes_what_keras_computes(name: str, suffix: str, tmp_path: Path) -> None:
    model = randomized(MODELS[name]())
    assert_same(model, parsed(model, tmp_path, suffix))


@pytest.mark.parametrize("name", MODELS)
def test_no_layer_of_the_source_dialect_is_left(name: str, tmp_path: Path) -> None:
    network = parsed(randomized(MODELS[name]()), tmp_path)
    assert not [layer for layer in network if layer.source_dialect]


def test_parser_alone_keeps_keras_layers_and_names(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    lenet().save(path)
    network = KerasParser().parse(path)
    assert sum(isinstance(layer, BatchNormalization) for layer in network) == 2
    assert sum(isinstance(layer, ActivationLayer) for layer in network) == 3
    assert f"Keras {keras.__version__}" in network.history[0]


def test_relu_before_batch_normalization_stays_before_it(tmp_path: Path) -> None:
    """Moving it behind would be another function: rectified values can be shifted below zero."""
    model = randomized(
        chain(kl.Conv2D(4, 3), kl.ReLU(), kl.BatchNormalization(), kl.Flatten(), kl.Dense(3))
    )
    network = parsed(model, tmp_path)
    conv = next(layer for layer in network if layer.kind == "Conv2D")
    assert conv.activation == ReLU()
    np.testing.assert_array_equal(conv.weight, model.layers[0].kernel)
    assert_same(model, network)


def test_standard_batch_normalization_leaves_no_layer_behind(tmp_path: Path) -> None:
    network = parsed(randomized(lenet()), tmp_path)
    kinds = [layer.kind for layer in network]
    assert kinds == [
        "Input", "Conv2D", "AveragePooling2D", "Conv2D", "Flatten", "Dense", "Dense",
    ]  # fmt: skip


def test_labels_count_the_remaining_layers(tmp_path: Path) -> None:
    network = parsed(randomized(lenet()), tmp_path)
    assert [layer.name for layer in network] == [
        "input",
        "00Conv2D_8x7x4",
        "01AveragePooling2D_4x3x4",
        "02Conv2D_2x1x6",
        "03Flatten_12",
        "04Dense_8",
        "05Dense_5",
    ]


@pytest.mark.parametrize("flattened", ["channels_first", "channels_last"])
def test_channels_first_equals_its_channels_last_twin(flattened: str, tmp_path: Path) -> None:
    """TensorFlow cannot run channels-first convolutions on a CPU, so a twin tells what is right.

    Both share the convolution kernels. A channels-first source flattens (c, h, w) as it lies, so
    that everything behind is ordered otherwise, unless its Flatten layer is channels first too.
    """

    def model(data_format: str) -> Any:
        first = data_format == "channels_first"
        kwargs = {"data_format": data_format}
        axis = 1 if first else -1
        start = keras.Input((3, 8, 7) if first else (8, 7, 3))
        x = kl.Conv2D(4, (3, 2), padding="same", strides=(2, 1), **kwargs)(start)
        x = kl.BatchNormalization(axis=axis)(x)
        x = kl.ReLU()(x)
        x = kl.AveragePooling2D(2, **kwargs)(x)
        x = kl.Concatenate(axis=axis)([x, kl.Conv2D(2, 1, **kwargs)(x)])
        x = kl.ZeroPadding2D(((0, 0), (1, 0)), **kwargs)(x)
        x = kl.Flatten(data_format=flattened if first else "channels_last")(x)
        x = kl.BatchNormalization()(kl.Dropout(0.1)(x))
        x = kl.Concatenate()([x, kl.ReLU()(x)])
        return keras.Model(start, kl.Dense(3)(kl.Dense(5, activation="relu")(x)))

    last = randomized(model("channels_last"))
    first = model("channels_first")
    places = np.arange(2 * 4 * 6).reshape(2, 4, 6)
    if flattened == "channels_last":
        places = places.transpose(2, 0, 1)
    places = places.reshape(-1)
    twice = np.concatenate([places, places + places.size])
    for mine, theirs in zip(first.variables, last.variables, strict=True):
        value = np.asarray(theirs)
        if value.shape[0] == twice.size:
            value = value[twice]
        elif value.shape[0] == places.size:
            value = value[places]
        if mine.dtype.startswith("float"):
            mine.assign(value)
    network = parsed(first, tmp_path)
    assert network.input.output_shape == (8, 7, 3)
    assert any("channels last" in line for line in network.history)
    assert_same(last, network)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    start = keras.Input(IMAGE, name="image")
    x = kl.Conv2D(4, 3, activation="sigmoid", name="first")(start)
    x = kl.LeakyReLU(name="leaky")(x)
    x = kl.UpSampling2D(interpolation="bilinear", name="zoom")(x)
    x = kl.Reshape((-1, 4), name="rows")(x)
    x = kl.LSTM(4, name="memory")(x)
    x = kl.ReLU(negative_slope=0.1, name="leaky2")(x)
    x = kl.Dense(3, activation="tanh", name="last")(x)
    with pytest.raises(UnsupportedError) as caught:
        parsed(keras.Model(start, x), tmp_path)
    found = caught.value.problems
    named = [problem.split(":")[0] for problem in found]
    assert named == [
        "leaky (LeakyReLU)",
        "zoom (UpSampling2D)",
        "memory (LSTM)",
        "leaky2 (ReLU)",
        "last (Dense)",
        "first (Conv2D)",
    ]
    for problem, word in zip(
        found,
        [
            "ReLU",
            "bilinear",
            "feed-forward",
            "negative_slope",
            "tanh",
            "sigmoid inside the network",
        ],
        strict=True,
    ):
        assert word in problem


def test_python_code_is_not_run(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), kl.Lambda(lambda x: x, name="code"), kl.Dense(2)])
    with pytest.raises(UnsupportedError, match=r"code \(Lambda\).*not executed"):
        parsed(model, tmp_path)


def test_foreign_activation_functions_are_refused(tmp_path: Path) -> None:
    def surprise(x: Any) -> Any:
        return x * x

    with pytest.raises(UnsupportedError, match="surprise"):
        parsed(chain(kl.Dense(2, activation=surprise), shape=(4,)), tmp_path)


def test_several_outputs_are_refused(tmp_path: Path) -> None:
    start = keras.Input((4,))
    model = keras.Model(start, [kl.Dense(2, name="a")(start), kl.Dense(3, name="b")(start)])
    with pytest.raises(UnsupportedError, match=r"2 outputs \(a, b\)"):
        parsed(model, tmp_path)


def test_several_inputs_are_refused(tmp_path: Path) -> None:
    starts = [keras.Input((4,), name=name) for name in ("x", "y")]
    model = keras.Model(starts, kl.Dense(2)(kl.Add()(starts)))
    with pytest.raises(UnsupportedError, match=r"2 inputs \(x, y\)"):
        parsed(model, tmp_path)


def test_variable_input_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OpenShapeError, match="not fixed"):
        parsed(chain(kl.Conv2D(2, 3), shape=(None, None, 3)), tmp_path)


def test_hidden_softmax_is_refused(tmp_path: Path) -> None:
    model = chain(kl.Dense(4, activation="softmax", name="hidden"), kl.Dense(3), shape=(6,))
    with pytest.raises(UnsupportedError, match=r"hidden \(Dense\).*softmax"):
        parsed(model, tmp_path)


def test_dropout_that_stays_on_is_refused(tmp_path: Path) -> None:
    start = keras.Input((4,))
    x = kl.Dropout(0.5, name="noisy")(start, training=True)
    with pytest.raises(UnsupportedError, match=r"noisy \(Dropout\).*training=True"):
        parsed(keras.Model(start, kl.Dense(2)(x)), tmp_path)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x * x, r"Multiply\): products of activations"),
        (lambda x: 1.0 / x, r"TrueDivide\): division by activations"),
        (lambda x: ops.maximum(x, -x), r"Maximum\): it compares tensors"),
        (lambda x: ops.maximum(x, 0.5), r"clipping to \[0\.5, None\]"),
        (ops.mean, "reduces all axes, that of the samples too"),
        (lambda x: ops.max(x, axis=-1, keepdims=True), "a maximum over channels"),
        (lambda x: ops.reshape(x, (7, -1)), "fixes the number of samples"),
        (lambda x: x[1:, :], "selects samples"),
        (lambda x: ops.power(x, 2.0), r"Power\): this layer type is not supported"),
        (kl.RandomCrop(4, 4), "it resizes images of .* at inference"),
        (kl.Dense(3, activation=lambda y: y), "its activation is a lambda"),
        (kl.Dense(3, activation=tf.nn.swish), "activation 'swish' is not supported"),
    ],
)
def test_operations_without_a_spiking_form_are_refused(function: Any, message: str) -> None:
    start = keras.Input(IMAGE)
    model = keras.Model(start, function(kl.Conv2D(4, 3)(start)))
    with pytest.raises(UnsupportedError, match=message):
        parse(model, parsers=PARSERS)


@pytest.mark.skipif(not hasattr(kl, "AutoContrast"), reason="this Keras has no AutoContrast")
def test_layers_that_look_at_each_image_are_refused() -> None:
    model = keras.Sequential([keras.Input(IMAGE), kl.AutoContrast(), kl.Conv2D(4, 3)])
    with pytest.raises(UnsupportedError, match="works on each image by itself"):
        parse(model, parsers=PARSERS)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_is_off_at_inference(name: str) -> None:
    if not hasattr(kl, name):
        pytest.skip(f"this Keras has no {name}")
    settings: dict[str, Any] = {
        "RandomFlip": {}, "RandomRotation": {"factor": 0.2}, "RandomPosterization": {"factor": 4},
        "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
        "RandomZoom": {"height_factor": 0.2}, "Equalization": {}, "CutMix": {}, "MixUp": {},
        "AugMix": {}, "RandAugment": {}, "RandomElasticTransform": {}, "RandomErasing": {},
        "RandomGaussianBlur": {}, "RandomInvert": {}, "RandomPerspective": {}, "RandomShear": {},
        "Solarization": {}, "RandomColorJitter": {},
    }  # fmt: skip
    layer = getattr(kl, name)(**settings.get(name, {"factor": 0.2}))
    start = keras.Input(IMAGE)
    model = randomized(keras.Model(start, kl.Conv2D(2, 3)(layer(start))))
    assert_same(model, parse(model, parsers=PARSERS))


@pytest.mark.parametrize("wrap", [lambda layer: layer, lambda layer: PIPELINE([layer])])
def test_normalization_that_was_adapted_is_read(wrap: Any, tmp_path: Path) -> None:
    layer = kl.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (50, *IMAGE)))
    start = keras.Input(IMAGE)
    model = randomized_but(layer, keras.Model(start, kl.Conv2D(2, 3)(wrap(layer)(start))))
    assert_same(model, parse(model, parsers=PARSERS))
    assert_same(model, parsed(model, tmp_path))


def randomized_but(layer: Any, model: Any) -> Any:
    """Return a model with random weights in all layers but one."""
    kept = layer.get_weights()
    randomized(model)
    layer.set_weights(kept)
    layer.finalize_state()
    return model


def test_weights_without_a_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "only.weights.h5"
    lenet().save_weights(path)
    with pytest.raises(ParseError, match="weights only"):
        parse(path, parsers=PARSERS)


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_truncated_files_are_parse_errors(suffix: str, kept: float, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    lenet().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ParseError, match="cannot be read"):
        parse(path, parsers=PARSERS)


def test_flattening_axes_in_another_order_is_followed(tmp_path: Path) -> None:
    """A channels-first Flatten moves the first axis to the end, whatever that axis holds."""
    model = randomized(
        chain(kl.Conv2D(4, 3, activation="relu"), kl.Flatten("channels_first"), kl.Dense(3))
    )
    assert_same(model, parsed(model, tmp_path))


def keras2_residual() -> dict[str, Any]:
    """Return a residual block in the notation of Keras 2."""

    def entry(kind: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
        return {
            "class_name": kind,
            "name": name,
            "config": {"name": name, **config},
            "inbound_nodes": [[[source, 0, 0, {}] for source in sources]] if sources else [],
        }

    conv = {"filters": 3, "kernel_size": [3, 2], "padding": "same", "strides": [1, 1]}
    layers = [
        entry("InputLayer", "image", batch_input_shape=[None, *IMAGE], dtype="float32"),
        entry("Conv2D", "conv", "image", activation="linear", use_bias=True, **conv),
        entry("BatchNormalization", "bn", "conv", axis=[3], epsilon=0.001),
        entry("Activation", "relu", "bn", activation="relu"),
        entry("Add", "sum", "relu", "image"),
        entry("Flatten", "flat", "sum"),
        entry("Dense", "out", "flat", units=4, activation="softmax", use_bias=True),
    ]
    config = {
        "name": "net",
        "layers": layers,
        "input_layers": [["image", 0, 0]],
        "output_layers": [["out", 0, 0]],
    }
    return {"class_name": "Functional", "config": config}


def test_keras_2_files_compute_what_keras_computes(tmp_path: Path) -> None:
    """The file is laid out as Keras 2 did; Keras 3 still loads it and is the judge."""
    rng = np.random.default_rng(5)
    variables = {
        "conv": {"kernel:0": (3, 2, 3, 3), "bias:0": (3,)},
        "bn": dict.fromkeys(("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"), (3,)),
        "out": {"kernel:0": (168, 4), "bias:0": (4,)},
    }
    path = tmp_path / "model.h5"
    model = keras2_residual()
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(model)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer["name"] for layer in model["config"]["layers"]]
        for layer in model["config"]["layers"]:
            inner = group.create_group(layer["name"])
            shapes = variables.get(layer["name"], {})
            names = [f"{layer['name']}/{name}" for name in shapes]
            inner.attrs["weight_names"] = names
            for name, shape in zip(names, shapes.values(), strict=True):
                inner[name] = rng.uniform(0.1, 0.5, shape).astype(np.float32)
    assert_same(keras.models.load_model(path, compile=False), parse(path, parsers=PARSERS))

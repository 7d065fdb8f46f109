"""Settings of Keras layers and models: each is read, means nothing at inference, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing.keras.model import KerasParser

Writer = Callable[..., Path]

IMAGE = (None, 4, 4, 2)
KERNEL = np.arange(16.0).reshape(2, 2, 2, 2) / 8
BIAS = [0.5, -1.0]
WEIGHTS = {
    "layers/conv2d": [KERNEL, BIAS],
    "layers/depthwise_conv2d": [np.ones((2, 2, 2, 1)), BIAS],
    "layers/batch_normalization": [np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)],
    "layers/dense": [np.eye(2), BIAS],
}
CONV = {"filters": 2, "kernel_size": [2, 2]}
INITIALIZER = {"module": "keras.initializers", "class_name": "Zeros", "config": {}}


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": "odd", **config}}


def sequential(*layers: dict[str, Any], **config: Any) -> dict[str, Any]:
    start = {"class_name": "InputLayer", "config": {"batch_shape": list(IMAGE), "name": "start"}}
    return {
        "class_name": "Sequential",
        "config": {"name": "net", "layers": [start, *layers], **config},
    }


def output(path: Path) -> np.ndarray:
    network = KerasParser().parse(path)
    return predict(network, np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2) / 16)


@pytest.mark.parametrize(
    "entry",
    [
        layer("Conv2D", **CONV, scale_factor=3),
        layer("Conv2D", **CONV, rank=1),
        layer("DepthwiseConv2D", kernel_size=2, groups=2),
        layer("AveragePooling2D", count_include_pad=True),
        layer("AveragePooling2D", activation="relu"),
        layer("Flatten", activation="softmax"),
        layer("Flatten", use_bias=False),
        layer("BatchNormalization", use_bias=False),
        layer("BatchNormalization", renorm=True),
        layer("Activation", activation="relu", axis=1),
        layer("Dropout", rate=0.5, keep=1),
        layer("UpSampling2D", data_format="channels_last", align_corners=True),
        layer("ReLU", data_format="channels_first"),
        layer("RandomFlip", mode="horizontal", always=True),
        layer("Mean", axis=1, where=0),
        layer("Rescaling", scale=2, mean=1),
        layer("Dense", units=2, activation={
            "module": "keras.layers", "class_name": "ReLU", "config": {"max_value": 1, "shift": 1}
        }),
    ],
)  # fmt: skip
def test_settings_that_no_keras_knows_are_refused_by_name(
    write_archive: Writer, entry: dict[str, Any]
) -> None:
    setting = r"its setting '\w+' is (not known|\w+, which is not supported)"
    with pytest.raises(UnsupportedError, match=rf"odd \({entry['class_name']}\): {setting}"):
        output(write_archive(sequential(entry), WEIGHTS))


@pytest.mark.parametrize(
    "entry",
    [
        layer("BatchNormalization", momentum="x"),
        layer("BatchNormalization", synchronized=1),
        layer("BatchNormalization", beta_initializer=3),
        layer("Rescaling", scale="2"),
        layer("Rescaling", scale=True),
        layer("Rescaling", scale=[1.0, "2"]),
        layer("Normalization", mean=["1", "2"], variance=[1, 1]),
        layer("Conv2D", **CONV, trainable="no"),
        layer("Conv2D", **CONV, kernel_constraint=[1]),
        layer("MaxPooling2D", padding="causal"),
        layer("Conv2D", **CONV, padding="causal"),
        layer("Dropout", rate="0.5"),
        layer("Dropout", rate=1.5),
        layer("BatchNormalization", beta_constraint={}),
        layer("Identity", batch_input_shape=[None, 2.5]),
        layer("GaussianNoise", stddev=True),
        layer("Resizing", height=4, width=4, antialias="x"),
    ],
)
def test_settings_of_a_wrong_type_are_refused_though_nothing_depends_on_them(
    write_archive: Writer, entry: dict[str, Any]
) -> None:
    with pytest.raises(ParseError, match=rf"Layer 'odd' \({entry['class_name']}\): its .* is "):
        output(write_archive(sequential(entry), WEIGHTS))


TRAINED = {
    "trainable": False,
    "dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}},
}


@pytest.mark.parametrize(
    ("entry", "plain"),
    [
        # What Keras 3 writes; `None` says nothing under any name.
        (layer("Conv2D", **CONV, **TRAINED, strides=[1, 1], padding="valid", groups=1,
               data_format="channels_last", dilation_rate=[1, 1], activation="linear",
               use_bias=True, kernel_initializer=INITIALIZER, bias_initializer="zeros",
               kernel_regularizer=INITIALIZER, bias_constraint=None, activity_regularizer=None,
               lora_rank=None, quantization_config=None, of_a_later_version=None),
         layer("Conv2D", **CONV)),
        # What Keras 2 writes.
        (layer("DepthwiseConv2D", kernel_size=[2, 2], groups=1, rank=2, depth_multiplier=1,
               batch_input_shape=[None, 4, 4, 2], depthwise_initializer=INITIALIZER,
               kernel_initializer=INITIALIZER, dynamic=False, autocast=True),
         layer("DepthwiseConv2D", kernel_size=[2, 2])),
        (layer("BatchNormalization", axis=[3], momentum=0.99, epsilon=0, center=True, scale=True,
               gamma_initializer="ones", moving_variance_initializer=INITIALIZER, fused=True,
               beta_regularizer=None, synchronized=False, renorm=False, renorm_clipping=None,
               renorm_momentum=0.99),
         layer("BatchNormalization", epsilon=0)),
        (layer("SpatialDropout2D", rate=0.5, data_format="channels_first", seed=None,
               noise_shape=[1, 2]),
         layer("Identity")),
        (layer("RandomZoom", height_factor=[0, 1], width_factor=0.5, fill_mode="reflect",
               interpolation="bilinear", fill_value=0.0, rng_type="stateful", seed=3,
               data_format="channels_last"),
         layer("Identity")),
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_at_inference_change_nothing(
    write_archive: Writer, entry: dict[str, Any], plain: dict[str, Any]
) -> None:
    expected = output(write_archive(sequential(plain), WEIGHTS))
    np.testing.assert_array_equal(output(write_archive(sequential(entry), WEIGHTS)), expected)


def test_settings_of_models_are_accounted_for_as_well(write_archive: Writer) -> None:
    inner = sequential(layer("Identity"), name="inner", trainable=False, scale=2)
    model = sequential(inner, trainable=True, build_input_shape=list(IMAGE), dtype="float32")
    with pytest.raises(UnsupportedError, match=r"- inner: its setting 'scale' is not known"):
        output(write_archive(model, {}))
    with pytest.raises(UnsupportedError, match=r"- net: data type 'int8' is not supported"):
        output(write_archive(sequential(layer("Identity"), dtype="int8"), {}))


@pytest.mark.parametrize("setting", ["sparse", "ragged"])
def test_inputs_that_are_no_plain_tensors_are_refused(write_archive: Writer, setting: str) -> None:
    model = sequential(layer("Identity"))
    model["config"]["layers"][0]["config"] |= {setting: False, "optional": False}
    output(write_archive(model, {}))
    model["config"]["layers"][0]["config"][setting] = True
    message = rf"start \(InputLayer\): its setting '{setting}' is true, which is not supported"
    with pytest.raises(UnsupportedError, match=message):
        output(write_archive(model, {}))


@pytest.mark.parametrize("inside", [False, True])
def test_an_input_behind_other_layers_is_refused(write_archive: Writer, inside: bool) -> None:
    model = sequential(layer("Identity"), {
        "class_name": "InputLayer", "config": {"batch_shape": [None, 9], "name": "late"}
    })  # fmt: skip
    if inside:
        model = sequential(model)
    with pytest.raises(ParseError, match=r"has an input, 'late', behind other layers"):
        output(write_archive(model, {}))


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ({"module": "keras.layers", "registered_name": "mine>Conv2D"}, r"mine>Conv2D"),
        ({"module": "keras.layers", "registered_name": "Dense"}, r"keras\.layers>Dense"),
        ({"registered_name": "mine>Conv2D"}, r"mine>Conv2D"),
        ({"module": "keras.src.ops.nn", "registered_name": "Conv2D"}, r"keras.src.ops.nn>Conv2D"),
        ({"module": "keras.src.ops.nn"}, r"keras\.src\.ops\.nn>Conv2D"),
    ],
)  # fmt: skip
def test_a_class_that_keras_does_not_have_there_is_not_taken_for_its_own(
    write_archive: Writer, where: dict[str, Any], kind: str
) -> None:
    model = sequential(layer("Conv2D", **CONV) | where)
    with pytest.raises(UnsupportedError, match=rf"odd \({kind}\): this layer type"):
        output(write_archive(model, WEIGHTS))


def test_an_operation_is_not_looked_for_among_layers(write_archive: Writer) -> None:
    negative = layer("Negative")
    for module in ("keras.src.ops.numpy", None):
        entry = negative | ({"module": module, "registered_name": "Negative"} if module else {})
        assert output(write_archive(sequential(entry), {})).max() == 0
    with pytest.raises(UnsupportedError, match=r"odd \(keras\.layers>Negative\)"):
        output(write_archive(sequential(negative | {"module": "keras.layers"}), {}))


@pytest.mark.parametrize(
    ("entry", "shape", "is_read"),
    [
        (layer("Conv2D", **CONV), [None, 4, 4, 2], True),
        # A layer may be called on images of another size than it was built for.
        (layer("Conv2D", **CONV), [None, 9, None, 2], True),
        (layer("Conv2D", **CONV), [None, 4, 4, 7], False),
        (layer("Conv2D", **CONV), [None, 4, 4, None], False),
        (layer("Conv2D", **CONV), "x", False),
        (layer("DepthwiseConv2D", kernel_size=2), [None, 4, 4, 7], False),
        (layer("BatchNormalization"), [None, 9, 9, 2], True),
        (layer("BatchNormalization"), [None, 4, 4, 3], False),
        (layer("BatchNormalization", axis=1), [None, 2, 4, 4], False),
        (layer("Dense", units=2), [None, 2], True),
        (layer("Dense", units=2), [None, 3], False),
        (layer("Dense", units=2), None, True),
    ],
)
def test_layers_that_are_built_for_other_channels_are_refused(
    write_archive: Writer, entry: dict[str, Any], shape: Any, is_read: bool
) -> None:
    path = write_archive(sequential(entry | {"build_config": {"input_shape": shape}}), WEIGHTS)
    if is_read:
        assert output(path).size
        return
    with pytest.raises(ParseError, match="it is built for inputs of the shape"):
        output(path)


@pytest.mark.parametrize("built", [3, "x", [None, 2]])
def test_what_a_layer_is_built_for_is_an_object(write_archive: Writer, built: Any) -> None:
    with pytest.raises(ParseError, match="Layer 'odd' is built for"):
        output(write_archive(sequential(layer("Flatten") | {"build_config": built}), {}))


def test_an_input_is_no_other_layer(write_archive: Writer) -> None:
    """It would be left out, as nothing is computed by an input."""
    start = {"class_name": "Dense", "inbound_nodes": [],
             "config": {"name": "start", "units": 2, "batch_input_shape": [None, 2]}}  # fmt: skip
    config = {
        "name": "net",
        "layers": [start, layer("Dense", units=2) | {"inbound_nodes": [[["start", 0, 0, {}]]]}],
        "input_layers": [["start", 0, 0]],
        "output_layers": [["odd", 0, 0]],
    }
    with pytest.raises(ParseError, match="'start' of the model is no InputLayer but a Dense"):
        output(write_archive({"class_name": "Functional", "config": config}, WEIGHTS))


def test_layers_that_are_connected_by_name_have_one_each(write_archive: Writer) -> None:
    """The connections of one of them were given to the other."""
    twins = [layer("Dense", units=2) | {"inbound_nodes": [[["start", 0, 0, {}]]]}] * 2
    start = {"class_name": "InputLayer", "config": {"batch_shape": [None, 2], "name": "start"}}
    config = {
        "name": "net",
        "layers": [start, *twins],
        "input_layers": [["start", 0, 0]],
        "output_layers": [["odd", 0, 0]],
    }
    with pytest.raises(ParseError, match="Several layers have the name 'odd'"):
        output(write_archive({"class_name": "Functional", "config": config}, WEIGHTS))


def test_a_connection_says_no_more_than_keras_reads(write_archive: Writer) -> None:
    config = {
        "name": "net",
        "layers": [
            {"class_name": "InputLayer", "config": {"batch_shape": [None, 2], "name": "start"},
             "inbound_nodes": []},
            layer("Dense", units=2) | {"inbound_nodes": [[["start", 0, 0, {}]]]},
        ],
        "input_layers": [["start", 0, 0]],
        "output_layers": [["odd", 0, 0]],
    }  # fmt: skip
    model = {"class_name": "Functional", "config": config}
    KerasParser().parse(write_archive(model, WEIGHTS))
    for broken in (["start", 0, 0, {}, {"scale": 2}], ["start", False, 0], ["start", 0, 0.0]):
        config["layers"][1]["inbound_nodes"] = [[broken]]
        with pytest.raises(ParseError, match="holds the broken connection"):
            KerasParser().parse(write_archive(model, WEIGHTS))

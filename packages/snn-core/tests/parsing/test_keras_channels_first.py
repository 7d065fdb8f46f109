"""Keras models whose images have their channels first.

Weights are small whole numbers, so that all sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing import parse
from snn_core.parsing.emit import builder
from snn_core.parsing.keras.model import KerasParser

Writer = Callable[..., Path]

KERNEL_IO = np.array([[1.0, -2, 3], [4, 5, -6]])
"""Of a convolution of single pixels, from 2 to 3 channels."""


def layer(kind: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
    inputs = [[[source, 0, 0, {}] for source in sources]] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config},
            "inbound_nodes": inputs}  # fmt: skip


def functional(*layers: dict[str, Any], size: int = 2) -> dict[str, Any]:
    """Return a model of layers behind a convolution of an image with two channels."""
    start = layer("InputLayer", "x", batch_shape=[None, 2, 2, size])
    conv = layer("Conv2D", "conv", "x", filters=3, kernel_size=1, use_bias=False,
                 data_format="channels_first")  # fmt: skip
    config = {"name": "net", "layers": [start, conv, *layers], "input_layers": [["x", 0, 0]],
              "output_layers": [[layers[-1]["name"], 0, 0]]}  # fmt: skip
    return {"class_name": "Functional", "config": config}


CONV = {"layers/conv2d": [KERNEL_IO[None, None]]}


def convolved(x_b_hwc: np.ndarray) -> np.ndarray:
    """Return what the convolution computes, channels first."""
    return np.moveaxis(x_b_hwc @ KERNEL_IO.astype(np.float32), -1, 1)


def samples() -> np.ndarray:
    return np.arange(2 * 2 * 2 * 2, dtype=np.float32).reshape(2, 2, 2, 2)


def test_flattened_outputs_are_in_the_order_of_the_source(write_archive: Writer) -> None:
    path = write_archive(functional(layer("Flatten", "flat", "conv")), CONV)
    found = predict(parse(path, parsers=[KerasParser()]), samples())
    np.testing.assert_array_equal(found, convolved(samples()).reshape(2, -1))


def test_tensors_that_were_flattened_in_different_orders_are_added(write_archive: Writer) -> None:
    model = functional(
        layer("Flatten", "rows", "conv"),
        layer("Flatten", "pixels", "conv", data_format="channels_first"),
        layer("Add", "sum", "rows", "pixels"),
    )
    found = predict(parse(write_archive(model, CONV), parsers=[KerasParser()]), samples())
    y_b_chw = convolved(samples())
    expected = y_b_chw.reshape(2, -1) + np.moveaxis(y_b_chw, 1, -1).reshape(2, -1)
    np.testing.assert_array_equal(found, expected)


def test_orders_that_would_take_too_many_weights_are_refused(
    write_archive: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "MAX_PICKS", 12**2 - 1)  # the output has 12 values
    path = write_archive(functional(layer("Flatten", "flat", "conv")), CONV)
    with pytest.raises(UnsupportedError, match=r"output: .*\(12,\).*reordered across axes"):
        parse(path, parsers=[KerasParser()])


@pytest.mark.parametrize(
    ("refused", "problem"),
    [
        (layer("Dense", "odd", "conv", units=2, use_bias=False),
         r"odd \(Dense\): .*reordered across axes"),
        (layer("Reshape", "odd", "conv", target_shape=[6, 3]),
         r"odd \(Reshape\): .*reordered across axes"),
        (layer("Softmax", "odd", "conv"), r"odd \(Softmax\): softmax along axis 2 of \(3, 2, 3\)"),
        (layer("Conv2D", "odd", "conv", filters=2, kernel_size=1, use_bias=False,
               activation="softmax", data_format="channels_first"),
         r"odd \(Conv2D\): softmax along axis 2 of \(2, 2, 3\)"),
    ],
)  # fmt: skip
def test_layers_that_mix_up_the_axes_are_refused_together_with_others(
    write_archive: Writer, refused: dict[str, Any], problem: str
) -> None:
    model = functional(refused, layer("LeakyReLU", "leak", "odd"), size=3)
    weights = {
        **CONV,
        "layers/dense": [np.ones((3, 2))],
        "layers/conv2d_1": [np.ones((1, 1, 3, 2))],
    }
    with pytest.raises(UnsupportedError, match=problem) as caught:
        parse(write_archive(model, weights), parsers=[KerasParser()])
    assert {line.split(" (")[0] for line in caught.value.problems} == {"odd", "leak"}


def sequences(*layers: dict[str, Any]) -> dict[str, Any]:
    """Return a model of layers behind the pooling of sequences of 4 steps with three channels."""
    start = layer("InputLayer", "x", batch_shape=[None, 3, 4])
    pool = layer("AveragePooling1D", "pool", "x", pool_size=2, data_format="channels_first")
    config = {"name": "net", "layers": [start, pool, *layers], "input_layers": [["x", 0, 0]],
              "output_layers": [[layers[-1]["name"], 0, 0]]}  # fmt: skip
    return {"class_name": "Functional", "config": config}


@pytest.mark.parametrize(
    ("entry", "compute"),
    [
        (layer("UpSampling1D", "odd", "pool", size=3), lambda y: np.repeat(y, 3, axis=1)),
        (layer("Cropping1D", "odd", "pool", cropping=[1, 0]), lambda y: y[:, 1:]),
        (layer("Cropping1D", "odd", "pool", cropping=[0, 2]), lambda y: y[:, :1]),
        (layer("ZeroPadding1D", "odd", "pool", padding=[1, 2]),
         lambda y: np.pad(y, ((0, 0), (1, 2), (0, 0)))),
        (layer("ZeroPadding1D", "odd", "pool", padding=[1, 2], data_format="channels_first"),
         lambda y: np.pad(y, ((0, 0), (0, 0), (1, 2)))),
        (layer("SpatialDropout1D", "odd", "pool", rate=0.5), lambda y: y),
        (layer("Permute", "odd", "pool", dims=[2, 1]), lambda y: y.transpose(0, 2, 1)),
        (layer("Flatten", "odd", "pool", data_format=None), lambda y: y),
    ],
)  # fmt: skip
def test_layers_for_sequences_without_a_data_format_work_on_the_first_axis(
    write_archive: Writer, entry: dict[str, Any], compute: Callable[[Any], Any]
) -> None:
    path = write_archive(sequences(entry, layer("Flatten", "flat", "odd")), {})
    x_b_cs = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4) ** 2
    expected = compute(x_b_cs.reshape(2, 3, 2, 2).mean(axis=-1)).reshape(2, -1)
    found = predict(KerasParser().parse(path), x_b_cs.transpose(0, 2, 1))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (layer("Cropping1D", "odd", "pool", cropping=[2, 1]), "crops all of a sequence of shape"),
        (layer("UpSampling1D", "odd", "pool", size=2**62), "values of 'pool' would take"),
        (layer("UpSampling1D", "odd", "x2", size=2), r"shape \(6,\); expected 2 axes"),
        (
            layer("MaxPooling1D", "odd", "pool", data_format="first"),
            "'data_format' is 'first'; exp",
        ),
    ],
)
def test_layers_for_sequences_that_do_not_fit_are_refused(
    write_archive: Writer, entry: dict[str, Any], message: str
) -> None:
    path = write_archive(sequences(layer("Flatten", "x2", "pool"), entry), {})
    with pytest.raises(ParseError, match=message):
        parse(path, parsers=[KerasParser()])


@pytest.mark.parametrize("missing", [{}, {"data_format": None}, {"data_format": "channels_last"}])
def test_a_layer_whose_data_format_is_left_out_is_channels_last(
    write_archive: Writer, missing: dict[str, Any]
) -> None:
    model = functional(layer("MaxPooling2D", "odd", "conv", pool_size=2, **missing))
    with pytest.raises(
        UnsupportedError, match=r"mixed .conv is channels_first, odd is channels_la"
    ):
        parse(write_archive(model, CONV), parsers=[KerasParser()])


def test_mixed_data_formats_are_told_with_other_reasons_and_before_weights_that_do_not_fit(
    write_archive: Writer,
) -> None:
    model = functional(
        layer("MaxPooling2D", "odd", "conv", pool_size=2, data_format="channels_last"),
        layer("Dense", "fc", "odd", units=2, use_bias=False, activation="tanh"),
    )
    path = write_archive(model, {**CONV, "layers/dense": [np.ones((7, 7))]})
    with pytest.raises(UnsupportedError) as caught:
        parse(path, parsers=[KerasParser()])
    mixed, activation = caught.value.problems
    assert mixed.startswith("data formats are mixed")
    assert activation.startswith("fc (Dense): activation 'tanh'")


@pytest.mark.parametrize("kind", ["SpatialDropout2D", "RandomFlip", "RandomZoom"])
def test_the_data_format_of_a_layer_that_does_nothing_does_not_matter(
    write_archive: Writer, kind: str
) -> None:
    model = functional(
        layer(kind, "odd", "conv", data_format="channels_last"), layer("Flatten", "flat", "odd")
    )
    found = predict(parse(write_archive(model, CONV), parsers=[KerasParser()]), samples())
    np.testing.assert_array_equal(found, convolved(samples()).reshape(2, -1))

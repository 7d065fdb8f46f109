"""Samples of every form, at every entrance: 8-bit integers mean the same everywhere."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from snn_core import convert, load, predict, run
from snn_core.conversion import preset
from snn_core.data import Dataset, load_dataset
from snn_core.errors import DataError, DataWarning, SettingsError
from snn_core.ir import BatchNormalization, Dense, Flatten, Input, Network, ReLU
from snn_core.passes import run_structural
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN

RNG = np.random.default_rng(5)
RAW = RNG.integers(0, 256, (24, 4, 4, 1), dtype=np.uint8)


def model(*, rescales: bool) -> Network:
    """Return a network that is not linear in the scale of its input; it may divide by 255."""
    layers = [Input(name="input", output_shape=(4, 4, 1))]
    if rescales:
        gain = {"gain_c": np.float32([1 / 255]), "offset_c": np.float32([0])}
        layers.append(BatchNormalization(name="rescale", inputs=("input",), axis=2,
                                         output_shape=(4, 4, 1), **gain))  # fmt: skip
    halves = np.where(np.arange(16)[:, None] < 8, [[-1.0, 1.0]], [[1.0, -1.0]])
    bias_o = np.array([0.25, -0.25])
    layers += [
        Flatten(name="flat", inputs=(layers[-1].name,), output_shape=(16,)),
        Dense(name="hidden", inputs=("flat",), output_shape=(2,), activation=ReLU(),
              weight_io=halves, bias_o=bias_o),
        Dense(name="output", inputs=("hidden",), output_shape=(2,), weight_io=np.eye(2),
              bias_o=np.zeros(2)),
    ]  # fmt: skip
    return run_structural(Network(layers=tuple(layers)))


LABELS = predict(model(rescales=False), RAW / np.float32(255)).argmax(axis=1)


@pytest.fixture(params=[False, True], ids=["scaled", "raw"])
def case(request):
    """Return a model, and the samples as it wants them."""
    floats = RAW.astype(np.float32)
    return model(rescales=request.param), floats if request.param else floats / np.float32(255)


@pytest.fixture
def photos(tmp_path):
    """Return the samples as a folder of images, in the order of their labels, and that order."""
    for label in range(2):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
    for i, image in enumerate(RAW):
        Image.fromarray(image[..., 0]).save(tmp_path / f"photos/{LABELS[i]}/{i:02d}.png")
    return tmp_path / "photos", np.argsort(LABELS, kind="stable")


GREY = Settings.of({"input": {"dataflow_kwargs": {"color_mode": "grayscale"}}})


def weights(network):
    return [layer.arrays for layer in network.layers if layer.arrays]


def assert_same(found, expected):
    for one, other in zip(weights(found), weights(expected), strict=True):
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name])
    assert found.input_data == expected.input_data


def test_the_analog_network_takes_bytes(case):
    network, floats = case
    np.testing.assert_array_equal(predict(network, RAW), predict(network, floats))


def test_conversion_takes_bytes_in_any_form(case, tmp_path):
    network, floats = case
    expected = convert(network, floats)
    np.savez(tmp_path / "data.npz", x=RAW)
    for data in (RAW, Dataset.of(RAW), (RAW, LABELS), tmp_path / "data.npz", RAW[..., 0]):
        assert_same(convert(network, data), expected)
    assert expected.input_data.high == floats.max()
    assert expected.input_data.low == floats.min()
    assert expected.input_data.mean == pytest.approx(floats.mean(dtype=float))


def test_calibration_images_are_bytes(case, photos):
    network, floats = case
    folder, order = photos
    data = load_dataset(folder, settings=GREY.input)
    expected = convert(network, floats[order])
    for samples in (data, data.x_b_l, data.x_b_l[:], folder):
        settings = preset("fast").updated({"input": GREY.to_tree()["input"]})
        found = convert(network, samples, settings=settings)
        assert_same(found.replace(input_data=expected.input_data), expected)


def test_images_that_are_centred_are_scaled_as_the_network_says(case, photos):
    """In calibration and in a run alike, although their values are no bytes any more."""
    network, floats = case
    folder, order = photos
    mean = float(floats.mean())
    centred = {"datagen_kwargs": {"featurewise_center": True, "mean": mean}}
    settings = preset("fast").updated({"input": {**GREY.to_tree()["input"], **centred}})
    converted = convert(network, folder, settings=settings, timesteps=16)
    shifted = floats - np.float32(mean)
    assert converted.input_data.high == shifted.max()
    with pytest.warns(DataWarning, match=r"prepare images .* prepared likewise"):  # they were
        expected = run(converted, "reference", data=(shifted[order], LABELS[order]))
    found = run(converted, "reference", data=folder)
    assert found.metadata["input"].startswith("images ")
    np.testing.assert_array_equal(found.decision_b_t, expected.decision_b_t)


def test_a_run_takes_bytes_in_any_form(case, tmp_path, photos):
    network, floats = case
    folder, order = photos
    converted = convert(network, floats)
    expected = run(converted, "reference", data=(floats, LABELS), timesteps=16)
    np.savez(tmp_path / "data.npz", x=RAW, y=LABELS.astype(np.uint8))
    for data in ((RAW, LABELS), Dataset.of(RAW, LABELS), tmp_path / "data.npz"):
        found = run(converted, "reference", data=data, timesteps=16)
        np.testing.assert_array_equal(found.decision_b_t, expected.decision_b_t)
        np.testing.assert_array_equal(found.labels_b, LABELS)
        assert found.ann_accuracy == 1
        assert found.metadata["input"] == str(converted.input_data)
    found = run(converted, "reference", data=folder, timesteps=16, settings=GREY)
    np.testing.assert_array_equal(found.decision_b_t, expected.decision_b_t[order])


def test_a_simulator_takes_bytes(case):
    network, floats = case
    converted = convert(network, floats)
    snn = ReferenceSNN(converted, preset("fast"))
    recordings = [snn.run_batch(x_b_l) for x_b_l in (RAW, floats)]
    np.testing.assert_array_equal(*(recording.output_b_l_t for recording in recordings))


def test_an_artifact_keeps_how_bytes_enter(case, tmp_path):
    network, floats = case
    converted = convert(network, RAW)
    converted.save(tmp_path / "model.snn")
    stored = load(tmp_path / "model.snn")
    assert stored.input_data == converted.input_data
    np.testing.assert_array_equal(predict(stored, RAW), predict(converted, floats))


@pytest.mark.parametrize("rescales", [False, True])
def test_the_user_decides_by_argument_or_setting(rescales):
    network = model(rescales=rescales)
    by_argument = convert(network, RAW, uint8_scale=1 / 128)
    settings = preset("fast").updated({"input": {"uint8_scale": "1/128"}})
    assert_same(convert(network, RAW, settings=settings), by_argument)
    assert by_argument.input_data.decided_by == "user"
    np.testing.assert_array_equal(predict(by_argument, RAW), predict(by_argument, RAW / 128))


def test_a_run_refuses_another_scale_than_the_conversion():
    network = convert(model(rescales=False), RAW)
    settings = Settings.of({"input": {"uint8_scale": 1}})
    with pytest.raises(SettingsError, match=r"uint8_scale = 1; the network was converted with"):
        run(network, "reference", data=(RAW, LABELS), settings=settings)


def test_integers_of_other_types_enter_as_they_are():
    network = model(rescales=True)
    for kind in ("int16", "int64", "uint32"):
        np.testing.assert_array_equal(predict(network, RAW.astype(kind)), predict(network, RAW))


@pytest.mark.parametrize("kind", ["float16", "float64", "bool"])
def test_other_types_keep_their_values(kind):
    network, x_b_l = model(rescales=False), (RAW > 127).astype(kind)
    np.testing.assert_array_equal(predict(network, x_b_l), predict(network, x_b_l.astype("f4")))


def test_calibration_uses_so_many_samples_of_each_class_in_turn():
    network = model(rescales=False)
    settings = preset("fast").updated({"normalization": {"num_samples": 2}})
    order = np.argsort(LABELS, kind="stable")
    found = convert(network, (RAW[order], LABELS[order]), settings=settings)
    first_of_each = order[[0, (LABELS == 0).sum()]]
    assert_same(found, convert(network, RAW[first_of_each]))


def test_labels_that_the_network_does_not_know_are_refused_in_calibration():
    with pytest.raises(DataError, match="label 2"):
        convert(model(rescales=False), (RAW, LABELS + 1))


def test_ordinary_data_cause_no_warning(case):
    network, floats = case
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        for data in (RAW, floats):
            converted = convert(network, data)
            run(converted, "reference", data=(data, LABELS), timesteps=4)

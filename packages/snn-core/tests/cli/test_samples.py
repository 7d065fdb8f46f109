"""What the command line makes of samples: 8-bit integers, ranges, names of classes."""

import json

import numpy as np
import pytest
from PIL import Image

from snn_core import convert, load, run
from snn_core.cli import common
from snn_core.conversion import preset
from snn_core.running.result import RunResult

RAW = np.random.default_rng(2).integers(0, 256, (20, 6, 6, 1), dtype=np.uint8)
IMAGES = '[input]\ndataflow_kwargs = {color_mode = "grayscale"}\n'


@pytest.fixture
def converted(snn, tmp_path):
    """Return a function that converts a model and returns the artifact and what was written."""

    def call(model, data, *arguments):
        path = tmp_path / "out.snn"
        done = snn("convert", model, "-o", path, "--data", data, "--timesteps", 8, "--force",
                   *arguments)  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return path, done

    return call


@pytest.fixture
def rescaling(classifier):
    """Return the classifier behind a layer that divides by 255."""
    return classifier(first={"scale": 1 / 255, "offset": 0.0})


def simulated(snn, path, data, folder):
    done = snn("run", path, "--simulator", "reference", "--data", data, "--json", "-o", folder)
    assert done.exit_code == 0, done.stderr
    return RunResult.load(folder), done


def test_bytes_are_scaled_alike_by_convert_run_and_python(
    snn, classifier, images, converted, tmp_path
):
    path, done = converted(classifier(), images(x=RAW))
    assert "uint8 ÷ 255\n" in done.stdout
    result, said = simulated(snn, path, images(x=RAW), tmp_path / "r")
    assert said.stderr == "input: uint8 ÷ 255\n"
    floats = RAW / np.float32(255)
    network = convert(classifier(), floats, settings=preset("fast"), timesteps=8, check="off")
    np.testing.assert_array_equal(load(path).output.weight_io, network.output.weight_io)
    expected = run(network, "reference", data=(floats, result.labels_b), timesteps=8)
    np.testing.assert_array_equal(result.decision_b_t, expected.decision_b_t)
    np.testing.assert_array_equal(result.ann_decision_b, expected.ann_decision_b)


def test_a_model_that_rescales_takes_raw_bytes(
    snn, rescaling, classifier, converted, images, tmp_path
):
    data = images(x=RAW)
    path, done = converted(rescaling, data)
    assert "uint8 × 1, as the model rescales by itself\n" in done.stdout
    found, said = simulated(snn, path, data, tmp_path / "rescaling")
    assert said.stderr == "input: uint8 × 1, as the model rescales by itself\n"
    path, _ = converted(classifier(), data)
    plain, _ = simulated(snn, path, data, tmp_path / "plain")
    np.testing.assert_array_equal(found.ann_decision_b, plain.ann_decision_b)
    np.testing.assert_array_equal(found.decision_b_t, plain.decision_b_t)


@pytest.mark.parametrize(("factor", "expected"), [("1", 1), ("1/128", 1 / 128), ("0.5", 0.5)])
def test_the_factor_is_kept_in_the_artifact(classifier, images, converted, factor, expected):
    path, done = converted(classifier(), images(x=RAW), "--uint8-scale", factor, "--json")
    network = load(path)
    assert network.input_data.uint8_scale == expected
    assert network.input_data.high == np.float32(RAW.max() * expected)
    assert json.loads(done.stdout)["input"]["decided_by"] == "user"


@pytest.mark.parametrize("factor", ["one", "1/0", "0", "-1", "inf", "1/255/2"])
def test_impossible_factors_are_refused(snn, classifier, images, tmp_path, factor):
    done = snn("convert", classifier(), "-o", tmp_path / "o.snn", "--data", images(),
               "--uint8-scale", factor)  # fmt: skip
    assert done.exit_code == 2
    assert "uint8" in done.stderr


def test_a_run_refuses_another_factor(snn, classifier, images, converted, tmp_path):
    path, _ = converted(classifier(), images(x=RAW))
    (tmp_path / "s.toml").write_text("[input]\nuint8_scale = 1\n")
    done = snn("run", path, "--simulator", "reference", "--data", images(),
               "--settings", tmp_path / "s.toml")  # fmt: skip
    assert done.exit_code == 2
    assert "input.uint8_scale = 1.0; the network was converted with" in done.stderr


def test_warnings_about_samples_are_lines_on_standard_error(
    snn, classifier, images, converted, tmp_path
):
    _, done = converted(classifier(), images(x=RAW.astype("f4")))
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert "found values of 1 to 255 (mean 129), as raw 8-bit images have" in line
    path, _ = converted(classifier(), images())
    _, said = simulated(snn, path, images(x=RAW.astype("f4")), tmp_path / "r")
    (line,) = said.stderr.splitlines()
    assert "data.npz: 20 of 20 samples have values far outside those of the calibration" in line


def test_classes_have_names_from_the_folders_to_the_summary(snn, classifier, converted, tmp_path):
    """Of one class there are no samples to test; its number is kept all the same."""
    names = ["ant", "bee", "cat", "dog"]
    for part, present in (("calibration", names), ("test", ["ant", "cat", "dog"])):
        for i, name in enumerate(present):
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(RAW[i, ..., 0]).save(tmp_path / part / name / "1.png")
    (tmp_path / "images.toml").write_text(IMAGES)
    path, done = converted(classifier(), tmp_path / "calibration",
                           "--settings", tmp_path / "images.toml")  # fmt: skip
    assert "classes: 0 ant, 1 bee, 2 cat, 3 dog\n" in done.stdout
    assert load(path).input_data.classes == tuple(names)
    result, said = simulated(snn, path, tmp_path / "test", tmp_path / "r")
    assert said.stderr == "input: uint8 ÷ 255\nclasses: 0 ant, 1 bee, 2 cat, 3 dog\n"
    assert result.labels_b.tolist() == [0, 2, 3]
    assert result.classes == tuple(names)
    assert [result.class_name(i) for i in (-1, 2, 7)] == ["none", "cat", "7"]
    assert json.loads(said.stdout)["classes"] == names
    assert json.loads((tmp_path / "r" / "summary.json").read_text())["classes"] == names
    assert json.loads((tmp_path / "r" / "run.json").read_text())["classes"] == names


def test_a_preparation_of_images_is_shown_everywhere(snn, classifier, converted, images, tmp_path):
    for i, name in enumerate(["ant", "bee", "cat", "dog"]):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(RAW[i, ..., 0]).save(tmp_path / "photos" / name / "1.png")
    (tmp_path / "images.toml").write_text(
        f"{IMAGES}datagen_kwargs = {{featurewise_center = true, mean = 0.5, "
        f"featurewise_std_normalization = true, std = 0.25}}\n"
    )
    path, done = converted(classifier(), tmp_path / "photos",
                           "--settings", tmp_path / "images.toml")  # fmt: skip
    prepared = "images ÷ 255, - 0.5, ÷ 0.25"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("input: ")]
    assert line.endswith(f"; {prepared}")
    assert f"  {prepared}, calibrated on values of -1.984 to 1.984" in snn("inspect", path).stdout
    _, said = simulated(snn, path, tmp_path / "photos", tmp_path / "r")
    assert said.stderr.startswith(f"input: {prepared}\n")
    _, said = simulated(snn, path, images(x=RAW), tmp_path / "arrays")
    assert "these samples enter as uint8 ÷ 255; the settings of the network prepare" in said.stderr
    assert "\ninput: uint8 ÷ 255\n" in said.stderr


def test_the_factor_of_bytes_is_left_out_where_none_were_seen(snn, classifier, converted, images):
    path, done = converted(classifier(), images(x=RAW / np.float32(127.5) - 1))
    assert "uint8" not in done.stdout
    assert "uint8" not in snn("inspect", path).stdout


def test_a_run_of_some_samples_resumes(snn, classifier, images, converted, tmp_path):
    labels_b = np.repeat([0, 1, 2, 3], 5)
    path, _ = converted(classifier(), images())
    run_it = ["run", path, "--simulator", "reference", "--data", images(y=labels_b), "--samples", 8,
              "--batch-size", 3, "-o", tmp_path / "r", "--json"]  # fmt: skip
    first = snn(*run_it)
    result = RunResult.load(tmp_path / "r")
    assert result.sample_ids_b.tolist() == [0, 1, 5, 6, 10, 11, 15, 16]
    assert result.labels_b.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    (tmp_path / "r" / "batches" / "00001.npz").unlink()
    again = snn(*run_it, "--resume")
    assert json.loads(again.stdout)["accuracy"] == json.loads(first.stdout)["accuracy"]


def test_inspect_shows_how_samples_enter(snn, classifier, images, converted):
    path, _ = converted(classifier(), images(x=RAW))
    lines = snn("inspect", path).stdout.splitlines()
    low, mean = RAW.min() / 255, RAW.mean() / 255  # 1 grey level at least
    assert f"  uint8 ÷ 255, calibrated on values of {low:.4g} to 1 (mean {mean:.3g})" in lines
    assert json.loads(snn("inspect", path, "--json").stdout)["input"]["decided_by"] == "rule"


def test_many_classes_are_cut_short():
    names = [f"n{i}" for i in range(1000)]
    assert common.class_line(names[:2]) == "classes: 0 n0, 1 n1"
    assert common.class_line(names).endswith("18 n18, 19 n19, and 980 more")

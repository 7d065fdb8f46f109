"""Recordings and image folders from the command line to the result."""

import json

import numpy as np
import pytest
from PIL import Image

from snn_core.artifact import load
from snn_core.data import load_dataset
from snn_core.evaluation.forward import predict
from snn_core.running.result import RunResult
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.scoring import decisions

EVENTS = '[input]\nchip_size = [6, 6]\nframe_gen_method = "rectified_sum"\nencoding = "events"\n'
IMAGES = '[input]\ndataflow_kwargs = {target_size = [6, 6], color_mode = "grayscale"}\n'


@pytest.fixture
def recordings(tmp_path):
    """Return a folder of recordings of four classes."""
    rng = np.random.default_rng(0)
    for label in range(4):
        (tmp_path / "events" / str(label)).mkdir(parents=True)
        for i in range(3):
            x, y, p = (rng.integers(0, n, 60) for n in (6, 6, 2))
            t = np.sort(rng.integers(0, 50_000, 60))
            columns = np.stack([x, y, p, t], axis=1)
            np.save(tmp_path / "events" / str(label) / f"{i}.npy", columns)
    return tmp_path / "events"


@pytest.fixture
def photos(tmp_path):
    """Return a folder of images of four classes."""
    rng = np.random.default_rng(0)
    for label in range(4):
        (tmp_path / "photos" / f"class{label}").mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / f"class{label}" / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def converted(snn, classifier, tmp_path):
    """Return a function that converts the classifier with settings and calibration data."""

    def convert(settings, data):
        (tmp_path / "settings.toml").write_text(settings)
        path, file = tmp_path / "model.snn", tmp_path / "settings.toml"
        done = snn(
            "convert", classifier(), "-o", path, "--data", data,
            "--settings", file, "--timesteps", 12,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return path

    return convert


def simulated(snn, path, data, folder, **flags):
    options = [word for key, value in flags.items() for word in (f"--{key}", value)]
    done = snn(
        "run", path, "--simulator", "reference", "--data", data, "--json", "-o", folder, *options
    )
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout), RunResult.load(folder)


def test_recordings_are_simulated_event_by_event(snn, converted, recordings, tmp_path):
    path = converted(EVENTS, recordings)
    assert load(path).history[-1].startswith("spiking network on 12 calibration samples, 12 steps")
    figures, result = simulated(snn, path, recordings, tmp_path / "r")
    assert figures["samples"] == 12
    assert result.labels_b.tolist() == sorted([0, 1, 2, 3] * 3)
    data = load_dataset(recordings, settings=Settings.load(path.with_name("settings.toml")).input)
    snn = ReferenceSNN(load(path))
    recording = snn.run_batch(data.x_b_l[:], events_b=data.events_b[:])
    output_b_c_t = recording.output_b_l_t.reshape(12, -1, 12)
    expected_b_t = decisions(output_b_c_t, readout=snn.network.readout)
    np.testing.assert_array_equal(result.decision_b_t, expected_b_t)
    ann_b_c = predict(snn.network, data.x_b_l[:]).reshape(12, -1)
    np.testing.assert_array_equal(result.ann_decision_b, ann_b_c.argmax(axis=1))


def test_results_do_not_depend_on_the_batch(snn, converted, recordings, tmp_path):
    path = converted(EVENTS, recordings)
    results = [
        simulated(snn, path, recordings, tmp_path / str(size), **{"batch-size": size})[1]
        for size in (1, 5, 12)
    ]
    for result in results[1:]:
        np.testing.assert_array_equal(result.decision_b_t, results[0].decision_b_t)
        np.testing.assert_array_equal(
            result.synaptic_operations_b_t, results[0].synaptic_operations_b_t
        )


def test_image_folders_are_simulated(snn, converted, photos, tmp_path):
    path = converted(IMAGES, photos)
    figures, result = simulated(snn, path, photos, tmp_path / "r", samples=7)
    assert figures["samples"] == 7
    assert result.labels_b.tolist() == [0, 0, 1, 1, 2, 2, 3]
    again, _ = simulated(snn, path, photos, tmp_path / "r2", samples=7, **{"batch-size": 2})
    assert again["accuracy"] == figures["accuracy"]


def test_a_changed_image_stops_a_resumed_run(snn, converted, photos, tmp_path):
    path = converted(IMAGES, photos)
    simulated(snn, path, photos, tmp_path / "r")
    Image.new("RGB", (7, 9)).save(photos / "class3" / "2.png")
    done = snn(
        "run", path, "--simulator", "reference", "--data", photos, "-o", tmp_path / "r", "--resume"
    )
    assert done.exit_code == 2
    assert "it is a run on other data" in done.stderr


def test_arrays_have_no_events_to_send(snn, converted, recordings, images):
    path = converted(EVENTS, recordings)
    done = snn("run", path, "--simulator", "reference", "--data", images())
    assert done.exit_code == 2
    assert "Found samples without events for input.encoding = 'events'" in done.stderr


def test_a_damaged_recording_leaves_no_artifact(snn, classifier, recordings, tmp_path):
    victim = recordings / "2" / "1.npy"
    victim.write_bytes(victim.read_bytes()[:100])
    (tmp_path / "settings.toml").write_text(EVENTS)
    path = tmp_path / "model.snn"
    done = snn(
        "convert", classifier(), "-o", path, "--data", recordings,
        "--settings", tmp_path / "settings.toml",
    )  # fmt: skip
    assert done.exit_code == 2
    assert str(victim) in " ".join(done.stderr.split())
    assert not path.exists()


def test_the_calibration_data_tell_a_shape_that_the_model_leaves_open(
    snn, classifier, images, rewritten, tmp_path
):
    def leave_open(members):
        config = members["config.json"].decode()
        assert "[null, 6, 6, 1]" in config
        members["config.json"] = config.replace("[null, 6, 6, 1]", "[null, null, null, 1]").encode()

    def converted(model, *arguments):
        path = tmp_path / "open.snn"
        done = snn("convert", model, "-o", path, "--data", images(), "--check", "off", "--force",
                   *arguments)  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return load(path)

    expected = converted(classifier())
    model = rewritten(classifier(), leave_open)
    for arguments in ((), ("--input-shape", "6,6,1")):
        network = converted(model, *arguments)
        assert network.input.output_shape == (6, 6, 1)
        np.testing.assert_array_equal(network.output.weight_io, expected.output.weight_io)
    refused = snn("inspect", model)
    assert refused.exit_code == 2
    assert "--input-shape" in refused.stderr

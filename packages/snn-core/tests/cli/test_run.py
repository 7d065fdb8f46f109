import json
import os
import shlex
import signal
import time

import numpy as np
import pytest

from snn_core.running.result import RunResult

KEYS = [
    "simulator",
    "spike_code",
    "samples",
    "timesteps",
    "dt_ms",
    "task",
    "accuracy",
    "ann_accuracy",
    "agreement",
    "mean_rate",
    "synaptic_operations_per_sample",
    "neuron_operations_per_sample",
    "ann_operations_per_sample",
    "simulate_s",
    "us_per_sample_step",
    "classes",
]
TIMES = ("simulate_s", "us_per_sample_step")


def figures(done):
    """Return the figures without those that measure time."""
    assert done.exit_code == 0, done.output
    return {key: value for key, value in json.loads(done.stdout).items() if key not in TIMES}


def test_json_is_one_object_with_the_documented_keys(snn, artifact, images):
    done = snn("run", artifact, "--simulator", "reference", "--data", images(), "--json")
    assert done.exit_code == 0
    assert done.stdout.count("\n") == 1
    assert list(json.loads(done.stdout)) == KEYS
    assert done.stderr == ""


def test_figures_are_those_of_the_result(snn, artifact, images, tmp_path):
    done = snn(
        "run",
        artifact,
        "--simulator",
        "reference",
        "--data",
        images(),
        "--json",
        "-o",
        tmp_path / "r",
    )
    found, result = json.loads(done.stdout), RunResult.load(tmp_path / "r")
    assert found["samples"] == len(result.labels_b) == 20
    assert found["timesteps"] == 16
    assert found["accuracy"] == (result.decision_b == result.labels_b).mean()
    assert found["agreement"] == (result.decision_b == result.ann_decision_b).mean()
    assert found["us_per_sample_step"] == pytest.approx(1e6 * found["simulate_s"] / (20 * 16))
    # conv: 16 positions * 9 taps * 3 filters, dense: 48 * 4; two operations per synapse, and one
    # for each of the 2 * 16 biased neurons of the convolution
    assert found["ann_operations_per_sample"] == 2 * (16 * 9 * 3 + 48 * 4) + 2 * 16


def test_a_table_for_people(snn, artifact, images):
    done = snn("run", artifact, "--simulator", "reference", "--data", images())
    assert done.exit_code == 0
    assert "reference, temporal_mean_rate: 20 samples, 16 steps of 1 ms" in done.stdout
    assert "accuracy" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--samples", 6), {"samples": 6}),
        (("--timesteps", 5), {"timesteps": 5, "dt_ms": 1.0}),
        (("--dt", 0.5), {"timesteps": 32, "dt_ms": 0.5}),
        (("--dt", 0.5, "--timesteps", 9), {"timesteps": 9, "dt_ms": 0.5}),
    ],
)
def test_flags_change_the_run(snn, artifact, images, arguments, expected):
    done = snn(
        "run", artifact, "--simulator", "reference", "--data", images(), "--json", *arguments
    )
    assert figures(done).items() >= expected.items()


def test_the_simulator_of_the_settings_is_the_default(snn, artifact, images, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[simulation]\nsimulator = "reference"\n')
    done = snn("run", artifact, "--data", images(), "--settings", path, "--json")
    assert figures(done)["simulator"] == "reference"


def test_steps_that_lose_spikes_are_refused(snn, artifact, images):
    done = snn("run", artifact, "--simulator", "reference", "--data", images(), "--dt", 2)
    assert done.exit_code == 2
    assert (
        "Found steps of 2 ms (simulation.dt); the network was converted for rates of up to one"
        in (" ".join(done.stderr.split()))
    )


def test_the_batch_size_changes_nothing(snn, artifact, images):
    common = ("run", artifact, "--simulator", "reference", "--data", images(), "--json")
    assert figures(snn(*common, "--batch-size", 3)) == figures(snn(*common))


def test_the_seed_decides_about_random_input(snn, artifact, images, tmp_path):
    path = tmp_path / "poisson.toml"
    path.write_text('[input]\nencoding = "poisson"\n')
    common = ("run", artifact, "--simulator", "reference", "--data", images(), "--json")
    common = (*common, "--settings", path, "--seed")
    assert figures(snn(*common, 3)) == figures(snn(*common, 3))
    assert figures(snn(*common, 3)) != figures(snn(*common, 4))


def test_a_full_folder_is_left_alone_unless_resumed(snn, artifact, images, tmp_path):
    common = ("run", artifact, "--simulator", "reference", "--data", images(), "-o", tmp_path / "r")
    assert snn(*common).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("r/**/*") if path.is_file()}
    again = snn(*common)
    assert again.exit_code == 2
    assert "is not empty; go on with --resume" in again.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert snn(*common, "--resume").exit_code == 0


def test_another_run_is_not_resumed(snn, artifact, images, tmp_path):
    common = ("run", artifact, "--simulator", "reference", "--data", images(), "-o", tmp_path / "r")
    assert snn(*common).exit_code == 0
    done = snn(*common, "--resume", "--timesteps", 9)
    assert done.exit_code == 2
    assert "cannot be resumed" in done.stderr
    assert "simulation.duration (--timesteps): there 16.0, now 9.0" in done.stderr


BATCHES, BATCH = 12, 5


@pytest.fixture
def long_run(artifact, images, tmp_path):
    """Return the arguments of a run that takes a few seconds, and its result folder."""
    data = images("long.npz", count=BATCHES * BATCH)
    common = ("run", artifact, "--simulator", "reference", "--data", data, "--batch-size", BATCH)
    return (*common, "--timesteps", 100), tmp_path / f"{'long-' * 30}:x:[red]"


def wait_for_batches(folder, number):
    deadline = time.monotonic() + 60
    while len(list(folder.glob("batches/[0-9]*.npz"))) < number:
        assert time.monotonic() < deadline, "no batch was finished"
        time.sleep(0.005)


# That a resumed run gives the numbers of an uninterrupted one is tested without a process, in
# running/test_run.py; here is what only a signal can show.
@pytest.mark.parametrize(
    "name",
    [
        "SIGINT",
        "SIGTERM",
        pytest.param("SIGHUP", marks=pytest.mark.exhaustive),
        pytest.param("SIGKILL", marks=pytest.mark.exhaustive),
    ],
)
def test_a_stopped_run_keeps_its_batches_and_resumes(snn, start, long_run, name):
    arguments, folder = long_run
    running = start(*arguments, "-o", folder, "--json")
    wait_for_batches(folder, 2)
    os.kill(running.pid, getattr(signal, name))
    _, messages = running.communicate(timeout=60)
    kept = {path: path.read_bytes() for path in folder.glob("batches/*.npz")}
    assert 2 <= len(kept) < BATCHES, "the run was over before it was stopped"
    assert not (folder / "summary.json").exists()
    if name != "SIGKILL":
        assert running.returncode == 128 + getattr(signal, name)
        assert "Stopping after the current step" in messages
        assert f"Stopped after {BATCH * len(kept)} samples (kept in {folder}).\n" in messages
        command = shlex.join(["snn", *map(str, arguments), "-o", str(folder), "--json", "--resume"])
        assert f"Go on with: {command}\n" in messages
    # What the flags chose is taken from the folder.
    resumed = snn("run", arguments[1], "--data", arguments[5], "-o", folder, "--resume", "--json")
    assert figures(resumed)["samples"] == BATCHES * BATCH
    assert {path: path.read_bytes() for path in kept} == kept
    assert not list(folder.rglob(".*")), "temporary files are left"
    result = RunResult.load(folder)
    np.testing.assert_array_equal(result.sample_ids_b, np.arange(BATCHES * BATCH))
    assert not result.interrupted


# Outputs that are no classes.


@pytest.fixture
def one_output(write_archive):
    """Return a file of a Keras model with one sigmoid output: yes if the first pixel is bright."""
    weight = np.zeros((36, 1))
    weight[0] = 2
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 6, 6, 1]}},
        {"class_name": "Flatten", "config": {"name": "flatten"}},
        {"class_name": "Dense", "config": {"name": "y", "units": 1, "activation": "sigmoid"}},
    ]
    model = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    return write_archive(model, {"layers/dense": [weight, np.array([-1])]})


def test_one_output_is_converted_and_scored_by_its_labels(snn, one_output, images, tmp_path):
    path, common = tmp_path / "one.snn", ("--simulator", "reference", "--data")
    with np.load(images()) as data:
        x = data["x"]
    yes = (x[:, 0, 0, 0] > 0.5).astype(int)
    done = snn("convert", one_output, "-o", path, "--data", images(y=yes), "--check", "off")
    assert done.exit_code == 0, done.output
    run = ("run", path, *common)
    found = figures(snn(*run, images("yes.npz", y=yes), "--json"))
    assert (found["task"], found["accuracy"], found["ann_accuracy"]) == ("binary", 1, 1)
    share = 1 / (1 + np.exp(1 - 2 * x[:, 0, 0, 0]))
    found = figures(snn(*run, images("share.npz", y=share), "--json"))
    assert found["task"] == "regression"
    assert found["mse"] == pytest.approx(0, abs=1e-12)
    assert found["r2"] == pytest.approx(1)
    unlabelled = images("x.npz", y=None)
    assert set(figures(snn(*run, unlabelled, "--json"))) & {"accuracy", "agreement", "mse"} == {
        "agreement"
    }
    table = snn(*run, images("share.npz", y=share)).stdout
    assert "regression" in table.splitlines()[0]
    assert "mean squared error" in table
    assert "R²" in table
    table = snn(*run, unlabelled).stdout
    assert "binary, no labels" in table.splitlines()[0]
    assert "accuracy" not in table
    done = snn(*run, images("yes.npz", y=yes), "--task", "regression", "--json")
    assert figures(done)["task"] == "regression"
    refused = snn(*run, images("share.npz", y=share), "--task", "binary")
    assert refused.exit_code == 2
    assert "expected whole numbers from 0" in refused.stderr

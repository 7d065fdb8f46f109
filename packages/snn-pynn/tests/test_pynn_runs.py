"""Runs of the command line, as processes that are killed and stopped."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from snn_core import artifact
from snn_core.running.result import RunResult
from snn_core.testing import networks

SAMPLES, BATCH = 30, 2


STEPS = {"pynn-nest": 400, "pynn-neuron": 400, "pynn-brian2": 100}
"""Steps of a sample with which a run takes about a second."""


@pytest.fixture
def command(simulator_name, helpers, tmp_path):
    """Return the command of a run of some seconds, without the folder of its results."""
    network = networks.chain(tuple(networks.passing_on(5, seed=seed) for seed in (1, 2)))
    artifact.save(network, tmp_path / "net.snn")
    labels = np.arange(SAMPLES) % 5
    np.savez(tmp_path / "data.npz", x=helpers.samples(network, SAMPLES), y=labels)
    (tmp_path / "run.toml").write_text('[input]\nencoding = "poisson"\n')
    command = [sys.executable, "-m", "snn_core", "run", str(tmp_path / "net.snn")]
    command += ["--simulator", simulator_name, "--data", str(tmp_path / "data.npz")]
    command += ["--settings", str(tmp_path / "run.toml")]
    command += ["--timesteps", str(STEPS[simulator_name])]
    return [*command, "--batch-size", str(BATCH), "-o"]


def wait_for_batches(folder, number):
    deadline = time.monotonic() + 120
    while len(list(folder.glob("batches/[0-9]*.npz"))) < number:
        assert time.monotonic() < deadline, "no batch was finished"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("simulator_name", "name"),
    [
        ("pynn-nest", "SIGKILL"),
        pytest.param("pynn-nest", "SIGINT", marks=pytest.mark.exhaustive),
        pytest.param("pynn-neuron", "SIGKILL", marks=pytest.mark.exhaustive),
        pytest.param("pynn-brian2", "SIGKILL", marks=pytest.mark.exhaustive),
    ],
)
def test_a_killed_run_resumes_to_the_same_result(command, tmp_path, name):
    whole, part = tmp_path / "whole", tmp_path / "part"
    done = subprocess.run([*command, str(whole)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with subprocess.Popen([*command, str(part)], stderr=subprocess.PIPE, text=True) as running:
        wait_for_batches(part, 2)
        os.kill(running.pid, getattr(signal, name))
        _, messages = running.communicate(timeout=60)
    kept = {path: path.read_bytes() for path in part.glob("batches/[0-9]*.npz")}
    assert 2 <= len(kept) < SAMPLES / BATCH, "the run was over before it was stopped"
    assert running.returncode == (130 if name == "SIGINT" else -signal.SIGKILL), messages
    resumed = subprocess.run(
        [*command, str(part), "--resume"], capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(np.unique(RunResult.load(whole).decision_b_t)) > 2
    expected = sorted(whole.glob("batches/[0-9]*.npz"))
    assert len(expected) == SAMPLES / BATCH
    for file in expected:
        with np.load(file) as whole_batch, np.load(part / "batches" / file.name) as batch:
            assert set(batch.files) == set(whole_batch.files)
            for key in set(batch.files) - {"simulate_s"}:
                np.testing.assert_array_equal(batch[key], whole_batch[key])

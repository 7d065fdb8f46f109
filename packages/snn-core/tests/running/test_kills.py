"""Runs and conversions that are killed between any two of their file operations.

``tools/kills.py`` kills commands at random moments.
"""

import os
import shutil
import signal
import sys
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

from snn_core import artifact, run
from snn_core.cli import main
from snn_core.conversion import convert, preset
from snn_core.files import find_leftovers
from snn_core.running.result import RunResult
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),  # it has threads
]

OPERATIONS = frozenset(
    [
        "open",
        "os.mkdir",
        "os.rename",
        "os.remove",
        "os.rmdir",
        "os.chmod",
        "os.listdir",
        "os.scandir",
    ]
)
"""Audit events of the file operations that Python tells."""

RNG = np.random.default_rng(0)
X, Y = RNG.random((11, 6)).astype(np.float32), RNG.integers(0, 3, 11)
SETTINGS = Settings.of({"simulation": {"duration": 8, "batch_size": 4}})


@pytest.fixture(scope="module")
def network():
    builder = NetworkBuilder((6,)).dense(RNG.normal(0.1, 0.5, (6, 8)))
    return convert(builder.dense(RNG.normal(0, 0.5, (8, 3))).build(), X, settings=preset("seed"))


def kill_before(number, folder, work):
    """Work in a process that is killed before its n-th file operation; return whether it was."""
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event, arguments):
            nonlocal count
            if event in OPERATIONS and str(folder) in str(arguments[0]):
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_run_goes_on_after_a_kill_at_any_moment(network, tmp_path):
    def go_on(folder):
        return run(
            network, "reference", data=(X, Y), settings=SETTINGS, output_dir=folder, resume=True
        )

    expected = go_on(tmp_path / "whole")
    number = 1
    while kill_before(number, tmp_path / str(number), partial(go_on, tmp_path / str(number))):
        folder = tmp_path / str(number)
        go_on(folder)
        found = RunResult.load(folder)
        for name in ("decision_b_t", "spikes_b_n", "synaptic_operations_b_t", "output_b_o"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert not list(folder.rglob(".*"))
        assert (folder / "summary.json").exists()
        number += 1
    assert number > 25  # three batches, a description, a summary


def test_a_run_that_was_killed_before_its_first_batch_starts_anew_without_being_asked(
    network, tmp_path
):
    def start(folder):
        return run(network, "reference", data=(X, Y), settings=SETTINGS, output_dir=folder)

    number = 1
    while kill_before(number, tmp_path / str(number), partial(start, tmp_path / str(number))):
        folder = tmp_path / str(number)
        if list(folder.rglob("[0-9]*.npz")):
            break
        assert start(folder).samples == 11
        number += 1
    assert number > 8


def test_a_run_that_goes_on_can_be_killed_again_at_any_moment(network, tmp_path):
    def go_on(folder):
        return run(
            network, "reference", data=(X, Y), settings=SETTINGS, output_dir=folder, resume=True
        )

    expected, half, number = go_on(tmp_path / "whole"), tmp_path / "half", 1
    while len(list(half.rglob("[0-9]*.npz"))) != 1:  # of three batches
        shutil.rmtree(half, ignore_errors=True)
        assert kill_before(number, half, partial(go_on, half))
        number += 1
    number = 1
    while True:
        folder = tmp_path / str(number)
        shutil.copytree(half, folder)
        if not kill_before(number, folder, partial(go_on, folder)):
            break
        go_on(folder)
        found = RunResult.load(folder)
        np.testing.assert_array_equal(found.output_b_o, expected.output_b_o)
        np.testing.assert_array_equal(found.decision_b_t, expected.decision_b_t)
        assert not list(folder.rglob(".*"))
        number += 1
    assert number > 15


@pytest.mark.exhaustive
def test_a_conversion_with_its_run_goes_on_after_a_kill_at_any_moment(classifier, images, tmp_path):
    source, data = classifier(), images()

    def convert_and_run(folder, *more):
        files = ("-o", folder / "net.snn", "--results", folder / "results")
        options = (
            "--simulator",
            "reference",
            "--timesteps",
            4,
            "--batch-size",
            8,
            "--no-trial",
            "--check",
            "off",
            "--json",
        )
        command = ("convert", source, "--data", data, "--test", data, *files, *options, *more)
        return CliRunner().invoke(main, [str(part) for part in command])

    def made(folder):
        (folder / "net.snn").parent.mkdir(exist_ok=True)
        done = convert_and_run(folder, "--resume")
        assert done.exit_code == 0, done.output
        results = RunResult.load(folder / "results")
        return (folder / "net.snn").read_bytes(), results.output_b_o.tobytes()

    expected, number = made(tmp_path / "whole"), 1
    while True:
        folder = tmp_path / str(number)
        folder.mkdir()
        if not kill_before(number, folder, partial(convert_and_run, folder)):
            break
        path = folder / "net.snn"
        assert not path.exists() or path.read_bytes() == expected[0]
        assert made(folder) == expected
        assert not list(folder.rglob(".*"))
        number += 1
    assert number > 25


def test_an_artifact_is_whole_or_not_there(network, tmp_path):
    path = tmp_path / "out.snn"
    expected = artifact.dumps(network)
    number = 1
    while kill_before(number, tmp_path, lambda: artifact.save(network, path)):
        assert not path.exists() or path.read_bytes() == expected
        path.unlink(missing_ok=True)
        number += 1
    assert number > 4
    path.unlink()
    artifact.save(network, path)
    assert path.read_bytes() == expected
    assert all(item.name.startswith(".out.snn.") for item in find_leftovers(path))

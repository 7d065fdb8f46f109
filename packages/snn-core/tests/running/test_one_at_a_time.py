"""Two commands on one folder: one works there, the other is told so; nothing gets mixed."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from snn_core import artifact, run
from snn_core.cli import main
from snn_core.conversion import convert, preset
from snn_core.errors import ArtifactError, DataError
from snn_core.running.ownership import LOCK, owned
from snn_core.running.result import RunFolder, RunResult
from snn_core.testing.builder import NetworkBuilder

SCRIPT = Path(__file__).with_name("waiting_run.py")
RNG = np.random.default_rng(0)
X, Y = RNG.random((11, 6)).astype(np.float32), RNG.integers(0, 3, 11)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The path of a network; its samples are beside it."""
    path = tmp_path_factory.mktemp("model") / "model.snn"
    builder = NetworkBuilder((6,)).dense(RNG.normal(0.1, 0.5, (6, 8)))
    settings = preset("seed").updated({"simulation": {"duration": 8, "batch_size": 4}})
    network = builder.dense(RNG.normal(0, 0.5, (8, 3))).build()
    artifact.save(convert(network, X, settings=settings), path)
    np.savez(path.with_name("data.npz"), x=X, y=Y)
    return path


@contextmanager
def waiting_run(model, folder, *, batches=0, how="start"):
    """Have another process run, up to so many batches; it waits until its input is closed."""
    command = [sys.executable, SCRIPT, model, model.with_name("data.npz"), folder, batches, how]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([str(part) for part in command], text=True, **pipes) as process:
        try:
            assert process.stdout.readline() == "waiting\n"
            yield process
        finally:
            process.kill()


def command(model, folder, *more):
    data = model.with_name("data.npz")
    arguments = ("run", model, "--simulator", "reference", "--data", data, "-o", folder, *more)
    return CliRunner().invoke(main, [str(part) for part in arguments])


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def require_same_bits(folder, expected):
    found = RunResult.load(folder)
    for name in ("decision_b_t", "spikes_b_n", "synaptic_operations_b_t", "output_b_o"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("more", [[], ["--resume"], ["--set", "simulation.top_k=2"]])
@pytest.mark.parametrize("batches", [0, 1])
def test_a_second_command_is_told_who_works_there_and_changes_nothing(
    model, tmp_path, batches, more
):
    folder = tmp_path / "run"
    with waiting_run(model, folder, batches=batches) as first:
        before = contents(folder)
        found = command(model, folder, *more)
        assert found.exit_code == 2
        said = f"Another run works in {folder}: {folder / LOCK} is locked by process {first.pid}."
        assert said in " ".join(found.output.split())
        assert contents(folder) == before
        first.stdin.close()
        assert first.wait(60) == 0
    require_same_bits(folder, run(model, "reference", data=(X, Y)))
    assert sorted(path.name for path in folder.iterdir()) == ["batches", "run.json", "summary.json"]


def test_a_conversion_with_a_run_and_a_result_that_is_saved_wait_as_well(
    model, classifier, images, tmp_path
):
    folder, result = tmp_path / "run", run(model, "reference", data=(X, Y))
    with waiting_run(model, folder):
        with pytest.raises(ArtifactError, match="Another run works in"):
            result.save(folder)
        data = images()
        arguments = ["convert", classifier(), "--data", data, "--test", data, "--results", folder,
                     "-o", tmp_path / "net.snn", "--simulator", "reference"]  # fmt: skip
        found = CliRunner().invoke(main, [str(part) for part in arguments])
        assert found.exit_code == 2
        assert "Another run works in" in found.output
        assert not (tmp_path / "net.snn").exists()


def test_of_two_that_go_on_one_does(model, tmp_path):
    folder = tmp_path / "run"
    with waiting_run(model, folder, batches=1):
        pass  # which kills it
    with (
        waiting_run(model, folder, batches=2, how="resume"),
        pytest.raises(ArtifactError, match="Another run works in"),
    ):
        run(model, "reference", data=(X, Y), output_dir=folder, resume=True)
    run(model, "reference", data=(X, Y), output_dir=folder, resume=True)
    require_same_bits(folder, run(model, "reference", data=(X, Y)))


@pytest.mark.parametrize("batches", [0, 1])
def test_a_killed_run_frees_its_folder(model, tmp_path, batches):
    folder = tmp_path / "run"
    with waiting_run(model, folder, batches=batches) as first:
        first.kill()
        first.wait(60)
        assert (folder / LOCK).exists()
        assert RunFolder(folder).is_empty == (batches == 0)
        run(model, "reference", data=(X, Y), output_dir=folder, resume=True)
    assert not (folder / LOCK).exists()
    require_same_bits(folder, run(model, "reference", data=(X, Y)))


def test_runs_are_read_while_they_work(model, tmp_path):
    folder = tmp_path / "run"
    with waiting_run(model, folder, batches=1):
        assert RunResult.load(folder).samples == 4


def test_two_runs_of_one_process_do_not_share_a_folder(model, tmp_path):
    def start_another(_done, _total, _accuracy):
        with pytest.raises(ArtifactError, match=f"locked by process {os.getpid()}"):
            run(model, "reference", data=(X, Y), output_dir=tmp_path, resume=True)

    run(model, "reference", data=(X, Y), output_dir=tmp_path, progress=start_another)


def test_a_run_that_fails_at_once_leaves_nothing(model, tmp_path):
    folder = tmp_path / "run"
    (tmp_path / "other").mkdir()
    for path in (folder, tmp_path / "other"):
        with pytest.raises(RuntimeError), owned(path):
            raise RuntimeError
        assert not path.exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("resume", [False, True])
def test_batches_that_lie_elsewhere_are_not_touched(model, tmp_path, resume):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run(model, "reference", data=(X, Y), output_dir=folder)
    (folder / "summary.json").unlink()
    (folder / "batches").rename(elsewhere)
    (folder / "batches").symlink_to(elsewhere)
    (elsewhere / "00002.npz").unlink()
    (elsewhere / ".00000.npz.abcdefgh").touch()
    before = contents(elsewhere)
    with pytest.raises(DataError, match=r"it is a link, and what belongs into .* is written there"):
        run(model, "reference", data=(X, Y), output_dir=folder, resume=resume)
    assert contents(elsewhere) == before
    assert RunResult.load(folder).samples == 8  # what can be read is read


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_folder_of_batches_that_is_a_link_to_nothing_is_refused(model, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "batches").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="it is a link"):
        run(model, "reference", data=(X, Y), output_dir=folder)
    assert not (tmp_path / "elsewhere").exists()
    assert [path.name for path in folder.iterdir()] == ["batches"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_folder_may_be_named_by_a_link(model, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run(model, "reference", data=(X, Y), output_dir=tmp_path / "link")
    assert json.loads((tmp_path / "real" / "summary.json").read_text())["samples"] == 11

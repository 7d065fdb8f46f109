"""Nothing that a command writes destroys what is there, and what cannot be written is said."""

import json
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from snn_core.artifact import load
from snn_core.running.result import RunResult

DEV_FULL = Path("/dev/full")
needs_dev_full = pytest.mark.skipif(not DEV_FULL.exists(), reason="this system has no full device")


@pytest.fixture
def convert(snn, classifier, images, tmp_path):
    """Return a function that converts the classifier to a path; it must be refused or succeed."""

    def call(output, *arguments, refused=None):
        source, data = classifier(), images()
        before = contents(tmp_path)
        done = snn("convert", source, "-o", output, "--data", data, *arguments)
        if refused is None:
            assert done.exit_code == 0, done.output
        else:
            assert done.exit_code == 2, done.output
            assert refused in " ".join(done.stderr.split())
            assert contents(tmp_path) == before
        return done

    return call


def contents(folder):
    """Return the content of each plain file, and what everything else is."""
    return {
        path: path.read_bytes()
        if stat.S_ISREG(path.lstat().st_mode)
        else stat.S_IFMT(path.lstat().st_mode)
        for path in folder.rglob("*")
    }


def test_a_model_is_not_replaced_by_what_it_is_converted_into(convert, classifier):
    for arguments in ((), ("--force",)):
        convert(classifier(), *arguments, refused="model.keras: a file that is no .snn file is")


@pytest.mark.parametrize("name", ["calibration.npz", "weights.pth", "settings.toml", "empty"])
def test_no_other_file_is_replaced(convert, images, tmp_path, name):
    images("calibration.npz")
    for other in ("weights.pth", "settings.toml"):
        (tmp_path / other).write_text("mine")
    (tmp_path / "empty").touch()
    convert(tmp_path / name, "--force", refused="a file that is no .snn file is there")


def test_an_artifact_is_replaced_with_force_alone(convert, tmp_path):
    path = tmp_path / "out.snn"
    convert(path, "--timesteps", 4)
    convert(path, "--timesteps", 8, refused="it is there already. Choose another name, or replace")
    convert(path, "--timesteps", 8, "--force")
    assert "mse at 8 steps" in "\n".join(load(path).history)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_and_links_stay_what_they_are(convert, tmp_path):
    convert(tmp_path / "real.snn")
    os.mkfifo(tmp_path / "pipe.snn")
    (tmp_path / "link.snn").symlink_to("real.snn")
    convert(tmp_path / "pipe.snn", "--force", refused="pipe.snn: it is a pipe")
    convert(tmp_path / "link.snn", "--force", refused="link.snn: it is a link")
    convert(os.devnull, "--force", refused="it is a device")
    assert stat.S_ISCHR(Path(os.devnull).lstat().st_mode)


def test_what_cannot_be_written_is_said_before_the_model_is_read(snn, tmp_path):
    (tmp_path / "full").mkdir()
    for name in ("file", "full/file"):
        (tmp_path / name).write_text("mine")
    common = ("convert", tmp_path / "gone.keras", "--data", tmp_path / "gone.npz")
    together = ("--simulator", "reference", "--test", tmp_path / "gone.npz", "--results")
    for arguments, said in (
        (("-o", tmp_path / "file"), "no .snn file"),
        (("-o", tmp_path / "out.snn", *together, tmp_path / "file"), "file: it is a file"),
        (("-o", tmp_path / "out.snn", *together, tmp_path / "full"), "is not empty"),
        (("-o", tmp_path / "r" / "out.snn", *together, tmp_path / "r"), "Cannot write"),
        (("-o", tmp_path / "r", *together, tmp_path / "r"), "would hold"),
    ):
        done = snn(*common, *arguments)
        assert done.exit_code == 2
        assert said in " ".join(done.stderr.split())


def test_a_conversion_that_goes_on_with_its_run_finds_its_artifact(convert, images, tmp_path):
    output, results = tmp_path / "out.snn", tmp_path / "run"
    then = ("--simulator", "reference", "--test", images(), "--results", results, "--json")
    first = json.loads(convert(output, *then).stdout)
    again = json.loads(convert(output, *then, "--resume").stdout)
    assert again == first
    convert(output, *then, "--resume", "--timesteps", 8, refused="it is there already")


# Runs.


@pytest.fixture
def run(snn, artifact, images):
    """Return a function that simulates into a folder."""

    def call(output, *arguments):
        common = ("run", artifact, "--simulator", "reference", "--data", images())
        return snn(*common, "-o", output, *arguments)

    return call


def test_results_are_not_written_to_what_is_no_folder(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "nowhere").symlink_to("gone")
    for name, said in (("notes.txt", "it is a file"), ("nowhere", "it is a link to nothing"),
                       ("n" * 300, "too long for this system")):  # fmt: skip
        for arguments in ((), ("--resume",)):
            done = run(tmp_path / name, *arguments)
            assert done.exit_code == 2
            assert said in done.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "gone").exists()


def test_a_folder_that_only_describes_a_run_may_be_used_anew(run, tmp_path):
    assert run(tmp_path / "r").exit_code == 0
    for path in (tmp_path / "r").rglob("*"):
        if path.is_file() and path.name != "run.json":
            path.unlink()
    assert run(tmp_path / "r", "--batch-size", 3).exit_code == 0, "nothing can be lost"
    (tmp_path / "r" / "notes.txt").write_text("mine")
    assert "is not empty" in run(tmp_path / "r").stderr


def test_a_link_in_a_result_folder_is_not_written_through(run, tmp_path):
    assert run(tmp_path / "r").exit_code == 0
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "r" / "summary.json").unlink()
    (tmp_path / "r" / "summary.json").symlink_to(tmp_path / "mine")
    done = run(tmp_path / "r", "--resume")
    assert done.exit_code == 2
    assert "summary.json: it is a link" in done.stderr
    assert (tmp_path / "mine").read_text() == "mine"


@needs_dev_full
def test_a_disk_that_is_full_in_the_middle_of_a_run_keeps_its_batches(run, tmp_path, monkeypatch):
    import tempfile

    made = []
    mkstemp = tempfile.mkstemp

    def full_at_last(**options):
        made.append(options["prefix"])
        if "00002" in options["prefix"]:
            return os.open(DEV_FULL, os.O_WRONLY), str(tmp_path / "none")
        return mkstemp(**options)

    monkeypatch.setattr("snn_core.files.tempfile.mkstemp", full_at_last)
    done = run(tmp_path / "r", "--batch-size", 5)
    assert done.exit_code == 2
    assert "00002.npz: No space left on device" in done.stderr
    monkeypatch.undo()
    names = {path.name for path in (tmp_path / "r").rglob("*") if path.is_file()}
    assert names == {"run.json", "00000.npz", "00001.npz"}
    assert run(tmp_path / "r", "--batch-size", 5, "--resume").exit_code == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipes_are_not_waited_for(snn, artifact, tmp_path):
    os.mkfifo(tmp_path / "pipe.snn")
    os.mkfifo(tmp_path / "pipe.npz")
    simulate = ("run", artifact, "--simulator", "reference", "--data", tmp_path / "pipe.npz")
    for arguments in (("inspect", tmp_path / "pipe.snn"), simulate):
        done = snn(*arguments)
        assert done.exit_code == 2
        assert "it is a pipe; expected a file" in done.stderr


# Standard output.


def test_a_reader_that_leaves_is_a_short_message(start, artifact):
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in (("inspect", artifact), ("inspect", artifact, "--json"), ("--help",),
                      ("simulators",), ("run", "--help")):  # fmt: skip
        running = start(*arguments, stdout=writing)
        _, messages = running.communicate(timeout=60)
        assert running.returncode == 2, arguments
        assert messages == "Error: The output was closed before all of it was written.\n", arguments
    os.close(writing)


@pytest.mark.skipif(os.name != "posix", reason="closes file descriptors of a process")
@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_closed_output_is_as_good_as_none(closed, start, artifact, images, tmp_path):
    def close():
        for number in closed:
            os.close(number)

    simulate = (
        "run",
        artifact,
        "--simulator",
        "reference",
        "--data",
        images(),
        "-o",
        tmp_path / "r",
    )
    for arguments in (("simulators",), ("inspect", artifact, "--json"), ("--version",), simulate):
        running = start(*arguments, preexec_fn=close)
        _, messages = running.communicate(timeout=60)
        assert (running.returncode, "Traceback" in messages) == (0, False), (arguments, messages)
    assert json.loads((tmp_path / "r" / "summary.json").read_text())["samples"]
    running = start("inspect", tmp_path / "gone.snn", preexec_fn=close)
    assert running.communicate(timeout=60)[1].startswith("" if 2 in closed else "Error: ")
    assert running.returncode == 2


@needs_dev_full
def test_a_full_disk_behind_standard_output_is_a_short_message(start, artifact):
    for arguments in (("inspect", artifact), ("simulators", "--json"), ("--version",)):
        with DEV_FULL.open("w") as full:
            running = start(*arguments, stdout=full)
            _, messages = running.communicate(timeout=60)
        assert running.returncode == 2, arguments
        assert messages.startswith("Error: Cannot read or write: No space left on device."), (
            arguments
        )
        assert messages.count("\n") == 1


def test_what_an_encoding_lacks_is_written_as_an_escape(start, artifact, images):
    process = start("run", artifact, "--simulator", "reference", "--data", images(),
                    env={**os.environ, "PYTHONIOENCODING": "ascii"})  # fmt: skip
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "\\xb5s" in out


def test_paths_are_printed_in_one_line_that_no_terminal_obeys(convert, tmp_path):
    done = convert(tmp_path / "a\n\x1b[2J.snn", "--timesteps", "16")
    assert done.stdout.startswith(f"{tmp_path}/a\\n\\x1b[2J.snn: ")


def test_a_run_that_finds_nothing_to_resume_says_so(snn, artifact, images, tmp_path):
    def call(*more):
        done = snn("run", artifact, "--simulator", "reference", "--data", images(), "--json",
                   "-o", tmp_path / "run", *more)  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return done.stderr

    chosen = "--samples", "3", "--batch-size", "2"
    assert call("--resume", *chosen) == (
        f"{tmp_path / 'run'}: nothing to resume; starts a new run\n"
    )
    assert call("--resume") == ""
    # As if it was stopped before its first batch: what was chosen stays.
    for path in [*(tmp_path / "run" / "batches").iterdir(), tmp_path / "run" / "summary.json"]:
        path.unlink()
    assert call("--resume") == f"{tmp_path / 'run'}: no batch was finished; starts a new run\n"
    result = RunResult.load(tmp_path / "run")
    assert (result.samples, len(list((tmp_path / "run" / "batches").iterdir()))) == (3, 2)


def test_where_nothing_can_be_said_the_status_remains(start, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    running = start("inspect", tmp_path / "gone.snn", stdout=writing, stderr=writing)
    os.close(writing)
    assert running.wait(timeout=60) == 2


# Memory.


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by a call of Linux")
def test_missing_memory_says_how_to_need_less(artifact, tmp_path):
    data = tmp_path / "many.npz"
    np.savez(data, x=np.zeros((300_000, 6, 6, 1), np.uint8), y=np.zeros(300_000, int))
    limited = textwrap.dedent("""
        import resource, sys
        import numpy, scipy.sparse, snn_core.running.run
        from snn_core.cli import main
        from snn_core.simulation import registry
        registry.get("reference")
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        room = used + 400_000_000
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        main(sys.argv[1:])
    """)
    common = ("run", artifact, "--simulator", "reference", "--data", data, "-o", tmp_path / "r")

    def call(*arguments):
        command = [sys.executable, "-c", limited, *map(str, common), *map(str, arguments)]
        # More threads than one need memory of their own.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=environment, check=False
        )

    done = call("--batch-size", 300_000)
    assert done.returncode == 2, done.stderr
    assert "There is not enough memory" in done.stderr
    assert "--batch-size" in done.stderr
    assert "Traceback" not in done.stderr
    done = call("--batch-size", 20, "--samples", 40)
    assert done.returncode == 0, f"the advice does not help: {done.stderr}"

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from snn_core.cli.signals import ended_by_signals, stop_requested
from snn_core.data import Dataset
from snn_core.data.lazy import LazyItems, LazySamples
from snn_core.phases import StopSimulation, at_once, when_asked
from snn_core.running.run import run
from snn_core.testing import networks

ENDING = [signal.SIGTERM, signal.SIGHUP]


def send(number):
    os.kill(os.getpid(), number)
    signal.getsignal(number)  # the handler has run by the next call


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_command_as_an_exception_does(number):
    cleaned = []

    def work():
        with ended_by_signals():
            try:
                send(number)
            finally:
                cleaned.append(number)

    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        work()
    assert ended.value.code == 128 + number
    assert cleaned == [number]
    assert signal.getsignal(number) == before


def test_what_the_caller_ignores_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with ended_by_signals(), stop_requested("Stopping.", print) as stop:
            send(signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
def test_the_first_signal_asks_and_the_second_ends(number):
    said = []

    def work():
        with stop_requested("Stopping.", said.append) as stop, when_asked():
            assert not stop()
            send(number)
            assert stop()
            assert stop.status == 128 + number
            send(number)

    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        work()
    assert said == ["Stopping."]


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING])
@pytest.mark.parametrize("within", [at_once, when_asked])
def test_the_first_signal_ends_at_once_what_does_not_ask(number, within):
    said = []

    def work(request):
        if within is when_asked:
            with when_asked(), at_once():  # as a batch is read, or compiled
                send(number)
        send(number)

    with stop_requested("Stopping.", said.append) as stop:
        with pytest.raises(StopSimulation):
            work(stop)
        assert stop.status == 128 + number
    assert not said


def signalled_samples(index, folder):
    """Return samples that are read when they are needed; during a run one of them gets a signal."""

    def read(i):
        if i == index and (folder / "run.json").exists():
            send(signal.SIGTERM)
        return np.full(4, i / 8, np.float32)

    return LazySamples(LazyItems(read, range(8)), (4,))


@pytest.mark.parametrize(("index", "kept"), [(2, 2), (5, 4), (7, 6)])
def test_reading_is_ended_and_keeps_the_batches_before(index, kept, tmp_path):
    data = Dataset(
        x_b_l=signalled_samples(index, tmp_path / "run"),
        labels_b=None,
        sample_ids=range(8),
        name="samples",
        sha256="",
    )
    with stop_requested("Stopping.", print) as stop:
        found = run(
            networks.dense(), "reference", data=data, timesteps=4, batch_size=2, stop=stop,
            output_dir=tmp_path / "run", settings={"simulation": {"task": "regression"}},
        )  # fmt: skip
    assert found.interrupted
    assert found.samples == kept
    assert len(list((tmp_path / "run").glob("batches/[0-9]*.npz"))) == kept // 2


SLOW = """
import signal, sys, time
import snn_core.reading
from snn_core.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where it is ignored

def wait(*_arguments, **_options):
    print("reading", flush=True)
    time.sleep(60)  # which goes on after a signal whose handler only takes a note

snn_core.reading.read_npz = wait
main(sys.argv[1:])
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("command", ["run", "convert"])
def test_one_signal_ends_a_command_that_is_stuck_in_reading(
    artifact, classifier, images, tmp_path, name, command
):
    arguments = {
        "run": ("run", artifact, "--simulator", "reference"),
        "convert": ("convert", classifier(), "-o", tmp_path / "out.snn"),
    }[command]
    stuck = subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, arguments), "--data", str(images())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert stuck.stdout.readline() == "reading\n"
    stuck.send_signal(getattr(signal, name))
    _, messages = stuck.communicate(timeout=30)
    assert stuck.returncode == 128 + getattr(signal, name)
    assert "Traceback" not in messages
    if command == "run":
        assert "Stopped before the first batch was finished." in messages


@pytest.fixture
def failing(snn, artifact, monkeypatch):
    """Return a function that inspects an artifact of which reading raises an error."""

    def call(error):
        def fail(*_arguments):
            raise error

        # First where it is imported to, or that would keep what fails for good
        monkeypatch.setattr("snn_core.cli.inspect.load_artifact", fail)
        monkeypatch.setattr("snn_core.artifact.load_artifact", fail)
        return snn("inspect", artifact)

    return call


def test_ctrl_c_ends_any_command_with_its_status(failing):
    done = failing(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (130, "Stopped.\n")


def test_a_bug_that_reads_beyond_an_end_is_shown_as_one(failing):
    with pytest.raises(RuntimeError, match="read beyond its end"):
        failing(EOFError())

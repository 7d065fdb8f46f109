import os
import signal

import pytest

from snn_core.cli.signals import ended_by_signals, stop_requested

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
        with stop_requested("Stopping.", said.append) as stop:
            assert not stop()
            send(number)
            assert stop()
            assert stop.status == 128 + number
            send(number)

    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        work()
    assert said == ["Stopping."]


@pytest.fixture
def failing(snn, artifact, monkeypatch):
    """Return a function that inspects an artifact of which reading raises an error."""

    def call(error):
        def fail(*_arguments):
            raise error

        monkeypatch.setattr("snn_core.artifact.load_artifact", fail)
        monkeypatch.setattr("snn_core.cli.inspect.load_artifact", fail)
        return snn("inspect", artifact)

    return call


def test_ctrl_c_ends_any_command_with_its_status(failing):
    done = failing(KeyboardInterrupt())
    assert (done.exit_code, done.stderr) == (130, "Stopped.\n")


def test_a_bug_that_reads_beyond_an_end_is_shown_as_one(failing):
    with pytest.raises(RuntimeError, match="read beyond its end"):
        failing(EOFError())

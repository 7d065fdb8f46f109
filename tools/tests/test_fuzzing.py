"""What the fuzzing counts as read, refused and crashed."""

from __future__ import annotations

import base64
import os
import signal

import pytest

from fuzzing import tally as tallies
from fuzzing.packages import READERS
from fuzzing.readers import Reader
from fuzzing.tally import Tally, read_once
from snn_core.errors import OutOfMemoryError, SNNError


@pytest.fixture(autouse=True)
def few_seconds(monkeypatch):
    monkeypatch.setattr(tallies, "EACH_S", 0.2)
    monkeypatch.setattr(tallies, "WAITING_S", 0.5)


def read(tmp_path, reader, content=b"content"):
    tally, path = Tally(), tmp_path / "a.bin"
    path.write_bytes(content)
    read_once(Reader(dict, reader), path, content, tally)
    return tally


def fails(error):
    def reader(_path):
        raise error

    return reader


def test_what_is_read_or_refused_is_no_crash(tmp_path):
    assert read(tmp_path, lambda path: path.read_bytes()) == Tally(
        read=1, slowest_s=pytest.approx(0, abs=0.2)
    )
    assert read(tmp_path, fails(SNNError("no"))).refused == 1


@pytest.mark.parametrize("error", [KeyError("a"), RecursionError(), OutOfMemoryError("no")])
def test_any_other_error_is_a_crash_whose_input_is_kept(tmp_path, error):
    tally = read(tmp_path, fails(error))
    assert (tally.inputs, tally.read, tally.refused) == (1, 0, 0)
    [(name, content)] = tally.kept.items()
    assert name.startswith(type(error).__name__)
    assert base64.b64decode(content) == b"content"


def compute(_path):
    while True:
        pass


def wait(_path):
    signal.pause()


@pytest.mark.parametrize("reader", [compute, wait])
def test_what_computes_or_waits_too_long_is_a_crash(tmp_path, reader):
    [text] = read(tmp_path, reader).crashes.values()
    assert "TooSlowError" in text


def test_the_alarm_is_off_afterwards(tmp_path):
    read(tmp_path, lambda _path: None)
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_process_that_ended_is_a_crash_of_its_newest_file(tmp_path):
    for age, name in enumerate(["new.h5", "old.h5"]):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, ns=(0, 10**9 - age))
    tally = Tally.of_signal(signal.SIGSEGV, tmp_path, seed=3)
    assert tally.crashes == {"SIGSEGV": "the process ended with SIGSEGV, seed 3"}
    assert base64.b64decode(tally.kept["SIGSEGV.h5"]) == b"new.h5"


def test_every_package_with_readers_is_fuzzed():
    assert {"probes", "requests", "netlists", "exported"} < READERS.keys()


@pytest.mark.parametrize("family", READERS)
def test_fuzzing_starts_from_files_that_are_read(tmp_path, family):
    reader = READERS[family]
    seeds = reader.seeds()
    assert seeds
    for name, content in seeds.items():
        path = tmp_path / name.replace("/", "@")
        path.write_bytes(content)
        reader.read(path)

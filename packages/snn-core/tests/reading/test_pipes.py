"""Pipes, devices and sockets where files are expected: refused by every reader, not waited for."""

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

from snn_core import artifact
from snn_core.data import load_dataset
from snn_core.data.events import read_events
from snn_core.errors import DataError, SNNError
from snn_core.files import hash_file
from snn_core.parsing.base import read as read_model
from snn_core.reading import while_reading
from snn_core.running.result import RunResult
from snn_core.settings import Settings

pytestmark = pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="this system has no pipes with names"
)


@pytest.fixture(autouse=True)
def in_time():
    """Fail where a reader waits; that is no exception that a reader takes for damage."""

    def fail(*_):
        pytest.fail("it was waited for")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def original(folder):
    return Settings.of({"paths": {"filename_clamp_indices": str(folder / "clamp.json")}})


READERS = {
    "data.npz": load_dataset,
    "data.npy": load_dataset,
    "x_test.npz": lambda path: load_dataset(path.parent),
    "x_norm.npz": lambda path: load_dataset(path.parent, part="calibration"),
    "events.npz": read_events,
    "events.npy": read_events,
    "events.h5": read_events,
    "events.aedat": read_events,
    "events.aedat4": read_events,
    "settings.toml": Settings.load,
    "settings.ini": Settings.load,
    "settings.json": Settings.load,
    "clamp.json": lambda path: original(path.parent),
    "model.keras": read_model,
    "model.h5": read_model,
    "model.onnx": read_model,
    "model.pt2": read_model,
    "network.snn": artifact.load,
    "run.json": lambda path: RunResult.load(path.parent),
    "weights.pth": hash_file,
}


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("name", READERS)
def test_a_pipe_is_refused(tmp_path, name, linked):
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(tmp_path / "pipe" if linked else folder / name)
    if linked:
        (folder / name).symlink_to(tmp_path / "pipe")
    with pytest.raises(SNNError, match=f"{name}: it is a pipe; expected a file"):
        READERS[name](folder / name)


def test_a_pipe_beside_samples_is_no_sample(tmp_path):
    """Folders are searched for arrays, images and recordings, of which a pipe is none."""
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match=r"holds no files ending in|neither images nor recordings"):
        load_dataset(tmp_path)
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "0.npz", x=[0, 1], y=[0, 1], t=[0, 5], p=[0, 1])
        os.mkfifo(tmp_path / name / "1.npz")
    assert len(load_dataset(tmp_path, settings={"chip_size": (2, 2)})) == 2


@pytest.mark.parametrize("name", ["zero", "urandom", "tty"])
def test_a_device_is_refused(tmp_path, name):
    (tmp_path / "x.npz").symlink_to(Path("/dev") / name)
    with pytest.raises(DataError, match=r"x\.npz: it is a device"):
        load_dataset(tmp_path / "x.npz")


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("x.npz")
        with pytest.raises(DataError, match=r"x\.npz: it is a socket"):
            load_dataset("x.npz")


def test_every_block_that_reads_a_file_refuses_what_is_none(tmp_path):
    """So no reader has to think of it."""
    os.mkfifo(tmp_path / "pipe")
    for what, options in ((tmp_path / "pipe", {}), ("the file", {"file": tmp_path / "pipe"})):
        with (
            pytest.raises(DataError, match="it is a pipe"),
            while_reading(what, error=DataError, advice="copy it again", **options),
        ):
            (tmp_path / "pipe").read_bytes()

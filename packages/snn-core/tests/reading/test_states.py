"""Files that are read more than once: changes are noticed, and touches are none."""

import os
import time

import pytest

from snn_core.errors import DataError, ParseError
from snn_core.reading import FileStates

pytestmark = pytest.mark.skipif(os.name == "nt", reason="files do not tell when they were touched")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"first")
    os.utime(tmp_path / "a.bin", ns=(0, 0))
    return tmp_path / "a.bin"


def tick():
    time.sleep(0.02)  # more than a tick of the clock of file systems


def rewrite(path, content=b"other"):
    """Write other content of the same length into a file, and set its time back."""
    tick()
    path.write_bytes(content)
    os.utime(path, ns=(0, 0))


def look(states, path):
    with states.watch(path):
        return path.read_bytes()


def test_another_content_of_the_same_size_and_time_is_refused(path):
    states = FileStates(error=ParseError)
    look(states, path)
    rewrite(path)
    for _ in range(2):
        with pytest.raises(
            ParseError, match=r"a\.bin changed after it was read for the first time"
        ):
            look(states, path)


def test_a_change_while_a_file_is_read_is_refused(path):
    states = FileStates()
    with pytest.raises(DataError, match="changed after"), states.watch(path):
        rewrite(path)


def test_a_touch_is_no_change_but_hides_none(path, tmp_path):
    states = FileStates()
    look(states, path)
    for touch in (
        lambda: path.chmod(0o600),
        lambda: os.link(path, tmp_path / "link"),
        lambda: os.utime(path, ns=(5, 0)),
        lambda: rewrite(path, b"first"),
    ):
        tick()
        touch()
        assert look(states, path) == b"first"
    rewrite(path)
    path.chmod(0o644)
    with pytest.raises(DataError, match="changed after"):
        look(states, path)


def test_a_file_that_is_looked_at_again_is_not_read_again(path, monkeypatch):
    states = FileStates()
    look(states, path)
    opened, real = [], type(path).open
    monkeypatch.setattr(type(path), "open", lambda *a, **k: opened.append(a) or real(*a, **k))
    for _ in range(3):
        with states.watch(path):
            pass
    assert not opened


def test_what_cannot_be_read_is_left_to_who_reads_it(path, tmp_path, monkeypatch):
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with FileStates().watch(tmp_path / "pipe"):  # nobody waits for it
            pass
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "4")
    states = FileStates()
    with states.watch(path):  # no hash of what no reader takes
        pass
    tick()
    path.chmod(0o600)
    with pytest.raises(DataError, match="changed after"), states.watch(path):
        pass

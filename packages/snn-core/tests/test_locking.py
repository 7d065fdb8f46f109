import os
import subprocess
import sys

import pytest

from snn_core.errors import DataError
from snn_core.files import locking
from snn_core.files.locking import LockedError, locked, require_unlocked

HOLD = """
import sys
from pathlib import Path
from snn_core.files.locking import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], text=True, **pipes) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_lock_of_another_process_names_it(path, holder):
    for hold in (lambda: locked(path).__enter__(), lambda: require_unlocked(path)):
        with pytest.raises(LockedError, match=f"locked by process {holder.pid}\\.$"):
            hold()


def test_a_lock_goes_with_its_process(path, holder):
    holder.kill()
    holder.wait()
    assert path.exists()
    require_unlocked(path)
    with locked(path):
        assert path.read_text().startswith(f"{os.getpid()} ")
    assert not path.exists()


def test_a_lock_on_another_computer_names_it(path, holder, monkeypatch):
    there = locking.platform.node()
    monkeypatch.setattr(locking.platform, "node", lambda: "here")
    with pytest.raises(LockedError, match=f"process {holder.pid} on {there}"):
        require_unlocked(path)


@pytest.mark.parametrize("content", ["", "\x1b[2J", "12 \x1b\n", "99999999999 here\n"])
def test_what_names_no_process_is_not_repeated(path, holder, content):
    path.write_text(content)
    with pytest.raises(LockedError, match="locked by another process"):
        require_unlocked(path)


def test_a_lock_is_taken_again_and_again(path):
    for _ in range(3):
        with locked(path), pytest.raises(LockedError), locked(path):
            pass
    require_unlocked(path)
    assert not path.exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_tried_again(path, monkeypatch):
    """Between opening and locking, its owner may remove the file: that lock would hold nothing."""
    lock, removed = locking.try_lock, []

    def remove_first(handle):
        if not removed:
            removed.append(path.unlink())
        return lock(handle)

    path.touch()
    monkeypatch.setattr(locking, "try_lock", remove_first)
    with locked(path):
        assert path.exists()
        with pytest.raises(LockedError):
            require_unlocked(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")
@pytest.mark.parametrize("error", [OSError(95, "not supported"), OSError(37, "no locks")])
def test_where_a_file_system_knows_no_locks_work_goes_on(path, monkeypatch, error):
    import fcntl

    def refuse(*_):
        raise error

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(path):
        require_unlocked(path)
    assert not path.exists()


def test_where_nothing_can_be_written_work_goes_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(os, "open", refuse)
    with locked(tmp_path / ".lock"):
        pass


def refuse_writing(monkeypatch):
    """Let files that are there be opened for reading alone, as those of another user can be."""
    open_any = os.open

    def open_to_read(path, flags, *mode):
        if flags & os.O_RDWR and os.path.lexists(path):
            raise PermissionError(13, "Permission denied")
        return open_any(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_to_read)


def test_a_lock_of_another_user_holds(path, holder, monkeypatch):
    refuse_writing(monkeypatch)
    for hold in (lambda: locked(path).__enter__(), lambda: require_unlocked(path)):
        with pytest.raises(LockedError, match=f"locked by process {holder.pid}\\.$"):
            hold()


def test_what_another_user_left_is_replaced(path, monkeypatch):
    path.write_text("1 there\n")
    refuse_writing(monkeypatch)
    require_unlocked(path)
    with locked(path):
        assert path.read_text().startswith(f"{os.getpid()} ")
        with pytest.raises(LockedError):
            require_unlocked(path)
    assert not path.exists()


def test_what_another_user_left_is_kept_where_it_cannot_be_removed(path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    path.write_text("1 there\n")
    refuse_writing(monkeypatch)
    monkeypatch.setattr(type(path), "unlink", refuse)
    with locked(path), pytest.raises(LockedError):
        require_unlocked(path)
    assert path.read_text() == "1 there\n"


@pytest.mark.parametrize("made", ["long", "folder", "link", "pipe", "unreadable"])
def test_what_cannot_be_locked_is_refused_and_left_alone(path, tmp_path, monkeypatch, made):
    if os.name == "nt" and made in ("link", "pipe"):
        pytest.skip("links need rights on Windows, which has no pipes in folders")
    other = tmp_path / "other"
    other.touch()
    {
        "long": lambda: path.write_text("a" * 1000),
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(other),
        "pipe": lambda: os.mkfifo(path),
        "unreadable": path.touch,
    }[made]()
    before = path.lstat()
    if made == "unreadable":  # root may read everything

        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    for hold in (lambda: locked(path).__enter__(), lambda: require_unlocked(path)):
        with pytest.raises(DataError, match=r"\.lock cannot be locked: .*\. Remove it if no other"):
            hold()
    assert os.path.samestat(before, path.lstat())
    assert other.read_bytes() == b""

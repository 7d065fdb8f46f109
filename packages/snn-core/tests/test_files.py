import errno
import hashlib
import os
import socket
import stat
from pathlib import Path

import pytest

from snn_core.errors import DataError, OutOfMemoryError, ParseError, SNNError
from snn_core.files import (
    FileKind,
    atomic_write,
    explain_failures,
    hash_file,
    list_folder,
    make_folder,
    redirect_process_stderr,
    require_writable,
)


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "out"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_files_get_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    with atomic_write(tmp_path / "ours") as file:
        file.write(b"")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def write():
        with atomic_write(path, overwrite=True) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_file_cannot_be_written_where_there_is_no_folder(tmp_path):
    for check in (require_writable, lambda path: atomic_write(path).__enter__()):
        with pytest.raises(DataError, match=r"Cannot write .*gone"):
            check(tmp_path / "gone" / "out")


def write(path, **options):
    with atomic_write(path, **options) as file:
        file.write(b"new")


ENDING_IN_X = FileKind("text that ends in x", lambda path: path.read_bytes().endswith(b"x"))


def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old x")
    for check in (require_writable, write):
        with pytest.raises(DataError, match=r"out: it is there already.*--force"):
            check(path, kind=ENDING_IN_X)
    require_writable(path, kind=ENDING_IN_X, overwrite=True)
    assert path.read_bytes() == b"old x"
    write(path, kind=ENDING_IN_X, overwrite=True)
    assert path.read_bytes() == b"new"


def test_a_file_of_another_kind_is_never_replaced(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    for check in (require_writable, write):
        for overwrite in (False, True):
            with pytest.raises(DataError, match="a file that is no text that ends in x is there"):
                check(path, kind=ENDING_IN_X, overwrite=overwrite)
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_plain_file_is_never_replaced(tmp_path, monkeypatch, overwrite):
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    (tmp_path / "real").write_bytes(b"kept")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    places = {"link": "a link", "dangling": "a link", "folder": "a folder", "pipe": "a pipe",
              "socket": "a socket"}  # fmt: skip
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        before = {name: (tmp_path / name).lstat().st_mode for name in places}
        for check in (require_writable, write):
            for name, word in places.items():
                with pytest.raises(DataError, match=f"{name}: it is {word}"):
                    check(tmp_path / name, overwrite=overwrite)
        assert {name: (tmp_path / name).lstat().st_mode for name in places} == before
    assert (tmp_path / "real").read_bytes() == b"kept"
    assert len(list(tmp_path.iterdir())) == len(places) + 1


def test_a_device_is_never_replaced():
    with pytest.raises(DataError, match="null: it is a device"):
        require_writable(Path(os.devnull), overwrite=True)


def test_what_appears_while_a_file_is_written_is_not_lost(tmp_path):
    path = tmp_path / "out"

    def write_slowly():
        with atomic_write(path) as file:
            file.write(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(DataError, match="it is there already"):
        write_slowly()
    assert path.read_bytes() == b"theirs"
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_names_may_be_as_long_as_the_system_has_them(tmp_path):
    write(tmp_path / ("n" * 250))
    with pytest.raises(DataError, match="Cannot write"):
        write(tmp_path / ("n" * 300))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    # The temporary file is the one thing that is really written.
    full = lambda **_: (os.open("/dev/full", os.O_WRONLY), str(tmp_path / "gone"))  # noqa: E731
    monkeypatch.setattr("snn_core.files.tempfile.mkstemp", full)
    with pytest.raises(DataError, match=r"out: No space left on device"):
        write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file_name(tmp_path):
    with pytest.raises(DataError, match="it is a folder"):
        require_writable(tmp_path)


def test_folders_are_made_with_their_parents(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_cannot_be_made_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Choose another output folder"):
        make_folder(tmp_path / "file" / "folder")


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_folders_are_made_where_they_are_named_only(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "out").symlink_to(tmp_path)
    make_folder(tmp_path / "link" / "a" / "b", within=tmp_path / "link")
    for wanted in ("out", "out/a", "out/a/b"):
        with pytest.raises(DataError, match=r"real/out: it is a link"):
            make_folder(tmp_path / "real" / wanted, within=tmp_path / "real")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to("gone")
    for use in (make_folder, list_folder):
        with pytest.raises(DataError, match=r"file: it is a file\. Choose another output folder"):
            use(tmp_path / "file")
        with pytest.raises(DataError, match="Cannot write to the folder"):
            use(tmp_path / "nowhere")
    assert list_folder(tmp_path / "missing") == []
    assert [path.name for path in list_folder(tmp_path)] == ["file", "nowhere"]


def test_failures_of_the_system_name_the_path_and_what_to_do(tmp_path):
    with (
        pytest.raises(DataError, match=r"gone: No such file or directory\. Check the path"),
        explain_failures(memory="."),
    ):
        (tmp_path / "gone").read_bytes()
    with pytest.raises(DataError, match="Make room on the disk"), explain_failures(memory="."):
        raise OSError(errno.ENOSPC, "No space left on device", "out")
    with pytest.raises(DataError, match="output was closed"), explain_failures(memory="."):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_missing_memory_is_both_kinds_of_error_and_says_what_to_do():
    @explain_failures(memory="Use less.")
    def need(error):
        raise error

    with pytest.raises(OutOfMemoryError, match=r"not enough memory \(16 TB\)\. Use less\.") as said:
        need(MemoryError("16 TB"))
    assert isinstance(said.value, SNNError)
    assert isinstance(said.value, MemoryError)
    with pytest.raises(OutOfMemoryError) as passed:
        need(said.value)
    assert passed.value is said.value, "the first advice is the nearest to the cause"
    with pytest.raises(ParseError, match=r"^as it was$"):
        need(ParseError("as it was"))


def test_a_hash_is_that_of_all_bytes(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 2**13)  # two blocks
    assert hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("error", [DataError, ParseError])
def test_hashing_a_missing_file_raises_the_error_of_the_caller(tmp_path, error):
    with pytest.raises(error, match=r"Cannot read .*gone: No such file.* Check the path\."):
        hash_file(tmp_path / "gone", error=error)


def test_standard_error_of_the_whole_process_goes_into_a_file(tmp_path, capfd):
    with (tmp_path / "kept").open("w+b") as kept:
        with redirect_process_stderr(kept):
            os.write(2, b"from C")
        os.write(2, b"afterwards")
        kept.seek(0)
        assert kept.read() == b"from C"
    assert capfd.readouterr().err == "afterwards"

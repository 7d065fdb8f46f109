import hashlib
import os
import stat

import pytest

from snn_core.errors import DataError, ParseError
from snn_core.files import (
    atomic_write,
    hash_file,
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
        with atomic_write(path) as file:
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


def test_a_hash_is_that_of_all_bytes(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 2**13)  # two blocks
    assert hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("error", [DataError, ParseError])
def test_hashing_a_missing_file_raises_the_error_of_the_caller(tmp_path, error):
    with pytest.raises(error, match=r"Cannot read .*gone: No such file"):
        hash_file(tmp_path / "gone", error=error)


def test_standard_error_of_the_whole_process_goes_into_a_file(tmp_path, capfd):
    with (tmp_path / "kept").open("w+b") as kept:
        with redirect_process_stderr(kept):
            os.write(2, b"from C")
        os.write(2, b"afterwards")
        kept.seek(0)
        assert kept.read() == b"from C"
    assert capfd.readouterr().err == "afterwards"

"""Archives, arrays, JSON and HDF5 files that lie about what they hold."""

import io
import json
import os
import signal
import struct
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from snn_core.errors import (
    DataError,
    DataWarning,
    OutOfMemoryError,
    SNNError,
    UnsupportedError,
    printable_line,
    warn,
)
from snn_core.ir.network import UnknownLayerError
from snn_core.reading import (
    child,
    describe_npy,
    hdf5,
    open_archive,
    parse_json,
    printable,
    printable_tree,
    read_json,
    read_member,
    read_npy,
    read_npz,
    while_reading,
)
from snn_core.reading.child import end_in_child

ARRAYS = {
    "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
    "transposed": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 4), np.int16),
    "records": np.array([(1, 2.5)], dtype=[("t", "<u8"), ("x", "<f4")]),
    "texts": np.array(["a", "bc"]),
    "big": np.arange(4, dtype=">i4"),
}

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is not limited elsewhere")


def reading():
    return while_reading("the file", error=DataError, advice="copy it again")


def test_arrays_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros(3))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x", archive.read("x.npy"))  # as numpy.load reads a member, too
    with pytest.raises(DataError, match="several arrays have the same name"), reading():
        read_npz(path)


def many_members(number):
    """Return an archive that lists members without having them."""
    entry = struct.pack("<I", 0x02014B50) + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"x"
    listed = entry * number
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, number, number, len(listed), 0)
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(listed), 1)
    last = 2**16 - 1
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, last, last, 2**32 - 1, 2**32 - 1, 0)
    return listed + end64 + locator + end


@pytest.mark.parametrize(
    ("number", "limit", "message"),
    [
        (600_000, "4G", "a list of members of 28200000 bytes; at most 16777216 are read"),
        (300_000, "100M", "the list of its members would take 215 MiB"),
        (110_000, "4G", "110000 members; at most 100000 are read"),
    ],
)
def test_the_list_of_members_is_counted_before_it_is_read(tmp_path, monkeypatch, number, limit,
                                                          message):  # fmt: skip
    content = many_members(number)
    (tmp_path / "a.zip").write_bytes(content)
    monkeypatch.setenv("SNN_MEMORY_LIMIT", limit)
    tracemalloc.start()
    for file in (tmp_path / "a.zip", io.BytesIO(content)):
        with pytest.raises(DataError, match=message), reading(), open_archive(file):
            pytest.fail("opened")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (2**20 if "list" in message else 16 * len(content))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, save):
    save(tmp_path / "a.npz", **ARRAYS)
    with reading():
        found = read_npz(tmp_path / "a.npz")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert found[name].flags.f_contiguous == array.flags.f_contiguous


def test_a_single_array_is_read(tmp_path):
    np.save(tmp_path / "a.npy", ARRAYS["plain"])
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), ARRAYS["plain"])
    np.testing.assert_array_equal(read_npy((tmp_path / "a.npy").read_bytes()), ARRAYS["plain"])


def header(text, version=1):
    text = text.encode() + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text


def described(shape, descr="'<f4'"):
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (described("(1000000000000,)"), "declares 4000000000000 bytes .* and holds 0"),
        (described(f"({2**70},)"), "declares"),
        (described("(-1,)"), r"declares -4|found the shape"),
        (described("(-1, -4)") + b"\0" * 16, r"found the shape \(-1, -4\)"),
        (described("(1,)", "'|O'") + b"\0" * 8, "pickled objects are never read"),
        (described("(2,)") + b"\0" * 7, "declares 8 bytes .* and holds 7"),
        (described("(2,)") + b"\0" * 9, "declares 8 bytes .* and holds 9"),
        (b"\x80\x04K\x01.", "no plain array; pickled objects are never read"),
        (header("[" * 500), "cannot be read"),
        (header("{'descr': 1}"), "cannot be read"),
        (b"\x93NUMPY\x07\x00", "array in version"),
        (b"", "no plain array"),
    ],
)
def test_arrays_that_lie_about_their_size_are_refused(content, message):
    with pytest.raises(DataError, match=message), reading():
        read_npy(content)


WITHOUT_SIZE = ["'|V0'", "'|S0'", "'<U0'", "[]", "[('x', '|V0')]", "[('x', '<f4', (0,))]"]
OF_NO_NUMBERS = [
    "'|V8'", "'<M8[s]'", "'<m8[s]'", "[('x', '<M8[s]')]", "[('x', [('y', '|V8')])]",
    "[('x', '|V0'), ('y', '<f4')]", "('<f4', (2,))",
]  # fmt: skip


@pytest.mark.parametrize("descr", [*WITHOUT_SIZE, *OF_NO_NUMBERS])
@pytest.mark.parametrize("shape", [f"({2**62},)", f"(0, {2**70})", "(2, 3)", "()"])
def test_values_without_a_size_or_that_are_no_numbers_are_refused(tmp_path, descr, shape):
    """A file of some bytes could declare any number of them."""
    content = described(shape, descr)
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    for read, file in (
        (read_npy, content),
        (read_npy, tmp_path / "a.npy"),
        (describe_npy, tmp_path / "a.npy"),
        (read_npz, tmp_path / "a.npz"),
    ):
        with pytest.raises(DataError, match=r"values of type|cannot be read"), reading():
            read(file)


@pytest.mark.parametrize("shape", [f"(0, {2**62})", f"(0, {2**70})", f"({2**70}, 0)"])
def test_an_array_without_values_of_a_shape_that_numpy_lacks_is_refused(shape):
    with pytest.raises(DataError, match="cannot be read"), reading():
        read_npy(described(shape))


def test_the_head_of_an_array_tells_what_it_is(tmp_path):
    for name, array in ARRAYS.items():
        np.save(tmp_path / f"{name}.npy", array)
        assert describe_npy(tmp_path / f"{name}.npy") == (array.shape, array.dtype)


def bomb(size):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(size))
    return file


def unpack(file):
    with reading(), open_archive(file) as archive:
        read_member(archive, "a")


def test_a_small_archive_that_unpacks_to_much_is_refused_before(monkeypatch):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "10M")
    file = bomb(2**26)
    tracemalloc.start()
    with pytest.raises(DataError, match="a would take 64 MiB"):
        unpack(file)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_member_is_not_unpacked_beyond_what_it_declares():
    content = bytearray(bomb(2**26).getvalue())
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = content.find(signature) + offset
        content[at : at + 4] = struct.pack("<I", 1000)
    tracemalloc.start()
    with pytest.raises(DataError, match="cannot be read"):
        unpack(io.BytesIO(content))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [(8, 1, "encrypted"), (6, 255, "zip file version"), (10, 99, "compression")],
)
def test_members_that_cannot_be_unpacked_are_refused(place, value, message):
    content = bytearray(bomb(2**20).getvalue())
    content[content.find(b"PK\1\2") + place] = value
    with pytest.raises(DataError, match=message):
        unpack(io.BytesIO(content))


def archive(content=b"first", *, comment=b"", **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as opened:
        opened.writestr("a", content)
        opened.comment = comment
    return file.getvalue()


def behind(content):
    """Return a content and an archive behind it, whose places count from the content's start."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as opened:
        opened.writestr("a", b"second")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive() + archive(b"second"), "105 bytes before the archive; expected it alone"),
        (archive(comment=b"c" * 9) + archive(comment=b"d"), "114 bytes before the archive"),
        (archive(comment=archive(b"second")), "bytes before the archive"),
        (archive(comment=b"PK\5\6" + bytes(30)), "bytes before the archive"),
        (b"junk" * 100 + archive(), "400 bytes before the archive"),
        (behind(b"junk" * 100), "400 bytes before the archive"),
        (b"\0" + archive(comment=b"c"), "1 bytes before the archive"),
        (
            archive() + b"\0",
            "bytes behind the archive, or missing there; expected it alone and whole",
        ),
        (archive() + bytes(60_000), "bytes behind the archive"),
        (archive(comment=b"c" * 30) + b"junk", "bytes behind the archive"),
        (archive(comment=b"c" * 30)[:-1], "bytes behind the archive"),
    ],
)
def test_archives_with_anything_around_them_are_refused(tmp_path, content, message):
    """The last of several was read, whatever lay before and behind it."""
    (tmp_path / "a.zip").write_bytes(content)
    for file in (io.BytesIO(content), tmp_path / "a.zip"):
        with pytest.raises(DataError, match=message):
            unpack(file)


def test_archives_are_read_however_they_were_written(tmp_path):
    class Stream(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise OSError("cannot seek")

    streamed, grown, aligned = Stream(), io.BytesIO(archive()), io.BytesIO()
    with zipfile.ZipFile(streamed, "w") as opened:
        opened.writestr("a", b"first")  # sizes lie behind the member
    with zipfile.ZipFile(grown, "a") as opened:
        opened.writestr("b", b"second")
    with zipfile.ZipFile(aligned, "w") as opened:
        info = zipfile.ZipInfo("a")
        info.extra = struct.pack("<HH", 0x4246, 60) + b"Z" * 60  # as PyTorch aligns values
        opened.writestr(info, b"first")
    with (
        zipfile.ZipFile(tmp_path / "large.zip", "w") as opened,
        opened.open("a", "w", force_zip64=True) as member,
    ):
        member.write(b"first")
    for file in (
        io.BytesIO(archive()),
        io.BytesIO(archive(comment=b"c" * 65535)),
        io.BytesIO(archive(compression=zipfile.ZIP_DEFLATED)),
        io.BytesIO(streamed.getvalue()),
        grown,
        aligned,
        tmp_path / "large.zip",
    ):
        with reading(), open_archive(file) as opened:
            assert read_member(opened, "a") == b"first"
    nothing = io.BytesIO()
    with zipfile.ZipFile(nothing, "w"):
        pass
    with reading(), open_archive(nothing) as opened:
        assert opened.namelist() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "m holds a JSON list, expected an object"),
        ("{", "m is no JSON"),
        ("[" * 100_000, "m is no JSON"),
        ('{"a": ' + "[" * 64 + "]" * 64 + "}", "more than 64 deep"),
        (b"\xff\xfe\x00", "m is no JSON"),
        ("1" * 10_000, "m is no JSON"),
    ],
)
def test_json_that_is_no_object_or_too_deep_is_refused(text, message):
    with pytest.raises(DataError, match=message), reading():
        parse_json(text, "m")


LETTERS = "a" * 64
STRUCTURES = {
    "objects": '["a",' + "{}," * 30_000 + "{}]",
    "lists": "[" + "[]," * 30_000 + "[]]",
    "lists of one": "[" + "[0.5]," * 30_000 + "[]]",
    "objects of one": "[" + '{"":0},' * 30_000 + "{}]",
    "deep lists": "[" + ("[" * 50 + "]" * 50 + ",") * 500 + "0]",
    "deep objects": "[" + ('{"":' * 50 + "0" + "}" * 50 + ",") * 500 + "0]",
    "keys": "{" + ",".join(f'"{i:x}":0' for i in range(43_691)) + "}",
    "numbers": "[" + "1e9," * 50_000 + "0]",
    "texts": "[" + '"ab",' * 50_000 + "0]",
    "a wide text": '["\U0001f600' + LETTERS * 2000 + '"]',
    "an escaped wide text": '["\\ud83d\\ude00' + LETTERS * 2000 + '"]',
    "control characters": '["\U0001f600' + "\x7f" * 2**17 + '"]',
    "large control characters": '["' + "\U000e0001" * 2**15 + '"]',
    "names of control characters": '{"' + "\U000e0001" * 2**15 + '": 0}',
}


def read_tree(content):
    with reading():
        return printable_tree(parse_json(content, "m"))


@pytest.mark.parametrize("kind", STRUCTURES)
def test_what_json_takes_in_memory_is_counted_before(kind, monkeypatch):
    content = f'{{"a": {STRUCTURES[kind]}}}'.encode()
    read_tree(content[:6] + b"0}")  # imports
    tracemalloc.start()
    read_tree(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.setenv("SNN_MEMORY_LIMIT", str(peak))
    with pytest.raises(DataError, match="would take"):
        read_tree(content)


def test_usual_json_is_counted_as_no_more_than_forty_times_its_size(monkeypatch):
    layer = {"name": "dense_1", "units": 64, "bias": None, "shape": [None, 3], "trainable": True}
    content = json.dumps({"layers": [layer] * 1000}).encode()
    monkeypatch.setenv("SNN_MEMORY_LIMIT", str(40 * len(content)))
    assert len(read_tree(content)["layers"]) == 1000


@pytest.mark.parametrize(
    ("item", "number", "message"),
    [
        ("{},", 2**20, "m has 1048578 lists and objects; at most 1048576 are read"),
        ("[],", 2**20, "m has 1048578 lists and objects; at most 1048576 are read"),
        ("0,", 2**22, "m has 4194306 values; at most 4194304 are read"),
        ("a", 2**26, "m has 67108874 bytes; at most 67108864 are read"),
    ],
)
@pytest.mark.parametrize("form", [str, str.encode])
def test_json_that_takes_long_is_refused_before_it_is_read(item, number, message, form):
    content = form(f'{{"a": [{item * number}0]}}')
    with pytest.raises(DataError, match=message), reading():
        parse_json(content, "m")


def test_making_a_text_harmless_takes_little_more_memory_than_the_result():
    text = "\x7f" * 2**20  # each of which becomes a text of its own, of 53 bytes
    tracemalloc.start()
    assert printable(text) == "\\x7f" * 2**20
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20  # 4 for the result, 4 for its pieces, and 4 expected by the assertion


def test_json_is_read_from_files(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"a": [1, {"b": "ü"}]}))
    assert read_json(tmp_path / "a.json") == {"a": [1, {"b": "ü"}]}


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 1}', '{"b": [{"c": 0, "a": 1, "d": 2, "a": 3}]}', '{"a": 1, "\\u0061": 2}'],
)
def test_a_key_that_occurs_twice_is_refused(text):
    with pytest.raises(ValueError, match="m is no JSON: the key 'a' occurs twice in an object"):
        parse_json(text, "m")


def test_equal_keys_of_different_objects_are_read():
    assert parse_json('{"a": {"a": 1}, "b": {"a": 1}}', "m") == {"a": {"a": 1}, "b": {"a": 1}}


def test_texts_hold_nothing_that_a_terminal_obeys():
    assert printable("\x1b[31mred\x07\ud800\x9b \n\tü[/bold]") == (
        "\\x1b[31mred\\x07\\ud800\\x9b \n\tü[/bold]"
    )
    assert printable_tree({"\x1b": ["\x07", 1, None]}) == {"\\x1b": ["\\x07", 1, None]}
    assert printable_line(Path("a\n\x1b[2J\tb")) == "a\\n\\x1b[2J\\tb"


@pytest.mark.parametrize("kind", [SNNError, DataError, UnknownLayerError, OutOfMemoryError])
def test_errors_hold_nothing_that_a_terminal_obeys(kind):
    assert str(kind("there is no \x1b[31m layer\n'\x9b'")) == "there is no \\x1b[31m layer\n'\\x9b'"
    assert str(UnsupportedError(["a \x07"])).endswith("- a \\x07")
    with pytest.warns(DataWarning, match=r"^\\x1b$"):
        warn("\x1b")


# HDF5.


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as opened:
        yield opened


def test_groups_that_hold_each_other_are_walked_once(file):
    group = file.create_group("g")
    for _ in range(60):  # 2 ** 60 ways
        inner = group.create_group("a")
        group["b"] = inner
        group = inner
    group["self"] = file["g"]
    group["x"] = np.arange(3)
    found = dict(hdf5.walk(file))
    assert len(found) == 123
    assert [name.rpartition("/")[2] for name in found].count("x") == 1


def test_links_are_not_followed_out_of_a_file(file, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.arange(4)
    file["external"] = h5py.ExternalLink("other.h5", "/x")
    file["soft"] = h5py.SoftLink("/external")
    assert list(hdf5.walk(file)) == []
    assert hdf5.child(file, "external") is None
    layout = h5py.VirtualLayout((4,), "i8")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", shape=(4,))
    file.create_virtual_dataset("virtual", layout)
    (tmp_path / "raw").write_bytes(bytes(32))
    file.create_dataset("raw", (4,), "i8", external=[(tmp_path / "raw", 0, 32)])
    for name in ("virtual", "raw"):
        with pytest.raises(DataError, match=f"/{name} lies in another file"), reading():
            hdf5.read_dataset(file[name])


def test_arrays_that_declare_more_than_they_hold_are_refused(file):
    file.create_dataset("x", (2**14, 2**16), "f4", chunks=(1, 2**16))
    with pytest.raises(DataError, match="/x declares 4294967296 bytes and holds 0"), reading():
        hdf5.read_dataset(file["x"])


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"chunks": (10, 10)}])
def test_arrays_that_are_there_are_read(file, options):
    zeros = np.zeros((1000, 1000), np.float32)
    file.create_dataset("x", data=zeros, **options)
    np.testing.assert_array_equal(hdf5.read_dataset(file["x"]), zeros)
    file.create_dataset("empty", (0, 10), "f4")
    assert hdf5.read_dataset(file["empty"]).shape == (0, 10)


def test_arrays_that_were_never_written_are_refused(file):
    """They were read as 0, as were those of which parts were never written."""
    file.create_dataset("whole", (100,), "f4")
    file.create_dataset("scalar", (), "f4")
    file.create_dataset("parts", (10, 11), "f4", chunks=(5, 5))[:, :10] = 1
    for name, found in (("whole", "0 of 1"), ("scalar", "0 of 1"), ("parts", "4 of 6")):
        expected = f"/{name} was not written whole: {found} parts are there"
        with pytest.raises(DataError, match=expected), reading():
            hdf5.read_dataset(file[name])
    file.create_dataset("chosen", (100,), "f4", fillvalue=0.5)
    assert hdf5.read_dataset(file["chosen"]).sum() == 50


def share_text(path, length, times):
    """Let the elements of texts of variable length all be the first one, which is long."""
    content = bytearray(path.read_bytes())
    at = content.find(struct.pack("<I", length))
    while content[at + 16 : at + 20] != struct.pack("<I", 1):
        at = content.find(struct.pack("<I", length), at + 1)
    content[at : at + 16 * times] = content[at : at + 16] * times
    path.write_bytes(content)


def open_limited(path):
    with reading(), hdf5.open_hdf5(path) as opened:
        return list(opened.attrs)


@linux
def test_texts_that_share_their_letters_count_as_often_as_they_are_read(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs.create("texts", ["q" * 2**20, *["r"] * 999], dtype=h5py.string_dtype())
    assert open_limited(path) == ["texts"]
    share_text(path, 2**20, 1000)
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "128M")
    with pytest.raises(DataError, match=r"its texts .* too much memory; 128 MiB of the 128 MiB"):
        open_limited(path)


@linux
@pytest.mark.parametrize("place", ["file", "group", "array"])
def test_a_text_that_declares_gigabytes_is_refused(tmp_path, monkeypatch, place):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["group/array"] = np.arange(3)
        item = {"file": file, "group": file["group"], "array": file["group/array"]}[place]
        item.attrs["text"] = "x" * 1237
    content = path.read_bytes()
    length = struct.pack("<I", 1237)
    assert length in content
    path.write_bytes(content.replace(length, struct.pack("<I", 2**30)))
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "128M")
    with pytest.raises(DataError, match="too much memory"):
        open_limited(path)


def test_arrays_of_texts_are_not_read_and_not_copied(file, tmp_path):
    file["words"] = ["a", "bc"]
    file["numbers"] = np.arange(3)
    file.attrs["text"] = "kept"
    with pytest.raises(DataError, match="/words holds texts of any length"), reading():
        hdf5.read_dataset(file["words"])
    with h5py.File(tmp_path / "copy.h5", "w") as copy:
        hdf5.copy_plain(file, copy)
        assert list(copy) == ["numbers"]
        assert copy.attrs["text"] == "kept"


# Work that does not come to an end.


@linux
def test_work_takes_no_more_memory_than_a_file_may(monkeypatch):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "128M")
    end_in_child(lambda: bytes(2**27), limit_s=5)
    with pytest.raises(DataError, match="would take too much memory"), reading():
        end_in_child(lambda: bytes(2**28), limit_s=5)


def test_work_that_ends_or_fails_is_no_matter():
    end_in_child(lambda: None, limit_s=5)
    end_in_child(lambda: 1 / 0, limit_s=5)


def spin():
    while True:
        pass


def test_work_that_hangs_is_ended(monkeypatch):
    with pytest.raises(ValueError, match="did not end within 1 s of the processor"):
        end_in_child(spin, limit_s=1)
    monkeypatch.setattr(child, "_WAITS", 1)
    with pytest.raises(ValueError, match="did not end within 1 s"):
        end_in_child(lambda: time.sleep(60), limit_s=1)


def test_work_that_crashes_is_noticed():
    with pytest.raises(ValueError, match=r"crashes \(SIGSEGV\)"):
        end_in_child(lambda: os.kill(os.getpid(), signal.SIGSEGV), limit_s=5)


@pytest.mark.parametrize("place", ["attribute of the file", "attribute of an array", "array"])
def test_an_hdf5_file_that_crashes_its_library_behind_a_damaged_part_is_refused(
    file, tmp_path, monkeypatch, place
):
    file.create_dataset("a", (2**14, 2**16), "f4", chunks=(1, 2**16))  # declares too much
    file["z"] = np.arange(3)
    (file if place == "attribute of the file" else file["z"]).attrs["fatal"] = "x"
    file.flush()
    manager = h5py.AttributeManager
    whole = manager.__getitem__, hdf5.read_dataset

    def attribute(self, name):
        if place != "array" and name == "fatal":
            os.kill(os.getpid(), signal.SIGSEGV)
        return whole[0](self, name)

    def array(data):
        if place == "array" and data.name == "/z":
            os.kill(os.getpid(), signal.SIGSEGV)
        return whole[1](data)

    monkeypatch.setattr(manager, "__getitem__", attribute)
    monkeypatch.setattr(hdf5, "read_dataset", array)
    opened = hdf5.open_hdf5(tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"crashes \(SIGSEGV\)"), reading(), opened:
        pass


def test_an_hdf5_file_that_hangs_its_library_is_refused(file, tmp_path, monkeypatch):
    file["x"] = np.arange(3)
    file.flush()
    monkeypatch.setattr(hdf5, "_PATIENCE_S", 1)
    monkeypatch.setattr(hdf5, "_read_all", lambda path: spin())
    opened = hdf5.open_hdf5(tmp_path / "a.h5")
    with pytest.raises(DataError, match="did not end within 1 s"), reading(), opened:
        pass

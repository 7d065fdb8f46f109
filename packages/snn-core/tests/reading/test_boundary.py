import errno
import io
import os
import struct
import tokenize

import pytest

from snn_core.errors import DataError, ParseError, SettingsError
from snn_core.files import explain_failures
from snn_core.reading import count_values, memory_limit, spend, while_reading


def reading(**options):
    return while_reading("model.x", error=ParseError, advice="copy it again", **options)


@pytest.mark.parametrize(
    "problem",
    [
        AttributeError("a"),
        EOFError(),
        IndexError("a"),
        KeyError("a"),
        NotImplementedError("zip file version 25.5"),
        OverflowError("too large"),
        RecursionError("deep"),
        RuntimeError("encrypted"),
        StopIteration(),
        SyntaxError("a"),
        TypeError("a"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        ValueError("a"),
        ZeroDivisionError("a"),
        struct.error("a"),
        tokenize.TokenError("a"),
    ],
)
def test_whatever_a_file_causes_becomes_one_error_that_keeps_the_cause(problem):
    message = r"^model\.x cannot be read .*; copy it again\.$"
    with pytest.raises(ParseError, match=message) as found, reading():
        raise problem
    assert found.value.__cause__ is problem
    assert type(problem).__name__ in str(found.value)


def test_text_of_foreign_errors_is_kept_to_one_line_of_bounded_length():
    with pytest.raises(ParseError) as found, reading():
        raise ValueError("a\n" * 10_000)
    assert len(str(found.value)) < 500
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("problem", [ValueError("a"), FileNotFoundError(2, "missing", "a")])
def test_the_name_of_a_file_has_no_lines_of_its_own(problem):
    name = "a.png\nError: \x1b[2J"
    reads = while_reading(name, error=DataError, advice="copy it again")
    with pytest.raises(DataError, match=r"a\.png\\nError") as found, reads:
        raise problem
    assert "\n" not in str(found.value)
    assert "\x1b" not in str(found.value)


def test_shapes_have_as_many_axes_as_arrays():
    assert count_values((2, 3, 4)) == 24
    assert count_values(()) == 1
    with pytest.raises(ValueError, match="100000 axes; expected at most 32"):
        count_values([2**62] * 100_000)


@pytest.mark.parametrize("problem", [NameError("x"), AssertionError("x"), ImportError("x")])
def test_a_bug_stays_a_bug(problem):
    with pytest.raises(type(problem)), reading():
        raise problem


@pytest.mark.parametrize("problem", [DataError("own words"), MemoryError(), KeyboardInterrupt()])
def test_what_says_itself_what_is_wrong_passes(problem):
    with pytest.raises(type(problem)) as found, reading():
        raise problem
    assert found.value is problem


def test_what_the_system_says_about_a_path_is_told(tmp_path):
    message = r"Cannot read model\.x: No such file or directory. Check the path\.$"
    with pytest.raises(ParseError, match=message), reading():
        (tmp_path / "gone").read_bytes()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "Permission denied. Choose one that you may read, or change its perm"),
        (errno.EISDIR, "Is a directory. Choose a file."),
        (errno.ENOTDIR, "Not a directory. Check the path."),
        (errno.ELOOP, "Too many levels of symbolic links. Check where its links lead."),
        (errno.EIO, "Input/output error. Check the path and try again."),
    ],
)
def test_what_the_system_says_about_a_path_ends_with_what_to_do(number, advice):
    with pytest.raises(ParseError) as found, reading():
        raise OSError(number, os.strerror(number), "gone")
    assert str(found.value).startswith(f"Cannot read model.x: {advice}")


def test_the_parts_of_a_file_share_one_limit(monkeypatch):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "1000")
    with reading():
        spend(600, "the first part")
        with reading():
            spend(400, "a part of a part")
    with reading():
        spend(1000, "the only part")

    def overspend():
        with reading():
            spend(600, "the first part")
            spend(401, "the second part")

    message = r"^model\.x: the second part would take 401 .* 400 .* SNN_MEMORY_LIMIT"
    with pytest.raises(ParseError, match=message):
        overspend()


def test_negative_sizes_are_refused():
    with pytest.raises(ParseError, match=r"the part has a negative size \(-1 bytes\)"), reading():
        spend(-1, "the part")


@pytest.mark.parametrize(
    ("text", "size"), [("7", 7), ("2k", 2048), ("3M", 3 * 2**20), ("1GB", 2**30)]
)
def test_limits_are_sizes(monkeypatch, text, size):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", text)
    assert memory_limit() == size


def test_the_limit_is_a_quarter_of_the_memory(monkeypatch):
    monkeypatch.delenv("SNN_MEMORY_LIMIT", raising=False)
    assert 2**26 < memory_limit() < 2**50


@pytest.mark.parametrize("text", ["much", "١G", "5x", "-5"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch, text):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", text)
    message = f"SNN_MEMORY_LIMIT='{text}'; expected a number of bytes"
    with pytest.raises(SettingsError, match=message):
        memory_limit()


def test_a_lack_of_memory_is_told_by_the_caller():
    told = explain_failures(memory="Use less.")
    with pytest.raises(MemoryError, match="Use less"), told, reading():
        raise MemoryError


def test_places_in_memory_are_left_out_of_messages():
    with (
        pytest.raises(ParseError, match=r"\(ValueError: cannot identify image file\); copy"),
        reading(),
    ):
        raise ValueError(f"cannot identify image file {io.BytesIO()!r}")

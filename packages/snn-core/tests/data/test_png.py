"""PNG files whose compressed data end before the image does: Pillow leaves the rest black."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from snn_core.data import load_dataset
from snn_core.data.png import require_all_rows
from snn_core.errors import DataError

ADAM7 = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656",
         "77777777"]  # fmt: skip
"""The pass of each pixel in blocks of 8 x 8, as the standard draws them."""


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows, size, *, colour=0, depth=8, is_interlaced=False, parts=1, before=b"", behind=b""):
    """Return a PNG file of an image of a size (rows, columns) with these bytes of its rows."""
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, is_interlaced)
    data = zlib.compress(rows)
    step = -(-len(data) // parts)
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    middle = chunk(b"PLTE", bytes(768)) if colour == 3 else b""
    middle += b"".join(chunk(b"IDAT", piece) for piece in pieces)
    return (
        b"\x89PNG\r\n\x1a\n"
        + before
        + chunk(b"IHDR", header)
        + middle
        + behind
        + chunk(b"IEND", b"")
    )


def rows_of(size, bits, *, is_interlaced=False):
    """Return bytes of the rows of a white image, counted pixel by pixel."""
    passes = {}
    for row in range(size[0]):
        for column in range(size[1]):
            number = ADAM7[row % 8][column % 8] if is_interlaced else "1"
            in_row = passes.setdefault(number, {}).setdefault(row, [])
            in_row.append(column)
    return b"".join(
        b"\0" + b"\xff" * -(-len(columns) * bits // 8)
        for _, in_pass in sorted(passes.items())
        for columns in in_pass.values()
    )


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour", "depth", "bits"),
    [(0, 1, 1), (0, 2, 2), (0, 4, 4), (0, 8, 8), (0, 16, 16), (2, 8, 24), (3, 1, 1), (3, 4, 4),
     (3, 8, 8), (4, 8, 16), (6, 8, 32), (6, 16, 64)],
)  # fmt: skip
def test_images_that_are_whole_are_told_from_those_that_are_not(colour, depth, bits, is_interlaced):
    for size in [(1, 1), (1, 9), (3, 2), (5, 5), (8, 8), (9, 17)]:
        rows = rows_of(size, bits, is_interlaced=is_interlaced)
        form = {"colour": colour, "depth": depth, "is_interlaced": is_interlaced}
        content = png(rows, size, **form)
        require_all_rows(content)
        if colour in (0, 2) and depth <= 8:  # the bytes are all that Pillow takes, and enough
            assert np.asarray(Image.open(io.BytesIO(content)).convert("L")).all()
        with pytest.raises(ValueError, match=rf"ends after {len(rows) - 1} of {len(rows)} bytes"):
            require_all_rows(png(rows[:-1], size, **form))


def test_data_may_lie_in_several_chunks_and_go_on_behind_the_image():
    size, rows = (40, 40), rows_of((40, 40), 8)
    text = chunk(b"tEXt", b"a\0b")
    for content in (
        png(rows, size, parts=7),
        png(rows + bytes(100), size),
        png(rows, size, before=text, behind=text),
        png(rows, size, behind=text + chunk(b"IDAT", b"no part of it")),
    ):
        require_all_rows(content)
        assert np.asarray(Image.open(io.BytesIO(content))).all()
    apart = png(rows[:-50], size, behind=text + chunk(b"IDAT", zlib.compress(rows)))
    with pytest.raises(ValueError, match=r"ends after 1590 of 1640 bytes"):
        require_all_rows(apart)


@pytest.mark.parametrize("kept", [0, 1, 10, 19])
def test_an_image_without_its_last_rows_is_refused(tmp_path, kept):
    """They counted as black."""
    path = tmp_path / "data" / "a" / "1.png"
    path.parent.mkdir(parents=True)
    rows = rows_of((4, 4), 8)
    path.write_bytes(png(rows, (4, 4)))
    assert load_dataset(tmp_path / "data").x_b_l[:].all()
    path.write_bytes(png(rows[:kept], (4, 4)))
    expected = (
        rf"1\.png cannot be read .*{kept} of 20 bytes of its rows\); it is damaged or no image"
    )
    with pytest.raises(DataError, match=expected):
        load_dataset(tmp_path / "data")


def test_many_chunks_behind_the_end_take_no_time():
    """Each was put behind those before it: 30 MB took minutes."""
    rows, more = rows_of((4, 4), 8), chunk(b"IDAT", b"x" * 90)
    content = png(rows[:10], (4, 4), behind=more * 300_000)
    before = time.process_time()
    with pytest.raises(ValueError, match="ends after 10 of 20 bytes"):
        require_all_rows(content)
    assert time.process_time() - before < 10  # 1 s is usual

"""PNG files: whether all rows of an image are there.

Pillow leaves rows black where the compressed data of a PNG file end before the last one, and does
not tell. What has to be there follows from the header; see
https://www.w3.org/TR/png-3/#7Scanline (rows) and https://www.w3.org/TR/png-3/#8Interlace (passes).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_START = 8
"""Bytes of the signature, behind which chunks lie: length, type, data and check sum."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Type of colour to the numbers of a pixel."""

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
           (0, 1, 1, 2))  # fmt: skip
"""First column and row, and steps to the next ones, of each pass of an interlaced image."""

_PIECE = 2**20


def require_all_rows(content: bytes) -> None:
    """Make sure that a PNG file holds all rows of its image; call it in a `while_reading`.

    Parameters
    ----------
    content
        The file, which Pillow has found to be PNG.

    Raises
    ------
    ValueError
        If it does not.
    """
    expected = found = 0
    unpacker = zlib.decompressobj()
    for kind, data in _chunks(content):
        if kind == b"IHDR":
            expected = _count_bytes(data)
        elif kind == b"IDAT" and not unpacker.eof:  # behind its end it would keep all of them
            while data and found < expected:
                found += len(unpacker.decompress(data, _PIECE))
                data = unpacker.unconsumed_tail
        elif found:
            break  # the data lie one behind the other
    if found < expected:
        raise ValueError(f"the image ends after {found} of {expected} bytes of its rows")


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and data of each chunk."""
    at = _START
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        yield kind, content[at + 8 : at + 8 + length]
        at += 12 + length


def _count_bytes(header: bytes) -> int:
    """Return how many bytes the rows of an image take, with the filter of each."""
    width, height, depth, colour, _, _, is_interlaced = struct.unpack_from(">IIBBBBB", header)
    number = 0
    for left, top, across, down in _PASSES if is_interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0:
            number += max(rows, 0) * (1 + -(-columns * depth * _CHANNELS[colour] // 8))
    return number

"""AEDAT 4: recordings of DV, in packets that may be compressed (extra ``events``).

A header, then packets: number of the stream, length, and a FlatBuffer. The format is described at
https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html and that of
FlatBuffers at https://flatbuffers.dev/internals/. Only the one table that holds events is needed,
so it is read here, every offset checked: the libraries for this format end the whole process on
some damaged files.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from snn_core.data.events.stream import EventStream
from snn_core.errors import DataError
from snn_core.reading import spend
from snn_core.typing import Array, Pair

MAGIC = b"#!AER-DAT4.0\r\n"
EVENT = np.dtype(
    [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("on", "u1"), ("padding", "V3")]
)  # fmt: skip
MAX_PACKET_BYTES = 2**28
"""Packets that unpack to more are refused; DV's hold some milliseconds."""

_PER_BYTE = 3
"""Memory for each unpacked byte: the packet itself, its copy among all, the columns."""

_COMPRESSIONS = {0: "none", 1: "lz4", 2: "lz4", 3: "zstd", 4: "zstd"}
_EVENT_STREAM = re.compile(r'key="typeIdentifier"[^>]*>EVTS<.*', re.DOTALL)
_SIZE = r'key="size{}"[^>]*>(\d{{1,5}})<'


class _DamagedError(Exception):
    """Damage of a file; the text says what was found in place of something valid."""


def read_aedat4(path: Path) -> EventStream:
    """Read all events of a recording.

    Raises
    ------
    DataError
        If it is damaged or holds no events, or a library for its compression is missing.
    """
    content = path.read_bytes()
    try:
        compression, end, info, start = _header(content)
        events_e = [
            _events(_unpack(packet, compression, path)) for packet in _packets(content, start, end)
        ]
    except _DamagedError as error:
        raise DataError(
            f"{path} cannot be read as AEDAT 4 ({error}); it is cut off or damaged."
        ) from error
    event_e = np.concatenate(events_e) if events_e else np.zeros(0, EVENT)
    columns = [event_e[name] for name in ("x", "y", "t", "on")]
    return EventStream.of(*columns, name=str(path), chip_size=_chip_size(info))


def _read(form: str, content: bytes, at: int) -> int:
    """Return the number at a place, which may be anywhere in a damaged file."""
    if at < 0 or at + struct.calcsize(form) > len(content):
        raise _DamagedError(f"it ends before byte {at}")
    return int(struct.unpack_from(form, content, at)[0])


def _field(content: bytes, table: int, index: int) -> int | None:
    """Return where a field of a FlatBuffer's table lies, or ``None`` if it has its default."""
    vtable = table - _read("<i", content, table)
    if 4 + 2 * index >= _read("<H", content, vtable):
        return None
    offset = _read("<H", content, vtable + 4 + 2 * index)
    return table + offset if offset else None


def _root(content: bytes, identifier: bytes) -> int:
    """Return where the root table of a FlatBuffer with its length in front lies."""
    if content[8:12] != identifier:
        raise _DamagedError(f"found {content[8:12]!r}, expected {identifier!r}")
    return 4 + _read("<I", content, 4)


def _vector(content: bytes, field: int | None) -> tuple[int, int]:
    """Return number and place of a vector's items."""
    if field is None:
        return 0, 0
    at = field + _read("<I", content, field)
    return _read("<I", content, at), at + 4


def _header(content: bytes) -> tuple[str, int, str, int]:
    """Return compression, end of the packets, description of the streams and first packet."""
    length = _read("<I", content, len(MAGIC))
    start = len(MAGIC) + 4 + length
    header = content[len(MAGIC) : start]
    if len(header) < 4 + length:
        raise _DamagedError("it ends within the header")
    table = _root(header, b"IOHE")
    kind, table_at = (_field(header, table, i) for i in (0, 1))
    compression = _COMPRESSIONS.get(0 if kind is None else _read("<i", header, kind))
    if compression is None:
        raise _DamagedError("unknown compression")
    # A recording that was not finished has no table of packets, so they go on to the end.
    end = -1 if table_at is None else _read("<q", header, table_at)
    number, at = _vector(header, _field(header, table, 2))
    info = header[at : at + number].decode("utf-8", "replace")
    return compression, len(content) if end < 0 else end, info, start


def _packets(content: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        size = _read("<i", content, start + 4)
        start += 8
        if size < 0 or start + size > len(content):
            raise _DamagedError(f"a packet of {size} bytes where {len(content) - start} are left")
        yield content[start : start + size]
        start += size


def _unpack(packet: bytes, compression: str, path: Path) -> bytes:
    """Return a packet as it was before compression."""
    if compression == "none":
        return packet
    unpack = _unpack_lz4 if compression == "lz4" else _unpack_zstd
    try:
        found, is_whole = unpack(packet)
    except ImportError as error:
        raise DataError(
            f"{path} is compressed by {compression}, which needs a library: "
            f"python -m pip install 'snn-core[events]'."
        ) from error
    except Exception as error:  # the libraries have errors of their own
        raise _DamagedError(f"{compression}: {error}") from error
    if not is_whole:
        raise _DamagedError(f"a packet that is not whole, or larger than {MAX_PACKET_BYTES} bytes")
    spend(_PER_BYTE * len(found), "its events")
    return found


def _unpack_lz4(packet: bytes) -> tuple[bytes, bool]:
    import lz4.frame

    unpacker = lz4.frame.LZ4FrameDecompressor()
    return unpacker.decompress(packet, max_length=MAX_PACKET_BYTES), unpacker.eof


def _unpack_zstd(packet: bytes) -> tuple[bytes, bool]:
    import zstandard

    found = zstandard.ZstdDecompressor().stream_reader(packet).read(MAX_PACKET_BYTES)
    return found, len(found) < MAX_PACKET_BYTES


def _events(packet: bytes) -> Array:
    """Return the events of a packet, none if it holds something else."""
    if packet[8:12] != b"EVTS":
        if len(packet) < 12:
            raise _DamagedError(f"a packet of {len(packet)} bytes")
        return np.zeros(0, EVENT)
    number, at = _vector(packet, _field(packet, _root(packet, b"EVTS"), 0))
    if at + number * EVENT.itemsize > len(packet):
        raise _DamagedError(f"a packet of {number} events in {len(packet)} bytes")
    return np.frombuffer(packet, EVENT, number, at)


def _chip_size(info: str) -> Pair | None:
    """Return the size of the sensor from the description of the event stream."""
    stream = _EVENT_STREAM.search(info)
    text = stream.group() if stream else ""
    width, height = (re.search(_SIZE.format(axis), text) for axis in "XY")
    if width is None or height is None:
        return None
    size = int(width.group(1)), int(height.group(1))
    return size if min(size) > 0 else None

"""AEDAT 4: recordings of DV, in packets that may be compressed (extra ``events``).

A header, then packets: number of the stream, length, and a FlatBuffer. The format is described at
https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html and that of
FlatBuffers at https://flatbuffers.dev/internals/. Only the one table that holds events is needed,
so it is read here, every offset checked: the libraries for this format end the whole process on
some damaged files.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np

from snn_core.data.events.stream import EventStream, require_one_source
from snn_core.errors import DataError
from snn_core.installing import how_to_install
from snn_core.reading import spend
from snn_core.reading.budget import bytes_left
from snn_core.typing import Array, Pair

MAGIC = b"#!AER-DAT4.0\r\n"
EVENT = np.dtype(
    [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("on", "u1"), ("padding", "V3")]
)  # fmt: skip
MAX_PACKET_BYTES = 2**28
"""Packets that unpack to more are refused; DV's hold some milliseconds."""

_PER_BYTE = 3
"""Memory for each unpacked byte: the packet itself, its copy among all, the columns."""

_PER_PACKET = 512
"""Memory for a packet besides, which may hold a single event."""

_COMPRESSIONS = {0: "none", 1: "lz4", 2: "lz4", 3: "zstd", 4: "zstd"}
# No part goes beyond the next bracket or quote, so that a text is looked at once.
_TAG = re.compile(r"<(?P<end>/?)(?P<kind>node|attr)\b(?P<fields>[^<>]*)>(?P<value>[^<>]*)")
_NAME = re.compile(r'\b(?:name|key)="([^"]*)"')
_SIZE = re.compile(r"\d{1,5}")
_DEPTH = 100
"""Nodes around a node, of which DV writes three."""


class _DamagedError(Exception):
    """Damage of a file; the text says what was found in place of something valid."""


def read_aedat4(path: Path) -> EventStream:
    """Read all events of a recording.

    Raises
    ------
    DataError
        If it is damaged, holds the events of several streams, or a library for its compression is
        missing.
    """
    content = path.read_bytes()
    try:
        compression, end, info, start = _header(content)
        events_e, streams = [], set()
        for stream, packet in _packets(content, start, end):
            found_e = _events(_unpack(packet, compression, path))
            if len(found_e):
                events_e.append(found_e)
                streams.add(stream)
        _require_table(content[end:], compression, path)
    except _DamagedError as error:
        raise DataError(
            f"{path} cannot be read as AEDAT 4 ({error}); it is cut off or damaged."
        ) from error
    require_one_source("stream", streams, path)
    event_e = np.concatenate(events_e) if events_e else np.zeros(0, EVENT)
    columns = [event_e[name] for name in ("x", "y", "t", "on")]
    return EventStream.of(*columns, name=str(path), chip_size=_chip_size(info, streams))


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
    if 0 <= end < start or end > len(content):
        raise _DamagedError(f"a table of packets at byte {end}, packets from byte {start}")
    number, at = _vector(header, _field(header, table, 2))
    info = header[at : at + number].decode("utf-8", "replace")
    return compression, len(content) if end < 0 else end, info, start


def _packets(content: bytes, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number of a packet's stream, and the packet."""
    while start < end:
        stream, size = (_read("<i", content, start + place) for place in (0, 4))
        start += 8
        if size < 0 or start + size > end:
            raise _DamagedError(f"a packet of {size} bytes where {end - start} are left")
        spend(_PER_PACKET, "its packets")
        yield stream, content[start : start + size]
        start += size


def _require_table(rest: bytes, compression: str, path: Path) -> None:
    """Refuse a place of the table of packets where there is none: packets may go on there."""
    if not rest or rest[8:12] == b"FTAB":
        return
    if _unpack(rest, compression, path)[8:12] != b"FTAB":
        raise _DamagedError("no table of packets where the header says that they end")


def _unpack(packet: bytes, compression: str, path: Path) -> bytes:
    """Return a packet as it was before compression."""
    if compression == "none":
        return packet
    unpack = _unpack_lz4 if compression == "lz4" else _unpack_zstd
    room = min(MAX_PACKET_BYTES, bytes_left() // _PER_BYTE + 1)
    try:
        found, is_whole = unpack(packet, room)
    except ImportError as error:
        raise DataError(
            f"{path} is compressed by {compression}, which needs a library. "
            f"{how_to_install('snn-core', extra='events')}"
        ) from error
    except Exception as error:  # the libraries have errors of their own
        raise _DamagedError(f"{compression}: {error}") from error
    spend(_PER_BYTE * len(found), "its events")
    if not is_whole:
        raise _DamagedError(f"a packet that is not whole, or larger than {MAX_PACKET_BYTES} bytes")
    return found


def _unpack_lz4(packet: bytes, room: int) -> tuple[bytes, bool]:
    import lz4.frame

    unpacker, waiting = lz4.frame.LZ4FrameDecompressor(), [packet]

    def read(size: int) -> bytes:
        if unpacker.eof:
            return b""
        found: bytes = unpacker.decompress(waiting.pop() if waiting else b"", max_length=size)
        return found

    return _gather(read, room), unpacker.eof and not unpacker.unused_data


def _unpack_zstd(packet: bytes, room: int) -> tuple[bytes, bool]:
    import zstandard

    window = max(room, _SMALL_WINDOW)
    unpacker = zstandard.ZstdDecompressor(max_window_size=window)
    reader = unpacker.stream_reader(packet, read_across_frames=True)  # what follows is an error
    found = _gather(reader.read, room)
    return found, len(found) < room


def _gather(read: Callable[[int], bytes], room: int) -> bytes:
    """Return what is read in pieces: libraries take memory for as much as they are asked for."""
    found = io.BytesIO()
    while found.tell() < room and (piece := read(min(_PIECE, room - found.tell()))):
        found.write(piece)
    return found.getvalue()


_PIECE = 2**20
_SMALL_WINDOW = 2**23
"""Bytes to look back that every decoder of zstd has to support (RFC 8878)."""


def _events(packet: bytes) -> Array:
    """Return the events of a packet, none if it holds something else."""
    if len(packet) < 12 or _read("<I", packet, 0) != len(packet) - 4:
        raise _DamagedError(f"a packet of {len(packet)} bytes, which says another number")
    if packet[8:12] != b"EVTS":
        return np.zeros(0, EVENT)
    number, at = _vector(packet, _field(packet, _root(packet, b"EVTS"), 0))
    if at + number * EVENT.itemsize > len(packet):
        raise _DamagedError(f"a packet of {number} events in {len(packet)} bytes")
    return np.frombuffer(packet, EVENT, number, at)


def _chip_size(info: str, streams: Collection[int]) -> Pair | None:
    """Return the size of the sensor that the events come from, as the header describes it.

    Each stream is a node that is named by its number and tells its type; what follows until the
    next one that does belongs to it.
    """
    sizes: dict[str, dict[str, int]] = {}
    around: list[str] = []
    here: dict[str, int] = {}
    for tag in _TAG.finditer(info):
        found = _NAME.search(tag["fields"])
        name, value = found[1] if found else "", tag["value"]
        if tag["kind"] == "node":
            around = around[:-1] if tag["end"] else [*around[:_DEPTH], name]
        elif name == "typeIdentifier":
            spend(_PER_PACKET, "its streams")
            here = sizes.setdefault("".join(around[-1:]), {}) if value == "EVTS" else {}
        elif name in ("sizeX", "sizeY") and _SIZE.fullmatch(value):
            here.setdefault(name, int(value))
    own = [sizes[name] for name in map(str, streams) if name in sizes] or list(sizes.values())
    if not own or len(own[0]) < 2:
        return None
    size = own[0]["sizeX"], own[0]["sizeY"]
    return size if min(size) > 0 else None

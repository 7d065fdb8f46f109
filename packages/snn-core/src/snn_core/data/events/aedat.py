"""AEDAT 1.0, 2.0 and 3.1: recordings of jAER and cAER, read with NumPy.

All formats are described at
https://docs.inivation.com/software/software-advanced-usage/file-formats/index.html. Version 4 is
a format of its own; see `snn_core.data.events.aedat4`. Each is a header and plain records, which
NumPy reads at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from snn_core.data.events.stream import EventStream, require_one_source
from snn_core.errors import DataError
from snn_core.reading import spend
from snn_core.typing import Array, Bool, Int64, Pair

_VERSION = re.compile(rb"#!AER-DAT(\d+\.\d+)\s*$")
_TEXT = re.compile(rb"#[\t\x20-\xff]*\r?\n")
_END_OF_HEADER = b"#!END-HEADER\r\n"
_LONGEST_HEADER = 2**20
"""Bytes; jAER writes some thousand."""

_PER_PACKET = 1024
"""Memory for a packet besides its events, of which it may have a single one."""

CHIP_SIZES = {
    "dvs128": (128, 128),
    "tmpdiff128": (128, 128),
    "davis240": (240, 180),
    "sbret": (240, 180),
    "davis346": (346, 260),
    "davis640": (640, 480),
}
"""Part of a chip's name in a header, in lower case, to the chip's width and height."""

POLARITY_EVENT = 1
"""Type of the packets in AEDAT 3.1 that hold brightness changes."""

PACKET_HEADER = np.dtype(
    [
        ("type", "<i2"),
        ("source", "<i2"),
        ("size", "<i4"),
        ("ts_offset", "<i4"),
        ("ts_overflow", "<i4"),
        ("capacity", "<i4"),
        ("number", "<i4"),
        ("valid", "<i4"),
    ]
)


def read_aedat(path: Path) -> EventStream:
    """Read a recording in AEDAT 1.0, 2.0 or 3.1.

    Raises
    ------
    DataError
        If it is damaged or of another version.
    """
    content = path.read_bytes()
    header, body = _split(content)
    if len(header) > _LONGEST_HEADER:
        raise DataError(
            f"{path} has a header of {len(header)} bytes; expected at most {_LONGEST_HEADER}. It "
            f"is damaged, or no AEDAT file."
        )
    match = _VERSION.match(header.split(b"\n")[0].rstrip()) if header else None
    version = match.group(1).decode() if match else "1.0"  # as the format says
    if version == "1.0":
        return _read_version_1(body, path)
    if version == "2.0":
        return _read_version_2(header, body, path)
    if version in ("3.0", "3.1"):
        return _read_version_3(header, body, path)
    raise DataError(f"{path} is in AEDAT {version}; expected 1.0, 2.0, 3.1 or 4.")


def _split(content: bytes) -> tuple[bytes, bytes]:
    """Return the header lines, which start with ``#``, and what follows them."""
    if content.startswith(b"#!AER-DAT3"):
        header, end, body = content.partition(_END_OF_HEADER)
        return (header + end, body) if end else (content, b"")
    stop = 0
    while stop <= _LONGEST_HEADER and (match := _TEXT.match(content, stop)):
        stop = match.end()
    return content[:stop], content[stop:]


def _chip_size(header: bytes, source: str = "") -> Pair | None:
    """Return the size of the first known chip that a header names as source of the events."""
    for line in header.decode("latin-1").lower().splitlines():
        if "aechip" in line or "hardwareinterface" in line or line.startswith(f"#source{source}"):
            for name, size in CHIP_SIZES.items():
                if name in line:
                    return size
    return None


def _records(body: bytes, kind: np.dtype[np.void], path: Path) -> Array:
    if len(body) % kind.itemsize:
        raise DataError(
            f"{path} ends within an event: {len(body)} bytes of events are not a multiple of "
            f"{kind.itemsize}. It is cut off, or no AEDAT file."
        )
    return np.frombuffer(body, kind)


def _unwrap(t_us_e: Array) -> Int64[Array, "e"]:
    """Return times that go on where a 32-bit counter started again."""
    t_us_e = t_us_e.astype(np.int64)
    wraps = np.diff(t_us_e, prepend=t_us_e[:1]) < -(2**31)
    unwrapped: Array = t_us_e + np.cumsum(wraps) * 2**32
    return unwrapped


def _decode_dvs128(address_e: Array, t_us_e: Array, path: Path) -> EventStream:
    """Decode 16 bits: external event, 7 bits y, 7 bits x, polarity."""
    is_dvs = address_e & 0x8000 == 0
    address_e, t_us_e = address_e[is_dvs], _unwrap(t_us_e)[is_dvs]
    return EventStream.of(
        (address_e >> 1) & 0x7F,
        (address_e >> 8) & 0x7F,
        t_us_e,
        address_e & 1,
        name=str(path),
        chip_size=CHIP_SIZES["dvs128"],
    )


def _decode_davis(address_e: Array, t_us_e: Array, size: Pair | None, path: Path) -> EventStream:
    """Decode 32 bits: 9 bits y from bit 22, 10 bits x from bit 12, polarity in bit 11.

    Bit 31 marks frames and inertial measurements, bit 10 external events.
    """
    is_dvs = address_e & 0x80000400 == 0
    address_e, t_us_e = address_e[is_dvs], _unwrap(t_us_e)[is_dvs]
    return EventStream.of(
        (address_e >> 12) & 0x3FF,
        (address_e >> 22) & 0x1FF,
        t_us_e,
        (address_e >> 11) & 1,
        name=str(path),
        chip_size=size,
    )


def _read_version_1(body: bytes, path: Path) -> EventStream:
    record_e = _records(body, np.dtype([("address", ">u2"), ("t", ">i4")]), path)
    return _decode_dvs128(record_e["address"].astype(np.int64), record_e["t"], path)


def _read_version_2(header: bytes, body: bytes, path: Path) -> EventStream:
    record_e = _records(body, np.dtype([("address", ">u4"), ("t", ">i4")]), path)
    address_e, size = record_e["address"].astype(np.int64), _chip_size(header)
    # Without a chip in the header: only a DAVIS uses more than 16 bits.
    is_small = size == CHIP_SIZES["dvs128"] if size else not (address_e >> 16).any()
    if is_small:
        return _decode_dvs128(address_e & 0xFFFF, record_e["t"], path)
    return _decode_davis(address_e, record_e["t"], size, path)


def _read_version_3(header: bytes, body: bytes, path: Path) -> EventStream:
    if not header.endswith(_END_OF_HEADER):
        raise DataError(f"{path} has no end of the header; it is cut off.")
    for line in header.decode("latin-1").splitlines():
        if line.startswith("#Format:") and line.split(":", 1)[1].strip() != "RAW":
            raise DataError(f"{path} has the {line[1:].strip()}; expected RAW (not compressed).")
    x, y, t, p = [], [], [], []
    sources = set()
    for source, data_e, t_us_e in _polarity_packets(body, path):
        valid = _is_valid(data_e)
        data_e = data_e[valid]
        if not len(data_e):
            continue
        sources.add(source)
        x.append(data_e >> 17)
        y.append((data_e >> 2) & 0x7FFF)
        p.append((data_e >> 1) & 1)
        t.append(t_us_e[valid])
    require_one_source("source", sources, path)
    columns = [np.concatenate(part) if part else np.zeros(0, np.int64) for part in (x, y, t, p)]
    chip = next((_chip_size(header, f" {source}:") for source in sources), None)
    return EventStream.of(*columns, name=str(path), chip_size=chip or _chip_size(header))


def _is_valid(data_e: Array) -> Bool[Array, "e"]:
    """Return which events of a packet filters have left in it."""
    valid: Array = data_e & 1 == 1
    return valid


def _polarity_packets(body: bytes, path: Path) -> Iterator[tuple[int, Array, Array]]:
    """Yield source, data and time of the events in each packet of brightness changes."""
    start = 0
    while start < len(body):
        if start + PACKET_HEADER.itemsize > len(body):
            raise DataError(f"{path} ends within the header of a packet; it is cut off.")
        head = np.frombuffer(body, PACKET_HEADER, 1, start)[0]
        size, number = int(head["size"]), int(head["number"])
        start += PACKET_HEADER.itemsize
        if size < 8 or number < 0 or start + size * number > len(body):
            raise DataError(
                f"{path} has a packet of {number} events of {size} bytes where {len(body) - start} "
                f"bytes are left; it is cut off or damaged."
            )
        if head["type"] == POLARITY_EVENT:
            if size != 8:
                raise DataError(f"{path} has polarity events of {size} bytes; expected 8.")
            event_e = np.frombuffer(body, np.dtype([("data", "<u4"), ("t", "<i4")]), number, start)
            valid = int(np.count_nonzero(_is_valid(event_e["data"])))
            if number > head["capacity"] or valid != head["valid"]:
                raise DataError(
                    f"{path} has a packet of {number} events, {valid} of them valid, whose header "
                    f"says {head['valid']} valid ones and room for {head['capacity']}; it is "
                    f"damaged."
                )
            t_us_e = event_e["t"].astype(np.int64) + (int(head["ts_overflow"]) << 31)
            spend(_PER_PACKET, "its packets")
            yield int(head["source"]), event_e["data"].astype(np.int64), t_us_e
        start += size * number

"""Recordings written byte by byte, after the description of the formats."""

import struct
import sys
import time
import tracemalloc

import lz4.frame
import numpy as np
import pytest
import zstandard

from snn_core.data.events import read_events
from snn_core.errors import DataError

# x, y, t in µs, polarity
EVENTS = [(3, 5, 10, 1), (127, 0, 11, 0), (0, 127, 11, 1), (64, 32, 5000, 0)]


def dvs128(x, y, p):
    return (y << 8) | (x << 1) | p


def davis(x, y, p):
    return (y << 22) | (x << 12) | (p << 11)


def version_1(events, *, header=b"#!AER-DAT1.0\r\n"):
    records = [struct.pack(">Hi", dvs128(x, y, p), t) for x, y, t, p in events]
    return header + b"".join(records)


def version_2(events, *, chip="", address=dvs128):
    lines = [b"#!AER-DAT2.0", b"# This is a raw AE data file - do not edit"]
    lines += [f"# AEChip: {chip}".encode()] if chip else []
    records = [struct.pack(">Ii", address(x, y, p), t) for x, y, t, p in events]
    return b"".join(line + b"\r\n" for line in lines) + b"".join(records)


def packet(events, *, kind=1, source=0, overflow=0, valid=True, size=8, counted=None, room=None):
    number = len(events)
    counted = number * valid if counted is None else counted
    room = number if room is None else room
    head = struct.pack("<hhiiiiii", kind, source, size, 4, overflow, room, number, counted)
    body = b"".join(
        struct.pack("<Ii", (x << 17) | (y << 2) | (p << 1) | valid, t) for x, y, t, p in events
    )
    return head + body


def version_3(*packets, source="DVS128", kind="RAW"):
    header = f"#!AER-DAT3.1\r\n#Format: {kind}\r\n#Source 1: {source}\r\n#!END-HEADER\r\n"
    return header.encode() + b"".join(packets)


def events_in(path):
    found = read_events(path)
    columns = (found.x_e, found.y_e, found.t_us_e, found.on_e.astype(int))
    return [tuple(int(n) for n in row) for row in zip(*columns, strict=True)]


@pytest.fixture
def write(tmp_path):
    def writer(content, name="events.aedat"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return writer


@pytest.mark.parametrize(
    "content",
    [
        version_1(EVENTS),
        version_1(EVENTS, header=b""),  # files without a header are version 1
        version_1(EVENTS, header=b"#!AER-DAT1.0\r\n# recorded by hand\r\n"),
        version_2(EVENTS, chip="ch.unizh.ini.jaer.chip.retina.DVS128"),
        version_2(EVENTS),
        version_3(packet(EVENTS)),
        version_3(packet(EVENTS[:2]), packet([(1, 1, 0, 0)], kind=2), packet(EVENTS[2:])),
    ],
)
def test_events_are_read(write, content):
    path = write(content)
    assert events_in(path) == EVENTS
    assert read_events(path).chip_size == (128, 128)


@pytest.mark.parametrize(
    ("chip", "size"),
    [
        ("eu.seebetter.ini.chips.davis.DAVIS240C", (240, 180)),
        ("eu.seebetter.ini.chips.davis.Davis346blue", (346, 260)),
        ("", None),
    ],
)
def test_a_davis_has_its_own_addresses(write, chip, size):
    events = [(239, 179, 1, 1), (0, 100, 2, 0)]
    path = write(version_2(events, chip=chip, address=davis))
    assert events_in(path) == events
    assert read_events(path).chip_size == size


def test_frames_and_external_events_are_left_out(write):
    addresses = [davis(1, 2, 1), 1 << 31 | davis(1, 2, 1), 1 << 10 | davis(1, 2, 1)]
    records = b"".join(struct.pack(">Ii", a, 7) for a in addresses)
    assert events_in(write(b"#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n" + records)) == [(1, 2, 7, 1)]
    external = struct.pack(">Hi", 0x8000 | dvs128(1, 2, 1), 3)
    assert events_in(write(external + version_1(EVENTS, header=b""))) == EVENTS


def test_invalid_events_are_left_out(write):
    path = write(version_3(packet(EVENTS), packet(EVENTS, valid=False)))
    assert events_in(path) == EVENTS


@pytest.mark.parametrize("fields", [{"counted": 1}, {"counted": 5}, {"counted": 0}, {"room": 3},
                                    {"room": -1}, {"valid": False, "counted": 4}])  # fmt: skip
def test_packets_that_contradict_their_header_are_refused(write, fields):
    with pytest.raises(
        DataError, match=r"a packet of 4 events, . of them valid, whose header says"
    ):
        read_events(write(version_3(packet(EVENTS), packet(EVENTS, **fields))))
    assert events_in(write(version_3(packet(EVENTS, room=9)))) == EVENTS
    assert events_in(write(version_3(packet(EVENTS), packet(EVENTS, kind=3, counted=1)))) == EVENTS


def test_times_go_on_where_the_counter_starts_again(write):
    events = [(1, 1, 2**31 - 5, 1), (1, 1, -(2**31) + 5, 1)]
    assert [t for _, _, t, _ in events_in(write(version_2(events)))] == [2**31 - 5, 2**31 + 5]
    late = write(version_3(packet([(1, 1, 5, 1)], overflow=1)))
    assert events_in(late) == [(1, 1, 2**31 + 5, 1)]


def test_events_are_sorted_by_time_and_keep_their_order_within_a_time(write):
    events = [(1, 0, 9, 1), (2, 0, 3, 1), (3, 0, 9, 1)]
    assert [x for x, *_ in events_in(write(version_2(events)))] == [2, 1, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (version_1(EVENTS)[:-1], "ends within an event: 23 bytes"),
        (version_2(EVENTS)[:-3], "ends within an event: 29 bytes"),
        (version_3(packet(EVENTS))[:-1], "packet of 4 events of 8 bytes where 31 bytes are left"),
        (version_3(packet(EVENTS), b"\1\0\0"), "ends within the header of a packet"),
        (version_3(packet(EVENTS, size=16)), "packet of 4 events of 16 bytes"),
        (version_3(packet(EVENTS, size=0)), "packet of 4 events of 0 bytes"),
        (version_3(packet(EVENTS), kind="SERIALIZED"), "Format: SERIALIZED; expected RAW"),
        (b"#!AER-DAT3.1\r\n#Format: RAW\r\n", "no end of the header"),
        (b"#!AER-DAT5.0\r\n", "is in AEDAT 5.0; expected 1.0, 2.0, 3.1 or 4"),
    ],
)
def test_damaged_recordings_are_refused(write, content, message):
    with pytest.raises(DataError, match=message):
        read_events(write(content))


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"Cannot read .*none.aedat: No such file"):
        read_events(tmp_path / "none.aedat")
    with pytest.raises(DataError, match=r"no file of events; known: .aedat"):
        read_events(tmp_path / "movie.avi")


# AEDAT 4: a FlatBuffer header, packets of FlatBuffers, described at
# https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-4.0.html


def table(*fields):
    """Return a FlatBuffers table of (format, value) fields; a value of bytes is put behind it."""
    offsets, inline, behind = [], b"", b""
    size = 4 + sum(struct.calcsize(f"<{form}") for form, _ in fields)
    for form, value in fields:
        offsets.append(4 + len(inline))
        if isinstance(value, bytes):
            at = size + len(behind)
            inline += struct.pack("<I", at - 4 - len(inline))
            behind += value
        else:
            inline += struct.pack(f"<{form}", value)
    vtable = struct.pack(f"<HH{len(offsets)}H", 4 + 2 * len(offsets), size, *offsets)
    vtable += b"\0" * (-len(vtable) % 8)  # the table starts aligned
    return vtable, struct.pack("<i", len(vtable)) + inline + behind


def buffer(identifier, *fields):
    """Return a FlatBuffer whose root is a table, with the length in front."""
    vtable, body = table(*fields)
    content = struct.pack("<I", 8 + len(vtable)) + identifier + vtable + body
    return struct.pack("<I", len(content)) + content


def text(value):
    return struct.pack("<I", len(value)) + value.encode() + b"\0" * (4 - len(value) % 4)


COMPRESSIONS = {
    "none": (0, lambda packet: packet),
    "lz4": (1, lz4.frame.compress),
    "zstd": (3, zstandard.compress),
    "zstd without size": (
        4,
        lambda p: zstandard.ZstdCompressor(write_content_size=False).compress(p),
    ),
}


def described(*sizes, kind="EVTS"):
    """Return the description of streams of events from sensors of some sizes, as DV writes it."""
    streams = "".join(
        f'<node name="{i}" path="/{i}/"><attr key="compression" type="string">NONE</attr>'
        f'<attr key="typeIdentifier" type="string">{kind}</attr>'
        f'<node name="info" path="/{i}/info/"><attr key="sizeX" type="int">{width}</attr>'
        f'<attr key="sizeY" type="int">{height}</attr></node></node>'
        for i, (width, height) in enumerate(sizes)
    )
    return f'<dv version="2.0"><node name="outInfo" path="/">{streams}</node></dv>'


DAVIS346 = described((346, 260))


def event_packet(events):
    elements = b"".join(struct.pack("<qhhbxxx", t, x, y, p) for x, y, t, p in events)
    return buffer(b"EVTS", ("I", struct.pack("<I", len(events)) + elements))


def version_4(events, compression="none", *, more=(), position=-1, behind=b"", xml=DAVIS346):
    """Return a recording with events in stream 0, in stream 1 something else, then ``more``."""
    number, compress = COMPRESSIONS[compression]
    header = buffer(b"IOHE", ("i", number), ("q", position), ("I", text(xml)))
    parts = [
        (0, event_packet(events)),
        (1, buffer(b"IMUS", ("I", struct.pack("<I", 0)))),  # passed over
        *more,
    ]
    packets = b"".join(
        struct.pack("<ii", i, len(packed)) + packed
        for i, packed in ((i, compress(part)) for i, part in parts)
    )
    return b"#!AER-DAT4.0\r\n" + header + packets + behind


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_version_4_is_read(write, compression):
    events = [(345, 259, 10**15, 1), (0, 7, 10**15 + 3, 0)]
    path = write(version_4(events, compression), "events.aedat4")
    assert events_in(path) == events
    assert read_events(path).chip_size == (346, 260)


PACKETS = buffer(b"FTAB", ("I", struct.pack("<I", 0)))
MORE = [(0, event_packet([(1, 1, 6000 + i, 1) for i in range(5)]))]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_version_4_ends_where_its_table_of_packets_begins(write, compression, is_compressed):
    position = len(version_4(EVENTS, compression))
    table = COMPRESSIONS[compression][1](PACKETS) if is_compressed else PACKETS
    content = version_4(EVENTS, compression, position=position, behind=table)
    assert events_in(write(content, "events.aedat4")) == EVENTS
    none = version_4(EVENTS, compression, position=position)  # it ended while the table was due
    assert events_in(write(none, "events.aedat4")) == EVENTS


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_table_of_packets_within_the_packets_is_refused(write, compression):
    """Events behind the place were lost."""
    whole, start = version_4(EVENTS, compression, more=MORE), len(version_4([], compression))
    between = len(version_4(EVENTS, compression))
    places = [0, 5, start - 1, between - 1, between, between + 4, between + 8, len(whole) - 1,
              len(whole) + 1]  # fmt: skip
    for position in places:
        content = version_4(EVENTS, compression, more=MORE, position=position)
        with pytest.raises(DataError, match=r"cannot be read as AEDAT 4 .* cut off or damaged"):
            read_events(write(content, "events.aedat4"))


@pytest.mark.parametrize("compression", ["lz4", "zstd", "zstd without size"])
def test_packets_with_more_behind_their_content_are_refused(write, compression, monkeypatch):
    number, compress = COMPRESSIONS[compression]
    for more in (b"junk", compress(event_packet(EVENTS))):
        monkeypatch.setitem(COMPRESSIONS, "more", (number, lambda p, more=more: compress(p) + more))
        with pytest.raises(DataError, match=r"cannot be read as AEDAT 4"):
            read_events(write(version_4(EVENTS, "more"), "events.aedat4"))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_packets_of_another_size_than_they_say_are_refused(write, compression):
    for wrong in (event_packet(EVENTS) + bytes(4), event_packet(EVENTS)[:-1], b"\4\0\0\0"):
        content = version_4(EVENTS, compression, more=[(0, wrong)])
        with pytest.raises(DataError, match=r"a packet of \d+ bytes, which says another number"):
            read_events(write(content, "events.aedat4"))


def test_the_chip_of_version_4_is_that_of_the_stream_with_the_events(write):
    xml = described((34, 30), (346, 260))
    found = read_events(write(version_4(EVENTS, xml=xml), "a.aedat4"))
    assert found.chip_size == (34, 30)
    later = version_4([], xml=xml, more=[(1, event_packet(EVENTS))])
    assert read_events(write(later, "b.aedat4")).chip_size == (346, 260)
    images = described((34, 30), kind="FRME")
    assert read_events(write(version_4(EVENTS, xml=images), "c.aedat4")).chip_size is None


def test_events_of_several_sensors_are_refused(write):
    """Their places would be mixed, as all of them count from 0."""
    second = [(1, event_packet(EVENTS))]
    with pytest.raises(DataError, match=r"a\.aedat4 holds .* in the streams 0 and 1; expected"):
        read_events(write(version_4(EVENTS, more=second), "a.aedat4"))
    none = [(1, event_packet([]))]
    assert events_in(write(version_4(EVENTS, more=none), "b.aedat4")) == EVENTS
    content = version_3(packet(EVENTS, source=2), packet(EVENTS, source=4))
    with pytest.raises(DataError, match=r"in the sources 2 and 4; expected .* Export one"):
        read_events(write(content))
    invalid = packet(EVENTS, source=4, valid=False)
    assert events_in(write(version_3(packet(EVENTS, source=2), invalid))) == EVENTS
    many = [(i, event_packet(EVENTS)) for i in range(2, 50)]
    with pytest.raises(DataError, match=r"in the streams 0 and 2, 3, 4, 5, \.\.\.; expected"):
        read_events(write(version_4(EVENTS, more=many), "c.aedat4"))


@pytest.mark.parametrize(
    "part",
    [
        'key="typeIdentifier"',
        '<attr key="" ',
        "<node",
        'name="',
        '<node name="a">',
        '<node name="a"><attr key="typeIdentifier">EVTS',
        "</node>",
    ],
)
def test_long_descriptions_are_read_in_proportion_to_their_length(write, part):
    """A search from each of n places to the end took 13 s for 800 kB."""
    content = version_4(EVENTS, xml="<node " + part * (2**20 // len(part)))
    path = write(content, "events.aedat4")
    before = time.process_time()
    assert len(read_events(path)) == len(EVENTS)
    assert time.process_time() - before < 2  # 0.1 s are usual


def test_headers_of_many_lines_are_refused(write):
    path = write(version_2(EVENTS).replace(b"# This", b"#\n" * 2**20 + b"# This"))
    with pytest.raises(DataError, match=r"has a header of .* bytes; expected at most 1048576"):
        read_events(path)


FORMS = {
    "1": version_1,
    "2": version_2,
    "2 of a DAVIS": lambda events: version_2(events, chip="DAVIS240C", address=davis),
    "3": lambda events: version_3(packet(events)),
    "3 in packets of one": lambda events: version_3(*[packet([event]) for event in events]),
    "4": version_4,
    "4 in packets of one": lambda events: version_4(
        [], more=[(0, event_packet([event])) for event in events]
    ),
    "4 with zstd": lambda events: version_4(events, "zstd"),
    "4 with lz4": lambda events: version_4(events, "lz4"),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_recording_takes_in_memory_is_counted_before(write, monkeypatch, form):
    path = write(FORMS[form](EVENTS * 4000))
    read_events(write(FORMS[form](EVENTS), "small.aedat"))  # imports
    tracemalloc.start()
    read_events(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.setenv("SNN_MEMORY_LIMIT", str(peak))
    with pytest.raises(DataError, match="would take"):
        read_events(path)


def test_wrong_polarities_of_a_recording_say_nothing_of_columns(write):
    path = write(version_4([(1, 2, 3, 7)]), "events.aedat4")
    with pytest.raises(DataError, match=r"has the polarity 7; expected 1 for ON and 0 or -1 .*\.$"):
        read_events(path)
    np.save(path.with_suffix(".npy"), [[10, 1, 2, 1]])
    with pytest.raises(DataError, match=r"polarity 2; .* read in the order x, y, p, t"):
        read_events(path.with_suffix(".npy"))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("cut", [15, 100, 500, -5])
def test_damaged_version_4_is_refused(write, cut, compression):
    content = version_4(EVENTS * 20, compression)
    with pytest.raises(DataError, match=r"cannot be read as AEDAT 4 .* cut off or damaged"):
        read_events(write(content[:cut], "events.aedat4"))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_whatever_is_damaged_in_version_4_is_an_error_of_the_data(write, compression):
    rng, content = np.random.default_rng(0), version_4(EVENTS * 9, compression)
    refused = 0
    for _ in range(100):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(14, len(content), 3)] = rng.integers(0, 256, 3)
        try:
            read_events(write(damaged.tobytes(), "events.aedat4"))
        except DataError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(("compression", "module"), [("lz4", "lz4.frame"), ("zstd", "zstandard")])
def test_version_4_without_its_library_names_the_extra(write, monkeypatch, compression, module):
    path = write(version_4(EVENTS, compression), "events.aedat4")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=r"pip install '.*snn-core\[events\]'"):
        read_events(path)


def test_no_events_at_all_is_an_empty_stream(write):
    assert len(read_events(write(version_3()))) == 0
    assert read_events(write(version_2([]))).t_us_e.dtype == np.int64

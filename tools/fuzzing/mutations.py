"""Changes of valid files: of bytes, of members of archives, and of what they describe."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Any

from hypothesis import strategies as st

from fuzzing.structures import (
    NUMBERS,
    SHAPES,
    TYPES,
    VALUES,
    change_hdf5,
    change_json,
    change_message,
    change_npy,
    change_text,
)

HDF5, NPY, ZIP = b"\x89HDF", b"\x93NUMPY", b"PK"

WHOLE = (
    b"",
    b"PK\3\4",
    b"\x89HDF\r\n\x1a\n",
    b"\x93NUMPY\1\0",
    b"{}",
    pickle.dumps(print),
    b"\0" * 4096,
)
"""What takes the place of a whole file or member: of other kinds, or a pickle."""

places = st.floats(0, 1, exclude_max=True)
"""Where in a file, as a share of its length."""

byte_changes = st.one_of(
    st.tuples(st.just("flip"), places, st.integers(0, 7)),
    st.tuples(st.just("set"), places, st.integers(0, 255)),
    st.tuples(st.just("number"), places, st.sampled_from(NUMBERS), st.sampled_from("<>"),
              st.sampled_from("BHIQ")),
    st.tuples(st.just("cut"), places, places),
    st.tuples(st.just("end"), places),
    st.tuples(st.just("repeat"), places, places, st.integers(2, 50)),
    st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("whole"), places, st.sampled_from(WHOLE)),
)  # fmt: skip

value_changes = st.tuples(
    st.sampled_from(["replace", "remove", "repeat", "nest", "rename"]),
    places,
    st.sampled_from(VALUES),
    st.sampled_from([2, 50, 300, 20_000]),
)

array_changes = st.tuples(
    st.sampled_from(["shape", "type", "values", "header"]),
    places,
    st.sampled_from(SHAPES),
    st.sampled_from(TYPES),
    st.integers(0, 1000),
)

changes = st.lists(
    st.one_of(
        st.tuples(st.just("bytes"), st.none(), byte_changes),
        st.tuples(st.just("bytes"), places, byte_changes),
        st.tuples(st.just("values"), places, value_changes),
        st.tuples(st.just("arrays"), places, array_changes),
        st.tuples(st.just("words"), places, array_changes),
    ),
    min_size=1,
    max_size=4,
)
"""Some changes of a file; each names what is changed and which member of an archive, if any."""


def mutate(content: bytes, applied: list[tuple[str, float | None, Any]]) -> bytes:
    """Return a changed file.

    What a file describes is changed first, as hardly anything can be read once bytes are changed.
    """
    for what, member, change in sorted(applied, key=lambda item: item[0] == "bytes"):
        content = _change(content, what, member, change)
    return content


def _change(content: bytes, what: str, member: float | None, change: Any) -> bytes:
    if content.startswith(ZIP) and member is not None:
        return _change_member(content, what, member, change)
    if what == "bytes":
        return _change_bytes(content, change)
    try:
        return _change_structure(content, what, change)
    except Exception:  # noqa: BLE001 - an earlier change has damaged it, or nothing is there
        return content


def _change_structure(content: bytes, what: str, change: Any) -> bytes:
    """Change what a file describes, as far as it is of a kind that has such parts."""
    if content.startswith(HDF5):
        edit = change_json if what == "values" else change_text
        return change_hdf5(content, change, edit)
    if content.startswith(NPY):
        return change_npy(content, change) if what == "arrays" else content
    if what == "words":
        return change_text(content, change)
    if what == "values":
        changed = change_json(content, change)
        return change_message(content, change) if changed == content else changed
    return content


def _change_bytes(content: bytes, change: tuple[Any, ...]) -> bytes:
    kind, place, *rest = change
    at = int(place * len(content))
    if kind == "flip" and content:
        return content[:at] + bytes([content[at] ^ 1 << rest[0]]) + content[at + 1 :]
    if kind == "set":
        return content[:at] + bytes([rest[0]]) + content[at + 1 :]
    if kind == "number":
        number, order, form = rest
        packed = struct.pack(order + form, number % 2 ** (8 * struct.calcsize(form)))
        return content[:at] + packed + content[at + len(packed) :]
    if kind == "end":
        return content[:at]
    if kind == "insert":
        return content[:at] + rest[0] + content[at:]
    if kind == "whole":
        return bytes(rest[0])
    stop = at + int(rest[0] * min(len(content) - at, 5000)) if content else at
    return content[:at] + content[at:stop] * (rest[1] if kind == "repeat" else 0) + content[stop:]


_FITTING = {"values": (".json", ".h5"), "arrays": (".npy", ".h5"), "words": (".json", ".npy")}
"""Members that a change may apply to."""


def _change_member(content: bytes, what: str, member: float, change: Any) -> bytes:
    """Change a member of an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # noqa: BLE001 - an earlier change has damaged it
        return content
    names = [name for name in members if name.endswith(_FITTING.get(what, ""))]
    if not names:
        return content
    name = names[int(member * len(names))]
    members[name] = _change(members[name], what, None, change)
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in members.items():
            archive.writestr(key, data)
    return changed.getvalue()

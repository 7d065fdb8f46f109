"""Changes of valid files: of bytes, of members of archives, of values in JSON."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

from hypothesis import strategies as st

_NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62)

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 2**31, 2**63, 2**70, -(2**70), 10**400, 0.5, -0.0, 1e308,
    float("inf"), float("-inf"), float("nan"), 1e-320, "", "a", "..", "../../x", "/etc/passwd",
    "a" * 5000, "\x1b[31m", "\ud800", "$\\frac$", "[/bold]", "\0", "float32", "os.system", [], [[]],
    {}, {"a": 1}, [1, 2], [-1], [2**40, 2**40], [None], {"as_int": 2**62}, {"as_int": float("inf")},
)  # fmt: skip
"""What takes the place of a value in JSON."""

places = st.floats(0, 1, exclude_max=True)
"""Where in a file, as a share of its length."""

byte_changes = st.one_of(
    st.tuples(st.just("flip"), places, st.integers(0, 7)),
    st.tuples(st.just("set"), places, st.integers(0, 255)),
    st.tuples(st.just("number"), places, st.sampled_from(_NUMBERS), st.sampled_from("<>"),
              st.sampled_from("BHIQ")),
    st.tuples(st.just("cut"), places, places),
    st.tuples(st.just("end"), places),
    st.tuples(st.just("repeat"), places, places, st.integers(2, 50)),
    st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=20)),
)  # fmt: skip

value_changes = st.tuples(
    st.sampled_from(["replace", "remove", "repeat", "nest", "rename"]),
    places,
    st.sampled_from(_VALUES),
    st.sampled_from([2, 50, 300, 20_000]),
)

changes = st.lists(
    st.one_of(
        st.tuples(st.just("file"), places, byte_changes),
        st.tuples(st.just("member"), places, byte_changes),
        st.tuples(st.just("json"), places, value_changes),
    ),
    min_size=1,
    max_size=4,
)
"""Some changes of a file; each names where it applies and what is done there."""


def mutate(content: bytes, applied: list[tuple[str, float, Any]]) -> bytes:
    """Return a changed file."""
    for where, place, change in applied:
        if where == "file":
            content = _change_bytes(content, change)
        else:
            content = _change_part(content, where, place, change)
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
    stop = at + int(rest[0] * min(len(content) - at, 5000))
    return content[:at] + content[at:stop] * (rest[1] if kind == "repeat" else 0) + content[stop:]


def _change_part(content: bytes, where: str, place: float, change: tuple[Any, ...]) -> bytes:
    """Change a member of an archive, or what is JSON in it; other files as a whole."""
    if not content.startswith(b"PK"):
        return _change_json(content, change) if where == "json" else _change_bytes(content, change)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # noqa: BLE001 - an earlier change has damaged it
        return content
    names = [name for name in members if where == "member" or name.endswith(".json")]
    if not names:
        return content
    name = names[int(place * len(names))]
    edit = _change_json if where == "json" else _change_bytes
    members[name] = edit(members[name], change)
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return changed.getvalue()


def _change_json(content: bytes, change: tuple[Any, ...]) -> bytes:
    kind, place, value, number = change
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return content
    spots = list(_spots(tree))
    if not spots:
        return content
    owner, key = spots[int(place * len(spots))]
    if kind == "replace":
        owner[key] = value
    elif kind == "remove":
        del owner[key]
    elif kind == "rename" and isinstance(owner, dict):
        owner[str(value)] = owner.pop(key)
    elif kind == "repeat" and isinstance(owner, list):
        owner[key:key] = [owner[key]] * min(number, 300)
    elif kind == "nest":
        marker = "@nested@"
        owner[key] = marker
        inner = json.dumps(value)
        text = json.dumps(tree).replace(json.dumps(marker), "[" * number + inner + "]" * number)
        return text.encode()
    return json.dumps(tree).encode()


def _spots(tree: Any) -> Any:
    """Yield every place of a value in JSON: its owner and its key there."""
    waiting = [tree] if isinstance(tree, (dict, list)) else []
    while waiting:
        owner = waiting.pop()
        pairs = owner.items() if isinstance(owner, dict) else enumerate(owner)
        for key, value in list(pairs):
            yield owner, key
            if isinstance(value, (dict, list)):
                waiting.append(value)

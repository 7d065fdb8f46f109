"""JSON in files: of bounded size, always an object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from snn_core.errors import printable, shorten
from snn_core.reading.budget import spend

MAX_TEXT_BYTES = 2**28
"""Longer texts are refused."""

DEPTH = 64
"""Depth that our own files stay far below."""

_PER_BYTE = 8
"""Memory that the objects of a JSON text take for each of its bytes, in the worst case about."""


_SHOWN = 200
"""Letters of a key that a message repeats."""


def read_json(path: Path, *, depth: int = DEPTH, most: int = MAX_TEXT_BYTES) -> dict[str, Any]:
    """Return the JSON object in a file; call it in a `while_reading`.

    Parameters
    ----------
    depth
        See `parse_json`.
    most
        Bytes that the file may have.
    """
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"{path.name} has {size} bytes; at most {most} are read")
    spend(size, path.name)
    return parse_json(path.read_bytes(), path.name, depth=depth)


def parse_json(content: bytes | str, what: str, *, depth: int = DEPTH) -> dict[str, Any]:
    """Return the JSON object that a text spells; call it in a `while_reading`.

    Parameters
    ----------
    what
        What the text is called in the message.
    depth
        How deep lists and objects may lie in each other; those who walk through them recurse.

    Raises
    ------
    ValueError
        If it is no JSON, no object or too deep, or an object in it has a key twice.
    """
    if len(content) > MAX_TEXT_BYTES:
        raise ValueError(f"{what} has {len(content)} bytes; at most {MAX_TEXT_BYTES} are read")
    spend(_PER_BYTE * len(content), what)
    try:
        found = json.loads(content, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{what} holds a JSON {type(found).__name__}, expected an object")
    _require_flat(found, what, depth)
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object all of whose keys are different; of equal ones, readers take either."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {shorten(repr(key), _SHOWN)} occurs twice in an object")
            seen.add(key)
    return found


def printable_tree(found: Any) -> Any:
    """Return what JSON described with all of its texts `printable`."""
    if isinstance(found, str):
        return printable(found)
    if isinstance(found, dict):
        return {printable(key): printable_tree(value) for key, value in found.items()}
    return [printable_tree(item) for item in found] if isinstance(found, list) else found


def _require_flat(found: Any, what: str, depth: int) -> None:
    level = [found]
    for _ in range(depth):
        level = [
            item
            for value in level
            for item in (value.values() if isinstance(value, dict) else value)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return
    raise ValueError(f"{what}: lists and objects lie in each other more than {depth} deep")

"""JSON in files: of bounded size and structure, always an object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from snn_core.errors import brief, printable
from snn_core.reading.budget import spend

MAX_TEXT_BYTES = 2**26
"""Longer texts are refused."""

DEPTH = 64
"""Depth that our own files stay far below."""

MOST_VALUES = 2**22
"""More values than the description of any model has; it takes some seconds to read so many."""

MOST_OBJECTS = 2**20
"""Most lists and objects among them."""

_TAKES = {b"{": 176, b"[": 176, b",": 48, b":": 240, b'"': 32}
"""Memory that goes with a character: a list or an object, a number and its place, an entry, half a
text. Measured on CPython 3.10 to 3.13 (`sys.getsizeof`), each object twice, as `printable_tree`
copies it. A character within a text counts as well, so that this is a bound."""

_PER_BYTE = 9
"""Memory for each byte besides: as characters of four bytes, twice, as all of a text has them if
one needs them."""

_PER_LETTER = 80
"""Memory for a letter that cannot be printed: ten of four bytes, in pieces and put together."""


def read_json(
    path: Path,
    *,
    depth: int = DEPTH,
    values: int = MOST_VALUES,
    objects: int = MOST_OBJECTS,
    most: int = MAX_TEXT_BYTES,
) -> dict[str, Any]:
    """Return the JSON object in a file; call it in a `while_reading`.

    Parameters
    ----------
    depth, values, objects
        See `parse_json`.
    most
        Bytes that the file may have.
    """
    size = path.stat().st_size
    _require_short(size, path.name, most)
    spend(size, path.name)
    return parse_json(path.read_bytes(), path.name, depth=depth, values=values, objects=objects)


def parse_json(
    content: bytes | str,
    what: str,
    *,
    depth: int = DEPTH,
    values: int = MOST_VALUES,
    objects: int = MOST_OBJECTS,
) -> dict[str, Any]:
    """Return the JSON object that a text spells; call it in a `while_reading`.

    What it takes in memory is known from the text, before anything is read.

    Parameters
    ----------
    what
        What the text is called in the message.
    depth
        How deep lists and objects may lie in each other; those who walk through them recurse.
    values, objects
        How many values there may be, and how many lists and objects among them.

    Raises
    ------
    ValueError
        If it is no JSON, no object, too deep or too much, or an object in it has a key twice.
    """
    _require_short(len(content), what, MAX_TEXT_BYTES)
    numbers = require_few_values(content, what, values=values, objects=objects)
    taken = sum(_TAKES[mark] * number for mark, number in numbers.items())
    spend(_PER_BYTE * len(content) + taken, what)
    try:
        found = json.loads(content, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{what} holds a JSON {type(found).__name__}, expected an object")
    _require_flat(found, what, depth)
    return found


def _require_short(size: int, what: str, most: int) -> None:
    if size > most:
        raise ValueError(f"{what} has {size} bytes; at most {most} are read")


def require_few_values(
    content: bytes | str, what: str, *, values: int, objects: int
) -> dict[bytes, int]:
    """Make sure that a JSON text holds no more than what is read in seconds.

    Returns
    -------
    dict
        How often each character that spells structure is there.

    Raises
    ------
    ValueError
        If there are more of them.
    """
    numbers = {
        mark: content.count(mark) if isinstance(content, bytes) else content.count(mark.decode())
        for mark in _TAKES
    }
    found = numbers[b"{"] + numbers[b"["]
    if found > objects:
        raise ValueError(f"{what} has {found} lists and objects; at most {objects} are read")
    if found + numbers[b","] > values:
        raise ValueError(f"{what} has {found + numbers[b',']} values; at most {values} are read")
    return numbers


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object all of whose keys are different; of equal ones, readers take either."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {brief(key)} occurs twice in an object")
            seen.add(key)
    return found


def printable_tree(found: Any) -> Any:
    """Return what JSON described with its texts `printable`; call it in a `while_reading`."""
    if isinstance(found, str):
        if not found.isprintable():
            spend(_PER_LETTER * len(found), "a text with control characters")
        return printable(found)
    if isinstance(found, dict):
        return {printable_tree(key): printable_tree(value) for key, value in found.items()}
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

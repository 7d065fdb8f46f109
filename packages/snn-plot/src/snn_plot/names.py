"""Names in figures: cut in their middle where they are too long, and still apart."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

WIDE = ("W", "F")
"""Classes of letters that take the room of two (East Asian width, Unicode annex 11)."""

ROOM_CLASS = 14
"""Letters of a class at an axis or in a legend."""


def letters(text: str) -> int:
    """Return how much room a text takes, in letters of average width."""
    return sum(2 if unicodedata.east_asian_width(letter) in WIDE else 1 for letter in text)


def fit(text: str, room: int) -> str:
    """Return a text, or its ends with an ellipsis between if it takes more room.

    Names of layers begin with their place in the network and end with their shape.

    Parameters
    ----------
    room
        Letters of average width; at least 3.
    """
    if letters(text) <= room:
        return text
    head, tail = "", ""
    for first, last in zip(text, reversed(text), strict=True):
        if letters(head + first + tail) + 1 > room:
            break
        head += first
        if letters(head + last + tail) + 1 > room:
            break
        tail = last + tail
    return f"{head}…{tail}"


def fit_all(names: Iterable[str], room: int) -> list[str]:
    """Return names as `fit` does; those that would look alike begin with their numbers."""
    whole = list(names)
    cut = [fit(name, room) for name in whole]
    times = Counter(cut)
    return [
        text if text == name or times[text] == 1 else fit(f"{index}: {name}", room)
        for index, (text, name) in enumerate(zip(cut, whole, strict=True))
    ]


def fit_classes(names: Iterable[str] | None, number: int) -> list[str]:
    """Return the names of so many outputs, or their numbers if they have none."""
    return fit_all(names or map(str, range(number)), ROOM_CLASS)

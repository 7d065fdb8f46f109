"""Texts from outside as a terminal may show them: names of files, layers and classes."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return a text in which a terminal finds nothing to obey.

    Control characters other than line ends and tabs, and halves of characters, which cannot be
    written at all, are shown as ``\x1b`` and ``\ud800``.
    """
    return _escape(text, allowed="\n\t")


def printable_line(value: object) -> str:
    r"""Return the text of a value, such as a path, `printable` and in one line (``\n``)."""
    return _escape(str(value), allowed="")


def _escape(text: str, *, allowed: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in allowed else ascii(letter)[1:-1]
        for letter in text
    )

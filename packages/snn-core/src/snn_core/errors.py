"""Errors that a user can do something about, all derived from `SNNError`, and texts for terminals.

Each message states what was found, what was expected and what to do. The command line prints an
:class:`SNNError` as a short message and ends with status 2; any other exception is a bug.
"""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


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
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    return "".join(_escape_piece(piece, allowed) for piece in pieces)


_PIECE = 2**12
"""Letters that are escaped at once; what stands for them may take much more memory than they."""


def _escape_piece(text: str, allowed: str) -> str:
    wrong = {letter for letter in set(text) - set(allowed) if not letter.isprintable()}
    return text.translate({ord(letter): ascii(letter)[1:-1] for letter in wrong})


LONGEST_LINE = 1000
"""Letters in a line of a message."""


LONGEST_WARNING = 4000
"""Letters of a warning; what keeps the warnings of a run has room for as many."""


def shorten(text: str, most: int) -> str:
    """Return a text without its middle if it is longer than so many letters.

    A message begins with what was found, and ends with what was expected.
    """
    if len(text) <= most:
        return text
    left = " ... "
    end = (most - len(left)) // 3
    return f"{text[: most - len(left) - end]}{left}{text[-end:]}"


def brief(value: object) -> str:
    """Return how Python spells a value, without its middle if that is long."""
    return shorten(repr(value), _BRIEF)


_BRIEF = 200
"""Letters of a value that a message repeats."""


def shorten_lines(text: str) -> str:
    """Return a text of whose lines none has more than `LONGEST_LINE` letters."""
    if len(text) <= LONGEST_LINE:
        return text
    return "\n".join(shorten(line, LONGEST_LINE) for line in text.split("\n"))


def suggest(name: object, known: Iterable[str]) -> str:
    """Return `` Did you mean 'run'?`` for a name that is nearly one of those known, or nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


MOST_PROBLEMS = 100
"""Problems that an error lists; networks have thousands of layers."""


class SNNError(Exception):
    """Base class of all errors that this family of packages raises on purpose.

    Its text may repeat names and values out of files. A terminal finds nothing to obey in them, and
    long ones lack their middle.
    """

    def __str__(self) -> str:
        """Return the message."""
        return printable(shorten_lines(Exception.__str__(self)))


class ParseError(SNNError):
    """A model file or object cannot be read."""


class OpenShapeError(ParseError):
    """A model leaves the shape of its input open, and none was given."""


class UnsupportedError(SNNError):
    """A network, setting or request lies outside what a component can do.

    Parameters
    ----------
    problems
        Every single problem, each naming its layer or setting.
    what
        The headline above the list.
    """

    def __init__(self, problems: Iterable[str], *, what: str = "This cannot be converted") -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        lines = [f"  - {problem}" for problem in self.problems[:MOST_PROBLEMS]]
        if len(self.problems) > MOST_PROBLEMS:
            lines.append(f"  - and {len(self.problems) - MOST_PROBLEMS} more")
        super().__init__("\n".join([f"{what}:", *lines]))


class SettingsError(SNNError):
    """A setting is unknown, has the wrong type or an impossible value."""


class DataError(SNNError):
    """A data set is missing, has the wrong shape or holds impossible values."""


class ArtifactError(SNNError):
    """A ``.snn`` file or a result folder is damaged, foreign or newer than this version."""


class UnknownSimulatorError(SNNError):
    """No installed package registers a simulator of the requested name."""


class SimulatorImportError(SNNError):
    """A registered simulator cannot be imported."""


class ContractError(SNNError):
    """A plug-in was written for another version of the simulator contract."""


class SimulationError(SNNError):
    """A simulator failed while building or running a network."""


class OutOfMemoryError(SNNError, MemoryError):
    """There is not enough memory; the message says how to need less."""


class SNNWarning(UserWarning):
    """Base class of all warnings; the command line shows each as one line on standard error."""


class DataWarning(SNNWarning):
    """Samples, labels or weights are allowed, but can hardly be meant so."""


_noted: ContextVar[list[str] | None] = ContextVar("_noted", default=None)


@contextmanager
def noted_warnings() -> Iterator[list[str]]:
    """Yield a list that gets the text of each warning of `warn`, which is shown all the same."""
    texts: list[str] = []
    token = _noted.set(texts)
    try:
        yield texts
    finally:
        _noted.reset(token)


def warn(message: str, category: type[SNNWarning] = DataWarning) -> None:
    """Warn at the line outside this package that led here; a long text lacks its middle."""
    text = shorten(printable(shorten_lines(message)), LONGEST_WARNING)
    noted = _noted.get()
    if noted is not None:
        noted.append(text)
    frame, level = sys._getframe(1), 2
    # What decorates functions of this package is part of it.
    ours = ("snn_core", "contextlib")
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(ours):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)

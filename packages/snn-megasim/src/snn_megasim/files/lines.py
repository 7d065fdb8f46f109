"""Lines of a text file, read one after the other; every error names the file and the line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from snn_core.errors import DataError, SNNError
from snn_core.files import as_path
from snn_core.reading import spend, while_reading
from snn_megasim.files.attributes import LARGEST, range_problem

MOST_PROBLEMS = 20
"""Problems of one file that are told."""

BYTES_PER_LETTER = 16
"""Memory for a letter of a file: short integers, each an object until its row is complete."""

_PER_LINE = 256
"""Memory for a line besides: its text as it is found and without spaces, and its number."""

_INTEGERS = re.compile(r"[+-]?[0-9]{1,10}(?:[ \t]+[+-]?[0-9]{1,10})*")


class MegaSimFileError(DataError):
    """Files of MegaSim do not hold what they should.

    Parameters
    ----------
    problems
        Each with the file and the line.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Lines:
    """The lines of a file that are not empty.

    What is out of range is collected, so that reading can go on; what cannot be understood raises
    at once, because nothing behind it could be.

    Parameters
    ----------
    name
        The file, as errors name it.
    text
        What is in it.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.problems: list[str] = []
        split = text.split("\n")
        lines = [(number, line.strip(" \t\r")) for number, line in enumerate(split, start=1)]
        self._lines = [(number, line) for number, line in lines if line]
        self._end = len(split) if split[-1].strip() else max(len(split) - 1, 1)
        self._next = 0

    @classmethod
    def of(cls, path: Path) -> Lines:
        """Read a file.

        Raises
        ------
        MegaSimFileError
            If it cannot be read or is no text.
        """
        try:
            path = as_path(path)
            with while_reading(path.name, error=DataError, advice="copy it again", file=path):
                spend(BYTES_PER_LETTER * path.stat().st_size, "the file")
                content = path.read_bytes()
                spend(_PER_LINE * (content.count(b"\n") + 1), "its lines")
            text = content.decode("ascii")
        except UnicodeDecodeError as error:
            raise MegaSimFileError(
                [f"{path.name}: byte {error.start} is no letter of a text; expected ASCII"]
            ) from error
        except SNNError as error:
            raise MegaSimFileError([str(error)]) from error
        return cls(path.name, text)

    @property
    def number(self) -> int:
        """Number of the line that comes next."""
        return self._lines[self._next][0] if self._next < len(self._lines) else self._end

    def peek(self) -> str | None:
        """Return the next line, or ``None`` at the end."""
        return self._lines[self._next][1] if self._next < len(self._lines) else None

    def take(self, expected: str) -> str:
        """Return the next line and go on behind it.

        Raises
        ------
        MegaSimFileError
            At the end of the file, saying what was expected.
        """
        line = self.peek()
        if line is None:
            raise self.error(f"the file ends; expected {expected}")
        self._next += 1
        return line

    def error(self, problem: str, *, number: int | None = None) -> MegaSimFileError:
        """Return an error at a line, by default the next one, after all problems so far."""
        here = f"{self.name}:{self.number if number is None else number}: {problem}"
        return MegaSimFileError([*self.problems, here])

    def note(self, problem: str, *, number: int) -> None:
        """Keep a problem that does not keep anybody from reading on.

        Raises
        ------
        MegaSimFileError
            If there are too many already.
        """
        self.problems.append(f"{self.name}:{number}: {problem}")
        if len(self.problems) >= MOST_PROBLEMS:
            raise MegaSimFileError(self.problems)

    def expect(self, word: str) -> None:
        """Go on behind a line that has to be this one."""
        number, line = self.number, self.take(f"{word!r}")
        if line != word:
            raise self.error(f"found {_short(line)}; expected {word!r}", number=number)

    def attribute(self, name: str) -> int:
        """Return the value of the attribute that the next line has to give."""
        number, line = self.number, self.take(f"{name!r} and a number")
        found, *values = line.split()
        if found != name:
            raise self.error(f"found {_short(line)}; expected {name!r}", number=number)
        value = self._integers(" ".join(values), number)
        if len(value) != 1:
            raise self.error(f"{name} has {len(value)} values; expected one", number=number)
        self.check(name, value[0], number=number)
        return value[0]

    def check(self, name: str, value: int, *, number: int) -> None:
        """Keep a problem if an attribute is out of its range."""
        problem = range_problem(name, value)
        if problem:
            self.note(problem, number=number)

    def row(self, columns: int, what: str) -> list[int]:
        """Return the integers of the next line, which has to hold this many."""
        number, line = self.number, self.take(f"{what} of {columns} integers")
        values = self._integers(line, number)
        if len(values) != columns:
            raise self.error(
                f"found {len(values)} integers; expected {what} of {columns}", number=number
            )
        for value in values:
            if not -LARGEST <= value <= LARGEST:
                self.note(f"{value} is out of range; expected at most ±{LARGEST}", number=number)
        return values

    def _integers(self, line: str, number: int) -> list[int]:
        if not line:
            return []
        if not _INTEGERS.fullmatch(line):
            raise self.error(
                f"found {_short(line)}; expected integers of at most ten digits", number=number
            )
        return [int(word) for word in line.split()]

    def finish(self) -> None:
        """Require that nothing is left, and raise the problems that were kept.

        Raises
        ------
        MegaSimFileError
            With all of them.
        """
        line = self.peek()
        if line is not None:
            raise self.error(f"found {_short(line)}; expected the end of the file")
        if self.problems:
            raise MegaSimFileError(self.problems)


def _short(text: str, most: int = 40) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}…")

"""Settings as text: TOML and INI files, and single assignments, as nested dictionaries."""

from __future__ import annotations

import ast
import configparser
import re
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from snn_core.errors import SettingsError, brief
from snn_core.reading import spend, while_reading

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 2**17
"""Longer files are no settings; a table of a thousand classes takes 20 kB."""

LONGEST_LINE = 2**15
"""Letters of a line."""

MOST_LINES = 2**13
"""Lines of a file. Python's reader of INI files takes time with the square of those it refuses."""

MOST_PARTS = 16
"""Names that dots join to a key. Python's reader of TOML takes memory with their square."""

_PER_BYTE = 600
"""Memory that reading takes for each byte, in the worst case about: that of Python's syntax trees
of empty lists, and of TOML's keys of so many names."""

_TOML = re.compile(
    r"""
    \"{3}(?:[^\\]|\\.)*?\"{3} | '{3}.*?'{3}     # texts of several lines
    | "(?:[^"\\\n]|\\.)*" | '[^'\n]*' | [\w-]+  # texts and words, of which keys are made
    | \#[^\n]* | [ \t]+ | .
    """,
    re.DOTALL | re.VERBOSE,
)
"""What a TOML file is made of."""


def read_tree(path: Path) -> dict[str, Any]:
    """Return the sections of a settings file, unchecked.

    Raises
    ------
    SettingsError
        If the file cannot be read, or is not written in its format.
    """
    with while_reading(path, error=SettingsError, advice="correct it; see docs/settings.md"):
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path} is larger than {MAX_BYTES} bytes: no settings file.")
        spend(_PER_BYTE * path.stat().st_size, path.name)
        text = path.read_text(encoding="utf-8-sig")  # Windows marks UTF-8 at the start of files
        _require_readable(text)
        return _parse_toml(text) if path.suffix.lower() == ".toml" else _parse_ini(text)


def read_assignments(texts: Sequence[str], *, known: Iterable[str] = ()) -> dict[str, Any]:
    """Return the settings that texts such as ``cell.leak=0.1`` set, unchecked.

    Values are written as in INI files. A longer name sets one key of a setting that has keys of its
    own: ``input.dataflow_kwargs.color_mode=rgb``.

    Parameters
    ----------
    known
        Names of settings, one of which is suggested for a key without its section.

    Raises
    ------
    SettingsError
        If a text is no assignment.
    """
    tree: dict[str, Any] = {}
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise SettingsError(f"Found assignments {texts!r}; expected a list of texts.")
    for text in texts:
        name, equals, value = text.partition("=")
        # What has more parts becomes a key that there is not.
        *sections, key = (part.strip() for part in name.split(".", MOST_PARTS))
        if not (equals and sections and all((*sections, key))):
            raise SettingsError(
                f"Found {text!r}; expected section.key=value, such as simulation.batch_size=10."
                f"{_suggest_section(name.strip(), known)}"
            )
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise SettingsError(f"Found {text!r}, but {section} was given a value before.")
        try:
            place[key] = _parse_literal(value.strip())
        except ValueError as error:
            raise SettingsError(f"Found {text!r}: {error}.") from None
    return tree


def _suggest_section(key: str, known: Iterable[str]) -> str:
    found = [name for name in known if name.endswith(f".{key}")]
    return f" Did you mean {' or '.join(found)}?" if found else ""


def _require_readable(text: str) -> None:
    """Raise a `ValueError` unless a text has few lines, none of them long."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        raise ValueError(f"found {len(lines)} lines, expected at most {MOST_LINES}")
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise ValueError(
                f"line {number} has {len(line)} letters, expected at most {LONGEST_LINE}: write "
                f"long lists on several lines"
            )


def _parse_toml(text: str) -> dict[str, Any]:
    parts = 1
    for token in _TOML.finditer(text):
        part = token[0]
        if part == ".":
            parts += 1
        elif not (part[0] in "\"'_- \t" or part[0].isalnum()):
            parts = 1
        if parts > MOST_PARTS:
            number = text.count("\n", 0, token.start()) + 1
            raise ValueError(f"line {number} has a key of more than {MOST_PARTS} names")
    return tomllib.loads(text)


class _Ini(configparser.ConfigParser):
    """INI files as the original's, in linear time: Python's expression tries each run of blanks.

    No section is special: what ``[DEFAULT]`` would set in all sections is refused.
    """

    OPTCRE = re.compile(r"(?P<option>[^=:]*)(?P<vi>[=:])\s*(?P<value>.*)$")

    def __init__(self) -> None:
        super().__init__(interpolation=None, default_section="")

    def optionxform(self, optionstr: str) -> str:
        """Return the name of a key, which keeps its capitals."""
        return optionstr


def _parse_ini(text: str) -> dict[str, Any]:
    parser = _Ini()
    parser.read_string(text)
    return {
        section: {key: _parse_literal(value) for key, value in parser[section].items()}
        for section in parser.sections()
    }


def _parse_literal(text: str) -> Any:
    """Return the Python literal that an INI value spells, or the text itself.

    Raises
    ------
    ValueError
        If it is longer than a file of settings, nested too deep, or holds a key twice.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"a value has {len(text)} letters, expected at most {MAX_BYTES}")
    try:
        with warnings.catch_warnings():  # of Python, about texts that are no code
            warnings.simplefilter("ignore")
            tree = ast.parse(text.lstrip(" \t"), mode="eval")
            found = ast.literal_eval(tree)
    except (MemoryError, RecursionError):  # how CPython says that a literal is nested too deep
        raise ValueError(f"{text[:20]}...: brackets or signs are nested too deep") from None
    except (ValueError, SyntaxError, TypeError):  # the latter of keys that are lists
        words = {"true": True, "yes": True, "false": False, "no": False}
        return words.get(text.lower(), text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            _require_different([ast.literal_eval(key) for key in node.keys if key is not None])
    return found


def _require_different(keys: list[Any]) -> None:
    """Raise a `ValueError` if a dictionary has a key twice; keys are numbers or texts of them."""
    seen: set[str] = set()
    for key in keys:
        text = str(int(key) if isinstance(key, bool) else key)
        if text in seen:
            raise ValueError(f"the key {brief(key)} occurs twice in a dictionary")
        seen.add(text)

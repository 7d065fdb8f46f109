"""Settings as text: TOML and INI files, and single assignments, as nested dictionaries."""

from __future__ import annotations

import ast
import configparser
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from snn_core.errors import SettingsError
from snn_core.reading import while_reading

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 2**22
"""Longer files are no settings."""


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
        text = path.read_text(encoding="utf-8")
        return _parse_toml(text) if path.suffix == ".toml" else _parse_ini(text)


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
        *sections, key = (part.strip() for part in name.split("."))
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
        place[key] = _parse_literal(value.strip())
    return tree


def _suggest_section(key: str, known: Iterable[str]) -> str:
    found = [name for name in known if name.endswith(f".{key}")]
    return f" Did you mean {' or '.join(found)}?" if found else ""


def _parse_toml(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def _parse_ini(text: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return {
        section: {key: _parse_literal(value) for key, value in parser[section].items()}
        for section in parser.sections()
    }


def _parse_literal(text: str) -> Any:
    """Return the Python literal that an INI value spells, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (MemoryError, RecursionError):  # how CPython says that a literal is nested too deep
        raise ValueError(f"{text[:20]}...: brackets or signs are nested too deep") from None
    except (ValueError, SyntaxError):
        words = {"true": True, "yes": True, "false": False, "no": False}
        return words.get(text.lower(), text)

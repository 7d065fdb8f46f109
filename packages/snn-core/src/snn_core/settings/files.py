"""Settings files: TOML, or INI with Python literals, as nested dictionaries."""

from __future__ import annotations

import ast
import configparser
import sys
from pathlib import Path
from typing import Any

from snn_core.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_tree(path: Path) -> dict[str, Any]:
    """Return the sections of a settings file, unchecked.

    Raises
    ------
    SettingsError
        If the file cannot be read, or is not written in its format.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read the settings file {path}: {error}") from error
    try:
        return _parse_toml(text) if path.suffix == ".toml" else _parse_ini(text)
    except (ValueError, configparser.Error) as error:
        raise SettingsError(f"{path} is not a valid settings file: {error}") from error


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
    except (ValueError, SyntaxError):
        words = {"true": True, "yes": True, "false": False, "no": False}
        return words.get(text.lower(), text)

"""Settings files: TOML, or INI with Python literals, as nested dictionaries."""

from __future__ import annotations

import ast
import configparser
import sys
from pathlib import Path
from typing import Any

from snn_core.errors import SettingsError
from snn_core.files import require_file
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
        require_file(path, error=SettingsError)
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path} is larger than {MAX_BYTES} bytes: no settings file.")
        text = path.read_text(encoding="utf-8")
        return _parse_toml(text) if path.suffix == ".toml" else _parse_ini(text)


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

"""Benchmarks that are run in parts: rows of several calls in one file, of one state of the code.

The file holds ``{"state": ..., "rows": [...]}`` as JSON. Rows of a cell that is measured again are
replaced.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEYS = ("axis", "network", "asked_rate", "batch", "steps")
"""What makes a cell, of those that its rows have."""


def state_of_code() -> str:
    """Return a hash of the sources of the packages and the benchmarks."""
    files = [*ROOT.glob("packages/*/src/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()[:16]


def check(path: Path | None) -> None:
    """End if a file holds rows of another state of the code, before anything is measured."""
    if path is not None and path.exists():
        state = json.loads(path.read_text())["state"]
        if state != state_of_code():
            sys.exit(f"{path} was measured with other code ({state}). Remove it to begin anew.")


def merge(path: Path | None, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add rows to a file, if there is one, and return all rows.

    Parameters
    ----------
    path
        The file; ``None`` if rows are not kept.
    rows
        One for each cell that was measured.
    """
    found: dict[Sequence[Any], dict[str, Any]] = {}
    if path is not None and path.exists():
        found = {_cell(row): row for row in json.loads(path.read_text())["rows"]}
    found |= {_cell(row): row for row in rows}
    every = list(found.values())
    if path is not None:
        path.write_text(json.dumps({"state": state_of_code(), "rows": every}, indent=1))
    return every


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file."""
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
    return rows


def _cell(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in KEYS)

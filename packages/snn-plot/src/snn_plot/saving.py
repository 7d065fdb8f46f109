"""Saving of figures: whole or not at all, and never in place of anything but a figure of ours."""

from __future__ import annotations

import hashlib
import io
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from snn_core.errors import DataError
from snn_core.files import FileKind, atomic_write
from snn_plot.backend import hidden
from snn_plot.style import drawn_in_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "snn-plot"
"""Stands in every figure as the program that made it."""

_KEYS: Mapping[str, Mapping[str, str | None]] = {
    ".png": {"Software": MARK},
    ".pdf": {"Creator": MARK, "CreationDate": None},
    ".svg": {"Creator": MARK, "Date": None},
}
"""What stands in a figure besides the drawing: no date, so that equal figures are equal files."""

LARGEST = 2**28
"""Bytes of the largest file that is searched for the mark."""


_LONGEST = 100


def file_names(names: Iterable[str], kind: str) -> dict[str, str]:
    """Return the file of each figure, a path that stays inside its folder.

    Slashes make folders. Names that all file systems take stay as they are. A number is added that
    tells names apart where a part is cut or changed, and to files that would be the same one, or
    stand where a folder has to be, on a file system that ignores case.

    Parameters
    ----------
    names
        Figures of one folder, each once.
    kind
        Ending of the files.
    """
    files = {name: f"{_file_name(name)}.{kind}" for name in names}
    folders = {str(parent) for file in files.values() for parent in PurePosixPath(file).parents}
    taken = Counter(map(_as_stored, (*files.values(), *folders)))
    return {
        name: file if taken[_as_stored(file)] == 1 else f"{_file_name(name)}-{_mark(name)}.{kind}"
        for name, file in files.items()
    }


def _as_stored(file: str) -> str:
    """Return what a file system that ignores case and composition of letters calls a file."""
    return unicodedata.normalize("NFKC", file).casefold()


def _file_name(name: str) -> str:
    return "/".join(_part(part) for part in name.split("/"))


def _part(part: str) -> str:
    safe = re.sub(r'[\x00-\x1f<>:"\\|?*]', "_", part)
    if safe.strip(". ") == "":  # "..", and nothing at all
        safe = "_" * max(len(safe), 1)
    if len(os.fsencode(safe)) > _LONGEST:
        safe = safe[: _LONGEST // 4]
    return safe if safe == part else f"{safe}-{_mark(part)}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_figure(path: Path) -> bool:
    """Return whether a file is a figure that `save_figure` wrote."""
    try:
        return path.stat().st_size <= LARGEST and MARK.encode() in path.read_bytes()
    except OSError:
        return False


FILE = FileKind("figure of snn-plot", is_figure)
"""What a figure may replace: another one."""


def save_figure(figure: Figure, path: Path, *, overwrite: bool = False) -> None:
    """Write a figure in the format that the path ends in: png, pdf or svg.

    The same figure makes the same file, whatever settings matplotlib has and the environment holds.

    Raises
    ------
    DataError
        If it cannot be written or must not replace what is there.
    """
    drawn = io.BytesIO()
    kind = path.suffix.lower()
    if kind not in _KEYS:
        raise DataError(f"Cannot write {path}: expected a name in {', '.join(_KEYS)}.")
    with warnings.catch_warnings(), drawn_in_style(), hidden("SOURCE_DATE_EPOCH"):
        # No font has a letter of a name: its box says so.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(drawn, format=kind.removeprefix("."), metadata=dict(_KEYS[kind]))
    with atomic_write(path, kind=FILE, overwrite=overwrite) as file:
        file.write(drawn.getbuffer())

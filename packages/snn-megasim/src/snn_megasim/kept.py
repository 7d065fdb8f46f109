"""The folder of MegaSim's files that a user keeps: written again and again, by its owner alone.

A list beside the files says which of them a run wrote. Only those are replaced or removed, so that
nothing of an older network is left, and nothing of the user's is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from snn_core.errors import DataError
from snn_core.files import (
    FileKind,
    atomic_write,
    list_folder,
    make_folder,
    require_writable,
)
from snn_core.reading import spend, while_reading
from snn_megasim.files import Netlist, write_netlist
from snn_megasim.files.netlist import FILE

LIST = "snn-files.txt"

HEAD = "# Files that a run of snn-megasim wrote; the next run replaces them."

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


_PER_BYTE = 60
"""Memory for a letter of the list, where lines are short."""


def _is_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(HEAD)) == HEAD.encode()
    except OSError:
        return False


LIST_FILE = FileKind("list of files of snn-megasim", _is_list)


def keep_netlist(netlist: Netlist, folder: Path, *, others: Iterable[str] = ()) -> None:
    """Write a directory in place of the one that an earlier run wrote there.

    Parameters
    ----------
    others
        Files that are going to be written beside it; what an earlier run left of them is removed.

    Raises
    ------
    DataError
        If the folder cannot be written, or holds a file of one of these names that no run wrote.
    """
    make_folder(folder)
    require_writable(folder / LIST, kind=LIST_FILE, overwrite=True)
    old = _listed(folder)
    files, others = netlist.files, list(others)
    for name in (*files, *others):
        require_writable(folder / name, kind=FILE, overwrite=True)
        if name not in old and (folder / name).exists():
            raise DataError(
                f"Cannot write {folder / name}: it is there already, and no run with this folder "
                f"wrote it. Name another folder in megasim.folder, or remove the file."
            )
    _write_list(folder, dict.fromkeys((*old, *files, *others)))
    for name in old - set(files):
        path = folder / name
        if path.is_file() and not path.is_symlink() and FILE.recognises(path):
            try:
                path.unlink()
            except OSError as error:
                raise DataError(
                    f"Cannot remove {path} of an earlier run: {error.strerror or error}. Remove "
                    f"it, or name another folder in megasim.folder."
                ) from error
    write_netlist(netlist, folder, overwrite=True)
    _write_list(folder, (*files, *others))


def _listed(folder: Path) -> set[str]:
    """Return the files in a folder that its list names; none if there is no list."""
    there = {path.name for path in list_folder(folder)}
    if LIST not in there:
        return set()
    path = folder / LIST
    with while_reading(path, error=DataError, advice="remove it"):
        spend(_PER_BYTE * path.stat().st_size, "the list")
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return {line for line in lines if _NAME.fullmatch(line)} & there


def _write_list(folder: Path, names: Iterable[str]) -> None:
    with atomic_write(folder / LIST, kind=LIST_FILE, overwrite=True) as file:
        file.write("\n".join([HEAD, *names, ""]).encode("ascii"))

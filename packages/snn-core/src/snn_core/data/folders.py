"""Folders with one sub-folder of files for each class."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snn_core.errors import DataError, shorten, warn
from snn_core.reading import FileStates, printable, spend, while_reading
from snn_core.typing import Array


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files with the class of each.

    Parameters
    ----------
    paths
        The files, class by class, sorted by name.
    labels_b
        Class of each; ``None`` for files that are in no sub-folder.
    classes
        Name of each class, by its number.
    """

    paths: Sequence[Path]
    labels_b: Array | None
    classes: tuple[str, ...] = ()


def find_files(
    folder: Path,
    suffixes: Sequence[str],
    *,
    label_dict: Mapping[str, int] | None = None,
    classes: Sequence[str] = (),
    known: Sequence[str] = (),
) -> Files:
    """Return the files of a folder; classes are its sub-folders, numbered in the order of names.

    A sub-folder without files is a class all the same, as in Keras'
    ``image_dataset_from_directory`` and torchvision's ``ImageFolder(allow_empty=True)``, so that
    it does not shift the numbers of those after it. Hidden files and folders are passed over at
    any depth; see `is_hidden`.

    Parameters
    ----------
    suffixes
        Endings of the files to take, in lower case; others are passed over, with a warning
        unless they are notes (`NOTES`).
    label_dict
        Sub-folder to class, instead of the order of names.
    classes
        Sub-folders in the order of their classes, instead of the order of names.
    known
        Names of the classes that a network knows, in their order. They give the numbers where
        settings don't, if all sub-folders with files are among them.

    Raises
    ------
    DataError
        If there are no such files, a sub-folder is missing, unknown or a link to nothing, or two
        have names that look alike.
    OSError
        If a folder may not be read.

    Warns
    -----
    DataWarning
        If there are files of other endings in the sub-folders, such as lie beside them, links to
        nothing or to folders, or pipes.
    """
    folders = [child for child in list_folder(folder) if stat.S_ISDIR(_mode(child))]
    by_class = {child.name: _match_suffixes(walk_folder(child), suffixes) for child in folders}
    if not any(by_class.values()):
        paths = _match_suffixes(list_folder(folder), suffixes)
        if not paths:
            _refuse_lost_folders(folder, suffixes)
            raise DataError(
                f"{folder} holds no files ending in {', '.join(suffixes)}; expected one sub-folder "
                f"of them for each class."
            )
        _warn_of_unread(folder, [folder], suffixes)
        return Files(paths=paths, labels_b=None)
    _refuse_lost_folders(folder, suffixes)
    _warn_of_unread(folder, folders, suffixes)
    labels = dict(label_dict or _numbered(classes))
    if labels:
        by_class = {name: paths for name, paths in by_class.items() if paths or name in labels}
        _require_named(by_class, labels, folder)
    else:
        filled = {name: paths for name, paths in by_class.items() if paths}
        by_class = filled if set(filled) <= set(known) else by_class
        labels = _numbered(known if by_class is filled else by_class)
    labels_b = [labels[name] for name, paths in by_class.items() for _ in paths]
    return Files(
        paths=[path for paths in by_class.values() for path in paths],
        labels_b=np.array(labels_b, np.int64),
        classes=_name_classes(labels, folder),
    )


def is_hidden(path: Path) -> bool:
    """Return whether a file or folder is none of the user's: ``.ipynb_checkpoints``, ``._1.png``.

    ``__MACOSX`` is what macOS puts into archives beside the files.
    """
    return path.name.startswith(".") or path.name == "__MACOSX"


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder and is not hidden, sorted by name.

    Raises
    ------
    OSError
        If the folder may not be read.
    """
    return sorted(path for path in folder.iterdir() if not is_hidden(path))


def walk_folder(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder at any depth and is not hidden; links to folders stay closed.

    Raises
    ------
    OSError
        If a folder may not be read: `Path.rglob` would pass it over, with all that is in it.
    """
    waiting = [folder]
    while waiting:
        for path in list_folder(waiting.pop()):
            yield path
            if stat.S_ISDIR(_mode(path)) and not path.is_symlink():
                waiting.append(path)


def walk_classes(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder and is not hidden; sub-folders may be links, as classes may.

    Raises
    ------
    OSError
        If a folder may not be read.
    """
    for path in list_folder(folder):
        yield path
        if stat.S_ISDIR(_mode(path)):
            yield from walk_folder(path)


def _mode(path: Path) -> int:
    """Return what a path leads to, as `stat` has it; 0 for a link to nothing.

    `Path.is_dir` and `Path.is_file` say no, in some versions, where a path may not be looked at.
    """
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return 0
        raise


def _refuse_lost_folders(folder: Path, suffixes: Sequence[str]) -> None:
    """Refuse links to nothing that were folders of a class: the numbers of others would shift."""
    for path in list_folder(folder):
        if not _mode(path) and path.suffix.lower() not in (*suffixes, *NOTES):
            raise DataError(
                f"{path} is a link to nothing; expected the folder of a class. Repair the link, or "
                f"remove it if there is no such class."
            )


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


def _require_named(found: Iterable[str], labels: Mapping[str, int], folder: Path) -> None:
    if set(labels) != set(found):
        raise DataError(
            f"{folder} has the sub-folders {', '.join(found)}; the settings name "
            f"{', '.join(sorted(labels))} (input.label_dict, input.dataflow_kwargs.classes). "
            f"Expected the same names."
        )


def _name_classes(labels: Mapping[str, int], folder: Path) -> tuple[str, ...]:
    """Return the name of each class; several folders may make up one, or none."""
    shown: dict[str, str] = {}
    for name in labels:
        other = shown.setdefault(printable(name), name)
        if labels[other] != labels[name]:
            raise DataError(
                f"{folder} has the sub-folders {other!a} and {name!a}, which are both shown as "
                f"{printable(name)}; rename one of them."
            )
    names = [""] * (max(labels.values()) + 1)
    for name, number in labels.items():
        names[number] += f" or {name}" if names[number] else name
    return tuple(printable(name) or str(number) for number, name in enumerate(names))


def hash_files(files: Files, folder: Path, states: FileStates) -> str:
    """Return a hash of names, classes and bytes of files; nothing is decoded.

    Raises
    ------
    DataError
        If one cannot be read, or changed since it was looked at.
    """
    digest = hashlib.sha256()
    for i, path in enumerate(files.paths):
        label = "" if files.labels_b is None else files.labels_b[i]
        name = path.relative_to(folder).as_posix()
        digest.update(os.fsencode(f"{name}\0{label}\0"))  # names need not be UTF-8
        with while_reading(path, error=DataError, advice="copy it again"), states.watch(path):
            size = path.stat().st_size
            spend(size, "the file", kept=False)  # as reading it will
            digest.update(f"{size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
    return digest.hexdigest()


NOTES = (".txt", ".md", ".csv", ".json", ".xml", ".ini", ".db")
"""Endings of files that go with samples and are none."""


def _warn_of_unread(folder: Path, classes: Collection[Path], suffixes: Sequence[str]) -> None:
    """Warn of files in the folders of classes that might be samples and are not read."""
    found: Counter[str] = Counter()
    if folder not in classes:
        found["files beside the sub-folders"] += len(_match_suffixes(list_folder(folder), suffixes))
    for child in classes:
        for path in walk_folder(child):
            kind = _describe_unread(path, suffixes)
            found[kind] += bool(kind)
    if counted := +found:
        counts = ", ".join(f"{number} {what}" for what, number in sorted(counted.items()))
        counts = shorten(counts, _MOST_SHOWN)
        warn(
            f"{folder}: not read: {counts}. Samples are files ending in {', '.join(suffixes)}; "
            f"convert the others if they are samples, too, and repair links."
        )


def _describe_unread(path: Path, suffixes: Sequence[str]) -> str:
    """Return what is said of a path that might be a sample and is not read, or nothing."""
    suffix, mode = path.suffix.lower(), _mode(path)
    if suffix in NOTES:
        return ""
    if not mode:
        return "links to nothing"
    if stat.S_ISDIR(mode):
        return "links to folders" if path.is_symlink() else ""
    if not stat.S_ISREG(mode):
        return "pipes or devices"
    if suffix in suffixes:
        return ""
    return shorten(suffix, _LONGEST_ENDING) or "files without an ending"


_LONGEST_ENDING, _MOST_SHOWN = 20, 300
"""Letters that a message repeats of an ending, and of all that was not read."""


def _match_suffixes(paths: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    """Return the files of these suffixes."""
    return sorted(
        path for path in paths if path.suffix.lower() in suffixes and stat.S_ISREG(_mode(path))
    )

"""Folders with one sub-folder of files for each class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snn_core.errors import DataError
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
    """

    paths: Sequence[Path]
    labels_b: Array | None


def find_files(
    folder: Path,
    suffixes: Sequence[str],
    *,
    label_dict: Mapping[str, int] | None = None,
    classes: Sequence[str] = (),
) -> Files:
    """Return the files of a folder; classes are its sub-folders, numbered in the order of names.

    Parameters
    ----------
    suffixes
        Endings of the files to take, in lower case; others are passed over.
    label_dict
        Sub-folder to class, instead of the order of names.
    classes
        Sub-folders in the order of their classes, instead of the order of names.

    Raises
    ------
    DataError
        If there are no such files or a sub-folder is missing or unknown.
    """
    folders = sorted(child for child in folder.iterdir() if child.is_dir())
    by_class = {child.name: _match_suffixes(child.rglob("*"), suffixes) for child in folders}
    by_class = {name: paths for name, paths in by_class.items() if paths}
    if not by_class:
        paths = _match_suffixes(folder.iterdir(), suffixes)
        if not paths:
            raise DataError(
                f"{folder} holds no files ending in {', '.join(suffixes)}; expected one sub-folder "
                f"of them for each class."
            )
        return Files(paths=paths, labels_b=None)
    labels = dict(label_dict or {name: i for i, name in enumerate(classes)}) or {
        name: i for i, name in enumerate(by_class)
    }
    if set(labels) != set(by_class):
        raise DataError(
            f"{folder} has the sub-folders {', '.join(by_class)}; the settings name "
            f"{', '.join(sorted(labels))} (input.label_dict, input.dataflow_kwargs.classes). "
            f"Expected the same names."
        )
    labels_b = [labels[name] for name, paths in by_class.items() for _ in paths]
    return Files(
        paths=[path for paths in by_class.values() for path in paths],
        labels_b=np.array(labels_b, np.int64),
    )


def hash_files(files: Files, folder: Path) -> str:
    """Return a hash of names, classes and bytes of files; nothing is decoded."""
    digest = hashlib.sha256()
    for i, path in enumerate(files.paths):
        label = "" if files.labels_b is None else files.labels_b[i]
        digest.update(f"{path.relative_to(folder).as_posix()}\0{label}\0".encode())
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
        digest.update(f"{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _match_suffixes(paths: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in suffixes and path.is_file())

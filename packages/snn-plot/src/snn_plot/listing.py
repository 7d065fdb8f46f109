"""The runs below a folder, with their figures; what is known of one is kept until it changes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from snn_core.errors import DataError, SNNError, printable_line
from snn_core.running.result import BatchArrays, RunFolder, RunResult
from snn_plot.report_words import model_name
from snn_plot.scene import PROBES
from snn_plot.style import count

DEEPEST = 6
"""How many folders deep runs are looked for."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run in the list: its summary, or in ``problem`` why it cannot be read."""

    name: str
    path: Path
    figures: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Walked:
    """What there is below a folder: folders of runs by their names, and what could not be read."""

    runs: dict[str, Path]
    passed_over: list[str] = field(default_factory=list)

    @property
    def remark(self) -> str:
        """What was passed over, in words; nothing if nothing was."""
        if not self.passed_over:
            return ""
        number, first = count(len(self.passed_over), "folder"), printable_line(self.passed_over[0])
        return f"Passed over {number} that cannot be read: {first}" + (
            ", for one" if len(self.passed_over) > 1 else ""
        )


def walk(root: Path) -> Walked:
    """Return the folders of runs below a folder, in their order. Links are not followed.

    Raises
    ------
    DataError
        If there is no such folder, or it cannot be read.
    """
    if not root.is_dir():
        raise DataError(f"There is no folder {root}; expected one with results of `snn run -o`.")
    found: list[Path] = []
    passed_over: list[str] = []

    def note(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):  # it went in the meantime
            return
        passed_over.append(str(error.filename))

    for name, below, files in os.walk(root, onerror=note):
        folder = Path(name)
        if "run.json" in files:
            found.append(folder)
        if len(folder.relative_to(root).parts) == DEEPEST:
            below.clear()
    if str(root) in passed_over:
        raise DataError(f"The folder {root} cannot be read; choose one that you may read.")
    names = {"/".join(folder.relative_to(root).parts): folder for folder in sorted(found)}
    runs = {name or _own_name(root, names): folder for name, folder in names.items()}
    return Walked(runs=runs, passed_over=passed_over)


def _own_name(root: Path, taken: Collection[str]) -> str:
    """Return the name of a run that lies in the folder itself, which has none below it."""
    name = root.resolve().name
    while name in taken:
        name += " (the folder itself)"
    return name


class Runs:
    """The runs below a folder, each of which is read when it is new or has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[str, Listed]] = {}
        self._reading = Lock()

    def listed(self, walked: Walked) -> list[Listed]:
        """Return all runs that were found, by name."""
        with self._reading:
            known, self._known = self._known, {}
            for name, folder in walked.runs.items():
                state, before = state_of(folder), known.get(folder)
                if before is None or before[0] != state:
                    before = state, _list_run(name, folder)
                self._known[folder] = before
            return [listed for _, listed in self._known.values()]


def state_of(folder: Path) -> str:
    """Return a value that changes when a run goes on or is measured; temporary files don't count.

    Files may come and go meanwhile.
    """
    digest = hashlib.sha256()
    for path in sorted(_files_of(folder)):
        with suppress(OSError):
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                facts = f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"
                digest.update(os.fsencode(f"{path} {facts}\n"))
    return digest.hexdigest()


def _files_of(folder: Path) -> Iterator[Path]:
    """Yield the files that a report is made from."""
    yield from (folder / "run.json", folder / "summary.json")
    for name in ("batches", PROBES):
        with suppress(OSError):
            yield from (p for p in (folder / name).iterdir() if not p.name.startswith("."))


def _list_run(name: str, folder: Path) -> Listed:
    try:
        stored = RunFolder(folder)
        description = stored.metadata()
        identity = description["identity"]
        figures = {
            "model": model_name(description),
            "simulator": identity["simulator"],
            "samples": identity["samples"],
        }
        return Listed(name=name, path=folder, figures=figures | _reached(stored, description))
    except SNNError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other runs are listed
        problem = f"This run cannot be listed ({type(error).__name__}: {error})."
    return Listed(name=name, path=folder, figures={}, problem=problem)


def _reached(stored: RunFolder, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a run; of an unfinished one those so far, and how much is done."""
    finished = stored.summary()
    if finished:
        return finished
    batches = [BatchArrays(values=batch.values) for batch in stored.batches()]
    done = sum(len(batch.values["sample_ids_b"]) for batch in batches)
    wanted = description["identity"]["samples"]
    samples = wanted if done == wanted else f"{done} of {wanted}, stopped or running"
    if not batches:
        return {"samples": samples}
    so_far = RunResult.of(description, batches, interrupted=True)
    return so_far.summary() | {"samples": samples}

"""The folder of a run, which grows by batches: ``run.json``, ``batches/`` and ``summary.json``.

A batch is written whole or not at all, so a killed run loses at most the batch in flight.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ArtifactError, DataError
from snn_core.files import (
    as_path,
    atomic_write,
    describe_path,
    list_folder,
    make_folder,
    remove_leftovers,
    require_file,
)
from snn_core.installing import how_to_update
from snn_core.reading import (
    MAX_TEXT_BYTES,
    printable_tree,
    read_json,
    read_npz,
    require_few_values,
    while_reading,
)
from snn_core.recording.log import Log
from snn_core.running.batch_arrays import BatchArrays, batch_of
from snn_core.running.ownership import LOCK
from snn_core.running.stored import (
    MOST_OBJECTS,
    MOST_VALUES,
    check_description,
    check_summary,
    require_short_texts,
)
from snn_core.running.stored_arrays import check_batch, check_form, form_of
from snn_core.running.summaries import (
    DIGEST,
    digest_of,
    require_same_figures,
    require_same_run,
)
from snn_core.typing import PathLikeStr, Shape

VERSION = 2
"""Version of the folder's format."""

_NUMBER = "(?:[0-9]{5}|[1-9][0-9]{5,8})"
_BATCH = re.compile(rf"{_NUMBER}\.npz")
_LEFTOVER = re.compile(rf"\.(run\.json|summary\.json|{_NUMBER}\.npz)\.[a-z0-9_]{{8}}")
_EXPECTED = "the folder of a run, which `snn run MODEL.snn --data DATA -o RUN_DIR` writes"
_REPLACE_SUMMARY = "delete it; --resume writes it anew"
_ADVICE = "copy the folder again, or run again into another one"
_DELETE = "delete it and run again with --resume"


def _as_shown(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description with `printable` texts; but settings are gone on with as they are."""
    shown: dict[str, Any] = printable_tree(found)
    identity = found.get("identity")
    if isinstance(identity, Mapping) and "settings" in identity:
        shown["identity"]["settings"] = identity["settings"]
    return shown


def _is_leftover(path: Path) -> bool:
    """Return whether a file is what `atomic_write` had not finished when it was killed."""
    return _LEFTOVER.fullmatch(path.name) is not None


class RunFolder:
    """A result folder that grows by batches.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: PathLikeStr) -> None:
        self.path = as_path(path, error=ArtifactError)
        self._batches = self.path / "batches"
        self._description: dict[str, Any] | None = None
        self._form: dict[str, Shape] = {}
        self._checked: dict[str, str] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to lose: no folder, or no batch and nothing of others in it.

        What a killed run left half-written is nothing.
        """
        found = {path.name for path in list_folder(self.path) if not _is_leftover(path)} - {LOCK}
        batches = [path for path in list_folder(self._batches) if not _is_leftover(path)]
        if found - {"run.json", "batches"} or batches:
            return False
        try:
            return "run.json" not in found or bool(self.metadata())
        except ArtifactError:  # it is somebody else's
            return False

    @property
    def is_described(self) -> bool:
        """Whether a run has begun here, if only by its description."""
        return (self.path / "run.json").exists()

    def require_usable(self, *, resume: bool) -> None:
        """Make sure that a run can be kept here, before any work.

        Raises
        ------
        DataError
            If the path is that of something else than a folder.
        ArtifactError
            If there is a result and it is not to be resumed, or there is anything else.
        """
        if self.is_empty:
            return
        if not resume:
            raise ArtifactError(
                f"{self.path} is not empty; go on with --resume (resume=True) or choose another "
                f"folder."
            )
        self.metadata()

    def start(self, metadata: Mapping[str, Any]) -> None:
        """Fill the folder with what is there before the first batch, and describe the run.

        Raises
        ------
        DataError
            If the folder cannot be written.
        """
        make_folder(self._batches, within=self.path)
        self.remove_leftovers()
        self.describe(metadata)

    def discard(self) -> None:
        """Remove what `start` made, as far as that is possible; other files stay."""
        with suppress(OSError):
            (self.path / "run.json").unlink()
        with suppress(OSError):  # it is not empty, for example
            self._batches.rmdir()

    def remove_leftovers(self) -> None:
        """Remove what a killed run left half-written."""
        for folder in (self.path, self._batches):
            remove_leftovers(path for path in list_folder(folder) if _is_leftover(path))

    def describe(self, metadata: Mapping[str, Any]) -> None:
        """Write the description of the run, ``run.json``.

        Raises
        ------
        DataError
            If the folder cannot be written, or a text is too long to be read again.
        """
        self._write_json("run.json", {"format_version": VERSION, **metadata})

    def metadata(self) -> dict[str, Any]:
        """Return the description of the run, from ``run.json``.

        Raises
        ------
        ArtifactError
            If this is no result folder or a newer one.
        """
        path = self.path / "run.json"
        with while_reading(path, error=ArtifactError, advice=_ADVICE):
            require_file(path, error=ArtifactError)
            if not path.exists():
                raise ArtifactError(f"{self._describe_missing()}; expected {_EXPECTED}.")
            found = read_json(path, values=MOST_VALUES, objects=MOST_OBJECTS)
            version = found.get("format_version")
            if type(version) is not int or version < 1:
                raise ArtifactError(f"{path} does not describe a run.")
            if version > VERSION:
                raise ArtifactError(
                    f"{self.path} has the format version {version}; this snn-core reads up to "
                    f"{VERSION}. {how_to_update()}"
                )
            self._description = check_description(_as_shown(found))
        return self._description

    def _describe_missing(self) -> str:
        """Return what is there instead of a run."""
        if not self.path.exists():
            return f"There is no folder {self.path}"
        if not self.path.is_dir():
            return f"{self.path} is {describe_path(self.path)}"
        below = sorted(path.parent.name for path in self.path.glob("*/run.json"))
        there = f": there are runs in {', '.join(below)}" if below else ""
        return f"{self.path} holds no run.json, so it is no result folder{there}"

    def append(self, index: int, batch: BatchArrays) -> None:
        """Write a finished batch.

        Raises
        ------
        ArtifactError
            If batches that are there are of another run.
        DataError
            If it cannot be written, or holds what could not be read again.
        """
        path = self._batches / f"{index:05d}.npz"
        try:
            check_batch(batch.values, Log.of(batch.log), self._description or self.metadata())
        except ValueError as error:
            raise DataError(
                f"Cannot write {path}: {error}. Check the range of the samples and of the "
                f"network's weights, and the step of the simulation."
            ) from error
        try:
            self._require_form(batch)
        except ValueError as error:
            raise ArtifactError(
                f"The batches in {self.path} are not of this run ({error}). Run again into another "
                f"folder."
            ) from error
        buffer = io.BytesIO()
        arrays: dict[str, Any] = dict(batch.values)
        arrays |= {f"log/{name}": array for name, array in Log.of(batch.log).arrays().items()}
        np.savez_compressed(buffer, **arrays)
        (self.path / "summary.json").unlink(missing_ok=True)  # which is of other batches
        with atomic_write(path) as file:
            file.write(buffer.getvalue())
        self._checked[path.name] = digest_of({}, [path])

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary of a complete run.

        Raises
        ------
        ArtifactError
            If other batches lie there than were written or read here.
        DataError
            If it cannot be written.
        """
        files = self._batch_files()
        with while_reading(self._batches, error=ArtifactError, advice=_DELETE):
            found = {path.name: digest_of({}, [path]) for path in files}
            digest = digest_of(summary, files)
        for name in sorted({*found, *self._checked}):
            if found.get(name) != self._checked.get(name):
                raise ArtifactError(
                    f"{self._batches / name} was put there, changed or removed by something else "
                    f"than this run; {_DELETE}."
                )
        self._write_json("summary.json", {**summary, DIGEST: digest})

    def summary(self) -> dict[str, Any]:
        """Return the figures of a finished run, nothing if it is not finished.

        There is nothing either where older versions did not say from which batches they come.

        Raises
        ------
        ArtifactError
            If they are damaged, of another run, or of other batches than are there.
        """
        path = self.path / "summary.json"
        if not path.exists():
            return {}
        description = self._description or self.metadata()
        with while_reading(path, error=ArtifactError, advice=_REPLACE_SUMMARY):
            found = read_json(path, values=MOST_VALUES, objects=MOST_OBJECTS)
            figures = check_summary(printable_tree(found))
            require_same_run(figures, description)
            digest = figures.pop(DIGEST, None)
            if digest not in (None, digest_of(found, self._batch_files())):
                raise ValueError("it was changed, or is of other batches than are there")
            return {} if digest is None else figures

    def require_figures(self, expected: Mapping[str, Any]) -> None:
        """Make sure that the summary, if there is one, holds the figures that the batches give.

        Raises
        ------
        ArtifactError
            If it does not; else see `summary`.
        """
        figures = self.summary()
        path = self.path / "summary.json"
        with while_reading(path, error=ArtifactError, advice=_REPLACE_SUMMARY):
            require_same_figures(figures, expected)

    def batch(self, index: int) -> BatchArrays | None:
        """Return a finished batch, or ``None`` if it is missing.

        Raises
        ------
        ArtifactError
            If it is damaged, or not of this run.
        """
        path = self._batches / f"{index:05d}.npz"
        return self._read_batch(path) if path.exists() else None

    def require_at_most(self, number: int) -> None:
        """Make sure that there are no more batches than those of a run.

        Raises
        ------
        ArtifactError
            Names the first one beyond.
        """
        for path in self._batch_files():
            if int(path.stem) >= number:
                raise ArtifactError(
                    f"{path} is no batch of this run, whose last one is {number - 1:05d}.npz; it "
                    f"was copied or renamed. Delete it, and run again with --resume."
                )

    def batches(self) -> Iterator[BatchArrays]:
        """Yield all finished batches in order.

        Raises
        ------
        ArtifactError
            If one is damaged or not of this run, two hold the same sample, they do not go together,
            or hold other samples than the run has.
        """
        identity = (self._description or self.metadata())["identity"]
        seen: set[int] = set()
        digest = hashlib.sha256()
        for path in self._batch_files():
            batch = self._read_batch(path)
            ids = set(batch.values["sample_ids_b"].tolist())
            if len(ids) < len(batch.values["sample_ids_b"]) or ids & seen:
                raise ArtifactError(f"{path} holds samples a second time; delete it.")
            seen |= ids
            if len(seen) > identity["samples"]:
                raise ArtifactError(
                    f"{path} holds more samples than the {identity['samples']} that run.json tells "
                    f"of; {_ADVICE}."
                )
            digest.update(batch.values["sample_ids_b"].astype(np.int64).tobytes())
            yield batch
        self._require_samples(len(seen), digest.hexdigest(), identity)

    def _batch_files(self) -> list[Path]:
        """Return the files of batches in their order."""
        there = list_folder(self._batches, to_read=True)
        found = [path for path in there if _BATCH.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.stem))

    def _require_samples(self, number: int, sha256: str, identity: Mapping[str, Any]) -> None:
        """Make sure that batches hold the samples of the run, if it is finished."""
        if number < identity["samples"]:
            self.summary()  # which does not fit if run.json tells of too many samples
        elif identity["sample_ids_sha256"] not in ("", sha256):
            raise ArtifactError(
                f"The batches in {self.path} hold other samples than run.json tells of; {_ADVICE}."
            )

    def _read_batch(self, path: Path) -> BatchArrays:
        description = self._description or self.metadata()
        with while_reading(path, error=ArtifactError, advice=_DELETE):
            batch = batch_of(read_npz(path), version=description.get("format_version", VERSION))
            check_batch(batch.values, Log.of(batch.log), description)
            self._require_form(batch)
            self._checked[path.name] = digest_of({}, [path])
            return batch

    def _require_form(self, batch: BatchArrays) -> None:
        """Make sure that a batch goes with those before, as all are put together in the end."""
        form = form_of(batch.values, Log.of(batch.log))
        self._form = self._form or form
        check_form(form, self._form)

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write what can be read again."""
        path, content = self.path / name, json.dumps(value, indent=1).encode()
        try:
            require_short_texts(value)
            require_few_values(content, "it", values=MOST_VALUES, objects=MOST_OBJECTS)
        except ValueError as error:
            raise DataError(f"Cannot write {path}: {error}. Shorten it.") from error
        if len(content) > MAX_TEXT_BYTES:
            raise DataError(
                f"Cannot write {path}: it would have {len(content)} bytes; expected at "
                f"most {MAX_TEXT_BYTES}. Choose fewer samples, or shorten the names of classes and "
                f"layers."
            )
        with atomic_write(path, overwrite=True) as file:
            file.write(content)

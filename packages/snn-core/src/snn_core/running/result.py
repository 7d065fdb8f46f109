"""Results of a run: arrays per sample, kept batch by batch in a folder.

``run.json`` says what was run, ``batches/`` holds one ``.npz`` file per finished batch, without
pickle, and ``summary.json`` appears when the run is complete. A batch is written whole or not at
all, so a killed run loses at most the batch in flight.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.files import atomic_write, make_folder
from snn_core.recording.log import SPIKETRAINS, Log
from snn_core.recording.spike_trains import CompactSpikes
from snn_core.simulation.batches import BatchResult
from snn_core.typing import Array, Bool, Int, Int64, PathLikeStr

VERSION = 1
"""Version of the folder's format."""

_ARRAYS = (
    "sample_ids_b",
    "labels_b",
    "ann_decision_b",
    "ann_topkerr_b",
    "decision_b_t",
    "topkerr_b_t",
    "synaptic_operations_b_t",
    "neuron_operations_b_t",
    "spikes_b_n",
    "simulate_s",
)


@dataclass(frozen=True, kw_only=True)
class BatchArrays:
    """The arrays of one batch as they are stored.

    Parameters
    ----------
    values
        The arrays of `RunResult` for these samples, by name.
    log
        Recorded variables, ``variable/layer`` to array; only what ``output.log_vars`` asked for.
        A `Log` keeps spike trains as bits or events.
    """

    values: Mapping[str, Array]
    log: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: BatchResult) -> BatchArrays:
        """Return the stored arrays of a simulated batch."""
        recording = batch.recording
        spikes = list(recording.num_spikes_n_b.values())
        values = {
            "sample_ids_b": np.asarray(batch.sample_ids, np.int64),
            "labels_b": np.asarray(batch.labels_b, np.int64),
            "ann_decision_b": np.asarray(batch.ann_decision_b, np.int64),
            "ann_topkerr_b": batch.ann_topkerr_b,
            "decision_b_t": batch.decision_b_t.astype(np.int16),
            "topkerr_b_t": batch.topkerr_b_t,
            "synaptic_operations_b_t": recording.synaptic_operations_b_t,
            "neuron_operations_b_t": np.ascontiguousarray(batch.neuron_operations_b_t),
            "spikes_b_n": np.stack(spikes, axis=1),
            "simulate_s": np.asarray([batch.simulate_s]),
        }
        trains = recording.spiketrains_n_b_l_t
        log: dict[str, Array | CompactSpikes] = {
            f"{SPIKETRAINS}{name}": trains.kept(name) for name in trains
        }
        log |= {f"mem/{name}": a for name, a in recording.mem_n_b_l_t.items()}
        log |= {f"activations/{name}": a for name, a in batch.activations_n_b_l.items()}
        if recording.input_b_l_t is not None:
            log["input"] = recording.input_b_l_t
        return cls(values=values, log=Log(log))


class RunFolder:
    """A result folder that grows by batches.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: PathLikeStr) -> None:
        self.path = Path(path)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in the folder, or there is none."""
        return not self.path.exists() or not any(self.path.iterdir())

    def start(self, metadata: Mapping[str, Any]) -> None:
        """Create the folder and write the description of the run.

        Raises
        ------
        DataError
            If the folder cannot be written.
        """
        make_folder(self.path / "batches")
        self.describe(metadata)

    def describe(self, metadata: Mapping[str, Any]) -> None:
        """Write the description of the run, ``run.json``.

        Raises
        ------
        DataError
            If the folder cannot be written.
        """
        self._write_json("run.json", {"format_version": VERSION, **metadata})

    def metadata(self) -> dict[str, Any]:
        """Return the description of the run, from ``run.json``.

        Raises
        ------
        ArtifactError
            If this is no result folder or a newer one.
        """
        try:
            found = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ArtifactError(f"{self.path} holds no run.json: no result folder.") from None
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{self.path / 'run.json'} is damaged ({error}).") from error
        if not isinstance(found, dict) or not isinstance(found.get("format_version"), int):
            raise ArtifactError(f"{self.path / 'run.json'} does not describe a run.")
        version = found["format_version"]
        if version > VERSION:
            raise ArtifactError(
                f"{self.path} has the format version {version}; this snn-core reads up to "
                f"{VERSION}. Update it with `pip install -U snn-core`."
            )
        return found

    def append(self, index: int, batch: BatchArrays) -> None:
        """Write a finished batch."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = dict(batch.values)
        arrays |= {f"log/{name}": array for name, array in Log.of(batch.log).arrays().items()}
        np.savez_compressed(buffer, **arrays)
        with atomic_write(self.path / "batches" / f"{index:05d}.npz") as file:
            file.write(buffer.getvalue())

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary of a complete run."""
        self._write_json("summary.json", summary)

    def batch(self, index: int) -> BatchArrays | None:
        """Return a finished batch, or ``None`` if it is missing."""
        path = self.path / "batches" / f"{index:05d}.npz"
        return _read_batch(path) if path.exists() else None

    def batches(self) -> Iterator[BatchArrays]:
        """Yield all finished batches in order."""
        for path in sorted((self.path / "batches").glob("[0-9]*.npz")):
            yield _read_batch(path)

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        with atomic_write(self.path / name) as file:
            file.write(json.dumps(value, indent=1).encode())


def _read_batch(path: Path) -> BatchArrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtifactError(
            f"{path} is damaged ({error}); delete it and run again with --resume."
        ) from error
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise ArtifactError(f"{path} lacks {', '.join(missing)}; delete it and resume the run.")
    log = {name.removeprefix("log/"): a for name, a in arrays.items() if name.startswith("log/")}
    return BatchArrays(values={name: arrays[name] for name in _ARRAYS}, log=Log.from_arrays(log))


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Measurements of a run.

    Parameters
    ----------
    metadata
        What was run: simulator, settings, hashes, versions, names of classes and layers, numbers of
        neurons.
    sample_ids_b, labels_b
        Index and class of each sample.
    decision_b_t
        Decision after each step, -1 while undecided.
    topkerr_b_t
        Whether the label is missing among the k best classes, after each step.
    ann_decision_b, ann_topkerr_b
        The same for the analog network.
    synaptic_operations_b_t, neuron_operations_b_t
        Operations of each step.
    spikes_b_n
        Total number of spikes per sample and layer with neurons.
    simulate_s
        Time in seconds that the simulator took.
    logs
        Recorded variables of each batch, ``variable/layer`` to array.
    interrupted
        Whether the run was stopped before all samples were simulated.
    """

    metadata: Mapping[str, Any]
    sample_ids_b: Int64[Array, "b"]
    labels_b: Int64[Array, "b"]
    decision_b_t: Int[Array, "b t"]
    topkerr_b_t: Bool[Array, "b t"]
    ann_decision_b: Int64[Array, "b"]
    ann_topkerr_b: Bool[Array, "b"]
    synaptic_operations_b_t: Int64[Array, "b t"]
    neuron_operations_b_t: Int64[Array, "b t"]
    spikes_b_n: Int64[Array, "b n"]
    simulate_s: float
    logs: Sequence[Mapping[str, Array]] = ()
    interrupted: bool = False

    @classmethod
    def of(
        cls, metadata: Mapping[str, Any], batches: Sequence[BatchArrays], *, interrupted: bool
    ) -> RunResult:
        """Put batches together; there must be at least one."""
        values: dict[str, Any] = {
            name: np.concatenate([batch.values[name] for batch in batches]) for name in _ARRAYS
        }
        values["simulate_s"] = float(values["simulate_s"].sum())
        logs = tuple(batch.log for batch in batches)
        return cls(metadata=metadata, logs=logs, interrupted=interrupted, **values)

    @classmethod
    def load(cls, path: PathLikeStr) -> RunResult:
        """Read a result folder.

        Raises
        ------
        ArtifactError
            If it is missing, damaged or newer than this version, or no batch is finished.
        """
        folder = RunFolder(path)
        metadata = folder.metadata()
        batches = list(folder.batches())
        if not batches:
            raise ArtifactError(f"No batch in {path} is finished; run again with --resume.")
        samples = sum(len(batch.values["sample_ids_b"]) for batch in batches)
        return cls.of(metadata, batches, interrupted=samples < metadata["identity"]["samples"])

    def save(self, path: PathLikeStr) -> None:
        """Write the result to an empty or missing folder.

        Raises
        ------
        ArtifactError
            If the folder holds anything already.
        DataError
            If it cannot be written.
        """
        folder = RunFolder(path)
        if not folder.is_empty:
            raise ArtifactError(f"{path} is not empty; choose another folder.")
        folder.start(self.metadata)
        values = {name: np.asarray(getattr(self, name)) for name in _ARRAYS}
        values["simulate_s"] = values["simulate_s"].reshape(1)
        folder.append(0, BatchArrays(values=values, log=self._join_logs()))
        if not self.interrupted:
            folder.finish(self.summary())

    def _join_logs(self) -> dict[str, Array]:
        names = self.logs[0] if self.logs else {}
        return {name: np.concatenate([log[name] for log in self.logs]) for name in names}

    def logged(self, variable: str) -> dict[str, Array]:
        """Return a recorded variable of all samples by layer (``input`` has one entry, ``""``).

        Raises
        ------
        ArtifactError
            If it was not recorded.
        """
        found = {
            name.removeprefix(variable).removeprefix("/"): array
            for name, array in self._join_logs().items()
            if name == variable or name.startswith(f"{variable}/")
        }
        if not found:
            raise ArtifactError(
                f"{variable!r} was not recorded; add it to output.log_vars and run again."
            )
        return found

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by their numbers; empty where they have none."""
        return tuple(map(str, self.metadata.get("classes") or ()))

    def class_name(self, number: int) -> str:
        """Return the name of a class, its number if it has none, and ``none`` for no decision."""
        if number < 0:
            return "none"
        return self.classes[number] if number < len(self.classes) else str(number)

    @property
    def samples(self) -> int:
        """Number of simulated samples."""
        return len(self.labels_b)

    @property
    def timesteps(self) -> int:
        """Number of steps per sample."""
        return int(self.decision_b_t.shape[1])

    @property
    def decision_b(self) -> Int[Array, "b"]:
        """Decision after the last step."""
        last: Array = self.decision_b_t[:, -1]
        return last

    @property
    def top1err_b_t(self) -> Bool[Array, "b t"]:
        """Whether the decision is wrong, after each step."""
        wrong: Array = self.decision_b_t != self.labels_b[:, None]
        return wrong

    @property
    def accuracy(self) -> float:
        """Share of correct decisions after the last step."""
        return float((self.decision_b == self.labels_b).mean())

    @property
    def accuracy_t(self) -> Array:
        """Share of correct decisions after each step."""
        share: Array = 1 - self.top1err_b_t.mean(axis=0)
        return share

    @property
    def ann_accuracy(self) -> float:
        """Share of correct decisions of the analog network."""
        return float((self.ann_decision_b == self.labels_b).mean())

    @property
    def agreement(self) -> float:
        """Share of samples that both networks decide alike."""
        return float((self.decision_b == self.ann_decision_b).mean())

    @property
    def mean_rate(self) -> float:
        """Spikes per neuron and step, without the input."""
        neurons = sum(self.metadata["num_neurons"][1:])
        return float(self.spikes_b_n.sum() / (self.samples * neurons * self.timesteps))

    @property
    def synaptic_operations_per_sample(self) -> float:
        """Mean synaptic operations of a sample over all steps."""
        return float(self.synaptic_operations_b_t.sum() / self.samples)

    @property
    def neuron_operations_per_sample(self) -> float:
        """Mean state updates of a sample over all steps."""
        return float(self.neuron_operations_b_t.sum() / self.samples)

    @property
    def ann_operations_per_sample(self) -> int:
        """Operations of one forward pass of the analog network."""
        return int(self.metadata["ann_operations"])

    @property
    def us_per_sample_step(self) -> float:
        """Simulation time in microseconds per sample and step."""
        return 1e6 * self.simulate_s / (self.samples * self.timesteps)

    def summary(self) -> dict[str, Any]:
        """Return the figures of the run as plain values."""
        settings = self.metadata["identity"]["settings"]
        return {
            "simulator": self.metadata["identity"]["simulator"],
            "spike_code": settings["conversion"]["spike_code"],
            "samples": self.samples,
            "timesteps": self.timesteps,
            "dt_ms": settings["simulation"]["dt"],
            "accuracy": self.accuracy,
            "ann_accuracy": self.ann_accuracy,
            "agreement": self.agreement,
            "mean_rate": self.mean_rate,
            "synaptic_operations_per_sample": self.synaptic_operations_per_sample,
            "neuron_operations_per_sample": self.neuron_operations_per_sample,
            "ann_operations_per_sample": self.ann_operations_per_sample,
            "simulate_s": self.simulate_s,
            "us_per_sample_step": self.us_per_sample_step,
            "classes": list(self.classes),
        }

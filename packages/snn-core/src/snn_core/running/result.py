"""Results of a run: arrays per sample, and the measures that they give.

`snn_core.running.folder` keeps them batch by batch.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from snn_core.errors import ArtifactError, DataError
from snn_core.running.batch_arrays import BatchArrays
from snn_core.running.display import describe_result, result_html, samples_table
from snn_core.running.folder import RunFolder
from snn_core.running.ownership import owned
from snn_core.running.stored_arrays import ARRAYS
from snn_core.settings import record_flag, recorded_variable, short_names
from snn_core.simulation.statistics import r_squared
from snn_core.typing import Array, Bool, Float32, Int, Int64, PathLikeStr

__all__ = ["ARRAYS", "BatchArrays", "RunFolder", "RunResult"]

_SCORES: Mapping[str, list[str]] = {
    "classification": ["accuracy", "ann_accuracy"],
    "binary": ["accuracy", "ann_accuracy"],
    "multilabel": ["accuracy", "ann_accuracy", "exact_match", "ann_exact_match"],
    "regression": ["mse", "ann_mse", "r2", "ann_r2"],
}
"""Measures of each task that need labels."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """Measurements of a run.

    What a measure is of depends on the `task`. A measure that the task does not have, or that needs
    labels where there are none, is NaN.

    Parameters
    ----------
    metadata
        What was run: simulator, settings, hashes, versions, names of classes and layers, numbers of
        neurons.
    sample_ids_b, labels_b
        Index and class of each sample, -1 where there is none.
    targets_b_o
        What the outputs should be; no columns if the labels are classes, or there are none.
    output_b_o, ann_output_b_o
        Outputs after the last step, and those of the analog network, in the units of the trained
        network. The former have no columns where the spike code does not tell values.
    error_b_t, ann_error_b
        Error of each sample, after each step and of the analog network: whether the decision is
        wrong, the share of wrong labels, or the mean squared difference; NaN without labels.
    deviation_b_t
        The same with the analog network in place of the labels.
    decision_b_t
        Decision after each step, -1 while undecided and where there are no classes.
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
    targets_b_o: Float32[Array, "b _"]
    output_b_o: Float32[Array, "b _"]
    ann_output_b_o: Float32[Array, "b _"]
    error_b_t: Float32[Array, "b t"]
    ann_error_b: Float32[Array, "b"]
    deviation_b_t: Float32[Array, "b t"]
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

    def __repr__(self) -> str:
        """Return what was run and what it reached, in one line."""
        return f"<{describe_result(self)}>"

    def _repr_html_(self) -> str:
        """Return the figures as a table, for notebooks."""
        return result_html(self)

    @classmethod
    def of(
        cls, metadata: Mapping[str, Any], batches: Sequence[BatchArrays], *, interrupted: bool
    ) -> RunResult:
        """Put batches together; there must be at least one."""
        values: dict[str, Any] = {
            name: np.concatenate([batch.values[name] for batch in batches]) for name in ARRAYS
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
            If it is missing, damaged or newer than this version, no batch is finished, or its
            summary tells of other figures.
        """
        folder = RunFolder(path)
        metadata = folder.metadata()
        batches = list(folder.batches())
        if not batches:
            raise ArtifactError(f"No batch in {path} is finished; run again with --resume.")
        samples = sum(len(batch.values["sample_ids_b"]) for batch in batches)
        is_part = samples < metadata["identity"]["samples"]
        result = cls.of(metadata, batches, interrupted=is_part)
        folder.require_figures(result.summary())
        return result

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
        values = {name: np.asarray(getattr(self, name)) for name in ARRAYS}
        values["simulate_s"] = values["simulate_s"].reshape(1)
        with owned(folder.path):
            if not folder.is_empty:
                raise ArtifactError(f"{path} is not empty; choose another folder.")
            folder.start(self.metadata)
            folder.append(0, BatchArrays(values=values, log=self._join_logs()))
            if not self.interrupted:
                folder.finish(self.summary())

    def _join_logs(self) -> dict[str, Array]:
        names = self.logs[0] if self.logs else {}
        return {name: np.concatenate([log[name] for log in self.logs]) for name in names}

    def logged(self, variable: str) -> dict[str, Array]:
        """Return a recorded variable of all samples by layer: spikes, potentials, activations.

        Parameters
        ----------
        variable
            ``"spikes"``, ``"potentials"``, ``"input"`` or ``"activations"``, as ``--record`` and
            ``record=`` name them; ``"spiketrains"`` and ``"mem"`` mean the first two as well.

        Returns
        -------
        An array of each layer, by its name: samples first, then the layer's axes, and the steps
        last; activations of the analog network have no steps. ``input`` has one entry, ``""``.

        Raises
        ------
        ArtifactError
            If it was not recorded, or there is no such variable.
        """
        variable = recorded_variable(variable)
        found = {
            name.removeprefix(variable).removeprefix("/"): array
            for name, array in self._join_logs().items()
            if name == variable or name.startswith(f"{variable}/")
        }
        if not found:
            raise ArtifactError(
                f"{variable!r} was not recorded; run again with {record_flag([variable])} "
                f"(record=, output.log_vars)."
            )
        return found

    @property
    def recorded(self) -> tuple[str, ...]:
        """Names of the recorded variables, as `logged` takes them: ``spikes``, ``potentials``."""
        return tuple(short_names(name.partition("/")[0] for log in self.logs for name in log))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by their numbers; empty where they have none."""
        return tuple(map(str, self.metadata.get("classes") or ()))

    def class_name(self, number: int) -> str:
        """Return the name of a class, its number if it has none, and ``none`` for no decision."""
        try:
            number = operator.index(number)
        except TypeError:
            raise DataError(f"Found the class {number!r}; expected its number.") from None
        if number < 0:
            return "none"
        return self.classes[number] if number < len(self.classes) else str(number)

    @property
    def samples(self) -> int:
        """Number of simulated samples."""
        return len(self.sample_ids_b)

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
    def task(self) -> str:
        """What the outputs stand for, by the name of one of `snn_core.simulation.tasks.TASKS`."""
        return str(self.metadata.get("task", "classification"))

    @property
    def has_labels(self) -> bool:
        """Whether the data say what is right."""
        return bool(self.metadata.get("has_labels", True))

    @property
    def top1err_b_t(self) -> Bool[Array, "b t"]:
        """Whether the decision is wrong, after each step."""
        wrong: Array = self.decision_b_t != self.labels_b[:, None]
        return wrong

    @property
    def accuracy(self) -> float:
        """Share of correct decisions after the last step; of labels, if there are several."""
        return float(self.accuracy_t[-1])

    @property
    def accuracy_t(self) -> Array:
        """Share of correct decisions after each step."""
        return self._shares(self.error_b_t)

    @property
    def ann_accuracy(self) -> float:
        """Share of correct decisions of the analog network."""
        return float(self._shares(self.ann_error_b))

    @property
    def agreement(self) -> float:
        """Share of samples that both networks decide alike; of labels, if there are several."""
        return float(self._shares(self.deviation_b_t[:, -1]))

    def _shares(self, error_b: Array) -> Array:
        """Return shares that are right, given those that are wrong of each sample."""
        right: Array = (1 - error_b.astype(np.float64)).mean(axis=0)
        return right if self.task != "regression" else np.full_like(right, np.nan)

    @property
    def exact_match(self) -> float:
        """Share of samples all labels of which are right."""
        return self._exact(self.error_b_t[:, -1])

    @property
    def ann_exact_match(self) -> float:
        """Share of samples all labels of which the analog network has right."""
        return self._exact(self.ann_error_b)

    def _exact(self, error_b: Array) -> float:
        known = self.task == "multilabel" and self.has_labels
        return float((error_b == 0).mean()) if known else math.nan

    @property
    def mse(self) -> float:
        """Mean squared error of the outputs after the last step."""
        return self._mean(self.error_b_t[:, -1])

    @property
    def ann_mse(self) -> float:
        """Mean squared error of the analog network."""
        return self._mean(self.ann_error_b)

    def _mean(self, error_b: Array) -> float:
        return float(error_b.mean(dtype=np.float64)) if self.task == "regression" else math.nan

    @property
    def r2(self) -> float:
        """Coefficient of determination of the outputs after the last step; see `r_squared`."""
        return self._r2(self.output_b_o)

    @property
    def ann_r2(self) -> float:
        """Coefficient of determination of the analog network."""
        return self._r2(self.ann_output_b_o)

    def _r2(self, values_b_o: Array) -> float:
        known = self.task == "regression" and self.has_labels
        return r_squared(values_b_o, self.targets_b_o) if known else math.nan

    @property
    def difference(self) -> float:
        """Root of the mean squared difference from the outputs of the analog network."""
        return math.sqrt(self._mean(self.deviation_b_t[:, -1]))

    @property
    def mean_rate(self) -> float:
        """Spikes per neuron and step, without the input."""
        neurons = sum(self.metadata["num_neurons"][1:])
        return float(
            self.spikes_b_n.sum(dtype=np.float64) / (self.samples * neurons * self.timesteps)
        )

    @property
    def synaptic_operations_per_sample(self) -> float:
        """Mean synaptic operations of a sample over all steps."""
        return float(self.synaptic_operations_b_t.sum(dtype=np.float64) / self.samples)

    @property
    def neuron_operations_per_sample(self) -> float:
        """Mean state updates of a sample over all steps."""
        return float(self.neuron_operations_b_t.sum(dtype=np.float64) / self.samples)

    @property
    def ann_operations_per_sample(self) -> int:
        """Operations of one forward pass of the analog network."""
        return int(self.metadata["ann_operations"])

    @property
    def us_per_sample_step(self) -> float:
        """Simulation time in microseconds per sample and step."""
        return 1e6 * self.simulate_s / (self.samples * self.timesteps)

    def scores(self) -> dict[str, float | None]:
        """Return the measures that the task has; ``None`` for one that is not defined."""
        names: list[str] = []
        if self.has_labels:
            names = _SCORES[self.task]
        names = [*names, "difference" if self.task == "regression" else "agreement"]
        values = {name: float(getattr(self, name)) for name in names}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}

    def table(self) -> dict[str, Array]:
        """Return one value for each sample, by name of the column.

        Labels and decisions of classes; errors where there are labels; spikes and operations;
        targets and outputs where they are no classes. ``pandas.DataFrame(result.table())`` makes a
        data frame of it, ``snn run --csv`` prints it.
        """
        return samples_table(self)

    def summary(self) -> dict[str, Any]:
        """Return the figures of the run as plain values."""
        settings = self.metadata["identity"]["settings"]
        return {
            "simulator": self.metadata["identity"]["simulator"],
            "spike_code": settings["conversion"]["spike_code"],
            "samples": self.samples,
            "timesteps": self.timesteps,
            "dt_ms": settings["simulation"]["dt"],
            "task": self.task,
            **self.scores(),
            "mean_rate": self.mean_rate,
            "synaptic_operations_per_sample": self.synaptic_operations_per_sample,
            "neuron_operations_per_sample": self.neuron_operations_per_sample,
            "ann_operations_per_sample": self.ann_operations_per_sample,
            "simulate_s": self.simulate_s,
            "us_per_sample_step": self.us_per_sample_step,
            "classes": list(self.classes),
        }

"""Batches: which samples are simulated together, and the simulation and scoring of one batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from snn_core.data import Dataset
from snn_core.errors import DataError
from snn_core.evaluation.forward import activations, top_k_hits
from snn_core.ir.shapes import count
from snn_core.operations import code_operations
from snn_core.recording.recording import Recording
from snn_core.simulation.contract import AbstractSNN
from snn_core.simulation.scoring import decisions, errors_over_time
from snn_core.simulation.sequences import samples_per_batch
from snn_core.typing import Array, Bool, Int, Int64


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """One simulated and scored batch.

    Parameters
    ----------
    sample_ids
        Indices of the samples in the data set.
    labels_b, ann_decision_b
        True classes and decisions of the analog network.
    decision_b_t
        Decision after each step, -1 while undecided.
    top1err_b_t, topkerr_b_t
        Errors after each step.
    ann_topkerr_b
        Whether the analog network has the label not among its k best classes.
    neuron_operations_b_t
        State updates of each step.
    recording
        Everything recorded.
    activations_n_b_l
        Activations of the analog network for each layer with neurons, if they are to be recorded.
    simulate_s
        Time in seconds that the simulator took.
    """

    sample_ids: Sequence[int]
    labels_b: Int[Array, "b"]
    ann_decision_b: Int[Array, "b"]
    ann_topkerr_b: Bool[Array, "b"]
    decision_b_t: Int[Array, "b t"]
    top1err_b_t: Bool[Array, "b t"]
    topkerr_b_t: Bool[Array, "b t"]
    neuron_operations_b_t: Int64[Array, "b t"]
    recording: Recording
    activations_n_b_l: Mapping[str, Array]
    simulate_s: float


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples that are simulated together.

    Parameters
    ----------
    index
        Number of the batch in its plan, from 0.
    part
        Positions of its samples in the data.
    sample_ids
        Indices of its samples in their data set.
    """

    index: int
    part: slice
    sample_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class BatchPlan(Sequence[Batch]):
    """The batches of a run, in order.

    Parameters
    ----------
    sample_ids
        Indices of all samples in their data set.
    size
        Samples in each batch; the last one may be smaller.
    """

    sample_ids: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, snn: AbstractSNN, sample_ids: Iterable[int]) -> BatchPlan:
        """Return the plan for simulating samples: whole sequences where state is kept."""
        ids = tuple(sample_ids)
        size = samples_per_batch(snn.settings, batch_size=snn.batch_size, num_samples=len(ids))
        return cls(sample_ids=ids, size=size)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(range(0, len(self.sample_ids), self.size))

    @overload
    def __getitem__(self, index: int) -> Batch: ...

    @overload
    def __getitem__(self, index: slice) -> list[Batch]: ...

    def __getitem__(self, index: int | slice) -> Batch | list[Batch]:
        """Return a batch."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        part = slice(index * self.size, (index + 1) * self.size)
        return Batch(index=index, part=part, sample_ids=self.sample_ids[part])


def simulate_batch(snn: AbstractSNN, dataset: Dataset, batch: Batch) -> BatchResult:
    """Simulate one batch and compare it with the labels and the analog network.

    It depends on nothing but its arguments, so that batches may be simulated anywhere, in any
    order. The analog network is evaluated once.

    Raises
    ------
    DataError
        If there are no labels, or the samples do not fit the network.
    """
    x_b_l = snn.network.input_data.as_floats(dataset.x_b_l[batch.part])
    labels_b = require_labels(dataset)[batch.part]
    events_b = None if dataset.events_b is None else dataset.events_b[batch.part]
    start = time.perf_counter()
    recording = snn.run_batch(x_b_l, sample_ids=batch.sample_ids, events_b=events_b)
    simulate_s = time.perf_counter() - start
    network, settings = snn.network, snn.settings
    wanted = (
        [layer.name for layer in network.spiking_layers]
        if "activations" in settings.output.log_vars
        else []
    )
    output = network.output.name
    values = activations(network, x_b_l, layers={*wanted, output})
    ann_b_c = values[output].reshape(len(x_b_l), -1)
    output_b_c_t = recording.output_b_l_t.reshape(len(x_b_l), -1, settings.num_steps)
    operations_b_t = code_operations(snn.connectivity, network, settings, output_b_c_t)
    reading: dict[str, str] = {
        "readout": network.readout,
        "spike_code": settings.conversion.spike_code,
    }
    k = top_k(snn)
    return BatchResult(
        sample_ids=batch.sample_ids,
        labels_b=labels_b,
        ann_decision_b=ann_b_c.argmax(axis=1),
        ann_topkerr_b=~top_k_hits(ann_b_c, labels_b, k=k),
        decision_b_t=decisions(output_b_c_t, **reading),
        top1err_b_t=errors_over_time(output_b_c_t, labels_b, k=1, **reading),
        topkerr_b_t=errors_over_time(output_b_c_t, labels_b, k=k, **reading),
        neuron_operations_b_t=operations_b_t * recording.is_active_b_t,
        recording=recording,
        activations_n_b_l={name: values[name] for name in wanted},
        simulate_s=simulate_s,
    )


def require_labels(dataset: Dataset) -> Int64[Array, "b"]:
    """Return the labels of a data set.

    Raises
    ------
    DataError
        If it has none.
    """
    if dataset.labels_b is None:
        raise DataError(
            f"{dataset.name} has no labels; expected an array y with the class of each sample, or "
            f"one sub-folder for each class."
        )
    return dataset.labels_b


def top_k(snn: AbstractSNN) -> int:
    """Return the k of the top-k error: no more than there are classes."""
    return min(snn.settings.simulation.top_k, count(snn.network.output.output_shape))

"""Batches: which samples are simulated together, and the simulation and scoring of one batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from snn_core.data import Dataset
from snn_core.evaluation.forward import activations, scale_of_outputs
from snn_core.ir.shapes import count
from snn_core.operations import code_operations
from snn_core.phases import phase
from snn_core.recording.recording import Recording
from snn_core.simulation.contract import AbstractSNN
from snn_core.simulation.scoring import Reading
from snn_core.simulation.sequences import samples_per_batch
from snn_core.simulation.tasks import Score, Task, find_task
from snn_core.typing import Array, Float32, Int, Int64


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """One simulated and scored batch.

    Parameters
    ----------
    sample_ids
        Indices of the samples in the data set.
    labels_b
        True classes, -1 where there are none.
    targets_b_o
        What the outputs should be, where the task has more than classes.
    output_b_o, ann_output_b_o
        Outputs after the last step and those of the analog network, in the units of the source; the
        former have no columns where the spike code does not tell values.
    score
        How right they are.
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
    targets_b_o: Float32[Array, "b _"]
    output_b_o: Float32[Array, "b _"]
    ann_output_b_o: Float32[Array, "b _"]
    score: Score
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


def simulate_batch(
    snn: AbstractSNN, dataset: Dataset, batch: Batch, *, task: Task | None = None
) -> BatchResult:
    """Simulate one batch and compare it with the labels and the analog network.

    It depends on nothing but its arguments, so that batches may be simulated anywhere, in any
    order. The analog network is evaluated once.

    Parameters
    ----------
    task
        What the outputs stand for; found from the whole data set if not given.

    Raises
    ------
    DataError
        If samples or labels do not fit the network.
    UnsupportedError
        If the outputs cannot be read.
    """
    task = find_task(snn.network, dataset, snn.settings) if task is None else task
    truth = task.truth(dataset, snn.network)
    truth_b = None if truth is None else truth[batch.part]
    x_b_l = snn.network.input_data.as_floats(dataset.x_b_l[batch.part])
    events_b = None if dataset.events_b is None else dataset.events_b[batch.part]
    start = time.perf_counter()
    with phase("simulating"):
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
    ann_b_o = values[output].reshape(len(x_b_l), -1) * scale_of_outputs(network)
    reading = Reading(recording, network, settings)
    operations_b_t = code_operations(snn.connectivity, network, settings, reading.output_b_o_t)
    labels_b, targets_b_o = np.full(len(x_b_l), NO_LABEL), np.zeros((len(x_b_l), 0), np.float32)
    if truth_b is not None and truth_b.ndim == 1:
        labels_b = truth_b
    elif truth_b is not None:
        targets_b_o = truth_b
    return BatchResult(
        sample_ids=batch.sample_ids,
        labels_b=labels_b,
        targets_b_o=targets_b_o,
        output_b_o=reading.final_b_o,
        ann_output_b_o=ann_b_o,
        score=task.score(reading, ann_b_o, truth_b, k=top_k(snn)),
        neuron_operations_b_t=operations_b_t * recording.is_active_b_t,
        recording=recording,
        activations_n_b_l={name: values[name] for name in wanted},
        simulate_s=simulate_s,
    )


NO_LABEL = -1
"""Class of samples without one."""


def top_k(snn: AbstractSNN) -> int:
    """Return the k of the top-k error: no more than there are classes."""
    return min(snn.settings.simulation.top_k, count(snn.network.output.output_shape))

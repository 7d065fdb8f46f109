"""The loop over batches: simulate, decide, compare with the labels and with the analog network."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snn_core.data.events import CellEvents
from snn_core.evaluation.forward import predict, top_k_hits
from snn_core.operations import code_operations
from snn_core.recording.recording import Recording
from snn_core.simulation.scoring import decisions, errors_over_time
from snn_core.typing import Array, Bool, Float, Int, Int64

if TYPE_CHECKING:
    from snn_core.simulation.contract import AbstractSNN


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
    simulate_s: float


def run_batches(
    snn: AbstractSNN,
    x_b_l: Float[Array, "b *l"],
    labels_b: Int[Array, "b"],
    *,
    sample_ids: Sequence[int] | None = None,
    events_b: Sequence[CellEvents] | None = None,
) -> Iterator[BatchResult]:
    """Simulate samples batch by batch.

    Parameters
    ----------
    snn
        The network on its simulator.
    x_b_l, labels_b
        Samples and class indices.
    sample_ids
        Index of each sample in its data set; 0, 1, ... if not given.
    events_b
        The events behind each sample, for the encoding ``events``.

    Yields
    ------
    One result per batch; the last batch may be smaller.
    """
    ids = list(range(len(x_b_l)) if sample_ids is None else sample_ids)
    size = snn.samples_per_batch(len(x_b_l))
    for start in range(0, len(x_b_l), size):
        part = slice(start, start + size)
        yield score_batch(
            snn,
            np.asarray(x_b_l[part], np.float32),
            labels_b[part],
            ids[part],
            events_b=None if events_b is None else events_b[part],
        )


def score_batch(
    snn: AbstractSNN,
    x_b_l: Array,
    labels_b: Array,
    sample_ids: Sequence[int],
    *,
    events_b: Sequence[CellEvents] | None = None,
) -> BatchResult:
    """Simulate one batch and compare it with the labels and the analog network."""
    start = time.perf_counter()
    recording = snn.run_batch(x_b_l, sample_ids=sample_ids, events_b=events_b)
    simulate_s = time.perf_counter() - start
    network, settings = snn.network, snn.settings
    output_b_c_t = recording.output_b_l_t.reshape(len(x_b_l), -1, settings.num_steps)
    ann_b_c = predict(network, x_b_l).reshape(len(x_b_l), -1)
    operations_b_t = code_operations(snn.connectivity, network, settings, output_b_c_t)
    reading: dict[str, str] = {
        "readout": network.readout,
        "spike_code": settings.conversion.spike_code,
    }
    return BatchResult(
        sample_ids=sample_ids,
        labels_b=labels_b,
        ann_decision_b=ann_b_c.argmax(axis=1),
        ann_topkerr_b=~top_k_hits(ann_b_c, labels_b, k=snn.top_k),
        decision_b_t=decisions(output_b_c_t, **reading),
        top1err_b_t=errors_over_time(output_b_c_t, labels_b, k=1, **reading),
        topkerr_b_t=errors_over_time(output_b_c_t, labels_b, k=snn.top_k, **reading),
        neuron_operations_b_t=operations_b_t * recording.is_active_b_t,
        recording=recording,
        simulate_s=simulate_s,
    )

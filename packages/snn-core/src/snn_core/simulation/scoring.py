"""Decisions and errors over time from the output of a network."""

from __future__ import annotations

import numpy as np

from snn_core.codes import FIRST_SPIKE, MEAN_RATE
from snn_core.evaluation.forward import top_k_hits
from snn_core.typing import Array, Bool, Int

UNDECIDED = -1


def scores_over_time(output_b_c_t: Array, *, readout: str, spike_code: str = MEAN_RATE) -> Array:
    """Return per class and step the number that decides: spikes so far, or the potential.

    Where the time of a spike carries the information, the steps since it are counted, so that the
    earliest spike wins; a corrective spike stops the count. Silent classes score minus infinity
    under the counts read-out, so that they are never credited.
    """
    if readout == "membrane":
        return output_b_c_t
    counts = output_b_c_t.cumsum(axis=-1, dtype=np.float32)
    if spike_code in FIRST_SPIKE:
        counts = counts.cumsum(axis=-1, dtype=np.float32)
    counts[counts <= 0] = -np.inf
    return counts


def decisions(
    output_b_c_t: Array, *, readout: str, spike_code: str = MEAN_RATE
) -> Int[Array, "b t"]:
    """Return the decided class of each sample after each step.

    The largest score wins, the lowest index on ties; `UNDECIDED` while the output is silent.
    """
    scores_b_c_t = scores_over_time(output_b_c_t, readout=readout, spike_code=spike_code)
    guess_b_t: Array = scores_b_c_t.argmax(axis=1).astype(np.int32)
    guess_b_t[np.isneginf(scores_b_c_t.max(axis=1))] = UNDECIDED
    return guess_b_t


def errors_over_time(
    output_b_c_t: Array,
    labels_b: Int[Array, "b"],
    *,
    readout: str,
    k: int,
    spike_code: str = MEAN_RATE,
) -> Bool[Array, "b t"]:
    """Return per sample and step whether the label is missing among the ``k`` best classes."""
    scores_b_c_t = scores_over_time(output_b_c_t, readout=readout, spike_code=spike_code)
    samples, classes, steps = scores_b_c_t.shape
    flat = np.moveaxis(scores_b_c_t, -1, 1).reshape(samples * steps, classes)
    hits = top_k_hits(flat, np.repeat(labels_b, steps), k=min(k, classes))
    return ~hits.reshape(samples, steps)

"""Decisions and errors over time from the output of a network."""

from __future__ import annotations

import numpy as np

from snn_core.codes import CODES
from snn_core.evaluation.forward import top_k_hits
from snn_core.typing import Array, Bool, Int

UNDECIDED = -1

RATE = "temporal_mean_rate"


def scores_over_time(output_b_c_t: Array, *, readout: str, spike_code: str = RATE) -> Array:
    """Return the score of each class after each step: from its spikes so far, or its potential.

    `SpikeCode.scores` says what counts. Silent classes score minus infinity under the counts
    read-out, so that they are never credited.
    """
    if readout == "membrane":
        return output_b_c_t
    scores_b_c_t = CODES[spike_code].scores(output_b_c_t)
    scores_b_c_t[scores_b_c_t <= 0] = -np.inf
    return scores_b_c_t


def decisions(output_b_c_t: Array, *, readout: str, spike_code: str = RATE) -> Int[Array, "b t"]:
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
    spike_code: str = RATE,
) -> Bool[Array, "b t"]:
    """Return per sample and step whether the label is missing among the ``k`` best classes."""
    scores_b_c_t = scores_over_time(output_b_c_t, readout=readout, spike_code=spike_code)
    samples, classes, steps = scores_b_c_t.shape
    flat = np.moveaxis(scores_b_c_t, -1, 1).reshape(samples * steps, classes)
    hits = top_k_hits(flat, np.repeat(labels_b, steps), k=min(k, classes))
    return ~hits.reshape(samples, steps)

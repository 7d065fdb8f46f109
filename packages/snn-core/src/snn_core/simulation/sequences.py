"""Samples that follow one another, as the frames of a video: the network keeps its state.

With ``simulation.reset_between_nth_sample`` = n, each n consecutive samples of the data are a
sequence. The potentials and refractory times at the end of a sample are those at the beginning of
the next one of its sequence. Sequences are simulated side by side, a frame of each at a time, so
that no result depends on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snn_core.recording.recording import Recording, joined
from snn_core.settings import Settings
from snn_core.typing import Array, Int64

Simulate = Callable[[Int64[Array, "s"], bool], Recording]
"""Indices of the samples to simulate together, and whether to keep the state of the last call."""


def samples_per_batch(settings: Settings, *, batch_size: int, num_samples: int) -> int:
    """Return how many samples make up a batch: whole sequences, ``batch_size`` of them."""
    length = settings.simulation.reset_between_nth_sample
    return batch_size * length if length > 0 else max(num_samples, 1)


def run_sequences(simulate: Simulate, *, num_samples: int, length: int) -> Recording:
    """Simulate consecutive samples as sequences.

    Parameters
    ----------
    simulate
        Simulates one sample of each sequence.
    num_samples
        Number of samples.
    length
        Samples in a sequence; 0 or less: all are one. The last sequence may be shorter.

    Returns
    -------
    The recording of all samples in their order.
    """
    length = min(length, num_samples) if length > 0 else num_samples
    if length <= 1:
        return simulate(np.arange(num_samples), False)
    starts = np.arange(0, num_samples, length)
    # Where the last sequence is over, its last sample stands in and is left out afterwards.
    parts = [
        simulate(np.minimum(starts + position, num_samples - 1), position > 0)
        for position in range(length)
    ]
    index = np.arange(num_samples)
    return joined(parts, (index % length) * len(starts) + index // length)

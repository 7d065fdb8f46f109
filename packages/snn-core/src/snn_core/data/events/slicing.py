"""Cutting a recording into samples, by the number of events or by time."""

from __future__ import annotations

import itertools

import numpy as np

from snn_core.typing import Array, Int64


def cut(
    t_us_e: Int64[Array, "e"], *, num_events: int | None = None, window_us: int | None = None
) -> list[tuple[int, int]]:
    """Return first event and end of each sample.

    A last piece that is not complete is left out, unless it is the only one. Windows start at the
    first event; those without events are left out.

    Parameters
    ----------
    t_us_e
        Times in µs, in order.
    num_events
        Events in each sample.
    window_us
        Length of each sample in µs. With neither, the whole recording is one sample.
    """
    total = len(t_us_e)
    if not total:
        return []
    if num_events is not None:
        starts = range(0, total - num_events + 1, num_events)
        return [(start, start + num_events) for start in starts] or [(0, total)]
    if window_us is not None:
        # A window is complete if the recording goes on until its last µs.
        complete = int(t_us_e[-1] - t_us_e[0] + 1) // window_us
        window_e = (t_us_e - t_us_e[0]) // window_us
        end = int(np.searchsorted(window_e, max(complete, 1)))
        # Counted by events, not by windows: a time may be far from all others.
        changes = np.flatnonzero(np.diff(window_e[:end])) + 1
        return list(itertools.pairwise([0, *changes.tolist(), end]))
    return [(0, total)]

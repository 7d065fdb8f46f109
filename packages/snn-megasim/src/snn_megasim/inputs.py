"""What a batch brings in: the value of its spikes, and between which numbers its input lies."""

from __future__ import annotations

import math

import numpy as np

from snn_core.ir.shapes import count
from snn_core.recording.spike_trains import Events
from snn_core.simulation.signal import InputSignal

Range = tuple[float, float]
"""Least and largest input of a cell in a step."""

UNIT: Range = (0.0, 1.0)
"""The range that is taken where no other is known."""


def input_range(signal: InputSignal, spikes: Events | None) -> Range:
    """Return the least and largest input of a cell in a step of a batch.

    Parameters
    ----------
    spikes
        Input spikes with how often each is sent; ``None`` under constant input.
    """
    if spikes is None:
        x_b_l = signal.constant_b_l
        return float(x_b_l.min(initial=0)), float(x_b_l.max(initial=0))
    if spikes.value_e is None or not len(spikes.value_e):
        return UNIT
    often = 1
    if signal.settings.input.encoding == "events":  # a camera may send several in a step
        cells = count(signal.x_b_l.shape[1:])
        step_e = np.asarray(spikes.sample_e, np.int64) * signal.num_steps + spikes.step_e
        _, number = np.unique(step_e * cells + spikes.cell_e, return_counts=True)
        often = int(number.max(initial=1))
    value_e = spikes.value_e
    return often * float(value_e.min(initial=0)), often * float(value_e.max(initial=0))


def whole_range(found: Range) -> Range:
    """Return a range as powers of two around it, at least from 0 to 1.

    So the integers, and with them what is rounded, seldom depend on which samples are in a batch.
    """
    least, most = (2.0 ** math.ceil(math.log2(max(size, 1))) for size in (-found[0], found[1]))
    return (-least if found[0] < 0 else 0.0), most

"""Constant currents and parts of an input, for tables of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.tables import Population, Tables
from snn_core.typing import Array, Float32


def constant_drive(
    tables: Tables, population: Population, signal: InputSignal
) -> Float32[Array, "b l"]:
    """Return what every cell of a population receives in each step whatever spikes.

    That is its bias, and under constant current the weighted sample.
    """
    drive_b_l = np.zeros((len(signal.x_b_l), population.size), np.float32)
    if signal.is_constant:
        x_b_i = signal.constant_b_l.reshape(len(signal.x_b_l), -1)
        for connection in tables.into(population.name):
            if connection.source == tables.input_name:
                drive_b_l += connection.drive(x_b_i)
    drive_b_l += population.current_l * np.float32(signal.settings.simulation.dt)
    return drive_b_l


def parts(signal: InputSignal, size: int) -> Iterator[InputSignal]:
    """Yield the input of up to ``size`` samples at a time."""
    if len(signal.x_b_l) <= size:
        yield signal
        return
    for start in range(0, len(signal.x_b_l), size):
        part = slice(start, start + size)
        yield replace(
            signal,
            x_b_l=signal.x_b_l[part],
            sample_ids=list(signal.sample_ids)[part],
            events_b=None if signal.events_b is None else signal.events_b[part],
        )

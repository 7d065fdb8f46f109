"""Integrate-and-fire neurons without leak for NEURON.

This file needs PyNN and NEURON only, so that saved networks can bring it along. The neuron itself
is ``integrate_and_fire.mod``, which has to be compiled and loaded first: ``nrnivmodl`` in its
folder, then ``neuron.load_mechanisms(folder)``.

Spikes leave in the middle of a step and arrive at the beginning of one: a delay is half a step
shorter than the way to the next population takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyNN.neuron as sim
from neuron import h

RESETS = {"subtraction": 0, "zero": 1, "modulo": 2}
"""Reset to its number in ``integrate_and_fire.mod``."""


class Cell:
    """One neuron, with what PyNN expects of it."""

    def __init__(self, **parameters: float) -> None:
        self.source = h.SnnIntegrateAndFire()
        for name, value in parameters.items():
            setattr(self.source, name, value)
        self.source_section = None
        self.default = self.source  # the only receptor
        self.rec = h.NetCon(self.source, None)
        self.spike_times = h.Vector(0)
        self.traces: dict[str, list[object]] = defaultdict(list)
        self.recording_time = False
        self.initial_values: dict[str, float] = {}
        self.parameter_names = tuple(parameters)


class IntegrateAndFire(sim.NativeCellType):
    """Cell type with the parameters of ``integrate_and_fire.mod``; potentials have no unit."""

    default_parameters = {  # noqa: RUF012 - PyNN's way
        "theta": 1.0,
        "start": 0.0,
        "drive": 0.0,
        "first_step": 0.0,
        "step_ms": 1.0,
        "reset_by": 0.0,
        "rest_steps": 0.0,
    }
    default_initial_values: dict[str, float] = {}  # noqa: RUF012 - PyNN's way
    recordable = ["spikes"]  # noqa: RUF012 - PyNN's way
    units = {"spikes": "ms"}  # noqa: RUF012 - PyNN's way
    receptor_types = ["default"]  # noqa: RUF012 - PyNN's way
    conductance_based = False
    injectable = False
    model = Cell


def set_up(dt_ms: float, *, longest_delay: int = 0) -> None:
    """Begin a network with steps of ``dt_ms``.

    Parameters
    ----------
    longest_delay
        Most steps that a spike takes; NEURON need not know.
    """
    # PyNN wants delays to be no shorter than a step; the shortest one is half as long.
    sim.setup(timestep=dt_ms / 2)


def add_sources(size: int, label: str) -> Any:
    """Return a population of spike sources."""
    return sim.Population(size, sim.SpikeSourceArray(), label=label)


def add_neurons(
    theta: np.ndarray,
    start: np.ndarray,
    *,
    label: str,
    reset: str,
    rest_steps: int,
    first_step: int,
    dt_ms: float,
) -> Any:
    """Return a population of neurons.

    Parameters
    ----------
    theta, start
        Threshold and first potential of each neuron.
    label
        Name of the population.
    reset
        What a spike does to the potential.
    rest_steps
        Steps to rest after a spike.
    first_step
        Step from which on the population is driven.
    dt_ms
        Length of a step.
    """
    cell = IntegrateAndFire(
        theta=theta,
        start=start,
        first_step=float(first_step),
        step_ms=dt_ms,
        reset_by=float(RESETS[reset]),
        rest_steps=float(rest_steps),
    )
    return sim.Population(len(theta), cell, label=label)


def delay_ms(steps: int, dt_ms: float) -> float:
    """Return the delay to tell PyNN, for so many steps from a population to the next."""
    return (steps - 0.5) * dt_ms


def send(sources: Any, steps: Sequence[np.ndarray], dt_ms: float) -> None:
    """Let each source spike in some steps."""
    for cell, step in zip(sources.all_cells, steps, strict=True):
        source = cell._cell
        # PyNN's `set` would also keep the times of all earlier runs.
        source._spike_times = h.Vector((step + 0.5) * dt_ms)
        source.play(source._spike_times)


def drive(
    neurons: Any, per_step: np.ndarray, *, first_step: int, num_steps: int, dt_ms: float
) -> None:
    """Give each neuron the same in every step."""
    for cell, value in zip(neurons.all_cells, per_step.tolist(), strict=True):
        cell._cell.source.drive = value


def run(steps: int, dt_ms: float) -> None:
    """Run a network for some steps."""
    sim.run(steps * dt_ms)


def catch_up(dt_ms: float) -> None:
    """Do nothing: spikes can be read up to the end of a run."""


def steps_of(times_ms: np.ndarray, dt_ms: float) -> np.ndarray:
    """Return the steps, counted from 0, in which neurons spiked."""
    return np.floor(times_ms / dt_ms).astype(int)


def potentials(neurons: Any) -> np.ndarray:
    """Return the present potential of each neuron."""
    return np.array([cell._cell.source.potential for cell in neurons.all_cells])


PlainSynapse = sim.StaticSynapse
"""NEURON takes weights as they are."""

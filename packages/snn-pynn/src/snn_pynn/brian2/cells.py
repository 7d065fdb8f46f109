"""Integrate-and-fire neurons without leak for Brian2, and synapses with weights that have no unit.

This file needs PyNN and Brian2 only, so that saved networks can bring it along.

PyNN's own cells for Brian2 compare with ``>``, and lose what arrives in the step of a spike. Here
synapses add to ``arrived``, which a neuron takes up at the beginning of the next step; then it
compares, then it is reset. A spike thus has its effect one step after its synapse delivered it: the
delay that PyNN is told is one step shorter than the way to the next population takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import brian2
import numpy as np
import pyNN.brian2 as sim
from pyNN.brian2 import simulator
from pyNN.brian2.cells import BaseNeuronGroup
from pyNN.brian2.cells import SpikeGeneratorGroup as PyNNSpikeGeneratorGroup
from pyNN.models import BaseCellType
from pyNN.standardmodels import build_translations

RESETS = {"subtraction": "v -= theta", "zero": "v = 0", "modulo": "v = v % theta"}

STATE = """
v : 1
arrived : 1
blocked : 1
drive : 1
theta : 1 (constant)
"""
"""Potential, what arrives for the next step, steps to rest, input of every step, threshold."""


def integrate_and_fire(reset: str, *, rest_steps: int = 0, first_step: int = 0) -> type:
    """Return a cell type with parameters ``theta`` and ``drive``, and initial value ``v``.

    Parameters
    ----------
    reset
        ``"subtraction"``, ``"zero"`` or ``"modulo"``.
    rest_steps
        Steps after a spike in which a neuron ignores its input and does not spike.
    first_step
        Step from which on ``drive`` is added.
    """

    class Group(BaseNeuronGroup):
        """Brian2's group of such neurons."""

        def __init__(self, n: int, equations: str, **parameters: np.ndarray) -> None:
            super().__init__(
                n,
                equations,
                threshold="v >= theta and blocked == 0",
                reset=f"{RESETS[reset]}; blocked = {rest_steps + 1}",
                **parameters,
            )
            drive = f"drive * int(timestep(t, dt) >= {first_step})"
            # Counted down first, so that it also counts the step of the spike.
            self.run_regularly(
                "blocked = clip(blocked - 1, 0, inf)\n"
                f"v += int(blocked == 0) * (arrived + {drive})\n"
                "arrived = 0",
                clock=simulator.state.network.clock,
                when="groups",
            )

    return type(
        "IntegrateAndFire",
        (BaseCellType,),
        {
            "default_parameters": {"theta": 1.0, "drive": 0.0},
            "default_initial_values": {"v": 0.0},
            "recordable": ["v", "spikes"],
            "units": {"v": "dimensionless", "spikes": "ms"},
            "receptor_types": ["excitatory", "inhibitory"],
            "conductance_based": False,
            "injectable": False,
            "brian2_model": Group,
            "eqs": STATE,
            "post_synaptic_variables": {"excitatory": "arrived", "inhibitory": "arrived"},
            "state_variable_translations": build_translations(("v", "v")),
        },
    )


class SpikeGeneratorGroup(PyNNSpikeGeneratorGroup):
    """PyNN's group, with steps as long as those of the network; its own are 0.1 ms long."""

    def __init__(self, n: int, equations: object, spike_time_sequences: np.ndarray) -> None:
        self._check_spike_times(spike_time_sequences)
        cells, times = self._convert_sequences_to_arrays(spike_time_sequences)
        clock = simulator.state.network.clock
        brian2.SpikeGeneratorGroup.__init__(self, n, indices=cells, times=times, clock=clock)


class SpikeSourceArray(sim.SpikeSourceArray):
    """PyNN's source of spikes, on the network's clock."""

    brian2_model = SpikeGeneratorGroup


class PlainSynapse(sim.StaticSynapse):
    """A synapse whose weight is taken as it is; a unit would multiply it by 0.001."""

    eqs = "weight : 1"

    def _set_target_type(self, weight_units: object) -> None:
        """Keep the weight as it is."""

    def _get_minimum_delay(self) -> float:
        return 0.0


def set_up(
    dt_ms: float, *, longest_delay: int = 0, in_each_step: Callable[[], None] | None = None
) -> None:
    """Begin a network with steps of ``dt_ms``.

    Parameters
    ----------
    longest_delay
        Most steps that a spike takes; Brian2 need not know.
    in_each_step
        Called in each step.
    """
    brian2.prefs.codegen.target = "numpy"  # compiling takes longer than it saves
    sim.setup(timestep=dt_ms)
    if in_each_step is not None:
        network = simulator.state.network
        network.add(brian2.NetworkOperation(in_each_step, clock=network.clock))


def add_sources(size: int, label: str) -> Any:
    """Return a population of spike sources."""
    return sim.Population(size, SpikeSourceArray(), label=label)


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
        Length of a step; Brian2 knows it.
    """
    cell = integrate_and_fire(reset, rest_steps=rest_steps, first_step=first_step)(theta=theta)
    return sim.Population(len(theta), cell, initial_values={"v": start}, label=label)


def delay_ms(steps: int, dt_ms: float) -> float:
    """Return the delay to tell PyNN, for so many steps from a population to the next."""
    return (steps - 1) * dt_ms


def send(sources: Any, steps: Sequence[np.ndarray], dt_ms: float) -> None:
    """Let each source spike in some steps."""
    sources.set(spike_times=[step * dt_ms for step in steps])


def drive(
    neurons: Any, per_step: np.ndarray, *, first_step: int, num_steps: int, dt_ms: float
) -> None:
    """Give each neuron the same in every step."""
    neurons.brian2_group.variables["drive"].set_value(per_step)


def run(steps: int, dt_ms: float) -> None:
    """Run a network for some steps."""
    sim.run(steps * dt_ms)


def catch_up(dt_ms: float) -> None:
    """Do nothing: spikes can be read up to the end of a run."""


def steps_of(times_ms: np.ndarray, dt_ms: float) -> np.ndarray:
    """Return the steps, counted from 0, in which neurons spiked."""
    return np.rint(times_ms / dt_ms).astype(int)


def potentials(neurons: Any) -> np.ndarray:
    """Return the present potential of each neuron."""
    return np.array(neurons.brian2_group.v)

"""Integrate-and-fire neurons without leak for NEST, and synapses that keep weights as they are.

This file needs PyNN and NEST only, so that saved networks can bring it along.

NEST's ``eprop_iaf`` subtracts the threshold as a spike does here, and ``iaf_psc_delta`` resets to
zero. Both have delta synapses. With a time constant this long their propagator is exactly 1, and
sums are those of the reference in the same order; constant currents then do nothing, so that
whatever a neuron receives in every step has to come as spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nest
import numpy as np
import pyNN.nest as sim
from pyNN.standardmodels import build_translations

MODELS = {"subtraction": "eprop_iaf", "zero": "iaf_psc_delta"}
"""Reset to NEST's model."""

WITHOUT_LEAK = 1e300
"""Time constant in ms. At 1e15 potentials that equal the threshold spike a step late."""

PARAMETERS = {"C_m": 1.0, "E_L": 0.0, "V_th": 1.0, "t_ref": 0.0, "tau_m": WITHOUT_LEAK}


def integrate_and_fire(reset: str) -> type:
    """Return a cell type with parameter ``V_th`` and initial value ``V_m``, in mV.

    Parameters
    ----------
    reset
        ``"subtraction"`` or ``"zero"``.
    """
    model = MODELS[reset]
    parameters = dict(PARAMETERS)
    if reset == "zero":
        parameters["V_reset"] = 0.0
    # `sim.native_cell_type` would pass arrays and texts of `eprop_iaf` on, which PyNN cannot.
    return type(
        model,
        (sim.NativeCellType,),
        {
            "nest_model": model,
            "nest_name": {"on_grid": model, "off_grid": model},
            "default_parameters": parameters,
            "default_initial_values": {"V_m": 0.0},
            "receptor_types": ["excitatory", "inhibitory"],
            "standard_receptor_type": True,
            "conductance_based": False,
            "always_local": False,
            "uses_parrot": False,
            "injectable": True,
            "recordable": ["V_m", "spikes"],
            "units": {"V_m": "mV", "spikes": "ms"},
        },
    )


class PlainSynapse(sim.StaticSynapse):
    """A synapse whose weight is taken as it is.

    PyNN's own multiplies by 1000, which is not exact for all numbers.
    """

    translations = build_translations(("weight", "weight"), ("delay", "delay"))


class IF_curr_delta(sim.IF_curr_delta):  # noqa: N801 - PyNN's name
    """PyNN's cell, told NEST's name of the potential.

    Without it, initial potentials are ignored, those of NEST apply, and none can be recorded.
    """

    variable_map = {"v": "V_m"}  # noqa: RUF012 - PyNN's way
    scale_factors = {"v": 1.0}  # noqa: RUF012 - PyNN's way


LEAD = 4
"""Steps from the present to the first one of a network. Sources send through a relay and a synapse
of one step each, and a spike for the step that begins now comes too late."""


ROOM = 1 + 1e-9
"""Factor of limits of delays, which NEST rounds down to steps: 0.7 ms would be less than one."""


def set_up(dt_ms: float, *, longest_delay: int, threads: int = 1, flush_ms: float = -1.0) -> None:
    """Begin a network with steps of ``dt_ms``, in which sources may spike at any step.

    Parameters
    ----------
    longest_delay
        Most steps that a spike takes.
    threads
        Threads of NEST.
    flush_ms
        For how long ``sim.reset`` lets NEST run, so that spikes on their way arrive.
    """
    sim.setup(
        timestep=dt_ms,
        min_delay=dt_ms * ROOM,
        # NEST's own default delay of 1 ms has to lie in between.
        max_delay=max(longest_delay * dt_ms, dt_ms, 1.0) * ROOM,
        # Spikes between the steps need models that this network does not use.
        spike_precision="on_grid",
        threads=threads,
        verbosity="error",
        t_flush=flush_ms,
    )
    # Times that are no multiples of the step in binary, such as 0.3, belong to the nearest step.
    nest.SetDefaults("spike_generator", {"precise_times": False, "allow_offgrid_times": True})


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
        Steps to rest after a spike; only 0 is possible.
    first_step
        Step from which on the population is driven; here its sources know.
    dt_ms
        Length of a step.
    """
    cell = integrate_and_fire(reset)(V_th=theta)
    return sim.Population(len(theta), cell, initial_values={"V_m": start}, label=label)


def delay_ms(steps: int, dt_ms: float) -> float:
    """Return the delay to tell PyNN, for so many steps from a population to the next."""
    return steps * dt_ms


def send(sources: Any, steps: Sequence[np.ndarray], dt_ms: float) -> None:
    """Let each source of a network that has not run spike in some steps."""
    # PyNN takes care of the relay.
    sources.set(spike_times=[(LEAD + step) * dt_ms for step in steps])


def drive(
    neurons: Any, per_step: np.ndarray, *, first_step: int, num_steps: int, dt_ms: float
) -> None:
    """Give each neuron the same in every step, in a network that has not run."""
    times = (LEAD - 1 + first_step + np.arange(num_steps)) * dt_ms
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=times))
    everyone = np.arange(len(per_step))
    rows = np.column_stack([0 * everyone, everyone, per_step, np.full(len(per_step), dt_ms)])
    sim.Projection(source, neurons, sim.FromListConnector(rows), PlainSynapse())


def run(steps: int, dt_ms: float) -> None:
    """Run a network to the end of some steps."""
    sim.run((LEAD + steps - 2) * dt_ms)  # PyNN runs for a step more


def catch_up(dt_ms: float) -> None:
    """Let PyNN read spikes up to the end of a run."""
    sim.run(2 * dt_ms)


def steps_of(times_ms: np.ndarray, dt_ms: float) -> np.ndarray:
    """Return the steps, counted from 0, in which neurons spiked."""
    return np.rint(times_ms / dt_ms).astype(int) - LEAD


def potentials(neurons: Any) -> np.ndarray:
    """Return the present potential of each neuron."""
    return np.array(neurons.node_collection.get("V_m"), ndmin=1)

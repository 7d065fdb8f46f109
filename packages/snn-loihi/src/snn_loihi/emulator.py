"""The chip's integers on NumPy: population by population, with time folded into the batch.

Spikes take a step from population to population on the chip, and projections wait so that all paths
to a population are equally long; each then receives in its own steps what it would receive without
delay. So a population can be computed for all steps before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from snn_core.errors import SimulationError
from snn_core.typing import Array, Float32, Shape
from snn_loihi.discretize.connection import Connection
from snn_loihi.discretize.population import ChipNetwork, Population
from snn_loihi.neurons import saturated, wrapped
from snn_loihi.ranges import STATE_MAX, UNIT

LARGE_VALUES = (
    "input values are larger than loihi.input_max; raise it to the largest value, or scale the "
    "samples"
)
SEVERAL_SPIKES = "input spikes count several times; scale the samples to at most 1"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one population did.

    Parameters
    ----------
    spikes_t_b_l
        1 where a neuron spikes.
    membrane_t_b_l
        Membranes after each step, if asked for.
    """

    spikes_t_b_l: Float32[Array, "t b *l"]
    membrane_t_b_l: Array | None


def emulate(
    chip: ChipNetwork,
    x_b_l: Float32[Array, "b *l"] | None,
    spikes_t_b_l: Float32[Array, "t b *l"] | None,
    *,
    found: Callable[[str, Trace], None],
    membranes: Collection[str] = (),
    beyond: bool = False,
) -> None:
    """Run some samples through a network.

    Parameters
    ----------
    x_b_l
        Constant input of a step, if the input is a current.
    spikes_t_b_l
        Input spikes, 1 or -1, otherwise.
    found
        Takes the name and trace of each population, in order.
    membranes
        Names of the populations whose membranes are wanted.
    beyond
        Whether the input is larger than what bounds were proved for. Every sum is then checked.

    Raises
    ------
    SimulationError
        If one leaves its range although none was to.
    """
    values: dict[str, Array] = {}
    cause = LARGE_VALUES if spikes_t_b_l is None else SEVERAL_SPIKES
    num_samples = _samples(x_b_l, spikes_t_b_l)
    if spikes_t_b_l is not None:
        values[chip.network.input.name] = _folded(spikes_t_b_l)
    for population in chip.populations:
        current_b_l = None
        if population.current is not None and x_b_l is not None:
            current_b_l = population.current_b_l(x_b_l)
        trace = run_population(
            population,
            values,
            current_b_l,
            reset=chip.reset,
            num_steps=chip.num_steps,
            num_samples=num_samples,
            keeps=population.name in membranes,
            beyond=cause if beyond else "",
        )
        found(population.name, trace)
        values[population.name] = _folded(trace.spikes_t_b_l)


def run_population(
    population: Population,
    values: Mapping[str, Array],
    current_b_l: Array | None,
    *,
    reset: str,
    num_steps: int,
    num_samples: int,
    keeps: bool,
    beyond: str = "",
) -> Trace:
    """Compute all steps of a population.

    Parameters
    ----------
    values
        Spikes of its sources, the steps and samples on one axis.
    current_b_l
        Its constant input, if it is not the same for all samples.
    beyond
        Why sums may leave the range that was proved, and what to do; empty if they cannot.
    """
    shape = (num_steps, num_samples, *population.layer.output_shape)
    # Sums that were not proved to stay in range may need more digits than float32 has.
    bounds = population.bounds
    proved = bounds is not None and bounds.holds
    is_checked = population.is_fixed and (beyond != "" or not proved)
    refuses = beyond != "" and proved
    saturates = bounds is not None and bounds.saturates
    dtype = np.float64 if is_checked else np.float32
    arriving = [
        _arriving(item, values, dtype, is_fixed=population.is_fixed).reshape(shape)
        for item in population.connections
    ]
    steady = (population.bias_l if current_b_l is None else current_b_l).astype(dtype)
    v = np.broadcast_to(population.start_c.astype(dtype), shape[1:]).copy()
    theta = _of_neurons(population.threshold_c.astype(dtype), shape[2:])
    spikes = np.zeros(shape, np.float32)
    kept = np.zeros(shape, dtype) if keeps else None
    for step in range(num_steps):
        if arriving:
            u = sum((part[step] for part in arriving[1:]), arriving[0][step])
            if refuses:
                _require_range(population, u, cause=beyond)
            v += wrapped(u) if is_checked else u
        v += steady
        if refuses:
            _require_range(population, v, cause=beyond)
        if is_checked or saturates:
            v = saturated(v)
        if population.fires:
            fired = v >= theta
            spikes[step] = fired
            if reset == "soft":
                v -= spikes[step] * theta
            else:
                v[fired] = 0
        if kept is not None:
            kept[step] = v
    return Trace(spikes_t_b_l=spikes, membrane_t_b_l=kept)


def _of_neurons(value_c: Array, shape: Shape) -> Array:
    """Return values of channels as one of all, or one of each neuron.

    A short last axis takes several times as long as a long one.
    """
    first = value_c.reshape(-1)[0]
    return first if (value_c == first).all() else np.broadcast_to(value_c, shape).copy()


def _samples(x_b_l: Array | None, spikes_t_b_l: Array | None) -> int:
    if spikes_t_b_l is not None:
        return int(spikes_t_b_l.shape[1])
    assert x_b_l is not None, "the input is a current or spikes"  # noqa: S101
    return len(x_b_l)


def _arriving(
    connection: Connection, values: Mapping[str, Array], dtype: type, *, is_fixed: bool
) -> Array:
    """Return what a connection brings, in membrane units."""
    sums: Array = connection.sums(values).astype(dtype, copy=False)
    if is_fixed:
        sums *= dtype(UNIT * 2.0**connection.exponent)
    return sums


def _require_range(population: Population, values: Array, *, cause: str) -> None:
    if np.abs(values).max(initial=0) > STATE_MAX:
        raise SimulationError(
            f"{population.name}: a sum leaves the range of 24 bits because {cause}."
        )


def _folded(values_t_b_l: Array) -> Array:
    steps, samples, *shape = values_t_b_l.shape
    return values_t_b_l.reshape(steps * samples, *shape)

"""The chip's integers, compiled: population by population, all steps of one before the next.

Spikes take a step from population to population on the chip, and projections wait so that all paths
to a population are equally long; each then receives in its own steps what it would receive without
delay. So a population can be computed for all steps before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from snn_core.errors import SimulationError
from snn_core.ir.shapes import count
from snn_core.typing import Array, Float32, Int8, Shape
from snn_loihi import loops
from snn_loihi.discretize.connection import Connection
from snn_loihi.discretize.population import ChipNetwork, Population
from snn_loihi.discretize.routes import gather
from snn_loihi.fans import Fan, fans_of
from snn_loihi.neurons import wrapped
from snn_loihi.ranges import STATE_MAX, UNIT

LARGE_VALUES = (
    "input values are larger than loihi.input_max; raise it to the largest value, or scale the "
    "samples"
)
SEVERAL_SPIKES = "input spikes count several times; scale the samples to at most 1"

FEW = 127
"""Spikes at a time that fit the smallest integers, in which images are kept."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one population did.

    Parameters
    ----------
    spikes_b_t_l
        1 where a neuron spikes.
    membrane_b_t_l
        Membranes after each step, if asked for.
    """

    spikes_b_t_l: Int8[Array, "b t *l"]
    membrane_b_t_l: Array | None


class Emulator:
    """A network, ready to be computed.

    Parameters
    ----------
    chip
        The network.
    """

    def __init__(self, chip: ChipNetwork) -> None:
        self._chip = chip
        self._readers = {item.name: readers_of(item) for item in chip.populations}

    def run(
        self,
        x_b_l: Float32[Array, "b *l"] | None,
        spikes_b_t_l: Float32[Array, "b t *l"] | None,
        *,
        found: Callable[[str, Trace], None],
        membranes: Collection[str] = (),
        beyond: bool = False,
    ) -> None:
        """Run some samples through the network.

        Parameters
        ----------
        x_b_l
            Constant input of a step, if the input is a current.
        spikes_b_t_l
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
        chip = self._chip
        values: dict[str, Array] = {}
        cause = LARGE_VALUES if spikes_b_t_l is None else SEVERAL_SPIKES
        if spikes_b_t_l is not None:
            values[chip.network.input.name] = _folded(spikes_b_t_l)
        for population in chip.populations:
            current_b_l = None
            if population.current is not None and x_b_l is not None:
                current_b_l = population.current_b_l(x_b_l)
            trace = run_population(
                population,
                self._readers[population.name],
                values,
                current_b_l,
                reset=chip.reset,
                num_steps=chip.num_steps,
                num_samples=_samples(x_b_l, spikes_b_t_l),
                keeps=population.name in membranes,
                beyond=cause if beyond else "",
            )
            found(population.name, trace)
            values[population.name] = _folded(trace.spikes_b_t_l)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """A connection of a population, whose weights are in membrane units.

    Parameters
    ----------
    connection
        The connection.
    fans
        Where spikes go, for each image that arrives.
    """

    connection: Connection
    fans: tuple[Fan, ...]

    def images(self, values: Mapping[str, Array], dtype: type) -> list[Array]:
        """Return what arrives at each fan: the spikes of cells, or their number in windows."""
        item = self.connection
        sent: dict[str, Array] = {
            name: values[name].astype(dtype, copy=False) for name in item.sources
        }
        if item.layer is None:
            return [sent[item.sources[0]]]
        return [gather(item.network, name, sent) for name in item.layer.inputs]


def readers_of(population: Population) -> tuple[Reader, ...]:
    """Return the connections of a population, ready to be computed."""
    return tuple(
        Reader(
            connection=item,
            fans=tuple(
                replace(fan, weights=_in_membrane_units(fan.weights, item, population))
                for fan in fans_of(item)
            ),
        )
        for item in population.connections
    )


def _in_membrane_units(weights: Array, item: Connection, population: Population) -> Array:
    if not population.is_fixed:
        return weights.astype(np.float32)
    # Bits that a negative exponent shifts out are 0: see `snn_loihi.ranges.lowest_exponent`.
    return (weights.astype(np.float64) * (UNIT * 2.0**item.exponent)).astype(np.int32)


def run_population(
    population: Population,
    readers: Sequence[Reader],
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
    readers
        Its connections.
    values
        Spikes of its sources, samples and steps on one axis.
    current_b_l
        Its constant input, if it is not the same for all samples.
    beyond
        Why sums may leave the range that was proved, and what to do; empty if they cannot.
    """
    bounds, shape = population.bounds, population.layer.output_shape
    proved = bounds is not None and bounds.holds
    is_checked = population.is_fixed and (beyond != "" or not proved)
    refuses = beyond != "" and proved
    of_image, dtype = _types(population, is_wide=beyond != "")
    loops.prepare(of_image, np.int32 if population.is_fixed else np.float32, dtype)
    sums_b_t_o: Array = np.zeros((num_samples, num_steps if readers else 0, count(shape)), dtype)
    for reader in readers:
        for image, fan in zip(reader.images(values, of_image), reader.fans, strict=True):
            _spread(image, fan, sums_b_t_o)
    if is_checked:
        if refuses and np.abs(sums_b_t_o).max(initial=0) > STATE_MAX:
            raise _out_of_range(population, cause=beyond)
        sums_b_t_o = wrapped(sums_b_t_o)
    never = np.asarray(np.iinfo(dtype).max if population.is_fixed else np.inf)
    saturates = is_checked or (bounds is not None and bounds.saturates)
    steady_b_l = population.bias_l[None] if current_b_l is None else current_b_l
    spikes_b_t_l = np.empty((num_samples, num_steps, *shape), np.int8)
    kept_b_t_l: Array = np.empty((num_samples, num_steps if keeps else 0, *shape), dtype)
    beyond_limit = loops.fire(
        sums_b_t_o,
        np.ascontiguousarray(steady_b_l.reshape(len(steady_b_l), -1).astype(dtype)),
        _of_neurons(population.start_c, shape, dtype),
        _of_neurons(population.threshold_c if population.fires else never, shape, dtype),
        dtype(STATE_MAX if saturates else never),
        reset == "hard",
        spikes_b_t_l.reshape(num_samples, num_steps, -1),
        kept_b_t_l.reshape(*kept_b_t_l.shape[:2], count(shape)),
    )  # fmt: skip
    if refuses and beyond_limit:
        raise _out_of_range(population, cause=beyond)
    return Trace(spikes_b_t_l=spikes_b_t_l, membrane_b_t_l=kept_b_t_l if keeps else None)


def _types(population: Population, *, is_wide: bool) -> tuple[type, type]:
    """Return the types of spikes that arrive, and of sums, which may only wrap around in 32 bits.

    Currents wrap around in 24 bits, so that nothing is lost by having them do it in 32 before.
    """
    if not population.is_fixed:
        return np.float32, np.float32
    together = max((item.together for item in population.connections), default=1)
    return (np.int64, np.int64) if is_wide or together > FEW else (np.int8, np.int32)


def _spread(image: Array, fan: Fan, sums_b_t_o: Array) -> None:
    positions, channels = len(fan.first_p) - 1, len(fan.first_out_c)
    loops.spread(
        np.ascontiguousarray(image).reshape(-1, positions, channels),
        *fan.arguments,
        sums_b_t_o.reshape(-1, sums_b_t_o.shape[2]),
    )


def _of_neurons(value_c: Array, shape: Shape, dtype: type) -> Array:
    """Return values of channels, or one of all, for each neuron."""
    return np.broadcast_to(value_c, shape).astype(dtype).reshape(-1)


def _samples(x_b_l: Array | None, spikes_b_t_l: Array | None) -> int:
    given = x_b_l if spikes_b_t_l is None else spikes_b_t_l
    assert given is not None, "the input is a current or spikes"  # noqa: S101
    return len(given)


def _out_of_range(population: Population, *, cause: str) -> SimulationError:
    return SimulationError(f"{population.name}: a sum leaves the range of 24 bits because {cause}.")


def _folded(values_b_t_l: Array) -> Array:
    samples, steps, *shape = values_b_t_l.shape
    return values_b_t_l.reshape(samples * steps, *shape)

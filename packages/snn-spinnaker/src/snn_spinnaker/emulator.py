"""The board's arithmetic on NumPy: population by population, all ticks of a batch.

Delays are balanced, so that each population receives in its own ticks what it would receive without
delay (`snn_core.ir.timing`); it can be computed for all ticks before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from snn_core.typing import Array, Float32, Float64, Int64
from snn_spinnaker import fixed, scaling
from snn_spinnaker.layout import BoardNetwork, BoardPopulation
from snn_spinnaker.models import Registers

FLOAT32_EXACT = 1 << 24
"""Sums of integers up to here are exact in float32."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What one population did.

    Parameters
    ----------
    spikes_t_b_l
        1 where a neuron spikes.
    v_t_b_l
        Potentials after each tick in mV, if asked for.
    saturated
        How many sums of the ring buffers were cut off.
    """

    spikes_t_b_l: Float32[Array, "t b l"]
    v_t_b_l: Float64[Array, "t b l"] | None
    saturated: int


class Receptors:
    """Ring buffers of a population: what its synapses add up in each tick.

    Parameters
    ----------
    population
        The population, whose weights are rounded to 16 bits.
    """

    def __init__(self, population: BoardPopulation) -> None:
        self.shifts = population.shifts
        self.size = population.size
        self._matrices: list[list[tuple[str, csr_matrix]]] = [[], []]
        self._largest = [0, 0]
        for item in population.projections:
            weight = population.quantised(item)
            largest = np.bincount(item.post, weight, minlength=item.shape[1]).max(initial=0)
            self._largest[item.receptor] += int(largest)
            # float32 holds 16 bits; where sums need more, products are taken in float64.
            matrix = csr_matrix(
                (weight.astype(np.float32), (item.post, item.pre)), shape=item.shape[::-1]
            )
            self._matrices[item.receptor].append((item.source, matrix))

    def sums(
        self, receptor: int, spikes: dict[str, Array], rows: int
    ) -> tuple[Int64[Array, "r l"], int]:
        """Return the ring buffers as s16.15 currents, and how many were cut off.

        Parameters
        ----------
        spikes
            Number of spikes of each source, ticks and samples on one axis.
        rows
            Length of that axis.
        """
        total = np.zeros((self.size, rows), np.float32)
        for source, matrix in self._matrices[receptor]:
            sent = spikes[source]
            most = self._largest[receptor] * float(sent.max(initial=1))
            if most >= FLOAT32_EXACT:
                total = total.astype(np.float64)
                matrix, sent = matrix.astype(np.float64), sent.astype(np.float64)
            total = total + matrix @ sent.T
        cut = int((total > scaling.WEIGHT_MAX).sum())
        if cut:
            # Weights have no sign, so it doesn't matter in which order they saturate.
            total = np.minimum(total, scaling.WEIGHT_MAX)
        return total.T.astype(np.int64) << self.shifts[receptor], cut


def emulate(
    network: BoardNetwork,
    receptors: dict[str, Receptors],
    *,
    offsets: dict[str, Float64[Array, "b l"]],
    spikes_t_b_l: Float32[Array, "t b l"] | None,
    num_samples: int,
    membranes: Collection[str],
    found: Callable[[str, Trace], None],
) -> None:
    """Run some samples through a network.

    Parameters
    ----------
    receptors
        Ring buffers of each population.
    offsets
        Constant current of each population in nA, that of a constant input included.
    spikes_t_b_l
        Number of spikes of the sources; ``None`` under constant current.
    membranes
        Names of the populations whose potentials are wanted.
    found
        Takes the name and trace of each population, in order.
    """
    rows = network.num_steps * num_samples
    spikes: dict[str, Array] = {}
    if spikes_t_b_l is not None:
        spikes[network.input_name] = spikes_t_b_l.reshape(rows, -1)
    for population in network.populations:
        trace = _run(
            network,
            population,
            receptors[population.name],
            spikes,
            fixed.encoded(offsets[population.name]),
            num_samples=num_samples,
            keeps=population.name in membranes,
        )
        found(population.name, trace)
        spikes[population.name] = trace.spikes_t_b_l.reshape(rows, -1)


def _run(
    network: BoardNetwork,
    population: BoardPopulation,
    receptors: Receptors,
    spikes: dict[str, Array],
    offset_b_l: Array,
    *,
    num_samples: int,
    keeps: bool,
) -> Trace:
    """Compute all ticks of a population."""
    shape = (network.num_steps, num_samples, population.size)
    sums = [receptors.sums(r, spikes, shape[0] * shape[1]) for r in range(2)]
    arriving = [part.reshape(shape) for part, _ in sums]
    registers = Registers(
        population.cell,
        threshold_l=population.threshold_l,
        start_l=population.start_l,
        num_samples=num_samples,
        rest_steps=network.rest_steps,
        soft=network.soft,
        fires=population.fires,
    )
    fired_t_b_l = np.zeros(shape, np.float32)
    v_t_b_l = np.zeros(shape) if keeps else None
    for step in range(shape[0]):
        fired_t_b_l[step] = registers.update([part[step] for part in arriving], offset_b_l)
        if v_t_b_l is not None:
            v_t_b_l[step] = registers.v_b_l / fixed.ONE
    return Trace(
        spikes_t_b_l=fired_t_b_l, v_t_b_l=v_t_b_l, saturated=sum(cut for _, cut in sums)
    )  # fmt: skip

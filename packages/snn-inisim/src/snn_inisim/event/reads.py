"""What kernels read: runs of neighbouring positions whose weights lie one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from snn_core.typing import Array, Float32, Int64
from snn_inisim.event.layout import BLOCK, align, pad_channels
from snn_inisim.event.population import Population
from snn_inisim.event.vector import LANES, UNROLLED
from snn_inisim.event.wiring import Sums

GROUP_ROWS = 384
"""Rows of a block of weights that fit the fastest cache."""

BLOCK_BYTES = 300_000
"""Size of the weights of a layer from which on several positions read a block before the next."""

TILE = 8
"""Number of these positions."""

LISTS_BYTES = 16_000_000
"""Size that the lists of these positions may have at most, if all neurons spike."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Selector:
    """What the kernel of a layer reads whose channels read only from the same channel.

    Parameters
    ----------
    first_o
        First entry of each position, one more than there are positions.
    entries_k_3
        A row, the place of the spikes that select from it, and their number of words in a step.
    rows
        Rows of weights.
    bias_c
        What is added in every step.
    """

    first_o: Int64[Array, "o"]
    entries_k_3: Int64[Array, "k 3"]
    rows: Float32[Array, "r c"]
    bias_c: Float32[Array, "c"]

    @property
    def positions(self) -> int:
        """Number of positions."""
        return len(self.first_o) - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Groups of entries; a position without entries has an empty group, which writes its bias.

    Parameters
    ----------
    first_o
        First group of each position, one more than there are positions.
    first_g
        First entry of each group, one more than there are groups.
    """

    first_o: Int64[Array, "o"]
    first_g: Int64[Array, "g"]

    @cached_property
    def most(self) -> int:
        """Largest number of groups of a position."""
        return int(np.diff(self.first_o).max(initial=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Gatherer:
    """What the kernel of a layer reads whose spikes select rows of weights.

    Parameters
    ----------
    groups, whole
        Entries of each position in groups, and in one.
    entries_k_3
        The first position of a run, the one behind it, and what makes a row of weights out of the
        index of a neuron.
    rows_n_r_c
        Blocks of rows of weights; the last row holds zeros.
    bias_c
        What is added in every step.
    inputs
        Largest number of neurons that a position reads.
    sources
        Populations, and how many of their neurons a position reads on average.
    """

    groups: Groups
    whole: Groups
    entries_k_3: Int64[Array, "k 3"]
    rows_n_r_c: Float32[Array, "n r c"]
    bias_c: Float32[Array, "c"]
    inputs: int
    sources: Sequence[tuple[Population, float]]

    @property
    def positions(self) -> int:
        """Number of positions."""
        return len(self.whole.first_o) - 1

    def room(self, num_steps: int) -> int:
        """Return the number of 32-bit integers that the lists of a position may take."""
        return (self.inputs + self.groups.most * UNROLLED) * num_steps + LANES

    def tile(self, num_steps: int) -> int:
        """Return the number of positions that read a block of weights before the next."""
        if self.rows_n_r_c.nbytes < BLOCK_BYTES or len(self.rows_n_r_c) == 1:
            return 1
        return max(1, min(TILE, LISTS_BYTES // (4 * self.room(num_steps))))


Reader: TypeAlias = Selector | Gatherer
"""What the kernel of a layer reads."""


def reader_of(sums: Sums, populations: Sequence[Population], *, dt: np.float32) -> Reader:
    """Return what the kernel of some sums reads.

    Parameters
    ----------
    sums
        The sums.
    populations
        All populations that they may read.
    dt
        Length of a step in ms.
    """
    bias_c = pad_channels(sums.bias_o * dt, sums.shape[-1])
    if not sums.selects:
        return _gatherer(sums, populations, bias_c)
    entries_k_3 = np.stack([sums.row_e, sums.place_e, sums.words_e], axis=1).astype(np.int64)
    rows = align(sums.rows)
    return Selector(first_o=sums.first_o, entries_k_3=entries_k_3, rows=rows, bias_c=bias_c)


def _gatherer(
    sums: Sums, populations: Sequence[Population], bias_c: Float32[Array, "c"]
) -> Gatherer:
    """Return the entries of sums, with those joined that a kernel can read at once.

    These are neighbours of one population, as its spikes are listed one position after the other,
    whose rows are neighbours too: the pixels in a row of a convolution's kernel, or all of an image
    that a dense layer reads.
    """
    order = np.lexsort((sums.row_e, sums.position_e, sums.output_e))
    output_e, position_e = sums.output_e[order], sums.position_e[order]
    width_e, base_e = sums.width_e[order], sums.row_e[order] - sums.index_e[order]
    first_group_o, group_e = _groups(sums.first_o, output_e, width_e)
    # Numbers of positions of different populations are never neighbours.
    goes_on_e = (np.diff(group_e) == 0) & (np.diff(position_e) == 1) & (np.diff(base_e) == 0)
    (first_k,) = np.nonzero(np.concatenate([np.ones(min(len(order), 1), bool), ~goes_on_e]))
    last_k = np.append(first_k[1:], len(order))[: len(first_k)] - 1
    entries_k_3 = np.stack([position_e[first_k], position_e[last_k] + 1, base_e[first_k]], axis=1)
    size = min(BLOCK, sums.rows.shape[1] // LANES)
    rows_r_n_c = sums.rows.reshape(len(sums.rows), -1, size * LANES)
    positions = len(sums.first_o) - 1
    groups = Groups(
        first_o=first_group_o, first_g=_starts(group_e[first_k], int(first_group_o[-1]))
    )
    return Gatherer(
        groups=groups,
        whole=Groups(first_o=np.arange(positions + 1), first_g=groups.first_g[groups.first_o]),
        entries_k_3=entries_k_3.astype(np.int64),
        rows_n_r_c=align(rows_r_n_c.transpose(1, 0, 2)),
        bias_c=bias_c,
        inputs=int(np.bincount(output_e, weights=width_e, minlength=1).max()),
        sources=_sources(sums, populations),
    )


def _sources(sums: Sums, populations: Sequence[Population]) -> list[tuple[Population, float]]:
    """Return the populations that sums read, and how many neurons for each position."""
    first_n = [to.first for to in populations]
    source_e = np.searchsorted(first_n, sums.position_e, side="right") - 1
    inputs_n = np.bincount(source_e, weights=sums.width_e, minlength=len(first_n))
    positions = len(sums.first_o) - 1
    pairs = zip(populations, inputs_n / positions, strict=True)
    return [(to, float(inputs)) for to, inputs in pairs if inputs]


def _groups(
    first_o: Array, output_e: Array, width_e: Array
) -> tuple[Int64[Array, "o"], Int64[Array, "e"]]:
    """Return the first group of each position, and the group of each entry.

    A group has as many entries of a position as have `GROUP_ROWS` rows, or one.
    """
    entries = max(1, GROUP_ROWS // int(width_e.max(initial=1)))
    groups_o = np.maximum(1, -(-np.diff(first_o) // entries))
    first_group_o = np.concatenate([[0], np.cumsum(groups_o)])
    within_e = np.arange(len(output_e)) - first_o[output_e]
    return first_group_o, first_group_o[output_e] + within_e // entries


def _starts(of_x: Array, number: int) -> Int64[Array, "x"]:
    """Return where the elements of each of some parts begin, and where the last part ends."""
    starts = np.zeros(number + 1, np.int64)
    np.cumsum(np.bincount(of_x, minlength=number), out=starts[1:])
    return starts

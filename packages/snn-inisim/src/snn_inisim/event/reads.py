"""What kernels read: runs of neighbouring positions whose weights lie one behind the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.typing import Array, Float32, Int64
from snn_inisim.event.layout import pad_channels
from snn_inisim.event.vector import UNROLLED
from snn_inisim.event.wiring import Sums


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """What a kernel reads for each position of a layer, and what it adds up.

    Parameters
    ----------
    first_o
        First entry of each position, one more than there are positions.
    entries_k_3
        Gathering: the first position of a run, the one behind it, and what makes a row of weights
        out of the index of a neuron. Selecting: a row, the place of the spikes that select from it,
        and the number of words of a step.
    length
        Size that the list of a position may have in one step.
    rows
        Rows of weights; the last holds zeros.
    bias_c
        What is added in every step.
    selects
        Whether each channel reads only from the same channel.
    """

    first_o: Int64[Array, "o"]
    entries_k_3: Int64[Array, "k 3"]
    length: int
    rows: Float32[Array, "r c"]
    bias_c: Float32[Array, "c"]
    selects: bool


def reader_of(sums: Sums, *, dt: np.float32) -> Reader:
    """Return what the kernel of some sums reads, with a bias for steps of ``dt`` ms."""
    first_o, entries_k_3, length = _selected(sums) if sums.selects else _runs(sums)
    return Reader(
        first_o=first_o,
        entries_k_3=entries_k_3,
        length=length,
        rows=sums.rows,
        bias_c=pad_channels(sums.bias_o * dt, sums.shape[-1]),
        selects=sums.selects,
    )


def _selected(sums: Sums) -> tuple[Array, Array, int]:
    """Return all entries of sums in which spikes select."""
    entries_k_3 = np.stack([sums.row_e, sums.place_e, sums.words_e], axis=1).astype(np.int64)
    return sums.first_o, entries_k_3, 3 * int(np.diff(sums.first_o).max(initial=0))


def _runs(sums: Sums) -> tuple[Array, Array, int]:
    """Return the entries of sums, with those joined that a kernel can read at once.

    These are neighbours of one population, as its spikes are listed one position after the other,
    whose rows are neighbours too: the pixels in a row of a convolution's kernel, or all of an image
    that a dense layer reads.
    """
    order = np.lexsort((sums.row_e, sums.position_e, sums.output_e))
    output_e, position_e = sums.output_e[order], sums.position_e[order]
    base_e = sums.row_e[order] - sums.index_e[order]
    # Numbers of positions of different populations are never neighbours.
    goes_on_e = (np.diff(output_e) == 0) & (np.diff(position_e) == 1) & (np.diff(base_e) == 0)
    (first_k,) = np.nonzero(np.concatenate([np.ones(min(len(order), 1), bool), ~goes_on_e]))
    last_k = np.append(first_k[1:], len(order))[: len(first_k)] - 1
    entries_k_3 = np.stack([position_e[first_k], position_e[last_k] + 1, base_e[first_k]], axis=1)
    first_o = np.zeros_like(sums.first_o)
    np.cumsum(np.bincount(output_e[first_k], minlength=len(first_o) - 1), out=first_o[1:])
    width_o = np.bincount(output_e, weights=sums.width_e[order], minlength=1)
    return first_o, entries_k_3.astype(np.int64), int(width_o.max()) + UNROLLED

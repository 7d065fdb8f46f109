"""The kernel of layers with weights: for each position, lists of rows, which are added up.

Weights lie in blocks of a few channels, one block after the other. Where they do not fit the cache,
a block is read by several positions (or samples) before the next, all of whose lists are there. A
*busy* layer, whose lists are long, adds up one group of rows after the other in all steps, because
a group fits the fastest cache; its sums then go through memory.
"""

from __future__ import annotations

import numpy as np

from snn_core.simulation.compiling import compiled
from snn_inisim.event.kernels import advance_block
from snn_inisim.event.vector import (
    GATHER,
    GATHER_MORE,
    LANES,
    NONE,
    READ,
    UNROLLED,
    append,
    fill,
)


@compiled
def _list_rows(begin_t_p, index_e, first_g, entries_k_3, silent_row, offsets_t, listed_n):
    """List the rows that spikes select in each step, one group of entries after the other.

    A step's list is filled up with a row of zeros to a multiple of `UNROLLED`.
    """
    indices, listed = np.intp(index_e.ctypes.data), np.intp(listed_n.ctypes.data)
    steps, n = len(begin_t_p), 0
    for g in range(len(first_g) - 1):
        for t in range(steps):
            offsets_t[g * steps + t] = n
            for k in range(first_g[g], first_g[g + 1]):
                start, stop, base = entries_k_3[k]
                begin = begin_t_p[t, start]
                length = begin_t_p[t, stop] - begin
                append(listed + 4 * n, indices + 4 * begin, base, length)
                n += length
            fill(listed + 4 * n, silent_row)
            n = (n + UNROLLED - 1) // UNROLLED * UNROLLED
    offsets_t[(len(first_g) - 1) * steps] = n


@compiled
def _add_up(size, steps, groups, rows, bias, listed, offsets, sums, stride):
    """Write the sums of a block of channels in each step, one group after the other."""
    width = size * LANES
    for g in range(groups):
        advance_block(
            size, GATHER if g == 0 else GATHER_MORE, NONE, steps, rows, width, bias, 0, 0, 0,
            listed, offsets + 4 * g * steps, sums, stride, 0,
        )  # fmt: skip


@compiled
def gather(
    begin_b_t_p,
    index_b_e,
    listed_q_n,
    first_o,
    first_g,
    entries_k_3,
    rows_n_r_c,
    bias_c,
    reset,
    threshold_c,
    v_b_o_c,
    counts_b_o_c,
    target_b,
    target_place,
    target_words,
):
    """Advance a layer whose spikes select rows of weights.

    There are no neurons if ``reset`` is `NONE`: sums are written then.
    """
    size = rows_n_r_c.shape[2] // LANES
    width = size * LANES
    positions, steps = len(first_o) - 1, begin_b_t_p.shape[1]
    longest = 0
    for o in range(positions):
        longest = max(longest, first_o[o + 1] - first_o[o])
    offsets_q_t = np.empty((len(listed_q_n), longest * steps + 1), np.int32)
    memory = np.zeros((steps + 2) * width, np.float32)
    nothing = (np.intp(memory.ctypes.data) + 63) // 64 * 64  # as for `aligned`
    sums = nothing + 4 * width
    pairs = len(begin_b_t_p) * positions
    for start in range(0, pairs, len(listed_q_n)):
        stop = min(start + len(listed_q_n), pairs)
        for q in range(start, stop):
            b, o = q // positions, q % positions
            _list_rows(
                begin_b_t_p[b], index_b_e[b], first_g[first_o[o] : first_o[o + 1] + 1],
                entries_k_3, rows_n_r_c.shape[1] - 1, offsets_q_t[q - start],
                listed_q_n[q - start],
            )  # fmt: skip
        for block in range(len(rows_n_r_c)):
            rows, c = np.intp(rows_n_r_c[block].ctypes.data), block * width
            bias = np.intp(bias_c[c:].ctypes.data)
            for q in range(start, stop):
                b, o = q // positions, q % positions
                groups = first_o[o + 1] - first_o[o]
                listed = np.intp(listed_q_n[q - start].ctypes.data)
                offsets = np.intp(offsets_q_t[q - start].ctypes.data)
                out = np.intp(target_b[b].ctypes.data)
                at = (target_place + o * target_words) * steps
                if reset == NONE:
                    out += 4 * (at + c)
                    _add_up(size, steps, groups, rows, bias, listed, offsets, out, target_words)
                    continue
                threshold = np.intp(threshold_c[c:].ctypes.data)
                v = np.intp(v_b_o_c[b, o, c:].ctypes.data)
                counts = np.intp(counts_b_o_c[b, o, c:].ctypes.data)
                out, stride = out + 8 * at + c // 8, 4 * target_words
                if groups == 1:
                    advance_block(
                        size, GATHER, reset, steps, rows, width, bias, threshold, v, counts, listed,
                        offsets, out, stride, 0,
                    )  # fmt: skip
                    continue
                _add_up(size, steps, groups, rows, bias, listed, offsets, sums, width)
                advance_block(
                    size, READ, reset, steps, sums, width, nothing, threshold, v, counts, listed,
                    offsets, out, stride, 0,
                )  # fmt: skip

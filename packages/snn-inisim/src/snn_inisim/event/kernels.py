"""Compiled kernels of the event engine; see `snn_inisim.event.vector` for the innermost loop.

Spikes are bits. All populations of a network share one *frame* per sample: a population with ``P``
positions of ``C`` channels, as ``C`` features are one position and an image has one per pixel,
takes ``ceil(C / 64)`` words for each position and step. The steps of a position lie side by side,
so that whoever reads a position reads all its steps in one go, and a layer writes each position
once. ``place`` numbers words of a frame of one step: with ``T`` steps, those of the position at
``place`` begin at ``place * T``.

Functions are compiled when they are first used and kept on disk. None holds Python's global lock.
"""

from __future__ import annotations

import numpy as np

from snn_core.simulation.compiling import compiled
from snn_inisim.event.vector import (
    LANES,
    NONE,
    READ,
    SELECT,
    SUBTRACT,
    ZERO,
    advance,
    expand,
    lowest_bit,
)

RESETS = {"subtraction": SUBTRACT, "zero": ZERO}
"""Resets of neurons that are compiled."""

WORD = 64
"""Spikes per word of a frame."""


@compiled
def list_spikes(frame_b, place, words, positions, channels, places, begin_b_t_p, index_b_e, first):
    """List the neurons of a population that spike, step by step and in order.

    ``begin_b_t_p`` is told where the list of each step and position begins, from ``first`` on, and
    behind the positions of the population where the list of the step ends.
    """
    table = np.intp(places.ctypes.data)
    used = (channels + 7) // 8
    for b in range(len(frame_b)):
        begin_t_p = begin_b_t_p[b]
        num_steps = len(begin_t_p)
        n = np.intp(begin_t_p[num_steps - 1, first - 1] if first else 0)
        spikes = np.intp(frame_b[b].ctypes.data) + 8 * place * num_steps
        listed = np.intp(index_b_e[b].ctypes.data)
        for t in range(num_steps):
            at = spikes + 8 * t * words
            for p in range(positions):
                begin_t_p[t, first + p] = n
                n += expand(listed + 4 * n, at, p * channels, table, used)
                at += 8 * words * num_steps
            begin_t_p[t, first + positions] = n


@compiled
def advance_block(*arguments):
    """Advance a block of neurons, see `snn_inisim.event.vector.advance`."""
    advance(*arguments)


@compiled
def select(
    frame_b,
    steps,
    first_o,
    entries_k_3,
    rows,
    bias_c,
    reset,
    threshold_c,
    v_b_o_c,
    counts_b_o_c,
    target_b,
    target_place,
    target_words,
):
    """Advance a layer whose channels read only from the same channel of their inputs.

    These are pooling and depthwise convolutions. There are no neurons if ``reset`` is `NONE`: sums
    are written then.
    """
    channels = rows.shape[1]
    offsets = np.zeros(2, np.int32)
    longest = 0
    for o in range(len(first_o) - 1):
        longest = max(longest, first_o[o + 1] - first_o[o])
    entries = np.empty((longest + 1, 3), np.int64)
    for b in range(len(frame_b)):
        words = np.intp(frame_b[b].ctypes.data)
        for o in range(len(first_o) - 1):
            offsets[1] = first_o[o + 1] - first_o[o]
            for n in range(offsets[1]):
                row, place, words_of_step = entries_k_3[first_o[o] + n]
                entries[n, 0] = row
                entries[n, 1] = words + 8 * place * steps
                entries[n, 2] = 4 * words_of_step
            out = np.intp(target_b[b].ctypes.data)
            at, c = (target_place + o * target_words) * steps, 0
            while c < channels:
                size = 2 if c + 2 * LANES <= channels else 1
                if reset == NONE:
                    to, stride = out + 4 * (at + c), target_words
                else:
                    to, stride = out + 8 * at + c // 8, 4 * target_words
                advance_block(
                    size, SELECT, reset, steps, np.intp(rows.ctypes.data) + 4 * c, channels,
                    np.intp(bias_c.ctypes.data) + 4 * c, np.intp(threshold_c.ctypes.data) + 4 * c,
                    np.intp(v_b_o_c[b, o].ctypes.data) + 4 * c,
                    np.intp(counts_b_o_c[b, o].ctypes.data) + 4 * c, np.intp(entries.ctypes.data),
                    np.intp(offsets.ctypes.data), to, stride, c // LANES,
                )  # fmt: skip
                c += size * LANES


@compiled
def fire(
    sums_b_o_t_c,
    steps,
    reset,
    threshold_c,
    v_b_o_c,
    counts_b_o_c,
    target_b,
    target_place,
    target_words,
):
    """Advance neurons whose sums are in memory.

    Their shape is ``(b, o, t, c)``, or ``(b, o, 1, c)`` if they are the same in all steps.
    """
    number, positions, given, channels = sums_b_o_t_c.shape
    length = channels if given > 1 else 0
    nothing_c = np.zeros(channels, np.float32)
    nothing = np.intp(nothing_c.ctypes.data)
    for b in range(number):
        for o in range(positions):
            out = np.intp(target_b[b].ctypes.data) + 8 * (target_place + o * target_words) * steps
            c = 0
            while c < channels:
                size = 2 if c + 2 * LANES <= channels else 1
                advance_block(
                    size, READ, reset, steps, np.intp(sums_b_o_t_c[b, o].ctypes.data) + 4 * c,
                    length, nothing, np.intp(threshold_c.ctypes.data) + 4 * c,
                    np.intp(v_b_o_c[b, o].ctypes.data) + 4 * c,
                    np.intp(counts_b_o_c[b, o].ctypes.data) + 4 * c, nothing, nothing,
                    out + c // 8, 4 * target_words, 0,
                )  # fmt: skip
                c += size * LANES


@compiled
def tally(frame_b, steps, first_o, place_e, words, place, digits):
    """Count the spikes of listed positions, channel by channel, in binary.

    Digits are added up 64 channels at a time, as in a chain of half adders. A digit of a number
    goes where a spike of a position would; those of the lowest digit of all windows come first.
    """
    windows = len(first_o) - 1
    sums = np.zeros(digits, np.uint64)
    for b in range(len(frame_b)):
        for o in range(windows):
            for n in range(steps * words):
                sums[:] = 0
                for e in range(first_o[o], first_o[o + 1]):
                    carry = frame_b[b, place_e[e] * steps + n]
                    d = 0
                    while carry:
                        both = sums[d] & carry
                        sums[d] ^= carry
                        carry = both
                        d += 1
                for d in range(digits):
                    frame_b[b, (place + (d * windows + o) * words) * steps + n] = sums[d]


@compiled
def pack(spikes_t_b_o_c, frame_b, place, words):
    """Write the spikes of a population, values other than 0, into frames."""
    steps, number, positions, channels = spikes_t_b_o_c.shape
    for b in range(number):
        for o in range(positions):
            for t in range(steps):
                start = (place + o * words) * steps + t * words
                for w in range(words):
                    word = np.uint64(0)
                    for c in range(w * WORD, min((w + 1) * WORD, channels)):
                        if spikes_t_b_o_c[t, b, o, c] != 0:
                            word |= np.uint64(1) << np.uint64(c - w * WORD)
                    frame_b[b, start + w] = word


@compiled
def unpack(frame_b, place, words, spikes_t_b_o_c):
    """Write 1 where a neuron of a population spikes; the array holds zeros before."""
    steps, number, positions, _ = spikes_t_b_o_c.shape
    for b in range(number):
        for o in range(positions):
            for t in range(steps):
                start = (place + o * words) * steps + t * words
                for w in range(words):
                    word = frame_b[b, start + w]
                    while word:
                        c = WORD * w + np.int64(lowest_bit(word))
                        spikes_t_b_o_c[t, b, o, c] = 1
                        word &= word - np.uint64(1)


@compiled
def count_operations(begin_b_t_p, index_b_e, first, fanout_l, positions, operations_t_b):
    """Write the synapses that the spikes of a population reach in each step."""
    steps, number = operations_t_b.shape
    for b in range(number):
        begin_t_p, index_e = begin_b_t_p[b], index_b_e[b]
        for t in range(steps):
            total = 0
            for i in index_e[begin_t_p[t, first] : begin_t_p[t, first + positions]]:
                total += fanout_l[np.uint32(i)]  # twice as fast as an index that may be negative
            operations_t_b[t, b] = total


@compiled
def accumulate(sums_i_t_c, running_i_c):
    """Turn sums of each step into sums of all steps so far."""
    cells, steps, channels = sums_i_t_c.shape
    for i in range(cells):
        for t in range(steps):
            for c in range(channels):
                running_i_c[i, c] += sums_i_t_c[i, t, c]
                sums_i_t_c[i, t, c] = running_i_c[i, c]


@compiled
def find_largest(
    sums_b_i_t_c,
    first_o,
    cell_e,
    weight_c,
    sign_c,
    running_b_i_c,
    highest_b_o_c,
    grown_b_o_t_c,
):
    """Write how much the largest accumulated sum of each window grows, the lowest for sign -1.

    The one of a window without cells stays 0.
    """
    number, _, steps, channels = sums_b_i_t_c.shape
    best_c = np.empty(channels, np.float32)
    for b in range(number):
        accumulate(sums_b_i_t_c[b], running_b_i_c[b])
        for o in range(len(first_o) - 1):
            if first_o[o] == first_o[o + 1]:
                grown_b_o_t_c[b, o] = 0
                continue
            for t in range(steps):
                for c in range(channels):
                    best_c[c] = sums_b_i_t_c[b, cell_e[first_o[o]], t, c] * sign_c[c]
                for e in range(first_o[o] + 1, first_o[o + 1]):
                    for c in range(channels):
                        x = sums_b_i_t_c[b, cell_e[e], t, c] * sign_c[c]
                        if x > best_c[c]:
                            best_c[c] = x
                for c in range(channels):
                    highest = best_c[c] * sign_c[c]
                    grown_b_o_t_c[b, o, t, c] = (highest - highest_b_o_c[b, o, c]) * weight_c[c]
                    highest_b_o_c[b, o, c] = highest

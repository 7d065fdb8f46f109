"""Compiled loops of the emulator: spikes spread along their synapses, neurons fire.

All of them take the steps of a sample one after the other, so that what they work on lies in a
cache. Numbers are integers of the chip, or floating-point numbers without rounding; a function is
compiled for each when it is first called, and the result is kept on disk.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from snn_core.phases import phase
from snn_core.simulation.compiling import compiled
from snn_core.typing import Array


@cache
@phase("compiling the engine, or loading what was compiled")
def prepare(image: type, weight: type, state: type) -> None:
    """Compile all functions for given types of numbers, which takes some seconds the first time.

    Parameters
    ----------
    image, weight, state
        Types of what arrives, of weights, and of sums and membranes.
    """
    of_state: Array = np.zeros((1, 1, 1), state)
    index, place = np.zeros(2, np.int32), np.zeros(1, np.int64)
    spread(
        np.zeros((1, 1, 1), image), index, index, place, index, index, 0, np.zeros(1, weight),
        of_state[0],
    )  # fmt: skip
    spikes = np.zeros((1, 1, 1), np.int8)
    rows = of_state[0]
    fire(of_state, rows, rows[0], rows[0], state(1), False, spikes, of_state)
    count(spikes, place, np.zeros((1, 1), np.int32), np.zeros((1, 1), np.int64))


@compiled
def spread(
    image_n_p_c, first_p, target_r, weight_r, length_r, first_out_c, stride, weights, sums_n_o
):
    """Add to the sums of neurons what arrives from the cells of an image; see `snn_loihi.fans`."""
    channels = image_n_p_c.shape[2]
    cells = image_n_p_c.shape[1] * channels
    active = np.empty(cells + 1, np.int64)
    for n in range(len(image_n_p_c)):
        image, sums = image_n_p_c[n].reshape(cells), sums_n_o[n]
        number = 0
        for cell in range(cells):  # without a branch, which would be mispredicted
            active[number] = cell
            number += image[cell] != 0
        for index in range(number):
            cell = active[index]
            p = cell // channels
            c = cell - p * channels
            value = sums_n_o.dtype.type(image[cell])
            for r in range(first_p[p], first_p[p + 1]):
                start, place = target_r[r] + first_out_c[c], weight_r[r] + c * stride
                length = length_r[r]
                into, by = sums[start : start + length], weights[place : place + length]
                for o in range(length):
                    into[o] += value * by[o]


@compiled
def fire(
    sums_b_t_o, steady_b_o, start_o, threshold_o, limit, is_hard, spikes_b_t_o, membrane_b_t_o
):
    """Let neurons receive sums and a constant input, fire and reset, step by step.

    There are sums for every step, or for none; a constant input for each sample, or one for all;
    memory for membranes, or none.

    Returns
    -------
    How often a membrane was beyond ``limit``, where it saturates.
    """
    samples, steps, neurons = spikes_b_t_o.shape
    has_sums, keeps = sums_b_t_o.shape[1] > 0, membrane_b_t_o.shape[1] > 0
    silence_o, v_o = np.zeros_like(start_o), np.empty_like(start_o)
    beyond = 0
    for b in range(samples):
        v_o[:] = start_o
        steady_o = steady_b_o[b if len(steady_b_o) > 1 else 0]
        for t in range(steps):
            sums_o = sums_b_t_o[b, t] if has_sums else silence_o
            spikes_o = spikes_b_t_o[b, t]
            for o in range(neurons):
                v = v_o[o] + sums_o[o] + steady_o[o]
                beyond += (v > limit) | (v < -limit)
                v = min(max(v, -limit), limit)
                fired = v >= threshold_o[o]
                spikes_o[o] = fired
                if fired:
                    v = v - v if is_hard else v - threshold_o[o]
                v_o[o] = v
            if keeps:
                membrane_b_t_o[b, t] = v_o
    return beyond


@compiled
def count(spikes_b_t_o, fanout_o, counts_b_o, operations_b_t):
    """Write how often each neuron spikes, and how many synapses are reached in each step."""
    samples, steps, neurons = spikes_b_t_o.shape
    for b in range(samples):
        counts_o = counts_b_o[b]
        for t in range(steps):
            spikes_o, reached = spikes_b_t_o[b, t], 0
            for o in range(neurons):
                counts_o[o] += spikes_o[o]
                reached += spikes_o[o] * fanout_o[o]
            operations_b_t[b, t] = reached

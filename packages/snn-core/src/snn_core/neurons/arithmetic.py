"""Arithmetic of the integrate-and-fire neuron in NumPy: start, reset, leak and refractory time.

This module defines the arithmetic that every simulator reproduces: leak, integrate, compare with
``>=``, reset; all in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from snn_core.errors import SettingsError
from snn_core.ir import BinarySigmoid, BinaryTanh, Spiking, Weighted
from snn_core.settings import Settings
from snn_core.typing import Array, Bool, Float32

POTENTIAL_STREAM = 2
"""Separates the random numbers of potentials from those of `snn_core.simulation.signal`."""


def initial_potential(layer: Spiking, batch_size: int) -> Float32[Array, "b *l"]:
    """Return the membrane potentials before the first step, ``v_init * threshold``.

    Binary neurons, which compare with 0, start there.
    """
    is_binary = isinstance(layer.activation, (BinarySigmoid, BinaryTanh))
    start = layer.threshold * (np.zeros_like(layer.v_init) if is_binary else layer.v_init)
    shape = (batch_size, *layer.output_shape)
    return np.array(np.broadcast_to(start, shape), dtype=np.float32)


def draw_potential(
    layer: Spiking, settings: Settings, *, sample_ids: Sequence[int], seed: int, number: int
) -> Float32[Array, "b *l"]:
    """Return the potentials before the first step under any ``cell.v_init``.

    Parameters
    ----------
    sample_ids, seed
        Together with ``number`` they seed the random numbers of ``uniform``, which lie between plus
        and minus the threshold.
    number
        Position of the layer in the network.
    """
    mode = settings.cell.v_init
    shape = (len(sample_ids), *layer.output_shape)
    if mode == "uniform":
        draws = [
            np.random.default_rng([seed, i, POTENTIAL_STREAM, number]).random(shape[1:], "f4")
            for i in sample_ids
        ]
        potentials: Array = (2 * np.stack(draws) - 1) * layer.threshold
        return potentials
    if mode == "bias":
        bias_o = layer.bias_o if isinstance(layer, Weighted) else np.float32(0)
        return np.array(np.broadcast_to(-bias_o, shape), np.float32)
    return initial_potential(layer, len(sample_ids))


def reset_potential(
    v_b_l: Float32[Array, "b *l"],
    spikes_b_l: Bool[Array, "b *l"],
    threshold: Float32[Array, "*c"],
    *,
    reset: str,
) -> Float32[Array, "b *l"]:
    """Return the potentials after the spikes of this step.

    Parameters
    ----------
    reset
        ``"subtraction"``: one threshold less, ``"zero"``: 0, ``"modulo"``: the remainder of the
        division by the threshold.

    Raises
    ------
    SettingsError
        For another reset.
    """
    if reset == "subtraction":
        return np.where(spikes_b_l, v_b_l - threshold, v_b_l)
    if reset == "zero":
        return np.where(spikes_b_l, np.float32(0), v_b_l)
    if reset == "modulo":
        return np.where(spikes_b_l, np.fmod(v_b_l, threshold), v_b_l)
    raise SettingsError(
        f"Unknown reset {reset!r}; expected 'subtraction', 'zero' or 'modulo'."
    )  # fmt: skip


def refractory_steps(settings: Settings) -> int:
    """Return the number of steps for which a spike silences its neuron.

    A refractory time of ``k * dt`` covers k steps; a part of a step counts as a whole one.
    """
    steps = settings.cell.tau_refrac / settings.simulation.dt
    return math.ceil(round(steps, 9))  # 0.3 / 0.1 is 2.9999999999999996


def decay_per_step(settings: Settings) -> np.float32 | None:
    """Return the factor by which potentials shrink in a step, ``None`` without ``tau_m``."""
    if settings.cell.tau_m is None:
        return None
    return np.float32(math.exp(-settings.simulation.dt / settings.cell.tau_m))


def leak_per_step(layer: Spiking, settings: Settings) -> Float32[Array, "*c"]:
    """Return what potentials lose in a step to the constant leak."""
    leak = np.float32(settings.cell.leak * settings.simulation.dt)
    scaled: Array = np.asarray(layer.threshold * leak)
    return scaled

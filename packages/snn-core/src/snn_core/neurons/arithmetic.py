"""The integrate-and-fire neuron in NumPy, and the running maximum of spiking max pooling.

This module defines the arithmetic that every simulator reproduces: leak, integrate, compare with
``>=``, reset; all in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from snn_core.errors import SettingsError
from snn_core.evaluation.operators import pool_windows
from snn_core.ir import BinarySigmoid, BinaryTanh, MaxPooling2D, Spiking, Weighted
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


def drawn_potential(
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


def pool_coefficient(method: str, t: int) -> np.float32:
    """Return the weight with which input of step ``t`` = 1, 2, ... enters a running rate.

    The running rates of the original are ``r += x / t`` (fir_max), ``r += (x - r) / t`` (avg_max)
    and ``r = 1.005 r + 0.995 x`` (exp_max). Divided by the factor common to all neurons, each is a
    sum of inputs with these coefficients and has the same arg-max; with spikes as input every
    term is then exact, whatever engine adds it up.
    """
    if method == "fir_max":
        return np.float32(1 / t)
    if method == "exp_max":
        return np.float32(0.995 * 1.005**-t)
    return np.float32(1)


class MaxPool:
    """State of one spiking max-pooling layer.

    Parameters
    ----------
    layer
        The layer; its ``method`` chooses the rule.
    x_b_l
        Input of the first step, for its shape.
    """

    def __init__(self, layer: MaxPooling2D, x_b_hwc: Float32[Array, "b h w c"]) -> None:
        self._layer = layer
        self._running = np.zeros_like(x_b_hwc)
        self._passed_on: Array | np.float32 = np.float32(0)

    def drive(self, x_b_hwc: Float32[Array, "b h w c"], t: int) -> Float32[Array, "b y x c"]:
        """Return what the layer's neurons receive in step ``t`` = 1, 2, ...

        The gating methods pass on the input of the first neuron in the window with the largest
        running rate, this step included. ``pre_spike_max`` passes on how much the maximum of the
        accumulated inputs grew: the neuron has then received exactly the maximum of the sums,
        ``max(relu(x)) = relu(max(x))``.
        """
        layer = self._layer
        self._running = self._running + pool_coefficient(layer.method, t) * x_b_hwc
        rates = pool_windows(self._running, layer, fill=-np.inf)
        if layer.method == "pre_spike_max":
            highest: Array = rates.max(axis=-1)
            drive: Array = np.asarray(highest - self._passed_on)
            self._passed_on = highest
        else:
            winner = rates.argmax(axis=-1)[..., None]
            cells = pool_windows(x_b_hwc, layer, fill=0.0)
            drive = np.take_along_axis(cells, winner, axis=-1)[..., 0]
        scaled: Array = drive * layer.weight_c
        return scaled

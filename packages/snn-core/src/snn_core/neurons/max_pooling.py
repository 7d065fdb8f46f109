"""Spiking max pooling in NumPy: the input with the largest running rate, or the exact maximum.

Channels that take the minimum compare with the opposite sign.

``conversion.maxpool_type`` chooses the rule, which every simulator reproduces.
"""

from __future__ import annotations

import numpy as np

from snn_core.evaluation.operators import largest_of_windows, pool_windows
from snn_core.ir import MaxPooling2D
from snn_core.typing import Array, Float32


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


def pool_coefficients(method: str, num_steps: int) -> Float32[Array, "t"]:
    """Return `pool_coefficient` of every step of a run."""
    return np.array([pool_coefficient(method, t) for t in range(1, num_steps + 1)], np.float32)


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
        if layer.method == "pre_spike_max":
            highest = largest_of_windows(self._running, layer)
            drive: Array = np.asarray(highest - self._passed_on)
            self._passed_on = highest
        else:
            rates = pool_windows(layer.upright(self._running), layer, fill=-np.inf)
            winner = rates.argmax(axis=-1)[..., None]
            cells = pool_windows(x_b_hwc, layer, fill=0.0)
            drive = np.take_along_axis(cells, winner, axis=-1)[..., 0]
        scaled: Array = drive * layer.weight_c
        return scaled

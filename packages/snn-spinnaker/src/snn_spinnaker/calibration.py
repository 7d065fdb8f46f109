"""Thresholds calibrated for neurons that reset to zero, as those of SpiNNaker do.

A reset to zero throws away by how much a potential exceeds the threshold: a neuron with a current I
spikes every ``ceil(threshold / I)`` steps, too rarely on average. Lower thresholds make up for it.
Each channel gets the one with which it spikes, over typical samples, as often as the network that
was converted asks for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.evaluation.forward import forward
from snn_core.ir import Network, Spiking
from snn_core.settings import Settings
from snn_core.simulation.capabilities import only_integrates
from snn_core.simulation.reference import ReferenceSNN
from snn_core.typing import Array, Float32

ROUNDS = 8
"""Runs of the samples; a change of one layer's rates reaches the next layers within a few."""

NOTE = "thresholds calibrated for a reset to zero"
"""What the history of a calibrated network says."""

NARROWEST, WIDEST = 0.3, 1.5
"""Smallest and largest factor on a threshold."""


def calibrate_for_zero(
    network: Network, x_b_l: Float32[Array, "b *l"], settings: Settings | None = None
) -> Network:
    """Return a network whose thresholds are chosen for a reset to zero.

    Each round multiplies a channel's threshold by the ratio of its rate to the one that is wanted,
    which is the mean of its activations, at most one spike per step.

    Parameters
    ----------
    network
        A converted network.
    x_b_l
        Typical samples, one axis more than the input.
    settings
        Length and input of a run; those of the network if not given.
    """
    given = network.settings_for(settings)
    given = given.updated(
        {
            "cell": {"reset": "zero"},
            "simulation": {"batch_size": len(x_b_l)},
            "output": {"log_vars": []},
        }
    )
    dt = given.simulation.dt
    activations = forward(network, x_b_l)
    layers = [layer for layer in network.spiking_layers if not only_integrates(network, layer)]
    wanted = {
        item.name: _per_channel(np.clip(activations[item.name] * dt, 0, 1)) for item in layers
    }
    factors = {item.name: np.ones_like(wanted[item.name]) for item in layers}
    calibrated = network
    for _ in range(ROUNDS):
        counts = ReferenceSNN(calibrated, given).run_batch(x_b_l).spikecounts_n_b_l
        for item in layers:
            rate_c = _per_channel(counts[item.name] / given.num_steps)
            heard = (rate_c > 0) & (wanted[item.name] > 0)
            ratio_c = np.divide(rate_c, wanted[item.name], out=np.ones_like(rate_c), where=heard)
            factors[item.name] = np.clip(factors[item.name] * ratio_c, NARROWEST, WIDEST)
        changed = [_scaled(item, factors[item.name]) for item in layers]
        calibrated = network.replace(*changed)
    return calibrated.replace(note=NOTE)


def _per_channel(values_b_l: Array) -> Array:
    """Return the mean of each channel."""
    flat = np.asarray(values_b_l, np.float64).reshape(-1, values_b_l.shape[-1])
    mean_c: Array = flat.mean(axis=0)
    return mean_c


def _scaled(layer: Spiking, factor_c: Array) -> Spiking:
    """Return a layer with other thresholds."""
    return replace(layer, threshold=np.asarray(layer.threshold * factor_c, np.float32))

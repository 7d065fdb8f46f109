"""Scales with the smallest quantisation error at a given number of steps.

A neuron that starts at half its threshold and fires n times in T steps represents ``theta n / T``
with ``n = clip(floor(a T / theta + 1/2), 0, T)``: a uniform quantiser with clipping.
As in Li et al., "A free lunch from ANN: towards efficient, accurate spiking neural networks
calibration", ICML 2021, section 4.1, theta is searched on a grid for the smallest squared error.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from snn_core.data.lazy import LazySamples
from snn_core.evaluation.forward import layer_values
from snn_core.ir import Network, Spiking
from snn_core.normalization.percentile import channel_rows, finish_scales, rectifies
from snn_core.typing import Array, Float

GRID = 1 - 0.01 * np.arange(95)
"""Candidates, as shares of the largest activation."""
BINS = 2048
"""Bins of the activation histogram from 0 to the maximum; a candidate with T = 256 levels still
spans several of them."""


def mse_scales(
    network: Network,
    x_b_l: Float[Array | LazySamples, "b *l"],
    *,
    timesteps: int,
    per_channel: bool = True,
) -> dict[str, Array]:
    """Return the scale of every rectifying layer with neurons, pooling included.

    Two passes over the data, for the maxima and for histograms between 0 and them, so that memory
    does not grow with the number of samples.

    Parameters
    ----------
    x_b_l
        Calibration samples.
    timesteps
        Number of steps T to optimise for.
    per_channel
        One scale per channel instead of one per layer.

    Returns
    -------
    Layer name to a scale of shape ``()`` or ``(channels,)``; 1 where nothing was positive.
    """
    targets = [layer for layer in network.spiking_layers if rectifies(network, layer)]
    maxima = {layer.name: np.zeros(_rows(layer, per_channel=per_channel)) for layer in targets}
    for name, values in layer_values(network, x_b_l):
        if name in maxima:
            rows = channel_rows(values, per_channel=per_channel)
            np.maximum(maxima[name], rows.max(axis=1), out=maxima[name])
    histograms = {name: np.zeros((len(m), BINS), np.uint32) for name, m in maxima.items()}
    for name, values in layer_values(network, x_b_l):
        if name in histograms:
            rows = channel_rows(values, per_channel=per_channel)
            _count(rows, maxima[name], histograms[name])
    return finish_scales(
        (
            (name, maxima[name] * best_share(histogram_c_k, timesteps=timesteps))
            for name, histogram_c_k in histograms.items()
        ),
        per_channel=per_channel,
    )


def best_share(histogram_c_k: Array, *, timesteps: int) -> Float[Array, "c"]:
    """Return for each row the candidate share of the maximum with the smallest squared error.

    Parameters
    ----------
    histogram_c_k
        Counts of activations in equal bins from 0 to the row's maximum.
    timesteps
        Number of steps T.
    """
    error_g_k = _errors(histogram_c_k.shape[1], timesteps)
    share: Array = GRID[(histogram_c_k @ error_g_k.T).argmin(axis=1)]
    return share


@lru_cache(maxsize=1)
def _errors(bins: int, timesteps: int) -> Float[Array, "g k"]:
    """Return the squared error of an activation in each bin for each candidate."""
    a_k = (np.arange(bins) + 0.5) / bins
    spikes_g_k = np.clip(np.floor(a_k * timesteps / GRID[:, None] + 0.5), 0, timesteps)
    error_g_k: Array = (a_k - GRID[:, None] / timesteps * spikes_g_k) ** 2
    return error_g_k


def _count(rows_c_n: Array, maximum_c: Array, histogram_c_k: Array) -> None:
    """Count positive values per row in `BINS` equal bins up to the row's maximum, in place."""
    safe = np.where(maximum_c > 0, maximum_c, 1)[:, None]
    bin_c_n = np.minimum((rows_c_n / safe * BINS).astype(np.int64), BINS - 1)
    bin_c_n += np.arange(len(rows_c_n))[:, None] * BINS
    found, counts_k = bin_c_n[rows_c_n > 0], histogram_c_k.reshape(-1)
    if 8 * found.size < counts_k.size:  # dense layers have one value per neuron, not one per pixel
        np.add.at(counts_k, found, np.uint32(1))
    else:
        counts_k += np.bincount(found, minlength=counts_k.size).astype(np.uint32)


def _rows(layer: Spiking, *, per_channel: bool) -> int:
    return layer.output_shape[-1] if per_channel else 1

"""Scales from a percentile of the positive activations, in one pass over the calibration data.

Rueckauer et al., "Conversion of continuous-valued deep networks to efficient event-driven networks
for image classification", Frontiers in Neuroscience 2017, section 2.2.3: the 99.9th percentile
instead of the maximum makes the scale robust against outliers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from snn_core.data.lazy import LazySamples
from snn_core.evaluation.forward import layer_values
from snn_core.ir import Add, Layer, Network, QuantizedReLU, ReLU, Spiking, Weighted
from snn_core.ir.ways import layers_between
from snn_core.typing import Array, Float

SCHEDULE_STEP = 0.02
"""How much ``normalization_schedule`` lowers the percentile from layer to layer."""


class LargestValues:
    """Exact upper percentiles of a stream, keeping only the values above them.

    The percentile p of n values lies among the (1 - p) n largest, whatever share of the values
    counts, so nothing else has to be kept.

    Parameters
    ----------
    percentile
        The percentile wanted, in percent.
    size
        Number of values per row that will come in all, an upper bound.
    """

    def __init__(self, percentile: float, *, size: int) -> None:
        self._percentile = percentile
        self._keep = math.ceil((1 - percentile / 100) * size) + 2
        self._kept: Array | None = None
        self._positive: Array | None = None

    def add(self, values_r_n: Float[Array, "r n"]) -> None:
        """Take more values of each row; only positive ones count."""
        positive = (values_r_n > 0).sum(axis=1)
        if self._kept is None or self._positive is None:
            self._kept, self._positive = values_r_n, positive
        else:
            self._kept = np.concatenate([self._kept, values_r_n], axis=1)
            self._positive = self._positive + positive
        surplus = self._kept.shape[1] - self._keep
        if surplus > 0:
            self._kept = np.partition(self._kept, surplus, axis=1)[:, surplus:]

    def result(self) -> Float[Array, "r"]:
        """Return the percentile of each row's positive values (linear interpolation), or 0."""
        if self._kept is None or self._positive is None:
            return np.zeros(0, np.float32)
        ordered = np.sort(self._kept, axis=1)
        result = np.zeros(len(ordered), np.float32)
        for row, positive in enumerate(self._positive):
            if positive:
                # Rank from the top, as numpy.percentile interpolates.
                rank = (1 - self._percentile / 100) * (positive - 1)
                below, above = ordered[row, -1 - math.ceil(rank)], ordered[row, -1 - int(rank)]
                result[row] = above + (below - above) * (rank - int(rank))
        return result


def percentile_scales(
    network: Network,
    x_b_l: Float[Array | LazySamples, "b *l"],
    *,
    percentile: float = 99.9,
    per_channel: bool = False,
    schedule: bool = False,
) -> dict[str, Array]:
    """Return the scale of every layer that has weights and neurons, adds, or pools sums.

    Pooling of rates keeps the scale of the rates.

    Parameters
    ----------
    x_b_l
        Calibration samples.
    percentile
        Percentile of the positive activations, in percent.
    per_channel
        One scale per channel instead of one per layer.
    schedule
        Lower the percentile by `SCHEDULE_STEP` for each further layer.

    Returns
    -------
    Layer name to a scale of shape ``()`` or ``(channels,)``; 1 where nothing was positive.
    """
    targets = [
        layer
        for layer in network.spiking_layers
        if rectifies(network, layer)
        and (isinstance(layer, (Weighted, Add)) or reads_relays(network, layer))
    ]
    streams = {
        layer.name: LargestValues(
            percentile - (SCHEDULE_STEP * index if schedule else 0),
            size=len(x_b_l) * _values_per_row(layer, per_channel=per_channel),
        )
        for index, layer in enumerate(targets)
    }
    for name, values in layer_values(network, x_b_l):
        if name in streams:
            streams[name].add(channel_rows(values, per_channel=per_channel))
    return finish_scales(
        ((name, stream.result()) for name, stream in streams.items()), per_channel=per_channel
    )


def reads_relays(network: Network, layer: Layer) -> bool:
    """Return whether a layer reads sums of layers without neurons, which have no scale yet."""
    between = layers_between(network, layer.inputs, ends=lambda source: isinstance(source, Spiking))
    reading = (layer, *between)
    return any(
        isinstance(source, Spiking) and not network.has_neurons(source)
        for reader in reading
        for source in network.inbound(reader.name)
    )


def largest_activations(
    network: Network, x_b_l: Float[Array | LazySamples, "b *l"], *, per_channel: bool = False
) -> dict[str, Array]:
    """Return the largest activation of every rectifying layer with neurons, pooling included.

    Returns
    -------
    Layer name to the maximum, shape ``()`` or ``(channels,)``; 1 where nothing was positive.
    """
    found: dict[str, Array] = {}
    targets = {layer.name for layer in network.spiking_layers if rectifies(network, layer)}
    for name, values in layer_values(network, x_b_l):
        if name in targets:
            highest_c = channel_rows(values, per_channel=per_channel).max(axis=1)
            found[name] = np.maximum(found.get(name, highest_c), highest_c)
    return finish_scales(found.items(), per_channel=per_channel)


def rectifies(network: Network, layer: Spiking) -> bool:
    """Return whether a layer's firing rates stand for positive sums, so that they need a scale.

    That holds for a linear output too if its spikes are counted; potentials that are only read out
    have no upper bound and need none.
    """
    if isinstance(layer.activation, (ReLU, QuantizedReLU)):
        return True
    return layer.activation.is_linear and network.readout == "counts"


def channel_rows(values_b_l: Float[Array, "b *l"], *, per_channel: bool) -> Float[Array, "c n"]:
    """Return the values as one row per channel, or as a single row."""
    if not per_channel:
        return values_b_l.reshape(1, -1)
    return np.ascontiguousarray(values_b_l.reshape(-1, values_b_l.shape[-1]).T)


def finish_scales(scales: Iterable[tuple[str, Array]], *, per_channel: bool) -> dict[str, Array]:
    """Return scales as arrays of shape ``()`` or ``(channels,)``, 1 in place of 0."""
    result: dict[str, Array] = {}
    for name, scale_c in scales:
        safe = np.where(scale_c > 0, scale_c, 1).astype(np.float32)
        result[name] = safe if per_channel else safe.reshape(())
    return result


def _values_per_row(layer: Spiking, *, per_channel: bool) -> int:
    """Return how many values per row one sample contributes."""
    shape = layer.output_shape[:-1] if per_channel else layer.output_shape
    return math.prod(shape)

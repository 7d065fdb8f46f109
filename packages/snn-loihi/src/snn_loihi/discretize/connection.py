"""Synapses into a population: a layer's kernel, or a list where relays are multiplied in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snn_core.ir import AveragePooling2D, Network, Spiking
from snn_core.ir.connectivity import Synapses
from snn_core.ir.projections import projections_of
from snn_core.ir.ways import layers_between, populations_behind
from snn_core.typing import Array, Float64, Int64
from snn_loihi.discretize.kernels import PLAIN, as_convolution, kernel, with_factors, with_kernel
from snn_loihi.discretize.routes import route, window_cells


@dataclass(frozen=True, kw_only=True, eq=False)
class Connection:
    """Synapses into a population that share a weight exponent.

    Parameters
    ----------
    network
        The network that they belong to.
    target
        The layer whose population they reach.
    sources
        The populations, or the input, that they come from.
    layer
        The layer with the weights as its kernel, or ``None``.
    synapses
        The synapses from the only source, where there is no layer.
    together
        Largest number of spikes that meet one weight of the kernel in a step.
    exponent
        Weight exponent; a weight of 1 adds ``2**exponent``.
    """

    network: Network
    target: Spiking
    sources: tuple[str, ...]
    layer: Spiking | None = None
    synapses: Synapses | None = None
    together: int = 1
    exponent: int = 0

    @property
    def weights(self) -> Array:
        """All weights, with the output channel on the last axis of a kernel."""
        if self.layer is not None:
            return kernel(self.layer)
        assert self.synapses is not None, "there is a kernel or a list"  # noqa: S101
        return self.synapses.weight

    @property
    def channel(self) -> Int64[Array, "s"] | None:
        """Output channel of each synapse of a list; ``None`` for a kernel."""
        if self.synapses is None:
            return None
        channel: Array = np.asarray(self.synapses.post, np.int64) % self.target.output_shape[-1]
        return channel

    @property
    def mixed(self) -> bool:
        """Whether there are weights of both signs."""
        weights = self.weights
        return bool(weights.size and weights.min() < 0 < weights.max())

    def spread(self, value_o: Array) -> Array:
        """Return values of the output channels for each weight."""
        channel = self.channel
        full = np.broadcast_to(value_o, self.target.output_shape[-1])
        return full if channel is None else full[channel]

    def with_weights(self, weights: Array, *, exponent: int) -> Connection:
        """Return the same synapses with other weights."""
        if self.layer is not None:
            return replace(self, layer=with_kernel(self.layer, weights), exponent=exponent)
        assert self.synapses is not None, "there is a kernel or a list"  # noqa: S101
        return replace(self, synapses=replace(self.synapses, weight=weights), exponent=exponent)

    def largest_o(self) -> Float64[Array, "o"]:
        """Return the largest magnitude of a weight into each output channel."""
        magnitude, channels = np.abs(self.weights), self.target.output_shape[-1]
        if self.channel is None:
            largest: Array = magnitude.reshape(-1, channels).max(axis=0, initial=0)
            return largest.astype(np.float64)
        found = np.zeros(channels)
        np.maximum.at(found, self.channel, magnitude)
        return found

    def reach_o(self) -> tuple[Float64[Array, "o"], Float64[Array, "o"]]:
        """Return what the neurons of each channel receive at most, and at least, in a step."""
        high, low = (self._sums_o(np.clip(self.weights, *span)) for span in ((0, None), (None, 0)))
        return high, low

    def _sums_o(self, weights: Array) -> Float64[Array, "o"]:
        channels = self.target.output_shape[-1]
        if self.synapses is None:
            rows = weights.reshape(-1, channels).astype(np.float64)
            together: Array = rows.sum(axis=0) * self.together
            return together
        size = self.synapses.shape[1]
        flat = np.bincount(self.synapses.post, weights=weights, minlength=size)
        each = flat.reshape(-1, channels)
        total: Array = each[np.abs(each).argmax(axis=0), np.arange(channels)]
        return total

    def lists(self) -> dict[str, Synapses]:
        """Return the synapses from each source as lists."""
        if self.synapses is not None:
            return {self.sources[0]: self.synapses}
        assert self.layer is not None, "there is a kernel or a list"  # noqa: S101
        changed = [self.layer, *_summing(self.network, self.layer)]
        own = self.network.replace(*changed)
        return {item.source: item.synapses for item in projections_of(own, self.layer)}


def _summing(network: Network, layer: Spiking) -> list[Spiking]:
    """Return the pooling layers on the routes to a layer, changed so that they add up."""
    pools = (
        (inbound, window_cells(network, inbound))
        for inbound in layers_between(network, layer.inputs)
        if isinstance(inbound, AveragePooling2D)
    )
    return [replace(pool, weight_c=np.asarray(cells, np.float32)) for pool, cells in pools]


def connections_of(
    network: Network, layer: Spiking, *, names: tuple[str, ...], input_unit: float = 1.0
) -> tuple[Connection, ...]:
    """Return the synapses from some of the populations that a layer reads from.

    Parameters
    ----------
    names
        The populations; a kernel is kept only where they are all of them.
    input_unit
        What a spike of the input is worth, which is multiplied into the weights that it meets.
    """
    if not names:
        return ()
    if names == populations_behind(network, layer):
        kept = _as_kernel(network, layer, input_unit=input_unit)
        if kept is not None:
            return (kept,)
    lists = (
        Connection(network=network, target=layer, sources=(item.source,), synapses=item.synapses)
        for item in projections_of(network, layer)
        if item.source in names
    )
    return tuple(
        item.with_weights(item.weights * np.float32(input_unit), exponent=item.exponent)
        if item.sources == (network.input.name,)
        else item
        for item in lists
    )


def _as_kernel(network: Network, layer: Spiking, *, input_unit: float) -> Connection | None:
    """Return the synapses as the layer's own kernel, or ``None`` where relays lie before it."""
    plain: Spiking = layer
    if isinstance(layer, AveragePooling2D):
        cells = window_cells(network, layer)
        if cells is None:
            return None
        plain = as_convolution(layer, cells=cells)
    if not isinstance(plain, PLAIN):
        return None
    routes = [route(network, name, input_unit=input_unit) for name in layer.inputs]
    found = [item for item in routes if item is not None]
    if len(found) < len(routes):
        return None
    weighted = with_factors(plain, [factor for factor, _ in found])
    if weighted is None:
        return None
    return Connection(
        network=network,
        target=layer,
        sources=populations_behind(network, layer),
        layer=weighted,
        together=max(number for _, number in found),
    )

"""Synapses between populations: layers with neurons, and the input.

Relays and layers that only rearrange values lie between populations; their matrices are multiplied
into the synapses of the population behind them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from snn_core.ir.connectivity import Synapses, index_maps, synapses
from snn_core.ir.layer import Layer
from snn_core.ir.layers import REARRANGING, Input, Weighted
from snn_core.ir.network import Network
from snn_core.ir.shapes import count
from snn_core.typing import Array, Float32, Float64, Int


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """The synapses from one population into another.

    Parameters
    ----------
    source
        Name of the source population.
    synapses
        The synapses, relays multiplied in.
    """

    source: str
    synapses: Synapses


def projections_of(network: Network, layer: Layer) -> tuple[Projection, ...]:
    """Return all synapses into the population of a layer, one projection per source.

    ``kernel_index`` is kept where only rearranging layers lie in between.
    """
    found: dict[str, Synapses] = {}
    parts = synapses(layer, network.input_shapes(layer.name))
    for name, part in zip(layer.inputs, parts, strict=True):
        for source, traced in _trace(network, name, part):
            found[source] = _sum(found[source], traced) if source in found else traced
    return tuple(Projection(source, traced) for source, traced in found.items())


def is_population(network: Network, layer: Layer) -> bool:
    """Return whether spikes (or the input) originate from a layer."""
    return isinstance(layer, Input) or network.has_neurons(layer)


def copied_cells(network: Network, name: str) -> dict[str, Int[Array, "l"]] | None:
    """Return which cell of each population the cells of a layer copy, -1 where none.

    ``None`` if a relay lies in between, so that cells are sums rather than copies.
    """
    layer = network[name]
    if is_population(network, layer):
        return {name: np.arange(count(layer.output_shape))}
    if not isinstance(layer, REARRANGING):
        return None
    found: dict[str, Array] = {}
    shapes = network.input_shapes(name)
    for source, index_map in zip(layer.inputs, index_maps(layer, shapes), strict=True):
        behind = copied_cells(network, source)
        if behind is None:
            return None
        for population, cells in behind.items():
            reached = np.where(index_map >= 0, cells[index_map], -1)
            merged = found.get(population)
            if merged is None:
                found[population] = reached
            else:
                found[population] = np.where(merged >= 0, merged, reached)
    return found


def _trace(network: Network, name: str, after: Synapses) -> Iterator[tuple[str, Synapses]]:
    """Follow synapses back from a layer to the populations that feed it."""
    layer = network[name]
    if is_population(network, layer):
        yield name, after
        return
    shapes = network.input_shapes(name)
    if isinstance(layer, REARRANGING):
        for source, index_map, shape in zip(
            layer.inputs, index_maps(layer, shapes), shapes, strict=True
        ):
            yield from _trace(network, source, _move(after, index_map, count(shape)))
        return
    behind = after.to_csr()
    for source, before in zip(layer.inputs, synapses(layer, shapes), strict=True):
        yield from _trace(network, source, _from_csr(before.to_csr() @ behind))


def _move(part: Synapses, index_map: Array, num_inputs: int) -> Synapses:
    """Let synapses start at the cells that a rearranging layer copies."""
    pre = index_map[part.pre]
    keep = pre >= 0
    index = part.kernel_index
    return replace(
        part,
        pre=pre[keep],
        post=part.post[keep],
        weight=part.weight[keep],
        shape=(num_inputs, part.shape[1]),
        kernel_index=None if index is None else index[keep],
    )


def _sum(first: Synapses, second: Synapses) -> Synapses:
    return _from_csr(first.to_csr() + second.to_csr())


def _from_csr(matrix: object) -> Synapses:
    from scipy.sparse import csr_matrix

    clean = csr_matrix(matrix)
    clean.sum_duplicates()
    clean.eliminate_zeros()
    coo = clean.tocoo()
    return Synapses(coo.row, coo.col, coo.data.astype(np.float32), coo.shape)


def drive_bias(network: Network, layer: Layer) -> Float32[Array, "*l"]:
    """Return the constant input per ms that each neuron of a layer receives.

    That is its bias and what relays before it pass on of theirs.
    """
    constant = _constant(network, layer).reshape(layer.output_shape)
    return constant.astype(np.float32)


def _constant(network: Network, layer: Layer) -> Float64[Array, "l"]:
    """Return the sum that a layer computes while no spikes arrive."""
    own = layer.bias_o if isinstance(layer, Weighted) else np.float32(0)
    total = np.broadcast_to(own, layer.output_shape).reshape(-1).astype(np.float64)
    relayed = [
        _constant(network, source) if not is_population(network, source) else None
        for source in network.inbound(layer.name)
    ]
    if all(part is None or not part.any() for part in relayed):
        return total
    parts = synapses(layer, network.input_shapes(layer.name))
    for part, constant in zip(parts, relayed, strict=True):
        if constant is not None:
            total = total + part.to_csr().T.astype(np.float64) @ constant
    return total

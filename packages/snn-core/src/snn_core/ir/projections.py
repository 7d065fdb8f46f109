"""Synapses between populations: layers with neurons, and the input.

Relays and layers that only rearrange values lie between populations; their matrices are multiplied
into the synapses of the population behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from snn_core.ir.connectivity import Synapses, index_maps, synapses
from snn_core.ir.layer import Layer
from snn_core.ir.layers import REARRANGING, Weighted
from snn_core.ir.network import Network
from snn_core.ir.shapes import count
from snn_core.ir.ways import inputs_behind, layers_between
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

    ``kernel_index`` is kept where only rearranging layers lie in between. What reaches a layer in
    between on several ways is added up there, so that each is gone through once.
    """
    # Sums of three round differently in another order, which is that of the inputs here.
    ways = {(reader.name, i): n for n, (reader, i) in enumerate(inputs_behind(network, layer))}
    arrived: dict[str, dict[int, Synapses]] = {}
    for reader in (layer, *reversed(layers_between(network, layer.inputs))):
        if reader is layer:
            parts = iter(synapses(layer, network.input_shapes(layer.name)))
        else:
            parts = _pass_back(network, reader, _added(arrived.pop(reader.name)))
        for i, (source, part) in enumerate(zip(reader.inputs, parts, strict=True)):
            arrived.setdefault(source, {})[ways[reader.name, i]] = part
    sources = sorted(arrived, key=lambda name: min(arrived[name]))
    return tuple(Projection(name, _added(arrived[name])) for name in sources)


def copied_cells(network: Network, name: str) -> dict[str, Int[Array, "l"]] | None:
    """Return which cell of each population the cells of a layer copy, -1 where none.

    ``None`` if a relay lies in between, so that cells are sums rather than copies.
    """
    between = layers_between(network, [name])
    if not all(isinstance(layer, REARRANGING) for layer in between):
        return None
    found: dict[str, dict[str, Array]] = {}
    for layer in between:
        shapes = network.input_shapes(layer.name)
        copied = found[layer.name] = {}
        for source, index_map in zip(layer.inputs, index_maps(layer, shapes), strict=True):
            behind = found[source] if source in found else _own_cells(network, source)
            for population, cells in behind.items():
                reached = np.where(index_map >= 0, cells[index_map], -1)
                merged = copied.get(population, reached)
                copied[population] = np.where(merged >= 0, merged, reached)
    return found[name] if name in found else _own_cells(network, name)


def _own_cells(network: Network, name: str) -> dict[str, Array]:
    return {name: np.arange(count(network[name].output_shape))}


def _pass_back(network: Network, layer: Layer, after: Synapses) -> Iterator[Synapses]:
    """Yield the synapses behind a layer without neurons, with each of its inputs as the source."""
    shapes = network.input_shapes(layer.name)
    if isinstance(layer, REARRANGING):
        for index_map, shape in zip(index_maps(layer, shapes), shapes, strict=True):
            yield _move(after, index_map, count(shape))
        return
    behind = after.to_csr()
    for before in synapses(layer, shapes):
        yield _from_csr(before.to_csr() @ behind)


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


def _added(parts: Mapping[int, Synapses]) -> Synapses:
    """Return the sum of synapses from one source, added up in the order of their numbers."""
    first, *others = (parts[number] for number in sorted(parts))
    for other in others:
        first = _from_csr(first.to_csr() + other.to_csr())
    return first


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
    relayed: dict[str, Array] = {}
    for relay in layers_between(network, layer.inputs):
        relayed[relay.name] = _constant(network, relay, relayed)
    constant = _constant(network, layer, relayed).reshape(layer.output_shape)
    return constant.astype(np.float32)


def _constant(network: Network, layer: Layer, relayed: Mapping[str, Array]) -> Float64[Array, "l"]:
    """Return the sum that a layer computes while no spikes arrive, given those of its relays."""
    own = layer.bias_o if isinstance(layer, Weighted) else np.float32(0)
    total = np.broadcast_to(own, layer.output_shape).reshape(-1).astype(np.float64)
    if not any(name in relayed and relayed[name].any() for name in layer.inputs):
        return total
    parts = synapses(layer, network.input_shapes(layer.name))
    for name, part in zip(layer.inputs, parts, strict=True):
        if name in relayed:
            total = total + part.to_csr().T.astype(np.float64) @ relayed[name]
    return total

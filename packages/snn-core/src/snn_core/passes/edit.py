"""Replacing and removing layers of a network, for passes.

Where a layer is exchanged for several, the last of them keeps its name, so that nothing that reads
it has to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from snn_core.ir import Flatten, Layer, Network, Reshape
from snn_core.typing import Shape


def reads_alone(network: Network, name: str) -> bool:
    """Return whether exactly one layer reads a layer, and reads it once."""
    readers = network.outbound(name)
    return len(readers) == 1 and readers[0].inputs.count(name) == 1


def exchange(
    network: Network, layers: Mapping[str, Sequence[Layer]], *, note: str | None = None
) -> Network:
    """Replace each of the named layers by one or several others."""
    found: list[Layer] = []
    for layer in network.layers:
        found.extend(layers.get(layer.name, (layer,)))
    return _rebuild(network, found, note)


def remove(network: Network, names: Iterable[str], *, note: str | None = None) -> Network:
    """Remove layers of one input each; what read them then reads that input."""
    gone: dict[str, str] = {}
    names = set(names)
    found: list[Layer] = []
    for layer in network.layers:
        inputs = tuple(gone.get(name, name) for name in layer.inputs)
        if layer.name in names:
            (gone[layer.name],) = inputs
        else:
            found.append(layer if inputs == layer.inputs else replace(layer, inputs=inputs))
    return _rebuild(network, found, note)


def _rebuild(network: Network, layers: Sequence[Layer], note: str | None) -> Network:
    history = network.history if note is None else (*network.history, note)
    return replace(network, layers=tuple(layers), history=history)


def keeps_channels(layer: Layer, before: Shape) -> bool:
    """Return whether a layer is a reshape that leaves the last axis as it is."""
    return isinstance(layer, (Flatten, Reshape)) and layer.output_shape[-1] == before[-1]

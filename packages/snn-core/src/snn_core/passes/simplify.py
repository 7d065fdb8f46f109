"""Removing layers that change nothing."""

from __future__ import annotations

from snn_core.ir import (
    ActivationLayer,
    Concatenate,
    Dropout,
    Flatten,
    Layer,
    Network,
    Reshape,
)
from snn_core.passes.edit import Draft, exchange, remove


def drop_inert(network: Network) -> Network:
    """Remove layers that pass their input on: dropout, linear activations, empty reshapes."""
    names = [layer.name for layer in network.layers[1:] if _is_inert(network, layer)]
    if not names:
        return network
    return remove(network, names, note=f"dropped layers without effect: {', '.join(names)}")


def _is_inert(network: Network, layer: Layer) -> bool:
    if isinstance(layer, ActivationLayer):
        return layer.activation.is_linear
    if isinstance(layer, (Flatten, Reshape)):
        return layer.output_shape == network.inbound(layer.name)[0].output_shape
    if isinstance(layer, Concatenate):
        return len(layer.inputs) == 1
    return isinstance(layer, Dropout)


def merge_reshapes(network: Network) -> Network:
    """Replace chains of reshapes by the last of them, and remove those without effect."""
    before, draft = network, Draft(network)
    for layer in before.layers[1:]:
        (source, *_) = draft.inbound(layer.name)
        if not isinstance(layer, (Flatten, Reshape)) or not isinstance(source, (Flatten, Reshape)):
            continue
        if draft.reads_alone(source.name):
            draft.remove(source.name)
    network = draft.finish()
    empty = [
        layer.name
        for layer in network.layers[1:]
        if isinstance(layer, (Flatten, Reshape)) and _is_inert(network, layer)
    ]
    network = remove(network, empty) if empty else network
    if network is before:
        return before
    number = len(before) - len(network)
    return exchange(network, {}, note=f"merged reshapes: {number} layer(s) fewer")

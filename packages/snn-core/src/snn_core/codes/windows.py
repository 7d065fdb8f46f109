"""Windows of the exact time-to-first-spike code, and the layers that pass spikes on."""

from __future__ import annotations

from snn_core.ir import REARRANGING, Input, MaxPooling2D, Network


def spike_windows(network: Network) -> dict[str, int]:
    """Return the window in which each population spikes; windows follow each other from 0.

    The input occupies window 0, and a population the one after the latest of its sources. Max
    pooling passes on the first spike of each window of cells, in the window of its sources. The
    output does not spike; it is read at the end of the last window of its sources.
    """
    found: dict[str, int] = {}
    for layer in network:
        if isinstance(layer, Input):
            found[layer.name] = 0
            continue
        latest = max(found[name] for name in layer.inputs)
        if network.has_neurons(layer) and layer is not network.output:
            latest += 0 if passes_spikes_on(network, layer.name) else 1
        found[layer.name] = latest
    return found


def source_populations(network: Network, name: str) -> frozenset[str]:
    """Return the populations, or the input, that a layer receives from, through relays."""
    found: set[str] = set()
    for source in network.inbound(name):
        if source.inputs and not network.has_neurons(source):
            found |= source_populations(network, source.name)
        else:
            found.add(source.name)
    return frozenset(found)


def passes_spikes_on(network: Network, name: str) -> bool:
    """Return whether a layer is a max pool that only passes on first spikes.

    That needs spikes to choose from (no relay between), the scale of its inputs, and no bound of
    its own.
    """
    layer = network[name]
    if not isinstance(layer, MaxPooling2D) or not (layer.weight_c == 1).all():
        return False
    if layer.activation.upper_bound is not None:
        return False
    return all(_is_spike_source(network, source) for source in layer.inputs)


def _is_spike_source(network: Network, name: str) -> bool:
    """Return whether a layer's values are those of spiking neurons, at most rearranged."""
    layer = network[name]
    if network.has_neurons(layer):
        return True
    return isinstance(layer, REARRANGING) and all(
        _is_spike_source(network, source) for source in layer.inputs
    )

"""Windows of the exact time-to-first-spike code, and the layers that pass spikes on."""

from __future__ import annotations

from snn_core.ir import REARRANGING, Input, MaxPooling2D, Network
from snn_core.ir.ways import layers_between, populations_behind


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
    between = layers_between(network, layer.inputs)
    return network.input.name not in populations_behind(network, layer) and all(
        isinstance(passing, REARRANGING) for passing in between
    )

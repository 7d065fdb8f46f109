"""Output neurons for networks that end without any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.ir import (
    OUTPUT_ONLY,
    Activation,
    Add,
    Flatten,
    Input,
    Linear,
    Network,
    Reshape,
    Softmax,
    Spiking,
)
from snn_core.passes.edit import keeps_channels


def add_output_neurons(network: Network) -> Network:
    """Append one neuron per value where the last layer only rearranges values.

    A sigmoid in front of the rearrangement moves to these neurons, and so does a softmax if both
    act on the same axis.
    """
    last = network.output
    if isinstance(last, (Spiking, Input)) or last.source_dialect:
        return network
    network, activation = _take_activation(network)
    name = f"{last.name}/output"
    neurons = Add(
        name=name,
        inputs=(last.name,),
        output_shape=last.output_shape,
        weight_nc=np.ones(1, np.float32),
        activation=activation,
    )
    return replace(
        network,
        layers=(*network.layers, neurons),
        history=(*network.history, f"added output neurons: {name}"),
    )


def _take_activation(network: Network) -> tuple[Network, Activation]:
    """Take what only an output has from before the last reshapes; return it, or the identity."""
    layer, keeps = network.output, True
    while isinstance(layer, (Flatten, Reshape)):
        (source,) = network.inbound(layer.name)
        keeps = keeps and keeps_channels(layer, source.output_shape)
        layer = source
        if isinstance(layer, Spiking) and isinstance(layer.activation, OUTPUT_ONLY):
            if isinstance(layer.activation, Softmax) and not keeps:
                break
            return network.replace(replace(layer, activation=Linear())), layer.activation
    return network, Linear()

"""Fusing separate activation layers into the layers before them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.ir import (
    OUTPUT_ONLY,
    Activation,
    ActivationLayer,
    Add,
    BinarySigmoid,
    BinaryTanh,
    Flatten,
    Layer,
    Network,
    QuantizedReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    Spiking,
    ZeroPadding2D,
)
from snn_core.ir.activations import per_channel
from snn_core.passes.edit import Draft, reads_alone

_OF_POSITIVES = (QuantizedReLU, BinarySigmoid)
"""Activations that only see the positive part of what they are applied to."""


def fuse_activations(network: Network) -> Network:
    """Fuse every `ActivationLayer` into the layer before it, or give it neurons of its own.

    A rectification goes to the linear layer before it, also past reshapes and zero padding, where
    nothing else reads that layer. Rectifying what is rectified already changes nothing. Where the
    unrectified values are needed too, an `Add` with one input carries the activation. Softmax and
    sigmoid inside the network stay, for the check to report.
    """
    draft = Draft(network)
    for layer in network.layers:
        if isinstance(layer, ActivationLayer):
            _fuse(draft, layer.name)
    return draft.finish()


def _fuse(network: Draft, name: str) -> None:
    layer = network[name]
    if not isinstance(layer, ActivationLayer) or layer.activation.is_linear:
        return  # the latter is for drop_inert
    if isinstance(layer.activation, OUTPUT_ONLY) and not _is_only_reshaped_after(network, name):
        return
    if isinstance(layer.activation, Softmax):
        producer, alone = network.inbound(name)[0], reads_alone(network, layer.inputs[0])
    else:
        producer, alone = _find_producer(network, name)
    if isinstance(producer, Spiking):
        fused = combine(producer.activation, layer.activation)
        if fused == producer.activation and not isinstance(fused, Softmax):
            network.remove(name, note=f"dropped {name}: {producer.name} is rectified")
            return
        if fused is not None and alone:
            network.replace(replace(producer, activation=fused))
            network.remove(name, note=f"fused {name} into {producer.name}")
            return
    neurons = Add(
        name=name,
        inputs=layer.inputs,
        output_shape=layer.output_shape,
        weight_nc=np.ones(1, np.float32),
        activation=layer.activation,
    )
    network.exchange({name: [neurons]}, note=f"gave {name} neurons of its own")


def _find_producer(network: Draft, name: str) -> tuple[Layer, bool]:
    """Return the layer whose values a rectification reads, and whether nothing else reads them."""
    alone = True
    # Padding adds zeros: frameworks take the sign of 0 for -1, and its sigmoid is 1/2.
    signed = isinstance(getattr(network[name], "activation", None), (BinaryTanh, Sigmoid))
    while True:
        name = network[name].inputs[0]
        layer = network[name]
        alone = alone and reads_alone(network, name)
        # Rectified zeros are zeros, so padding commutes as rearranging does.
        moved = (Flatten, Reshape) if signed else (Flatten, Reshape, ZeroPadding2D)
        if not isinstance(layer, moved):
            return layer, alone


def combine(inner: Activation, outer: Activation) -> Activation | None:
    """Return ``outer(inner(x))`` as one activation, if there is one."""
    if inner.is_linear:
        return outer
    if isinstance(inner, ReLU) and isinstance(outer, ReLU):
        bounds = [a.upper_bound for a in (inner, outer) if a.upper_bound is not None]
        return ReLU(max_value=per_channel(np.minimum.reduce(bounds))) if bounds else ReLU()
    if isinstance(inner, ReLU) and inner.max_value is None and isinstance(outer, _OF_POSITIVES):
        return outer
    if isinstance(inner, (QuantizedReLU, BinarySigmoid)) and outer == ReLU():
        return inner
    return None


def _is_only_reshaped_after(network: Draft, name: str) -> bool:
    """Return whether nothing but reshapes lies between a layer and the output."""
    readers = network.outbound(name)
    return all(
        isinstance(reader, (Flatten, Reshape)) and _is_only_reshaped_after(network, reader.name)
        for reader in readers
    )

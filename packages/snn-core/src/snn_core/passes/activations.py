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
from snn_core.ir.ways import visit
from snn_core.passes.edit import Chains, Draft

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
    # Padding adds zeros: frameworks take the sign of 0 for -1, and its sigmoid is 1/2. Rectified
    # zeros are zeros, so that padding commutes with rectifying as rearranging does.
    signed = Chains(draft, lambda layer: isinstance(layer, (Flatten, Reshape)))
    others = Chains(draft, lambda layer: isinstance(layer, (Flatten, Reshape, ZeroPadding2D)))
    for name in draft.names():
        layer = draft[name]
        if isinstance(layer, ActivationLayer) and not layer.activation.is_linear:  # see drop_inert
            is_signed = isinstance(layer.activation, (BinaryTanh, Sigmoid))
            _fuse(draft, layer, signed if is_signed else others)
    return draft.finish()


def _fuse(network: Draft, layer: ActivationLayer, chains: Chains) -> None:
    name, source = layer.name, layer.inputs[0]
    if isinstance(layer.activation, OUTPUT_ONLY) and not _is_only_reshaped_after(network, name):
        return
    begin, alone = chains.begin(source)
    if isinstance(layer.activation, Softmax):
        begin, alone = source, True
    producer, alone = network[begin], alone and network.reads_alone(source)
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

    def following(each: str) -> list[str]:
        is_passed = each == name or isinstance(network[each], (Flatten, Reshape))
        return [reader.name for reader in network.outbound(each)] if is_passed else []

    (*after, _) = visit([name], following)
    return all(isinstance(network[each], (Flatten, Reshape)) for each in after)

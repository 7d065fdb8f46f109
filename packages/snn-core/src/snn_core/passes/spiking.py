"""Conversion passes: which layers get neurons, how pools find maxima, how the output decides.

Unlike the structural passes, these choose between spiking realisations of the same function. The
lossy ones, `max_to_average_pooling` and `softmax_to_relu`, change the function and are opt-in.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.ir import (
    REARRANGING,
    Add,
    AveragePooling2D,
    BinarySigmoid,
    Layer,
    Linear,
    MaxPooling2D,
    Network,
    QuantizedReLU,
    ReLU,
    Softmax,
    Spiking,
    UpSampling2D,
    Weighted,
)
from snn_core.ir.ways import visit
from snn_core.passes.activations import combine
from snn_core.passes.edit import Graph

_NONNEGATIVE = (ReLU, QuantizedReLU, Softmax, BinarySigmoid)
_POOLING = (AveragePooling2D, MaxPooling2D, UpSampling2D)


def nonnegative_layers(network: Network) -> frozenset[str]:
    """Return the layers whose values cannot be negative, whatever the input."""
    found: set[str] = set()
    for layer in network:
        inner = layer.inputs and all(name in found for name in layer.inputs)
        if _rectifies(layer) or (inner and _keeps_sign(layer)):
            found.add(layer.name)
    return frozenset(found)


def find_nonnegative(network: Graph, name: str, known: dict[str, bool]) -> bool:
    """Return whether a layer's values cannot be negative; only what leads to it is looked at.

    Parameters
    ----------
    known
        What was found of layers that do not change any more; what is found is added.
    """

    def following(each: str) -> tuple[str, ...]:
        layer = network[each]
        is_found = each in known or _rectifies(layer) or not _keeps_sign(layer)
        return () if is_found else layer.inputs

    for each in visit([name], following):
        if each not in known:
            sources = following(each)
            inner = bool(sources) and all(known[source] for source in sources)
            known[each] = _rectifies(network[each]) or inner
    return known[name]


def _rectifies(layer: Layer) -> bool:
    return isinstance(getattr(layer, "activation", None), _NONNEGATIVE)


def _keeps_sign(layer: Layer) -> bool:
    """Return whether a layer makes no negative values of others."""
    return isinstance(layer, (*REARRANGING, *_POOLING)) or (
        isinstance(layer, Add) and bool((layer.weight_nc >= 0).all())
    )


def spiking_pools(network: Network) -> Network:
    """Give average pooling and up-sampling of non-negative values neurons of their own.

    The function stays: a ReLU does nothing to an average of non-negative values.
    """
    safe = nonnegative_layers(network)
    new = [
        replace(layer, activation=ReLU())
        for layer in network
        if isinstance(layer, (AveragePooling2D, UpSampling2D))
        and isinstance(layer.activation, Linear)
        and layer is not network.output
        and all(name in safe for name in layer.inputs)
    ]
    if not new:
        return network
    names = ", ".join(layer.name for layer in new)
    return network.replace(*new, note=f"spiking_pools: {names}")


def relay_pools(network: Network) -> Network:
    """Turn average pooling and up-sampling into relays, which the next synapses absorb."""
    safe = nonnegative_layers(network)
    new = [
        replace(layer, activation=Linear())
        for layer in network
        if isinstance(layer, (AveragePooling2D, UpSampling2D))
        and isinstance(layer.activation, ReLU)
        and layer.activation.max_value is None
        and all(name in safe for name in layer.inputs)
    ]
    if not new:
        return network
    names = ", ".join(layer.name for layer in new)
    return network.replace(*new, note=f"relay_pools: {names}")


def max_pool_method(network: Network, *, method: str) -> Network:
    """Set how spiking max pooling finds the maximum.

    Pools whose values may be negative pass on the increments of the maximum whatever the method,
    since a gate would be no maximum of such sums.

    With ``pre_spike_max`` a preceding rectifying layer that only feeds the pool becomes a relay:
    ``max(relu(x)) = relu(max(x))``, so the pool's neurons can work on the sums themselves.
    """
    new: list[Layer] = []
    for layer in network:
        if not isinstance(layer, MaxPooling2D):
            continue
        if not isinstance(layer.activation, ReLU):
            new.append(replace(layer, method="pre_spike_max"))
            continue
        new.append(replace(layer, method=method))
        (source,) = network.inbound(layer.name)
        if (
            method == "pre_spike_max"
            and isinstance(source, (Weighted, Add))
            and isinstance(source.activation, ReLU)
            and network.outbound(source.name) == (layer,)
        ):
            both = combine(source.activation, layer.activation) or layer.activation
            new[-1] = replace(layer, method=method, activation=both)
            new.append(replace(source, activation=Linear()))
    if not new:
        return network
    names = ", ".join(layer.name for layer in new if isinstance(layer, MaxPooling2D))
    return network.replace(*new, note=f"max_pool_method {method}: {names}")


def max_to_average_pooling(network: Network) -> Network:
    """Replace max pooling by average pooling of the same geometry. Lossy."""
    new = [
        AveragePooling2D(
            name=layer.name,
            inputs=layer.inputs,
            output_shape=layer.output_shape,
            pool_size=layer.pool_size,
            strides=layer.strides,
            padding=layer.padding,
            weight_c=layer.weight_c,
            activation=layer.activation,
        )
        for layer in network
        if isinstance(layer, MaxPooling2D)
    ]
    if not new:
        return network
    names = ", ".join(layer.name for layer in new)
    return network.replace(*new, note=f"max_to_average_pooling: {names}")


def softmax_to_relu(network: Network) -> Network:
    """Replace a softmax output by a rectifying one. Lossy: negative scores become equal."""
    output = network.output
    if not isinstance(output, Spiking) or not isinstance(output.activation, Softmax):
        return network
    return network.replace(
        replace(output, activation=ReLU()), note=f"softmax_to_relu: {output.name}"
    )


def set_v_init(network: Network, *, v_init: float) -> Network:
    """Let all hidden neurons start at ``v_init`` times their threshold.

    Starting at one half turns the floor of the spike count into rounding (Deng and Gu, "Optimal
    conversion of conventional artificial neural networks to spiking neural networks", ICLR 2021).
    Output neurons that are only read out start at 0.
    """
    new = [
        replace(layer, v_init=np.asarray(v_init))
        for layer in network.spiking_layers
        if layer is not network.output or network.readout == "counts"
    ]
    return network.replace(*new, note=f"set_v_init: {v_init} of the threshold")

"""Pooling layers in a form with neurons: global average pooling, rectified max pooling."""

from __future__ import annotations

from dataclasses import replace

from snn_core.ir import (
    AveragePooling2D,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
)
from snn_core.passes.edit import exchange
from snn_core.passes.spiking import nonnegative_layers


def lower_global_pooling(network: Network) -> Network:
    """Turn global average pooling into average pooling over the whole image and a flattening."""
    layers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        if isinstance(layer, GlobalAveragePooling2D):
            height, width, channels = network.input_shapes(layer.name)[0]
            flat = len(layer.output_shape) == 1
            pool = AveragePooling2D(
                name=f"{layer.name}/pool" if flat else layer.name,
                inputs=layer.inputs,
                output_shape=(1, 1, channels),
                pool_size=(height, width),
                strides=(height, width),
                activation=Linear(),
            )
            layers[layer.name] = [pool]
            if flat:
                layers[layer.name].append(
                    Flatten(name=layer.name, inputs=(pool.name,), output_shape=(channels,))
                )
    if not layers:
        return network
    return exchange(network, layers, note=f"lowered global average pooling: {', '.join(layers)}")


def rectify_max_pooling(network: Network) -> Network:
    """Give max pooling of values that are never negative its own neurons.

    The maximum of such values is not negative either, so rectifying it changes nothing.
    """
    safe = nonnegative_layers(network)
    layers = [
        replace(layer, activation=ReLU())
        for layer in network.layers
        if isinstance(layer, MaxPooling2D) and layer.activation.is_linear and layer.name in safe
    ]
    if not layers:
        return network
    names = ", ".join(layer.name for layer in layers)
    return network.replace(*layers, note=f"gave max pooling of rates its own neurons: {names}")

"""Naming of layers by position, type and shape, as in ``03Conv2D_32x32x64``."""

from __future__ import annotations

from dataclasses import replace

from snn_core.ir import Layer, Network
from snn_core.ir.shapes import label


def label_layers(network: Network) -> Network:
    """Name every layer by its position, type and output shape; the input is called ``input``.

    The history keeps the former names.
    """
    digits = max(2, len(str(len(network) - 2)))
    names = {network.input.name: "input"}
    for i, layer in enumerate(network.layers[1:]):
        names[layer.name] = label(i, layer.kind, layer.output_shape, width=digits)
    if all(old == new for old, new in names.items()):
        return network
    pairs = ", ".join(f"{new} = {old}" for old, new in list(names.items())[1:])
    return replace(
        network,
        layers=tuple(_rename(layer, names) for layer in network.layers),
        scale_facs={names[name]: factor for name, factor in network.scale_facs.items()},
        history=(*network.history, f"labelled the layers: {pairs}"),
    )


def _rename(layer: Layer, names: dict[str, str]) -> Layer:
    return replace(
        layer, name=names[layer.name], inputs=tuple(names[name] for name in layer.inputs)
    )

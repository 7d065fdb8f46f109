"""Routes from populations to a layer whose weights can be kept as they are.

Layers that only rearrange values lie on a route, and average pooling without neurons: all synapses
through a window have the same weight, so the chip's synapses are the layer's kernel, each weight
divided by the number of cells in a window, and a window adds up spikes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from snn_core.evaluation.operators import drive, image_paddings, pool_windows
from snn_core.ir import AveragePooling2D, Layer, Network
from snn_core.ir.layers import REARRANGING, ZeroPadding2D
from snn_core.ir.ways import layers_between
from snn_core.typing import Array, Float32


def window_cells(network: Network, layer: AveragePooling2D) -> int | None:
    """Return the number of cells in each pooling window, ``None`` if it differs."""
    (shape,) = network.input_shapes(layer.name)
    ones = np.ones((1, *shape), np.float32)
    cells = np.unique(pool_windows(ones, layer, fill=0.0).sum(axis=-1))
    return int(cells[0]) if len(cells) == 1 else None


def route(
    network: Network, name: str, *, input_unit: float = 1.0
) -> tuple[Float32[Array, "*l"], int] | None:
    """Return the factor of each cell on the way from the populations, and spikes that add up.

    Parameters
    ----------
    input_unit
        What a spike of the input is worth; those of populations are worth 1.

    Returns
    -------
    What a spike that arrives at each cell of the layer is worth, and the largest number of spikes
    that arrive there in a step; ``None`` if the layer is no part of a route.
    """
    found: dict[str, tuple[Array, int]] = {}

    def start(source: str) -> tuple[Array, int]:
        unit = input_unit if source == network.input.name else 1.0
        return np.full(network[source].output_shape, unit, np.float32), 1

    for layer in layers_between(network, [name]):
        if not isinstance(layer, (*REARRANGING, AveragePooling2D)):
            return None
        behind = [found[s] if s in found else start(s) for s in layer.inputs]
        passed = _pass_on(network, layer, [factor for factor, _ in behind])
        if passed is None:
            return None
        factor, cells = passed
        found[layer.name] = factor, cells * max(number for _, number in behind)
    return found[name] if name in found else start(name)


def _pass_on(network: Network, layer: Layer, factors: list[Array]) -> tuple[Array, int] | None:
    """Return the factors behind a layer on a route, and how many spikes it adds up to one."""
    if isinstance(layer, ZeroPadding2D):
        return np.pad(factors[0], (*layer.padding, (0, 0)), mode="edge"), 1
    if not isinstance(layer, AveragePooling2D):
        return drive(layer, [factor[None] for factor in factors])[0], 1
    cells = window_cells(network, layer) if layer.strides == layer.pool_size else None
    factor = factors[0]
    if cells is None or (factor != factor[:1, :1]).any():
        return None
    scaled = np.broadcast_to(factor[0, 0] * layer.weight_c / cells, layer.output_shape)
    return scaled.astype(np.float32), cells


def gather(network: Network, name: str, values: Mapping[str, Array]) -> Array:
    """Return what arrives at a layer on a route: spikes, or their number where windows add up."""

    def arrive(layer: Layer, inputs: list[Array]) -> Array:
        return (
            _added(inputs[0], layer)
            if isinstance(layer, AveragePooling2D)
            else drive(layer, inputs)
        )

    return _follow(network, name, values, arrive)


def _added(x_b_hwc: Array, layer: AveragePooling2D) -> Array:
    """Return the sums over windows that lie side by side; cells outside the image hold 0."""
    (kh, kw), (h, w) = layer.pool_size, layer.output_shape[:2]
    padding = image_paddings(layer, layer.pool_size, (1, 1), x_b_hwc.shape[1:3])
    if any(map(any, padding)):
        x_b_hwc = np.pad(x_b_hwc, ((0, 0), *padding, (0, 0)))
    cells = [x_b_hwc[:, i : h * kh : kh, j : w * kw : kw] for i in range(kh) for j in range(kw)]
    total: Array = cells[0].copy()
    for part in cells[1:]:
        total += part
    return total


def relay(network: Network, name: str, values: Mapping[str, Array]) -> Array:
    """Return the analog values of a layer without neurons, relays computed as they are."""
    return _follow(network, name, values, drive)


def _follow(
    network: Network,
    name: str,
    values: Mapping[str, Array],
    compute: Callable[[Layer, list[Array]], Array],
) -> Array:
    """Return the values of a layer, computed from known ones layer by layer."""
    found = dict(values)
    for layer in layers_between(network, [name], ends=lambda layer: layer.name in values):
        found[layer.name] = compute(layer, [found[source] for source in layer.inputs])
    return found[name]

"""Tables of layers: their cells, and the windows of max pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from snn_core.evaluation.operators import pool_windows
from snn_core.ir import Flatten, MaxPooling2D, Network, Spiking
from snn_core.ir.projections import drive_bias, projections_of
from snn_core.ir.shapes import count
from snn_core.simulation.capabilities import only_integrates
from snn_core.simulation.synapses.tables import (
    CELLS,
    INTEGRATORS,
    NEURONS,
    POOL,
    Connection,
    Population,
    cells_of,
)
from snn_core.typing import Array, Float32


def neurons(network: Network, layer: Spiking, bias_l: Float32[Array, "*l"]) -> Population:
    """Return the neurons of a layer other than max pooling, given their constant input per ms."""
    role = INTEGRATORS if only_integrates(network, layer) else NEURONS
    return _population(layer, role, current_l=bias_l.reshape(-1))


def pooling_cells(network: Network, layer: MaxPooling2D) -> tuple[Population, list[Connection]]:
    """Return the cells that hold the inputs of max pooling, and the synapses onto them."""
    (shape,) = network.input_shapes(layer.name)
    size, name = count(shape), cells_of(layer.name)
    # A flattening layer in its place copies what it reads: relays before it are traced back.
    inputs = Flatten(name=layer.name, inputs=layer.inputs, output_shape=(size,))
    zeros = np.zeros(size, np.float32)
    population = Population(
        name=name,
        role=CELLS,
        current_l=drive_bias(network, inputs),
        threshold_l=zeros,
        start_l=zeros,
        method=layer.method,
    )
    connections = [
        Connection.of(projection.source, name, projection.synapses, None)
        for projection in projections_of(network, inputs)
    ]
    return population, connections


def pooling_neurons(network: Network, layer: MaxPooling2D) -> Population:
    """Return the neurons of max pooling, with the cells in the window of each.

    A neuron whose window lies wholly in the padding has the scale 0: nothing reaches it.
    """
    (shape,) = network.input_shapes(layer.name)
    size = count(shape)
    cells_b_hwc = np.arange(size, dtype=np.float64).reshape(1, *shape)
    window = pool_windows(cells_b_hwc, layer, fill=float(size))[0]
    is_reached = (window < size).any(axis=-1)
    scale = np.where(is_reached, layer.weight_c, np.float32(0)).reshape(-1)
    sign_l = None
    if layer.sign_c is not None:
        sign_l = np.broadcast_to(layer.sign_c, layer.output_shape).reshape(-1)
    return _population(
        layer,
        INTEGRATORS if only_integrates(network, layer) else POOL,
        current_l=scale,
        window_l_k=window.reshape(len(scale), -1).astype(np.int32),
        method=layer.method,
        sign_l=sign_l,
    )


def _population(layer: Spiking, role: str, **columns: Any) -> Population:
    start = layer.v_init * layer.threshold
    threshold_l, start_l = (
        np.broadcast_to(value, layer.output_shape).reshape(-1) for value in (layer.threshold, start)
    )
    return Population(
        name=layer.name, role=role, threshold_l=threshold_l, start_l=start_l, **columns
    )

"""The neurons of snn-core with sums by TensorFlow, for options of the cell and other spike codes.

TensorFlow computes what layers add up, which is where the time goes; the neurons, with all the
state that options and codes give them, are those of the reference simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from snn_core.codes.first_spike import magnitudes
from snn_core.ir import Layer, Network
from snn_core.operations import ConnectivityStatistics
from snn_core.settings import Settings
from snn_core.simulation.codes import Sums
from snn_core.simulation.reference import ReferenceSNN
from snn_core.typing import Array
from snn_inisim.layers import LAYERS
from snn_inisim.max_pooling import SpikeMaxPooling2D
from snn_inisim.spike_layer import SpikeLayer, inbound
from snn_inisim.startup import full_precision


class SteppedNetwork(ReferenceSNN):
    """The reference simulator with sums by TensorFlow.

    Parameters
    ----------
    network, settings, seed, stop
        As for any simulator.
    layers
        Layer name to the Keras layer that computes its sums.
    connectivity
        Numbers of synapses of the network; counting them twice would take as long as they are many.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        *,
        layers: Mapping[str, SpikeLayer],
        connectivity: ConnectivityStatistics,
        seed: int,
        stop: Callable[[], bool],
    ) -> None:
        super().__init__(network, settings, seed=seed, stop=stop)
        self._layers = layers
        self._counted = connectivity

    @property
    def connectivity(self) -> ConnectivityStatistics:
        """Numbers of neurons and synapses, as they were given."""
        return self._counted

    def make_sums(self) -> Sums:
        """Return sums by the Keras layers."""
        return KerasSums(self._layers)


class KerasSums(Sums):
    """Sums of layers by Keras layers.

    Parameters
    ----------
    layers
        Layer name to the Keras layer that computes its sums.
    """

    def __init__(self, layers: Mapping[str, SpikeLayer]) -> None:
        self._layers = layers
        self._weighted: dict[str, Callable[[Any], Any]] = {}
        self._absolute: dict[str, Callable[[Any], Any]] = {}

    def weighted(self, layer: Layer, inputs_n_b_l: list[Array]) -> Array:
        """Return weights times inputs; the maximum of each window for max pooling."""
        if layer.name not in self._weighted:
            self._weighted[layer.name] = _compile(self._layers[layer.name])
        return _call(self._weighted[layer.name], layer, inputs_n_b_l)

    def absolute(self, layer: Layer, inputs_n_b_l: list[Array]) -> Array:
        """Return magnitudes of weights times inputs."""
        if layer.name not in self._absolute:
            positive = magnitudes(layer)
            made = self._layers[layer.name]
            if positive is not layer:
                shapes = [(None, *x_b_l.shape[1:]) for x_b_l in inputs_n_b_l]
                made = LAYERS[layer.kind](positive)
                made.build(inbound(dict(zip(layer.inputs, shapes, strict=True)), layer))
                made.built = True
            self._absolute[layer.name] = _compile(made)
        return _call(self._absolute[layer.name], layer, inputs_n_b_l)


def _compile(layer: SpikeLayer) -> Callable[[Any], Any]:
    is_pool = isinstance(layer, SpikeMaxPooling2D)
    sums = layer.largest if is_pool else layer.weighted_sum
    compiled: Callable[[Any], Any] = tf.function(sums, autograph=False, reduce_retracing=True)
    return compiled


@full_precision()
def _call(sums: Callable[[Any], Any], layer: Layer, inputs_n_b_l: list[Array]) -> Array:
    tensors = map(tf.constant, inputs_n_b_l)
    y: Array = sums(inbound(dict(zip(layer.inputs, tensors, strict=True)), layer)).numpy()
    return y

"""Simulation step by step with the neurons of snn-core, for options of the cell.

TensorFlow computes the weighted sums, which is where the time goes; the neurons, with all the state
that the options add, are those of the reference simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from snn_core.ir import Layer, Network
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.typing import Array, Float32
from snn_inisim.spike_layer import SpikeLayer, inbound


class SteppedNetwork(ReferenceSNN):
    """The reference simulator with sums by TensorFlow.

    Parameters
    ----------
    network, settings, seed, stop
        As for any simulator.
    layers
        Layer name to the Keras layer that computes its sums.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        *,
        layers: Mapping[str, SpikeLayer],
        seed: int,
        stop: Callable[[], bool],
    ) -> None:
        super().__init__(network, settings, seed=seed, stop=stop)
        self._sums: dict[str, Callable[[Any], Any]] = {
            name: tf.function(layer.weighted_sum, autograph=False, reduce_retracing=True)
            for name, layer in layers.items()
        }
        self.build()

    def _weighted_sum(self, layer: Layer, inputs: list[Array]) -> Float32[Array, "b *l"]:
        tensors = {
            name: tf.constant(x_b_l) for name, x_b_l in zip(layer.inputs, inputs, strict=True)
        }
        y: Array = self._sums[layer.name](inbound(tensors, layer)).numpy()
        return y

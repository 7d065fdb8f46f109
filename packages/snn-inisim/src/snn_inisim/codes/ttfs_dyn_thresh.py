"""Time to first spike with a dynamic threshold: a neuron waits for the sources that may yet fire.

Rueckauer and Liu, ISCAS 2018. A neuron is *driven* while it has not fired and receives net
excitation. In the next step the threshold of its targets is higher by ``|w|`` for each driven
source: the largest change per ms that they may still cause. With the ramp it counts by the share
of the run that is left, since a source that fires late changes little: neurons then decide by the
end.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from snn_core.codes import magnitudes, passes_spikes_on
from snn_core.ir import Add, AveragePooling2D, Layer, Spiking, UpSampling2D, Weighted
from snn_inisim.codes.drives import largest, weighted_sum
from snn_inisim.codes.temporal_mean_rate import Tensor
from snn_inisim.codes.ttfs import FirstSpike, State
from snn_inisim.spike_layer import SpikeLayer, inbound


class DynamicThreshold(FirstSpike):
    """A network whose thresholds rise while sources may still fire."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        shapes = {layer.name: (None, *layer.output_shape) for layer in self.network.layers}
        self._magnitudes = {
            name: _magnitude_layer(layer, inbound(shapes, self.network[name]))
            for name, layer in self.layers.items()
            if name not in self._steady
        }

    def start(self, layer: Spiking, batch_size: int) -> dict[str, Tensor]:
        """Return the state, with the flags of driven neurons and the rise of the threshold."""
        state = super().start(layer, batch_size)
        zeros = tf.zeros_like(state["on"])
        return {**state, "driven": zeros, "rise": zeros}

    def prepared(self, states: State, left: Tensor) -> State:
        """Let the thresholds rise by what driven sources may still change."""
        weight = left if self.settings.conversion.ttfs_ramp else 1.0
        batch = next(iter(states.values()))["v"].shape[0]
        driven = {
            layer.name: tf.zeros((batch, *layer.output_shape))
            for layer in self.network.layers
            if layer is self.network.input or layer.name in self._steady
        }
        for name, layer in self.layers.items():
            source: Any = self.network[name]
            spikes = self.network.has_neurons(source)
            if name in self._steady:
                if spikes:
                    driven[name] = states[name]["driven"]
                continue
            inputs = inbound(driven, source)
            if not spikes:
                driven[name] = weighted_sum(self._magnitudes[name], inputs)
            elif passes_spikes_on(self.network, name):
                waits = 1.0 - states[name]["on"]
                driven[name] = tf.cast(largest(layer.source, inputs) > 0, tf.float32) * waits
                states[name] = {**states[name], "driven": driven[name]}
            else:
                rise = weighted_sum(self._magnitudes[name], inputs) * weight
                driven[name] = states[name]["driven"]
                states[name] = {**states[name], "rise": rise}
        return states

    def threshold(self, name: str, state: dict[str, Tensor]) -> Tensor:
        """Return the threshold with its rise."""
        return self._threshold[name] + state["rise"]

    def fire(self, name: str, state: dict[str, Tensor], drive: Tensor) -> dict[str, Tensor]:
        """Return the state of a population after a step."""
        new = super().fire(name, state, drive)
        driven = (drive > 0) & (new["on"] == 0)
        return {**new, "driven": tf.cast(driven, tf.float32)}

    def events(self, state: dict[str, Tensor], before: dict[str, Tensor]) -> Tensor:
        """Return spikes and changes of the flag: both have to reach all targets."""
        return super().events(state, before) + tf.abs(state["driven"] - before["driven"])


def _magnitude_layer(layer: SpikeLayer, input_shape: Any) -> SpikeLayer:
    """Return a layer that adds up magnitudes of weights."""
    from snn_inisim.layers import LAYERS

    source: Layer = layer.source
    if not isinstance(source, (Weighted, Add, AveragePooling2D, UpSampling2D)):
        return layer  # rearranges values, or chooses among them
    made = LAYERS[source.kind](magnitudes(source))
    made.build(input_shape)
    made.built = True
    return made

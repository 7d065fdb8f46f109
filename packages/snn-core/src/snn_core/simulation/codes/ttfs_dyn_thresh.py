"""Time to first spike with a dynamic threshold: a neuron waits for the sources that may yet fire.

Rueckauer and Liu, ISCAS 2018. A neuron is *driven* while it has not fired and receives net
excitation. In the next step the threshold of its targets is higher by ``|w|`` for each driven
source: the largest change per ms that they may still cause. With the ramp it counts by the share
of the run that is left, since a source that fires late changes little: neurons then decide by the
end.
"""

from __future__ import annotations

import numpy as np

from snn_core.codes.windows import passes_spikes_on
from snn_core.ir import Layer, Spiking
from snn_core.ir.ways import layers_between, populations_behind
from snn_core.simulation.codes.ttfs import FirstSpike, State
from snn_core.typing import Array


class DynamicThreshold(FirstSpike):
    """A network whose thresholds rise while sources may still fire."""

    def start(self, layer: Spiking, batch_size: int) -> State:
        """Return the state, with the flags of driven neurons and the rise of the threshold."""
        state = super().start(layer, batch_size)
        zeros = np.zeros_like(state["on"])
        return {**state, "driven": zeros, "rise": zeros}

    def prepare(self, states: dict[str, State], left: np.float32) -> dict[str, State]:
        """Let the thresholds rise by what driven sources may still change."""
        weight = left if self.settings.conversion.ttfs_ramp else np.float32(1)
        batch = len(next(iter(states.values()))["v"])
        driven: dict[str, Array] = {
            layer.name: np.zeros((batch, *layer.output_shape), np.float32)
            for layer in self.network.layers
            if layer is self.network.input or layer.name in self._steady
        }
        for layer in self.network.layers[1:]:
            name, spikes = layer.name, self.network.has_neurons(layer)
            if name in self._steady:
                if spikes:
                    driven[name] = states[name]["driven"]
                continue
            if passes_spikes_on(self.network, name):
                waits = 1 - states[name]["on"]
                driven[name] = self._lets_pass(layer, states, driven) * waits
                states[name] = {**states[name], "driven": driven[name]}
                continue
            reached = self.sums.absolute(layer, self.inbound(driven, layer))
            if not spikes:
                driven[name] = reached
            else:
                driven[name] = states[name]["driven"]
                states[name] = {**states[name], "rise": reached * weight}
        return states

    def _lets_pass(self, layer: Layer, states: dict[str, State], driven: dict[str, Array]) -> Array:
        """Return 1 where a max pool may yet pass a spike on, given the cells that have or may.

        One such cell is enough for a maximum; a minimum, the last spike, needs all.
        """
        found = {
            name: driven[name] + states[name]["on"]
            for name in populations_behind(self.network, layer)
        }
        for passing in (*layers_between(self.network, layer.inputs), layer):
            reached = self.sums.absolute(passing, self.inbound(found, passing))
            found[passing.name] = (reached > 0).astype(np.float32)
        return found[layer.name]

    def threshold(self, name: str, state: State) -> Array:
        """Return the threshold with its rise."""
        return self._threshold[name] + state["rise"]

    def fire(self, name: str, state: State, drive: Array) -> State:
        """Return the state of a population after a step."""
        new = super().fire(name, state, drive)
        driven = (drive > 0) & (new["on"] == 0)
        return {**new, "driven": driven.astype(np.float32)}

    def events(self, state: State, before: State) -> Array:
        """Return spikes and changes of the flag: both have to reach all targets."""
        changed: Array = np.abs(state["driven"] - before["driven"])
        return super().events(state, before) + changed

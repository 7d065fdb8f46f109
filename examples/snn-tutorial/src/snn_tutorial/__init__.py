"""The smallest simulator for snn-core: integrate-and-fire neurons on sparse matrices."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from snn_core.ir import Spiking
from snn_core.ir.connectivity import Synapses
from snn_core.neurons.arithmetic import initial_potential
from snn_core.recording.recorder import Recorder
from snn_core.simulation.capabilities import CONTRACT_1_LAYERS, Capabilities, only_integrates
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.base import SynapseListSNN
from snn_core.typing import Array, Float32, Shape


class SNN(SynapseListSNN):
    """Integrate-and-fire network with a matrix for each pair of connected populations."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        layers=CONTRACT_1_LAYERS - {"MaxPooling2D"},
        settings={"cell.reset": {"subtraction"}},
        records=frozenset({"spiketrains", "mem"}),
    )

    def add_input_layer(self, input_shape: Shape) -> None:
        """Start with no population."""
        self.populations: list[Spiking] = []
        self.bias: dict[str, Array] = {}
        self.weights: dict[str, dict[str, Any]] = {}

    def add_population(self, layer: Spiking, bias_l: Float32[Array, "*l"]) -> None:
        """Add the neurons of a layer."""
        self.populations.append(layer)
        self.bias[layer.name] = bias_l * np.float32(self.settings.simulation.dt)
        self.weights[layer.name] = {}

    def connect(self, source: str, layer: Spiking, synapses: Synapses) -> None:
        """Keep the synapses as a matrix with a row for each source cell."""
        self.weights[layer.name][source] = synapses.to_csr()

    def compile(self) -> None:
        """Nothing is left to do."""

    def reset(self) -> None:
        """Forget all potentials."""
        self.v: dict[str, Array] = {}

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate step by step, population by population."""
        for layer in self.populations:
            self.v[layer.name] = initial_potential(layer, len(signal.x_b_l))
        for step, x_t_b_l in enumerate(signal.chunks(1)):
            self.checkpoint()
            recorder.input(step, x_t_b_l, spiking=not signal.is_constant)
            values = {self.network.input.name: x_t_b_l[0]}
            for layer in self.populations:
                values[layer.name] = self.update(layer, values)
                recorder.spikes(layer.name, step, values[layer.name][None])
                if recorder.wants_membrane(layer.name):
                    v = self.v[layer.name] / layer.threshold
                    recorder.membrane(layer.name, step, v[None])

    def update(self, layer: Spiking, values: dict[str, Array]) -> Float32[Array, "b *l"]:
        """Integrate what arrives, spike at the threshold and subtract it."""
        v = self.v[layer.name] + self.bias[layer.name]
        for source, matrix in self.weights[layer.name].items():
            spikes = values[source].reshape(len(v), -1)
            v = v + (spikes @ matrix).reshape(v.shape)
        threshold = np.inf if only_integrates(self.network, layer) else layer.threshold
        spikes = (v >= threshold).astype(np.float32)
        self.v[layer.name] = v - spikes * layer.threshold
        return spikes

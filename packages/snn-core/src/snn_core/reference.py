"""The reference simulator: plain NumPy, one step after the other, every layer in order.

It states the semantics as directly as possible and is what all other simulators are compared with.
Within a step a spike passes through the whole network (zero delay).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snn_core.capabilities import CELL_OPTIONS
from snn_core.encoding import InputSignal
from snn_core.ir import Layer, MaxPooling2D, Spiking, Weighted
from snn_core.ir.layers import MAX_POOL_METHODS
from snn_core.linear import weighted_sum
from snn_core.neuron import MaxPool, Neurons
from snn_core.recording import Recorder
from snn_core.simulator import AbstractSNN, Capabilities
from snn_core.typing import Array, Bool, Float32, Shape


class ReferenceSNN(AbstractSNN):
    """Integrate-and-fire network in NumPy."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        cell=frozenset(CELL_OPTIONS),
        max_pool_methods=frozenset(MAX_POOL_METHODS),
        softmax=True,
    )

    def add_input_layer(self, input_shape: Shape) -> None:
        """Start the list of layers."""
        self.layers: list[Layer] = []

    def _keep(self, layer: Layer) -> None:
        self.layers.append(layer)

    build_dense = build_convolution = build_pooling = build_up_sampling = build_add = _keep
    build_flatten = build_reshape = build_zero_padding = build_concatenate = _keep

    def compile(self) -> None:
        """Nothing to do: layers are evaluated as they are."""

    def reset(self) -> None:
        """Forget all state."""
        self._neurons: dict[str, Neurons] = {}
        self._pools: dict[str, MaxPool] = {}

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate step by step."""
        if self.draws_softmax:
            self._uniforms_t_b_o = self.output_uniforms(signal)
        for index, x_t_b_l in enumerate(signal.chunks(1)):
            self.checkpoint()
            recorder.input(index, x_t_b_l, spiking=not signal.is_constant)
            self._step(index, x_t_b_l[0], recorder)

    def _step(self, index: int, x_b_l: Float32[Array, "b *l"], recorder: Recorder) -> None:
        """Update all layers once; ``index`` counts steps from 0."""
        values = {self.network.input.name: x_b_l}
        for layer in self.layers:
            drive_b_l = self._drive(layer, [values[name] for name in layer.inputs], index)
            if isinstance(layer, Spiking) and self.network.has_neurons(layer):
                values[layer.name] = self._update(layer, drive_b_l, index, recorder)
            else:
                values[layer.name] = drive_b_l

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Float32[Array, "b *l"]:
        """Return what a layer adds up in this step: weighted spikes and bias times dt."""
        if isinstance(layer, MaxPooling2D):
            pool = self._pools.setdefault(layer.name, MaxPool(layer, inputs[0]))
            return pool.drive(inputs[0], index + 1)
        y = weighted_sum(layer, inputs)
        if isinstance(layer, Weighted):
            y = y + layer.bias_o * np.float32(self.settings.simulation.dt)
        return y

    def _update(
        self, layer: Spiking, drive_b_l: Float32[Array, "b *l"], index: int, recorder: Recorder
    ) -> Float32[Array, "b *l"]:
        """Integrate, compare, reset; return the spikes."""
        neurons = self._neurons.get(layer.name)
        if neurons is None:
            neurons = Neurons(layer, self.settings, batch_size=len(drive_b_l))
            self._neurons[layer.name] = neurons
        neurons.integrate(drive_b_l)
        is_output = layer is self.network.output
        if is_output and self.network.readout == "membrane":
            spikes = np.zeros(drive_b_l.shape, bool)
        elif is_output and self.draws_softmax:
            spikes = self._drawn(layer, neurons, index)
        else:
            spikes = neurons.fire()
        recorder.spikes(layer.name, index, spikes[None])
        if recorder.wants_membrane(layer.name):
            recorder.membrane(layer.name, index, (neurons.v_b_l / layer.threshold)[None])
        return spikes.astype(np.float32)

    def _drawn(self, layer: Spiking, neurons: Neurons, index: int) -> Bool[Array, "b *l"]:
        """Return the spikes that a softmax output draws; they reset nothing."""
        v_b_l = neurons.v_b_l
        probability = layer.activation(v_b_l.reshape(len(v_b_l), -1)).reshape(v_b_l.shape)
        drawn = self._uniforms_t_b_o[index].reshape(v_b_l.shape) <= probability
        spikes: Array = drawn & (neurons.blocked_b_l == 0)
        neurons.rest(spikes)
        return spikes

"""The reference simulator: plain NumPy, one step after the other, every layer in order.

It states the semantics as directly as possible and is what all other simulators are compared with.
Within a step a spike passes through the whole network (zero delay).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from snn_core.ir import Layer, MaxPooling2D, Spiking, Weighted
from snn_core.ir.layers import MAX_POOL_METHODS
from snn_core.neurons.arithmetic import draw_potential
from snn_core.neurons.max_pooling import MaxPool
from snn_core.neurons.state import Neurons, bias_factor
from snn_core.recording.recorder import Recorder
from snn_core.simulation.capabilities import ANY, clamp_steps
from snn_core.simulation.codes import ENGINES, Engine, NumPySums, Sums
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.signal import InputSignal, draw_softmax
from snn_core.typing import Array, Float32, Shape


class ReferenceSNN(OriginalNames):
    """A network under any spike code in NumPy: integrate-and-fire neurons, or those of `ENGINES`.

    Attributes
    ----------
    spiketimes_n_b_l
        After a batch, the time in ms of each neuron's spike, infinity for none, where the code has
        exact times (``ttfs_exact``).
    """

    spiketimes_n_b_l: Mapping[str, Array] = MappingProxyType({})

    capabilities: ClassVar[Capabilities] = Capabilities(
        activations=frozenset({"Linear", "ReLU", "QuantizedReLU", "BinarySigmoid", "BinaryTanh"}),
        max_pool_methods=frozenset(MAX_POOL_METHODS),
        minimum_pooling=True,
        graded_pooling=True,
        softmax=True,
        bias_per_step=True,
        settings={
            "conversion.spike_code": {"temporal_mean_rate", *ENGINES},
            "input.encoding": ANY,
            "cell.bias_relaxation": ANY,
            "cell.clamp_indices": ANY,
            "cell.clamp_var": ANY,
            "cell.leak": ANY,
            "cell.payloads": ANY,
            "cell.tau_m": ANY,
            "cell.tau_refrac": ANY,
            "cell.v_clip": ANY,
            "cell.v_init": ANY,
            "normalization.online_normalization": ANY,
            "simulation.reset_between_nth_sample": ANY,
            "simulation.scale_first_layer_parameters": ANY,
        },
    )

    def add_input_layer(self, input_shape: Shape) -> None:
        """Start the list of layers."""
        self.layers: list[Layer] = []

    def build_layer(self, layer: Layer) -> None:
        """Append a layer to the list."""
        self.layers.append(layer)

    def make_sums(self) -> Sums:
        """Return the object that computes the sums of layers.

        A simulator that has these neurons and computes sums elsewhere derives from this class and
        overrides this method.
        """
        return NumPySums()

    def compile(self) -> None:
        """Make the engine of the spike code; layers are evaluated as they are."""
        self._sums = self.make_sums()
        self._clamp_until = clamp_steps(self.network, self.settings)
        self._positions = {layer.name: i for i, layer in enumerate(self.layers)}
        self._engine: Engine | None = None
        kind = ENGINES.get(self.settings.conversion.spike_code)
        if kind is not None:
            fanout_n_l = self.connectivity.fanout_of
            self._engine = kind(self.network, self.settings, sums=self._sums, fanout_n_l=fanout_n_l)

    def reset(self) -> None:
        """Forget all state."""
        self._neurons: dict[str, Neurons] = {}

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate step by step, or by the engine of the spike code."""
        if self._engine is not None:
            self.spiketimes_n_b_l = self._engine.simulate(signal, recorder, self.checkpoint)
            return
        self._pools: dict[str, MaxPool] = {}
        self._sample_ids = signal.sample_ids
        self._inputs: list[Array] = []
        for neurons in self._neurons.values():
            neurons.begin_sample()
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
            inputs = [values[name] for name in layer.inputs]
            drive_b_l = self._drive(layer, inputs, index)
            if isinstance(layer, Spiking) and self.network.has_neurons(layer):
                values[layer.name] = self._update(layer, drive_b_l, index, recorder)
            else:
                values[layer.name] = drive_b_l

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Float32[Array, "b *l"]:
        """Return the sum of a layer in this step: weighted spikes and bias times dt."""
        self._inputs = inputs
        if isinstance(layer, MaxPooling2D):
            pool = self._pools.setdefault(layer.name, MaxPool(layer, inputs[0]))
            y = pool.drive(inputs[0], index + 1)
        else:
            y = self._sums.weighted(layer, inputs)
        if isinstance(layer, Weighted):
            y = y + layer.bias_o * self._bias_scale(layer, index)
        if isinstance(layer, Spiking) and self.network.has_neurons(layer):
            bias_c = layer.bias_of_step(index)
            if bias_c is not None:
                y = y + bias_c * np.float32(self.settings.simulation.dt)
        return y

    def _bias_scale(self, layer: Layer, index: int) -> np.float32:
        """Return the factor of a bias in a step."""
        dt = np.float32(self.settings.simulation.dt)
        if not self.settings.cell.bias_relaxation:
            return dt
        return dt * bias_factor(self._position(layer), index + 1, self.settings.num_steps)

    def _position(self, layer: Layer) -> int:
        """Return the number of layers between a layer and the input."""
        return self._positions[layer.name]

    def _new_neurons(self, layer: Spiking) -> Neurons:
        is_readout = layer is self.network.output and self.network.readout == "membrane"
        v_b_l = draw_potential(
            layer,
            self.settings,
            sample_ids=self._sample_ids,
            seed=self.seed,
            number=self._position(layer) + 1,
        )
        return Neurons(
            layer,
            self.settings,
            batch_size=len(self._sample_ids),
            v_b_l=None if is_readout else v_b_l,
            clamp_until=self._clamp_until.get(layer.name, 0),
        )

    def _update(
        self, layer: Spiking, drive_b_l: Float32[Array, "b *l"], index: int, recorder: Recorder
    ) -> Float32[Array, "b *l"]:
        """Integrate, compare, reset; return the values that spikes carry."""
        if layer.name not in self._neurons:
            self._neurons[layer.name] = self._new_neurons(layer)
        neurons = self._neurons[layer.name]
        neurons.integrate(drive_b_l, self._inputs)
        is_output = layer is self.network.output
        if is_output and self.network.readout == "membrane":
            carried = np.zeros(drive_b_l.shape, np.float32)
        elif is_output and self.draws_softmax:
            carried = self._draw(layer, neurons, index)
        else:
            carried = neurons.fire()
        recorder.spikes(layer.name, index, np.sign(carried)[None])
        if recorder.wants_membrane(layer.name):
            recorder.membrane(layer.name, index, (neurons.v_b_l / layer.threshold)[None])
        return carried

    def _draw(self, layer: Spiking, neurons: Neurons, index: int) -> Float32[Array, "b *l"]:
        """Draw the spikes of a softmax output; they reset nothing."""
        uniforms = self._uniforms_t_b_o[index : index + 1]
        drawn = draw_softmax(layer, neurons.v_b_l[None], uniforms)[0]
        fired: Array = drawn & (neurons.blocked_b_l == 0)
        neurons.rest(fired)
        return fired.astype(np.float32)

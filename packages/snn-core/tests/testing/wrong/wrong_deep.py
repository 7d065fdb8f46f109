"""Wrong simulators: they are right about one population, and wrong about several of them."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
from wrong_running import Tampered, Tampering
from wrong_simulators import fails

from snn_core.ir import Add, Layer, MaxPooling2D, Network, Spiking
from snn_core.neurons.state import Neurons
from snn_core.recording.recorder import Recorder
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array


def is_deep(network: Network) -> bool:
    """Return whether a network has more than one layer with neurons."""
    return len(network.spiking_layers) > 1


# Biases and read-outs.


@fails("test_deep_bias")
class BiasesDeepLayersLate(ReferenceSNN):
    """Starts the bias of the second hidden layer, and of those behind it, a step late."""

    first: ClassVar[int] = 1

    def _bias_scale(self, layer: Layer, index: int) -> np.float32:
        is_late = index == 0 and self._position(layer) >= self.first
        return np.float32(0) if is_late else super()._bias_scale(layer, index)


@fails("test_deep_bias")
class BiasesThirdLayerLate(BiasesDeepLayersLate):
    """Starts the bias of the third layer a step late."""

    first: ClassVar[int] = 2


@fails("test_deep_bias")
class ReadsOutWithoutBias(ReferenceSNN):
    """Forgets the bias of an output whose potentials are read."""

    def _bias_scale(self, layer: Layer, index: int) -> np.float32:
        is_read = layer.name == self.network.output.name and self.network.readout == "membrane"
        return np.float32(0) if is_read else super()._bias_scale(layer, index)


@fails("test_deep_bias")
class ReadsOutFromZero(ReferenceSNN):
    """Starts an output whose potentials are read at 0."""

    def _new_neurons(self, layer: Spiking) -> Neurons:
        neurons = super()._new_neurons(layer)
        if layer is self.network.output and self.network.readout == "membrane":
            neurons.v_b_l = np.zeros_like(neurons.v_b_l)
        return neurons


class _OneStepLate(Tampering):
    """Hands on some potentials a step late."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._last: dict[str, Array] = {}

    def is_late(self, name: str) -> bool:
        """Return whether the potentials of a layer come late."""
        raise NotImplementedError

    def membrane(self, name: str, start: int, mem_t_b_l: Array) -> None:
        late_t_b_l = self._last.get(name, np.zeros_like(mem_t_b_l))
        self._last[name] = mem_t_b_l
        self._recorder.membrane(name, start, late_t_b_l if self.is_late(name) else mem_t_b_l)


class _DeepReadoutLate(_OneStepLate):
    def is_late(self, name: str) -> bool:
        network = self._recorder.network
        is_read = name == network.output.name and network.readout == "membrane"
        return is_read and is_deep(network)


@fails("test_deep_bias")
class ReadsOutDeepNetworksLate(Tampered):
    """Reads potentials by the clock of the first layer."""

    tampering = _DeepReadoutLate


class _HiddenLate(_OneStepLate):
    def is_late(self, name: str) -> bool:
        return name != self._recorder.network.output.name


@fails("test_membrane_potentials")
class RecordsHiddenPotentialsLate(Tampered):
    """Records the potentials of hidden layers a step late."""

    tampering = _HiddenLate


@fails("test_max_pooling_readout")
class SpikesBehindPools(ReferenceSNN):
    """Lets neurons behind a pool spike and reset although their potentials are read."""

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        spikes = super()._update(layer, drive_b_l, index, recorder)
        if isinstance(layer, MaxPooling2D) and self.network.readout == "membrane":
            self._neurons[layer.name].fire()
        return spikes


@fails("test_softmax")
class DrawsDeepSoftmaxEarly(ReferenceSNN):
    """Draws a softmax behind other neurons against the random numbers of the next step."""

    def _draw(self, layer: Spiking, neurons: Neurons, index: int) -> Array:
        return super()._draw(layer, neurons, index - 1 if is_deep(self.network) else index)


# What several populations send.


@fails("test_addition")
class AddsTwoAtMost(ReferenceSNN):
    """Adds the first two inputs only."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if isinstance(layer, Add):
            inputs = [*inputs[:2], *map(np.zeros_like, inputs[2:])]
        return super()._drive(layer, inputs, index)


@fails("test_addition")
class AddsEachSourceOnce(ReferenceSNN):
    """Counts a source that is named repeatedly once, with its first scale."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if isinstance(layer, Add):
            inputs = [
                np.zeros_like(x_b_l) if name in layer.inputs[:number] else x_b_l
                for number, (name, x_b_l) in enumerate(zip(layer.inputs, inputs, strict=True))
            ]
        return super()._drive(layer, inputs, index)


class _SkipsFromInput(ReferenceSNN):
    """Shifts what comes straight from the input where other inputs of a layer pass neurons."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Note the input of all steps, then simulate."""
        self._input_t_b_l = np.concatenate(list(signal.chunks(1)))
        self._is_constant = signal.is_constant
        super().simulate(signal, recorder)

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        source = self.network.input.name
        if len(set(layer.inputs)) > 1 and source in layer.inputs:
            shifted_b_l = self.shifted(index)
            inputs = [
                shifted_b_l if name == source else x_b_l
                for name, x_b_l in zip(layer.inputs, inputs, strict=True)
            ]
        return super()._drive(layer, inputs, index)

    def shifted(self, index: int) -> Array:
        """Return the input that arrives in a step."""
        raise NotImplementedError


@fails("test_skip_from_input")
class SkipsFromInputLate(_SkipsFromInput):
    """Lets what comes straight from the input arrive a step late."""

    def shifted(self, index: int) -> Array:
        """Return the input of the step before."""
        return self._input_t_b_l[index - 1] * np.float32(index > 0)


@fails("test_skip_from_input")
class SkipsFromInputEarly(_SkipsFromInput):
    """Lets spikes that come straight from the input arrive a step early."""

    def shifted(self, index: int) -> Array:
        """Return the input of the step behind; currents are those of every step."""
        following = index if self._is_constant else index + 1
        if following == len(self._input_t_b_l):
            return np.zeros_like(self._input_t_b_l[0])
        return self._input_t_b_l[following]


class _WithFreeHiddenSpikes(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        recorder = cast("Recorder", self._recorder)
        recorder.spikes(name, start, spikes_t_b_l)
        if name != recorder.network.output.name:
            steps, samples = spikes_t_b_l.shape[:2]
            recorder.totals(
                name,
                start,
                spikecounts_b_l=np.zeros(spikes_t_b_l.shape[1:], np.int32),
                operations_t_b=np.zeros((steps, samples), np.int64),
            )


@fails("test_deep_network")
class ForgetsHiddenOperations(Tampered):
    """Counts no operations for the spikes of hidden layers."""

    tampering = _WithFreeHiddenSpikes


# Samples.


@fails("test_larger_batch")
class SharesFromTheFourth(ReferenceSNN):
    """Gives the last sample of a batch of more than three what the one before receives."""

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        if len(drive_b_l) > 3:
            drive_b_l = np.concatenate([drive_b_l[:-1], drive_b_l[-2:-1]])
        return super()._update(layer, drive_b_l, index, recorder)


class _SumsOfAllSteps(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        recorder = cast("Recorder", self._recorder)
        if name == recorder.network.output.name or "spiketrains" in recorder.record:
            recorder.spikes(name, start, spikes_t_b_l)
            return
        steps, samples = spikes_t_b_l.shape[:2]
        fanout_l = self._fanout_n_l[name].reshape(-1)
        operations_t_b = np.abs(spikes_t_b_l).reshape(steps, samples, -1) @ fanout_l
        recorder.totals(
            name,
            start,
            spikecounts_b_l=spikes_t_b_l.sum(axis=0),
            operations_t_b=operations_t_b.astype(np.int64),
        )


@fails("test_stopped_samples")
class CountsOnAfterTheStop(Tampered):
    """Adds up the spikes of hidden layers, those of stopped samples among them."""

    tampering = _SumsOfAllSteps


class _UntilTheFirstStop(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        stop_b = self._num_active_steps_b
        goes_on = stop_b is None or start < stop_b.min()
        self._recorder.spikes(name, start, spikes_t_b_l * goes_on)


@fails("test_stopped_samples")
class StopsWithTheFirstSample(Tampered):
    """Stops all samples of a batch with the first of them that stops."""

    tampering = _UntilTheFirstStop

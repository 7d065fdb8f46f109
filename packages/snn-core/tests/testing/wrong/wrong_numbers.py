"""Wrong simulators: they add up, update or reset wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from wrong_simulators import fails

from snn_core.evaluation.operators import pool_windows, weighted_sum
from snn_core.ir import (
    AveragePooling2D,
    BinarySigmoid,
    BinaryTanh,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPooling2D,
    Network,
    Spiking,
    Weighted,
)
from snn_core.ir.timing import population_depth
from snn_core.neurons.state import Neurons
from snn_core.recording.recorder import Recorder
from snn_core.settings import Settings
from snn_core.simulation.capabilities import needs_stepping
from snn_core.simulation.reference import ReferenceSNN
from snn_core.typing import Array


@fails("test_strides_and_padding")
class SwapsStrides(ReferenceSNN):
    """Takes strides for (horizontal, vertical)."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if isinstance(layer, Conv2D):
            y = super()._drive(replace(layer, strides=layer.strides[::-1]), inputs, index)
            return np.resize(y, (len(y), *layer.output_shape))
        return super()._drive(layer, inputs, index)


@fails("test_shapes")
class SwapsHeightAndWidth(ReferenceSNN):
    """Reads images column by column."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if len(layer.output_shape) == 3 and inputs[0].ndim == 4:
            b, h, w = inputs[0].shape[:3]
            y = super()._drive(layer, [x.reshape(b, w, h, -1) for x in inputs], index)
            return np.resize(y, (b, *layer.output_shape))
        return super()._drive(layer, inputs, index)


@fails("test_layer_kind")
class FlattensChannelsFirst(ReferenceSNN):
    """Flattens images with the channels first."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if isinstance(layer, Flatten) and inputs[0].ndim == 4:
            return inputs[0].transpose(0, 3, 1, 2).reshape(len(inputs[0]), -1)
        return super()._drive(layer, inputs, index)


@fails("test_pooling_at_borders")
class AveragesOverTheBorder(ReferenceSNN):
    """Divides by the size of the window, cells outside the image included."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if isinstance(layer, AveragePooling2D):
            mean: Array = pool_windows(inputs[0], layer, fill=0).mean(axis=-1)
            return mean * layer.weight_c
        return super()._drive(layer, inputs, index)


@fails("test_positions_that_no_synapse_reaches")
class ForgetsWhatNoSynapseReaches(ReferenceSNN):
    """Goes through lists of synapses, so that a neuron without any does not get its bias either."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        y = super()._drive(layer, inputs, index)
        if isinstance(layer, Conv2D):
            ones: dict[str, Any] = {layer.weight_name: np.ones_like(layer.weight)}
            number = weighted_sum(replace(layer, **ones), [np.ones_like(x) for x in inputs])
            y = np.where(number > 0, y, np.float32(0))
        return y


@fails("test_max_pooling")
class PassesEverySpike(ReferenceSNN):
    """Lets max pooling spike whenever any neuron of the window does."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if isinstance(layer, MaxPooling2D):
            return weighted_sum(layer, inputs)
        return super()._drive(layer, inputs, index)


@fails("test_minimum_pooling")
class TakesMaximaOnly(ReferenceSNN):
    """Does not look at the signs of max pooling."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        if isinstance(layer, MaxPooling2D):
            layer = replace(layer, sign_c=None)
        return super()._drive(layer, inputs, index)


@fails("test_minimum_pooling")
class LetsBordersBeMinima(ReferenceSNN):
    """Counts cells outside the image, as zeros, among those of which the minimum is taken."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        y = super()._drive(layer, inputs, index)
        if isinstance(layer, MaxPooling2D) and layer.sign_c is not None:
            inside = pool_windows(np.ones_like(inputs[0]), layer, fill=0).all(axis=-1)
            y = np.where(inside | (layer.sign_c > 0), y, np.float32(0))
        return y


class _Pools(ReferenceSNN):
    """Does something else with max pooling that has no neurons."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        y = super()._drive(layer, inputs, index)
        is_graded = isinstance(layer, MaxPooling2D) and not self.network.has_neurons(layer)
        return self.pass_on(layer, inputs, y) if is_graded else y

    def pass_on(self, layer: Layer, inputs: list[Array], y: Array) -> Array:
        """Return what the pool passes on, given what it should."""
        raise NotImplementedError


@fails("test_graded_pooling")
class PoolsEachStepAlone(_Pools):
    """Takes the maximum of what arrives in a step."""

    def pass_on(self, layer: Layer, inputs: list[Array], y: Array) -> Array:
        """Return the maximum of this step."""
        return weighted_sum(layer, inputs)


@fails("test_graded_pooling")
class PoolsGrowOnly(_Pools):
    """Passes on nothing where the largest sum falls."""

    def pass_on(self, layer: Layer, inputs: list[Array], y: Array) -> Array:
        """Return positive growth."""
        return np.maximum(y, np.float32(0))


@fails("test_relays")
class DelaysRelays(ReferenceSNN):
    """Lets the sum of a layer without neurons wait for the next step."""

    def reset(self) -> None:
        """Forget all state."""
        super().reset()
        self._waiting: dict[str, Array] = {}

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        y = super()._drive(layer, inputs, index)
        if not isinstance(layer, Spiking) or self.network.has_neurons(layer):
            return y
        if isinstance(layer, Weighted):
            bias_b_l: Array = y - weighted_sum(layer, inputs)
            y = y - bias_b_l
        else:
            bias_b_l = np.zeros_like(y)
        earlier: Array = self._waiting.get(layer.name, np.zeros_like(y))
        self._waiting[layer.name] = y
        return earlier + bias_b_l


@fails("test_deep_network")
class DelaysDeepLayers(ReferenceSNN):
    """Is a pipeline of three layers: spikes reach the fourth a step later."""

    def reset(self) -> None:
        """Forget all state."""
        super().reset()
        self._waiting: dict[str, Array] = {}

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        y = super()._drive(layer, inputs, index)
        depth = population_depth(self.network, is_input_delayed=False).get(layer.name)
        if depth != 3:
            return y
        earlier, self._waiting[layer.name] = self._waiting.get(layer.name, np.zeros_like(y)), y
        return earlier


@fails("test_skip_connection")
class DelaysSkips(ReferenceSNN):
    """Hands on what skips layers a step later than what does not."""

    def reset(self) -> None:
        """Forget all state."""
        super().reset()
        self._waiting: dict[tuple[str, str], Array] = {}

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        depth = population_depth(self.network, is_input_delayed=False)
        depths = [depth.get(name, 0) for name in layer.inputs]
        for i, (name, values) in enumerate(zip(layer.inputs, inputs, strict=True)):
            if depths[i] < max(depths):
                key = (name, layer.name)
                inputs = [*inputs[:i], self._waiting.get(key, values * 0), *inputs[i + 1 :]]
                self._waiting[key] = values
        return super()._drive(layer, inputs, index)


@fails("test_update_order")
class UpdatesByName(ReferenceSNN):
    """Updates layers in the order of their names, with the last step's spikes if need be."""

    def reset(self) -> None:
        """Forget all state."""
        super().reset()
        self._last: dict[str, Array] = {}

    def _step(self, index: int, x_b_l: Array, recorder: Recorder) -> None:
        self._last[self.network.input.name] = x_b_l
        for layer in sorted(self.layers, key=lambda layer: layer.name):
            inputs = [self._seen(name, len(x_b_l)) for name in layer.inputs]
            y = self._drive(layer, inputs, index)
            if isinstance(layer, Spiking) and self.network.has_neurons(layer):
                y = self._update(layer, y, index, recorder)
            self._last[layer.name] = y

    def _seen(self, name: str, batch_size: int) -> Array:
        shape = (batch_size, *self.network[name].output_shape)
        return self._last.get(name, np.zeros(shape, np.float32))


@fails("test_silent_neuron")
class LosesUnconnectedNeurons(ReferenceSNN):
    """Makes no cells for neurons without synapses, so that those behind move up."""

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        if isinstance(layer, Dense):
            connected = layer.weight_io.any(axis=0)
            moved = np.zeros_like(drive_b_l)
            moved[..., : connected.sum()] = drive_b_l[..., connected]
            drive_b_l = moved
        return super()._update(layer, drive_b_l, index, recorder)


@fails("test_bias_scales_with_dt")
class AddsBiasPerStep(ReferenceSNN):
    """Adds the whole bias in every step, however short."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        y = super()._drive(layer, inputs, index)
        if isinstance(layer, Weighted):
            y = y + layer.bias_o * np.float32(1 - self.settings.simulation.dt)
        return y


@fails("test_batch_equals_singles")
class AveragesOverBatch(ReferenceSNN):
    """Divides by the number of samples."""

    def _drive(self, layer: Layer, inputs: list[Array], index: int) -> Array:
        return super()._drive(layer, inputs, index) / np.float32(len(inputs[0]))


@fails("test_reset")
class ResetsToZero(ReferenceSNN):
    """Resets plain neurons to 0 whatever the settings say."""

    def __init__(self, network: Network, settings: Settings, *args: Any, **kwargs: Any) -> None:
        super().__init__(network, settings, *args, **kwargs)
        if not needs_stepping(network, settings):
            self.settings = self.settings.updated({"cell": {"reset": "zero"}})


@fails("test_reset")
class SubtractsOnce(ReferenceSNN):
    """Subtracts the threshold once where a modulo reset leaves the remainder."""

    def __init__(self, network: Network, settings: Settings, *args: Any, **kwargs: Any) -> None:
        super().__init__(network, settings, *args, **kwargs)
        if self.settings.cell.reset == "modulo":
            self.settings = self.settings.updated({"cell": {"reset": "subtraction"}})


@fails("test_membrane_readout")
class SpikesAtTheReadout(ReferenceSNN):
    """Lets output neurons spike and reset although their potentials are read."""

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        spikes = super()._update(layer, drive_b_l, index, recorder)
        if layer is self.network.output and self.network.readout == "membrane":
            self._neurons[layer.name].fire()
        return spikes


@fails("test_softmax")
class DrawsItsOwnSoftmax(ReferenceSNN):
    """Draws softmax spikes against other random numbers than the core's."""

    def _step(self, index: int, x_b_l: Array, recorder: Recorder) -> None:
        if self.draws_softmax and index == 0:
            self._uniforms_t_b_o = 1 - self._uniforms_t_b_o
        super()._step(index, x_b_l, recorder)


class _Celled(ReferenceSNN):
    """Changes settings of the cell before it simulates."""

    def __init__(self, network: Network, settings: Settings, *args: Any, **kwargs: Any) -> None:
        super().__init__(network, settings, *args, **kwargs)
        cell = settings.cell.model_dump()
        self.settings = settings.updated({"cell": self.changed(cell, settings.simulation.dt)})

    def changed(self, cell: dict[str, Any], dt: float) -> dict[str, Any]:
        """Return the wrong values."""
        raise NotImplementedError


@fails("test_refractory_time")
class BlocksOneStepLess(_Celled):
    """Lets a neuron take part again in the last step of its refractory time."""

    def changed(self, cell: dict[str, Any], dt: float) -> dict[str, Any]:
        """Return a shorter refractory time."""
        return {"tau_refrac": max(cell["tau_refrac"] - dt, 0)}


@fails("test_refractory_time")
class AddsBiasWhileResting(ReferenceSNN):
    """Lets the bias reach neurons that rest."""

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        neurons = self._neurons.get(layer.name)
        if neurons is not None and isinstance(layer, Weighted):
            bias_o = layer.bias_o * np.float32(self.settings.simulation.dt)
            neurons.v_b_l = neurons.v_b_l + np.where(neurons.blocked_b_l > 0, bias_o, np.float32(0))
        return super()._update(layer, drive_b_l, index, recorder)


@fails("test_softmax_rests")
class DrawsWhileResting(_Celled):
    """Draws spikes of a softmax from neurons that rest."""

    def changed(self, cell: dict[str, Any], dt: float) -> dict[str, Any]:
        """Return no refractory time for a softmax."""
        return {"tau_refrac": 0 if self.draws_softmax else cell["tau_refrac"]}


@fails("test_leak")
class LeaksPerStep(_Celled):
    """Takes the leak per ms for one per step."""

    def changed(self, cell: dict[str, Any], dt: float) -> dict[str, Any]:
        """Return a leak that makes up for the length of a step."""
        return {"leak": cell["leak"] / dt, "tau_m": cell["tau_m"] and cell["tau_m"] * dt}


@fails("test_leak")
class LeaksBelowZero(ReferenceSNN):
    """Takes the whole leak from every potential above 0."""

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        # The reference then finds too little, or a negative potential which it leaves alone.
        neurons = self._neurons.get(layer.name)
        v_b_l = np.zeros_like(drive_b_l) if neurons is None else neurons.v_b_l
        leak = np.float32(self.settings.cell.leak * self.settings.simulation.dt)
        below = (v_b_l + drive_b_l > 0) & (v_b_l + drive_b_l < leak * layer.threshold)
        drive_b_l = np.where(below, drive_b_l - leak * layer.threshold, drive_b_l)
        return super()._update(layer, drive_b_l, index, recorder)


@fails("test_option")
class IgnoresPayloads(_Celled):
    """Sends plain spikes."""

    def changed(self, cell: dict[str, Any], dt: float) -> dict[str, Any]:
        """Return no payloads."""
        return {"payloads": False}


@fails("test_activation")
class LosesNegativeSpikes(ReferenceSNN):
    """Takes one binary activation for the other."""

    def _new_neurons(self, layer: Spiking) -> Neurons:
        if isinstance(layer.activation, BinaryTanh):
            layer = replace(layer, activation=BinarySigmoid())
        return super()._new_neurons(layer)

"""Exact spike codes: one pass through the layers finds all spikes.

Each layer adds up the numbers that its sources' spikes stand for, and its neurons encode the sum.
No neuron has to be followed step by step, because nothing it does depends on the order in which
spikes arrive. Potentials in between are computed only where they are wanted: a source has then
delivered part of its number.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from snn_core.ir import Layer, Spiking, Weighted
from snn_core.ir.shapes import count
from snn_core.ir.ways import layers_between
from snn_core.recording.recorder import Recorder
from snn_core.simulation.codes.engine import Engine
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, Float32

CHUNK_VALUES = 4_000_000
"""Size of the largest layer, all samples and steps of a chunk together, while potentials are
recorded: 16 MB."""


class OnePass(Engine):
    """Simulation of a network under an exact code, in one pass through its layers."""

    # What a code decides.

    @abstractmethod
    def input_values(self, x_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *l"]:
        """Return the numbers that the input delivers for the samples."""

    @abstractmethod
    def values(self, rate_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b *l"]:
        """Return the numbers in [0, 1] that spikes can stand for, given those to represent."""

    @abstractmethod
    def record_input(self, signal: InputSignal, recorder: Recorder) -> None:
        """Record what the input delivers in each step."""

    @abstractmethod
    def record_spikes(self, name: str, value_b_l: Array, recorder: Recorder) -> None:
        """Record the spikes that stand for the numbers of a layer."""

    @abstractmethod
    def delivered(self, name: str, value_b_l: Array, step: int) -> Array:
        """Return the part of its numbers that a source has delivered after a step 1, 2, ..."""

    @abstractmethod
    def bias_share(self, name: str, step: int) -> float:
        """Return the part of its bias that a layer has received after a step 1, 2, ..."""

    def resting(self, name: str, sum_b_l: Array, value_b_l: Array, step: int) -> Array:
        """Return the potentials of neurons, in units of the threshold, after a step.

        Parameters
        ----------
        sum_b_l
            What they have received by then.
        value_b_l
            The number that their spikes stand for.
        """
        return sum_b_l

    def spike_times_ms(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the time of each neuron's one spike; nothing for codes with several."""
        return {}

    # Simulating.

    def simulate(
        self, signal: InputSignal, recorder: Recorder, checkpoint: Callable[[], None]
    ) -> dict[str, Array]:
        """Simulate a batch; return the times of the spikes where the code has exact ones."""
        checkpoint()
        self.record_input(signal, recorder)
        values = self._forward(signal.x_b_l)
        for layer in self.network.spiking_layers:
            checkpoint()
            if layer is self.network.output:
                silent = np.zeros((signal.num_steps, *values[layer.name].shape), np.int8)
                recorder.spikes(layer.name, 0, silent)
            else:
                self.record_spikes(layer.name, values[layer.name], recorder)
            if recorder.wants_membrane(layer.name):
                for start, potentials in self._potentials(layer, values, signal.num_steps):
                    checkpoint()
                    recorder.membrane(layer.name, start, potentials)
        return self.spike_times_ms(values)

    def _forward(self, x_b_l: Float32[Array, "b *l"]) -> dict[str, Array]:
        """Return the numbers of every population; for the output, its final sum."""
        done: dict[str, Array] = {self.network.input.name: self.input_values(x_b_l)}
        for layer in self.network.layers[1:]:
            done[layer.name] = self._sum(layer, self.inbound(done, layer), share=1.0)
            if isinstance(layer, Spiking) and self.network.has_neurons(layer):
                rate_b_l = done[layer.name] / layer.threshold
                if layer is not self.network.output:
                    rate_b_l = self.values(_bound(layer, rate_b_l))
                done[layer.name] = rate_b_l
        return done

    def _sum(self, layer: Layer, inputs: list[Array], *, share: float | Array) -> Array:
        """Return weights times inputs and a share of the bias."""
        y = self.sums.weighted(layer, inputs)
        if isinstance(layer, Weighted):
            y = y + layer.bias_o * np.asarray(share, np.float32)
        return y

    def _potentials(
        self, layer: Spiking, values: Mapping[str, Array], num_steps: int
    ) -> Iterator[tuple[int, Array]]:
        """Yield the potentials of a layer, chunk by chunk."""
        batch = len(values[layer.name])
        largest = max(count(other.output_shape) for other in self.network.layers)
        size = max(1, CHUNK_VALUES // (batch * largest))
        for start in range(0, num_steps, size):
            steps = range(start + 1, min(start + size, num_steps) + 1)
            sums = self._partial(layer, values, steps) / layer.threshold
            sums = sums.reshape(len(steps), batch, *layer.output_shape)
            if layer is not self.network.output:
                value_b_l = values[layer.name]
                rested = [
                    self.resting(layer.name, part, value_b_l, step)
                    for step, part in zip(steps, sums, strict=True)
                ]
                sums = np.stack(rested)
            yield start, sums.astype(np.float32)

    def _partial(self, layer: Layer, values: Mapping[str, Array], steps: range) -> Array:
        """Return what a layer has received after each step; steps are folded into samples."""
        relays = layers_between(self.network, layer.inputs)
        ways = (*relays, layer)
        last_reader = {name: reader.name for reader in ways for name in reader.inputs}
        found: dict[str, Array] = {}
        for reader in ways:
            for name in reader.inputs:
                if name not in found:
                    found[name] = self._delivered(name, values[name], steps)
            found[reader.name] = self._sum(
                reader, self.inbound(found, reader), share=self._shares(reader, values, steps)
            )
            for name in set(reader.inputs):
                if last_reader[name] == reader.name:
                    del found[name]
        return found[layer.name]

    def _delivered(self, name: str, value_b_l: Array, steps: range) -> Array:
        """Return the part of its numbers that a source has delivered after each step."""
        parts = [self.delivered(name, value_b_l, step) for step in steps]
        return np.concatenate(parts).astype(np.float32)

    def _shares(self, layer: Layer, values: Mapping[str, Array], steps: range) -> Array:
        """Return the part of its bias that a layer has received after each step, per sample."""
        shares = [self.bias_share(layer.name, step) for step in steps]
        batch = len(values[self.network.input.name])
        return np.repeat(shares, batch).reshape(-1, *[1] * len(layer.output_shape))


def _bound(layer: Spiking, rate_b_l: Array) -> Array:
    """Limit rates to the layer's own upper bound; spikes need no rectifying."""
    bound = layer.activation.upper_bound
    if bound is None:
        return rate_b_l
    return np.minimum(rate_b_l, bound.astype(np.float32) / layer.threshold)

"""The plan of a network for the event engine: populations, and how layers read their spikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snn_core.evaluation.operators import weighted_sum
from snn_core.ir import (
    Layer,
    MaxPooling2D,
    Network,
    QuantizedReLU,
    Spiking,
    Weighted,
)
from snn_core.ir.shapes import count
from snn_core.neurons.arithmetic import draw_potential, initial_potential
from snn_core.neurons.state import Neurons
from snn_core.settings import Settings
from snn_core.simulation.capabilities import changed_settings, only_integrates
from snn_core.simulation.signal import layers_with_steady_sums
from snn_core.typing import Array, Float32, Int, Shape
from snn_inisim.event.claims import OF_NEURONS
from snn_inisim.event.kernels import RESETS
from snn_inisim.event.largest import Windows, finds_largest
from snn_inisim.event.layout import aligned, as_positions, pad_channels
from snn_inisim.event.population import Population
from snn_inisim.event.reads import Reader, reader_of
from snn_inisim.event.tally import Tally, digits_of, read_digits, tally_of
from snn_inisim.event.wire import wire
from snn_inisim.event.wiring import Copies, Sums, number_of_words, population, sums_of

CHUNK_BYTES = 64_000_000
"""Size that the sums of the largest layer may have for the steps that are simulated together."""


class EventNetwork:
    """What does not change from one batch to the next.

    Parameters
    ----------
    network, settings
        What to simulate.
    seed
        Seed of the run, for random potentials.
    fanout_n_l
        Number of synapses that leave each neuron.
    is_constant
        Whether the input is the same in every step.
    is_binary
        Whether every step of the input holds nothing but 0 and 1.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        *,
        seed: int,
        fanout_n_l: Mapping[str, Int[Array, "*l"]],
        is_constant: bool,
        is_binary: bool,
    ) -> None:
        self.network = network
        self.settings = settings
        self.seed = seed
        self.dt = np.float32(settings.simulation.dt)
        self.reset = settings.cell.reset
        self.is_constant = is_constant
        self.steady: tuple[str, ...] = ()
        if is_constant:
            self.steady = layers_with_steady_sums(network, but=(MaxPooling2D,))
        self.populations: dict[str, Population] = {}
        self.tallies: dict[str, Tally] = {}
        self.readers: dict[str, Reader] = {}
        self._listed: list[Population] = []
        self.positions = self.words = self.neurons = 0
        self._largest_layer = max(count(layer.output_shape) for layer in network.layers)
        of_neurons = bool(OF_NEURONS & set(changed_settings(settings)))
        self.plain = {
            layer.name
            for layer in network.spiking_layers
            if not of_neurons and self._is_plain(layer)
        }
        self.windows = {
            layer.name: Windows(layer, network.input_shapes(layer.name)[0])
            for layer in network.layers
            if isinstance(layer, MaxPooling2D) and finds_largest(layer)
        }
        self._wire(fanout_n_l, is_binary=is_binary)
        self._start = {
            layer.name: as_positions(self._potential(layer, (0,)), layer)
            for layer in network.spiking_layers
            if layer.name in self.plain and not self._is_drawn(layer)
        }

    def _wire(self, fanout_n_l: Mapping[str, Array], *, is_binary: bool) -> None:
        """Find out how each layer reads the spikes of populations."""
        found: dict[str, Copies | Sums | None] = {self.network.input.name: None}
        if is_binary:
            entry = self.network.input
            nothing = np.zeros(entry.output_shape, np.int64)  # the recorder counts for the input
            found[entry.name] = self._populate(entry, np.float32(np.inf), nothing)
        for layer in self.network.layers[1:]:
            inputs = [found[name] for name in layer.inputs]
            known = [each for each in inputs if each is not None]
            wiring = None
            if len(known) == len(inputs) and layer.name not in self.steady:
                wiring = wire(layer, known)
            if wiring is not None and (self.network.has_neurons(layer) or isinstance(wiring, Sums)):
                sums = sums_of(wiring) if isinstance(wiring, Copies) else wiring
                self.readers[layer.name] = reader_of(sums, self._listed, dt=self.dt)
            if isinstance(layer, Spiking) and self.network.has_neurons(layer):
                wiring = None
                if not only_integrates(self.network, layer):
                    wiring = self._populate(layer, layer.threshold, fanout_n_l[layer.name])
            elif isinstance(wiring, Copies):
                wiring = self._tally(layer, wiring)
            found[layer.name] = wiring

    def _populate(self, layer: Layer, threshold: Any, fanout_l: Array) -> Copies:
        """Give the neurons of a layer their places; return their spikes."""
        to = self._place(layer.output_shape, threshold, fanout_l)
        self.populations[layer.name] = to
        return population(to.shape, first=to.first, place=to.place)

    def _tally(self, layer: Layer, x: Copies) -> Copies:
        """Let the spikes that a layer without neurons adds up be counted, where that pays."""
        digits = digits_of(x)
        if digits is None:
            return x
        shape = digits * x.positions, x.channels
        to = self._place(shape, np.inf, np.zeros(count(shape), np.int64))
        self.tallies[layer.name] = tally_of(x, to)
        return read_digits(x, to)

    def _place(self, shape: Shape, threshold: Any, fanout_l: Array) -> Population:
        """Return a new population, behind all others."""
        words = number_of_words(shape)
        threshold_c = np.asarray(threshold, np.float32).reshape(-1)
        to = Population(
            shape=shape,
            first=self.positions,
            place=self.words,
            words=words,
            threshold_c=pad_channels(threshold_c, shape[-1], fill=np.inf),
            fanout_l=np.asarray(fanout_l, np.int64).reshape(-1),
        )
        self.positions += to.positions + 1  # each list of positions has an end
        self.words += words * to.positions
        self.neurons += count(shape)
        self._listed.append(to)
        return to

    @property
    def bytes_per_step(self) -> int:
        """Size of the spikes of a step, as bits and as lists if a tenth of the neurons spikes."""
        return 8 * self.words + 4 * self.positions + 4 * self.neurons // 10

    # Potentials at the start.

    def start(self, layer: Spiking, sample_ids: Sequence[int]) -> Float32[Array, "b o c"]:
        """Return the potentials of plain neurons before the first step."""
        if layer.name not in self._start:
            return as_positions(self._potential(layer, sample_ids), layer)
        start_b_o_c = self._start[layer.name]
        v_b_o_c = aligned((len(sample_ids), *start_b_o_c.shape[1:]))
        v_b_o_c[:] = start_b_o_c
        return v_b_o_c

    def start_neurons(self, layer: Spiking, sample_ids: Sequence[int]) -> Neurons:
        """Return neurons with options before the first step."""
        v_b_l = self._potential(layer, sample_ids)
        return Neurons(layer, self.settings, batch_size=len(sample_ids), v_b_l=v_b_l)

    def _is_drawn(self, layer: Spiking) -> bool:
        """Return whether each sample has potentials of its own."""
        is_random = self.settings.cell.v_init == "uniform"
        return is_random and not only_integrates(self.network, layer)

    def _potential(self, layer: Spiking, sample_ids: Sequence[int]) -> Float32[Array, "b *l"]:
        if only_integrates(self.network, layer):
            return initial_potential(layer, len(sample_ids))
        number = self.network.layers.index(layer)
        return draw_potential(
            layer, self.settings, sample_ids=sample_ids, seed=self.seed, number=number
        )

    # Sums.

    def steps_per_chunk(self, num_steps: int) -> int:
        """Return the number of steps to simulate together."""
        return max(1, min(num_steps, CHUNK_BYTES // (4 * self._largest_layer)))

    def steady_sums(self, x_b_l: Float32[Array, "b *l"]) -> dict[str, Array]:
        """Return the sums that stay the same in all steps, of a constant input."""
        values = {self.network.input.name: x_b_l}
        for name in self.steady:
            layer = self.network[name]
            values[name] = self.drive(layer, [values[source] for source in layer.inputs])
        return values

    def drive(self, layer: Layer, inputs: list[Array]) -> Array:
        """Return what a layer adds up, by the operators of snn-core."""
        y = weighted_sum(layer, inputs)
        return y + layer.bias_o * self.dt if isinstance(layer, Weighted) else y

    def _is_plain(self, layer: Spiking) -> bool:
        """Return whether the neurons of a layer are plain, if no setting says otherwise."""
        own = isinstance(layer.activation, QuantizedReLU) or layer.bias_t_c is not None
        return not own and self.reset in RESETS

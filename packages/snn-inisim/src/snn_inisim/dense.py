"""The dense engine: all sums by TensorFlow, with time folded into the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from snn_core.ir import Layer, MaxPooling2D, Network, Spiking
from snn_core.ir.shapes import count
from snn_core.neurons.max_pooling import pool_coefficients
from snn_core.recording.recorder import Recorder
from snn_core.settings import Settings
from snn_core.simulation.capabilities import only_integrates
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, Int
from snn_inisim.options import INIsimOptions, chunk_size
from snn_inisim.startup import full_precision, gpu_bytes, import_tensorflow

if TYPE_CHECKING:
    from snn_inisim.folded import FoldedNetwork
    from snn_inisim.spike_layer import SpikeLayer

Record: TypeAlias = Callable[[str, int, dict[str, Array]], None]
"""Takes what was found of a layer: its name, the first step, and arrays by name."""


class DenseEngine:
    """A network on TensorFlow.

    Parameters
    ----------
    network, settings, options
        What to simulate, and how.
    fanout_n_l
        Number of synapses that leave each neuron.

    Attributes
    ----------
    layers
        Layer name to the Keras layer that computes it.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        options: INIsimOptions,
        fanout_n_l: Mapping[str, Int[Array, "*l"]],
    ) -> None:
        import_tensorflow()
        self._gpu_bytes = gpu_bytes()
        self._network = network
        self._settings = settings
        self._options = options
        self._fanout_n_l = fanout_n_l
        self._folded: dict[Any, FoldedNetwork] = {}
        self.layers = {layer.name: self.make_layer(layer) for layer in network.layers[1:]}
        self._build()

    def make_layer(self, layer: Layer) -> SpikeLayer:
        """Return a new Keras layer for a layer of the network."""
        from snn_inisim.layers import LAYERS

        arguments: dict[str, Any] = {"dt": self._settings.simulation.dt}
        if isinstance(layer, Spiking) and self._network.has_neurons(layer):
            arguments["neurons"] = self._neurons(layer)
        if isinstance(layer, MaxPooling2D):
            arguments["jit"] = self._options.jit
            steps = self._settings.num_steps
            arguments["coefficients_t"] = pool_coefficients(layer.method, steps)
        return LAYERS[layer.kind](layer, **arguments)

    def _neurons(self, layer: Spiking) -> Any:
        from snn_inisim.integrate_and_fire import Accumulator, IntegrateAndFire

        kind = Accumulator if only_integrates(self._network, layer) else IntegrateAndFire
        return kind(layer, reset=self._settings.cell.reset, jit=self._options.jit)

    def _build(self) -> None:
        """Create the kernels; the graphs are made for each batch size when it occurs."""
        from snn_inisim.spike_layer import inbound

        shapes = {layer.name: (None, *layer.output_shape) for layer in self._network.layers}
        for name, layer in self.layers.items():
            layer.build(inbound(shapes, self._network[name]))
            layer.built = True

    @full_precision()
    def simulate(
        self,
        signal: InputSignal,
        recorder: Recorder,
        *,
        record: Record,
        checkpoint: Callable[[], None],
    ) -> None:
        """Simulate a batch; see `snn_inisim.event.engine.EventEngine.simulate`."""
        import tensorflow as tf

        folded = self._folded_network(signal, recorder)
        size, chunk = chunk_size(
            self._options,
            num_steps=signal.num_steps,
            batch_size=len(signal.x_b_l),
            largest_layer=max(count(layer.output_shape) for layer in self._network.layers),
            gpu_bytes=self._gpu_bytes,
        )
        parts = [slice(first, first + size) for first in range(0, len(signal.x_b_l), size)]
        steady = [folded.prelude(tf.constant(signal.constant_b_l[part])) for part in parts]
        states, start = [folded.start(size) for _ in parts], 0
        for x_t_b_l in signal.chunks(chunk):
            checkpoint()
            recorder.input(start, x_t_b_l, spiking=not signal.is_constant)
            found = []
            for index, part in enumerate(parts):
                states[index], of_part = folded.chunk(
                    states[index],
                    steady[index],
                    None if signal.is_constant else tf.constant(x_t_b_l[:, part]),
                    tf.constant(start),
                    num_steps=len(x_t_b_l),
                )
                found.append(of_part)
            for name in found[0]:
                record(name, start, _joined([of_part[name] for of_part in found]))
            start += len(x_t_b_l)

    def _folded_network(self, signal: InputSignal, recorder: Recorder) -> FoldedNetwork:
        """Return the network for what is to be recorded; graphs are kept from batch to batch."""
        from snn_inisim.folded import FoldedNetwork, Wanted, fanout_columns

        key = recorder.record
        if key not in self._folded:
            wanted = {
                layer.name: Wanted(
                    spikes=recorder.wants_spikes(layer.name),
                    potentials=recorder.wants_membrane(layer.name)
                    or only_integrates(self._network, layer),
                    fanout_l_s=fanout_columns(self._fanout_n_l[layer.name]),
                )
                for layer in self._network.spiking_layers
            }
            self._folded[key] = FoldedNetwork(
                self._network, self.layers, wanted, is_constant=signal.is_constant
            )
        return self._folded[key]


def _joined(parts: list[dict[str, Any]]) -> dict[str, Array]:
    """Return what was found of a layer in all parts of a batch; counts have no axis of steps."""
    return {
        key: np.concatenate([part[key].numpy() for part in parts], axis=0 if key == "counts" else 1)
        for key in parts[0]
    }

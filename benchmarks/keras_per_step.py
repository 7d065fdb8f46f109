"""The naive way to simulate on Keras, as the peer of INIsim: one prediction for each time step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras

from snn_core.ir import Network
from snn_core.typing import Array, Float32
from snn_inisim.spike_layer import SpikeLayer, inbound


class StepwiseModel:
    """A Keras model whose every prediction is one time step.

    Parameters
    ----------
    network
        The network.
    layers
        Layer name to the Keras layer that computes it; they keep the states.
    batch_size
        Number of samples.
    outputs
        Names of the layers whose spikes are returned.
    """

    def __init__(
        self,
        network: Network,
        layers: Mapping[str, SpikeLayer],
        *,
        batch_size: int,
        outputs: Iterable[str],
    ) -> None:
        self._layers = layers
        self._outputs = tuple(outputs)
        entry = keras.Input(batch_shape=(batch_size, *network.input.output_shape), dtype="float32")
        values = {network.input.name: entry}
        for name, layer in layers.items():
            values[name] = layer(inbound(values, network[name]))
        self._model = keras.Model(entry, [values[name] for name in self._outputs])
        # XLA makes convolutions on processors slower, and could fuse multiplications into sums.
        self._model.compile(jit_compile=False)

    def reset(self) -> None:
        """Go back to the beginning of a simulation."""
        for layer in self._layers.values():
            layer.reset_state()

    def step(self, x_b_l: Float32[Array, "b *l"]) -> dict[str, Array]:
        """Advance one step; return the spikes by layer."""
        spikes = self._model.predict_on_batch(x_b_l)
        # Keras drops the list around a single output.
        spikes = [spikes] if len(self._outputs) == 1 and not isinstance(spikes, list) else spikes
        return dict(zip(self._outputs, spikes, strict=True))

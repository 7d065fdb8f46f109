"""Simulation layer by layer with time folded into the batch.

A feed-forward network whose spikes take no time to arrive can be simulated layer by layer: many
steps of one layer, then the same steps of the next. All steps of a chunk and all samples then form
one large batch for the weighted sums; only the neurons go through the steps one by one. What does
not change from step to step, as the sums of the first layer under constant current, is computed
once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from snn_core.ir import Layer, MaxPooling2D, Network
from snn_core.simulation.signal import layers_with_steady_sums
from snn_core.typing import Array, Int
from snn_inisim.max_pooling import SpikeMaxPooling2D
from snn_inisim.spike_layer import SpikeLayer, inbound
from snn_inisim.typing import Tensor

EXACT = 2**24
"""Whole numbers below this are exact in float32."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Values to return of one layer with neurons, besides the number of spikes.

    Parameters
    ----------
    spikes, potentials
        Whether to return them for each step.
    fanout_l_s
        See `fanout_columns`; ``None`` where no synapses leave.
    """

    spikes: bool
    potentials: bool
    fanout_l_s: Array | None


def fanout_columns(fanout_l: Int[Array, "*l"]) -> Array | None:
    """Return fan-outs in as many columns as it takes for float32 sums of each to be exact.

    A matrix product with them counts synaptic operations much faster than whole numbers would.
    """
    flat = np.asarray(fanout_l, np.int64).reshape(-1)
    if not flat.any():
        return None
    column = (np.cumsum(flat) - 1) // (EXACT - flat.max())
    columns = np.zeros((len(flat), int(column.max()) + 1), np.float32)
    columns[np.arange(len(flat)), column] = flat
    return columns


class FoldedNetwork:
    """A network, chunk by chunk.

    Parameters
    ----------
    network
        The network.
    layers
        Layer name to the Keras layer that computes it.
    wanted
        Name of each layer with neurons to what is returned of it.
    is_constant
        Whether the input is the same in every step.
    """

    def __init__(
        self,
        network: Network,
        layers: Mapping[str, SpikeLayer],
        wanted: Mapping[str, Wanted],
        *,
        is_constant: bool,
    ) -> None:
        self._network = network
        self._layers = layers
        self._wanted = wanted
        self._steady: tuple[str, ...] = ()
        if is_constant:
            self._steady = layers_with_steady_sums(network, but=(MaxPooling2D,))
        self.prelude = tf.function(self._prelude, autograph=False)
        self.chunk = tf.function(self._chunk, autograph=False)

    def start(self, batch_size: int) -> dict[str, Any]:
        """Return the state of all layers before the first step."""
        states: dict[str, Any] = {}
        for name, layer in self._layers.items():
            own: dict[str, Any] = {}
            if layer.neurons is not None:
                own["neurons"] = layer.neurons.start(batch_size)
            if isinstance(layer, SpikeMaxPooling2D):
                (shape,) = self._network.input_shapes(name)
                own["pool"] = layer.start((batch_size, *shape))
            if own:
                states[name] = own
        return states

    def _prelude(self, x_b_l: Tensor) -> dict[str, Tensor]:
        """Return the sums that stay the same: those of layers behind a constant input."""
        sums = {self._network.input.name: x_b_l}
        for name in self._steady:
            sums[name] = self._layers[name].drive(inbound(sums, self._network[name]))
        return sums

    def _chunk(
        self,
        states: dict[str, Any],
        steady: dict[str, Tensor],
        x_t_b_l: Tensor | None,
        first: Tensor,
        *,
        num_steps: int,
    ) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
        """Advance all layers several steps.

        Parameters
        ----------
        states
            States of the layers before these steps.
        steady
            What `prelude` returned.
        x_t_b_l
            The input of each step; ``None`` if it is constant.
        first
            Number of steps before the first of these.
        num_steps
            Number of steps.

        Returns
        -------
        The new states; and, for each layer with neurons, ``counts`` (b, l) and, as wanted,
        ``operations`` (t, b), ``spikes`` (t, b, l), ``potentials`` (t, b, l).
        """
        steady, states, found = dict(steady), dict(states), {}
        values: dict[str, Tensor] = {}  # time is folded into the first axis
        if x_t_b_l is not None:
            del steady[self._network.input.name]
            values[self._network.input.name] = _fold(x_t_b_l)
        for name, layer in self._layers.items():
            if name in steady:
                drive_t_b_l = steady[name]
                if layer.neurons is None:
                    continue
            else:
                inputs = _fold_inputs(self._network[name], values, steady, num_steps=num_steps)
                drive_t_b_l, states = self._sums(name, inputs, states, first, num_steps=num_steps)
                if layer.neurons is None:
                    values[name] = _fold(drive_t_b_l)
                    continue
            wanted = self._wanted[name]
            v, spikes_t_b_l, counts, potentials = layer.neurons.advance(
                states[name]["neurons"],
                drive_t_b_l,
                num_steps=num_steps,
                keep_potentials=wanted.potentials,
            )
            states[name] = states[name] | {"neurons": v}
            values[name] = _fold(spikes_t_b_l)
            steady.pop(name, None)  # its sum was steady, its spikes are not
            found[name] = _report(wanted, spikes_t_b_l, counts, potentials)
        return states, found

    def _sums(
        self,
        name: str,
        inputs: Tensor,
        states: dict[str, Any],
        first: Tensor,
        *,
        num_steps: int,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return the sums of a layer in each step, and the states after that."""
        layer = self._layers[name]
        if isinstance(layer, SpikeMaxPooling2D):
            pool, drive_t_b_l = layer.gate(states[name]["pool"], _unfold(inputs, num_steps), first)
            return drive_t_b_l, states | {name: states[name] | {"pool": pool}}
        return _unfold(layer.drive(inputs), num_steps), states


def _fold_inputs(
    layer: Layer, values: Mapping[str, Tensor], steady: Mapping[str, Tensor], *, num_steps: int
) -> Tensor:
    """Return a layer's inputs with time folded in; steady ones are repeated."""
    repeated = {
        name: tf.tile(steady[name], [num_steps] + [1] * (len(steady[name].shape) - 1))
        for name in layer.inputs
        if name in steady
    }
    return inbound({**values, **repeated}, layer)


def _fold(x_t_b_l: Tensor) -> Tensor:
    steps, batch, *shape = x_t_b_l.shape
    return tf.reshape(x_t_b_l, (steps * batch, *shape))


def _unfold(x_n_l: Tensor, num_steps: int) -> Tensor:
    n, *shape = x_n_l.shape
    return tf.reshape(x_n_l, (num_steps, n // num_steps, *shape))


def _report(
    wanted: Wanted, spikes_t_b_l: Tensor, counts_b_l: Tensor, potentials_t_b_l: Tensor
) -> dict[str, Tensor]:
    found = {"counts": counts_b_l}
    steps, batch = spikes_t_b_l.shape[:2]
    if wanted.fanout_l_s is not None:
        operations = tf.reshape(spikes_t_b_l, (steps * batch, -1)) @ wanted.fanout_l_s
        total = tf.reduce_sum(tf.cast(operations, tf.int64), axis=1)
        found["operations"] = tf.reshape(total, (steps, batch))
    if wanted.spikes:
        found["spikes"] = tf.cast(spikes_t_b_l, tf.bool)
    if wanted.potentials:
        found["potentials"] = potentials_t_b_l
    return found

"""Base class of all Keras layers with integrate-and-fire neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from snn_core import ir
from snn_core.errors import ParseError
from snn_core.typing import Array, Float32
from snn_inisim.integrate_and_fire import IntegrateAndFire
from snn_inisim.typing import Tensor


class SpikeLayer(keras.layers.Layer):
    """Keras layer with the weights and the bias of a layer, and perhaps its neurons.

    Parameters
    ----------
    layer
        The layer to compute.
    neurons
        Its neurons; ``None`` if it passes its sum on at once.
    dt
        Length of a step in ms; the bias is multiplied by it.
    arguments
        Arguments of the Keras layer.
    """

    def __new__(cls, layer: ir.Layer, *arguments: Any, **keywords: Any) -> Any:
        """Refuse anything but a layer, before the kinds of layers look into it."""
        if not isinstance(layer, ir.Layer):
            raise ParseError(f"Found a {type(layer).__name__}; expected a layer of a Network.")
        return super().__new__(cls, layer, *arguments, **keywords)

    def __init__(
        self,
        layer: ir.Layer,
        *,
        neurons: IntegrateAndFire | None = None,
        dt: float = 1.0,
        **arguments: Any,
    ) -> None:
        super().__init__(dtype="float32", trainable=False, **arguments)
        self.source: Any = layer
        self.neurons = neurons
        self.bias_o = layer.bias_o * np.float32(dt) if isinstance(layer, ir.Weighted) else None

    def weights_of_keras(self) -> Float32[Array, "..."] | None:
        """Return the kernel as the Keras layer wants it; ``None`` if it has none."""
        return self.source.weight if isinstance(self.source, ir.Weighted) else None

    def build(self, input_shape: Any) -> None:
        """Create and fill the kernel, and the potentials if the batch size is known."""
        super().build(input_shape)
        kernel = self.weights_of_keras()
        if kernel is not None:
            self.kernel.assign(kernel)
        batch_size = _batch_size(input_shape)
        if batch_size is not None:
            self.build_state(batch_size)

    def build_state(self, batch_size: int) -> None:
        """Create the state that a layer keeps from one call to the next."""
        if self.neurons is not None:
            shape = (batch_size, *self.source.output_shape)
            self.v_b_l = self.add_weight(shape=shape, initializer="zeros", trainable=False)
            self.reset_state()

    def reset_state(self) -> None:
        """Go back to the beginning of a simulation."""
        if self.neurons is not None:
            self.v_b_l.assign(self.neurons.start(self.v_b_l.shape[0]))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the batch size and the shape of the layer."""
        return (_batch_size(input_shape), *self.source.output_shape)

    def weighted_sum(self, inputs: Tensor) -> Tensor:
        """Return weights times inputs: one tensor, or a list for several inbound layers."""
        return super().call(inputs)

    def drive(self, inputs: Tensor) -> Tensor:
        """Return the sum of the layer in one step: weights times inputs, and bias times dt."""
        y = self.weighted_sum(inputs)
        return y if self.bias_o is None else y + self.bias_o

    def call(self, inputs: Tensor) -> Tensor:
        """Advance by one step and return the spikes, or the sum of a layer without neurons."""
        return self.fire(self.drive(inputs))

    def fire(self, drive_b_l: Tensor) -> Tensor:
        """Integrate a step's sum and return the spikes; without neurons return the sum."""
        if self.neurons is None:
            return drive_b_l
        v_b_l, spikes_b_l = self.neurons.step(self.v_b_l.value, drive_b_l)
        self.v_b_l.assign(v_b_l)
        return spikes_b_l


def inbound(values: Mapping[str, Any], layer: ir.Layer) -> Any:
    """Return the inputs or shapes that the Keras layer for ``layer`` takes.

    Parameters
    ----------
    values
        Layer name to its output, or to the shape of that.
    layer
        The layer.

    Returns
    -------
    The value of the inbound layer; a list of them for a layer that joins several.
    """
    found = [values[name] for name in layer.inputs]
    return found if isinstance(layer, (ir.Add, ir.Concatenate)) else found[0]


def _batch_size(input_shape: Any) -> int | None:
    """Return the first entry of a shape, or of the first of several shapes."""
    first = input_shape[0]
    return first if isinstance(first, (int, type(None))) else first[0]

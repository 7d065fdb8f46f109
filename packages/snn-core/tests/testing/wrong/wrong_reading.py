"""Wrong simulators: they misread some property of layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from wrong_simulators import fails

from snn_core.ir import Add, BinaryTanh, Concatenate, Conv2D, Layer, Spiking, Weighted
from snn_core.ir.shapes import resolve_padding
from snn_core.simulation.reference import ReferenceSNN
from snn_core.typing import Shape


class Misreading(ReferenceSNN):
    """Reads some property of layers wrongly, and is right about everything else."""

    def setup_layers(self, input_shape: Shape) -> None:
        """Build the network that this simulator believes it has."""
        self.network = self.network.replace(*map(self.misread, self.network.layers[1:]))
        super().setup_layers(input_shape)

    def misread(self, layer: Layer) -> Layer:
        """Return what this simulator takes a layer for."""
        return layer


@fails("test_bias")
class IgnoresBias(Misreading):
    """Neurons have no bias."""

    def misread(self, layer: Layer) -> Layer:
        """Drop the bias."""
        if isinstance(layer, Weighted) and self.network.has_neurons(layer):
            return replace(layer, bias_o=np.zeros_like(layer.bias_o))
        return layer


@fails("test_bias_per_step")
class RepeatsBiasOfFirstStep(Misreading):
    """Adds the bias of the first step in every step."""

    def misread(self, layer: Layer) -> Layer:
        """Repeat the first row."""
        if isinstance(layer, Spiking) and layer.bias_t_c is not None:
            return replace(layer, bias_t_c=np.repeat(layer.bias_t_c[:1], 100, axis=0))
        return layer


@fails("test_relayed_bias")
class IgnoresRelayedBias(Misreading):
    """Layers without neurons pass on spikes, but not their bias."""

    def misread(self, layer: Layer) -> Layer:
        """Drop the bias."""
        if isinstance(layer, Weighted) and not self.network.has_neurons(layer):
            return replace(layer, bias_o=np.zeros_like(layer.bias_o))
        return layer


@fails("test_negative_weights")
class IgnoresNegativeWeights(Misreading):
    """Knows only excitatory synapses, except onto neurons with negative spikes."""

    def misread(self, layer: Layer) -> Layer:
        """Cut weights at 0."""
        if isinstance(layer, Weighted) and not isinstance(layer.activation, BinaryTanh):
            changes: dict[str, Any] = {layer.weight_name: np.maximum(layer.weight, 0)}
            return replace(layer, **changes)
        return layer


@fails("test_threshold_per_channel")
class OneThresholdPerLayer(Misreading):
    """Takes the first channel's threshold for all."""

    def misread(self, layer: Layer) -> Layer:
        """Keep the first threshold."""
        if isinstance(layer, Spiking):
            return replace(layer, threshold=layer.threshold.reshape(-1)[0])
        return layer


@fails("test_v_init")
class IgnoresInitialPotential(Misreading):
    """Starts all neurons at 0."""

    def misread(self, layer: Layer) -> Layer:
        """Set ``v_init`` to 0."""
        return replace(layer, v_init=np.zeros(())) if isinstance(layer, Spiking) else layer


@fails("test_v_init")
class StartsInVolts(Misreading):
    """Takes the initial potential as it is instead of in units of the threshold."""

    def misread(self, layer: Layer) -> Layer:
        """Divide ``v_init`` by the threshold, with which the neuron then multiplies it."""
        if isinstance(layer, Spiking):
            return replace(layer, v_init=layer.v_init / layer.threshold)
        return layer


@fails("test_branches")
class ConcatenatesBackwards(Misreading):
    """Reads the inputs of a concatenation in the wrong order."""

    def misread(self, layer: Layer) -> Layer:
        """Reverse the inputs."""
        return (
            replace(layer, inputs=layer.inputs[::-1]) if isinstance(layer, Concatenate) else layer
        )


@fails("test_branches")
class AddsUnscaled(Misreading):
    """Scales all inputs of an addition like the first."""

    def misread(self, layer: Layer) -> Layer:
        """Repeat the first row of scales."""
        if isinstance(layer, Add):
            rows = np.broadcast_to(layer.weight_nc[:1], layer.weight_nc.shape)
            return replace(layer, weight_nc=np.array(rows))
        return layer


@fails("test_dilation")
class IgnoresDilation(Misreading):
    """Knows only undilated kernels."""

    def misread(self, layer: Layer) -> Layer:
        """Set the dilation to 1."""
        return replace(layer, dilation=(1, 1)) if isinstance(layer, Conv2D) else layer


@fails("test_groups")
class MixesUpGroups(Misreading):
    """Lets the last group of outputs read from the first group of inputs, and so on."""

    def misread(self, layer: Layer) -> Layer:
        """Move the kernels of a group to the next."""
        if not isinstance(layer, Conv2D) or layer.groups == 1:
            return layer
        width = layer.weight_hwio.shape[-1] // layer.groups
        return replace(layer, weight_hwio=np.roll(layer.weight_hwio, width, axis=-1))


@fails("test_strides_and_padding")
class PadsInFront(Misreading):
    """Puts the odd cell of "same" padding before the image."""

    def misread(self, layer: Layer) -> Layer:
        """Write the padding out and reverse it."""
        if not isinstance(layer, Conv2D) or layer.padding != "same":
            return layer
        (shape,) = self.network.input_shapes(layer.name)
        first, second = (
            resolve_padding(
                "same",
                shape[axis],
                kernel=layer.weight_hwio.shape[axis],
                stride=layer.strides[axis],
                dilation=layer.dilation[axis],
            )[::-1]
            for axis in range(2)
        )
        return replace(layer, padding=((first[0], first[1]), (second[0], second[1])))


@fails("test_exact_threshold")
class SpikesAboveThreshold(Misreading):
    """Compares with > instead of >=."""

    def misread(self, layer: Layer) -> Layer:
        """Raise the threshold to the next number."""
        if isinstance(layer, Spiking):
            return replace(layer, threshold=np.nextafter(layer.threshold, np.float32(np.inf)))
        return layer

"""Base class for simulators that are fed with populations and lists of synapses."""

from __future__ import annotations

from abc import abstractmethod

from snn_core.ir import Layer, Spiking
from snn_core.ir.connectivity import Synapses
from snn_core.ir.projections import drive_bias, projections_of
from snn_core.simulation.contract import AbstractSNN
from snn_core.typing import Array, Float32


class SynapseListSNN(AbstractSNN):
    """Reduces building a network to `add_population` and `connect`.

    Layers without neurons (relays, padding, flattening, concatenation) disappear: the synapses that
    `connect` receives run from population to population.
    """

    @abstractmethod
    def add_population(self, layer: Spiking, bias_l: Float32[Array, "*l"]) -> None:
        """Add the neurons of a layer.

        Parameters
        ----------
        layer
            The layer; its cells are numbered in row-major order, channels last.
        bias_l
            Constant input per ms of each neuron, relayed biases included.
        """

    @abstractmethod
    def connect(self, source: str, layer: Spiking, synapses: Synapses) -> None:
        """Connect a population, or the input, with a layer's population."""

    def build_layer(self, layer: Layer) -> None:
        """Add the population of a layer and connect it; relays have none."""
        if not isinstance(layer, Spiking) or not self.network.has_neurons(layer):
            return
        self.add_population(layer, drive_bias(self.network, layer))
        for projection in projections_of(self.network, layer):
            self.connect(projection.source, layer, projection.synapses)

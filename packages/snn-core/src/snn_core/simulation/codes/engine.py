"""Base class of the engines of spike codes, and the sums that they compute."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from snn_core.codes.first_spike import magnitudes
from snn_core.evaluation.operators import weighted_sum
from snn_core.ir import Layer, Network
from snn_core.recording.recorder import Recorder
from snn_core.settings import Settings
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array


class Sums(ABC):
    """Sums of layers; they take the time, so a simulator may bring its own."""

    @abstractmethod
    def weighted(self, layer: Layer, inputs_n_b_l: list[Array]) -> Array:
        """Return weights times inputs without the bias, or what a layer makes of its inputs.

        That is the maximum of each window for max pooling, times the layer's weight.
        """

    @abstractmethod
    def absolute(self, layer: Layer, inputs_n_b_l: list[Array]) -> Array:
        """Return `weighted` for the magnitudes of the weights."""


class NumPySums(Sums):
    """Sums by the operators of this package."""

    def __init__(self) -> None:
        self._magnitudes: dict[str, Layer] = {}

    def weighted(self, layer: Layer, inputs_n_b_l: list[Array]) -> Array:
        """Return weights times inputs."""
        return weighted_sum(layer, inputs_n_b_l)

    def absolute(self, layer: Layer, inputs_n_b_l: list[Array]) -> Array:
        """Return magnitudes of weights times inputs."""
        if layer.name not in self._magnitudes:
            self._magnitudes[layer.name] = magnitudes(layer)
        return weighted_sum(self._magnitudes[layer.name], inputs_n_b_l)


class Engine(ABC):
    """Simulation of a network under a spike code.

    Parameters
    ----------
    network
        The network.
    settings
        Settings of the run.
    sums
        Computes what layers add up.
    fanout_n_l
        Population to the number of synapses that leave each of its neurons.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        *,
        sums: Sums,
        fanout_n_l: Mapping[str, Array],
    ) -> None:
        self.network = network
        self.settings = settings
        self.sums = sums
        self.fanout_n_l = fanout_n_l

    @abstractmethod
    def simulate(
        self, signal: InputSignal, recorder: Recorder, checkpoint: Callable[[], None]
    ) -> Mapping[str, Array]:
        """Simulate a batch.

        Parameters
        ----------
        signal
            The samples.
        recorder
            Takes what is recorded.
        checkpoint
            Called between steps, so that a run can be stopped.

        Returns
        -------
        Layer name to the time in ms of each neuron's spike, where the code has exact times.
        """

    def inbound(self, values: Mapping[str, Any], layer: Layer) -> list[Any]:
        """Return the values of a layer's inbound layers, in order."""
        return [values[name] for name in layer.inputs]

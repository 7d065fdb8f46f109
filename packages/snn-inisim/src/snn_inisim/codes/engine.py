"""What the engines of all spike codes share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from snn_core.ir import Network
from snn_core.recording.recorder import Recorder
from snn_core.settings import Settings
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array
from snn_inisim.spike_layer import SpikeLayer


class Engine(ABC):
    """A network under a spike code.

    Parameters
    ----------
    network
        The network.
    layers
        Layer name to the Keras layer that computes it.
    settings
        Settings of the run.
    fanout_n_l
        Population to the number of synapses that leave each of its neurons.
    """

    def __init__(
        self,
        network: Network,
        layers: Mapping[str, SpikeLayer],
        settings: Settings,
        *,
        fanout_n_l: Mapping[str, Array],
    ) -> None:
        self.network = network
        self.settings = settings
        self.layers = layers
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

"""What is known of a network on a simulator, under the names of snn_toolbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from snn_core.errors import SimulationError
from snn_core.evaluation.forward import activations
from snn_core.ir import Network
from snn_core.operations import ConnectivityStatistics, ann_operations, connectivity_statistics
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.simulation.batches import BatchResult
from snn_core.simulation.capabilities import Capabilities
from snn_core.simulation.sequences import samples_per_batch
from snn_core.typing import Array, Float32, Int64


class Measured:
    """Connectivity of the network, and what was recorded of the last batch."""

    network: Network
    settings: Settings

    if TYPE_CHECKING:

        @property
        def can(self) -> Capabilities:
            """What the simulator can do, given its options."""

    def _forget(self) -> None:
        """Drop everything that belongs to the network simulated before."""
        self.recording: Recording | None = None
        self.result: BatchResult | None = None
        self._connectivity: ConnectivityStatistics | None = None
        self._x_b_l: Array | None = None

    # Connectivity.

    @property
    def connectivity(self) -> ConnectivityStatistics:
        """Numbers of neurons and synapses, computed at first use."""
        if self._connectivity is None:
            self._connectivity = connectivity_statistics(self.network)
        return self._connectivity

    def set_connectivity(self) -> tuple[list[int], list[int], list[int]]:
        """Return the numbers of neurons, of neurons with bias, and the fan-in, per layer."""
        return self.num_neurons, self.num_neurons_with_bias, self.fanin

    @property
    def num_neurons(self) -> list[int]:
        """Number of neurons per layer with neurons, preceded by the input cells."""
        return self.connectivity.num_neurons

    @property
    def num_neurons_with_bias(self) -> list[int]:
        """Number of neurons with a bias per layer, the input first."""
        return self.connectivity.num_neurons_with_bias

    @property
    def fanin(self) -> list[int]:
        """Largest number of synapses onto one neuron, per layer, the input first."""
        return self.connectivity.fanin

    @property
    def fanout(self) -> list[Array]:
        """Number of synapses that leave each neuron, per layer, the input first."""
        return self.connectivity.fanout

    @property
    def operations_ann(self) -> int:
        """Operations of one forward pass of the analog network."""
        return ann_operations(self.network)

    @property
    def num_classes(self) -> int:
        """Number of output neurons."""
        return int(np.prod(self.network.output.output_shape))

    def samples_per_batch(self, num_samples: int) -> int:
        """Return how many of all samples make up a batch: whole sequences where state is kept."""
        return samples_per_batch(self.settings, batch_size=self.batch_size, num_samples=num_samples)

    @property
    def batch_size(self) -> int:
        """Number of samples simulated at once."""
        return self.settings.simulation.batch_size if self.can.batched else 1

    @property
    def is_parallelizable(self) -> bool:
        """Whether several samples are simulated at once."""
        return self.can.batched

    @property
    def top_k(self) -> int:
        """The k of the top-k error."""
        return min(self.settings.simulation.top_k, self.num_classes)

    # What was recorded of the last batch.

    def _recorded(self) -> Recording:
        if self.recording is None:
            raise SimulationError("Nothing has been simulated yet; call run or run_batch first.")
        return self.recording

    def _scored(self) -> BatchResult:
        if self.result is None:
            raise SimulationError("Nothing has been scored yet; call run(x_test, y_test) first.")
        return self.result

    @property
    def spiketrains_n_b_l_t(self) -> Mapping[str, Array]:
        """Spike trains of all layers, if recorded."""
        return self._recorded().spiketrains_n_b_l_t

    @property
    def mem_n_b_l_t(self) -> Mapping[str, Array]:
        """Membrane potentials of all layers in units of the threshold, if recorded."""
        return self._recorded().mem_n_b_l_t

    @property
    def input_b_l_t(self) -> Float32[Array, "b *l t"]:
        """Input of every step, if recorded."""
        return self._logged(self._recorded().input_b_l_t, "input")

    @property
    def activations_n_b_l(self) -> Mapping[str, Array]:
        """Activations of the analog network for the samples of the last batch."""
        self._recorded()
        return activations(self.network, np.asarray(self._x_b_l))

    @property
    def synaptic_operations_b_t(self) -> Int64[Array, "b t"]:
        """Synaptic operations of each step."""
        return self._recorded().synaptic_operations_b_t

    @property
    def neuron_operations_b_t(self) -> Int64[Array, "b t"]:
        """State updates of each step."""
        return self._scored().neuron_operations_b_t

    @property
    def top1err_b_t(self) -> Array:
        """Whether the decision is wrong, after each step."""
        return self._scored().top1err_b_t

    @property
    def top5err_b_t(self) -> Array:
        """Whether the label is missing among the `top_k` best classes, after each step."""
        return self._scored().topkerr_b_t

    @property
    def top1err_ann(self) -> float:
        """Share of wrong decisions of the analog network."""
        result = self._scored()
        return float((result.ann_decision_b != result.labels_b).mean())

    @property
    def top5err_ann(self) -> float:
        """Share of samples whose label the analog network has not among its `top_k` classes."""
        return float(self._scored().ann_topkerr_b.mean())

    def get_spiketrains(self, name: str) -> Array:
        """Return the recorded spike trains of a layer, shape ``(b, *l, t)``."""
        return self._logged(self.spiketrains_n_b_l_t.get(name), "spiketrains")

    def get_spiketrains_input(self) -> Array:
        """Return the recorded input of every step."""
        return self.input_b_l_t

    def get_spiketrains_output(self) -> Array:
        """Return the output: spikes, or potentials under the membrane read-out."""
        return self._recorded().output_b_l_t

    def get_vmem(self, name: str) -> Array:
        """Return the recorded membrane potentials of a layer in units of the threshold."""
        return self._logged(self.mem_n_b_l_t.get(name), "mem")

    def _logged(self, values: Array | None, name: str) -> Array:
        if values is None:
            raise SimulationError(
                f"{name!r} was not recorded; add it to output.log_vars and simulate again."
            )
        return values

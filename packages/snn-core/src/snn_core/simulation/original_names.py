"""Names of snn_toolbox for running a network and for what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snn_core.data import Dataset
from snn_core.data.events import CellEvents
from snn_core.data.lazy import LazyItems
from snn_core.data.truth import read_truth
from snn_core.errors import SimulationError
from snn_core.evaluation.forward import activations
from snn_core.ir import Layer
from snn_core.ir.shapes import count
from snn_core.operations import ann_operations
from snn_core.recording.recording import Recording
from snn_core.simulation.batches import BatchPlan, BatchResult, simulate_batch, top_k
from snn_core.simulation.contract import AbstractSNN
from snn_core.simulation.tasks import find_task
from snn_core.typing import Array, Float32, Int64, Shaped


class OriginalNames(AbstractSNN):
    """Simulator with the names of snn_toolbox: building methods, `run`, attributes of results.

    Nothing in this package needs them. Derive from this class in front of the base class:
    ``class SNN(OriginalNames, SynapseListSNN)``.
    """

    recording: Recording | None = None
    result: BatchResult | None = None
    _x_b_l: Array | None = None

    # Building.

    def add_layer(self, layer: Layer) -> None:
        """Build a layer of any kind."""
        self.build_layer(layer)

    build_dense = build_convolution = build_pooling = build_flatten = add_layer
    build_reshape = build_concatenate = build_zero_padding = build_up_sampling = add_layer
    build_add = add_layer

    # Running.

    def _take(self, network: Any) -> None:
        super()._take(network)
        self.recording = self.result = self._x_b_l = None

    def run_batch(self, x_b_l: Shaped[Array, "b *l"], **options: Any) -> Recording:
        """Simulate a batch and keep its recording under the attributes below."""
        self._x_b_l = x_b_l
        self.recording = super().run_batch(x_b_l, **options)
        return self.recording

    def run(
        self,
        x_test: Shaped[Array, "b *l"],
        y_test: Array,
        *,
        events_b: Sequence[CellEvents] | None = None,
    ) -> float:
        """Simulate all samples batch by batch and return the share of correct decisions.

        What was measured of the last batch is then reachable under the attributes below. Of a
        regression, the mean squared error is returned.
        """
        number = np.arange(len(x_test))
        labels_b, targets_b_o = read_truth(np.asarray(y_test), "arrays in memory")
        dataset = Dataset(
            x_b_l=np.asarray(x_test),
            labels_b=labels_b,
            targets_b_o=targets_b_o,
            sample_ids=range(len(x_test)),
            name="arrays in memory",
            sha256="",
            events_b=None if events_b is None else LazyItems(events_b.__getitem__, number),
        )
        task = find_task(self.network, dataset, self.settings)
        self.build(expected_samples=len(x_test))
        error = 0.0
        for batch in BatchPlan.of(self, dataset.sample_ids):
            self.result = simulate_batch(self, dataset, batch, task=task)
            error += float(self.result.score.error_b_t[:, -1].sum(dtype=np.float64))
        return (error if task.needs_values else len(x_test) - error) / len(x_test)

    # Connectivity.

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
        return count(self.network.output.output_shape)

    @property
    def is_parallelizable(self) -> bool:
        """Whether several samples are simulated at once."""
        return self.can.batched

    @property
    def top_k(self) -> int:
        """The k of the top-k error."""
        return top_k(self)

    # What was recorded of the last batch.

    def _require_recording(self) -> Recording:
        if self.recording is None:
            raise SimulationError("Nothing has been simulated yet; call run or run_batch first.")
        return self.recording

    def _require_result(self) -> BatchResult:
        if self.result is None:
            raise SimulationError("Nothing has been scored yet; call run(x_test, y_test) first.")
        return self.result

    @property
    def spiketrains_n_b_l_t(self) -> Mapping[str, Array]:
        """Spike trains of all layers, if recorded."""
        return self._require_recording().spiketrains_n_b_l_t

    @property
    def mem_n_b_l_t(self) -> Mapping[str, Array]:
        """Membrane potentials of all layers in units of the threshold, if recorded."""
        return self._require_recording().mem_n_b_l_t

    @property
    def input_b_l_t(self) -> Float32[Array, "b *l t"]:
        """Input of every step, if recorded."""
        return self._require_logged(self._require_recording().input_b_l_t, "input")

    @property
    def activations_n_b_l(self) -> Mapping[str, Array]:
        """Activations of the analog network for the samples of the last batch."""
        self._require_recording()
        return activations(self.network, np.asarray(self._x_b_l))

    @property
    def synaptic_operations_b_t(self) -> Int64[Array, "b t"]:
        """Synaptic operations of each step."""
        return self._require_recording().synaptic_operations_b_t

    @property
    def neuron_operations_b_t(self) -> Int64[Array, "b t"]:
        """State updates of each step."""
        return self._require_result().neuron_operations_b_t

    @property
    def top1err_b_t(self) -> Array:
        """Whether the decision is wrong, after each step."""
        wrong: Array = self._require_result().score.error_b_t != 0
        return wrong

    @property
    def top5err_b_t(self) -> Array:
        """Whether the label is missing among the `top_k` best classes, after each step."""
        return self._require_result().score.topkerr_b_t

    @property
    def top1err_ann(self) -> float:
        """Share of wrong decisions of the analog network."""
        return float(self._require_result().score.ann_error_b.mean())

    @property
    def top5err_ann(self) -> float:
        """Share of samples whose label the analog network has not among its `top_k` classes."""
        return float(self._require_result().score.ann_topkerr_b.mean())

    def get_spiketrains(self, name: str) -> Array:
        """Return the recorded spike trains of a layer, shape ``(b, *l, t)``."""
        return self._require_logged(self.spiketrains_n_b_l_t.get(name), "spiketrains")

    def get_spiketrains_input(self) -> Array:
        """Return the recorded input of every step."""
        return self.input_b_l_t

    def get_spiketrains_output(self) -> Array:
        """Return the output: spikes, or potentials under the membrane read-out."""
        return self._require_recording().output_b_l_t

    def get_vmem(self, name: str) -> Array:
        """Return the recorded membrane potentials of a layer in units of the threshold."""
        return self._require_logged(self.mem_n_b_l_t.get(name), "mem")

    def _require_logged(self, values: Array | None, name: str) -> Array:
        if values is None:
            raise SimulationError(
                f"{name!r} was not recorded; add it to output.log_vars and simulate again."
            )
        return values

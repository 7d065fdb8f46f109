"""The contract between this package and a simulator.

A simulator subclasses `AbstractSNN` (or `SynapseListSNN`, if it is fed with lists of synapses),
states what it can do in `Capabilities`, and only simulates batches. Batching, scoring and counting
happen elsewhere. The names of the methods are those of snn_toolbox.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from snn_core import artifact
from snn_core.encoding import InputSignal
from snn_core.errors import SettingsError, SimulationError, UnsupportedError
from snn_core.evaluate import activations, check_shape
from snn_core.ir import Layer, MaxPooling2D, Network, Softmax, Spiking
from snn_core.loop import BatchResult, run_batches
from snn_core.operations import ConnectivityStatistics, ann_operations, connectivity_statistics
from snn_core.recording import Recorder, Recording
from snn_core.settings import Settings
from snn_core.typing import Array, Float, Float32, Int, Int64, PathLikeStr, Shape

CONTRACT = 1
"""Version of this contract; raised only when a simulator written for the last one would break."""

BUILDERS: Mapping[str, str] = {
    "Dense": "build_dense",
    "Conv1D": "build_convolution",
    "Conv2D": "build_convolution",
    "DepthwiseConv2D": "build_convolution",
    "Conv2DTranspose": "build_convolution",
    "AveragePooling2D": "build_pooling",
    "MaxPooling2D": "build_pooling",
    "UpSampling2D": "build_up_sampling",
    "Add": "build_add",
    "Flatten": "build_flatten",
    "Reshape": "build_reshape",
    "ZeroPadding2D": "build_zero_padding",
    "Concatenate": "build_concatenate",
}
"""Layer kind to the method of `AbstractSNN` that builds it."""

ALL_LAYERS = frozenset(BUILDERS)


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a simulator can do; everything else is refused before it starts.

    Parameters
    ----------
    layers
        Layer kinds, keys of `BUILDERS`.
    spike_codes, inputs, resets, readouts, records
        Accepted values of the settings of these names.
    max_pool_methods
        Accepted ``maxpool_type`` values.
    softmax
        Whether a softmax output can draw stochastic spikes.
    batched
        Whether several samples are simulated at once; otherwise batches hold one sample.
    delay_steps
        Steps by which the spikes of each further layer come later than in the reference.
    deterministic
        Whether two runs with the same seed give the same spikes.
    rate_tolerance
        Largest deviation of a firing rate from the reference, in spikes per step. 0: exact.
    hardware
        Name of the chip this runs on or stands in for; ``None`` for a plain simulator.
    """

    layers: frozenset[str] = ALL_LAYERS
    spike_codes: frozenset[str] = frozenset({"temporal_mean_rate"})
    inputs: frozenset[str] = frozenset({"constant", "poisson", "regular"})
    resets: frozenset[str] = frozenset({"subtraction", "zero", "modulo"})
    readouts: frozenset[str] = frozenset({"counts", "membrane"})
    records: frozenset[str] = frozenset({"spiketrains", "mem", "input"})
    max_pool_methods: frozenset[str] = frozenset()
    softmax: bool = False
    batched: bool = True
    delay_steps: int = 0
    deterministic: bool = True
    rate_tolerance: float = 0.0
    hardware: str | None = None


@dataclass(frozen=True)
class NoOptions:
    """Options of a simulator that has none."""


class StopSimulation(Exception):  # noqa: N818 - a request, not an error
    """Raised inside a simulator when the user asked to stop."""


class AbstractSNN(ABC):
    """A spiking neural network on a simulator.

    Parameters
    ----------
    network
        The converted network.
    settings
        Settings of the run; defaults if not given.
    options
        The simulator's own options, an instance of ``options_type``.
    seed
        Seed of all random numbers; ``settings.simulation.seed`` if not given.

    Raises
    ------
    UnsupportedError
        Lists every layer and setting that the simulator cannot do, before it is imported.
    """

    contract: ClassVar[int] = CONTRACT
    capabilities: ClassVar[Capabilities] = Capabilities()
    options_type: ClassVar[type[Any]] = NoOptions

    def __init__(
        self,
        network: Network,
        settings: Settings | None = None,
        options: object | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self.network = network
        self.settings = settings or Settings()
        self.options: Any = self.options_type() if options is None else options
        self.seed = self.settings.simulation.seed if seed is None else seed
        self.is_built = False
        self.recording: Recording | None = None
        self.result: BatchResult | None = None
        self.stop_requested: Callable[[], bool] = lambda: False
        self._connectivity: ConnectivityStatistics | None = None
        self._x_b_l: Array | None = None
        problems = self.problems()
        if problems:
            name = type(self).__module__.split(".")[0]
            raise UnsupportedError(problems, what=f"{name} cannot simulate this network")

    # What it can do.

    @classmethod
    def refuses(cls, layer: Layer) -> str | None:
        """Return why a layer of an accepted kind cannot be simulated, or ``None``."""
        return None

    @classmethod
    def parse_options(cls, values: Mapping[str, Any]) -> Any:
        """Return the options from a settings section.

        Raises
        ------
        SettingsError
            If a key is unknown.
        """
        known = [item.name for item in fields(cls.options_type)]
        for key in values:
            if key not in known:
                raise SettingsError(
                    f"Unknown simulator option {key!r}; known: {', '.join(known) or 'none'}."
                )
        return cls.options_type(**values)

    def problems(self) -> list[str]:
        """Return everything about the network and the settings that the simulator cannot do."""
        return [
            *self._setting_problems(),
            *(
                problem
                for layer in self.network.layers[1:]
                for problem in self._layer_problems(layer)
            ),
        ]

    def _setting_problems(self) -> list[str]:
        can, settings = self.capabilities, self.settings
        wanted = [
            ("conversion.spike_code", settings.conversion.spike_code, can.spike_codes),
            ("input.encoding", settings.input.encoding, can.inputs),
            ("cell.reset", settings.cell.reset, can.resets),
            ("conversion.readout", self.network.readout, can.readouts),
        ]
        wanted += [
            ("output.log_vars", name, can.records | {"activations"})
            for name in sorted(settings.output.log_vars)
        ]
        return [
            f"{key} = {value!r} is not supported; supported: {', '.join(sorted(known))}"
            for key, value, known in wanted
            if value not in known
        ]

    def _layer_problems(self, layer: Layer) -> list[str]:
        can = self.capabilities
        if layer.kind not in can.layers:
            return [f"{layer.name}: {layer.kind} layers are not supported"]
        found = []
        if isinstance(layer, MaxPooling2D) and layer.method not in can.max_pool_methods:
            supported = ", ".join(sorted(can.max_pool_methods)) or "none"
            found.append(
                f"{layer.name}: max pooling by {layer.method!r} is not supported; supported: "
                f"{supported}"
            )
        draws = isinstance(layer, Spiking) and isinstance(layer.activation, Softmax)
        if draws and self.network.readout == "counts" and not can.softmax:
            found.append(
                f"{layer.name}: stochastic softmax spikes are not supported; convert with "
                f"softmax_to_relu or the membrane read-out"
            )
        reason = self.refuses(layer)
        return [*found, f"{layer.name}: {reason}"] if reason else found

    # Building.

    @final
    def build(self) -> None:
        """Assemble the network in the simulator; does nothing if it is built already."""
        if self.is_built:
            return
        self.setup_layers(self.network.input.output_shape)
        self.compile()
        self.is_built = True

    def setup_layers(self, input_shape: Shape) -> None:
        """Add every layer in topological order."""
        self.add_input_layer(input_shape)
        for layer in self.network.layers[1:]:
            self.add_layer(layer)
            getattr(self, BUILDERS[layer.kind])(layer)

    @abstractmethod
    def add_input_layer(self, input_shape: Shape) -> None:
        """Add the input layer; ``input_shape`` has no batch axis."""

    def add_layer(self, layer: Layer) -> None:  # noqa: B027 - optional hook
        """Do what concerns adding any layer, independently of its type."""

    @abstractmethod
    def build_dense(self, layer: Any) -> None:
        """Build a fully connected layer."""

    @abstractmethod
    def build_convolution(self, layer: Any) -> None:
        """Build a convolution of any kind, transposed and depthwise ones included."""

    @abstractmethod
    def build_pooling(self, layer: Any) -> None:
        """Build an average or max pooling layer."""

    @abstractmethod
    def build_up_sampling(self, layer: Any) -> None:
        """Build an up-sampling layer."""

    @abstractmethod
    def build_add(self, layer: Any) -> None:
        """Build a layer that adds its inbound layers."""

    @abstractmethod
    def build_flatten(self, layer: Any) -> None:
        """Build a flattening layer."""

    @abstractmethod
    def build_reshape(self, layer: Any) -> None:
        """Build a reshaping layer."""

    @abstractmethod
    def build_zero_padding(self, layer: Any) -> None:
        """Build a padding layer."""

    @abstractmethod
    def build_concatenate(self, layer: Any) -> None:
        """Build a layer that concatenates its inbound layers."""

    @abstractmethod
    def compile(self) -> None:
        """Finish building, after all layers have been added."""

    # Simulating.

    @abstractmethod
    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch from rest and hand everything to the recorder.

        Calls `checkpoint` between steps, so that a run can be stopped.

        Parameters
        ----------
        signal
            The encoded input of ``len(signal.x_b_l)`` samples.
        recorder
            Takes the spikes of every layer with neurons and the input.
        """

    @abstractmethod
    def reset(self) -> None:
        """Bring all state back to the beginning; called before every batch."""

    def end_sim(self) -> None:  # noqa: B027 - optional hook
        """Clean up after the last simulation."""

    def checkpoint(self) -> None:
        """Raise `StopSimulation` if the user asked to stop."""
        if self.stop_requested():
            raise StopSimulation

    @final
    def run_batch(
        self, x_b_l: Float[Array, "b *l"], *, sample_ids: Sequence[int] | None = None
    ) -> Recording:
        """Simulate a batch.

        Parameters
        ----------
        x_b_l
            The samples, channels last.
        sample_ids
            Index of each sample in its data set (0, 1, ... if not given); seeds its random numbers.

        Raises
        ------
        DataError
            If the samples do not have the shape of the network's input.
        """
        x_b_l = np.asarray(x_b_l, np.float32)
        check_shape(self.network, x_b_l)
        self.build()
        self.reset()
        ids = range(len(x_b_l)) if sample_ids is None else sample_ids
        signal = InputSignal(x_b_l=x_b_l, sample_ids=ids, settings=self.settings, seed=self.seed)
        recorder = Recorder(
            self.network,
            batch_size=len(x_b_l),
            num_steps=self.settings.num_steps,
            record=self.settings.output.log_vars & self.capabilities.records,
            fanout_n_l=self.connectivity.fanout_of,
        )
        self.simulate(signal, recorder)
        self.recording, self._x_b_l = recorder.finish(), x_b_l
        return self.recording

    def run(self, x_test: Float[Array, "b *l"], y_test: Int[Array, "b"]) -> float:
        """Simulate all samples batch by batch and return the share of correct decisions.

        What was measured of the last batch is then reachable under the attributes below.
        """
        hits = 0
        for result in run_batches(self, x_test, y_test):
            self.result = result
            hits += int((~result.top1err_b_t[:, -1]).sum())
        return hits / len(x_test)

    # Saving.

    def save(self, path: PathLikeStr, filename: str) -> None:
        """Write the network to ``path/filename.snn``; simulators may add files of their own."""
        artifact.save(self.network, Path(path) / f"{filename}.snn")

    def load(self, path: PathLikeStr, filename: str) -> None:
        """Take the network from ``path/filename.snn``; it is built anew when needed."""
        self.network = artifact.load(Path(path) / f"{filename}.snn")
        self.is_built = False
        self._connectivity = None

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

    @property
    def batch_size(self) -> int:
        """Number of samples simulated at once."""
        return self.settings.simulation.batch_size if self.capabilities.batched else 1

    @property
    def is_parallelizable(self) -> bool:
        """Whether several samples are simulated at once."""
        return self.capabilities.batched

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

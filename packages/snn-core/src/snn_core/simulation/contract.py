"""The contract between this package and a simulator.

A simulator subclasses `AbstractSNN` (or `SynapseListSNN`, if it is fed with lists of synapses),
states what it can do in `Capabilities`, and only simulates batches. Batching, scoring and counting
happen elsewhere; `OriginalNames` offers them under the names of snn_toolbox.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, final

from snn_core import artifact
from snn_core.codes import code_of, set_duration
from snn_core.data.events import CellEvents
from snn_core.errors import DataError, UnsupportedError
from snn_core.evaluation.forward import check_shape
from snn_core.files import as_path
from snn_core.ir import Layer, Network
from snn_core.ir.shapes import count
from snn_core.ir.timing import Timing, timing
from snn_core.ir.validation import require_valid
from snn_core.operations import ConnectivityStatistics, connectivity_statistics
from snn_core.phases import StopSimulation
from snn_core.recording.recorder import Recorder
from snn_core.recording.recording import Recording
from snn_core.settings import Options, Settings
from snn_core.simulation.capabilities import (
    ALL_LAYERS,
    Capabilities,
    draws_softmax,
    layer_problems,
    setting_problems,
)
from snn_core.simulation.sequences import run_sequences
from snn_core.simulation.signal import InputSignal, output_uniforms
from snn_core.typing import Array, Float32, PathLikeStr, Shape, Shaped

__all__ = [
    "ALL_LAYERS",
    "CONTRACT",
    "AbstractSNN",
    "Capabilities",
    "StopSimulation",
]

CONTRACT = 1
"""Version of this contract; raised only when a simulator written for the last one would break."""


def _go_on() -> bool:
    """Never ask to stop; a function of the module, so that simulators can be pickled."""
    return False


class AbstractSNN(ABC):
    """A spiking neural network on a simulator.

    Parameters
    ----------
    network
        The converted network.
    settings
        Settings of the run. What they leave open is taken from the network's own settings, those
        of its conversion.
    options
        The simulator's own options, an instance of ``options_type``.
    seed
        Seed of all random numbers; ``settings.simulation.seed`` if not given.
    stop
        Asked between steps whether to stop; never if not given.

    Attributes
    ----------
    expected_samples
        How many samples will be simulated in all, where that is known when building.
    timing
        First step of each population on the simulator's clock, and delays of projections.

    Raises
    ------
    UnsupportedError
        Lists every layer and setting that the simulator cannot do, before it is imported.
    """

    contract: ClassVar[int] = CONTRACT
    capabilities: ClassVar[Capabilities] = Capabilities()
    options_type: ClassVar[type[Options]] = Options

    def __init__(
        self,
        network: Network,
        settings: Settings | None = None,
        options: Options | None = None,
        *,
        seed: int | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self._given_settings = settings
        self.options: Options = self.options_type() if options is None else options
        self.stop_requested: Callable[[], bool] = stop or _go_on
        self.expected_samples: int | None = None
        self._take(network)
        self.seed = self.settings.simulation.seed if seed is None else seed

    def _take(self, network: Network) -> None:
        """Adopt a network to simulate, if the simulator can do everything in it."""
        require_valid(network)  # also one that was made in Python
        self.settings = network.settings_for(self._given_settings)
        problems = self.problems(network)
        if problems:
            name = type(self).__module__.split(".")[0]
            raise UnsupportedError(problems, what=f"{name} cannot simulate this network")
        self.network = network
        self.settings = set_duration(self.settings, network)
        # Steps that a recorder is told count from the first step of the layer, so that what is
        # recorded and scored does not depend on delays.
        self.timing: Timing = timing(
            network,
            num_steps=self.settings.num_steps,
            delay_steps=self.delay_steps,
            is_input_delayed=self.settings.input.encoding != "constant",
        )
        self.is_built = False
        self._connectivity: ConnectivityStatistics | None = None
        self._operations_of_spikes: dict[str, Array] | None = None

    @property
    def connectivity(self) -> ConnectivityStatistics:
        """Numbers of neurons and synapses, computed at first use."""
        if self._connectivity is None:
            self._connectivity = connectivity_statistics(self.network)
        return self._connectivity

    def _operations_per_spike(self) -> Mapping[str, Array]:
        """Return how many operations a spike of each neuron costs, computed at first use."""
        if self._operations_of_spikes is None:
            cost = code_of(self.settings).operations_per_synapse
            fanout_n_l = self.connectivity.fanout_of
            self._operations_of_spikes = {name: f * cost for name, f in fanout_n_l.items()}
        return self._operations_of_spikes

    @property
    def batch_size(self) -> int:
        """Number of samples simulated at once."""
        return self.settings.simulation.batch_size if self.can.batched else 1

    @property
    def details(self) -> Mapping[str, str]:
        """Human-readable facts about a built network, such as a target that was chosen and why.

        It is asked for after a network was built, shown to the user and kept with the result; what
        is told here is not logged as well. What changes spikes belongs into the options.
        Simulators add theirs to those of the base class.
        """
        late = self.timing.output_delay
        return {"output_delay": f"{late} steps after the input"} if late else {}

    # Time.

    @property
    def delay_steps(self) -> int:
        """Fewest steps that a spike takes to the next population, by default as declared.

        A simulator whose options say it in ms returns their number of steps.
        """
        return self.can.delay_steps

    # What it can do.

    @classmethod
    def capabilities_for(cls, options: Options) -> Capabilities:
        """Return the capabilities under given options: by default always the same."""
        return cls.capabilities

    @property
    def can(self) -> Capabilities:
        """Capabilities of this simulator under its options."""
        return self.capabilities_for(self.options)

    @classmethod
    def refuses(cls, layer: Layer) -> str | None:
        """Return why a layer of an accepted kind cannot be simulated, or ``None``."""
        return None

    def problems(self, network: Network) -> list[str]:
        """Return everything about a network and the settings that the simulator cannot do."""
        return [
            *setting_problems(self.can, network, self.settings),
            *self._code_problems(network),
            *(
                problem
                for layer in network.layers[1:]
                for problem in self._layer_problems(network, layer)
            ),
        ]

    def _code_problems(self, network: Network) -> list[str]:
        code = self.settings.conversion.spike_code
        if not self.can.accepts("conversion.spike_code", code):
            return []  # which is a problem of its own
        return code_of(self.settings).problems(network)

    def _layer_problems(self, network: Network, layer: Layer) -> list[str]:
        reason = self.refuses(layer) if layer.kind in self.can.layers else None
        found = layer_problems(self.can, network, layer)
        return [*found, f"{layer.name}: {reason}"] if reason else found

    # Building.

    @final
    def build(self, *, expected_samples: int | None = None) -> None:
        """Assemble the network in the simulator; does nothing if it is built already.

        Parameters
        ----------
        expected_samples
            How many samples will be simulated in all, if that is known.
        """
        if self.is_built:
            return
        self.expected_samples = expected_samples
        self.setup_layers(self.network.input.output_shape)
        self.compile()
        self.is_built = True

    def setup_layers(self, input_shape: Shape) -> None:
        """Add every layer in topological order."""
        self.add_input_layer(input_shape)
        for layer in self.network.layers[1:]:
            self.build_layer(layer)

    @abstractmethod
    def add_input_layer(self, input_shape: Shape) -> None:
        """Add the input layer; ``input_shape`` has no batch axis."""

    @abstractmethod
    def build_layer(self, layer: Layer) -> None:
        """Build a layer of any kind in ``capabilities.layers``; its inbound layers are built."""

    @abstractmethod
    def compile(self) -> None:
        """Finish building, after all layers have been added."""

    # Simulating.

    @abstractmethod
    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch, from rest after a `reset`, and hand everything to the recorder.

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
        """Bring all state back to the beginning; called before every batch.

        Where ``simulation.reset_between_nth_sample`` is claimed, `simulate` is also called
        without it. Potentials and refractory times then go on, while the clock and everything that
        is averaged over time begin anew.
        """

    def end_sim(self) -> None:  # noqa: B027 - most simulators have nothing to clean up
        """Clean up after the last simulation."""

    @property
    def draws_softmax(self) -> bool:
        """Whether the output draws stochastic spikes from a softmax."""
        return draws_softmax(self.network)

    def output_uniforms(self, signal: InputSignal) -> Float32[Array, "t b o"]:
        """Return the random numbers that a softmax output draws its spikes with."""
        return output_uniforms(
            signal.sample_ids,
            self.seed,
            num_steps=signal.num_steps,
            num_classes=count(self.network.output.output_shape),
        )

    def checkpoint(self) -> None:
        """Raise `StopSimulation` if the user asked to stop."""
        if self.stop_requested():
            raise StopSimulation

    def run_batch(
        self,
        x_b_l: Shaped[Array, "b *l"],
        *,
        sample_ids: Sequence[int] | None = None,
        events_b: Sequence[CellEvents] | None = None,
    ) -> Recording:
        """Simulate a batch.

        Parameters
        ----------
        x_b_l
            The samples, channels last; 8-bit integers are scaled as the network's `InputData` says.
        sample_ids
            Index of each sample in its data set (0, 1, ... if not given); seeds its random numbers.
        events_b
            The events behind each sample, for the encoding ``events``.

        Raises
        ------
        DataError
            If the samples do not have the shape of the network's input, or events are missing.
        """
        x_b_l = self.network.input_data.as_floats(x_b_l)
        check_shape(self.network, x_b_l)
        if not len(x_b_l):
            raise DataError("Found a batch without samples; expected at least one.")
        self.build()
        ids = range(len(x_b_l)) if sample_ids is None else sample_ids

        def simulate(samples: Array, is_sequel: bool) -> Recording:  # noqa: FBT001 - a callback
            if not is_sequel:
                self.reset()
            events = None if events_b is None else [events_b[i] for i in samples]
            return self._simulate_on(x_b_l[samples], [ids[i] for i in samples], events)

        return run_sequences(
            simulate,
            num_samples=len(x_b_l),
            length=self.settings.simulation.reset_between_nth_sample,
        )

    def _simulate_on(
        self, x_b_l: Array, sample_ids: Sequence[int], events_b: Sequence[CellEvents] | None
    ) -> Recording:
        """Simulate a batch from the present state on."""
        signal = InputSignal(
            x_b_l=x_b_l,
            sample_ids=sample_ids,
            settings=self.settings,
            seed=self.seed,
            events_b=events_b,
        )
        recorder = Recorder(
            self.network,
            batch_size=len(x_b_l),
            num_steps=self.settings.num_steps,
            record=self.settings.output.log_vars & self.can.records,
            fanout_n_l=self._operations_per_spike(),
            num_active_steps_b=signal.num_active_steps_b,
        )
        self.simulate(signal, recorder)
        return recorder.finish()

    # Saving.

    def save(self, path: PathLikeStr, filename: str, *, overwrite: bool = False) -> None:
        """Write the network to ``path/filename.snn``; simulators may add files of their own."""
        artifact.save(self.network, as_path(path) / f"{filename}.snn", overwrite=overwrite)

    def load(self, path: PathLikeStr, filename: str) -> None:
        """Take the network from ``path/filename.snn``; it is built anew when needed.

        Raises
        ------
        UnsupportedError
            As for a new simulator.
        """
        self._take(artifact.load(as_path(path) / f"{filename}.snn"))

"""INIsim, the simulator on TensorFlow: its side of the contract of snn-core."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from snn_core.codes import code_of
from snn_core.ir import Layer
from snn_core.recording.recorder import Recorder
from snn_core.settings import Options
from snn_core.simulation.capabilities import ANY, needs_stepping
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.signal import InputSignal, draw_softmax
from snn_core.typing import Array, Shape
from snn_inisim.event.claims import simulates_events
from snn_inisim.options import INIsimOptions

if TYPE_CHECKING:
    from snn_inisim.dense import DenseEngine
    from snn_inisim.event.engine import EventEngine


class SNN(OriginalNames):
    """A converted network on TensorFlow.

    Integrate-and-fire neurons with any reset, driven by constant current, Poisson or regular
    spikes, or neurons of another spike code, driven by constant current. On networks whose sums do
    not round, spikes equal those of the reference simulator. Rates fold time into the batch; other
    codes, options of the cell and binary or quantised activations use the reference's neurons.

    Two engines simulate: one whose cost follows the number of spikes, and a dense one on
    TensorFlow.

    After a batch, ``spiketimes_n_b_l`` holds the time in ms of each neuron's spike, infinity for
    none, where the code has exact times (``ttfs_exact``).
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        activations=frozenset({"Linear", "ReLU", "QuantizedReLU", "BinarySigmoid", "BinaryTanh"}),
        max_pool_methods=frozenset({"fir_max", "avg_max", "exp_max", "pre_spike_max"}),
        minimum_pooling=True,
        graded_pooling=True,
        softmax=True,
        bias_per_step=True,
        settings={
            "conversion.spike_code": {
                "temporal_mean_rate",
                "temporal_pattern",
                "ttfs",
                "ttfs_dyn_thresh",
                "ttfs_corrective",
                "ttfs_exact",
            },
            "input.encoding": {"constant", "poisson", "regular", "events"},
            "cell.bias_relaxation": ANY,
            "cell.clamp_indices": ANY,
            "cell.clamp_var": ANY,
            "cell.leak": ANY,
            "cell.payloads": ANY,
            "cell.tau_m": ANY,
            "cell.tau_refrac": ANY,
            "cell.v_clip": ANY,
            "cell.v_init": {"uniform", "bias"},
            "normalization.online_normalization": ANY,
            "simulation.reset_between_nth_sample": ANY,
            "simulation.scale_first_layer_parameters": ANY,
        },
    )
    options_type: ClassVar[type[Options]] = INIsimOptions
    options: INIsimOptions

    # Building.

    def add_input_layer(self, input_shape: Shape) -> None:
        """Start without engines."""
        self._dense: DenseEngine | None = None
        self._event: EventEngine | None = None
        self._stepped: ReferenceSNN | None = None
        self.spiketimes_n_b_l: Mapping[str, Array] = {}
        self._busy: dict[str, float] = {}

    def build_layer(self, layer: Layer) -> None:
        """Do nothing: engines make the layers, in `compile` or when they are needed."""

    def compile(self) -> None:
        """Make the engine."""
        if self._engine == "dense":
            self.dense  # noqa: B018 - imports TensorFlow while the network is built
        elif not self._is_stepped:
            self.event  # noqa: B018

    @property
    def dense(self) -> DenseEngine:
        """The engine on TensorFlow, which is imported when it is made."""
        from snn_inisim.dense import DenseEngine

        if self._dense is None:
            self._dense = DenseEngine(
                self.network, self.settings, self.options, self.connectivity.fanout_of
            )
        return self._dense

    @property
    def event(self) -> EventEngine:
        """The engine whose cost follows the number of spikes."""
        from snn_inisim.event.engine import EventEngine

        if self._event is None:
            self._event = EventEngine(
                self.network,
                self.settings,
                self.options,
                self.connectivity.fanout_of,
                seed=self.seed,
            )
        return self._event

    @cached_property
    def _engine(self) -> str:
        """The engine that begins."""
        if self.options.engine != "auto":
            return self.options.engine
        return "event" if simulates_events(self.network, self.settings) else "dense"

    @cached_property
    def _is_stepped(self) -> bool:
        """Whether the neurons are those of the reference simulator."""
        if self._engine == "event":
            return not simulates_events(self.network, self.settings)
        is_rate = code_of(self.settings).is_rate
        return not is_rate or needs_stepping(self.network, self.settings)

    @property
    def details(self) -> Mapping[str, str]:
        """Which engine simulates, and why."""
        found = {**super().details, "engine": self._describe_engine()}
        if self.is_built and self._busy:
            busy = (f"{name} ({rate:.0%} of its inputs spike)" for name, rate in self._busy.items())
            found["busy_layers"] = ", ".join(busy)
        return found

    def _describe_engine(self) -> str:
        if self._engine == "event" and self._is_stepped:
            return "NumPy, as the event engine has neither this spike code nor these options"
        if self.options.engine != "auto":
            return self._engine
        if self._engine == "dense":
            return "dense, for this spike code or these options of the cell"
        return "event"

    # Simulating.

    def reset(self) -> None:
        """Forget the state; only options of the cell keep any from one batch to the next."""
        if self._stepped is not None:
            self._stepped.reset()

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch."""
        if self._is_stepped:
            self._simulate_stepped(signal, recorder)
            return
        if self.draws_softmax:
            self._uniforms_t_b_o = self.output_uniforms(signal)
        engine: DenseEngine | EventEngine
        engine = self.event if self._engine == "event" else self.dense
        engine.simulate(
            signal,
            recorder,
            record=lambda name, start, found: self._record(recorder, name, start, found),
            checkpoint=self.checkpoint,
        )
        if self._event is not None:
            self._busy.update(self._event.busy)

    def _simulate_stepped(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate with the neurons of snn-core."""
        if self._stepped is None:
            self._stepped = self._new_stepped()
            self._stepped.build()
            self._stepped.reset()
        self._stepped.simulate(signal, recorder)
        self.spiketimes_n_b_l = self._stepped.spiketimes_n_b_l

    def _new_stepped(self) -> ReferenceSNN:
        """Return the network with the neurons of snn-core, and sums by the engine."""
        if self._engine == "event":
            return ReferenceSNN(
                self.network, self.settings, seed=self.seed, stop=self.stop_requested
            )
        from snn_inisim.stepped import SteppedNetwork

        return SteppedNetwork(
            self.network,
            self.settings,
            layers=self.dense.layers,
            connectivity=self.connectivity,
            seed=self.seed,
            stop=self.stop_requested,
        )

    def _record(self, recorder: Recorder, name: str, start: int, found: dict[str, Array]) -> None:
        """Hand what was computed of one layer in some steps to the recorder."""
        layer: Any = self.network[name]
        if name == self.network.output.name and self.draws_softmax:
            uniforms = self._uniforms_t_b_o[start : start + len(found["potentials"])]
            spikes = draw_softmax(layer, found["potentials"], uniforms)
            found = {**found, "spikes": spikes}
        if "spikes" in found:
            recorder.spikes(name, start, found["spikes"])
        else:
            recorder.totals(
                name,
                start,
                spikecounts_b_l=found["counts"],
                operations_t_b=found.get("operations"),
            )
        if "potentials" in found and recorder.wants_membrane(name):
            recorder.membrane(name, start, found["potentials"] / layer.threshold)

    def end_sim(self) -> None:
        """Let go of all graphs."""
        self._dense = self._event = self._stepped = None

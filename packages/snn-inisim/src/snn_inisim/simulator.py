"""INIsim, the simulator on TensorFlow: its side of the contract of snn-core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from snn_core.codes import code_of
from snn_core.ir import Layer, MaxPooling2D, Spiking
from snn_core.ir.shapes import count
from snn_core.neurons.max_pooling import pool_coefficients
from snn_core.recording.recorder import Recorder
from snn_core.settings import Options
from snn_core.simulation.capabilities import ANY, needs_stepping, only_integrates
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.signal import InputSignal, draw_softmax
from snn_core.typing import Array, Shape
from snn_inisim.options import INIsimOptions, steps_per_chunk
from snn_inisim.startup import import_tensorflow

if TYPE_CHECKING:
    from snn_inisim.spike_layer import SpikeLayer
    from snn_inisim.stepped import SteppedNetwork


class SNN(OriginalNames):
    """A converted network on TensorFlow.

    Integrate-and-fire neurons with any reset, driven by constant current, Poisson or regular
    spikes, or neurons of another spike code, driven by constant current. On networks whose sums do
    not round, spikes equal those of the reference simulator. Rates fold time into the batch; other
    codes, options of the cell and binary or quantised activations use the reference's neurons.

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
        """Import TensorFlow and start without layers."""
        import_tensorflow()
        self.spike_layers: dict[str, SpikeLayer] = {}
        self._engines: dict[Any, Any] = {}
        self._stepped: SteppedNetwork | None = None
        self.spiketimes_n_b_l: Mapping[str, Array] = {}

    def build_layer(self, layer: Layer) -> None:
        """Make the Keras layer and give it its weights."""
        self.spike_layers[layer.name] = self._spike_layer(layer)

    def _spike_layer(self, layer: Layer) -> SpikeLayer:
        from snn_inisim.layers import LAYERS

        arguments: dict[str, Any] = {"dt": self.settings.simulation.dt}
        if isinstance(layer, Spiking) and self.network.has_neurons(layer):
            arguments["neurons"] = self._neurons(layer)
        if isinstance(layer, MaxPooling2D):
            arguments["jit"] = self.options.jit
            steps = self.settings.num_steps
            arguments["coefficients_t"] = pool_coefficients(layer.method, steps)
        return LAYERS[layer.kind](layer, **arguments)

    def _neurons(self, layer: Spiking) -> Any:
        from snn_inisim.integrate_and_fire import Accumulator, IntegrateAndFire

        kind = Accumulator if only_integrates(self.network, layer) else IntegrateAndFire
        return kind(layer, reset=self.settings.cell.reset, jit=self.options.jit)

    @property
    def _is_stepped(self) -> bool:
        """Whether the neurons are those of the reference simulator."""
        is_rate = code_of(self.settings).is_rate
        return not is_rate or needs_stepping(self.network, self.settings)

    def compile(self) -> None:
        """Create the kernels; the graphs are made for each batch size when it occurs."""
        from snn_inisim.spike_layer import inbound

        shapes = {layer.name: (None, *layer.output_shape) for layer in self.network.layers}
        for name, layer in self.spike_layers.items():
            layer.build(inbound(shapes, self.network[name]))
            layer.built = True

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
        self._simulate_folded(signal, recorder)

    def _simulate_stepped(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate with the neurons of snn-core."""
        from snn_inisim.stepped import SteppedNetwork

        if self._stepped is None:
            self._stepped = SteppedNetwork(
                self.network,
                self.settings,
                layers=self.spike_layers,
                connectivity=self.connectivity,
                seed=self.seed,
                stop=self.stop_requested,
            )
            self._stepped.build()
            self._stepped.reset()
        self._stepped.simulate(signal, recorder)
        self.spiketimes_n_b_l = self._stepped.spiketimes_n_b_l

    def _simulate_folded(self, signal: InputSignal, recorder: Recorder) -> None:
        import tensorflow as tf

        batch = len(signal.x_b_l)
        engine = self._folded_network(signal, recorder)
        chunk = steps_per_chunk(
            self.options,
            num_steps=signal.num_steps,
            batch_size=batch,
            largest_layer=max(count(layer.output_shape) for layer in self.network.layers),
        )
        steady = engine.prelude(tf.constant(signal.constant_b_l))
        states, start = engine.start(batch), 0
        for x_t_b_l in signal.chunks(chunk):
            self.checkpoint()
            recorder.input(start, x_t_b_l, spiking=not signal.is_constant)
            states, found = engine.chunk(
                states,
                steady,
                None if signal.is_constant else tf.constant(x_t_b_l),
                tf.constant(start),
                num_steps=len(x_t_b_l),
            )
            for name, part in found.items():
                self._record(recorder, name, start, {k: v.numpy() for k, v in part.items()})
            start += len(x_t_b_l)

    def _folded_network(self, signal: InputSignal, recorder: Recorder) -> Any:
        """Return the network for what is to be recorded; graphs are kept from batch to batch."""
        from snn_inisim.folded import FoldedNetwork, Wanted, fanout_columns

        key = recorder.record
        if key not in self._engines:
            fanout = self.connectivity.fanout_of
            wanted = {
                layer.name: Wanted(
                    spikes=recorder.wants_spikes(layer.name),
                    potentials=recorder.wants_membrane(layer.name)
                    or only_integrates(self.network, layer),
                    fanout_l_s=fanout_columns(fanout[layer.name]),
                )
                for layer in self.network.spiking_layers
            }
            self._engines[key] = FoldedNetwork(
                self.network, self.spike_layers, wanted, is_constant=signal.is_constant
            )
        return self._engines[key]

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
        self._engines.clear()
        self._stepped = None

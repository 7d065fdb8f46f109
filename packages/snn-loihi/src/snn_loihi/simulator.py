"""Loihi: its side of the contract of snn-core."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snn_core.data import load_dataset
from snn_core.errors import DataError, SimulationError, UnsupportedError
from snn_core.ir import Layer, MaxPooling2D, Network
from snn_core.ir.shapes import count
from snn_core.recording.recorder import Recorder
from snn_core.recording.recording import Recording
from snn_core.settings import Options
from snn_core.simulation.capabilities import CONTRACT_1_LAYERS
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, Shape, Shaped
from snn_loihi.discretize import (
    ChipNetwork,
    discretize,
    equalise,
    normalize_thresholds,
    summary,
)
from snn_loihi.energy import Activity, Estimate, estimate
from snn_loihi.limits import LOIHI1, TARGETS
from snn_loihi.mapping import map_network
from snn_loihi.options import LoihiOptions

if TYPE_CHECKING:
    from snn_loihi.emulator import Emulator, Trace
    from snn_loihi.lava.runner import LavaNetwork
    from snn_loihi.parts import Parts

PART_VALUES = 1_000_000
"""Neurons, times steps and samples, that are computed at once: more do not fit into a cache."""

CHUNK = 16
"""Steps of a constant input that are handed over at a time."""

ESTIMATED_SYNAPSES = 20_000_000
"""Synapses up to which a run ends with an estimate: mapping lists them, in seconds by then."""

FLOAT32_ERROR = 2.0**-22
"""Relative error of a product and a quotient of float32, with room."""

RATE_TOLERANCE = 0.02
"""Spikes per step by which integers may change a rate of the conformance kit's networks."""


class SNN(OriginalNames):
    """A converted network in the chip's integers.

    Attributes
    ----------
    engine
        ``"emulator"`` or ``"lava"``, once the network is built.
    saved_output
        With the option ``save_output``: the output's spikes and membranes of the last batch.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        layers=CONTRACT_1_LAYERS - {"MaxPooling2D"},
        settings={
            "input.encoding": {"constant", "poisson", "regular", "events"},
            "cell.reset": {"subtraction", "zero"},
        },
        delay_steps=1,
        rate_tolerance=RATE_TOLERANCE,
        hardware="Loihi",
    )
    options_type: ClassVar[type[Options]] = LoihiOptions
    options: LoihiOptions

    engine: str = ""
    _emulator: Emulator | None = None
    _lava: LavaNetwork | None = None
    _chip: ChipNetwork | None = None
    _chip_of: Network | None = None
    _activity: Activity | None = None

    @classmethod
    def capabilities_for(cls, options: Options) -> Capabilities:
        """Return the capabilities: without rounding, spikes are exact."""
        assert isinstance(options, LoihiOptions), "made by options_type"  # noqa: S101
        can = cls.capabilities
        return replace(can, rate_tolerance=0.0) if options.arithmetic == "float" else can

    # What it can do.

    def problems(self, network: Network) -> list[str]:
        """Return everything that cannot be simulated, what does not fit into integers included."""
        found = super().problems(network)
        found += [
            f"{layer.name}: neurons of the chip add up what arrives and cannot compare it, as a "
            f"maximum asks for; train with average pooling, or convert with "
            f"conversion.max2avg_pool = true, which is lossy"
            for layer in network.layers
            if isinstance(layer, MaxPooling2D)
        ]
        given = self.settings.input.event_amplitude
        if self.settings.input.encoding == "events" and given is None:
            found.append(
                "input.event_amplitude is not given; the chip's weights need the value of an event"
            )
        if found:
            return found
        try:
            self._chip = self._discretized(network)
        except UnsupportedError as error:
            return list(error.problems)
        self._chip_of = network
        if not self.options.validate_partitions:
            return []
        return map_network(self._chip, TARGETS[self.options.target]).problems()

    def _discretized(self, network: Network) -> ChipNetwork:
        options = self.options
        if options.normalize_thresholds or options.equalise:
            if not options.x_norm:
                wanted = "normalize_thresholds" if options.normalize_thresholds else "equalise"
                raise UnsupportedError(
                    [f"loihi.{wanted} needs typical samples; name a data set in loihi.x_norm"]
                )
            data = load_dataset(options.x_norm).fit_to(input_shape=network.input.output_shape)
            x_b_l = network.input_data.as_floats(np.asarray(data.x_b_l))
            if options.equalise:
                network = equalise(network, x_b_l)
            if options.normalize_thresholds:
                ratio = options.desired_threshold_to_input_ratio
                network = normalize_thresholds(network, x_b_l, ratio=ratio)
        return discretize(network, self.settings, options)

    # Building.

    def add_input_layer(self, input_shape: Shape) -> None:
        """Nothing is built before all layers are known."""

    def build_layer(self, layer: Layer) -> None:
        """Nothing is built before all layers are known."""

    def compile(self) -> None:
        """Choose the engine; the integers were chosen when the network was taken."""
        self.end_sim()
        self._activity = self._emulator = None
        self.engine = self.options.engine
        if self.engine == "auto":
            self.engine = "lava" if has_lava() else "emulator"

    def _started(self, batch: Parts) -> LavaNetwork:
        from snn_loihi.lava.runner import LavaNetwork

        return LavaNetwork(
            self.chip, self.timing, target=self.options.target, membranes=batch.membranes
        )

    def end_sim(self) -> None:
        """End the processes of lava; they are started again where they are needed."""
        if self._lava is not None:
            self._lava.stop()
            self._lava = None

    @property
    def chip(self) -> ChipNetwork:
        """The network as the chip holds it."""
        if self._chip is None or self._chip_of is not self.network:
            self._chip, self._chip_of = self._discretized(self.network), self.network
        return self._chip

    @property
    def details(self) -> dict[str, str]:
        """Engine, which layer loses most by rounding, and an estimate of energy and time."""
        found = {**super().details, "engine": self._engine_and_why()}
        if self.options.arithmetic == "fixed":
            found["rounding"] = summary(self.chip.losses)
            found.update(self._estimate_lines())
        return found

    def _estimate_lines(self) -> dict[str, str]:
        synapses = self.connectivity.num_synapses
        if self._activity is None:
            return {}
        if synapses > ESTIMATED_SYNAPSES:
            reason = (
                f"left out, as mapping {synapses:,} synapses takes long; snn.estimate() makes it"
            )
            return {"estimate": reason}
        return self.estimate().describe()

    def estimate(self) -> Estimate:
        """Estimate energy and time on Loihi 1 of the samples that this simulator has run.

        Raises
        ------
        SimulationError
            If it has run none.
        """
        if self._activity is None:
            raise SimulationError("Nothing was simulated; run a batch first (run_batch).")
        mapped = map_network(self.chip, LOIHI1)
        return estimate(mapped, self._activity, run_steps=self.timing.run_steps)

    def _engine_and_why(self) -> str:
        if self.options.engine != "auto":
            return f"{self.engine}, as asked for"
        return f"{self.engine}, lava is {'' if self.engine == 'lava' else 'not '}installed"

    # Simulating.

    def run_batch(self, x_b_l: Shaped[Array, "b *l"], **options: Any) -> Recording:
        """Simulate a batch, and count what an estimate of energy is made of."""
        recording = super().run_batch(x_b_l, **options)
        found = Activity.of(recording)
        self._activity = found if self._activity is None else self._activity.plus(found)
        return recording

    def reset(self) -> None:
        """Nothing is left to do: every sample starts from the initial state."""

    @property
    def part_size(self) -> int:
        """Number of samples that are computed at once."""
        cells = max(count(layer.output_shape) for layer in self.network.layers)
        return max(1, PART_VALUES // (cells * self.settings.num_steps))

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch, part by part."""
        from snn_loihi.parts import Parts  # imports numba, which takes a while

        x_b_l, spikes_b_t_l = (
            (self._current(signal, recorder), None)
            if signal.is_constant
            else (None, self._input_spikes(signal, recorder))
        )
        batch = Parts(self.chip, recorder, dict(self.connectivity.fanout_of))
        for first in range(0, len(signal.x_b_l), self.part_size):
            self.checkpoint()
            part = slice(first, first + self.part_size)
            self._run_part(
                None if x_b_l is None else x_b_l[part],
                None if spikes_b_t_l is None else spikes_b_t_l[part],
                batch,
                first=first,
            )
        batch.finish()
        if self.options.save_output:
            self.saved_output = batch.output()

    def _run_part(
        self, x_b_l: Array | None, spikes_b_t_l: Array | None, batch: Parts, *, first: int
    ) -> None:
        beyond = self._is_beyond(x_b_l, spikes_b_t_l)
        if self.engine == "emulator" or beyond:
            # lava's processes check nothing, so input without proof goes through the emulator, too.
            self._ready().run(
                x_b_l,
                spikes_b_t_l,
                found=lambda name, trace: batch.take(name, trace, first=first),
                membranes=batch.membranes,
                beyond=beyond,
            )
        if self.engine == "lava":
            for name, trace in self._run_lava(x_b_l, spikes_b_t_l, batch).items():
                batch.take(name, trace, first=first)

    def _ready(self) -> Emulator:
        """Return the emulator, made at first use."""
        from snn_loihi.emulator import Emulator

        if self._emulator is None:
            self._emulator = Emulator(self.chip)
        return self._emulator

    def _run_lava(
        self, x_b_l: Array | None, spikes_b_t_l: Array | None, batch: Parts
    ) -> dict[str, Trace]:
        """Run some samples on lava; a run that does not end well leaves no process behind."""
        try:
            if self._lava is None:
                self._lava = self._started(batch)
            return self._lava.run(x_b_l, spikes_b_t_l, checkpoint=self.checkpoint)
        except BaseException:
            self.end_sim()
            raise

    def _is_beyond(self, x_b_l: Array | None, spikes_b_t_l: Array | None) -> bool:
        """Return whether the input is larger than what bounds were proved for."""
        if self.options.arithmetic == "float":
            return False
        if spikes_b_t_l is not None:
            return float(np.abs(spikes_b_t_l).max(initial=0)) > 1
        assert x_b_l is not None, "the input is a current or spikes"  # noqa: S101
        largest = float(np.abs(x_b_l).max(initial=0)) / self.settings.simulation.dt
        return largest > self.chip.input_max * (1 + 1e-6)

    def _current(self, signal: InputSignal, recorder: Recorder) -> Array:
        """Return the constant input of a step, and hand it to the recorder."""
        for index, x_t_b_l in enumerate(signal.chunks(CHUNK)):
            recorder.input(index * CHUNK, x_t_b_l, spiking=False)
        return signal.constant_b_l

    def _input_spikes(self, signal: InputSignal, recorder: Recorder) -> Array:
        """Return the input spikes of all steps, 1 or -1, and hand them to the recorder."""
        shape = (len(signal.x_b_l), signal.num_steps, *signal.x_b_l.shape[1:])
        spikes_b_t_l = np.zeros(shape, np.float32)
        for index, x_t_b_l in enumerate(signal.chunks(CHUNK)):
            start = index * CHUNK
            recorder.input(start, x_t_b_l, spiking=True)
            spikes_b_t_l[:, start : start + len(x_t_b_l)] = x_t_b_l.swapaxes(0, 1)
        spikes_b_t_l /= np.float32(self.chip.input_unit)
        whole = np.rint(spikes_b_t_l)
        # Values were rounded when they were multiplied by the unit, and are again by the division.
        is_whole = np.isclose(spikes_b_t_l, whole, rtol=FLOAT32_ERROR, atol=0)
        np.copyto(spikes_b_t_l, whole, where=is_whole)
        if self.options.arithmetic == "fixed" and (spikes_b_t_l % 1).any():
            worst = float(spikes_b_t_l[spikes_b_t_l % 1 != 0][0])
            raise DataError(
                f"Found an input spike that counts {worst:g} times; the chip's spikes have no "
                f"size, they can only be sent a whole number of times. Scale the samples to at "
                f"most 1."
            )
        return spikes_b_t_l


def has_lava() -> bool:
    """Return whether lava is installed, without importing it."""
    return find_spec("lava") is not None and find_spec("lava.magma") is not None

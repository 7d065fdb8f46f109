"""MegaSim: its side of the contract of snn-core."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from snn_core.errors import DataError, SimulationError, UnsupportedError
from snn_core.ir import Layer, Network
from snn_core.ir.shapes import count
from snn_core.recording.recorder import Recorder
from snn_core.recording.spike_trains import Events
from snn_core.settings import Options
from snn_core.simulation.capabilities import CONTRACT_1_LAYERS
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.signal import InputSignal, input_unit
from snn_core.typing import Array, Shape
from snn_megasim.external import find_executable, read_events, run_megasim
from snn_megasim.files import EventList, Netlist, event_file, write_netlist
from snn_megasim.files.attributes import LARGEST
from snn_megasim.inputs import UNIT, Range, input_range, whole_range
from snn_megasim.kept import keep_netlist
from snn_megasim.names import MegaSimNames
from snn_megasim.options import MegaSimOptions
from snn_megasim.translate import (
    Request,
    Translation,
    layer_events,
    require_rates,
    translate,
    with_currents,
)

if TYPE_CHECKING:
    from snn_megasim.engine.engine import Engine

PART_CELLS = 20_000_000
"""Cells, times steps and samples, that are simulated in a run: their events must fit in memory."""

RATE_TOLERANCE = 0.15
"""Spikes per step by which rates of the conformance kit's networks may differ where neurons spike
at once. An event makes one spike of a neuron at most, so what an input leaves above the threshold
waits for the next event; a clocked neuron spikes again in the next step."""

MOST_CURRENTS = 256
"""Samples of a run under constant input, where each has a port of its own."""

CHUNK = 16
"""Steps of a constant input that are handed over at a time."""

NONE = Events(*[np.zeros(0, np.int32)] * 3)


class SNN(MegaSimNames):
    """A converted network as modules of MegaSim.

    Attributes
    ----------
    events
        Events of each node in the last run.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        layers=CONTRACT_1_LAYERS - {"MaxPooling2D"},
        settings={
            "input.encoding": {"constant", "poisson", "regular", "events"},
            "cell.reset": {"subtraction", "zero"},
        },
    )
    options_type: ClassVar[type[Options]] = MegaSimOptions
    options: MegaSimOptions

    events: Mapping[str, EventList] = MappingProxyType({})
    _translation: Translation | None = None
    _translation_of: tuple[Network, Range] | None = None
    _range: Range = UNIT
    _engine: Engine | None = None

    @classmethod
    def capabilities_for(cls, options: Options) -> Capabilities:
        """Return the capabilities under a schedule and an engine.

        MegaSim itself tells no potentials, and without a clock spikes come at other times.
        """
        assert isinstance(options, MegaSimOptions), "made by options_type"  # noqa: S101
        can = cls.capabilities
        if options.schedule == "asynchronous":
            can = replace(can, rate_tolerance=RATE_TOLERANCE)
        if options.is_external:
            can = replace(can, readouts=frozenset({"counts"}), records=can.records - {"mem"})
        return can

    # What it can do.

    def problems(self, network: Network) -> list[str]:
        """Return everything that cannot be simulated, what does not fit into integers included."""
        found = super().problems(network)
        given = self.settings.input.event_amplitude
        if self.settings.input.encoding == "events" and given is None:
            found.append(
                "input.event_amplitude is not given; MegaSim's weights need the value of an event"
            )
        if found:
            return found
        try:
            self._translation = self._translated(network)
        except UnsupportedError as error:
            return list(error.problems)
        self._translation_of = network, self._range
        return []

    def _translated(self, network: Network) -> Translation:
        settings = self.settings
        return translate(
            network,
            Request(
                num_steps=settings.num_steps,
                dt_ms=settings.simulation.dt,
                reset=settings.cell.reset,
                input_unit=input_unit(settings),
                clocked=self.options.schedule == "clocked",
                batched=self.options.batch_mode,
                scaling_factor=self.options.scaling_factor,
                constant=settings.input.encoding == "constant",
                input_range=self._range,
            ),
        )

    # Building.

    def add_input_layer(self, input_shape: Shape) -> None:
        """Nothing is built before all layers are known."""

    def build_layer(self, layer: Layer) -> None:
        """Nothing is built before all layers are known."""

    def compile(self) -> None:
        """Look for MegaSim if it is to be run; the engine takes a netlist when it runs."""
        self._engine = None
        if self.options.is_external:
            find_executable(self.options.path)

    @property
    def translation(self) -> Translation:
        """The network as modules of MegaSim, with integers for the range of the last input."""
        if self._translation is None or self._translation_of != (self.network, self._range):
            self._translation = self._translated(self.network)
            self._translation_of = self.network, self._range
        return self._translation

    def _fit_integers(self, found: Range) -> None:
        """Have the integers of all layers fit to the input of a batch.

        Raises
        ------
        DataError
            If there are none that do.
        """
        if not max(map(abs, found)) <= LARGEST:  # NaN is not, either
            raise DataError(
                f"The input of this batch is {found[0]:g} to {found[1]:g} in a step; expected "
                f"numbers of at most {LARGEST}, MegaSim's largest. Scale the samples to 0 to 1."
            )
        self._range = whole_range(found)
        try:
            self.translation  # noqa: B018
        except UnsupportedError as error:
            self._range = UNIT
            problems = "; ".join(error.problems)
            raise DataError(
                f"The input of this batch is {found[0]:g} to {found[1]:g} in a step, for which "
                f"MegaSim's integers have no room: {problems}. Scale the samples to 0 to 1."
            ) from error

    @property
    def details(self) -> dict[str, str]:
        """Engine, schedule, and the smallest scaling factor of a layer."""
        factors = [
            population.scale.factor
            for name, population in self.translation.populations.items()
            if name != self.network.input.name
        ]
        engine = f"MegaSim at {self.options.path}" if self.options.is_external else "builtin"
        return {
            **super().details,
            "engine": engine,
            "schedule": self.options.schedule,
            "scaling": f"1 is {min(factors):g} to {max(factors):g}",
        }

    # Simulating.

    def reset(self) -> None:
        """Nothing is left to do: every sample starts from the initial state."""

    @property
    def part_size(self) -> int:
        """Number of samples of a run."""
        if not self.options.batch_mode:
            return 1
        cells = sum(count(layer.output_shape) for layer in self.network.spiking_layers)
        fitting = max(1, PART_CELLS // max(cells * self.settings.num_steps, 1))
        is_constant = self.settings.input.encoding == "constant"
        return min(fitting, MOST_CURRENTS) if is_constant else fitting

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch, part by part."""
        spikes = None if signal.is_constant else self._input_spikes(signal, recorder)
        self._fit_integers(input_range(signal, spikes))
        if spikes is None:
            for index, x_t_b_l in enumerate(signal.chunks(CHUNK)):
                recorder.input(index * CHUNK, x_t_b_l, spiking=False)
        membranes: dict[str, list[Array]] = {}
        for first in range(0, len(signal.x_b_l), self.part_size):
            self.checkpoint()
            number = min(self.part_size, len(signal.x_b_l) - first)
            part = None
            if spikes is None:
                x_b_i = signal.constant_b_l[first : first + number].reshape(number, -1)
                netlist = with_currents(self.translation, x_b_i)
            else:
                netlist = self.translation.netlist
                mine = (spikes.sample_e >= first) & (spikes.sample_e < first + number)
                part = spikes.taken(mine).moved(-first)
            stimuli = self.translation.stimuli(part, num_samples=number)
            netlist = replace(netlist, stimuli=stimuli)
            self._run_part(netlist, number, first=first, recorder=recorder, membranes=membranes)
        for layer in self.network.spiking_layers:
            if layer.name in membranes:
                v_t_b_l = np.concatenate(membranes[layer.name], axis=1)
                v_t_b_l = v_t_b_l.reshape(*v_t_b_l.shape[:2], *layer.output_shape)
                recorder.membrane(layer.name, 0, v_t_b_l / layer.threshold)

    def _input_spikes(self, signal: InputSignal, recorder: Recorder) -> Events:
        """Return input spikes, with how many times each is sent as their value."""
        spikes = signal.events()
        recorder.input_events(*spikes)
        if spikes.value_e is None:
            return spikes
        value_e = spikes.value_e / np.float32(input_unit(self.settings))
        whole_e = np.rint(value_e)
        # A quotient of two float32 numbers misses a whole one by no more than this.
        odd_e = np.abs(value_e - whole_e) > 1e-6 * np.abs(value_e)
        if odd_e.any():
            worst = float(value_e[odd_e][0])
            raise DataError(
                f"Found an input spike that counts {worst:g} times; events have no size, they can "
                f"only be sent a whole number of times. Scale the samples to at most 1."
            )
        return spikes._replace(value_e=whole_e)

    def _run_part(
        self,
        netlist: Netlist,
        number: int,
        *,
        first: int,
        recorder: Recorder,
        membranes: dict[str, list[Array]],
    ) -> None:
        """Simulate some samples in one run."""
        found = self.events = self._run(netlist, number, recorder, membranes)
        trains: dict[str, Events] = {}
        for layer in self.network.spiking_layers:
            if self.translation.populations[layer.name].reads_only:
                continue
            trains[layer.name], late = layer_events(self.translation, layer.name, found)
            if late:
                raise SimulationError(
                    f"Layer {layer.name!r} spiked at a time at which it was not asked: in "
                    f"{self.settings.num_steps} steps of input between {self._range[0]:g} and "
                    f"{self._range[1]:g}, its potentials rise further than its integers have room "
                    f"for. Lower the number of steps, scale the samples to 0 to 1, or use "
                    f"schedule = 'asynchronous'."
                )
        if self.options.schedule == "asynchronous":
            require_rates(self.network, self.translation, trains)
        for layer in self.network.spiking_layers:
            recorder.events(layer.name, *trains.get(layer.name, NONE).moved(first))

    def _run(
        self,
        netlist: Netlist,
        number: int,
        recorder: Recorder,
        membranes: dict[str, list[Array]],
    ) -> dict[str, EventList]:
        if self.options.is_external:
            with self._files(netlist) as folder:
                executable = find_executable(self.options.path)
                run_megasim(
                    executable,
                    folder,
                    time_limit_s=self.options.time_limit_s,
                    checkpoint=self.checkpoint,
                )
                return read_events(folder, self._nodes())
        if self.options.folder:
            with self._files(netlist):
                pass
        engine = self._started(netlist)
        wanted = [
            layer.name
            for layer in self.network.spiking_layers
            if recorder.wants_membrane(layer.name)
        ]
        if wanted:
            self._watch(engine, wanted, number, membranes)
        else:
            for sample, step in np.ndindex(number, self.settings.num_steps):
                self.checkpoint()
                engine.run(self._begin(sample, step))
            self.checkpoint()
        engine.run()
        return engine.all_events()

    def _started(self, netlist: Netlist) -> Engine:
        """Return the engine at the beginning of a run; currents are modules of their own."""
        if self._engine is None or netlist.schematic is not self._engine.netlist.schematic:
            from snn_megasim.engine.engine import Engine

            self._engine = Engine(netlist, most_events=self.options.most_events)
        self._engine.start(netlist.stimuli)
        return self._engine

    def _nodes(self) -> list[str]:
        populations = self.translation.populations
        return [
            outlet.node
            for layer in self.network.spiking_layers
            if not populations[layer.name].reads_only
            for outlet in populations[layer.name].outlets
        ]

    def _begin(self, sample: int, step: int) -> int:
        """Return when a step of a sample begins."""
        return int(self.translation.schedule.input_times(np.array(sample), np.array(step)))

    def _watch(
        self, engine: Engine, wanted: list[str], number: int, membranes: dict[str, list[Array]]
    ) -> None:
        """Run step by step and keep the potentials of some layers after each."""
        schedule, populations = self.translation.schedule, self.translation.populations
        shape = (self.settings.num_steps, number)
        kept = {
            name: np.zeros((*shape, count(self.network[name].output_shape)), np.float32)
            for name in wanted
        }
        moments = sorted(
            (schedule.seen(populations[name].depth, reads_only=populations[name].reads_only), name)
            for name in wanted
        )
        for sample in range(number):
            for step in range(self.settings.num_steps):
                self.checkpoint()
                begin = self._begin(sample, step)
                for offset, name in moments:
                    engine.run(begin + offset)
                    for outlet in populations[name].outlets:
                        v_yx = engine.potentials(outlet.node)[outlet.rows, outlet.columns]
                        v_yx = v_yx / populations[name].scale.factor
                        kept[name][step, sample, outlet.cells_yx] = v_yx
        for name, v_t_b_l in kept.items():
            membranes.setdefault(name, []).append(v_t_b_l)

    @contextmanager
    def _files(self, netlist: Netlist) -> Iterator[Path]:
        """Write a directory, which is kept if the options name it."""
        if self.options.folder:
            folder = Path(self.options.folder).expanduser().absolute()
            nodes = netlist.schematic.nodes if self.options.is_external else ()
            keep_netlist(netlist, folder, others=map(event_file, nodes))
            yield folder
            return
        with tempfile.TemporaryDirectory(prefix="megasim-") as name:
            write_netlist(netlist, Path(name))
            yield Path(name)

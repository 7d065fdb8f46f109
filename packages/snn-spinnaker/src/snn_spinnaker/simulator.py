"""SpiNNaker: its side of the contract of snn-core."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from snn_core.data import load_dataset
from snn_core.errors import DataError, SimulationError, UnsupportedError
from snn_core.files import as_path, make_folder
from snn_core.ir import Network
from snn_core.recording.recorder import Recorder
from snn_core.recording.spike_trains import Events
from snn_core.settings import Options
from snn_core.simulation.capabilities import ANY, CONTRACT_1_LAYERS
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.currents import constant_drive
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.memory import Footprint
from snn_core.simulation.synapses.tabled import SynapseTableSNN
from snn_core.typing import Array, Float64, PathLikeStr, Shape
from snn_pynn.inputs import SpikingInput
from snn_spinnaker import fixed
from snn_spinnaker.calibration import NOTE, calibrate_for_zero
from snn_spinnaker.emulator import Receptors, Trace, emulate
from snn_spinnaker.isolated import require_spynnaker
from snn_spinnaker.job import describe_job
from snn_spinnaker.layout import BoardNetwork, lay_out
from snn_spinnaker.losses import describe_departures, describe_rounding
from snn_spinnaker.mapping import BoardMapping, map_network, require_room
from snn_spinnaker.models import synapse_factor
from snn_spinnaker.options import SpinnakerOptions
from snn_spinnaker.running import run_on_board
from snn_spinnaker.saving import save_assembly, save_connections

logger = logging.getLogger(__name__)

PART_VALUES = 2_000_000
"""Neurons, times ticks and samples, that are computed at once."""

RATE_TOLERANCE = 0.02
"""Spikes per step by which rounding may change a rate of the conformance kit's networks."""


class SNN(OriginalNames, SynapseTableSNN):
    """A converted network on SpiNNaker, or in its arithmetic.

    Attributes
    ----------
    saturated
        How many sums of ring buffers were cut off in the last batch, by layer, where any were.
    mapping
        With the option ``virtual``: what the network takes on a board.
    provenance
        What sPyNNaker noted about the last run on a board.
    """

    name: ClassVar[str] = "spinnaker"
    footprint: ClassVar[Footprint] = Footprint(synapse_bytes=60, cell_bytes=200)
    options_type: ClassVar[type[Options]] = SpinnakerOptions
    options: SpinnakerOptions

    capabilities: ClassVar[Capabilities] = Capabilities(
        layers=CONTRACT_1_LAYERS - {"MaxPooling2D"},
        softmax=True,
        settings={
            "cell.reset": {"subtraction", "zero"},
            "cell.tau_refrac": ANY,
            "input.encoding": {"constant", "poisson", "regular", "events"},
        },
        delay_steps=1,
        rate_tolerance=RATE_TOLERANCE,
        hardware="SpiNNaker",
    )

    mapping: BoardMapping | None = None
    provenance: tuple[str, ...] = ()
    _board: BoardNetwork | None = None
    _receptors: dict[str, Receptors] | None = None
    _currents_lost: dict[str, float]

    # What it can do.

    @classmethod
    def capabilities_for(cls, options: Options) -> Capabilities:
        """Return the capabilities: the board's neurons reset to zero only."""
        assert isinstance(options, SpinnakerOptions), "made by options_type"  # noqa: S101
        if not options.on_board:
            return cls.capabilities
        settings = {**cls.capabilities.settings, "cell.reset": {"zero"}}
        return replace(cls.capabilities, settings=settings, softmax=False)

    def problems(self, network: Network) -> list[str]:
        """Return everything that cannot be simulated."""
        found = super().problems(network)
        given, options = self.settings.input, self.options
        if given.encoding == "events" and given.event_amplitude is None:
            found.append(
                "input.event_amplitude is not given; the board's weights need the value of an event"
            )
        found += options.problems_at(self.settings.simulation.dt)
        if options.on_board:
            found += options.board_problems(self.settings)
        if options.x_norm and self.settings.cell.reset != "zero":
            found.append(
                "spinnaker.x_norm calibrates thresholds for a reset to zero; set cell.reset = "
                "'zero', or leave it out"
            )
        if options.x_norm and given.encoding == "events":
            found.append(
                "spinnaker.x_norm calibrates thresholds with values, not with events; leave it out"
            )
        return found

    # Building.

    def _take(self, network: Any) -> None:
        super()._take(network)
        self._board = self._receptors = self.mapping = None
        self._currents_lost = {}
        is_calibrated = NOTE in network.history  # before it was saved
        if self.options.x_norm and self.settings.cell.reset == "zero" and not is_calibrated:
            data = load_dataset(self.options.x_norm)
            data = data.fit_to(input_shape=network.input.output_shape)
            x_b_l = network.input_data.as_floats(np.asarray(data.x_b_l[: self.options.num_norm]))
            self.network = calibrate_for_zero(network, x_b_l, self.settings)

    def setup_layers(self, input_shape: Shape) -> None:
        """Make the tables of the network; what was laid out for another one is forgotten."""
        self._board = self._receptors = None
        super().setup_layers(input_shape)

    def compile(self) -> None:
        """Lay the network out in the board's numbers, and map it if that is wanted.

        Raises
        ------
        SimulationError
            With the option ``serialise_only``, after the network has been written.
        """
        self.check_memory()
        self._board = self._receptors = None
        options, board = self.options, self.board
        if options.serialise_only:
            self._save_assembly(
                options.serialise_only, advice="name another folder in spinnaker.serialise_only"
            )
            raise SimulationError(
                f"The network was written to {options.serialise_only}, and nothing was simulated, "
                f"as spinnaker.serialise_only asks for. `python plain.py map .` in that folder "
                f"maps it with sPyNNaker, if that is installed, for the machine that the "
                f"spynnaker.cfg in it names; it needs no other configuration."
            )
        if options.on_board:
            require_spynnaker()
            require_room(board, options)
            self._require_quiet_start()
        if options.virtual:
            self.mapping = map_network(board, options)

    def _require_quiet_start(self) -> None:
        """Refuse neurons that begin at their threshold: a board compares resting ones, too."""
        problems = [
            f"{item.name}: potentials begin at the threshold or above, where a board spikes before "
            f"the layer's first tick; choose a v_init below 1"
            for item in self.board.populations
            if item.first_step and item.fires and (item.start_l >= item.threshold_l).any()
        ]
        if problems:
            raise UnsupportedError(problems, what="A board cannot run this network")

    @property
    def board(self) -> BoardNetwork:
        """The network as the board gets it."""
        if self._board is None:
            self._board = self._laid_out(is_signed=False)
        return self._board

    def _laid_out(self, *, is_signed: bool) -> BoardNetwork:
        return lay_out(self.tables, self.settings, self.options, self.timing, is_signed=is_signed)

    @property
    def details(self) -> Mapping[str, str]:
        """What computes the spikes, how neurons reset, and what the network takes on a board."""
        options, model = self.options, self.options.neuron_model
        found = {**super().details, "reset": self._reset_told()}
        if options.on_board:
            place = options.machine_name or options.spalloc_server
            found["engine"] = f"the board at {place}, {model}"
        else:
            found["engine"] = f"emulated in SpiNNaker's arithmetic, {model}; no board was used"
        found["rounding"] = describe_rounding(self.board, self._currents_lost)
        found |= describe_departures(self.board)
        if self.mapping is not None:
            found["mapping"] = "; ".join(self.mapping.lines())
        return found

    def _reset_told(self) -> str:
        if self.settings.cell.reset == "subtraction":
            return "by subtraction, which boards cannot do"
        if NOTE in self.network.history:
            source = f" with {self.options.x_norm}" if self.options.x_norm else ""
            return f"to zero, thresholds calibrated for it{source}"
        return "to zero; thresholds are not calibrated for it, see spinnaker.x_norm"

    # Simulating.

    @property
    def part_size(self) -> int:
        """Number of samples that are computed at once; a board gets whole batches."""
        if self.options.on_board:
            return self.batch_size
        cells = max([item.size for item in self.tables.populations], default=1)
        return max(1, PART_VALUES // (cells * self.settings.num_steps))

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch, part by part."""
        self.saturated: dict[str, int] = {}
        super().simulate(signal, recorder)

    def run_part(self, signal: InputSignal) -> Found:
        """Simulate some samples."""
        spiking = None if self.is_constant else self._spiking(signal)
        offsets = self._offsets(signal)
        if self.options.on_board:
            return self._on_board(signal, offsets, spiking)
        board = self.board
        spikes: dict[str, Events] = {}
        membranes: dict[str, Array] = {}

        def take(name: str, trace: Trace) -> None:
            self.checkpoint()
            if board[name].fires:
                step_e, sample_e, cell_e = (
                    part.astype(np.int32) for part in np.nonzero(trace.spikes_t_b_l)
                )
                spikes[name] = Events(sample_e, step_e, cell_e)
            if trace.v_t_b_l is not None:
                membranes[name] = self._in_network(name, trace.v_t_b_l)
            if trace.saturated:
                self.saturated[name] = self.saturated.get(name, 0) + trace.saturated

        if self._receptors is None:
            self._receptors = {item.name: Receptors(item) for item in board.populations}
        emulate(
            board,
            self._receptors,
            offsets=offsets,
            spikes_t_b_l=None if spiking is None else self._sent(signal, spiking),
            num_samples=len(signal.x_b_l),
            membranes=self.membranes,
            found=take,
        )
        return Found(spikes=spikes, membranes_t_b_l=membranes)

    def _on_board(
        self,
        signal: InputSignal,
        offsets: Mapping[str, Float64[Array, "b l"]],
        spiking: SpikingInput | None,
    ) -> Found:
        """Run some samples on the board."""
        if spiking is not None and (self._numbers(spiking) != 1).any():
            raise DataError(
                "Found input spikes that count several times; the board's sources spike once per "
                "tick. Scale the samples to at most 1."
            )
        ran = run_on_board(
            self.board,
            self.options,
            offsets=offsets,
            spiking=spiking,
            num_samples=len(signal.x_b_l),
            membranes=self.membranes,
        )
        self.provenance = tuple(ran.provenance)
        for line in ran.provenance:
            logger.warning("%s", line)
        potentials = {name: self._in_network(name, v) for name, v in ran.v_t_b_l.items()}
        return Found(spikes=ran.spikes, membranes_t_b_l=potentials)

    def _in_network(self, name: str, v_t_b_l: Float64[Array, "t b l"]) -> Array:
        """Return potentials of the board in the network's unit."""
        found: Array = (v_t_b_l / self.board[name].cell.unit).astype(np.float32)
        return found

    def _offsets(self, signal: InputSignal) -> dict[str, Float64[Array, "b l"]]:
        """Return the constant current of each population in nA."""
        found = {}
        for item in self.tables.populations:
            drive_b_l = constant_drive(self.tables, item, signal).astype(np.float64)
            population = self.board[item.name]
            cell = population.cell
            current_b_l = found[item.name] = cell.currents(drive_b_l)
            room = min(cell.most_current, fixed.LARGEST) - population.gathered
            if np.abs(current_b_l).max(initial=0) > room:
                raise DataError(
                    f"{item.name}: an input current leaves the range of +-65536 because input "
                    f"values are larger than spinnaker.input_max = {self.options.input_max:g}; "
                    f"raise it to the largest value, or scale the samples."
                )
            sources = {part.source for part in self.tables.into(item.name)}
            if self.is_constant and self.tables.input_name in sources:
                lost = fixed.change(current_b_l, cell.exact_currents(drive_b_l))
                self._currents_lost[item.name] = max(lost, self._currents_lost.get(item.name, 0.0))
        return found

    def _spiking(self, signal: InputSignal) -> SpikingInput:
        """Return the input spikes; negative ones get sources and synapses of their own."""
        spiking = SpikingInput.of(signal, self.tables.input_size)
        if spiking.is_signed and not self.board.is_signed:
            self._board, self._receptors = self._laid_out(is_signed=True), None
        return spiking

    def _numbers(self, spiking: SpikingInput) -> Array:
        """Return how often each sample's spikes are sent."""
        number_b: Array = np.asarray(spiking.amplitude_b) / np.float32(self.board.input_unit)
        return number_b

    def _sent(self, signal: InputSignal, spiking: SpikingInput) -> Array:
        """Return how often each source spikes in each tick."""
        number_b = self._numbers(spiking)
        if (number_b % 1).any():
            worst = float(number_b[number_b % 1 != 0][0])
            raise DataError(
                f"Found an input spike that counts {worst:g} times; the board's spikes have no "
                f"size, they can only be sent a whole number of times. Scale the samples to at "
                f"most 1."
            )
        shape = (self.settings.num_steps, len(signal.x_b_l), self.board.sources)
        spikes_t_b_l = np.zeros(shape, np.float32)
        events = spiking.events
        where = (events.step_e, events.sample_e, events.cell_e)
        np.add.at(spikes_t_b_l, where, number_b[events.sample_e])
        return spikes_t_b_l

    # Saving, under the names of snn_toolbox.

    def scale_weights(self, weights: Array) -> Array:
        """Return weights for sPyNNaker that move a potential by the given ones in mV."""
        factor = synapse_factor(
            self.options.neuron_model,
            tau_syn=self.options.tau_syn,
            dt_ms=self.settings.simulation.dt,
        )
        scaled: Array = np.asarray(weights) * factor
        return scaled

    def save(self, path: PathLikeStr, filename: str, *, overwrite: bool = False) -> None:
        """Write the network and its tables into a folder, which is made if it is missing."""
        make_folder(as_path(path))
        super().save(path, filename, overwrite=overwrite)

    def save_connections(
        self,
        path: PathLikeStr,
        *,
        kind: Literal["txt", "npz"] = "txt",
        overwrite: bool = False,
    ) -> list[Path]:
        """Write every projection to a file that plain PyNN reads, and return the files.

        Parameters
        ----------
        overwrite
            Whether files that are there may be replaced.

        Raises
        ------
        DataError
            If a file cannot be written, or is there already.
        """
        return save_connections(self.board, self.tables, path, kind=kind, overwrite=overwrite)

    def save_assembly(self, path: PathLikeStr, *, overwrite: bool = False) -> None:
        """Write the network into a folder, with a script that plain sPyNNaker runs.

        ``python plain.py map FOLDER`` maps it; the script's docstring tells the rest. Text files of
        all connections lie beside it, and a configuration of sPyNNaker with the machine that the
        options name, or a virtual board.

        Parameters
        ----------
        overwrite
            Whether files that are there may be replaced.

        Raises
        ------
        DataError
            If a file cannot be written, or is there already.
        """
        self._save_assembly(path, overwrite=overwrite)

    def _save_assembly(self, path: PathLikeStr, **how: Any) -> None:
        job = describe_job(self.board, self.options, membranes=self.membranes)
        save_assembly(self.board, self.tables, self.options, job, path, **how)

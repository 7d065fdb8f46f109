"""SpiNNaker: its side of the contract of snn-core."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from snn_core.errors import DataError
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
from snn_core.typing import Array, Float64
from snn_spinnaker import fixed
from snn_spinnaker.emulator import Receptors, Trace, emulate
from snn_spinnaker.layout import BoardNetwork, lay_out
from snn_spinnaker.options import SpinnakerOptions

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

    _board: BoardNetwork | None = None
    _receptors: dict[str, Receptors] | None = None

    # What it can do.

    def problems(self, network: Network) -> list[str]:
        """Return everything that cannot be simulated."""
        found = super().problems(network)
        given = self.settings.input
        if given.encoding == "events" and given.event_amplitude is None:
            found.append(
                "input.event_amplitude is not given; the board's weights need the value of an event"
            )
        return found

    # Building.

    def setup_layers(self, input_shape: tuple[int, ...]) -> None:
        """Make the tables of the network; what was laid out for another one is forgotten."""
        self._board = self._receptors = None
        super().setup_layers(input_shape)

    def compile(self) -> None:
        """Lay the network out in the board's numbers."""
        self.check_memory()
        self._board = self._receptors = None
        _ = self.board

    @property
    def board(self) -> BoardNetwork:
        """The network as the board gets it."""
        if self._board is None:
            self._board = self._laid_out(is_signed=False)
        return self._board

    def _laid_out(self, *, is_signed: bool) -> BoardNetwork:
        return lay_out(self.tables, self.settings, self.options, self.timing, is_signed=is_signed)

    # Simulating.

    @property
    def part_size(self) -> int:
        """Number of samples that are computed at once."""
        cells = max([item.size for item in self.tables.populations], default=1)
        return max(1, PART_VALUES // (cells * self.settings.num_steps))

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch, part by part."""
        self.saturated: dict[str, int] = {}
        super().simulate(signal, recorder)

    def run_part(self, signal: InputSignal) -> Found:
        """Simulate some samples."""
        spikes_t_b_l = None if self.is_constant else self._sent(signal)
        spikes: dict[str, Events] = {}
        membranes: dict[str, Array] = {}

        def take(name: str, trace: Trace) -> None:
            self.checkpoint()
            population = self.board[name]
            if population.fires:
                step_e, sample_e, cell_e = (
                    part.astype(np.int32) for part in np.nonzero(trace.spikes_t_b_l)
                )
                spikes[name] = Events(sample_e, step_e, cell_e)
            if trace.v_t_b_l is not None:
                membranes[name] = (trace.v_t_b_l / population.cell.unit).astype(np.float32)
            if trace.saturated:
                self.saturated[name] = self.saturated.get(name, 0) + trace.saturated

        board = self.board
        if self._receptors is None:
            self._receptors = {item.name: Receptors(item) for item in board.populations}
        emulate(
            board,
            self._receptors,
            offsets=self._offsets(signal),
            spikes_t_b_l=spikes_t_b_l,
            num_samples=len(signal.x_b_l),
            membranes=self.membranes,
            found=take,
        )
        return Found(spikes=spikes, membranes_t_b_l=membranes)

    def _offsets(self, signal: InputSignal) -> dict[str, Float64[Array, "b l"]]:
        """Return the constant current of each population in nA."""
        found = {}
        dt = self.settings.simulation.dt
        for item in self.tables.populations:
            drive_b_l = constant_drive(self.tables, item, signal).astype(np.float64) / dt
            found[item.name] = drive_b_l * self.board[item.name].cell.unit
            if not fixed.in_range(found[item.name]):
                raise DataError(
                    f"{item.name}: an input current leaves the range of +-65536 because input "
                    f"values are larger than spinnaker.input_max; raise it to the largest value, "
                    f"or scale the samples."
                )
        return found

    def _sent(self, signal: InputSignal) -> Array:
        """Return how often each source spikes in each tick; negative spikes have their own."""
        events = signal.events()
        number_e = np.asarray(events.value_e) / np.float32(self.board.input_unit)
        if (number_e % 1).any():
            worst = float(np.abs(number_e[number_e % 1 != 0][0]))
            raise DataError(
                f"Found an input spike that counts {worst:g} times; the board's spikes have no "
                f"size, they can only be sent a whole number of times. Scale the samples to at "
                f"most 1."
            )
        if (number_e < 0).any() and not self.board.is_signed:
            self._board, self._receptors = self._laid_out(is_signed=True), None
        shape = (self.settings.num_steps, len(signal.x_b_l), self.board.sources)
        spikes_t_b_l = np.zeros(shape, np.float32)
        cell_e = events.cell_e + np.where(number_e < 0, self.tables.input_size, 0)
        np.add.at(spikes_t_b_l, (events.step_e, events.sample_e, cell_e), np.abs(number_e))
        return spikes_t_b_l

    @classmethod
    def capabilities_for(cls, options: Options) -> Capabilities:
        """Return the capabilities: the board's neurons reset to zero only."""
        assert isinstance(options, SpinnakerOptions), "made by options_type"  # noqa: S101
        if not options.on_board:
            return cls.capabilities
        settings = {**cls.capabilities.settings, "cell.reset": {"zero"}}
        return replace(cls.capabilities, settings=settings, records=frozenset({"spiketrains"}))

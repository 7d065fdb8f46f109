"""A network as a netlist: where its layers are, its stimuli, and its spikes among events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from snn_core.errors import SimulationError
from snn_core.ir import Network
from snn_core.ir.connectivity import Synapses
from snn_core.ir.shapes import count
from snn_core.recording.spike_trains import Events
from snn_core.typing import Array
from snn_megasim.files import RESET, EventList, Netlist
from snn_megasim.files.attributes import LARGEST
from snn_megasim.translate.integers import Scale
from snn_megasim.translate.matrices import populations_before
from snn_megasim.translate.outlets import Outlet
from snn_megasim.translate.schedule import SPIKES_PER_STEP, Schedule

INPUT, BIAS, INITIAL, RESETS = "InputLayer", "bias_clk", "initial", "reset_event"


def update_node(depth: int) -> str:
    """Return the name of the node that asks the layers of a depth for spikes."""
    return f"update_clk_{depth}"


def current_node(sample: int) -> str:
    """Return the name of the node that brings the constant input of a sample, step by step."""
    return f"current_{sample}"


OWN = ("current_", "update_clk_")
"""How names of nodes begin that no layer may have."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Neurons of a layer among the modules, or the input.

    Parameters
    ----------
    outlets
        Their nodes.
    depth
        Populations on the longest path from the input; 0 for the input itself.
    scale
        Its integers.
    reads_only
        Whether it has no threshold, because its potentials are read.
    has_idle
        Whether its modules have neurons beside the grid of a stride, which must not spike.
    """

    outlets: tuple[Outlet, ...]
    depth: int
    scale: Scale
    reads_only: bool = False
    has_idle: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Translation:
    """A network as a netlist without stimuli.

    Parameters
    ----------
    netlist
        Modules; stimuli are those of no sample.
    populations
        Layer name, or the input's, to where it is.
    schedule
        Times.
    currents
        Under constant input, layer name to the synapses from the input into it.
    """

    netlist: Netlist
    input_name: str
    populations: Mapping[str, Population]
    schedule: Schedule
    currents: Mapping[str, Synapses] = field(default_factory=dict)

    def stimuli(self, spikes: Events | None, *, num_samples: int) -> dict[str, EventList]:
        """Return the stimuli of a run.

        Parameters
        ----------
        spikes
            Input spikes; values are whole numbers, how many times each is sent. ``None`` under
            constant input.
        num_samples
            Samples that follow each other.

        Raises
        ------
        SimulationError
            If they take longer than the files can tell.
        """
        schedule = self.schedule
        if schedule.period * num_samples > LARGEST:
            raise SimulationError(
                f"{num_samples} samples of {schedule.num_steps} steps take "
                f"{schedule.period * num_samples} units of time; MegaSim's files hold at most "
                f"{LARGEST}. Simulate fewer steps."
            )
        found = {} if spikes is None else self._input_stimuli(spikes)
        sample_e = np.repeat(np.arange(num_samples), schedule.num_steps)
        step_e = np.tile(np.arange(schedule.num_steps), num_samples)
        begin_e = np.arange(num_samples) * schedule.period
        steps_e = schedule.input_times(sample_e, step_e)
        if spikes is None:
            for sample in range(num_samples):
                file = stimulus_file(current_node(sample))
                found[file] = _control(steps_e[sample_e == sample])
        for source in self.netlist.schematic.sources:
            if source.node == BIAS:
                found[source.file] = _control(steps_e)
            elif source.node == INITIAL:
                found[source.file] = _control(begin_e)
            elif source.node == RESETS:
                found[source.file] = _control(begin_e + schedule.reset, row=RESET, sign=RESET)
            elif source.file not in found:
                depth = int(source.node.rpartition("_")[2])
                found[source.file] = _updates(schedule, begin_e, steps_e, depth)
        return found

    def _input_stimuli(self, spikes: Events) -> dict[str, EventList]:
        value_e = np.ones(len(spikes.cell_e)) if spikes.value_e is None else spikes.value_e
        times_e = np.abs(value_e).astype(np.int64)
        sample_e, step_e, cell_e = (np.repeat(np.asarray(column), times_e) for column in spikes[:3])
        sign_e = np.repeat(np.sign(value_e).astype(np.int64), times_e)
        time_e = self.schedule.input_times(sample_e, step_e)
        order = np.lexsort((cell_e, time_e))
        found = {}
        for outlet in self.populations[self.input_name].outlets:
            place = _place_of(outlet, int(max(cell_e.max(initial=0), outlet.cells_yx.max())) + 1)
            mine = order[place[cell_e[order]] >= 0]
            row_e, column_e = np.divmod(place[cell_e[mine]], outlet.cells_yx.shape[1])
            found[stimulus_file(outlet.node)] = EventList(
                time_e=time_e[mine], x_e=column_e, y_e=row_e, sign_e=sign_e[mine]
            )
        return found


def stimulus_file(node: str) -> str:
    """Return the name of the stimulus file of a source."""
    return f"{node}.stim"


def _place_of(outlet: Outlet, size: int) -> Array:
    place = np.full(size, -1)
    place[outlet.cells_yx.reshape(-1)] = np.arange(outlet.cells_yx.size)
    return place


def _control(time_e: Array, *, row: int = 0, sign: int = 1) -> EventList:
    zeros = np.zeros(len(time_e), np.int64)
    return EventList(time_e=time_e, x_e=zeros, y_e=zeros + row, sign_e=zeros + sign)


def _updates(schedule: Schedule, begin_e: Array, steps_e: Array, depth: int) -> EventList:
    """Return the events that ask layers of a depth: down before the first step, then up, down."""
    up_e = steps_e + schedule.ask_offset(depth)
    time_e = np.concatenate([begin_e, up_e, up_e + 1])
    sign_e = np.concatenate([-np.ones_like(begin_e), np.ones_like(up_e), -np.ones_like(up_e)])
    order = np.argsort(time_e, kind="stable")
    zeros = np.zeros(len(time_e), np.int64)
    return EventList(time_e=time_e[order], x_e=zeros, y_e=zeros, sign_e=sign_e[order])


def _require_addresses(outlet: Outlet, events: EventList) -> None:
    """Raise unless all events of a node have addresses of its layer."""
    rows, columns = outlet.cells_yx.shape
    beyond = (events.y_e < 0) | (events.y_e >= rows) | (events.x_e < 0) | (events.x_e >= columns)
    if beyond.any():
        first = int(beyond.argmax())
        raise SimulationError(
            f"Node {outlet.node!r} has an event with address ({events.x_e[first]}, "
            f"{events.y_e[first]}); expected columns below {columns} and rows below {rows}."
        )


def layer_events(
    translation: Translation, name: str, events: Mapping[str, EventList]
) -> tuple[Events, int]:
    """Return the spikes of a layer from the events of its nodes, and how late the latest came.

    Under a clock, a spike that comes at another time than its layer is asked is one too many.
    """
    population = translation.populations[name]
    parts: list[Sequence[Array]] = []
    worst = 0
    for outlet in population.outlets:
        found = events[outlet.node]
        _require_addresses(outlet, found)
        sample_e, step_e, late_e = translation.schedule.steps_of(found.time_e, population.depth)
        worst = max(worst, int(np.abs(late_e).max(initial=0)))
        cell_e = outlet.cells_yx[found.y_e, found.x_e]
        parts.append((sample_e, step_e, cell_e, found.sign_e))
    sample_e, step_e, cell_e, sign_e = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Events(sample_e, step_e, cell_e, sign_e), worst


def require_rates(network: Network, translation: Translation, found: Mapping[str, Events]) -> None:
    """Raise if neurons spiked more often than neurons that must not spike have room for.

    Without a clock, spikes of neurons beside a stride's grid look like those of their neighbours.

    Parameters
    ----------
    found
        Spikes of each layer in a run.
    """
    most = SPIKES_PER_STEP * translation.schedule.num_steps
    for layer in network.spiking_layers:
        if not translation.populations[layer.name].has_idle:
            continue
        for source in sorted(populations_before(network, layer) & set(found)):
            sample_e, _, cell_e, _ = found[source]
            cells = count(network[source].output_shape)
            number_c = np.bincount(np.asarray(sample_e, np.int64) * cells + cell_e)
            if number_c.max(initial=0) > most:
                raise SimulationError(
                    f"A neuron of layer {source!r} spiked {number_c.max()} times in "
                    f"{translation.schedule.num_steps} steps; neurons of {layer.name!r} that must "
                    f"not spike have room for {most} of its spikes. Use schedule = 'clocked', or "
                    f"normalise the network so that neurons spike at most once in a step."
                )

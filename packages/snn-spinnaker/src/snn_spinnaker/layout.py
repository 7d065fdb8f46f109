"""A network as sPyNNaker receives it: populations, and projections for each receptor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir.timing import Timing
from snn_core.neurons.arithmetic import refractory_steps
from snn_core.settings import Settings
from snn_core.simulation.signal import input_unit
from snn_core.simulation.synapses.tables import INTEGRATORS, Connection, Population, Tables
from snn_core.typing import Array, Float64, Int64
from snn_spinnaker import fixed, scaling
from snn_spinnaker.models import Cell, choose_cell
from snn_spinnaker.options import SpinnakerOptions


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Synapses of one receptor between two populations.

    Parameters
    ----------
    source, target
        Names of the populations.
    receptor
        0: excitatory, 1: inhibitory.
    shape
        Number of source and target cells.
    pre, post
        Source and target cell of each synapse.
    weight
        Weights without sign, as sPyNNaker is given them: nA, or mV for delta synapses.
    delay_steps
        Ticks from a spike to its effect.
    """

    source: str
    target: str
    receptor: int
    shape: tuple[int, int]
    pre: Int64[Array, "s"]
    post: Int64[Array, "s"]
    weight: Float64[Array, "s"]
    delay_steps: int


@dataclass(frozen=True, kw_only=True, eq=False)
class BoardPopulation:
    """Neurons of a layer.

    Parameters
    ----------
    name
        Name of the layer.
    cell
        Their parameters.
    fires
        Whether they have a threshold.
    threshold_l, start_l
        Thresholds and first potentials in mV.
    offset_l
        Constant current in nA, without that of a constant input.
    first_step
        Tick in which they begin; they rest until then.
    expected
        Largest sum of weights in a tick, for each receptor, that sPyNNaker is told to expect;
        ``None`` leaves it to sPyNNaker.
    shifts
        Left shifts of the ring buffers.
    projections
        Synapses onto them.
    changes
        By how much thresholds and biases change as numbers of the board, and the charge of a spike
        by what is given in excess; root mean squares over those of the values, where not 0.
    """

    name: str
    cell: Cell
    fires: bool
    threshold_l: Float64[Array, "l"]
    start_l: Float64[Array, "l"]
    offset_l: Float64[Array, "l"]
    first_step: int
    expected: tuple[float, float] | None
    shifts: tuple[int, int]
    projections: tuple[Projection, ...]
    changes: Mapping[str, float]

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.threshold_l)

    def into(self, receptor: int) -> Iterator[Projection]:
        """Yield the projections onto a receptor."""
        return (item for item in self.projections if item.receptor == receptor)

    def quantised(self, item: Projection) -> Int64[Array, "s"]:
        """Return the 16 bits of a projection's weights."""
        return scaling.quantised(item.weight, self.shifts[item.receptor])

    @property
    def rounding(self) -> dict[str, float]:
        """By how much weights, thresholds, biases and the charge of spikes change.

        Of weights it is the root mean square of the change over that of the weights, 0 for a
        population without synapses.
        """
        changed, total = 0.0, 0.0
        for item in self.projections:
            scale = scaling.weight_scale(self.shifts[item.receptor])
            changed += float(((self.quantised(item) / scale - item.weight) ** 2).sum())
            total += float((item.weight**2).sum())
        weights = math.sqrt(changed / total) if total else 0.0
        return {"weights": weights, **self.changes}

    @cached_property
    def gathered(self) -> float:
        """Largest current in nA that the synapses bring in a tick."""
        sums = []
        for receptor in range(len(scaling.RECEPTORS)):
            lists = [(part.post, part.weight) for part in self.into(receptor)]
            sums.append(scaling.largest_sum(lists, self.size))
        return max(sums) * self.cell.constants.gain(self.cell.model) / self.cell.dt_ms


@dataclass(frozen=True, kw_only=True, eq=False)
class BoardNetwork:
    """All populations, in topological order.

    Parameters
    ----------
    input_name, sources
        Name of the input, and number of its spike sources; 0 under constant current.
    input_unit
        Value of an input spike, which is part of the weights.
    is_signed
        Whether the second half of the sources stands for negative spikes.
    """

    input_name: str
    sources: int
    input_unit: float
    is_signed: bool
    populations: tuple[BoardPopulation, ...]
    dt_ms: float
    num_steps: int
    timing: Timing
    rest_steps: int
    soft: bool

    def __getitem__(self, name: str) -> BoardPopulation:
        """Return a population by name."""
        return next(item for item in self.populations if item.name == name)

    @property
    def projections(self) -> list[Projection]:
        """All projections, in the order of their targets."""
        return [item for population in self.populations for item in population.projections]


def lay_out(
    tables: Tables,
    settings: Settings,
    options: SpinnakerOptions,
    timing: Timing,
    *,
    is_signed: bool = False,
) -> BoardNetwork:
    """Return a network as the board gets it.

    Parameters
    ----------
    tables
        Populations and connections.
    is_signed
        Whether there are negative input spikes, which get sources and synapses of their own.

    Raises
    ------
    UnsupportedError
        Lists what does not fit into the board's numbers.
    """
    constant = settings.input.encoding == "constant"
    maker = _Maker(tables, settings, options, timing, is_signed=is_signed, constant=constant)
    populations = tuple(maker.population(item) for item in tables.populations)
    if maker.problems:
        raise UnsupportedError(maker.problems, what="This network does not fit into s16.15 numbers")
    return BoardNetwork(
        input_name=tables.input_name,
        sources=0 if constant else tables.input_size * (1 + is_signed),
        input_unit=maker.input_unit,
        is_signed=is_signed,
        populations=populations,
        dt_ms=settings.simulation.dt,
        num_steps=settings.num_steps,
        timing=timing,
        rest_steps=refractory_steps(settings),
        soft=settings.cell.reset == "subtraction",
    )


class _Maker:
    """Makes populations and collects what does not fit."""

    def __init__(
        self, tables: Tables, settings: Settings, options: SpinnakerOptions, timing: Timing, *,
        is_signed: bool, constant: bool,
    ) -> None:  # fmt: skip
        self.tables, self.settings, self.options = tables, settings, options
        self.timing, self.is_signed, self.constant = timing, is_signed, constant
        self.input_unit = input_unit(settings)
        self.problems: list[str] = []

    def population(self, item: Population) -> BoardPopulation:
        """Return a population with its projections."""
        options, dt = self.options, self.settings.simulation.dt
        fires = item.role != INTEGRATORS
        lists = [part for each in self.tables.into(item.name) for part in self._split(each)]
        cell = choose_cell(
            options.neuron_model,
            largest=self._largest(item, lists),
            threshold=float(item.threshold_l.max()) if fires else None,
            tau_syn=options.tau_syn,
            dt_ms=dt,
            rest_ms=refractory_steps(self.settings) * dt,
        )
        projections = tuple(self._projection(part, cell) for part in lists)
        expected, shifts = self._shifts(projections, item.size)
        threshold_l = cell.thresholds(item.threshold_l)
        drive_l = item.current_l.astype(np.float64) * dt
        changes = {
            "biases": fixed.change(cell.currents(drive_l), cell.exact_currents(drive_l)),
            "spikes": cell.excess,
        }
        if fires:
            changes["thresholds"] = fixed.change(threshold_l, item.threshold_l * cell.unit)
        made = BoardPopulation(
            name=item.name,
            cell=cell,
            fires=fires,
            threshold_l=threshold_l if fires else np.full(item.size, fixed.LARGEST),
            start_l=item.start_l.astype(np.float64) * cell.unit,
            offset_l=cell.currents(drive_l),
            first_step=self.timing.first_step[item.name],
            expected=expected,
            shifts=shifts,
            projections=projections,
            changes={what: value for what, value in changes.items() if value},
        )
        self._check(made)
        return made

    def _split(self, item: Connection) -> Iterator[Projection]:
        """Yield the synapses of a connection by receptor, in the network's weights."""
        is_input = item.source == self.tables.input_name
        if is_input and self.constant:
            return
        pre, post, weight = item.pre, item.post, item.weight_s.astype(np.float64)
        sources, targets = item.shape
        if is_input:
            weight = weight * self.input_unit
            if self.is_signed:
                pre = np.concatenate([pre, pre + sources])
                post, weight = np.tile(post, 2), np.concatenate([weight, -weight])
                sources *= 2
        first = self.timing.first_step
        delay = first[item.target] - first[item.source]
        for receptor, chosen in enumerate((weight > 0, weight < 0)):
            if chosen.any():
                yield Projection(
                    source=item.source,
                    target=item.target,
                    receptor=receptor,
                    shape=(sources, targets),
                    pre=pre[chosen].astype(np.int64),
                    post=post[chosen].astype(np.int64),
                    weight=np.abs(weight[chosen]),
                    delay_steps=delay,
                )

    def _largest(self, item: Population, lists: Sequence[Projection]) -> float:
        """Return the most that can arrive in a step, in the network's potential."""
        sums_l = np.zeros((2, item.size))
        for part in lists:
            sums_l[part.receptor] += np.bincount(part.post, part.weight, minlength=item.size)
        steady_l = np.abs(item.current_l.astype(np.float64))
        if self.constant:
            for each in self.tables.into(item.name):
                if each.source == self.tables.input_name:
                    sums = np.bincount(each.post, np.abs(each.weight_s), minlength=item.size)
                    steady_l += sums * self.options.input_max
        steady_l *= self.settings.simulation.dt
        return float((sums_l.max(axis=0) + steady_l).max(initial=0))

    def _projection(self, part: Projection, cell: Cell) -> Projection:
        """Return a projection with weights as the board gets them."""
        return Projection(**{**vars(part), "weight": part.weight * cell.weight_factor})

    def _shifts(
        self, projections: Sequence[Projection], size: int
    ) -> tuple[tuple[float, float] | None, tuple[int, int]]:
        """Return what sPyNNaker is told to expect, and the shifts that follow."""
        dt_ms, sums = self.settings.simulation.dt, []
        told = self.options.expected_weights == "sums"
        for receptor in range(len(scaling.RECEPTORS)):
            lists = [(p.post, p.weight) for p in projections if p.receptor == receptor]
            sums.append(
                scaling.largest_sum(lists, size)
                if told
                else scaling.expected_sum(lists, dt_ms=dt_ms)
            )
        shifts = (scaling.left_shift(sums[0]), scaling.left_shift(sums[1]))
        return ((sums[0], sums[1]) if told else None), shifts

    def _advice(self) -> str:
        """Return what makes smaller sums of what arrives in a step."""
        if self.constant:
            given = f"spinnaker.input_max = {self.options.input_max:g}"
            return f"normalize the network, or lower {given} to the largest input value"
        return "normalize the network"

    def _check(self, made: BoardPopulation) -> None:
        """Note what cannot be written as an s16.15 number, or vanishes in it."""
        values = {"thresholds": made.threshold_l, "biases": made.offset_l, "starts": made.start_l}
        for what, value_l in values.items():
            if not fixed.in_range(value_l):
                self.problems.append(
                    f"{made.name}: {what} up to {np.abs(value_l).max():g} mV leave the range of "
                    f"+-65536; normalize the network"
                )
        if made.fires and (fixed.encoded(made.threshold_l) < 1).any():
            self.problems.append(
                f"{made.name}: a threshold of {made.threshold_l.min():g} mV is below the smallest "
                f"number, 2**-15; weights sum up to {made.cell.unit:g} mV for a threshold; "
                f"{self._advice()}"
            )
        if max(made.shifts) > scaling.MOST_SHIFT:
            self.problems.append(
                f"{made.name}: weights that sum up to 2**{max(made.shifts)} leave the range of "
                f"+-65536; normalize the network"
            )

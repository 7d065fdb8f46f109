"""The Brian2 objects of a network.

Within Brian2's slot ``synapses`` the actions of population k have the orders 4k to 4k+3: update,
threshold, reset, outgoing synapses. Populations follow the layers' topological order, so that a
spike reaches all populations behind in the step in which it occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_brian2 import equations
from snn_core.ir.timing import Timing
from snn_core.simulation.synapses.tables import (
    CELLS,
    INTEGRATORS,
    Connection,
    Population,
    Tables,
    cells_of,
    layer_of,
)
from snn_core.typing import Array

SLOT = "synapses"
UPDATE, THRESHOLD, RESET, HAND_ON = range(4)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a network is laid out in Brian2.

    Parameters
    ----------
    dt_ms
        Length of a step.
    steps
        Steps per sample.
    timing
        When populations begin, and how long spikes take.
    copies
        Copies of the network side by side.
    cell
        Equations of the neurons.
    decay, leak
        Factor and part of the threshold by which potentials shrink in a step.
    rest_steps
        Steps that a neuron rests after a spike.
    is_constant
        Whether the input is a constant current; otherwise it spikes.
    membranes
        Names of the populations whose potentials are recorded.
    """

    dt_ms: float
    steps: int
    timing: Timing
    copies: int
    cell: equations.Cell
    decay: float
    leak: float
    rest_steps: int
    is_constant: bool
    membranes: tuple[str, ...]

    @property
    def period(self) -> int:
        """Steps from sample to sample.

        Samples follow each other without a pause, even where spikes are delayed: what a population
        sends in one of its own steps arrives in the same step of the next population's own.
        """
        return self.steps

    def late(self, name: str) -> int:
        """Return the step in which a population begins."""
        return self.timing.first_step[layer_of(name)]

    def run_steps(self, rounds: int) -> int:
        """Return the steps that so many samples take, one after the other."""
        return rounds * self.period + self.timing.output_delay


class Objects:
    """All Brian2 objects of a network, made from its tables.

    Parameters
    ----------
    tables, plan
        What to make and how.
    checkpoint
        Called in every step; ``None`` where Brian2 runs without Python.
    shares_kernels
        Whether synapses hold places in a kernel rather than weights. Brian2's cython target knows
        no 16-bit integers, and a place would take as much memory as a weight there.
    """

    def __init__(
        self,
        tables: Tables,
        plan: Plan,
        *,
        checkpoint: Callable[[], None] | None,
        shares_kernels: bool = True,
    ) -> None:
        import brian2

        self._brian2 = brian2
        self.tables, self.plan = tables, plan
        self._shares_kernels, self._in_process = shares_kernels, checkpoint is not None
        self.clock = brian2.Clock(dt=plan.dt_ms * brian2.ms, name="steps_clock")
        self.groups: dict[str, Any] = {}
        self.connections: list[Any] = []
        self.spikemonitors: dict[str, Any] = {}
        self.statemonitors: dict[str, Any] = {}
        self._orders: dict[str, int] = {}
        if not plan.is_constant:
            self._add_input()
        for number, population in enumerate(tables.populations, start=1):
            self._add_population(number, population)
        for connection in tables.connections:
            # Brian2 refuses synapses that there are none of.
            if len(connection) and not self.is_current(connection):
                self._connect(connection)
        self.network = brian2.Network(*self.groups.values(), *self.connections, name="snn")
        if checkpoint is not None:
            operation = brian2.NetworkOperation(checkpoint, clock=self.clock, name="checkpoint")
            self.network.add(operation)

    def is_current(self, connection: Connection) -> bool:
        """Return whether a connection carries a constant current, which has no spikes."""
        return self.plan.is_constant and connection.source == self.tables.input_name

    def driven_by_input(self, population: Population) -> bool:
        """Return whether a population receives a constant current from the input."""
        return any(self.is_current(item) for item in self.tables.into(population.name))

    def current_name(self, population: Population) -> str:
        """Return the name under which the constant input of a population is looked up."""
        return f"current_{self._orders[population.name] // 4}"

    def coefficient_name(self, population: Population) -> str:
        """Return the name of the coefficients of max pooling's running rates."""
        return f"coefficient_{self._orders[population.name] // 4}"

    # Groups of neurons.

    def _add_input(self) -> None:
        group = self._group(
            self.tables.input_name,
            0,
            size=self.tables.input_size,
            model=equations.INPUT,
            threshold=equations.INPUT_THRESHOLD,
            reset="",
        )
        self._every_step(group, 0, "x = stimulus(t, i)")

    def _add_population(self, number: int, population: Population) -> None:
        self._orders[population.name] = 4 * number
        if population.role == CELLS:
            self._add_cells(number, population)
            return
        cell, window_l_k, copies = self.plan.cell, population.window_l_k, self.plan.copies
        model, spikes, signed = cell.model, {}, population.sign_l is not None
        if window_l_k is not None:
            model += equations.window_model(window_l_k.shape[1], signed=signed)
        if population.role != INTEGRATORS:
            spikes = {"threshold": cell.threshold, "reset": cell.after_spike}
        group = self._group(population.name, number, size=population.size, model=model, **spikes)
        fresh = self._fresh(population)
        _fill(group, "theta", np.tile(population.threshold_l, copies))
        _fill(group, "v_start", np.tile(population.start_l, copies))
        if cell.decays:
            group.decay = self.plan.decay
        if cell.leaks:
            leakage_l = population.threshold_l * np.float32(self.plan.leak)
            _fill(group, "leakage", np.tile(leakage_l, copies))
        if window_l_k is None:
            current_l = population.current_l * np.float32(self.plan.dt_ms)
            _fill(group, "current", np.tile(current_l, copies))
            *first, last = cell.updates(fresh=fresh, drive=self._drive(population))
            updates = (*first, f"{last}arrived = 0\n")
        else:
            # Pooling has no bias; the scale of its channel does not depend on the step.
            _fill(group, "current", np.tile(population.current_l, copies))
            if population.sign_l is not None:
                _fill(group, "side", np.tile(population.sign_l, copies))
            self._link_window(group, population)
            by_sum = population.method == "pre_spike_max"
            choice = equations.choose_in_window(window_l_k.shape[1], by_sum=by_sum, signed=signed)
            updates = cell.updates(fresh=fresh, drive="chosen * current", before=choice)
        for part, code in enumerate(updates):
            self._every_step(group, number, code, part=part)

    def _add_cells(self, number: int, population: Population) -> None:
        """Add the inputs of max pooling."""
        group = self._group(population.name, number, size=population.size, model=equations.CELLS)
        current_l = population.current_l * np.float32(self.plan.dt_ms)
        _fill(group, "current", np.tile(current_l, self.plan.copies))
        late = self.plan.late(population.name)
        code = equations.update_cells(
            fresh=self._fresh(population),
            drive=self._drive(population),
            coefficient=equations.looked_up(self.coefficient_name(population), late),
        )
        self._every_step(group, number, code)

    def _drive(self, population: Population) -> str:
        """Return what a population adds up in a step."""
        if self.driven_by_input(population):
            name, late = self.current_name(population), self.plan.late(population.name)
            return f"arrived + {equations.looked_up(name, late, cell=', i')}"
        return "arrived + current"

    def _fresh(self, population: Population) -> str:
        return equations.fresh(self.plan.late(population.name), self.plan.period)

    def _link_window(self, group: Any, population: Population) -> None:
        """Let each neuron of max pooling read the cells of its window in its own copy."""
        cells = self.groups[cells_of(population.name)]
        stride = len(cells) // self.plan.copies
        window_l_k = _within(population, stride)
        for k in range(window_l_k.shape[1]):
            index = _in_copies(window_l_k[:, k], stride, self.plan.copies).astype(np.int64)
            setattr(group, f"x{k}", self._brian2.linked_var(cells, "x", index=index))
            setattr(group, f"rate{k}", self._brian2.linked_var(cells, "rate", index=index))

    def _group(self, name: str, number: int, *, size: int, model: str, **spikes: str) -> Any:
        group = self._brian2.NeuronGroup(
            size * self.plan.copies,
            model,
            clock=self.clock,
            dtype=np.float32,
            name=f"population_{number}",
            **spikes,
        )
        if spikes:
            group.set_event_schedule("spike", when=SLOT, order=4 * number + THRESHOLD)
            resetter = group.resetter.get("spike")
            if resetter is not None:
                resetter.when, resetter.order = SLOT, 4 * number + RESET
        self.groups[name] = group
        self._orders[name] = 4 * number
        return group

    def _every_step(self, group: Any, number: int, code: str, *, part: int = 0) -> None:
        # Actions of equal order run in the order of their names.
        name = f"{group.name}_update_{part}"
        order = 4 * number + UPDATE
        group.run_regularly(code, clock=self.clock, when=SLOT, order=order, name=name)

    # Synapses.

    def _connect(self, connection: Connection) -> None:
        number, copies = len(self.connections), self.plan.copies
        source, target = self.groups[connection.source], self.groups[connection.target]
        delay_steps = self.plan.late(connection.target) - self.plan.late(connection.source)
        amplitude = ""
        if connection.source == self.tables.input_name:
            # When the spike arrives, the input's value is that of another step already.
            sent = equations.looked_up("stimulus", delay_steps, cell=", i_pre")
            amplitude = f" * {sent}" if delay_steps else " * x_pre"
        synapses = self._brian2.Synapses(
            source,
            target,
            on_pre=f"arrived_post += w{amplitude}",
            delay=delay_steps * self.plan.dt_ms * self._brian2.ms,
            clock=self.clock,
            name=f"synapses_{number}",
        )
        synapses.pre.when = SLOT
        synapses.pre.order = self._orders[connection.source] + HAND_ON
        pre = _in_copies(connection.pre, len(source) // copies, copies)
        post = _in_copies(connection.post, len(target) // copies, copies)
        if self._in_process:
            _set_synapses(synapses, pre, post)
        else:
            synapses.connect(i=pre, j=post)
        self._add_weights(synapses, connection)
        self.connections.append(synapses)

    def _add_weights(self, synapses: Any, connection: Connection) -> None:
        """Give synapses their weights, or a place each in the kernel that they share."""
        copies = self.plan.copies
        if connection.index is None or not self._shares_kernels:
            _add_constants(synapses, "w", np.tile(connection.weight_s, copies))
            return
        _add_constants(synapses, "place", np.tile(connection.index, copies))
        _add_constants(synapses, "w", connection.weight, index="place")

    # Monitors.

    def add_monitors(self) -> None:
        """Replace all monitors by empty ones."""
        old = [*self.spikemonitors.values(), *self.statemonitors.values()]
        if old:
            self.network.remove(*old)
        for population in self.tables.populations:
            name, group = population.name, self.groups[population.name]
            if population.role not in (CELLS, INTEGRATORS):
                self.spikemonitors[name] = self._brian2.SpikeMonitor(
                    group, name=f"{group.name}_spikes"
                )
            if name in self.plan.membranes:
                self.statemonitors[name] = self._brian2.StateMonitor(
                    group, "v", record=True, clock=self.clock, when="end", name=f"{group.name}_v"
                )
        self.network.add(*self.spikemonitors.values(), *self.statemonitors.values())

    def namespace(self, timed_arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the equations refer to."""
        numbers = {"period": self.plan.period, "rest_steps": self.plan.rest_steps}
        return {**numbers, **timed_arrays}


def _fill(group: Any, name: str, values: Array) -> None:
    """Set a state variable, without the checks of units by which Brian2 takes longer."""
    group.variables[name].set_value(values)


def _set_synapses(synapses: Any, pre: Array, post: Array) -> None:
    """Do what `Synapses.connect` does with arrays, without generating and running code for it."""
    synapses._resize(len(pre))
    synapses.variables["_synaptic_pre"].set_value(pre)
    synapses.variables["_synaptic_post"].set_value(post)
    synapses._update_synapse_numbers(0)
    for name in ("_synaptic_pre", "_synaptic_post", "N_incoming", "N_outgoing"):
        variable = synapses.variables[name]
        variable.size = len(variable.get_value())


def _add_constants(synapses: Any, name: str, values: Array, *, index: str | None = None) -> None:
    """Add a constant of each synapse, or one that each looks up by its index.

    Brian2's own synaptic variables can grow, know fewer types (no 16-bit integers) and are kept
    twice while they are set; nothing of that is needed here.
    """
    synapses.variables.add_array(
        name,
        size=len(values),
        values=values,
        dtype=values.dtype,
        constant=True,
        read_only=True,
        index=index,
    )
    synapses.pre.variables.add_reference(name, synapses, index=index)


def _within(population: Population, size: int) -> Array:
    """Return the cells of windows; cells outside the image are exchanged for the first inside.

    The same cell twice makes no difference to which is the first of the largest or smallest. A
    window without a cell inside reads any: its neuron has the scale 0.
    """
    window_l_k: Any = population.window_l_k
    inside_l_k = window_l_k < size
    first_l = inside_l_k.argmax(axis=1)[:, None]
    cells: Array = np.where(inside_l_k, window_l_k, np.take_along_axis(window_l_k, first_l, axis=1))
    return np.minimum(cells, size - 1)


def _in_copies(cells: Array, size: int, copies: int) -> Array:
    """Return cell numbers in all copies, one copy after the other."""
    if copies == 1:
        return cells
    first = np.arange(copies, dtype=np.int32)[:, None] * np.int32(size)
    everywhere: Array = (first + cells).reshape(-1)
    return everywhere

"""The engine: state of a run, its events and its errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from snn_core.errors import SimulationError
from snn_core.typing import Array, Int64
from snn_megasim.engine.columns import Clock, Event, Of, Status
from snn_megasim.engine.layout import lay_out
from snn_megasim.files import EventList, Netlist
from snn_megasim.files.attributes import LARGEST

FIRST_ROOM = 4096
"""Events for which there is room at the beginning."""

MOST_EVENTS = 20_000_000
"""Events of modules after which a run is stopped, unless another number is asked for."""

NEVER = -LARGEST - 1


class Engine:
    """Runs a netlist, event by event in the order of time.

    Parameters
    ----------
    netlist
        What to run; it is not changed.
    most_events
        Events of modules after which a run is stopped: there may be a loop.

    Attributes
    ----------
    synaptic_events
        How many weights were added to neurons since the last `start`.
    """

    def __init__(self, netlist: Netlist, *, most_events: int = MOST_EVENTS) -> None:
        self.netlist = netlist
        self.most_events = most_events
        self._layout = lay_out(netlist)
        self._names = list(self._layout.nodes)
        self._module_m_c = self._layout.module_m_c
        depends_on_time = self._module_m_c[:, [Of.PROCESS, Of.ACK]].any(axis=1)
        self._module_m_c[:, Of.TIMED] = depends_on_time | (self._layout.busy_m > 0)
        instances = netlist.schematic.instances
        self._number = {instance.output: number for number, instance in enumerate(instances)}
        self.start(netlist.stimuli)

    # Running.

    def start(self, stimuli: Mapping[str, EventList] | None = None) -> None:
        """Go back to the beginning, with the netlist's stimuli or others.

        Parameters
        ----------
        stimuli
            Events of each source by the name of its file.
        """
        layout, files = self._layout, self.netlist.stimuli if stimuli is None else stimuli
        parts = []
        for source in self.netlist.schematic.sources:
            events = files[source.file]
            columns = np.zeros((len(events), len(Event)), np.int32)
            columns[:, Event.TIME], columns[:, Event.NODE] = (
                events.time_e,
                layout.nodes[source.node],
            )
            columns[:, Event.X], columns[:, Event.Y] = events.x_e, events.y_e
            columns[:, Event.SIGN] = events.sign_e
            columns[:, Event.REQUEST] = columns[:, Event.ACKNOWLEDGE] = events.time_e
            parts.append(columns)
        together = np.concatenate(parts) if parts else np.zeros((0, len(Event)), np.int32)
        self._stimuli = together[np.argsort(together[:, Event.TIME], kind="stable")]
        self._state_l = layout.rest_l.copy()
        self._touched_l = np.zeros(len(self._state_l), np.int64)
        self._spiked_l = np.full(len(self._state_l), NEVER, np.int64)
        self._link_r = np.zeros(len(layout.reader_r_c), np.int64)
        self._busy_m_c = np.stack([layout.busy_m, np.zeros_like(layout.busy_m)], axis=1)
        self._queue = np.zeros(int((self._module_m_c[:, Of.FIFO] + 1).sum()), np.int64)
        self._clock = np.zeros(len(Clock), np.int64)
        self._clock[Clock.NOW] = self._until = -1
        self._log = np.zeros((FIRST_ROOM, len(Event)), np.int32)
        self._heap = np.zeros(FIRST_ROOM, np.int64)

    @property
    def now(self) -> int:
        """Time of the last event, -1 before the first."""
        return int(self._clock[Clock.NOW])

    @property
    def synaptic_events(self) -> int:
        """How many weights were added to neurons."""
        return int(self._clock[Clock.SYNAPTIC])

    def run(self, until: int | None = None) -> None:
        """Process all events up to a time and at it; all up to ``Tmax`` if it is not given.

        Raises
        ------
        SimulationError
            Says which module left the range of its integers or got an event that it cannot take, or
            that there are too many events.
        """
        from snn_megasim.engine.kernels import advance

        layout, t_max = self._layout, self.netlist.schematic.t_max
        until = self._until = t_max if until is None else min(until, t_max)
        while True:
            status = advance(
                until,
                self.most_events,
                self._module_m_c,
                layout.port_p_c,
                layout.reader_r_c,
                layout.reader_first_n,
                layout.kernel_k,
                layout.row_first_i,
                layout.target_s,
                layout.weight_s,
                layout.most_sent_n,
                self._state_l,
                self._touched_l,
                self._spiked_l,
                self._link_r,
                self._busy_m_c,
                self._queue,
                layout.rest_l,
                self._stimuli,
                self._log,
                self._heap,
                self._clock,
            )
            if status == Status.DONE:
                return
            if status != Status.FULL:
                raise self._error(Status(status))
            self._grow()

    def progress(self, *, until: int | None = None, parts: int = 100) -> Iterator[tuple[int, int]]:
        """Run in parts, and yield the time after each, with the time of the last stimulus.

        Parameters
        ----------
        until
            Time after which nothing is simulated; ``Tmax`` if it is not given.
        parts
            Number of parts.
        """
        last = int(self._stimuli[-1, Event.TIME]) if len(self._stimuli) else 0
        last = min(last, self.netlist.schematic.t_max, LARGEST if until is None else until)
        for now in np.unique(np.linspace(0, last, parts).astype(np.int64)).tolist():
            self.run(now)
            yield now, last
        self.run(until)

    def _grow(self) -> None:
        """Make room for twice as many events."""
        needed = int(self._clock[Clock.TAIL]) + int(self._layout.most_sent_n.max(initial=0))
        size = max(2 * len(self._log), needed)
        log = np.zeros((size, len(Event)), np.int32)
        log[: len(self._log)] = self._log
        heap = np.zeros(size, np.int64)
        heap[: len(self._heap)] = self._heap
        self._log, self._heap = log, heap

    def _error(self, status: Status) -> SimulationError:
        where = self.netlist.schematic.instances[self._clock[Clock.WHERE]]
        at = f"time {self.now}, module {where.output!r}"
        place = f"({self._clock[Clock.X]}, {self._clock[Clock.Y]})"
        text = {
            Status.TOO_MANY: f"{at}: more than {self.most_events} events have been sent; there may "
            f"be a loop of modules. If there is none, raise megasim.most_events (--most-events).",
            Status.OVERFLOW: f"{at}: the potential of neuron {place} leaves the range of "
            f"±{LARGEST}; expected smaller weights. Lower the scaling factor.",
            Status.NO_RESET: f"{at}: got a reset, which {where.module} does not know; use a module "
            f"whose name ends in _NPP.",
            Status.ADDRESS: f"{at}: got an event with address {place}, for which it has no row; "
            f"enlarge the port or correct the module before it.",
            Status.TOO_LATE: f"{at}: an event comes after time {LARGEST}, which the files cannot "
            f"hold; use shorter delays, or fewer samples in one run.",
        }[status]
        return SimulationError(f"MegaSim's engine stopped at {text}")

    # Reading.

    def events(self, node: str) -> EventList:
        """Return the events that a node has carried so far, in the order of time.

        Raises
        ------
        KeyError
            If there is no such node.
        """
        number = self._layout.nodes[node]
        if number < len(self.netlist.schematic.sources):
            past = self._stimuli[: self._clock[Clock.STIMULUS]]
        else:
            past = self._sent()
        return _event_list(past[past[:, Event.NODE] == number])

    def all_events(self) -> dict[str, EventList]:
        """Return the events of all nodes."""
        together = np.concatenate([self._stimuli[: self._clock[Clock.STIMULUS]], self._sent()])
        order = np.argsort(together[:, Event.NODE], kind="stable")
        nodes = together[order, Event.NODE]
        first = np.searchsorted(nodes, np.arange(len(self._names) + 1))
        return {
            name: _event_list(together[order[first[i] : first[i + 1]]])
            for i, name in enumerate(self._names)
        }

    def _sent(self) -> Array:
        """Return the events of modules so far; others are still to be sent."""
        made = self._log[: self._clock[Clock.TAIL]]
        sent: Array = made[made[:, Event.TIME] <= self._until]
        return sent

    def potentials(self, node: str) -> Int64[Array, "y x"]:
        """Return the potentials of the module that writes a node, as they are now.

        What has leaked since an event last reached a neuron is not taken off.
        """
        row = self._module_m_c[self._number[node]]
        first, shape = row[Of.FIRST], (row[Of.ROWS], row[Of.COLUMNS])
        v_yx: Array = self._state_l[first : first + shape[0] * shape[1]].reshape(shape)
        return v_yx.copy()


def _event_list(rows: Array) -> EventList:
    rows = rows[np.argsort(rows[:, Event.TIME], kind="stable")]
    return EventList(
        time_e=rows[:, Event.TIME],
        x_e=rows[:, Event.X],
        y_e=rows[:, Event.Y],
        sign_e=rows[:, Event.SIGN],
        request_e=rows[:, Event.REQUEST],
        acknowledge_e=rows[:, Event.ACKNOWLEDGE],
    )

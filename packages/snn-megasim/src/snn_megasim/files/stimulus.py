"""Lists of events: stimuli (``.stim``) and what a simulation wrote (``.evs``).

Both have six integer columns: time, time of the request and of the acknowledgement (-1 in stimuli,
which leave them to the simulator), column and row of the address, and sign.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from snn_core.typing import Array, Int
from snn_megasim.files.attributes import LARGEST
from snn_megasim.files.lines import Lines

COLUMNS = 6

RESET = -2
"""Sign of an event that resets all neurons of a module; its row is -2, too."""

SOFTMAX = -1
"""Row of an event that asks a softmax for a spike; its sign is -1, too."""

SIGNS = (1, -1, RESET)


@dataclass(frozen=True, kw_only=True, eq=False)
class EventList:
    """Events of one node, ordered by time.

    Parameters
    ----------
    time_e, x_e, y_e, sign_e
        Time, column, row and sign of each event.
    request_e, acknowledge_e
        When it was put on the link and when it was taken from it; -1 where that is not known.
    line_e
        Line that each was read from; ``None`` if it was not read.
    """

    time_e: Int[Array, "e"]
    x_e: Int[Array, "e"]
    y_e: Int[Array, "e"]
    sign_e: Int[Array, "e"]
    request_e: Int[Array, "e"] | None = None
    acknowledge_e: Int[Array, "e"] | None = None
    line_e: Int[Array, "e"] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int, int]]) -> EventList:
        """Return the events that are given as time, column, row and sign."""
        table = np.array(list(rows), np.int64).reshape(-1, 4)
        return cls(time_e=table[:, 0], x_e=table[:, 1], y_e=table[:, 2], sign_e=table[:, 3])

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.time_e)

    def line(self, event: int) -> int:
        """Return the line of an event in its file."""
        return event + 1 if self.line_e is None else int(self.line_e[event])

    @property
    def table(self) -> Array:
        """The six columns."""
        unknown = np.full(len(self), -1)
        request_e = unknown if self.request_e is None else self.request_e
        acknowledge_e = unknown if self.acknowledge_e is None else self.acknowledge_e
        columns = (self.time_e, request_e, acknowledge_e, self.x_e, self.y_e, self.sign_e)
        table: Array = np.stack(columns, axis=1).astype(np.int64)
        return table


def softmax_clock(
    num_steps: int, rng: np.random.Generator, *, dt_ms: float = 1.0, rate_hz: float = 300.0
) -> EventList:
    """Return events that ask a softmax for spikes at random: the stimulus ``softmax_input``.

    Parameters
    ----------
    num_steps
        Steps, a time unit each.
    rng
        Source of random numbers.
    dt_ms
        Length of a step in ms.
    rate_hz
        Mean rate.
    """
    (time_e,) = np.nonzero(rng.random(num_steps) < rate_hz * dt_ms / 1000)
    zeros = np.zeros(len(time_e), np.int64)
    return EventList(time_e=time_e, x_e=zeros, y_e=zeros + SOFTMAX, sign_e=zeros - 1)


def parse_events(lines: Lines) -> EventList:
    """Return the events that a file lists.

    Raises
    ------
    MegaSimFileError
        Names the file and the line of what is no event, or comes before the one above it.
    """
    rows: list[list[int]] = []
    numbers: list[int] = []
    while lines.peek() is not None:
        number = lines.number
        row = lines.row(COLUMNS, "an event")
        if row[0] < 0:
            lines.note(f"the time is {row[0]}; expected at least 0", number=number)
        if rows and row[0] < rows[-1][0]:
            lines.note(f"time {row[0]} comes after time {rows[-1][0]}", number=number)
        if row[5] not in SIGNS:
            lines.note(f"the sign is {row[5]}; expected 1, -1 or {RESET} (reset)", number=number)
        rows.append(row)
        numbers.append(number)
    lines.finish()
    table = np.array(rows, np.int64).reshape(-1, COLUMNS)
    return EventList(
        time_e=table[:, 0],
        request_e=table[:, 1],
        acknowledge_e=table[:, 2],
        x_e=table[:, 3],
        y_e=table[:, 4],
        sign_e=table[:, 5],
        line_e=np.array(numbers, np.int64),
    )


def format_events(events: EventList) -> str:
    """Return the text of a list of events.

    Raises
    ------
    OverflowError
        If a time does not fit into the files; whoever makes events keeps them below it.
    """
    table = events.table
    if len(table) and np.abs(table).max() > LARGEST:
        raise OverflowError(f"an event holds {np.abs(table).max()}, more than {LARGEST}")
    return "".join(" ".join(map(str, row)) + "\n" for row in table.tolist())

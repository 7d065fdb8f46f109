"""`EventStream`: place, time and polarity of the events of one recording."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snn_core.errors import DataError
from snn_core.reading import limit_memory, spend
from snn_core.typing import Array, Bool, Int64, Pair

FARTHEST = 2**53
"""Largest time in µs, 285 years, and place; up to it floating-point numbers are told apart."""

_PER_EVENT = 96
"""Memory for an event: four numbers as they are found and in the order of time, and that order."""


@dataclass(frozen=True, kw_only=True)
class EventStream:
    """The events of an event camera, in the order of time.

    Parameters
    ----------
    x_e, y_e
        Column and row of each event's pixel.
    t_us_e
        Time in µs.
    on_e
        Polarity: true where the brightness rose (ON), false where it fell (OFF).
    chip_size
        Width and height of the chip, if the recording tells.
    """

    x_e: Int64[Array, "e"]
    y_e: Int64[Array, "e"]
    t_us_e: Int64[Array, "e"]
    on_e: Bool[Array, "e"]
    chip_size: Pair | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.t_us_e)

    @classmethod
    def of(
        cls,
        x_e: Array,
        y_e: Array,
        t_us_e: Array,
        p_e: Array,
        *,
        name: str = "arrays in memory",
        chip_size: Pair | None = None,
        advice: str = "",
        starts: Sequence[int] | Array = (),
    ) -> EventStream:
        """Return checked events, sorted by time; events of the same time keep their order.

        Parameters
        ----------
        x_e, y_e, t_us_e
            Whole numbers; places from 0, time in µs.
        p_e
            Polarity: 1 for ON; 0 or -1 for OFF.
        name
            What error messages call the recording.
        advice
            What to do about wrong polarities, a sentence.
        starts
            First event of each recording, where several lie one after the other: events stay within
            theirs.

        Raises
        ------
        DataError
            Naming what is wrong.
        """
        columns = {"x": np.asarray(x_e), "y": np.asarray(y_e), "t": np.asarray(t_us_e)}
        columns["p"] = np.asarray(p_e)
        require_one_each(columns.values(), name)
        with limit_memory(name, error=DataError):
            spend(_PER_EVENT * len(columns["x"]), "its events")
        whole = {key: _to_integers(column, key, name) for key, column in columns.items()}
        for key in ("x", "y"):
            if (whole[key] < 0).any():
                raise DataError(
                    f"{name} has an event at {key} = {whole[key].min()}; expected places from 0."
                )
        if not np.isin(whole["p"], (-1, 0, 1)).all():
            wrong = whole["p"][~np.isin(whole["p"], (-1, 0, 1))][0]
            raise DataError(
                f"{name} has the polarity {wrong}; expected 1 for ON and 0 or -1 for OFF. "
                f"{advice}".rstrip()
            )
        order = _sort(whole["t"], np.asarray(starts, np.int64))
        return cls(
            x_e=whole["x"][order],
            y_e=whole["y"][order],
            t_us_e=whole["t"][order],
            on_e=whole["p"][order] > 0,
            chip_size=chip_size,
        )

    def __getitem__(self, part: slice | Array) -> EventStream:
        """Return some of the events: a slice, or those where a boolean array is true."""
        return EventStream(
            x_e=self.x_e[part],
            y_e=self.y_e[part],
            t_us_e=self.t_us_e[part],
            on_e=self.on_e[part],
            chip_size=self.chip_size,
        )


def _sort(t_us_e: Int64[Array, "e"], starts_r: Int64[Array, "r"]) -> Int64[Array, "e"]:
    """Return the order of times, within each of several recordings that begin at these places."""
    if not len(starts_r):
        return np.argsort(t_us_e, kind="stable")
    recording_e = np.searchsorted(starts_r, np.arange(len(t_us_e)), side="right")
    return np.lexsort((t_us_e, recording_e))


def require_one_each(columns: Iterable[Array], name: str) -> None:
    """Make sure that there are as many x, y, t and p.

    Raises
    ------
    DataError
        If there are not.
    """
    shapes = dict(zip("xytp", (np.shape(column) for column in columns), strict=True))
    if len(set(shapes.values())) > 1 or len(shapes["x"]) != 1:
        found = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
        raise DataError(f"{name} has events of shapes {found}; expected one of each per event.")


def _to_integers(column: Array, key: str, name: str) -> Int64[Array, "e"]:
    """Return a column as int64."""
    if column.dtype.kind not in "fiub":
        raise DataError(f"{name} has {key} of type {column.dtype}; expected whole numbers.")
    if column.dtype.kind == "f" and not (np.isfinite(column) & (column == np.floor(column))).all():
        unit = " Times are in µs." if key == "t" else ""
        raise DataError(f"{name} has fractions or NaN in {key}; expected whole numbers.{unit}")
    # Both pass on what is infinite; differences of times stay whole numbers, too.
    low, high = (column.min(), column.max()) if column.size else (0, 0)
    if not -FARTHEST <= int(low) <= int(high) <= FARTHEST:
        raise DataError(
            f"{name} has {key} from {low} to {high}; expected at most {FARTHEST:g} on either side "
            f"of 0."
        )
    whole: Array = column.astype(np.int64)
    return whole


def require_one_source(what: str, numbers: Collection[int], path: Path) -> None:
    """Make sure that all events of a recording come from one sensor.

    Raises
    ------
    DataError
        Naming the sources: their places would be mixed, as all sensors count from 0.
    """
    if len(numbers) > 1:
        first, *others = sorted(numbers)[:_NAMED]
        named = f"{first} and {', '.join(map(str, others))}" + (
            ", ..." if len(numbers) > _NAMED else ""
        )
        raise DataError(
            f"{path} holds the events of several sensors or filters, in the {what}s {named}; "
            f"expected those of one. Export one of them into a file of its own."
        )


_NAMED = 5
"""Sources that a message names."""

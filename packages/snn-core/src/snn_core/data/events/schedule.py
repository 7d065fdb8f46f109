"""Schedule of input events: the step of a simulation in which each is delivered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.data.events.cells import CellEvents
from snn_core.typing import Array, Int8, Int64


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The input spikes of one sample, in the order of steps.

    Parameters
    ----------
    step_e
        Step of each spike, counted from 0.
    cell_e
        Index of its cell in the flattened input.
    sign_e
        Its sign.
    num_windows
        Steps that the sample lasts.
    """

    step_e: Int64[Array, "e"]
    cell_e: Int64[Array, "e"]
    sign_e: Int8[Array, "e"]
    num_windows: int


def schedule(events: CellEvents, *, num_steps: int, width_us: float | None) -> Schedule:
    """Distribute events over the steps of a run; a cell spikes at most once per step.

    An event that finds its cell taken waits for the next step. What is left after the last step is
    not delivered. If the sample is spread over the whole run, waiting events that would miss the
    end take earlier steps instead, so that only a cell with more events than steps loses some.

    Parameters
    ----------
    num_steps
        Number of steps of the run.
    width_us
        Time of the sensor, in µs, that one step delivers; ``None`` spreads the sample evenly.
    """
    t_us_e = events.t_us_e - events.t_us_e[:1]
    if not len(events):
        wanted_e, num_windows = t_us_e, num_steps
    elif width_us is None:
        # Python's integers where a product is none of int64, as of a recording of centuries
        is_long = int(t_us_e[-1]) * num_steps > np.iinfo(np.int64).max
        t_e = t_us_e.astype(object) if is_long else t_us_e
        wanted_e = (t_e * num_steps // (t_us_e[-1] + 1)).astype(np.int64)
        num_windows = num_steps
    else:
        wanted_e = np.floor(t_us_e / width_us)
        num_windows = int(wanted_e[-1]) + 1
        wanted_e = np.minimum(wanted_e, num_steps).astype(np.int64)
    wanted_e = np.minimum(wanted_e, num_steps)  # later events are all the same: not delivered
    order = np.argsort(events.cell_e, kind="stable")
    cell_e = events.cell_e[order]
    first_e = np.searchsorted(cell_e, cell_e)
    rank_e = np.arange(len(cell_e)) - first_e
    # Steps rise by at least 1 within a cell: step - rank is a running maximum, for all cells at
    # once because each cell starts above everything in the ones before it.
    beyond = num_steps + len(cell_e) + 1
    running_e = np.maximum.accumulate(wanted_e[order] - rank_e + first_e * beyond)
    step_e = running_e - first_e * beyond + rank_e
    if width_us is None:
        later_e = np.searchsorted(cell_e, cell_e, side="right") - first_e - rank_e
        step_e = np.minimum(step_e, num_steps - later_e)
    sign_e = events.sign_e[order]
    is_delivered = (step_e >= 0) & (step_e < num_steps)
    step_e, cell_e, sign_e = step_e[is_delivered], cell_e[is_delivered], sign_e[is_delivered]
    in_time = np.argsort(step_e, kind="stable")
    return Schedule(
        step_e=step_e[in_time],
        cell_e=cell_e[in_time],
        sign_e=sign_e[in_time],
        num_windows=num_windows,
    )

"""Integers of MegaSim: scaling of weights, thresholds and potentials, and what fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.typing import Array, Int64
from snn_megasim.files.attributes import LARGEST
from snn_megasim.translate.drafts import Draft

SMALLEST_SCALE, LARGEST_SCALE = 2**12, 2**24
"""Scales that are chosen; float32 has 24 binary digits."""

MANY = 4
"""Spikes of a neuron in a step that room is made for where neurons may spike repeatedly."""


@dataclass(frozen=True)
class Scale:
    """Integers of a layer.

    Parameters
    ----------
    factor
        What stands for 1.
    room
        How far potentials of neurons that must not spike are kept below their value.
    """

    factor: float
    room: int

    def of(self, values: Array) -> Int64[Array, "..."]:
        """Return numbers as integers, rounded to the nearest."""
        rounded: Array = np.rint(np.asarray(values, np.float64) * self.factor).astype(np.int64)
        return rounded


def bounds(drafts: Sequence[Draft], *, num_steps: int, clocked: bool) -> tuple[float, float]:
    """Return how far potentials can rise and fall in a run, if every neuron spikes in every step.

    An input spike is taken to come once in a step, as it does for values of at most 1.
    """
    often = num_steps * (1 if clocked else MANY)
    rise = fall = 0.0
    for draft in drafts:
        up, down = draft.reach()
        start = draft.start_yx.max(initial=0), draft.start_yx.min(initial=0)
        rise = max(rise, float(up.max(initial=0)) * often + start[0])
        fall = min(fall, float(down.min(initial=0)) * often + start[1])
    return rise, -fall


def largest_number(drafts: Sequence[Draft]) -> float:
    """Return the largest number of a layer that stands in the files."""
    arrays = [array for d in drafts for array in (d.bias_yx, d.start_yx)]
    arrays += [port.weights for d in drafts for port in d.ports]
    largest = max((float(np.abs(array).max(initial=0)) for array in arrays), default=0.0)
    finite = [d.threshold for d in drafts if math.isfinite(d.threshold)]
    return max([largest, *finite])


def choose_scale(
    drafts: Sequence[Draft], *, num_steps: int, clocked: bool, wanted: int
) -> tuple[Scale, str | None]:
    """Return the integers of a layer, and what is wrong with them if something is.

    Parameters
    ----------
    wanted
        Scaling factor that the user asks for; 0 chooses the largest power of two under which no
        potential can leave the range. Where not even the smallest does, that one is taken, and
        the engine stops if a potential does.
    """
    rise, fall = bounds(drafts, num_steps=num_steps, clocked=clocked)
    needs_room = clocked or not all(draft.live_yx.all() for draft in drafts)
    # The room is as large as the rise, and lies below what potentials fall to.
    span = max(rise + fall, largest_number(drafts)) if needs_room else max(
        rise, fall, largest_number(drafts)
    )  # fmt: skip
    most = (LARGEST - 2) / span if span else math.inf
    if wanted:
        factor: float = wanted
    else:
        fitting = 2.0 ** math.floor(math.log2(min(most, LARGEST_SCALE)))
        factor = max(fitting, SMALLEST_SCALE)
    room = min(math.ceil(rise * factor) + 1, LARGEST // 2) if needs_room else 0
    problem = None
    if factor * largest_number(drafts) > LARGEST:
        problem = (
            f"a weight, bias or threshold of {largest_number(drafts):.4g} times the scaling factor "
            f"{factor:g} does not fit into ±{LARGEST}; at most "
            f"{math.floor(LARGEST / largest_number(drafts))} does"
        )
    elif any(d.threshold * factor < 0.5 for d in drafts):
        problem = (
            f"a threshold of {min(d.threshold for d in drafts):.4g} times the scaling factor "
            f"{factor:g} is less than 1; raise megasim.scaling_factor"
        )
    elif wanted and factor > most and needs_room:
        problem = (
            f"potentials can span {span:.4g} in {num_steps} steps, which times the scaling factor "
            f"{wanted} does not fit into ±{LARGEST}; lower megasim.scaling_factor to at most "
            f"{math.floor(most)}, or leave it 0 to have it chosen"
        )
    return Scale(factor, room), problem

"""Integers of MegaSim: scaling of weights, thresholds and potentials, and what fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.typing import Array, Int64
from snn_megasim.files.attributes import LARGEST
from snn_megasim.translate.drafts import Draft

SMALLEST_SCALE, LARGEST_SCALE = 2**12, 2**24
"""Scales that are chosen; float32 has 24 binary digits."""

NEARLY_ALL = 0.9
"""Share of weights that may round to 0 under a scaling factor that the user asks for."""


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


def bounds(
    drafts: Sequence[Draft], factor: float, *, num_steps: int, clocked: bool
) -> tuple[float, float]:
    """Return how far potentials can rise and fall in a sample, in integers.

    They are sums of the rounded weights, so they hold for the files and not only for the network.
    What never spikes adds up over all steps. A neuron that is asked once in a step keeps at most
    the threshold, or what it had without it: p(t + 1) <= max(threshold, p(t) - threshold) + up,
    where p is its largest potential in a step and up the most that a step adds.
    """
    rise = fall = 0.0
    for draft in drafts:
        up_yx, down_yx = draft.reach(factor)
        start_yx = np.rint(draft.start_yx * factor)
        most_yx = num_steps * up_yx + np.maximum(start_yx, 0)
        if clocked:
            threshold = np.rint(draft.threshold * factor)
            kept_yx = np.maximum(start_yx, threshold) + up_yx
            asked_yx = kept_yx + (num_steps - 1) * np.maximum(up_yx - threshold, 0)
            most_yx = np.where(draft.live_yx, np.minimum(most_yx, asked_yx), most_yx)
        least_yx = num_steps * down_yx + np.minimum(start_yx, 0)
        rise = max(rise, float(most_yx.max(initial=0)))
        fall = min(fall, float(least_yx.min(initial=0)))
    return rise, -fall


def largest_number(drafts: Sequence[Draft]) -> float:
    """Return the largest number of a layer that stands in the files."""
    arrays = [array for d in drafts for array in (d.bias_yx, d.start_yx)]
    arrays += [port.weights for d in drafts for port in d.ports]
    largest = max((float(np.abs(array).max(initial=0)) for array in arrays), default=0.0)
    finite = [d.threshold for d in drafts if math.isfinite(d.threshold)]
    return max([largest, *finite])


def choose_scale(
    drafts: Sequence[Draft], *, num_steps: int, clocked: bool, wanted: int, spikes: bool = True
) -> tuple[Scale, str | None]:
    """Return the integers of a layer, and what is wrong with them if something is.

    Parameters
    ----------
    wanted
        Scaling factor that the user asks for; 0 chooses the largest power of two under which no
        potential can leave the range, the room included. Where not even the smallest does, that one
        is taken if an overflow, or a spike that nobody asked for, would be noticed in the run.
    spikes
        Whether the layer spikes; one whose potentials are read needs no room.
    """
    has_idle = not all(draft.live_yx.all() for draft in drafts)
    needs_room = spikes and (clocked or has_idle)

    def fits(factor: float) -> bool:
        rise, fall = bounds(drafts, factor, num_steps=num_steps, clocked=clocked)
        # The room is as large as the rise, and lies below what potentials fall to.
        lowest = rise + fall if needs_room else fall
        return max(rise, lowest, factor * largest_number(drafts)) <= LARGEST

    factor: float = wanted or LARGEST_SCALE
    while not wanted and factor > SMALLEST_SCALE and not fits(factor):
        factor /= 2
    rise, _ = bounds(drafts, factor, num_steps=num_steps, clocked=clocked)
    room = int(min(rise, LARGEST if fits(factor) else LARGEST // 2))
    problem = _number_problem(drafts, factor)
    if problem is None and wanted:
        problem = _rounding_problem(drafts, wanted)
    if problem is None and needs_room and not fits(factor) and (wanted or not clocked):
        problem = _span_problem(fits, factor, num_steps=num_steps, wanted=wanted)
    return Scale(factor, room if needs_room else 0), problem


def _number_problem(drafts: Sequence[Draft], factor: float) -> str | None:
    largest = largest_number(drafts)
    if factor * largest > LARGEST:
        return (
            f"a weight, bias or threshold of {largest:.4g} times the scaling factor "
            f"{factor:g} does not fit into ±{LARGEST}; at most {math.floor(LARGEST / largest)} does"
        )
    if any(d.threshold * factor < 0.5 for d in drafts):
        return (
            f"a threshold of {min(d.threshold for d in drafts):.4g} times the scaling factor "
            f"{factor:g} is less than 1; raise megasim.scaling_factor"
        )
    return None


def _rounding_problem(drafts: Sequence[Draft], wanted: int) -> str | None:
    """Return that nearly all weights round to 0, or ``None``."""
    sizes = np.concatenate(
        [np.abs(port.weights).reshape(-1) for d in drafts for port in d.ports] or [np.zeros(0)]
    )
    sizes = sizes[sizes > 0]
    lost = int((np.rint(sizes * wanted) == 0).sum())
    if lost <= NEARLY_ALL * len(sizes) or not lost:
        return None
    enough = math.ceil(1 / float(np.median(sizes)))
    return (
        f"{lost} of {len(sizes)} weights times the scaling factor {wanted} round to 0; raise "
        f"megasim.scaling_factor to {enough} or more, or leave it 0 to have it chosen"
    )


def _span_problem(
    fits: Callable[[float], bool], factor: float, *, num_steps: int, wanted: int
) -> str:
    found = (
        f"potentials can span more than ±{LARGEST} in {num_steps} steps under the scaling factor "
        f"{factor:g}"
    )
    if not wanted:
        return f"{found}, the smallest; simulate fewer steps or use schedule = 'clocked'"
    smaller = wanted
    while smaller > 1 and not fits(smaller):
        smaller //= 2
    return (
        f"{found}; lower megasim.scaling_factor to at most {smaller}, or leave it 0 to have it "
        f"chosen"
    )

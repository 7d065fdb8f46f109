"""Ranges of samples, and warnings about samples that can hardly be meant so."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from snn_core.data.base import Dataset
from snn_core.data.lazy import LazySamples
from snn_core.errors import warn
from snn_core.ir import InputData
from snn_core.ir.input_data import LARGEST_SCALED
from snn_core.typing import Array, Shaped

BATCH = 64

MOST_READ = 64
"""How many samples in files are looked at before a run; they are read again when simulated."""

SMALLEST_RAW = 127.0
"""Raw images of 8 bits reach beyond this, the middle of their range, unless all are dark."""

LARGEST_UNSCALED = 32.0
"""8-bit integers that stay below are no grey levels, but counts or marks."""

SHRUNK = 1 / 16
"""Samples below this share of the largest calibration value were scaled in another way."""

ENOUGH = 1000
"""Values whose mean tells something."""

_TYPICAL = "Calibrate on a few hundred typical samples of all classes."


@dataclass(frozen=True, kw_only=True)
class Range:
    """Range of the values in some samples, as they enter a network.

    Parameters
    ----------
    low, high, mean
        Smallest, largest and mean value.
    low_b, high_b
        Smallest and largest value of each sample.
    all_equal
        Whether all samples are the same one.
    size
        Number of values in all.
    is_uint8
        Whether the samples are 8-bit integers.
    all_whole
        Whether all values are whole numbers.
    are_images
        Whether a sample has rows, columns and channels.
    """

    low: float
    high: float
    mean: float
    low_b: Shaped[Array, "b"]
    high_b: Shaped[Array, "b"]
    all_equal: bool
    size: int
    is_uint8: bool
    all_whole: bool
    are_images: bool

    @classmethod
    def of(cls, x_b_l: Shaped[Array | LazySamples, "b *l"], data: InputData) -> Range:
        """Return the range of at least one sample."""
        first = data.as_floats(x_b_l[:1])
        lows, highs, total, size, all_equal, all_whole = [], [], 0.0, 0, True, True
        for part in _batches(x_b_l):
            x = data.as_floats(part)
            flat = x.reshape(len(x), -1)
            lows.append(flat.min(axis=1))
            highs.append(flat.max(axis=1))
            total, size = total + float(flat.sum(dtype=np.float64)), size + flat.size
            all_equal = all_equal and bool((x == first).all())
            all_whole = all_whole and bool((flat == np.rint(flat)).all())
        low_b, high_b = np.concatenate(lows), np.concatenate(highs)
        return cls(
            low=float(low_b.min()),
            high=float(high_b.max()),
            mean=total / size,
            low_b=low_b,
            high_b=high_b,
            all_equal=all_equal,
            size=size,
            is_uint8=x_b_l.dtype == np.uint8,
            all_whole=all_whole,
            are_images=len(x_b_l.shape) == 4 and min(x_b_l.shape[1:3]) > 1,
        )

    @property
    def may_be_raw(self) -> bool:
        """Whether these may be raw 8-bit values: whole numbers, or images that were resized."""
        in_range = self.low >= 0 and SMALLEST_RAW < self.high <= 255
        return in_range and (self.all_whole or self.are_images)

    def __str__(self) -> str:
        """Return the range, human-readable."""
        return f"{self.low:.4g} to {self.high:.4g} (mean {self.mean:.3g})"


def calibrated(dataset: Dataset, data: InputData) -> InputData:
    """Return what a network keeps of its calibration samples, which are looked at once.

    Warns
    -----
    DataWarning
        If they are all the same, or not in the range that the model was trained on.
    """
    found = Range.of(dataset.x_b_l, data)
    _warn(dataset, [*_uniform(found, "calibration samples", _TYPICAL), *_misfits(found, data)])
    return replace(data, low=found.low, high=found.high, mean=found.mean)


def check_range(dataset: Dataset, data: InputData) -> None:
    """Compare samples to simulate with those that a network was calibrated on.

    Of samples in files, `MOST_READ` are looked at, evenly spread.

    Warns
    -----
    DataWarning
        If their values lie far outside, are tiny beside those, have a mean far from theirs, or are
        all the same.
    """
    x_b_l = dataset.x_b_l
    if isinstance(x_b_l, LazySamples):
        picked = np.linspace(0, len(x_b_l) - 1, min(MOST_READ, len(x_b_l))).astype(int)
        x_b_l = x_b_l[picked]
    found = Range.of(x_b_l, data)
    problems = list(_uniform(found, "samples", "Check how they were made.", most=1))
    if not problems:
        known = data.low is not None
        problems += _outside(found, data) if known else _misfits(found, data)
    _warn(dataset, problems)


def _batches(x_b_l: Shaped[Array | LazySamples, "b *l"]) -> Iterator[Array]:
    for start in range(0, len(x_b_l), BATCH):
        yield x_b_l[start : start + BATCH]


def _warn(dataset: Dataset, problems: list[str]) -> None:
    for problem in problems:
        warn(f"{dataset.name}: {problem}")


def _uniform(found: Range, what: str, advice: str, *, most: int = 0) -> Iterator[str]:
    """Yield a line if samples do not differ; up to ``most`` of them need not."""
    samples = len(found.low_b)
    if found.low == found.high and found.size > most:
        yield f"all values of the {samples} {what} are {found.low:.4g}. {advice}"
    elif samples == 1 > most:
        yield f"found 1 of the {what}; layers are scaled by what it activates alone. {advice}"
    elif found.all_equal and samples > max(most, 1):
        yield f"all {samples} {what} are equal. {advice}"


def _misfits(found: Range, data: InputData) -> Iterator[str]:
    """Yield a line if samples do not fit to how the model rescales its input."""
    largest = max(abs(found.low), abs(found.high))
    if data.decided_by == "rule" and found.may_be_raw:
        yield (
            f"found values of {found}, as raw 8-bit images have, and the model does not rescale. "
            f"Only samples of type uint8 are divided by 255; others enter as they are. If the "
            f"model was trained on values from 0 to 1, pass x.astype('uint8') or divide by 255. "
            f"If it was trained on these, input.uint8_scale = 1 (--uint8-scale 1) says so."
        )
    levels = 255 * found.high
    if data.decided_by == "rule" and found.is_uint8 and 0 < levels <= LARGEST_UNSCALED:
        yield (
            f"found 8-bit integers up to {levels:.0f}, which become {found} when divided "
            f"by 255. If the model was trained on the integers, input.uint8_scale = 1 "
            f"(--uint8-scale 1) says so."
        )
    if data.decided_by == "model" and largest <= LARGEST_SCALED:
        yield (
            f"found values of {found}; the model rescales its input by itself and expects larger "
            f"ones, as raw 8-bit images have. Pass raw values, of type uint8 or not. If these "
            f"are meant, input.uint8_scale (--uint8-scale) with any number says so."
        )


def _outside(found: Range, data: InputData) -> Iterator[str]:
    """Yield a line if samples are far outside, tiny or shifted beside those of calibration."""
    if data.low is None or data.high is None:
        return
    span = data.high - data.low
    outside_b = (found.high_b > data.high + span) | (found.low_b < data.low - span)
    seen = f"found {found}, calibration saw {data.calibrated_range}"
    if outside_b.any():
        yield (
            f"{int(outside_b.sum())} of {len(outside_b)} samples have values far outside those of "
            f"the calibration: {seen}. Spikes cannot stand for so much: scale the samples as those "
            f"for calibration were{_factor(found.high, data.high)}, or convert with such samples."
        )
    elif max(abs(found.low), abs(found.high)) < SHRUNK * max(abs(data.low), abs(data.high)):
        advice = f"Scale the samples as those for calibration were{_factor(found.high, data.high)}."
        if found.is_uint8:
            advice = (
                f"8-bit integers enter as {data}; convert with input.uint8_scale = 1 "
                f"(--uint8-scale 1) if the model was trained on raw values."
            )
        yield f"all values are tiny beside those of the calibration: {seen}. {advice}"
    elif data.mean is not None and found.size >= ENOUGH and abs(found.mean - data.mean) > span / 2:
        yield (
            f"the mean is far from that of the calibration: {seen}. Check whether the samples are "
            f"inverted, or shifted."
        )


def _factor(found: float, expected: float) -> str:
    """Return a hint if the two differ by the factor between raw and scaled 8-bit values."""
    ratio = found / expected if expected else 0.0
    if math.isclose(ratio, 255, rel_tol=0.2):
        return " (divided by 255?)"
    return " (multiplied by 255?)" if math.isclose(ratio, 1 / 255, rel_tol=0.2) else ""

"""Mapping of camera events to the cells of a network's input, and frames made of them.

The methods and their names are those of snn_toolbox: mirroring, sub-sampling to the size of the
network's input, dropping of coinciding events, clipping to three standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snn_core.data.events.stream import EventStream
from snn_core.ir.shapes import count
from snn_core.settings import InputSettings
from snn_core.typing import Array, Float32, Int8, Int64, Pair, Shape

POLARITY_CHANNELS = ("rectified_polarity_channels", "signed_polarity_channels")
SIGNED = ("signed_sum", "signed_polarity_channels")


@dataclass(frozen=True, kw_only=True)
class CellEvents:
    """Events of one sample, at the cells of the network's input, in the order of time.

    Parameters
    ----------
    cell_e
        Index of each event's cell in the flattened input.
    sign_e
        What it adds to the frame: 1, or -1 for OFF events of the signed methods.
    t_us_e
        Time in µs.
    shape
        Shape of the input.
    """

    cell_e: Int64[Array, "e"]
    sign_e: Int8[Array, "e"]
    t_us_e: Int64[Array, "e"]
    shape: Shape

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.cell_e)

    def frame(self) -> Int64[Array, "*l"]:
        """Return the sum of the signs at each cell over the whole sample."""
        size = count(self.shape)
        on_l = np.bincount(self.cell_e[self.sign_e > 0], minlength=size)
        off_l = np.bincount(self.cell_e[self.sign_e < 0], minlength=size)
        total: Array = (on_l - off_l).reshape(self.shape)
        return total

    def largest(self) -> int:
        """Return the largest magnitude in the frame, at least 1."""
        return int(np.abs(self.frame()).max(initial=1))


def scaled_frame(events: CellEvents) -> Float32[Array, "*l"]:
    """Return the frame divided by its largest magnitude: values from -1 to 1, no event is 0."""
    scaled: Array = (events.frame() / events.largest()).astype(np.float32)
    return scaled


def frame_shape(chip_size: Pair, settings: InputSettings) -> Shape:
    """Return the shape of frames: rows, columns and channels."""
    width, height = chip_size
    own = (width, height) if settings.is_x_first else (height, width)
    rows, columns = settings.dataflow_kwargs.target_size or own
    return (rows, columns, 2 if settings.frame_gen_method in POLARITY_CHANNELS else 1)


def on_chip(stream: EventStream, chip_size: Pair) -> EventStream:
    """Return the events that lie on the chip; others are noise of the sensor's read-out."""
    width, height = chip_size
    on_chip_e = (stream.x_e < width) & (stream.y_e < height)
    return stream if on_chip_e.all() else stream[on_chip_e]


def to_cells(stream: EventStream, chip_size: Pair, settings: InputSettings) -> CellEvents:
    """Return the events of one sample at the cells of the input.

    Parameters
    ----------
    stream
        Events of the sample, all on the chip.
    chip_size
        Width and height of the chip.
    settings
        How frames are made.
    """
    shape = frame_shape(chip_size, settings)
    (width, height), (rows, columns, channels) = chip_size, shape
    x_e = width - 1 - stream.x_e if settings.is_x_flipped else stream.x_e
    y_e = height - 1 - stream.y_e if settings.is_y_flipped else stream.y_e
    first, second = ((x_e, width), (y_e, height)) if settings.is_x_first else (
        (y_e, height),
        (x_e, width),
    )  # fmt: skip
    row_e, column_e = _subsample(*first, rows), _subsample(*second, columns)
    channel_e = stream.on_e.astype(np.int64) if channels == 2 else np.zeros_like(row_e)
    is_off = ~stream.on_e
    sign_e = np.where(is_off & (settings.frame_gen_method in SIGNED), -1, 1).astype(np.int8)
    events = CellEvents(
        cell_e=(row_e * columns + column_e) * channels + channel_e,
        sign_e=sign_e,
        t_us_e=stream.t_us_e,
        shape=shape,
    )
    if settings.maxpool_subsampling:
        events = _select(events, _find_first_of_coinciding(events.cell_e, stream))
    return _clip(events, settings.frame_gen_method) if settings.do_clip_three_sigma else events


def _subsample(place_e: Array, size: int, target: int) -> Int64[Array, "e"]:
    """Return ⌊place · (target − 1) / (size − 1)⌋, as the original does."""
    return place_e if target == size else place_e * (target - 1) // max(size - 1, 1)


def _find_first_of_coinciding(cell_e: Array, stream: EventStream) -> Array:
    """Return which events are the first with their cell, time and polarity, in order."""
    order = np.lexsort((stream.on_e, cell_e, stream.t_us_e))
    keys = np.stack([stream.t_us_e, cell_e, stream.on_e])[:, order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(keys, axis=1) != 0).any(axis=0)
    return np.sort(order[is_first])


def _select(events: CellEvents, chosen: Array) -> CellEvents:
    return replace(
        events,
        cell_e=events.cell_e[chosen],
        sign_e=events.sign_e[chosen],
        t_us_e=events.t_us_e[chosen],
    )


def _clip(events: CellEvents, method: str) -> CellEvents:
    """Leave out the last events of cells beyond the limits, so that frame and events agree."""
    total_l = events.frame()
    surplus_l = total_l - np.clip(total_l, *_limits(total_l, method))
    # Only events of the sum's own sign are left out; the order within a cell is that of time.
    surplus_e = surplus_l.reshape(-1)[events.cell_e] * events.sign_e
    order = np.lexsort((events.sign_e, events.cell_e))
    key = events.cell_e[order] * 2 + (events.sign_e[order] > 0)
    ends = np.searchsorted(key, key, side="right")
    from_end = ends - np.arange(len(key))  # 1 for the last event of a cell and sign
    is_kept = np.empty(len(key), bool)
    is_kept[order] = from_end > surplus_e[order]
    return _select(events, np.flatnonzero(is_kept))


def _limits(total_l: Int64[Array, "h w c"], method: str) -> tuple[Array, Array]:
    """Return the smallest and largest sums of events per channel, whole numbers.

    Taken over the cells with events: three standard deviations, or for signed sums 1.5 to both
    sides of the mean. An event more or less never counts as an outlier, and 0 always lies within.
    """
    low_c, high_c = [], []
    for channel_l in np.moveaxis(total_l, -1, 0):
        values = channel_l[channel_l != 0].astype(np.float64)
        mean, sigma = (values.mean(), values.std()) if len(values) else (0.0, 0.0)
        spread = (mean - 1.5 * sigma, mean + 1.5 * sigma)
        low, high = spread if method == "signed_sum" else (-3 * sigma, 3 * sigma)
        low_c.append(min(round(low), -1))
        high_c.append(max(round(high), 1))
    return np.array(low_c), np.array(high_c)

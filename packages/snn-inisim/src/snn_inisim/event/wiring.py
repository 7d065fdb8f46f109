"""How layers read the spikes of populations: lists of positions, and the weights behind each.

A layer reads *positions*: a pixel with all its channels, or a whole vector of features. Between
populations lie layers without neurons. Those that copy, scale, average or repeat are followed back
to the populations whose spikes they pass on (`Copies`), and a weighted layer behind them reads
these directly (`Sums`). So pooling in front of a convolution costs nothing of its own, and a
residual addition adds up the rows of all its branches at once. `snn_inisim.event.wire` follows
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from snn_core.ir.shapes import count
from snn_core.typing import Array, Float32, Int, Shape
from snn_inisim.event.layout import pad_channels, padded

_SOURCE = ("position_e", "index_e", "place_e", "words_e", "width_e")
"""Columns that say where an entry of `Copies` and `Sums` finds its spikes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """An image whose every position is a sum of scaled copies of positions of populations.

    Parameters
    ----------
    shape
        Shape of the image, channels last.
    output_e
        Position of the image of each entry, in order.
    position_e, index_e
        Number of the position that is copied, among those of all populations, and index of its
        first channel among those of its own.
    place_e, words_e
        Where the frame holds its spikes, and in how many words.
    offset_e, width_e
        First channel of the image that receives them, and the number of channels.
    scale_e
        Index of each entry's factors in ``scales``.
    scales
        Factors of the copied channels, one or one for each.
    """

    shape: Shape
    output_e: Int[Array, "e"]
    position_e: Int[Array, "e"]
    index_e: Int[Array, "e"]
    place_e: Int[Array, "e"]
    words_e: Int[Array, "e"]
    offset_e: Int[Array, "e"]
    width_e: Int[Array, "e"]
    scale_e: Int[Array, "e"]
    scales: tuple[Float32[Array, "*c"], ...]

    @property
    def positions(self) -> int:
        """Number of positions."""
        return count(self.shape[:-1])

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.shape[-1]

    @property
    def is_plain(self) -> bool:
        """Whether every entry fills all channels of its position."""
        return bool((self.width_e == self.channels).all())

    def take(self, entry_e: Array, output_e: Array, shape: Shape) -> Copies:
        """Return some entries, in other positions."""
        order = np.argsort(output_e, kind="stable")
        entry_e, output_e = entry_e[order], output_e[order]
        chosen = {name: getattr(self, name)[entry_e] for name in (*_SOURCE, "offset_e", "scale_e")}
        return replace(self, shape=shape, output_e=output_e, **chosen)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """Sums over listed positions of populations.

    Parameters
    ----------
    shape
        Shape of the layer that adds up, channels last.
    first_o
        First entry of each position of the layer, one more than there are positions.
    position_e, index_e, width_e
        Number of the position that is read, among those of all populations, index of its first
        channel among those of its own, and the number of its channels.
    place_e, words_e
        Where the frame holds its spikes, and in how many words.
    row_e
        Row of ``rows`` that belongs to its first channel.
    rows
        Weights: one row for each channel that is read, padded to whole vectors, and zeros in the
        last.
    bias_o
        Bias per ms and channel, of relays in between too.
    selects
        Whether each channel reads only from the same channel; an entry then has one row.
    """

    shape: Shape
    first_o: Int[Array, "o"]
    position_e: Int[Array, "e"]
    index_e: Int[Array, "e"]
    width_e: Int[Array, "e"]
    place_e: Int[Array, "e"]
    words_e: Int[Array, "e"]
    row_e: Int[Array, "e"]
    rows: Float32[Array, "r c"]
    bias_o: Float32[Array, "c"]
    selects: bool = False

    @property
    def output_e(self) -> Int[Array, "e"]:
        """Position of the layer of each entry."""
        return np.repeat(np.arange(len(self.first_o) - 1), np.diff(self.first_o))


def population(shape: Shape, *, first: int, place: int) -> Copies:
    """Return the spikes of a population themselves.

    Parameters
    ----------
    first
        Number of its first position.
    place
        Where its words begin in a frame of one step.
    """
    positions, words = count(shape[:-1]), number_of_words(shape)
    return Copies(
        shape=shape,
        output_e=np.arange(positions),
        position_e=first + np.arange(positions),
        index_e=shape[-1] * np.arange(positions),
        place_e=place + words * np.arange(positions),
        words_e=np.full(positions, words),
        offset_e=np.zeros(positions, np.int64),
        width_e=np.full(positions, shape[-1]),
        scale_e=np.zeros(positions, np.int64),
        scales=(np.ones(1, np.float32),),
    )


def number_of_words(shape: Shape) -> int:
    """Return the number of words that a position of a population takes for each step."""
    return -(-shape[-1] // 64)


def add_sums(parts: Sequence[Sums], weights: Sequence[Array], shape: Shape) -> Sums:
    """Return the sum of several sums, each times a factor for each channel, or one for all."""
    scaled = [
        replace(x, rows=x.rows * pad_channels(w, shape[-1]), bias_o=x.bias_o * w)
        for x, w in zip(parts, weights, strict=True)
    ]
    return join_sums(scaled, shape)


def sums_of(x: Copies) -> Sums:
    """Return copies as sums: each channel reads from the same channel, if all are filled."""
    if x.is_plain:
        rows = np.zeros((len(x.scales), x.channels), np.float32)  # none if nothing is copied
        for row_c, factor in zip(rows, x.scales, strict=True):
            row_c[:] = factor
        return list_sums(x, x.scale_e, rows, np.zeros(x.channels, np.float32), selects=True)
    pairs, block_e = unique_rows(x.scale_e, x.offset_e, x.width_e)
    size_b = pairs[:, 2]
    first_b = np.cumsum(size_b) - size_b
    every_row = np.zeros((int(size_b.sum()), x.channels), np.float32)
    for (index, offset, width), first in zip(pairs, first_b, strict=True):
        lane = np.arange(width)
        every_row[first + lane, offset + lane] = x.scales[index]
    bias_o = np.zeros(x.channels, np.float32)
    return list_sums(x, first_b[block_e], every_row, bias_o)


def spread(x: Copies, cell_s: Array, output_s: Array, shape: Shape) -> Copies:
    """Return the entries of some positions, each in the position that it is connected to."""
    entry_s, pair_s = _entries(x, cell_s)
    return x.take(entry_s, output_s[pair_s], shape)


def spread_values(x: Copies, cell_s: Array, output_s: Array, value_s: Array) -> Array:
    """Return a value of each pair of positions, in the order of `_spread`."""
    _, pair_s = _entries(x, cell_s)
    order = np.argsort(output_s[pair_s], kind="stable")
    found: Array = value_s[pair_s][order]
    return found


def _entries(x: Copies, cell_s: Array) -> tuple[Array, Array]:
    """Return all entries of some positions, and for each the pair that it belongs to."""
    order = np.argsort(x.output_e, kind="stable")
    number_p = np.bincount(x.output_e, minlength=x.positions)
    first_p = np.cumsum(number_p) - number_p
    number_s = number_p[cell_s]
    pair_e = np.repeat(np.arange(len(cell_s)), number_s)
    within_e = np.arange(len(pair_e)) - np.repeat(np.cumsum(number_s) - number_s, number_s)
    return order[first_p[cell_s][pair_e] + within_e], pair_e


def list_sums(
    x: Copies, row_e: Array, rows: Array, bias_o: Array, *, selects: bool = False
) -> Sums:
    """Return sums with a row for each entry of copies.

    Parameters
    ----------
    row_e
        First row of each entry.
    rows, bias_o, selects
        As for `Sums`; rows are padded here.
    """
    first_o = np.zeros(x.positions + 1, np.int64)
    np.cumsum(np.bincount(x.output_e, minlength=x.positions), out=first_o[1:])
    order = np.argsort(x.output_e, kind="stable")
    every_row = np.zeros((len(rows) + 1, padded(x.channels)), np.float32)
    every_row[:-1, : x.channels] = rows
    return Sums(
        shape=x.shape,
        first_o=first_o,
        **{name: getattr(x, name)[order] for name in _SOURCE},
        row_e=row_e[order],
        rows=every_row,
        bias_o=np.asarray(bias_o, np.float32),
        selects=selects,
    )


def join(parts: Sequence[Copies], shape: Shape) -> Copies:
    """Return all entries of several images of the same shape."""
    scales = tuple(scale for part in parts for scale in part.scales)
    before = np.cumsum([0, *(len(part.scales) for part in parts)])
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (*_SOURCE, "offset_e")
    }
    scale_e = np.concatenate([part.scale_e + n for part, n in zip(parts, before, strict=False)])
    output_e = np.concatenate([part.output_e for part in parts])
    whole = Copies(shape=shape, output_e=output_e, scale_e=scale_e, scales=scales, **joined)
    return whole.take(np.arange(len(output_e)), output_e, shape)


def join_sums(parts: Sequence[Sums], shape: Shape) -> Sums:
    """Return sums over all entries of several."""
    dense = [_unselected(part) for part in parts]
    before = np.cumsum([0, *(len(part.rows) for part in dense)])
    output_e = np.concatenate([part.output_e for part in dense])
    order = np.argsort(output_e, kind="stable")
    source: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in dense])[order] for name in _SOURCE
    }
    row_e = np.concatenate([p.row_e + n for p, n in zip(dense, before, strict=False)])
    first_o = np.zeros(len(dense[0].first_o), np.int64)
    np.cumsum(np.bincount(output_e, minlength=len(first_o) - 1), out=first_o[1:])
    return Sums(
        shape=shape,
        first_o=first_o,
        **source,
        row_e=row_e[order],
        rows=np.concatenate([part.rows for part in dense]),
        bias_o=np.asarray(sum(part.bias_o for part in dense), np.float32),
    )


def _unselected(x: Sums) -> Sums:
    """Return sums with a row for each channel that is read."""
    if not x.selects:
        return x
    channels = x.shape[-1]
    rows = np.zeros((len(x.rows), channels, x.rows.shape[1]), np.float32)
    rows[:, np.arange(channels), np.arange(channels)] = x.rows[:, :channels]
    rows = rows.reshape(-1, x.rows.shape[1])
    return replace(x, rows=rows, row_e=x.row_e * channels, selects=False)


def scale(x: Copies, factor_c: Array) -> Copies:
    """Return copies times a factor for each channel of the image, or one for all."""
    return scale_entries(x, [factor_c], np.zeros(len(x.output_e), np.int64))


def scale_entries(x: Copies, factors: Sequence[Array], factor_e: Array) -> Copies:
    """Return copies, each entry times one of several factors."""
    pairs, scale_e = unique_rows(factor_e, x.scale_e, x.offset_e, x.width_e)
    scales = []
    for factor, scale, offset, width in pairs:
        chosen = factors[factor]
        part = chosen if len(chosen) == 1 else chosen[offset : offset + width]
        scales.append((x.scales[scale] * part).astype(np.float32))
    return replace(x, scale_e=scale_e, scales=tuple(scales))


def unique_rows(*columns_e: Array) -> tuple[Array, Array]:
    """Return the different rows of a table, and for each row which of them it is."""
    table = np.stack([np.asarray(column, np.int64) for column in columns_e], axis=1)
    rows, index_e = np.unique(table, axis=0, return_inverse=True)
    return rows, index_e.reshape(-1)

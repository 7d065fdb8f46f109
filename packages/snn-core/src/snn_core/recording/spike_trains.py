"""Spike trains in little space: as bits, or as a list of events where spikes are rare.

With n cells, a step takes n / 8 bytes as bits, whatever happens in it, and 2 bytes for each spike
as events (4 or 8 where two cannot number the cells). The smaller form is chosen automatically.
Cells that spike more than once in a step are always events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from snn_core.errors import ArtifactError, SimulationError
from snn_core.reading import count_values
from snn_core.typing import Array, Int, Int64, Shape

FORMS = ("bits", "events")
_PARTS = ("bits", "negative_bits", "cells_e", "counts_t", "negative_e", "number_e")

_SET_IN_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
    axis=1, dtype=np.uint8
)
"""Number of bits that are set, for each byte."""


class Events(NamedTuple):
    """Spikes of a layer or of the input as a list, in any order.

    Parameters
    ----------
    sample_e, step_e
        Sample of the batch and step of each, counted from 0.
    cell_e
        Index of its cell in the flattened layer: row-major, channels last.
    value_e
        What it carries: for input its value, for neurons its sign; ``None`` where all carry 1.
    """

    sample_e: Array
    step_e: Array
    cell_e: Array
    value_e: Array | None = None

    def moved(self, samples: int) -> Events:
        """Return the spikes of samples that lie so many behind."""
        return self._replace(sample_e=self.sample_e + np.int32(samples)) if samples else self

    def taken(self, chosen_e: Array | slice) -> Events:
        """Return the spikes that are chosen by numbers, a mask or a slice."""
        value_e = None if self.value_e is None else self.value_e[chosen_e]
        parts = (self.sample_e[chosen_e], self.step_e[chosen_e], self.cell_e[chosen_e])
        return Events(*parts, value_e)


@dataclass(frozen=True, kw_only=True)
class CompactSpikes:
    """Spikes of a layer in some steps.

    Parameters
    ----------
    shape_t_b_l
        Number of steps, number of samples, shape of the layer.
    bits, negative_bits
        For each step, whether each cell spikes, and whether negatively, eight cells to a byte;
        ``negative_bits`` is ``None`` without negative spikes.
    cells_e, counts_t, negative_e
        The cells that spike, step by step in order, numbered over samples and neurons; how many do
        in each step; and which of these spikes are negative, eight to a byte (or ``None``).
    number_e
        How many times each of these cells spikes in the step; ``None`` where all do once.
    """

    shape_t_b_l: Shape
    bits: Array | None = None
    negative_bits: Array | None = None
    cells_e: Array | None = None
    counts_t: Array | None = None
    negative_e: Array | None = None
    number_e: Array | None = None

    @property
    def form(self) -> str:
        """How they are stored."""
        return "bits" if self.cells_e is None else "events"

    @property
    def nbytes(self) -> int:
        """Size of the arrays."""
        return sum(array.nbytes for name, array in self.arrays().items() if name != "shape")

    @property
    def number_b(self) -> Int64[Array, "b"]:
        """Number of spikes of each sample, whatever their sign; no dense array is made of them."""
        samples, size = self.shape_t_b_l[1], count_values(self.shape_t_b_l[2:])
        if self.cells_e is not None:
            sample_e = self.cells_e.astype(np.int64) // max(size, 1)
            # float64 sums are exact up to 2**53.
            return np.bincount(sample_e, self.number_e, minlength=samples).astype(np.int64)
        bits = np.pad(_array(self.bits), ((0, 0), (0, 1)))
        byte_b, bit_b = np.divmod(np.arange(samples + 1) * size, 8)  # where each sample begins
        # Of that byte, its highest bits are those of the sample before.
        rest = bits[:, byte_b] & (0xFF00 >> bit_b & 0xFF).astype(np.uint8)
        number = np.append(0, np.cumsum(_SET_IN_BYTE[bits].sum(axis=0, dtype=np.int64)))
        before_b = number[byte_b] + _SET_IN_BYTE[rest].sum(axis=0, dtype=np.int64)
        found_b: Array = np.diff(before_b)
        return found_b

    def arrays(self) -> dict[str, Array]:
        """Return what `from_arrays` takes, for writing to a file."""
        found = {"shape": np.asarray(self.shape_t_b_l, np.int64)}
        for name in _PARTS:
            value = getattr(self, name)
            if value is not None:
                found[name] = value
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> CompactSpikes:
        """Return the spikes that `arrays` described.

        Raises
        ------
        ArtifactError
            If the arrays do not belong together.
        """
        parts = {name: array for name, array in arrays.items() if name != "shape"}
        try:
            shape = tuple(int(size) for size in arrays["shape"])
            spikes = cls(shape_t_b_l=shape, **parts)
            fits = spikes._fits()
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"Recorded spike trains are damaged ({error}).") from error
        if not fits:
            raise ArtifactError(
                f"Recorded spike trains are damaged: {', '.join(arrays)} do not fit together."
            )
        return spikes

    def _fits(self) -> bool:
        """Return whether the arrays belong together."""
        steps, cells = _sizes(self.shape_t_b_l)
        if self.bits is not None:
            signs = self.bits if self.negative_bits is None else self.negative_bits
            expected = (steps, -(-cells // 8))
            return all(a.shape == expected and a.dtype == np.uint8 for a in (self.bits, signs))
        cells_e, counts_t = _array(self.cells_e), _array(self.counts_t)
        number = len(cells_e)
        return (
            cells_e.dtype.kind == counts_t.dtype.kind == "u"
            and counts_t.shape == (steps,)
            and int(counts_t.sum(dtype=np.int64)) == number
            and int(cells_e.max(initial=0)) < max(cells, 1)
            and (self.negative_e is None or self.negative_e.shape == (-(-number // 8),))
            and (
                self.number_e is None
                or (self.number_e.shape == (number,) and self.number_e.dtype.kind == "u")
            )
        )

    def dense(self) -> Int[Array, "t b *l"]:
        """Return the signed number of spikes of each cell: int8, wider where that is too small."""
        steps, cells = _sizes(self.shape_t_b_l)
        if self.bits is not None:
            flat = np.unpackbits(self.bits, axis=1, count=cells).view(np.int8)
            if self.negative_bits is not None:
                negative = np.unpackbits(self.negative_bits, axis=1, count=cells).view(np.int8)
                flat = flat - 2 * negative
            return flat.reshape(self.shape_t_b_l)
        step_e, cell_e, value_e = self._listed()
        flat = np.zeros((steps, cells), value_e.dtype)
        flat[step_e, cell_e] = value_e
        return flat.reshape(self.shape_t_b_l)

    def _listed(self) -> tuple[Array, Array, Array]:
        """Return step, cell and signed number of spikes of each event, steps in order."""
        if self.bits is not None:
            flat = self.dense().reshape(_sizes(self.shape_t_b_l))
            step_e, cell_e = np.nonzero(flat)
            return step_e, cell_e, flat[step_e, cell_e]
        cells_e = _array(self.cells_e)
        value_e: Array = np.ones(len(cells_e), np.int8)
        if self.number_e is not None:
            dtype = np.int8 if self.number_e.max(initial=0) <= np.iinfo(np.int8).max else np.int32
            value_e = self.number_e.astype(dtype)
        if self.negative_e is not None:
            value_e *= 1 - 2 * np.unpackbits(self.negative_e, count=len(value_e)).view(np.int8)
        step_e = np.repeat(np.arange(len(_array(self.counts_t))), _array(self.counts_t))
        return step_e, cells_e, value_e


def compact(spikes_t_b_l: Array, *, form: str | None = None) -> CompactSpikes:
    """Return spikes in the smaller form.

    Parameters
    ----------
    spikes_t_b_l
        Whole numbers are numbers of spikes, negative ones of negative spikes. Floating values other
        than 0 are one spike each, whatever it carries.
    form
        One of `FORMS`, to have that one; several spikes in a step are always events.
    """
    steps, cells = _sizes(spikes_t_b_l.shape)
    flat = spikes_t_b_l.reshape(steps, cells)
    signed = flat.dtype.kind in "if" and bool((flat < 0).any())
    if flat.dtype.kind in "iu" and flat.size and max(int(flat.max()), -int(flat.min())) > 1:
        form = "events"
    if form is None:
        form = smaller_form(steps, cells, number=int(np.count_nonzero(flat)), signed=signed)
    if form == "bits":
        return CompactSpikes(
            shape_t_b_l=spikes_t_b_l.shape,
            bits=np.packbits(flat != 0, axis=1),
            negative_bits=np.packbits(flat < 0, axis=1) if signed else None,
        )
    step_e, cell_e = np.nonzero(flat)
    value_e = flat[step_e, cell_e]
    if flat.dtype.kind == "f":
        value_e = np.sign(value_e)
    return _of_sorted(spikes_t_b_l.shape, step_e, cell_e, value_e.astype(np.int64), form="events")


def of_events(
    shape_t_b_l: Shape,
    step_e: Array,
    cell_e: Array,
    value_e: Array | None = None,
    *,
    form: str | None = None,
) -> CompactSpikes:
    """Return listed spikes in the smaller form.

    Parameters
    ----------
    shape_t_b_l
        Number of steps, number of samples, shape of the layer.
    step_e, cell_e
        Step of each spike, and its cell numbered over samples and neurons, in any order.
    value_e
        Signed number of spikes; 1 each if not given. That of a cell listed repeatedly in a step is
        the sum.
    form
        One of `FORMS`, to have that one; several spikes in a step are always events.

    Raises
    ------
    SimulationError
        If a cell spikes positively and negatively in the same step.
    """
    _, cells = _sizes(shape_t_b_l)
    place_e = step_e.astype(np.int64) * cells + cell_e
    value_e = np.ones(len(place_e), np.int64) if value_e is None else value_e.astype(np.int64)
    if (place_e[1:] <= place_e[:-1]).any():
        order = np.argsort(place_e, kind="stable")  # quick where lists are nearly in order
        place_e, value_e = place_e[order], value_e[order]
        (first,) = np.nonzero(np.diff(place_e, prepend=-1))
        if len(first) < len(place_e):
            place_e, number_e = place_e[first], np.add.reduceat(np.abs(value_e), first)
            value_e = np.add.reduceat(value_e, first)
            if (np.abs(value_e) != number_e).any():
                raise SimulationError(
                    "A neuron spikes positively and negatively in the same step; expected spikes "
                    "of one sign."
                )
    step_e, cell_e = np.divmod(place_e, max(cells, 1))
    return _of_sorted(shape_t_b_l, step_e, cell_e, value_e, form=form)


def _of_sorted(
    shape_t_b_l: Shape,
    step_e: Array,
    cell_e: Array,
    value_e: Int64[Array, "e"],
    *,
    form: str | None,
) -> CompactSpikes:
    """Return the spikes of events in order, of which no two are in the same place."""
    steps, cells = _sizes(shape_t_b_l)
    negative = value_e < 0
    signed, number_e = bool(negative.any()), np.abs(value_e)
    several = int(number_e.max(initial=1)) > 1
    if form is None or several:
        smaller = smaller_form(steps, cells, number=len(cell_e), signed=signed)
        form = "events" if several else smaller
    if form == "bits":
        return CompactSpikes(
            shape_t_b_l=shape_t_b_l,
            bits=_bits(steps, cells, step_e, cell_e),
            negative_bits=_bits(steps, cells, step_e[negative], cell_e[negative])
            if signed
            else None,
        )
    return CompactSpikes(
        shape_t_b_l=shape_t_b_l,
        cells_e=cell_e.astype(_number_type(cells)),
        counts_t=np.bincount(step_e, minlength=steps).astype(np.uint32),
        negative_e=np.packbits(negative) if signed else None,
        number_e=number_e.astype(np.min_scalar_type(number_e.max())) if several else None,
    )


def _bits(steps: int, cells: int, step_e: Array, cell_e: Array) -> Array:
    """Return the bits of cells in order; no array of all cells and steps is made."""
    width = -(-cells // 8)
    bits = np.zeros(steps * width, np.uint8)
    place_e = step_e.astype(np.int64) * width + cell_e // 8
    (first,) = np.nonzero(np.diff(place_e, prepend=-1))
    if len(first):
        mask_e = (128 >> (cell_e % 8)).astype(np.uint8)
        bits[place_e[first]] = np.bitwise_or.reduceat(mask_e, first)
    return bits.reshape(steps, width)


def smaller_form(steps: int, cells: int, *, number: int, signed: bool) -> str:
    """Return the form that takes less space for a number of spikes."""
    as_bits = steps * -(-cells // 8) * (1 + signed)
    as_events = number * _number_type(cells).itemsize + 4 * steps + signed * -(-number // 8)
    return "events" if as_events < as_bits else "bits"


def assembled(parts: Sequence[tuple[int, CompactSpikes]], num_steps: int) -> CompactSpikes:
    """Return the spikes of a whole run, in the form that is smaller for all.

    Parameters
    ----------
    parts
        First step and spikes of each part, in any order, at least one. Where parts lie over each
        other, as those of different samples do, their spikes add up; elsewhere nothing spikes.
    num_steps
        Number of steps of the run.

    Raises
    ------
    SimulationError
        If a cell spikes positively and negatively in the same step.
    """
    parts = sorted(parts, key=lambda part: part[0])
    shape = (num_steps, *parts[0][1].shape_t_b_l[1:])
    if len(parts) == 1 and parts[0][1].shape_t_b_l == shape:
        return parts[0][1]
    overlap = any(
        start + spikes.shape_t_b_l[0] > following
        for (start, spikes), (following, _) in pairwise(parts)
    )
    if not overlap and _fits_bits([spikes for _, spikes in parts], shape):
        return _joined_bits(parts, shape)
    listed = [(start, *spikes._listed()) for start, spikes in parts]
    return of_events(
        shape,
        np.concatenate([start + step_e for start, step_e, _, _ in listed]),
        np.concatenate([cell_e for _, _, cell_e, _ in listed]),
        np.concatenate([value_e for _, _, _, value_e in listed]),
    )


def _fits_bits(parts: Sequence[CompactSpikes], shape_t_b_l: Shape) -> bool:
    """Return whether bits are the smaller form for all parts together."""
    signed = any(part.negative_bits is not None or part.negative_e is not None for part in parts)
    number = sum(_number(part) for part in parts)
    form = smaller_form(*_sizes(shape_t_b_l), number=number, signed=signed)
    return form == "bits" and all(part.number_e is None for part in parts)


def _joined_bits(parts: Sequence[tuple[int, CompactSpikes]], shape_t_b_l: Shape) -> CompactSpikes:
    """Return parts that lie one after the other as one, stored as bits."""
    steps, cells = _sizes(shape_t_b_l)
    bits = np.zeros((steps, -(-cells // 8)), np.uint8)
    negative_bits = np.zeros_like(bits)
    for start, part in parts:
        if part.form == "events":
            part = _of_sorted(part.shape_t_b_l, *part._listed(), form="bits")
        own = slice(start, start + part.shape_t_b_l[0])
        bits[own] = _array(part.bits)
        if part.negative_bits is not None:
            negative_bits[own] = part.negative_bits
    return CompactSpikes(
        shape_t_b_l=shape_t_b_l,
        bits=bits,
        negative_bits=negative_bits if negative_bits.any() else None,
    )


def _number(part: CompactSpikes) -> int:
    """Return the number of cells that spike, those of all steps added up."""
    if part.cells_e is not None:
        return len(part.cells_e)
    return int(np.bincount(_array(part.bits).reshape(-1), minlength=256) @ _SET_IN_BYTE)


def _array(array: Array | None) -> Array:
    if array is None:
        raise ValueError("there are neither bits nor events")
    return array


def _sizes(shape_t_b_l: Shape) -> tuple[int, int]:
    """Return the number of steps, and of cells: samples times neurons."""
    return shape_t_b_l[0], count_values(shape_t_b_l[1:])


def _number_type(cells: int) -> np.dtype[np.unsignedinteger]:
    """Return the smallest type that numbers all cells, two bytes or more."""
    return np.promote_types(np.uint16, np.min_scalar_type(max(cells - 1, 0)))

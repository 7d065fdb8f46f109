"""Spike trains in little space: as bits, or as a list of events where spikes are rare.

With n cells, a step takes n / 8 bytes as bits, whatever happens in it, and 2 bytes for each spike
as events (4 or 8 where two cannot number the cells). The smaller form is chosen by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.typing import Array, Int8, Shape

FORMS = ("bits", "events")


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
    """

    shape_t_b_l: Shape
    bits: Array | None = None
    negative_bits: Array | None = None
    cells_e: Array | None = None
    counts_t: Array | None = None
    negative_e: Array | None = None

    @property
    def form(self) -> str:
        """How they are stored."""
        return "bits" if self.cells_e is None else "events"

    @property
    def nbytes(self) -> int:
        """Size of the arrays."""
        return sum(array.nbytes for name, array in self.arrays().items() if name != "shape")

    def arrays(self) -> dict[str, Array]:
        """Return what `from_arrays` takes, for writing to a file."""
        found = {"shape": np.asarray(self.shape_t_b_l, np.int64)}
        for name in ("bits", "negative_bits", "cells_e", "counts_t", "negative_e"):
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
        )

    def dense(self) -> Int8[Array, "t b *l"]:
        """Return the spikes as -1, 0 and 1."""
        steps, cells = _sizes(self.shape_t_b_l)
        if self.bits is not None:
            flat = np.unpackbits(self.bits, axis=1, count=cells).view(np.int8)
            if self.negative_bits is not None:
                negative = np.unpackbits(self.negative_bits, axis=1, count=cells).view(np.int8)
                flat = flat - 2 * negative
            return flat.reshape(self.shape_t_b_l)
        if self.cells_e is None or self.counts_t is None:
            raise ValueError("there are neither bits nor events")
        flat = np.zeros((steps, cells), np.int8)
        values_e: Array = np.ones(len(self.cells_e), np.int8)
        if self.negative_e is not None:
            values_e -= 2 * np.unpackbits(self.negative_e, count=len(values_e)).view(np.int8)
        flat[np.repeat(np.arange(steps), self.counts_t), self.cells_e] = values_e
        return flat.reshape(self.shape_t_b_l)


def compact(spikes_t_b_l: Array, *, form: str | None = None) -> CompactSpikes:
    """Return spikes in the smaller form.

    Parameters
    ----------
    spikes_t_b_l
        Values of any dtype: negative, 0 or positive.
    form
        One of `FORMS`, to have that one.
    """
    steps, cells = _sizes(spikes_t_b_l.shape)
    flat = spikes_t_b_l.reshape(steps, cells)
    signed = bool((flat < 0).any())
    number = int(np.count_nonzero(flat))
    if form is None:
        form = smaller_form(steps, cells, number=number, signed=signed)
    if form == "bits":
        return CompactSpikes(
            shape_t_b_l=spikes_t_b_l.shape,
            bits=np.packbits(flat != 0, axis=1),
            negative_bits=np.packbits(flat < 0, axis=1) if signed else None,
        )
    step_e, cell_e = np.nonzero(flat)
    return CompactSpikes(
        shape_t_b_l=spikes_t_b_l.shape,
        cells_e=cell_e.astype(_number_type(cells)),
        counts_t=np.bincount(step_e, minlength=steps).astype(np.uint32),
        negative_e=np.packbits(flat[step_e, cell_e] < 0) if signed else None,
    )


def smaller_form(steps: int, cells: int, *, number: int, signed: bool) -> str:
    """Return the form that takes less space for a number of spikes."""
    as_bits = steps * -(-cells // 8) * (1 + signed)
    as_events = number * _number_type(cells).itemsize + 4 * steps + signed * -(-number // 8)
    return "events" if as_events < as_bits else "bits"


def joined_in_time(parts: Sequence[CompactSpikes]) -> CompactSpikes:
    """Return the spikes of consecutive steps as one, in the form that is smaller for all."""
    first = parts[0].shape_t_b_l
    steps = sum(part.shape_t_b_l[0] for part in parts)
    _, cells = _sizes(first)
    signed = any(part.negative_bits is not None or part.negative_e is not None for part in parts)
    form = smaller_form(steps, cells, number=sum(map(_number, parts)), signed=signed)
    parts = [part if part.form == form else compact(part.dense(), form=form) for part in parts]
    shape = (steps, *first[1:])
    if form == "bits":
        return CompactSpikes(
            shape_t_b_l=shape,
            bits=np.concatenate([_array(part.bits) for part in parts]),
            negative_bits=np.concatenate([_negative_bits(part) for part in parts])
            if signed
            else None,
        )
    return CompactSpikes(
        shape_t_b_l=shape,
        cells_e=np.concatenate([_array(part.cells_e) for part in parts]),
        counts_t=np.concatenate([_array(part.counts_t) for part in parts]),
        negative_e=np.packbits(np.concatenate([_negative_events(part) for part in parts]))
        if signed
        else None,
    )


def _number(part: CompactSpikes) -> int:
    """Return the number of spikes."""
    if part.cells_e is not None:
        return len(part.cells_e)
    return int(np.unpackbits(_array(part.bits)).sum(dtype=np.int64))


def _negative_bits(part: CompactSpikes) -> Array:
    bits = _array(part.bits)
    return np.zeros_like(bits) if part.negative_bits is None else part.negative_bits


def _negative_events(part: CompactSpikes) -> Array:
    number = len(_array(part.cells_e))
    if part.negative_e is None:
        return np.zeros(number, np.uint8)
    return np.unpackbits(part.negative_e, count=number)


def _array(array: Array | None) -> Array:
    if array is None:
        raise ValueError("there are neither bits nor events")
    return array


def _sizes(shape_t_b_l: Shape) -> tuple[int, int]:
    """Return the number of steps, and of cells: samples times neurons."""
    return shape_t_b_l[0], int(np.prod(shape_t_b_l[1:], dtype=np.int64))


def _number_type(cells: int) -> np.dtype[np.unsignedinteger]:
    """Return the smallest type that numbers all cells, two bytes or more."""
    return np.promote_types(np.uint16, np.min_scalar_type(max(cells - 1, 0)))

"""Vector code for the event engine: sums of weight rows held in registers, with the neuron behind.

`advance` is one loop over steps. In each step it adds up, for a block of output channels, the rows
of the weights whose inputs spiked, lets the neurons integrate that, and writes their spikes as
bits. The sums never leave the registers. It is written in LLVM's vector instructions, which any
processor that numba compiles for can execute, because neither NumPy nor numba's own vectorizer
keeps a block of sums in registers.

The order of additions is fixed: bias, then rows in the order of the list, four at a time, then the
potential. No flag allows the compiler to change it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
"""Channels per vector; also the number of bits that are written at once."""

UNROLLED = 4
"""Rows that are added up before they are added to the sum, so that additions overlap in time."""

_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_COUNTS = ir.VectorType(ir.IntType(32), LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
_HALF = ir.IntType(16)
_INDEX = ir.IntType(32)
_WORD = ir.IntType(64)

GATHER, GATHER_MORE, SELECT, READ = 0, 1, 2, 3
"""Where sums come from: listed rows; listed rows that are added to sums that have been written;
rows that spikes select lane by lane; or memory."""

SUBTRACT, ZERO, NONE = 0, 1, 2
"""What a spike does to the potential; with ``NONE`` there are no neurons and sums are written."""


class _Emitter:
    """Short names for the instructions that `advance` needs."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def at(self, address: Any, offset: Any, kind: Any) -> Any:
        """Return a pointer to ``address[offset]``, counted in values of a type."""
        builder = self.builder
        base = builder.inttoptr(address, kind.as_pointer())
        return builder.gep(base, [offset], inbounds=True)

    def vector(self, address: Any, offset: Any, kind: Any = _VECTOR, scalar: Any = _FLOAT) -> Any:
        """Load a vector that starts at ``address[offset]``, counted in scalars."""
        pointer = self.at(address, offset, scalar)
        return self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()), align=4)

    def store(self, value: Any, address: Any, offset: Any, scalar: Any = _FLOAT) -> None:
        """Store a vector from ``address[offset]`` on, counted in scalars."""
        pointer = self.at(address, offset, scalar)
        target = self.builder.bitcast(pointer, value.type.as_pointer())
        self.builder.store(value, target, align=2 if scalar is _HALF else 4)

    def everywhere(self, value: Any, lanes: int) -> Any:
        """Return a vector with a value in all lanes."""
        kind = ir.VectorType(value.type, lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        start = self.builder.insert_element(undefined, value, ir.Constant(_INDEX, 0))
        lane = ir.Constant(ir.VectorType(_INDEX, lanes), [0] * lanes)
        return self.builder.shuffle_vector(start, undefined, lane)

    def variables(self, number: int, kind: Any) -> list[Any]:
        """Return variables that the optimizer turns into registers."""
        return [cgutils.alloca_once(self.builder, kind) for _ in range(number)]

    def add(self, variable: Any, value: Any) -> None:
        """Add to a variable of floating-point numbers."""
        builder = self.builder
        builder.store(builder.fadd(builder.load(variable), value), variable)


VARIANTS = tuple(
    (size, source, reset)
    for size in (1, 2)
    for source, resets in (
        (GATHER, (SUBTRACT, ZERO, NONE)),
        (GATHER_MORE, (NONE,)),
        (SELECT, (SUBTRACT, ZERO, NONE)),
        (READ, (SUBTRACT, ZERO)),
    )
    for reset in resets
)
"""Numbers of vectors, sources of sums and resets for which `advance` has a loop."""


@intrinsic
def advance(
    typingctx,
    num_vectors,
    source,
    reset,
    num_steps,
    rows,
    row_length,
    bias,
    threshold,
    potential,
    counts,
    entries,
    offsets,
    target,
    target_stride,
    first_vector,
):
    """Advance a block of neurons by several steps.

    All arguments are integers of the machine's word size; arrays are given by their addresses.
    There is a loop for each of the `VARIANTS`. They are in one function, because numba finds no
    function on disk again whose own variables hold other functions.

    Parameters
    ----------
    num_vectors, source, reset
        One of `VARIANTS`: the number of vectors in the block, where sums come from, and what a
        spike does.
    num_steps
        Number of steps.
    rows
        Weights from the first channel of the block on; with `READ` the sums, a row for each step.
    row_length
        Number of values from one row to the next.
    bias, threshold, potential, counts
        Values of the block's channels; potentials and numbers of spikes are updated.
    entries
        `GATHER`: index of each row to add; a multiple of `UNROLLED` in each step. `SELECT`, in
        64-bit words: a row, the address of the spikes of the first step that select from it, and
        the number of 16-bit halves from a step to the next.
    offsets
        Where the entries of each step begin, one more than there are steps. With `SELECT` only
        the second is used, the number of entries, which are the same in all steps.
    target, target_stride
        Where the spikes of the first step go, 16 bits for each vector, and the number of such
        halves from a step to the next; without neurons, the sums and a number of floats.
    first_vector
        Number of vectors of the layer before the block, by which `SELECT` finds its spikes.
    """
    signature = types.void(*(types.intp for _ in range(15)))

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        asked = values[:3]
        for variant in VARIANTS:
            same = [
                builder.icmp_signed("==", value, ir.Constant(value.type, constant))
                for value, constant in zip(asked, variant, strict=True)
            ]
            with builder.if_then(builder.and_(builder.and_(same[0], same[1]), same[2])):
                size, kind, after = variant
                _emit(builder, values[3:], size=size, source=kind, reset=after)
        return context.get_dummy_value()

    return signature, generate


def _emit(builder: Any, values: Any, *, size: int, source: int, reset: int) -> None:
    (num_steps, rows, row_length, bias, threshold, potential, counts) = values[:7]
    (entries, offsets, target, target_stride, first_vector) = values[7:]
    emit = _Emitter(builder)
    word = num_steps.type
    lane = [ir.Constant(word, LANES * k) for k in range(size)]
    v, sums = emit.variables(size, _VECTOR), emit.variables(size, _VECTOR)
    number = emit.variables(size, _COUNTS)
    if reset != NONE:
        for k in range(size):
            builder.store(emit.vector(potential, lane[k]), v[k])
            builder.store(emit.vector(counts, lane[k], _COUNTS, _INDEX), number[k])
    with cgutils.for_range(builder, num_steps, intp=word) as steps:
        t = steps.index
        place = builder.mul(t, target_stride)
        for k in range(size):
            start = emit.vector(bias, lane[k])
            if source == GATHER_MORE:
                start = emit.vector(target, builder.add(place, lane[k]))
            builder.store(start, sums[k])
        if source == READ:
            start = builder.mul(t, row_length)
            for k in range(size):
                emit.add(sums[k], emit.vector(rows, builder.add(start, lane[k])))
        elif source in (GATHER, GATHER_MORE):
            _emit_gather(emit, rows, row_length, entries, offsets, t, sums, lane)
        else:
            listed = (entries, offsets, first_vector)
            _emit_select(emit, rows, row_length, listed, t, sums, lane)
        for k in range(size):
            if reset == NONE:
                emit.store(builder.load(sums[k]), target, builder.add(place, lane[k]))
                continue
            limit = emit.vector(threshold, lane[k])
            reached = builder.fadd(builder.load(v[k]), builder.load(sums[k]))
            fired = builder.fcmp_ordered(">=", reached, limit)
            zero = ir.Constant(_VECTOR, None)
            left = builder.fsub(reached, limit) if reset == SUBTRACT else zero
            builder.store(builder.select(fired, left, reached), v[k])
            more = builder.zext(fired, _COUNTS)
            builder.store(builder.add(builder.load(number[k]), more), number[k])
            half = emit.at(target, builder.add(place, ir.Constant(word, k)), _HALF)
            builder.store(builder.bitcast(fired, _HALF), half, align=2)
    if reset != NONE:
        for k in range(size):
            emit.store(builder.load(v[k]), potential, lane[k])
            emit.store(builder.load(number[k]), counts, lane[k], _INDEX)


def _emit_gather(
    emit: _Emitter,
    rows: Any,
    row_length: Any,
    entries: Any,
    offsets: Any,
    t: Any,
    sums: list[Any],
    lane: list[Any],
) -> None:
    """Add the listed rows of a step."""
    builder = emit.builder
    word = t.type
    one = ir.Constant(word, 1)
    first = builder.sext(builder.load(emit.at(offsets, t, _INDEX)), word)
    last = builder.sext(builder.load(emit.at(offsets, builder.add(t, one), _INDEX)), word)
    step = ir.Constant(word, UNROLLED)
    with cgutils.for_range_slice(builder, first, last, step, intp=word) as (i, _):
        starts = []
        for n in range(UNROLLED):
            place = emit.at(entries, builder.add(i, ir.Constant(word, n)), _INDEX)
            row = builder.sext(builder.load(place), word)
            starts.append(builder.mul(row, row_length))
        for k, total in enumerate(sums):
            read = [emit.vector(rows, builder.add(start, lane[k])) for start in starts]
            while len(read) > 1:  # pairs, then pairs of pairs
                read = [builder.fadd(*read[n : n + 2]) for n in range(0, len(read), 2)]
            emit.add(total, read[0])


def _emit_select(
    emit: _Emitter,
    rows: Any,
    row_length: Any,
    listed: tuple[Any, Any, Any],
    t: Any,
    sums: list[Any],
    lane: list[Any],
) -> None:
    """Add, lane by lane, what the spikes of a step select from each row."""
    builder = emit.builder
    entries, offsets, first_vector = listed
    word = t.type
    zero, one = ir.Constant(word, 0), ir.Constant(word, 1)
    two, three = ir.Constant(word, 2), ir.Constant(word, 3)
    number = builder.sext(builder.load(emit.at(offsets, one, _INDEX)), word)
    with cgutils.for_range_slice(builder, zero, number, one, intp=word) as (i, _):
        at = builder.mul(i, three)
        row = builder.load(emit.at(entries, at, _WORD))
        spikes = builder.load(emit.at(entries, builder.add(at, one), _WORD))
        stride = builder.load(emit.at(entries, builder.add(at, two), _WORD))
        here = builder.add(builder.mul(t, stride), first_vector)
        start = builder.mul(row, row_length)
        for k, total in enumerate(sums):
            half = builder.load(
                emit.at(spikes, builder.add(here, ir.Constant(word, k)), _HALF), align=2
            )
            mask = builder.bitcast(half, _MASK)
            weight = emit.vector(rows, builder.add(start, lane[k]))
            silent = ir.Constant(_VECTOR, None)
            emit.add(total, builder.select(mask, weight, silent))


@intrinsic
def append(typingctx, target, source, base, length):
    """Write ``base + index`` for some indices.

    Whole vectors are written, one at least, because a list is mostly shorter than a vector and a
    loop over its entries would be mispredicted; up to a vector behind the list is overwritten.

    Parameters
    ----------
    target, source
        Addresses of the list to write, and of the indices.
    base
        What to add.
    length
        Number of indices.
    """
    signature = types.void(types.intp, types.intp, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        target, source, base, length = values
        emit, word = _Emitter(builder), target.type
        everywhere = emit.everywhere(builder.trunc(base, _INDEX), LANES)
        zero, step = ir.Constant(word, 0), ir.Constant(word, LANES)
        least = builder.select(builder.icmp_signed(">", length, step), length, step)
        with cgutils.for_range_slice(builder, zero, least, step, intp=word) as (i, _):
            index = emit.vector(source, i, _COUNTS, _INDEX)
            emit.store(builder.add(index, everywhere), target, i, _INDEX)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def fill(typingctx, target, value):
    """Write a value of 32 bits as often as a vector has lanes."""
    signature = types.void(types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        emit = _Emitter(builder)
        everywhere = emit.everywhere(builder.trunc(values[1], _INDEX), LANES)
        emit.store(everywhere, values[0], ir.Constant(values[0].type, 0), _INDEX)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def expand(typingctx, target, source, base, table, number):
    """Write the places of the bits that are set in some bytes as indices.

    Eight indices are written for each byte, from a table, however many of its bits are set: loops
    over so few bits would be mispredicted.

    Parameters
    ----------
    target, source
        Addresses of the list to write, and of the bytes.
    base
        Index of the first bit.
    table
        Address of `PLACES`.
    number
        Number of bytes.

    Returns
    -------
    The number of indices; what lies behind them, up to eight more, is overwritten.
    """
    signature = types.intp(types.intp, types.intp, types.intp, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        target, source, base, table, number = values
        emit, word = _Emitter(builder), target.type
        narrow, eight = ir.VectorType(ir.IntType(8), 8), ir.VectorType(_INDEX, 8)
        count = cgutils.alloca_once_value(builder, ir.Constant(word, 0))
        with cgutils.for_range(builder, number, intp=word) as bytes_:
            byte = builder.load(emit.at(source, bytes_.index, ir.IntType(8)))
            row = builder.mul(builder.zext(byte, word), ir.Constant(word, 8))
            places = emit.at(table, row, ir.IntType(8))
            found = builder.load(builder.bitcast(places, narrow.as_pointer()), align=1)
            first = builder.add(base, builder.mul(bytes_.index, ir.Constant(word, 8)))
            everywhere = emit.everywhere(builder.trunc(first, _INDEX), 8)
            n = builder.load(count)
            index = builder.add(builder.zext(found, eight), everywhere)
            emit.store(index, target, n, _INDEX)
            bits = builder.zext(builder.ctpop(byte), word)
            builder.store(builder.add(n, bits), count)
        return builder.load(count)

    return signature, generate


PLACES = np.array(
    [[i for i in range(8) if byte >> i & 1] + [0] * (8 - byte.bit_count()) for byte in range(256)],
    np.uint8,
)
"""For each byte the places of its bits that are set, filled up with zeros."""


@intrinsic
def lowest_bit(typingctx, value):
    """Return the place of the lowest bit that is set in a word other than 0."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate

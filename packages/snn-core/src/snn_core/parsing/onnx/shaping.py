"""ONNX operators that pool, pad or rearrange, as calls of `snn_core.parsing.emit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.emit import elementwise, images, pooling, reductions, walk
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import require_sizes
from snn_core.parsing.emit.reductions import Reduction
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, source_axis
from snn_core.parsing.onnx.weighted import geometry_of, text
from snn_core.reading import spend
from snn_core.typing import Array


def source_axes(call: Call, key: str, rank: int) -> list[int]:
    """Return axes that are a setting in older operator sets and an input in newer ones."""
    values = call.settings.get("axes")
    if values is None:
        given = call.constant_or_none(key)
        values = [] if given is None else given.reshape(-1).tolist()
    return [source_axis(value, rank) for value in values]


def pool(b: Builder, call: Call) -> View:
    """Emit ``AveragePool`` or ``MaxPool``."""
    x = call.tensor("0")
    kernel = call.settings.get("kernel_shape")
    if not kernel:
        raise ParseError("it has no kernel shape.")
    kernel = require_sizes(kernel, "kernel_shape", number=x.rank - 1)
    if call.settings["read_outputs"] > 1:
        raise UnsupportedError(["its indices are used; only the maxima are supported"])
    return pooling.pool(
        b,
        call.name,
        x,
        maximum=call.kind == "MaxPool",
        kernel=kernel,
        geometry=geometry_of(call, x, kernel),
        ceil_mode=bool(call.settings.get("ceil_mode", 0)),
        count_padding=bool(call.settings.get("count_include_pad", 0)),
    )


def pool_globally(b: Builder, call: Call) -> View:
    """Emit ``GlobalAveragePool`` or ``GlobalMaxPool``."""
    x = call.tensor("0")
    what: Reduction = "max" if call.kind == "GlobalMaxPool" else "mean"
    return reductions.reduce(b, call.name, x, axes=range(1, x.rank), keep=True, what=what)


_REDUCTIONS: dict[str, Reduction] = {
    "ReduceMax": "max",
    "ReduceMean": "mean",
    "ReduceSum": "sum",
}


def reduce(b: Builder, call: Call) -> View:
    """Emit ``ReduceMean``, ``ReduceSum`` or ``ReduceMax``."""
    x = call.tensor("0")
    axes = source_axes(call, "1", x.rank)
    if not axes and call.settings.get("noop_with_empty_axes", 0):
        return x
    keep = bool(call.settings.get("keepdims", 1))
    return reductions.reduce(b, call.name, x, axes=axes, keep=keep, what=_REDUCTIONS[call.kind])


def concatenate(b: Builder, call: Call) -> View:
    """Emit ``Concat``."""
    views = [call.tensor(key) for key in call.inputs]
    axis = source_axis(call.settings["axis"], views[0].rank)
    return elementwise.concatenate(b, call.name, views, axis=axis)


def pad(b: Builder, call: Call) -> View:
    """Emit ``Pad`` with zeros."""
    x = call.tensor("0")
    pads = call.settings.get("pads")
    pads = call.constant("1").reshape(-1).tolist() if pads is None else list(pads)
    axes = [axis + 1 for axis in source_axes(call, "3", x.rank)] or list(range(x.rank + 1))
    if len(pads) != 2 * len(axes):
        raise ParseError(f"it has {len(pads)} paddings for {len(axes)} axes.")
    found = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    pairs = [found.get(axis, (0, 0)) for axis in range(x.rank + 1)]
    mode = text(call.settings.get("mode", "constant"))
    value = call.settings.get("value", call.constant_or_none("2"))
    if np.size(value) != 1:
        raise ParseError(f"it pads with {np.size(value)} values; expected one.")
    return images.pad(b, call.name, x, pairs, mode=mode, value=0 if value is None else value)


def reshape(b: Builder, call: Call) -> View:
    """Give a tensor another shape; the axis of the samples must stay the first."""
    x = call.tensor("0")
    batch = call.settings["batch"]
    full = (batch, *x.shape)
    target = [int(size) for size in call.constant("1").reshape(-1)]
    if not call.settings.get("allowzero", 0):
        target = [full[i] if size == 0 and i < len(full) else size for i, size in enumerate(target)]
    known = int(np.prod([size for size in target if size != -1]))
    if target.count(-1) == 1 and known and int(np.prod(full)) % known == 0:
        target = [int(np.prod(full)) // known if size == -1 else size for size in target]
    if not target or target[0] != batch or int(np.prod(target)) != int(np.prod(full)):
        raise UnsupportedError([f"it reshapes {full} to {tuple(target)}, which mixes samples"])
    return x.reshape(tuple(target[1:]))


def flatten(b: Builder, call: Call) -> View:
    """Flatten all axes but that of the samples."""
    x = call.tensor("0")
    axis = call.settings.get("axis", 1)
    if axis not in (1, -x.rank):
        raise UnsupportedError([f"it flattens from axis {axis}, which mixes samples; use axis 1"])
    return x.reshape((-1,))


def squeeze(b: Builder, call: Call) -> View:
    """Remove axes of one cell."""
    x = call.tensor("0")
    axes = source_axes(call, "1", x.rank) or [i for i, size in enumerate(x.shape) if size == 1]
    if any(x.shape[axis] != 1 for axis in axes):
        raise ParseError(f"it removes the axes {axes} of {x.shape}, which are no single cells.")
    return x.reshape(tuple(size for i, size in enumerate(x.shape) if i not in axes))


def unsqueeze(b: Builder, call: Call) -> View:
    """Insert axes of one cell."""
    x = call.tensor("0")
    values = call.settings.get("axes")
    values = call.constant("1").reshape(-1).tolist() if values is None else values
    axes = source_axes(call, "1", x.rank + len(values))
    shape = list(x.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return x.reshape(tuple(shape))


def transpose(b: Builder, call: Call) -> View:
    """Reorder the axes of a sample."""
    x = call.tensor("0")
    perm = call.settings.get("perm") or list(range(x.rank + 1))[::-1]
    return walk.transpose(x, perm)


def apply_softmax(b: Builder, call: Call) -> View:
    """Emit ``Softmax`` or ``LogSoftmax``, which ran over all further axes before opset 13."""
    x = call.tensor("0")
    flattening = call.settings["opset"] < 13
    axis = source_axis(call.settings.get("axis", 1 if flattening else -1), x.rank)
    if flattening and any(size != 1 for size in x.shape[axis + 1 :]):
        raise UnsupportedError(["softmax over several axes; export with operator set 13 or later"])
    return elementwise.apply_softmax(b, call.name, x, axis=axis)


def split(b: Builder, call: Call) -> list[View]:
    """Cut a tensor into parts along an axis; the last one may be smaller."""
    x = call.tensor("0")
    axis = source_axis(call.settings.get("axis", 0), x.rank)
    given = call.settings.get("split", call.constant_or_none("1"))
    number = call.settings["outputs"]
    told = len(np.ravel(given)) if given is not None else call.settings.get("num_outputs", number)
    if told != number:
        raise ParseError(f"it cuts its input into {told} parts, and has {number} outputs.")
    size = -(-x.shape[axis] // number)
    sizes = [size] * number if given is None else [int(part) for part in np.ravel(given)]
    return x.split(sizes, axis)


def take_slice(b: Builder, call: Call) -> View:
    """Take a part of a tensor."""
    x = call.tensor("0")
    older = "starts" in call.settings
    starts, ends = (
        list(call.settings[key]) if older else call.constant(place).reshape(-1).tolist()
        for key, place in (("starts", "1"), ("ends", "2"))
    )
    given = call.settings.get("axes") if older else call.constant_or_none("3")
    axes = range(len(starts)) if given is None else np.ravel(given).tolist()
    stated = None if older else call.constant_or_none("4")
    steps = [1] * len(starts) if stated is None else stated.reshape(-1).tolist()
    index: list[Any] = [slice(None)] * x.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = source_axis(axis, x.rank)
        index[place] = _range_of(start, end, step, x.shape[place])
    return x.index(tuple(index))


def _range_of(start: int, end: int, step: int, size: int) -> slice:
    """Return the cells of an axis that ``Slice`` takes; its ends are drawn into the axis.

    NumPy takes nothing where it walks backwards from before the first cell, ONNX that cell.
    """
    if not step:
        raise ParseError("it takes steps of 0; expected others.")
    low, high = (0, size) if step > 0 else (-1, size - 1)
    start, end = (place + size if place < 0 else place for place in (start, end))
    start, end = min(max(start, low if step > 0 else 0), high), min(max(end, low), high)
    return slice(start, None if end < 0 else end, step)


def gather(b: Builder, call: Call) -> View:
    """Take entries of an axis by constant indices; a single one removes the axis."""
    x = call.tensor("0")
    return x.along(source_axis(call.settings.get("axis", 0), x.rank), call.constant("1"))


def resize(b: Builder, call: Call) -> View:
    """Emit nearest-neighbour ``Resize`` or ``Upsample`` by whole factors."""
    x = call.tensor("0")
    mode = text(call.settings.get("mode", "nearest"))
    if mode != "nearest":
        raise UnsupportedError([f"up-sampling by {mode!r} is not supported; use 'nearest'"])
    full = (call.settings["batch"], *x.shape)
    scales = _scales(call, full)
    resized = [_resized(size, scale) for size, scale in zip(full, scales.tolist(), strict=True)]
    factors = [new // size for new, size in zip(resized, full, strict=True)]
    whole = resized == [size * factor for size, factor in zip(full, factors, strict=True)]
    if not whole or scales[0] != 1 or factors[1] != 1 or min(factors) < 1:
        raise UnsupportedError(
            [f"it scales by {scales.tolist()}; only whole factors of image axes are supported"]
        )
    for size, factor, scale in zip(full[1:], factors[1:], scales[1:], strict=True):
        require_repetition(call, size, factor, scale)
    return images.upsample(b, call.name, x, factors[2:])


def _resized(size: int, scale: float) -> int:
    """Return the size that an axis gets, 0 where it is none."""
    found = np.floor(np.float32(size) * np.float32(scale))
    return int(found) if 0 <= found < np.inf else 0


def _scales(call: Call, full: Sequence[int]) -> Array:
    """Return the factor of every axis, that of the samples first, as float32."""
    place = "1" if call.kind == "Upsample" or call.settings["opset"] < 11 else "2"
    scales, sizes = call.settings.get("scales", call.constant_or_none(place)), None
    if scales is None or not np.size(scales):
        sizes = call.constant_or_none("3")
        if sizes is None:
            raise ParseError("it has neither scales nor sizes.")
        scales = sizes
    axes = [int(axis) % len(full) for axis in call.settings.get("axes", range(len(full)))]
    if np.size(scales) != len(axes):
        raise ParseError(f"it scales {len(axes)} axes by {np.size(scales)} numbers.")
    found = np.ones(len(full), np.float32)
    found[axes] = np.ravel(scales) if sizes is None else np.ravel(sizes) / np.array(full)[axes]
    policy = text(call.settings.get("keep_aspect_ratio_policy", "stretch"))
    if sizes is not None and policy != "stretch" and np.ptp(found[axes]):
        raise UnsupportedError([f"{policy!r} gives other sizes than it says; use 'stretch'"])
    return found


def _positions(size: int, factor: int, scale: float, *, where: str) -> Array | None:
    """Return where in the source each resized cell lies, by the rules that keep whole factors."""
    cells = np.arange(size * factor, dtype=np.float32)
    if where == "asymmetric":
        return cells / scale
    halves = (cells + 0.5) / scale - 0.5
    if where == "half_pixel_symmetric":
        return halves + size / 2 * (1 - cells.size / (size * scale))
    return halves if where in ("half_pixel", "pytorch_half_pixel") else None


_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}


_CELL = 40
"""Bytes of a resized cell: five numbers of 8 bytes."""


def require_repetition(call: Call, size: int, factor: int, scale: float) -> None:
    """Raise unless every cell of a resized axis reads the cell that repetition reads.

    Cells are found in float32, as engines do: by 2.00001, the third is still read from the first.

    Parameters
    ----------
    size
        Cells of the axis.
    factor
        How often each of them has to be there.
    scale
        What the axis is resized by, a float32.
    """
    where = text(call.settings.get("coordinate_transformation_mode", "half_pixel"))
    rounding = text(call.settings.get("nearest_mode", "round_prefer_floor"))
    if call.kind == "Upsample" or call.settings["opset"] < 11:
        where, rounding = "asymmetric", "floor"
    spend(_CELL * size * factor, f"Resizing by {factor}", kept=False)
    found = _positions(size, factor, scale, where=where)
    if found is None or rounding not in _ROUNDINGS:
        reason = f"resizing with {where!r} and {rounding!r} is not supported"
        raise UnsupportedError([f"{reason}; use 'asymmetric' and 'floor'"])
    rounded = np.clip(_ROUNDINGS[rounding](found), 0, size - 1)
    if not np.array_equal(rounded, np.arange(size * factor) // factor):
        what = f"resizing by {scale:.9g} with {where!r} and {rounding!r}"
        advice = "use 'asymmetric' and 'floor', and a whole factor"
        raise UnsupportedError([f"{what} does not repeat each cell; {advice}"])

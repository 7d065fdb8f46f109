"""ATen operators that pool, pad or rearrange, as calls of `snn_core.parsing.emit`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.emit import elementwise, images, pooling, reductions
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.reductions import Reduction
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, Value, source_axis, transpose
from snn_core.parsing.torch.unions import OPEN
from snn_core.parsing.torch.weighted import geometry_of, per_axis
from snn_core.typing import Shape


def pool(b: Builder, call: Call) -> list[View]:
    """Emit average or max pooling."""
    x = call.tensor("self")
    rank = 1 if "1d" in call.kind else 2
    kernel = per_axis(call, "kernel_size", rank, None)
    maximum = call.kind.startswith("max")
    y = pooling.pool(
        b,
        call.name,
        x,
        maximum=maximum,
        kernel=kernel,
        geometry=geometry_of(call, rank, stride=kernel),
        ceil_mode=bool(call.settings.get("ceil_mode", False)),
        count_padding=not maximum and bool(call.settings.get("count_include_pad", True)),
        divisor=call.settings.get("divisor_override"),
    )
    return [y]


def pool_adaptively(b: Builder, call: Call) -> list[View]:
    """Emit pooling to a given size."""
    x = call.tensor("self")
    sizes = call.shapes[0]
    if sizes is None:
        raise ParseError("its output shape is not fixed.")
    _require_same(call, sizes[1:], call.settings["output_size"])
    maximum = "max" in call.kind
    return [pooling.pool_adaptively(b, call.name, x, sizes=sizes[1:], maximum=maximum)]


_REDUCTIONS: dict[str, Reduction] = {"amax": "max", "max": "max", "mean": "mean", "sum": "sum"}


def reduce(b: Builder, call: Call) -> list[View]:
    """Emit the mean, sum or maximum over some axes; of ``max`` the values, not the indices."""
    x = call.tensor("self")
    dims = call.settings.get("dim")
    dims = [dims] if isinstance(dims, int) else dims or []
    y = reductions.reduce(
        b,
        call.name,
        x,
        axes=[source_axis(axis, x.rank) for axis in dims],
        keep=bool(call.settings.get("keepdim", False)),
        what=_REDUCTIONS[call.kind],
    )
    return [y]


def concatenate(b: Builder, call: Call) -> View:
    """Emit a concatenation."""
    views = [call.tensor(key) for key in call.inputs]
    axis = source_axis(call.settings.get("dim", 0), views[0].rank)
    return elementwise.concatenate(b, call.name, views, axis=axis)


def reshape(b: Builder, call: Call) -> Value:
    """Give a tensor the shape that PyTorch has recorded for the result."""
    x, shape = call.inputs["self"], call.shapes[0]
    if isinstance(x, np.ndarray) and x.shape == shape and call.kind in (*_BY_SIZES, "unsqueeze"):
        # Only a first axis comes, or the one that it was repeated along for the samples goes.
        if call.kind == "unsqueeze":
            _require_same(call, (0,), [call.settings["dim"] % (x.ndim + 1)])
        else:
            _require_same(call, x.shape, _reshaped(call, x.shape))
        return x
    if not isinstance(x, View):
        raise UnsupportedError(["a constant changes its shape; fold it before the export"])
    if shape is None:
        raise ParseError("its output shape is not fixed.")
    if int(np.prod(shape)) != int(np.prod(x.shape)):
        reason = f"it reshapes {x.shape} to {shape} per sample, which mixes samples"
        if call.kind == "squeeze":
            reason = "it removes the axis of the samples, as the program is made for one sample"
        raise UnsupportedError([f"{reason}; export for two samples or more, and name the axes"])
    _require_same(call, shape, _reshaped(call, x.shape))
    return x.reshape(shape)


_BY_SIZES = ("view", "_unsafe_view", "view_copy", "reshape")
"""Operators that are given the sizes of their result."""


def _require_same(call: Call, declared: Sequence[int], wanted: Sequence[Any]) -> None:
    """Raise a `ParseError` if sizes are not those that the arguments ask for; -1 may be any."""
    same = [size in (OPEN, -1, own) for size, own in zip(wanted, declared, strict=False)]
    if len(wanted) != len(declared) or not all(same):
        sizes = ["?" if size is OPEN else size for size in wanted]
        raise ParseError(
            f"its arguments give the sizes {sizes}; the program declares {list(declared)}."
        )


def _reshaped(call: Call, shape: Shape) -> Sequence[Any]:
    """Return the sizes of one sample that a reshaping operator asks for; one may be -1 or open."""
    settings, rank = call.settings, len(shape)
    if call.kind == "flatten":
        start, end = (
            axis % (rank + 1)
            for axis in (settings.get("start_dim", 0), settings.get("end_dim", -1))
        )
        whole = (1, *shape)  # with the number of cells per sample in place of the samples
        merged = (*whole[:start], math.prod(whole[start : end + 1]), *whole[end + 1 :])
        if merged[0] != 1:
            raise UnsupportedError(["it works across samples"])
        return merged[1:]
    if call.kind == "unflatten":
        axis = source_axis(settings["dim"], rank)
        wanted = [*shape[:axis], *settings["sizes"], *shape[axis + 1 :]]
    elif call.kind == "unsqueeze":
        axis = source_axis(settings["dim"], rank + 1)
        return [*shape[:axis], 1, *shape[axis:]]
    elif call.kind == "squeeze":
        dims = settings.get("dim")
        dims = [dims] if isinstance(dims, int) else dims
        axes = range(rank) if dims is None else [axis % (rank + 1) - 1 for axis in dims]
        return [size for i, size in enumerate(shape) if size != 1 or i not in axes]
    else:
        _, *wanted = settings["shape" if call.kind == "reshape" else "size"]
    if sum(size in (OPEN, -1) for size in wanted) > 1:
        raise ParseError(f"its arguments leave more than one of {len(wanted)} sizes open.")
    return wanted


def permute(b: Builder, call: Call) -> Value:
    """Reorder the axes of a sample, or of a constant."""
    x = call.inputs["self"]
    rank = x.rank + 1 if isinstance(x, View) else np.ndim(np.asarray(x))
    if call.kind == "permute":
        axes = [axis % rank for axis in call.settings["dims"]]
    else:
        axes = list(range(rank))
        keys = ("axis0", "axis1") if call.kind == "swapaxes" else ("dim0", "dim1")
        a, c = (call.settings.get(key, i) % rank for i, key in enumerate(keys))
        axes[a], axes[c] = axes[c], axes[a]
    if not isinstance(x, View):
        return np.asarray(x).transpose(axes)
    return transpose(x, axes)


def expand(b: Builder, call: Call) -> Value:
    """Pass on what keeps its size, and constants, which broadcast automatically."""
    x, shape = call.inputs["self"], call.shapes[0]
    if isinstance(x, View) and x.shape != shape:
        raise UnsupportedError([f"it repeats {x.shape} to {shape}; use up-sampling"])
    _, *wanted = call.settings["size"]
    if isinstance(x, View):
        _require_same(call, x.shape, wanted)
    return x


def take_slice(b: Builder, call: Call) -> View:
    """Take a range of an axis."""
    x = call.tensor("self")
    axis = call.settings.get("dim", 0)
    start, end = call.settings.get("start"), call.settings.get("end")
    step = call.settings.get("step", 1)
    if axis == 0 and start in (None, 0) and step == 1 and (end is None or end >= 2**31):
        return x  # all samples
    return x.along(source_axis(axis, x.rank), slice(start, end, step))


def select(b: Builder, call: Call) -> View:
    """Take one index of an axis."""
    x = call.tensor("self")
    return x.along(source_axis(call.settings["dim"], x.rank), call.settings["index"])


def split(b: Builder, call: Call) -> list[View]:
    """Cut a tensor into parts of the sizes that PyTorch has recorded."""
    x = call.tensor("self")
    axis = source_axis(call.settings.get("dim", 0), x.rank)
    if any(shape is None for shape in call.shapes):
        raise ParseError("the sizes of its parts are not fixed.")
    sizes = [shape[axis] for shape in call.shapes if shape is not None]
    _require_same(call, sizes, _parts(call, x.shape[axis]))
    return x.split(sizes, axis)


def _parts(call: Call, size: int) -> Sequence[int]:
    """Return the sizes of the parts that an axis is cut into."""
    if call.kind == "split_with_sizes":
        return list(call.settings["split_sizes"])
    if call.kind == "chunk":
        part = max(-(-size // call.settings["chunks"]), 1)
    else:
        part = call.settings["split_size"]
    return (
        part
        if isinstance(part, list)
        else [min(part, size - start) for start in range(0, size, part)]
    )


def apply_softmax(b: Builder, call: Call) -> View:
    """Emit softmax or log-softmax."""
    x = call.tensor("self")
    return elementwise.apply_softmax(
        b, call.name, x, axis=source_axis(call.settings["dim"], x.rank)
    )


def upsample(b: Builder, call: Call) -> View:
    """Emit nearest-neighbour up-sampling by whole factors."""
    x, shape = call.tensor("self" if "self" in call.inputs else "input"), call.shapes[0]
    if shape is None or any(new % old for new, old in zip(shape, x.shape, strict=True)):
        raise UnsupportedError(
            [f"it scales {x.shape} to {shape}; only whole factors are supported"]
        )
    factors = [new // old for new, old in zip(shape[1:], x.shape[1:], strict=True)]
    _require_same(call, shape[1:], call.settings.get("output_size") or shape[1:])
    scales = call.settings.get("scale_factors") or [
        call.settings.get(key)
        for key in (("scales",) if len(factors) == 1 else ("scales_h", "scales_w"))
    ]
    # PyTorch steps by the scale itself: 6 cells times 2.1 are 12, but other ones than times 2.
    if any(scale not in (None, own) for scale, own in zip(scales, factors, strict=True)):
        raise UnsupportedError([f"it scales by {scales}; only whole factors are supported"])
    return images.upsample(b, call.name, x, factors)


def pad(b: Builder, call: Call) -> View:
    """Emit zero padding or cropping."""
    x = call.tensor("self")
    pads = call.settings["pad"]
    pairs = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)][::-1]  # the last axis is first
    pairs = [(0, 0)] * (x.rank + 1 - len(pairs)) + pairs
    mode, value = call.settings.get("mode", "constant"), call.settings.get("value") or 0
    return images.pad(b, call.name, x, pairs, mode=mode, value=value)


def shuffle_channels(b: Builder, call: Call) -> View:
    """Interleave the groups of channels."""
    x = call.tensor("self")
    channels, *sizes = x.shape
    groups = call.settings["groups"]
    y = x.reshape((groups, channels // groups, *sizes))
    return y.transpose([1, 0, *range(2, y.rank)]).reshape(x.shape)

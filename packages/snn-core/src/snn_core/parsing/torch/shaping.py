"""ATen operators that pool, pad or rearrange, as calls of `snn_core.parsing.emit`."""

from __future__ import annotations

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing.emit import elementwise, images, pooling, reductions
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.reductions import Reduction
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, Value, source_axis, transpose
from snn_core.parsing.torch.weighted import geometry_of, per_axis


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
    if isinstance(x, np.ndarray) and x.shape == shape:
        return x  # only the axis that it was repeated along for the samples is gone
    if not isinstance(x, View):
        raise UnsupportedError(["a constant changes its shape; fold it before the export"])
    if shape is None:
        raise ParseError("its output shape is not fixed.")
    if int(np.prod(shape)) != int(np.prod(x.shape)):
        reason = f"it reshapes {x.shape} to {shape} per sample, which mixes samples"
        if call.kind == "squeeze":
            reason = "it removes the axis of the samples, as the program is made for one sample"
        raise UnsupportedError([f"{reason}; export for two samples or more, and name the axes"])
    return x.reshape(shape)


def permute(b: Builder, call: Call) -> Value:
    """Reorder the axes of a sample, or of a constant."""
    x = call.inputs["self"]
    rank = x.rank + 1 if isinstance(x, View) else np.ndim(np.asarray(x))
    if call.kind == "permute":
        axes = [axis % rank for axis in call.settings["dims"]]
    else:
        axes = list(range(rank))
        a, c = (
            call.settings.get(key, default) % rank for key, default in (("dim0", 0), ("dim1", 1))
        )
        axes[a], axes[c] = axes[c], axes[a]
    if not isinstance(x, View):
        return np.asarray(x).transpose(axes)
    return transpose(x, axes)


def expand(b: Builder, call: Call) -> Value:
    """Pass on what keeps its size, and constants, which broadcast automatically."""
    x, shape = call.inputs["self"], call.shapes[0]
    if isinstance(x, View) and x.shape != shape:
        raise UnsupportedError([f"it repeats {x.shape} to {shape}; use up-sampling"])
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
    return x.split([shape[axis] for shape in call.shapes if shape is not None], axis)


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

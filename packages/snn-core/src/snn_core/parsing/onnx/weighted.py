"""ONNX operators with weights or constants, and sums, as calls of `snn_core.parsing.emit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir.shapes import resolve_padding, window
from snn_core.parsing.emit import affine, convolution, elementwise
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry, require_sizes
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call
from snn_core.parsing.sources import require_finite
from snn_core.typing import Array, Pair, Shape


def per_axis(call: Call, key: str, rank: int, *, least: int = 1) -> list[int]:
    """Return an attribute with one number per image axis, ``least`` where it is not given."""
    return require_sizes(call.settings.get(key) or [least] * rank, key, number=rank, least=least)


def geometry_of(call: Call, x: View, kernel: Sequence[int]) -> Geometry:
    """Return strides, padding per image axis and dilations."""
    rank = len(kernel)
    strides, dilations = (per_axis(call, key, rank) for key in ("strides", "dilations"))
    mode = _mode(call)
    pads = [(0, 0)] * rank
    if mode == "NOTSET":
        pads = _pads(call, rank)
    elif mode != "VALID":
        pads = [
            resolve_padding(
                "same", x.shape[i + 1], kernel=kernel[i], stride=strides[i], dilation=dilations[i]
            )
            for i in range(rank)
        ]
        pads = pads if mode == "SAME_UPPER" else [(after, before) for before, after in pads]
    return Geometry(strides, pads, dilations)


def _pads(call: Call, rank: int) -> list[Pair]:
    pads = call.settings.get("pads") or [0] * 2 * rank
    pads = require_sizes(pads, "pads", number=2 * rank, least=0)
    return [(pads[i], pads[i + rank]) for i in range(rank)]


def _mode(call: Call) -> str:
    """Return how padding is found: as it is given, none, or as many cells as the strides leave.

    Raises
    ------
    ParseError
        If there is no such way, or cells are given as well.
    """
    mode = text(call.settings.get("auto_pad", "NOTSET"))
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ParseError(
            f"its auto_pad is {mode!r}; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER."
        )
    if mode != "NOTSET" and any(call.settings.get("pads") or ()):
        raise ParseError(f"it has pads beside its auto_pad, which is {mode!r}; expected one.")
    return mode


def text(value: Any) -> str:
    """Return an attribute as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def convolve(b: Builder, call: Call) -> View:
    """Emit ``Conv``."""
    x, weight = _tensor_and_kernel(call)
    return convolution.convolve(
        b, call.name, x, weight, call.weights_or_none("2"), geometry_of(call, x, weight.shape[:-2]),
        groups=call.settings.get("group", 1), split_depthwise=True,
    )  # fmt: skip


def convolve_transposed(b: Builder, call: Call) -> View:
    """Emit ``ConvTranspose``."""
    x, weight = _tensor_and_kernel(call)
    *kernel, _, _ = weight.shape
    strides, dilations = (per_axis(call, key, len(kernel)) for key in ("strides", "dilations"))
    extra = per_axis(call, "output_padding", len(kernel), least=0)
    full = [
        (size - 1) * stride + window(k, dilation) + more
        for size, stride, k, dilation, more in zip(
            x.shape[1:], strides, kernel, dilations, extra, strict=True
        )
    ]
    return convolution.convolve_transposed(
        b, call.name, x, weight, call.weights_or_none("2"),
        Geometry(strides, _crops(call, x, full, strides), dilations),
        output_padding=extra, groups=call.settings.get("group", 1),
    )  # fmt: skip


def _tensor_and_kernel(call: Call) -> tuple[View, Array]:
    x, weight = call.tensor("0"), call.kernel("1")
    if x.rank != weight.ndim - 1:
        raise ParseError(f"its input has the shape {x.shape}; its weights {weight.shape}.")
    told = call.settings.get("kernel_shape") or weight.shape[:-2]
    if tuple(told) != weight.shape[:-2]:
        raise ParseError(f"its kernel_shape is {tuple(told)}; its weights are {weight.shape[:-2]}.")
    return x, weight


def _crops(call: Call, x: View, full: Sequence[int], strides: Sequence[int]) -> list[Pair]:
    """Return what a transposed convolution cuts from its full output, per image axis."""
    rank = len(full)
    mode = _mode(call)
    wanted = call.settings.get("output_shape")
    if wanted is None and mode in ("NOTSET", "VALID"):
        return _pads(call, rank)
    if wanted is None:
        wanted = [size * stride for size, stride in zip(x.shape[1:], strides, strict=True)]
    found = []
    aims = require_sizes(list(wanted)[-rank:], "output_shape", number=rank)
    for size, aim in zip(full, aims, strict=True):
        if aim > size:  # onnxruntime adds all that is missing at the end
            found.append((0, size - aim))
            continue
        # The odd cell is cut at the end only if the mode says so.
        half, more = (size - aim) // 2, (size - aim) - (size - aim) // 2
        found.append((half, more) if mode == "SAME_UPPER" else (more, half))
    return found


def connect(b: Builder, call: Call) -> View:
    """Emit ``Gemm``."""
    x, weight = call.tensor("0"), call.weights("1")
    if call.settings.get("transA", 0):
        raise UnsupportedError(["its input is transposed, which mixes samples"])
    if x.rank != 1:
        raise ParseError(f"its input has the shape {x.shape}; expected a vector per sample.")
    weight_io = weight.T if call.settings.get("transB", 0) else weight
    weight_io = _times(weight_io, call, "alpha")
    bias = call.weights_or_none("2")
    if bias is not None:
        bias = of_one_sample(call, weight_io.shape[1:], _times(bias, call, "beta"))
        bias = np.broadcast_to(bias, weight_io.shape[1:])
    return affine.connect(b, call.name, x, weight_io, bias)


def _times(values: Array, call: Call, key: str) -> Array:
    """Return values times an attribute, which is 1 where it is not given."""
    factor = call.settings.get(key, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused
        return values if factor == 1 else require_finite(values * factor, f"product with {key}")


def of_one_sample(call: Call, shape: Shape, values: Array) -> Array:
    """Return constants as they meet each sample of a tensor that they are broadcast to.

    Parameters
    ----------
    shape
        Of one sample of the tensor.
    values
        The constants; exporters repeat some for all samples that a model is made for.

    Returns
    -------
    An array without the axis of the samples.

    Raises
    ------
    ParseError
        If they do not broadcast to the tensor.
    UnsupportedError
        If they differ from sample to sample.
    """
    full = (call.settings["batch"], *shape)
    sizes = (1,) * (len(full) - values.ndim) + values.shape
    if len(sizes) > len(full) or any(
        size not in (1, whole) for size, whole in zip(sizes, full, strict=True)
    ):
        raise ParseError(f"its constant of shape {values.shape} does not fit to {shape}.")
    if values.ndim < len(full):
        return values
    if (values != values[:1]).any():
        raise UnsupportedError(
            [f"its constant of shape {values.shape} holds other numbers for each sample"]
        )
    first: Array = values[0]
    return first


def multiply(b: Builder, call: Call) -> View:
    """Emit ``MatMul`` with constant weights."""
    return affine.multiply(b, call.name, call.inputs["0"], call.weights("1"))


def normalize(b: Builder, call: Call) -> View:
    """Emit ``BatchNormalization`` at inference."""
    # Before operator set 14, outputs for the statistics said so.
    if call.settings.get("training_mode", 0) or call.settings["outputs"] > 1:
        raise UnsupportedError(["it normalizes by the batch; export the model for inference"])
    return affine.normalize(
        b,
        call.name,
        call.tensor("0"),
        axis=0,
        gamma_c=call.weights("1"),
        beta_c=call.weights("2"),
        mean_c=call.weights("3"),
        variance_c=call.weights("4"),
        epsilon=call.settings.get("epsilon", 1e-5),
    )


def compute(b: Builder, call: Call) -> View:
    """Emit a sum or difference of tensors, or the change of a tensor by constants."""
    first, second = (call.inputs.get(key) for key in ("0", "1"))
    if isinstance(first, View) and isinstance(second, View):
        return elementwise.combine(b, call.name, call.kind.lower(), [first, second])
    x, values = (
        (first, call.weights("1")) if isinstance(first, View) else (second, call.weights("0"))
    )
    if not isinstance(x, View):
        raise ParseError("it has no input.")
    values = of_one_sample(call, x.shape, values)
    return affine.apply_constants(
        b, call.name, x, operation=call.kind.lower(), values=values, reverse=x is second
    )


def add_up(b: Builder, call: Call) -> View:
    """Emit ``Sum`` or ``Mean`` of several tensors."""
    views = [call.tensor(key) for key in call.inputs]
    share = 1.0 if call.kind == "Sum" else 1 / len(views)
    return elementwise.add(b, call.name, views, [share] * len(views))


def negate(b: Builder, call: Call) -> View:
    """Emit ``Neg``."""
    return affine.scale(b, call.name, call.tensor("0"), -1.0, 0.0)

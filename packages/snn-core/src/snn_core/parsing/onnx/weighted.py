"""Emitting the layers of ONNX operators with weights, and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir.shapes import resolve_padding, window
from snn_core.parsing.emit import shaping, weighted
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call
from snn_core.typing import Pair


def explicit_pads(
    call: Call, x: View, kernel: Sequence[int], dilations: Sequence[int]
) -> list[Pair]:
    """Return the padding per image axis."""
    rank = len(kernel)
    strides = call.settings.get("strides") or [1] * rank
    mode = text(call.settings.get("auto_pad", "NOTSET"))
    if mode == "NOTSET":
        pads = call.settings.get("pads") or [0] * 2 * rank
        return [(pads[i], pads[i + rank]) for i in range(rank)]
    if mode == "VALID":
        return [(0, 0)] * rank
    found = [
        resolve_padding(
            "same", x.shape[i + 1], kernel=kernel[i], stride=strides[i], dilation=dilations[i]
        )
        for i in range(rank)
    ]
    return found if mode == "SAME_UPPER" else [(after, before) for before, after in found]


def text(value: Any) -> str:
    """Return an attribute as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def conv(b: Builder, call: Call) -> View:
    """Emit ``Conv``."""
    x, weight = call.tensor("0"), call.weights("1")
    rank = weight.ndim - 2
    if x.rank != rank + 1:
        raise ParseError(f"its input has the shape {x.shape}; its weights {weight.shape}.")
    dilations = call.settings.get("dilations") or [1] * rank
    return weighted.convolution(
        b,
        call.name,
        x,
        weight,
        call.weights_or_none("2"),
        strides=call.settings.get("strides") or [1] * rank,
        pads=explicit_pads(call, x, weight.shape[2:], dilations),
        dilations=dilations,
        groups=call.settings.get("group", 1),
    )


def conv_transpose(b: Builder, call: Call) -> View:
    """Emit ``ConvTranspose``."""
    x, weight = call.tensor("0"), call.weights("1")
    rank = weight.ndim - 2
    strides = call.settings.get("strides") or [1] * rank
    dilations = call.settings.get("dilations") or [1] * rank
    extra = call.settings.get("output_padding") or [0] * rank
    if x.rank != rank + 1:
        raise ParseError(f"its input has the shape {x.shape}; its weights {weight.shape}.")
    windows = [window(k, d) for k, d in zip(weight.shape[2:], dilations, strict=True)]
    full = [
        (size - 1) * stride + reach + more
        for size, stride, reach, more in zip(x.shape[1:], strides, windows, extra, strict=True)
    ]
    return weighted.transposed_convolution(
        b,
        call.name,
        x,
        weight,
        call.weights_or_none("2"),
        strides=strides,
        pads=_crops(call, x, full, strides),
        output_padding=extra,
        dilations=dilations,
        groups=call.settings.get("group", 1),
    )


def _crops(call: Call, x: View, full: Sequence[int], strides: Sequence[int]) -> list[Pair]:
    """Return what a transposed convolution cuts from its full output, per image axis."""
    rank = len(full)
    mode = text(call.settings.get("auto_pad", "NOTSET"))
    wanted = call.settings.get("output_shape")
    if wanted is None and mode in ("NOTSET", "VALID"):
        pads = call.settings.get("pads") or [0] * 2 * rank
        return [(pads[i], pads[i + rank]) for i in range(rank)]
    if wanted is None:
        wanted = [size * stride for size, stride in zip(x.shape[1:], strides, strict=True)]
    found = []
    for size, aim in zip(full, wanted[-rank:], strict=True):
        # The odd cell is cut at the end only if the mode says so.
        half, more = (size - aim) // 2, (size - aim) - (size - aim) // 2
        found.append((half, more) if mode == "SAME_UPPER" else (more, half))
    return found


def gemm(b: Builder, call: Call) -> View:
    """Emit ``Gemm``."""
    x, weight = call.tensor("0"), call.weights("1")
    if call.settings.get("transA", 0):
        raise UnsupportedError(["its input is transposed, which mixes samples"])
    if x.rank != 1:
        raise ParseError(f"its input has the shape {x.shape}; expected a vector per sample.")
    weight_oi = weight if call.settings.get("transB", 0) else weight.T
    bias = call.weights_or_none("2")
    if bias is not None:
        bias = np.broadcast_to(
            bias.reshape(-1) * call.settings.get("beta", 1.0), weight_oi.shape[:1]
        )
    alpha = call.settings.get("alpha", 1.0)
    return weighted.linear(b, call.name, x, weight_oi if alpha == 1 else weight_oi * alpha, bias)


def matmul(b: Builder, call: Call) -> View:
    """Emit ``MatMul`` with constant weights."""
    if not isinstance(call.inputs["0"], View):
        raise UnsupportedError(["its first input is a constant; expected the second to be one"])
    weight_io = call.weights("1")
    if weight_io.ndim != 2:
        raise UnsupportedError([f"its weights have the shape {weight_io.shape}; expected two axes"])
    return weighted.linear(b, call.name, call.tensor("0"), weight_io.T, None)


def batch_normalization(b: Builder, call: Call) -> View:
    """Emit ``BatchNormalization`` at inference."""
    if call.settings.get("training_mode", 0):
        raise UnsupportedError(["it normalizes by the batch; export the model for inference"])
    return weighted.normalization(
        b,
        call.name,
        call.tensor("0"),
        gamma_c=call.weights("1"),
        beta_c=call.weights("2"),
        mean_c=call.weights("3"),
        variance_c=call.weights("4"),
        epsilon=call.settings.get("epsilon", 1e-5),
    )


def arithmetic(b: Builder, call: Call) -> View:
    """Emit a sum or difference of tensors, or the change of a tensor by constants."""
    first, second = (call.inputs.get(key) for key in ("0", "1"))
    if isinstance(first, View) and isinstance(second, View):
        if call.kind in ("Mul", "Div"):
            raise UnsupportedError(["products of activations have no spiking form"])
        signs = [1.0, 1.0 if call.kind == "Add" else -1.0]
        return shaping.addition(b, call.name, [first, second], signs)
    x, values = (
        (first, call.weights("1")) if isinstance(first, View) else (second, call.weights("0"))
    )
    if not isinstance(x, View):
        raise ParseError("it has no input.")
    return weighted.changed(
        b, call.name, x, operation=call.kind.lower(), values=values, reverse=x is second
    )


def total(b: Builder, call: Call) -> View:
    """Emit ``Sum`` or ``Mean`` of several tensors."""
    views = [call.tensor(key) for key in call.inputs]
    share = 1.0 if call.kind == "Sum" else 1 / len(views)
    return shaping.addition(b, call.name, views, [share] * len(views))


def negated(b: Builder, call: Call) -> View:
    """Emit ``Neg``."""
    return weighted.affine(b, call.name, call.tensor("0"), -1.0, 0.0)

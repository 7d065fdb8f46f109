"""Emitting the layers of ATen operators with weights, and sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir.shapes import resolve_padding
from snn_core.parsing.emit import shaping, weighted
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, Value
from snn_core.typing import Pair


def per_axis(call: Call, key: str, rank: int, default: Any) -> list[int]:
    """Return one number per image axis; a single one stands for all."""
    found = call.settings.get(key)
    found = default if found is None or found == [] else found
    found = [found] * rank if isinstance(found, int) else list(found)
    return found * rank if len(found) == 1 else found


def even(pads: Sequence[int]) -> list[Pair]:
    """Return the same padding before and after each axis."""
    return [(pad, pad) for pad in pads]


def conv(b: Builder, call: Call) -> View:
    """Emit a convolution or a transposed one."""
    x, weight = call.tensor("input"), call.weights("weight")
    rank = weight.ndim - 2
    strides = per_axis(call, "stride", rank, 1)
    dilations = per_axis(call, "dilation", rank, 1)
    padding = call.settings.get("padding", 0)
    groups = call.settings.get("groups", 1)
    bias = call.weights_or_none("bias")
    if call.kind.startswith("conv_transpose") or call.settings.get("transposed"):
        return weighted.transposed_convolution(
            b,
            call.name,
            x,
            weight,
            bias,
            strides=strides,
            pads=even(per_axis(call, "padding", rank, 0)),
            output_padding=per_axis(call, "output_padding", rank, 0),
            dilations=dilations,
            groups=groups,
        )
    if isinstance(padding, str):
        # PyTorch allows "same" for strides of 1 only, where it pads as TensorFlow does.
        pads = [
            resolve_padding(
                padding, x.shape[i + 1], kernel=weight.shape[i + 2], dilation=dilations[i]
            )
            for i in range(rank)
        ]
    else:
        pads = even(per_axis(call, "padding", rank, 0))
    return weighted.convolution(
        b,
        call.name,
        x,
        weight,
        bias,
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
    )


def linear(b: Builder, call: Call) -> View:
    """Emit a linear layer."""
    bias = call.weights_or_none("bias")
    return weighted.linear(b, call.name, call.tensor("input"), call.weights("weight"), bias)


def addmm(b: Builder, call: Call) -> View:
    """Emit ``beta * bias + alpha * x @ weights``."""
    alpha, beta = call.settings.get("alpha", 1), call.settings.get("beta", 1)
    weight_oi = call.weights("mat2").T
    bias = np.broadcast_to(call.weights("self") * beta, weight_oi.shape[:1])
    return weighted.linear(b, call.name, call.tensor("mat1"), weight_oi * alpha, bias)


def matmul(b: Builder, call: Call) -> View:
    """Emit a product with constant weights."""
    if not isinstance(call.inputs["self"], View):
        raise UnsupportedError(["its first input is a constant; expected the second to be one"])
    weight_io = call.weights("other" if "other" in call.inputs else "mat2")
    if weight_io.ndim != 2:
        raise UnsupportedError([f"its weights have the shape {weight_io.shape}; expected two axes"])
    return weighted.linear(b, call.name, call.tensor("self"), weight_io.T, None)


def batch_norm(b: Builder, call: Call) -> list[View]:
    """Emit batch normalization at inference."""
    if call.settings.get("training"):
        raise UnsupportedError(["it normalizes by the batch; call model.eval() and export again"])
    y = weighted.normalization(
        b,
        call.name,
        call.tensor("input"),
        gamma_c=call.weights_or_none("weight"),
        beta_c=call.weights_or_none("bias"),
        mean_c=call.weights("running_mean"),
        variance_c=call.weights("running_var"),
        epsilon=call.settings["eps"],
    )
    return [y]


def arithmetic(b: Builder, call: Call) -> Value:
    """Emit a sum or difference of tensors, or the change of a tensor by constants."""
    kind = call.kind.rstrip("_")
    reverse = kind == "rsub"
    kind = "sub" if reverse else kind
    if call.settings.get("rounding_mode") is not None:
        raise UnsupportedError(["division that rounds is not supported"])
    first = call.inputs.get("self", call.settings.get("self"))
    second = call.inputs.get("other", call.settings.get("other"))
    alpha = call.settings.get("alpha", 1)
    if isinstance(first, View) and isinstance(second, View):
        if kind in ("mul", "div"):
            raise UnsupportedError(["products of activations have no spiking form"])
        if reverse:
            first, second = second, first
        sign = 1.0 if kind == "add" else -1.0
        weights = [float(alpha), sign] if reverse else [1.0, sign * alpha]
        return shaping.addition(b, call.name, [first, second], weights)
    if not isinstance(first, View) and not isinstance(second, View):
        a, c = np.asarray(first), np.asarray(second) * (alpha if kind in ("add", "sub") else 1)
        found = {"add": a + c, "sub": c - a if reverse else a - c, "mul": a * c}
        return np.asarray(a / c if kind == "div" else found[kind])
    if alpha != 1 and (reverse or not isinstance(first, View)):
        raise UnsupportedError([f"alpha={alpha} on a tensor is not supported here"])
    x, values = (first, second) if isinstance(first, View) else (second, first)
    if not isinstance(x, View):
        raise ParseError("it has no input.")
    return weighted.changed(
        b,
        call.name,
        x,
        operation=kind,
        values=np.asarray(values, np.float64) * alpha,
        reverse=reverse != (x is second),
    )


def negated(b: Builder, call: Call) -> View:
    """Emit ``-x``."""
    return weighted.affine(b, call.name, call.tensor("self"), -1.0, 0.0)


def weight_norm(b: Builder, call: Call) -> Value:
    """Fold a direction and a length: ``g * v / |v|``, the norm per index of an axis or overall.

    Salimans and Kingma, "Weight normalization", NeurIPS 2016, equation 2.
    """
    direction, length = call.weights("v"), call.weights("g")
    kept = call.settings.get("dim", 0)
    axes = tuple(axis for axis in range(direction.ndim) if kept == -1 or axis != kept)
    norms = np.sqrt(np.square(direction).sum(axis=axes, keepdims=True))
    if not norms.all():
        raise ParseError("it has a direction of length 0.")
    return np.asarray(length * direction / norms)

"""ATen operators with weights or constants, and sums, as calls of `snn_core.parsing.emit`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir.shapes import resolve_padding
from snn_core.parsing.emit import affine, convolution, elementwise
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry, require_sizes
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, Value
from snn_core.reading import spend


def per_axis(call: Call, key: str, rank: int, default: Any) -> list[int]:
    """Return one number per image axis; a single one stands for all."""
    found = call.settings.get(key)
    found = default if found is None or found == [] else found
    if isinstance(found, int) or (isinstance(found, list) and len(found) == 1):
        found = (found if isinstance(found, list) else [found]) * rank
    return require_sizes(found, key, number=rank, least=0 if "padding" in key else 1)


def geometry_of(call: Call, rank: int, *, stride: Any = 1) -> Geometry:
    """Return strides, padding and dilations, where padding is one number per axis."""
    pads = [(pad, pad) for pad in per_axis(call, "padding", rank, 0)]
    dilations = per_axis(call, "dilation", rank, 1)
    return Geometry(per_axis(call, "stride", rank, stride), pads, dilations)


def convolve(b: Builder, call: Call) -> View:
    """Emit a convolution or a transposed one."""
    x, weight = call.tensor("input"), call.kernel("weight")
    rank = weight.ndim - 2
    bias, groups = call.weights_or_none("bias"), call.settings.get("groups", 1)
    if call.kind.startswith("conv_transpose") or call.settings.get("transposed"):
        extra = per_axis(call, "output_padding", rank, 0)
        geometry = geometry_of(call, rank)
        return convolution.convolve_transposed(
            b, call.name, x, weight, bias, geometry, output_padding=extra, groups=groups
        )
    if any(per_axis(call, "output_padding", rank, 0)):
        raise ParseError("its output_padding is for transposed convolutions.")
    padding = call.settings.get("padding", 0)
    if isinstance(padding, str):
        # PyTorch allows "same" for strides of 1 only, where it pads as TensorFlow does.
        dilations = per_axis(call, "dilation", rank, 1)
        pads = [
            resolve_padding(padding, x.shape[i + 1], kernel=weight.shape[i], dilation=dilations[i])
            for i in range(rank)
        ]
        geometry = Geometry(per_axis(call, "stride", rank, 1), pads, dilations)
    else:
        geometry = geometry_of(call, rank)
    return convolution.convolve(
        b, call.name, x, weight, bias, geometry, groups=groups, split_depthwise=True
    )


def connect(b: Builder, call: Call) -> View:
    """Emit a linear layer."""
    bias = call.weights_or_none("bias")
    return affine.connect(b, call.name, call.tensor("input"), call.weights("weight").T, bias)


def addmm(b: Builder, call: Call) -> View:
    """Emit ``beta * bias + alpha * x @ weights``."""
    alpha, beta = call.settings.get("alpha", 1), call.settings.get("beta", 1)
    weight_io = call.weights("mat2")
    bias = call.weights("self") * beta
    if bias.ndim == 2:
        if len(bias) > 1:
            raise UnsupportedError(["its bias holds other numbers for each sample"])
        bias = bias[0]
    bias = np.broadcast_to(bias, weight_io.shape[1:])
    return affine.connect(b, call.name, call.tensor("mat1"), weight_io * alpha, bias)


def multiply(b: Builder, call: Call) -> View:
    """Emit a product with constant weights."""
    weights = call.weights("other" if "other" in call.inputs else "mat2")
    return affine.multiply(b, call.name, call.inputs["self"], weights)


def normalize(b: Builder, call: Call) -> list[View]:
    """Emit batch normalization at inference."""
    if call.settings.get("training"):
        raise UnsupportedError(["it normalizes by the batch; call model.eval() and export again"])
    y = affine.normalize(
        b,
        call.name,
        call.tensor("input"),
        axis=0,
        gamma_c=call.weights_or_none("weight"),
        beta_c=call.weights_or_none("bias"),
        mean_c=call.weights("running_mean"),
        variance_c=call.weights("running_var"),
        epsilon=call.settings["eps"],
    )
    return [y]


def compute(b: Builder, call: Call) -> Value:
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
        pair = [second, first] if reverse else [first, second]
        return elementwise.combine(b, call.name, kind, pair, factor=float(alpha))
    if not isinstance(first, View) and not isinstance(second, View):
        shape = np.broadcast_shapes(np.shape(first), np.shape(second))  # type: ignore[arg-type]
        spend(_COPIES * 8 * math.prod(shape), f"The constant {call.name!r}")
        a, c = np.asarray(first), np.asarray(second)
        a, c = (c, a * alpha) if reverse else (a, c * alpha)
        found = {"add": a + c, "sub": a - c, "mul": a * c}
        return np.asarray(a / c if kind == "div" else found[kind])
    if alpha != 1 and (reverse or not isinstance(first, View)):
        raise UnsupportedError([f"alpha={alpha} on a tensor is not supported here"])
    x, values = (first, second) if isinstance(first, View) else (second, first)
    if not isinstance(x, View):
        raise ParseError("it has no input.")
    return affine.apply_constants(
        b,
        call.name,
        x,
        operation=kind,
        values=np.asarray(values, np.float64) * alpha,
        reverse=reverse != (x is second),
    )


_COPIES = 5
"""Arrays of 8-byte numbers that are in use at once where constants are computed."""


def negate(b: Builder, call: Call) -> View:
    """Emit ``-x``."""
    return affine.scale(b, call.name, call.tensor("self"), -1.0, 0.0)


def fold_weight_norm(b: Builder, call: Call) -> Value:
    """Fold a direction and a length: ``g * v / |v|``, the norm per index of an axis or overall.

    Salimans and Kingma, "Weight normalization", NeurIPS 2016, equation 2.
    """
    direction, length = call.weights("v"), call.weights("g")
    kept = call.settings.get("dim", 0)
    axes = tuple(axis for axis in range(direction.ndim) if kept == -1 or axis != kept)
    spend(_COPIES * direction.nbytes, f"The constant {call.name!r}")
    norms = np.sqrt(np.square(direction).sum(axis=axes, keepdims=True))
    if not norms.all():
        raise ParseError("it has a direction of length 0.")
    return np.asarray(length * direction / norms)


def fold_norm(b: Builder, call: Call) -> Value:
    """Fold the lengths of a constant's vectors, to which weight normalization is decomposed."""
    values = call.weights("self")
    if call.settings.get("ord", 2) != 2:
        raise UnsupportedError([f"a norm of order {call.settings['ord']} is not supported"])
    axes = call.settings.get("dim")
    axes = tuple(range(values.ndim)) if axes in (None, []) else tuple(axes)
    spend(_COPIES * values.nbytes, f"The constant {call.name!r}")
    norms = np.sqrt(np.square(values).sum(axis=axes, keepdims=True))
    return np.asarray(norms if call.settings.get("keepdim") else norms.squeeze(axes))

"""ATen operators to the functions that emit their layers.

Arguments have the names of PyTorch's operator schemas. The first axis of every tensor is that of
the samples and has no place in a `View`, so axes are one less here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import BinaryTanh, ReLU
from snn_core.ir.shapes import resolve_padding
from snn_core.parsing.channels_first import shaping, weighted
from snn_core.parsing.channels_first.builder import Builder
from snn_core.parsing.channels_first.views import View
from snn_core.parsing.channels_first.walk import Call, Emit, Value
from snn_core.typing import Array, Pair

DEFAULT_ADVICE = "this operator is not supported; replace it and retrain"
ADVICE = {
    **dict.fromkeys(
        ("leaky_relu", "leaky_relu_", "prelu", "elu", "elu_", "selu", "celu", "gelu", "silu", "silu_",
         "hardswish", "hardswish_", "hardsigmoid", "mish", "sigmoid", "tanh", "softplus", "rrelu"),
        "spike rates cannot follow this function; use ReLU or ReLU6 and retrain",
    ),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh"), "only feed-forward networks can be converted"),
    **dict.fromkeys(
        ("layer_norm", "group_norm", "instance_norm", "native_layer_norm", "native_group_norm"),
        "it normalizes each sample by itself, which weights cannot; use batch normalization",
    ),
    "scaled_dot_product_attention": "products of activations have no spiking form",
}  # fmt: skip


def _axis(value: int, rank: int) -> int:
    """Return a source axis without that of the samples; ``rank`` counts the others."""
    place = value + rank + 1 if value < 0 else value
    if place == 0:
        raise UnsupportedError(["it works across samples"])
    if not 0 < place <= rank:
        raise ParseError(f"its axis {value} is not an axis of a tensor with {rank + 1} axes.")
    return place - 1


def _sizes(call: Call, key: str, rank: int, default: Any) -> list[int]:
    """Return one number per image axis; a single one stands for all."""
    found = call.settings.get(key)
    found = default if found is None or found == [] else found
    found = [found] * rank if isinstance(found, int) else list(found)
    return found * rank if len(found) == 1 else found


def _even(pads: Sequence[int]) -> list[Pair]:
    return [(pad, pad) for pad in pads]


def _conv(b: Builder, call: Call) -> View:
    x, weight = call.tensor("input"), call.weights("weight")
    rank = weight.ndim - 2
    strides = _sizes(call, "stride", rank, 1)
    dilations = _sizes(call, "dilation", rank, 1)
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
            pads=_even(_sizes(call, "padding", rank, 0)),
            output_padding=_sizes(call, "output_padding", rank, 0),
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
        pads = _even(_sizes(call, "padding", rank, 0))
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


def _linear(b: Builder, call: Call) -> View:
    bias = call.weights_or_none("bias")
    return weighted.linear(b, call.name, call.tensor("input"), call.weights("weight"), bias)


def _addmm(b: Builder, call: Call) -> View:
    alpha, beta = call.settings.get("alpha", 1), call.settings.get("beta", 1)
    weight_oi = call.weights("mat2").T
    bias = np.broadcast_to(call.weights("self") * beta, weight_oi.shape[:1])
    return weighted.linear(b, call.name, call.tensor("mat1"), weight_oi * alpha, bias)


def _matmul(b: Builder, call: Call) -> View:
    if not isinstance(call.inputs["self"], View):
        raise UnsupportedError(["its first input is a constant; expected the second to be one"])
    weight_io = call.weights("other" if "other" in call.inputs else "mat2")
    if weight_io.ndim != 2:
        raise UnsupportedError([f"its weights have the shape {weight_io.shape}; expected two axes"])
    return weighted.linear(b, call.name, call.tensor("self"), weight_io.T, None)


def _batch_norm(b: Builder, call: Call) -> list[View]:
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


def _relu(b: Builder, call: Call) -> View:
    bound = 6.0 if "relu6" in call.kind else None
    return shaping.activation(b, call.name, call.tensor("self"), ReLU(max_value=bound))


def _clamp(b: Builder, call: Call) -> View:
    keys = ("min_val", "max_val") if call.kind.startswith("hardtanh") else ("min", "max")
    default = (-1.0, 1.0) if call.kind.startswith("hardtanh") else (None, None)
    low, high = (call.settings.get(key, value) for key, value in zip(keys, default, strict=True))
    if any(key in call.inputs for key in keys):
        raise UnsupportedError(["its bounds are tensors; use numbers"])
    return shaping.clipped(
        b,
        call.name,
        call.tensor("self"),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )


def _threshold(b: Builder, call: Call) -> View:
    if call.settings["threshold"] != 0 or call.settings["value"] != 0:
        raise UnsupportedError(["a threshold other than 0 is not supported; use ReLU and retrain"])
    return shaping.activation(b, call.name, call.tensor("self"), ReLU())


def _arithmetic(b: Builder, call: Call) -> Value:
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


def _negated(b: Builder, call: Call) -> View:
    return weighted.affine(b, call.name, call.tensor("self"), np.float64(-1), np.float64(0))


def _sign(b: Builder, call: Call) -> View:
    return shaping.activation(b, call.name, call.tensor("self"), BinaryTanh())


def _pool(b: Builder, call: Call) -> list[View]:
    x = call.tensor("self")
    rank = 1 if "1d" in call.kind else 2
    kernel = _sizes(call, "kernel_size", rank, None)
    maximum = call.kind.startswith("max")
    if any(size != 1 for size in _sizes(call, "dilation", rank, 1)):
        raise UnsupportedError(["dilated pooling is not supported"])
    if call.settings.get("divisor_override") is not None:
        raise UnsupportedError(["a divisor other than the window is not supported"])
    y = shaping.pooling(
        b,
        call.name,
        x,
        maximum=maximum,
        kernel=kernel,
        strides=_sizes(call, "stride", rank, kernel),
        pads=_even(_sizes(call, "padding", rank, 0)),
        ceil_mode=bool(call.settings.get("ceil_mode", False)),
        count_padding=not maximum and bool(call.settings.get("count_include_pad", True)),
    )
    return [y]


def _adaptive_pool(b: Builder, call: Call) -> list[View]:
    x = call.tensor("self")
    sizes = call.settings["shapes"][0]
    if sizes is None:
        raise ParseError("its output shape is not fixed.")
    maximum = "max" in call.kind
    return [shaping.adaptive_pooling(b, call.name, x, sizes=sizes[1:], maximum=maximum)]


def _reduce(b: Builder, call: Call) -> View:
    x = call.tensor("self")
    axes = call.settings.get("dim")
    if not axes:
        raise UnsupportedError(["it reduces all axes, that of the samples too"])
    return shaping.reduction(
        b,
        call.name,
        x,
        axes=[_axis(axis, x.rank) for axis in axes],
        keep=bool(call.settings.get("keepdim", False)),
        maximum=call.kind == "amax",
    )


def _cat(b: Builder, call: Call) -> View:
    views = [call.tensor(key) for key in call.inputs]
    axis = _axis(call.settings.get("dim", 0), views[0].rank)
    return shaping.concatenation(b, call.name, views, axis=axis)


def _reshape(b: Builder, call: Call) -> Value:
    """Give a tensor the shape that PyTorch has recorded for the result."""
    x, shape = call.inputs["self"], call.settings["shapes"][0]
    if not isinstance(x, View):
        raise UnsupportedError(["a constant changes its shape; fold it before the export"])
    if shape is None:
        raise ParseError("its output shape is not fixed.")
    if int(np.prod(shape)) != int(np.prod(x.shape)):
        raise UnsupportedError(
            [f"it reshapes {x.shape} to {shape} per sample, which mixes samples"]
        )
    return x.reshaped(shape)


def _permute(b: Builder, call: Call) -> Value:
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
    if axes[0] != 0:
        raise UnsupportedError(["it moves the axis of the samples"])
    return x.transposed([axis - 1 for axis in axes[1:]])


def _slice(b: Builder, call: Call) -> View:
    x = call.tensor("self")
    axis = call.settings.get("dim", 0)
    start, end = call.settings.get("start"), call.settings.get("end")
    step = call.settings.get("step", 1)
    if axis == 0 and start in (None, 0) and step == 1 and (end is None or end >= 2**31):
        return x  # all samples
    index: list[Any] = [slice(None)] * x.rank
    index[_axis(axis, x.rank)] = slice(start, end, step)
    return x.indexed(tuple(index))


def _select(b: Builder, call: Call) -> View:
    x = call.tensor("self")
    index: list[Any] = [slice(None)] * x.rank
    index[_axis(call.settings["dim"], x.rank)] = call.settings["index"]
    return x.indexed(tuple(index))


def _split(b: Builder, call: Call) -> list[View]:
    """Cut a tensor into parts of the sizes that PyTorch has recorded."""
    x = call.tensor("self")
    axis = _axis(call.settings.get("dim", 0), x.rank)
    parts: list[View] = []
    start = 0
    for shape in call.settings["shapes"]:
        if shape is None:
            raise ParseError("the sizes of its parts are not fixed.")
        index: list[Any] = [slice(None)] * x.rank
        index[axis] = slice(start, start + shape[axis])
        parts.append(x.indexed(tuple(index)))
        start += shape[axis]
    return parts


def _softmax(b: Builder, call: Call) -> View:
    x = call.tensor("self")
    return shaping.softmax(b, call.name, x, axis=_axis(call.settings["dim"], x.rank))


def _up_sampling(b: Builder, call: Call) -> View:
    x, shape = call.tensor("self" if "self" in call.inputs else "input"), call.settings["shapes"][0]
    if shape is None or any(new % old for new, old in zip(shape, x.shape, strict=True)):
        raise UnsupportedError(
            [f"it scales {x.shape} to {shape}; only whole factors are supported"]
        )
    factors = [new // old for new, old in zip(shape[1:], x.shape[1:], strict=True)]
    return shaping.up_sampling(b, call.name, x, factors)


def _pad(b: Builder, call: Call) -> View:
    x = call.tensor("self")
    mode, value = call.settings.get("mode", "constant"), call.settings.get("value") or 0
    if mode != "constant" or value != 0:
        raise UnsupportedError([f"padding with {mode!r} or other values than 0 is not supported"])
    pads = call.settings["pad"]
    pairs = [(pads[i], pads[i + 1]) for i in range(0, len(pads), 2)][::-1]  # the last axis is first
    if len(pairs) > x.rank:
        raise UnsupportedError(["it pads the axis of the samples"])
    return shaping.zero_padding(b, call.name, x, [(0, 0)] * (x.rank - len(pairs)) + pairs)


def _channel_shuffle(b: Builder, call: Call) -> View:
    x = call.tensor("self")
    channels, *sizes = x.shape
    groups = call.settings["groups"]
    y = x.reshaped((groups, channels // groups, *sizes))
    return y.transposed([1, 0, *range(2, y.rank)]).reshaped(x.shape)


def _inert(b: Builder, call: Call) -> View:
    if call.settings.get("train") or call.settings.get("training"):
        raise UnsupportedError(["it drops values; call model.eval() and export again"])
    return shaping.inert(b, call.name, call.tensor("self" if "self" in call.inputs else "input"))


def _identity(b: Builder, call: Call) -> Value:
    return call.inputs["self" if "self" in call.inputs else "input"]


def _folded(function: Callable[[Array], Array]) -> Emit:
    """Return the emitter of a function that is only known on constants."""

    def emit(b: Builder, call: Call) -> Value:
        value = call.inputs["self"]
        if isinstance(value, View):
            raise UnsupportedError([DEFAULT_ADVICE])
        return np.asarray(function(np.asarray(value)))

    return emit


def _cast(b: Builder, call: Call) -> Value:
    kind = call.settings.get("dtype")
    if kind is not None and kind not in _FLOATS and isinstance(call.inputs["self"], View):
        raise UnsupportedError(["it casts activations to whole numbers; keep them as floats"])
    return call.inputs["self"]


_FLOATS = (6, 7, 8, 13)
"""Numbers of half, float, double and bfloat16 in PyTorch's schema."""

EMITTERS: dict[str, Emit] = {
    **dict.fromkeys(
        ("conv1d", "conv2d", "convolution", "conv_transpose1d", "conv_transpose2d"), _conv
    ),
    "linear": _linear,
    "addmm": _addmm,
    **dict.fromkeys(("mm", "matmul"), _matmul),
    **dict.fromkeys(
        ("batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm"), _batch_norm
    ),
    **dict.fromkeys(("relu", "relu_", "relu6", "relu6_"), _relu),
    **dict.fromkeys(("clamp", "clamp_", "clamp_min", "clamp_min_", "clamp_max", "clamp_max_",
                     "clip", "hardtanh", "hardtanh_"), _clamp),
    **dict.fromkeys(("threshold", "threshold_"), _threshold),
    **dict.fromkeys(
        (f"{name}{suffix}" for name in ("add", "sub", "mul", "div") for suffix in ("", "_")),
        _arithmetic,
    ),
    "rsub": _arithmetic,
    "neg": _negated,
    "sign": _sign,
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "avg_pool1d",
                     "avg_pool2d"), _pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d",
                     "adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive_pool),
    **dict.fromkeys(("mean", "amax"), _reduce),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "flatten", "unflatten", "squeeze",
                     "unsqueeze", "view_copy"), _reshape),
    **dict.fromkeys(("permute", "transpose", "t", "swapaxes"), _permute),
    "slice": _slice,
    "select": _select,
    **dict.fromkeys(("chunk", "split", "split_with_sizes"), _split),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), _softmax),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), _up_sampling),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), _channel_shuffle),
    **dict.fromkeys(("dropout", "dropout_", "feature_dropout", "alpha_dropout",
                     "feature_alpha_dropout"), _inert),
    **dict.fromkeys(("alias", "clone", "contiguous", "detach", "detach_", "lift_fresh_copy"), _identity),
    **dict.fromkeys(("to", "_to_copy", "type_as"), _cast),
    "sqrt": _folded(np.sqrt),
    "rsqrt": _folded(lambda values: 1 / np.sqrt(values)),
    "exp": _folded(np.exp),
    "abs": _folded(np.abs),
}  # fmt: skip
"""Names without overloads to the functions that emit their layers."""

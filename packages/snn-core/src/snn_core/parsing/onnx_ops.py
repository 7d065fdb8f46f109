"""ONNX operators to the functions that emit their layers.

Semantics: the operator specification of ONNX. The first axis of every tensor is that of the
samples and has no place in a `View`, so axes are one less here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import BinaryTanh, ReLU
from snn_core.ir.shapes import resolve_padding
from snn_core.parsing.channels_first import shaping, weighted
from snn_core.parsing.channels_first.builder import Builder
from snn_core.parsing.channels_first.views import View
from snn_core.parsing.channels_first.walk import Call, Emit
from snn_core.typing import Pair

DEFAULT_ADVICE = "this operator is not supported; replace it and retrain"
ADVICE = {
    **dict.fromkeys(
        ("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSwish", "HardSigmoid", "Mish",
         "Sigmoid", "Tanh", "Softplus", "Softsign", "ThresholdedRelu", "Erf"),
        "spike rates cannot follow this function; use Relu or Clip and retrain",
    ),
    **dict.fromkeys(
        ("LSTM", "GRU", "RNN", "Scan", "Loop"), "only feed-forward networks can be converted"
    ),
    **dict.fromkeys(
        ("InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN"),
        "it normalizes each sample by itself, which weights cannot; use BatchNormalization",
    ),
}  # fmt: skip


def _axis(call: Call, value: Any, rank: int) -> int:
    """Return a source axis without that of the samples; ``rank`` counts the others."""
    place = int(value)
    place += rank + 1 if place < 0 else 0
    if place == 0:
        raise UnsupportedError(["it works across samples"])
    if not 0 < place <= rank:
        raise ParseError(f"its axis {value} is not an axis of a tensor with {rank + 1} axes.")
    return place - 1


def _axes(call: Call, key: str, rank: int) -> list[int]:
    """Return axes that are a setting in older operator sets and an input in newer ones."""
    values = call.settings.get("axes")
    if values is None:
        given = call.constant_or_none(key)
        values = [] if given is None else given.reshape(-1).tolist()
    return [_axis(call, value, rank) for value in values]


def _pads(call: Call, x: View, kernel: Sequence[int], dilations: Sequence[int]) -> list[Pair]:
    """Return the padding per image axis."""
    rank = len(kernel)
    strides = call.settings.get("strides") or [1] * rank
    mode = _text(call.settings.get("auto_pad", "NOTSET"))
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


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _conv(b: Builder, call: Call) -> View:
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
        pads=_pads(call, x, weight.shape[2:], dilations),
        dilations=dilations,
        groups=call.settings.get("group", 1),
    )


def _conv_transpose(b: Builder, call: Call) -> View:
    x, weight = call.tensor("0"), call.weights("1")
    rank = weight.ndim - 2
    strides = call.settings.get("strides") or [1] * rank
    dilations = call.settings.get("dilations") or [1] * rank
    extra = call.settings.get("output_padding") or [0] * rank
    if (
        _text(call.settings.get("auto_pad", "NOTSET")) != "NOTSET"
        or "output_shape" in call.settings
    ):
        raise UnsupportedError(["its padding is left to the runtime; export it with explicit pads"])
    pads = call.settings.get("pads") or [0] * 2 * rank
    return weighted.transposed_convolution(
        b,
        call.name,
        x,
        weight,
        call.weights_or_none("2"),
        strides=strides,
        pads=[(pads[i], pads[i + rank]) for i in range(rank)],
        output_padding=extra,
        dilations=dilations,
        groups=call.settings.get("group", 1),
    )


def _gemm(b: Builder, call: Call) -> View:
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


def _matmul(b: Builder, call: Call) -> View:
    if not isinstance(call.inputs["0"], View):
        raise UnsupportedError(["its first input is a constant; expected the second to be one"])
    weight_io = call.weights("1")
    if weight_io.ndim != 2:
        raise UnsupportedError([f"its weights have the shape {weight_io.shape}; expected two axes"])
    return weighted.linear(b, call.name, call.tensor("0"), weight_io.T, None)


def _batch_normalization(b: Builder, call: Call) -> View:
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


def _relu(b: Builder, call: Call) -> View:
    return shaping.activation(b, call.name, call.tensor("0"), ReLU())


def _clip(b: Builder, call: Call) -> View:
    low = call.settings.get("min", call.constant_or_none("1"))
    high = call.settings.get("max", call.constant_or_none("2"))
    return shaping.clipped(
        b,
        call.name,
        call.tensor("0"),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )


def _bounded(b: Builder, call: Call) -> View:
    """Emit the maximum or minimum of a tensor and one number."""
    tensors = [value for value in call.inputs.values() if isinstance(value, View)]
    numbers = [value for value in call.inputs.values() if not isinstance(value, View)]
    if len(tensors) != 1 or any(np.size(value) != 1 for value in numbers):
        raise UnsupportedError(
            ["it compares tensors, which spike rates cannot; use MaxPool or Relu"]
        )
    bounds = [float(np.asarray(value).reshape(-1)[0]) for value in numbers]
    low, high = (max(bounds), None) if call.kind == "Max" else (None, min(bounds))
    return shaping.clipped(b, call.name, tensors[0], low=low, high=high)


def _arithmetic(b: Builder, call: Call) -> View:
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


def _sum(b: Builder, call: Call) -> View:
    views = [call.tensor(key) for key in call.inputs]
    share = 1.0 if call.kind == "Sum" else 1 / len(views)
    return shaping.addition(b, call.name, views, [share] * len(views))


def _pool(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    kernel = call.settings.get("kernel_shape")
    if not kernel:
        raise ParseError("it has no kernel shape.")
    if call.settings["outputs"] > 1:
        raise UnsupportedError(["its indices are used; only the maxima are supported"])
    if any(size != 1 for size in call.settings.get("dilations", [])):
        raise UnsupportedError(["dilated pooling is not supported"])
    return shaping.pooling(
        b,
        call.name,
        x,
        maximum=call.kind == "MaxPool",
        kernel=kernel,
        strides=call.settings.get("strides") or [1] * len(kernel),
        pads=_pads(call, x, kernel, [1] * len(kernel)),
        ceil_mode=bool(call.settings.get("ceil_mode", 0)),
        count_padding=bool(call.settings.get("count_include_pad", 0)),
    )


def _global_pool(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    axes = range(1, x.rank)
    maximum = call.kind == "GlobalMaxPool"
    return shaping.reduction(b, call.name, x, axes=axes, keep=True, maximum=maximum)


def _reduce(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    keep = bool(call.settings.get("keepdims", 1))
    maximum = call.kind == "ReduceMax"
    axes = _axes(call, "1", x.rank)
    if not axes:
        raise UnsupportedError(["it reduces all axes, that of the samples too"])
    return shaping.reduction(b, call.name, x, axes=axes, keep=keep, maximum=maximum)


def _concat(b: Builder, call: Call) -> View:
    views = [call.tensor(key) for key in call.inputs]
    axis = _axis(call, call.settings["axis"], views[0].rank)
    return shaping.concatenation(b, call.name, views, axis=axis)


def _pad(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    value = call.settings.get("value", call.constant_or_none("2"))
    mode = _text(call.settings.get("mode", "constant"))
    if mode != "constant" or (value is not None and np.any(np.asarray(value) != 0)):
        raise UnsupportedError([f"padding with {mode!r} or other values than 0 is not supported"])
    pads = call.settings.get("pads")
    pads = call.constant("1").reshape(-1).tolist() if pads is None else list(pads)
    axes = [axis + 1 for axis in _axes(call, "3", x.rank)] or list(range(x.rank + 1))
    if len(pads) != 2 * len(axes):
        raise ParseError(f"it has {len(pads)} paddings for {len(axes)} axes.")
    found = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    if any(found.get(0, (0, 0))):
        raise UnsupportedError(["it pads the axis of the samples"])
    pairs = [found.get(axis + 1, (0, 0)) for axis in range(x.rank)]
    return shaping.zero_padding(b, call.name, x, pairs)


def _reshape(b: Builder, call: Call) -> View:
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
    return x.reshaped(tuple(target[1:]))


def _flatten(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    axis = call.settings.get("axis", 1)
    if axis not in (1, -x.rank):
        raise UnsupportedError([f"it flattens from axis {axis}, which mixes samples; use axis 1"])
    return x.reshaped((-1,))


def _squeeze(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    axes = _axes(call, "1", x.rank) or [i for i, size in enumerate(x.shape) if size == 1]
    if any(x.shape[axis] != 1 for axis in axes):
        raise ParseError(f"it removes the axes {axes} of {x.shape}, which are no single cells.")
    return x.reshaped(tuple(size for i, size in enumerate(x.shape) if i not in axes))


def _unsqueeze(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    values = call.settings.get("axes")
    values = call.constant("1").reshape(-1).tolist() if values is None else values
    axes = _axes(call, "1", x.rank + len(values))
    shape = list(x.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return x.reshaped(tuple(shape))


def _transpose(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    perm = call.settings.get("perm") or list(range(x.rank + 1))[::-1]
    if perm[0] != 0:
        raise UnsupportedError([f"it moves the axis of the samples (perm {list(perm)})"])
    return x.transposed([axis - 1 for axis in perm[1:]])


def _softmax(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    flattening = call.settings["opset"] < 13
    axis = _axis(call, call.settings.get("axis", 1 if flattening else -1), x.rank)
    if flattening and any(size != 1 for size in x.shape[axis + 1 :]):
        raise UnsupportedError(["softmax over several axes; export with operator set 13 or later"])
    return shaping.softmax(b, call.name, x, axis=axis)


def _inert(b: Builder, call: Call) -> View:
    return shaping.inert(b, call.name, call.tensor("0"))


def _split(b: Builder, call: Call) -> list[View]:
    x = call.tensor("0")
    axis = _axis(call, call.settings.get("axis", 0), x.rank)
    given = call.settings.get("split", call.constant_or_none("1"))
    number = call.settings["outputs"]
    size = -(-x.shape[axis] // number)
    sizes = [size] * number if given is None else [int(part) for part in np.ravel(given)]
    ends = np.minimum(np.cumsum(sizes), x.shape[axis])
    index: list[Any] = [slice(None)] * x.rank
    parts = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        index[axis] = slice(start, end)
        parts.append(x.indexed(tuple(index)))
    return parts


def _slice(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    older = "starts" in call.settings
    starts, ends = (
        list(call.settings[key]) if older else call.constant(place).reshape(-1).tolist()
        for key, place in (("starts", "1"), ("ends", "2"))
    )
    axes = call.settings.get("axes") if older else call.constant_or_none("3")
    axes = range(len(starts)) if axes is None else np.ravel(axes).tolist()
    steps = None if older else call.constant_or_none("4")
    steps = [1] * len(starts) if steps is None else steps.reshape(-1).tolist()
    index: list[Any] = [slice(None)] * x.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[_axis(call, axis, x.rank)] = slice(start, max(end, -(2**31)), step)
    return x.indexed(tuple(index))


def _resize(b: Builder, call: Call) -> View:
    x = call.tensor("0")
    mode = _text(call.settings.get("mode", "nearest"))
    if mode != "nearest":
        raise UnsupportedError([f"up-sampling by {mode!r} is not supported; use 'nearest'"])
    sizes = call.constant_or_none("3")
    scales = call.constant_or_none("1" if call.kind == "Upsample" else "2")
    if scales is None or not scales.size:
        if sizes is None:
            raise ParseError("it has neither scales nor sizes.")
        scales = sizes.reshape(-1) / np.array([call.settings["batch"], *x.shape])
    scales = scales.reshape(-1)
    factors = [round(float(scale)) for scale in scales]
    whole = np.allclose(scales, factors) and len(factors) == x.rank + 1 and min(factors) > 0
    if not whole or factors[:2] != [1, 1]:
        raise UnsupportedError(
            [f"it scales by {scales.tolist()}; only whole factors of image axes are supported"]
        )
    _require_repetition(call, factors[2:])
    return shaping.up_sampling(b, call.name, x, factors[2:])


def _require_repetition(call: Call, factors: Sequence[int]) -> None:
    """Raise unless nearest-neighbour resizing by whole factors repeats every cell."""
    if call.kind == "Upsample":
        return
    where = _text(call.settings.get("coordinate_transformation_mode", "half_pixel"))
    rounding = _text(call.settings.get("nearest_mode", "round_prefer_floor"))
    positions = {
        "asymmetric": lambda i, factor: i / factor,
        "half_pixel": lambda i, factor: (i + 0.5) / factor - 0.5,
        "pytorch_half_pixel": lambda i, factor: (i + 0.5) / factor - 0.5,
        "half_pixel_symmetric": lambda i, factor: (i + 0.5) / factor - 0.5,
    }
    roundings = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    }
    for factor in factors:
        cells = np.arange(2 * factor)
        known = where in positions and rounding in roundings
        if known and factor > 1:
            found = roundings[rounding](positions[where](cells, factor))
            known = np.array_equal(np.clip(found, 0, 1), cells // factor)
        if not known:
            reason = f"resizing with {where!r} and {rounding!r} does not repeat each cell"
            raise UnsupportedError([f"{reason}; use 'asymmetric' and 'floor'"])


def _sign(b: Builder, call: Call) -> View:
    return shaping.activation(b, call.name, call.tensor("0"), BinaryTanh())


def _negated(b: Builder, call: Call) -> View:
    return weighted.affine(b, call.name, call.tensor("0"), np.float64(-1), np.float64(0))


def _cast(b: Builder, call: Call) -> View:
    if call.settings["to"] not in _FLOATS:
        raise UnsupportedError(["it casts activations to whole numbers; keep them as floats"])
    return call.tensor("0")


_FLOATS = (1, 10, 11, 16)
"""``TensorProto.DataType`` of float, float16, double and bfloat16."""


def _identity(b: Builder, call: Call) -> View:
    return call.tensor("0")


EMITTERS: dict[str, Emit] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic),
    "AveragePool": _pool,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Dropout": _inert,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "Identity": _identity,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Max": _bounded,
    "MaxPool": _pool,
    "Mean": _sum,
    "Min": _bounded,
    "Neg": _negated,
    "Pad": _pad,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "Relu": _relu,
    "Reshape": _reshape,
    "Resize": _resize,
    "Sign": _sign,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sum": _sum,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _resize,
}

"""Table of the ATen operators and the functions that emit their layers.

Arguments have the names of PyTorch's operator schemas. The first axis of every tensor is that of
the samples and has no place in a `View`, so axes are one less here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import BinaryTanh, ReLU, Sigmoid
from snn_core.parsing.emit import elementwise
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, Emit, Value
from snn_core.parsing.torch import shaping, weighted
from snn_core.parsing.torch.archive import FLOATS
from snn_core.reading import spend
from snn_core.typing import Array

DEFAULT_ADVICE = "this operator is not supported; replace it and retrain"
ADVICE = {
    **dict.fromkeys(
        (f"{name}{suffix}" for suffix in ("", "_")
         for name in ("leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "hardswish",
                      "hardsigmoid", "mish", "tanh", "softplus", "rrelu")),
        "spike rates cannot follow this function; use ReLU or ReLU6 and retrain",
    ),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh"), "only feed-forward networks can be converted"),
    **dict.fromkeys(
        ("layer_norm", "group_norm", "instance_norm", "native_layer_norm", "native_group_norm"),
        "it normalizes each sample by itself, which weights cannot; use batch normalization",
    ),
    **dict.fromkeys(
        ("mv", "vdot", "dot", "tril", "matrix_exp", "householder_product", "lu_factor"),
        "it computes weights; remove the parametrization before the export "
        "(torch.nn.utils.parametrize.remove_parametrizations)",
    ),
    "scaled_dot_product_attention": "products of activations have no spiking form",
}  # fmt: skip


def _relu(b: Builder, call: Call) -> View:
    bound = 6.0 if "relu6" in call.kind else None
    return elementwise.activate(b, call.name, call.tensor("self"), ReLU(max_value=bound))


def _clamp(b: Builder, call: Call) -> View:
    keys = ("min_val", "max_val") if call.kind.startswith("hardtanh") else ("min", "max")
    default = (-1.0, 1.0) if call.kind.startswith("hardtanh") else (None, None)
    low, high = (_bound_of(call, key, value) for key, value in zip(keys, default, strict=True))
    return elementwise.clip(b, call.name, call.tensor("self"), low=low, high=high)


def _bound_of(call: Call, key: str, default: float | None) -> float | None:
    """Return a bound: a number, or a constant tensor of one value."""
    if key in call.inputs:
        return elementwise.uniform_value(call.constant(key))
    value = call.settings.get(key, default)
    return None if value is None else float(value)


def _bound(b: Builder, call: Call) -> Value | list[View]:
    """Emit the maximum or minimum of a tensor and a constant; `max` also reduces."""
    if "other" not in call.inputs and call.kind == "max":
        return shaping.reduce(b, call)
    if "other" not in call.inputs:
        raise UnsupportedError(["a minimum over cells has no spiking form; use max pooling"])
    tensors = [value for value in call.inputs.values() if isinstance(value, View)]
    if len(tensors) != 1:
        raise UnsupportedError(
            ["it compares tensors, which spike rates cannot; use max pooling or ReLU"]
        )
    other = "self" if tensors[0] is call.inputs["other"] else "other"
    bound = elementwise.uniform_value(call.constant(other))
    low, high = (bound, None) if call.kind in ("max", "maximum") else (None, bound)
    return elementwise.clip(b, call.name, tensors[0], low=low, high=high)


def _threshold(b: Builder, call: Call) -> View:
    if call.settings["threshold"] != 0 or call.settings["value"] != 0:
        raise UnsupportedError(["a threshold other than 0 is not supported; use ReLU and retrain"])
    return elementwise.activate(b, call.name, call.tensor("self"), ReLU())


def _sign(b: Builder, call: Call) -> View:
    return elementwise.activate(b, call.name, call.tensor("self"), BinaryTanh())


def _sigmoid(b: Builder, call: Call) -> View:
    return elementwise.activate(b, call.name, call.tensor("self"), Sigmoid())


def _inert(b: Builder, call: Call) -> View:
    if call.settings.get("train") or call.settings.get("training"):
        raise UnsupportedError(["it drops values; call model.eval() and export again"])
    return elementwise.pass_on(
        b, call.name, call.tensor("self" if "self" in call.inputs else "input")
    )


def _identity(b: Builder, call: Call) -> Value:
    return call.inputs["self" if "self" in call.inputs else "input"]


def _fold_with(function: Callable[[Array], Array]) -> Emit:
    """Return the emitter of a function that is only known on constants."""

    def emit(b: Builder, call: Call) -> Value:
        value = call.inputs["self"]
        if isinstance(value, View):
            raise UnsupportedError([DEFAULT_ADVICE])
        values = np.asarray(value)
        spend(2 * 8 * values.size, f"The constant {call.name!r}")
        return np.asarray(function(values))

    return emit


def _fill(b: Builder, call: Call) -> Value:
    """Return the constant that a tensor is filled with; it broadcasts to whatever shape."""
    value = {"zeros": 0.0, "ones": 1.0}.get(call.kind.removesuffix("_like"))
    return np.array([call.settings["fill_value"] if value is None else value], np.float32)


def _cast(b: Builder, call: Call) -> Value:
    kind = call.settings.get("dtype")
    if kind is not None and kind not in FLOATS and isinstance(call.inputs["self"], View):
        raise UnsupportedError(["it casts activations to whole numbers; keep them as floats"])
    return call.inputs["self"]


EMITTERS: dict[str, Emit] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d",
                     "conv_transpose2d"), weighted.convolve),
    "linear": weighted.connect,
    "_weight_norm": weighted.fold_weight_norm,
    "linalg_vector_norm": weighted.fold_norm,
    "addmm": weighted.addmm,
    **dict.fromkeys(("mm", "matmul", "bmm"), weighted.multiply),
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm"),
                    weighted.normalize),
    **dict.fromkeys(("relu", "relu_", "relu6", "relu6_"), _relu),
    **dict.fromkeys(("clamp", "clamp_", "clamp_min", "clamp_min_", "clamp_max", "clamp_max_",
                     "clip", "hardtanh", "hardtanh_"), _clamp),
    **dict.fromkeys(("threshold", "threshold_"), _threshold),
    **dict.fromkeys(
        (f"{name}{suffix}" for name in ("add", "sub", "mul", "div") for suffix in ("", "_")),
        weighted.compute,
    ),
    "rsub": weighted.compute,
    "neg": weighted.negate,
    "sign": _sign,
    **dict.fromkeys(("sigmoid", "sigmoid_", "special_expit"), _sigmoid),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "avg_pool1d",
                     "avg_pool2d"), shaping.pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d",
                     "adaptive_max_pool1d", "adaptive_max_pool2d"), shaping.pool_adaptively),
    **dict.fromkeys(("mean", "sum", "amax"), shaping.reduce),
    **dict.fromkeys(("max", "maximum", "min", "minimum"), _bound),
    **dict.fromkeys(("cat", "concat", "concatenate"), shaping.concatenate),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "flatten", "unflatten", "squeeze",
                     "unsqueeze", "view_copy"), shaping.reshape),
    **dict.fromkeys(("permute", "transpose", "t", "swapaxes"), shaping.permute),
    "expand": shaping.expand,
    "slice": shaping.take_slice,
    "select": shaping.select,
    **dict.fromkeys(("chunk", "split", "split_with_sizes"), shaping.split),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), shaping.apply_softmax),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), shaping.upsample),
    **dict.fromkeys(("pad", "constant_pad_nd"), shaping.pad),
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), shaping.shuffle_channels),
    **dict.fromkeys(("dropout", "dropout_", "feature_dropout", "alpha_dropout",
                     "feature_alpha_dropout"), _inert),
    **dict.fromkeys(("alias", "clone", "contiguous", "detach", "detach_", "lift_fresh_copy"),
                    _identity),
    **dict.fromkeys(("to", "_to_copy", "type_as"), _cast),
    **dict.fromkeys(("zeros", "ones", "full", "zeros_like", "ones_like", "full_like"), _fill),
    "sqrt": _fold_with(np.sqrt),
    "rsqrt": _fold_with(lambda values: 1 / np.sqrt(values)),
    "exp": _fold_with(np.exp),
    "abs": _fold_with(np.abs),
}  # fmt: skip
"""Names without overloads to the functions that emit their layers."""

REARRANGING: frozenset[Emit] = frozenset((
    shaping.reshape, shaping.permute, shaping.expand, shaping.take_slice, shaping.select,
    shaping.split, shaping.concatenate, shaping.shuffle_channels, shaping.upsample, shaping.pad,
    _inert, _identity, _cast,
))  # fmt: skip
"""Emitters of what moves numbers, but computes none."""

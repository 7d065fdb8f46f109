"""ONNX operators to the functions that emit their layers.

Semantics: the operator specification of ONNX. The first axis of every tensor is that of the
samples and has no place in a `View`, so axes are one less here.
"""

from __future__ import annotations

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import BinaryTanh, ReLU
from snn_core.parsing.emit import shaping
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, Emit
from snn_core.parsing.onnx import shaping as onnx_shaping
from snn_core.parsing.onnx import weighted as onnx_weighted

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
    "Where": "it chooses between values, as adaptive pooling with windows of unequal sizes does; "
             "choose an output size that divides the input's",
    "GatherND": "only cells of an image that are picked by constants can be gathered",
}  # fmt: skip


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
    if len(tensors) != 1 or any(value is None or value.size != 1 for value in numbers):
        raise UnsupportedError(
            ["it compares tensors, which spike rates cannot; use MaxPool or Relu"]
        )
    bounds = [float(np.asarray(value).reshape(-1)[0]) for value in numbers]
    low, high = (max(bounds), None) if call.kind == "Max" else (None, min(bounds))
    return shaping.clipped(b, call.name, tensors[0], low=low, high=high)


def _inert(b: Builder, call: Call) -> View:
    return shaping.inert(b, call.name, call.tensor("0"))


def _sign(b: Builder, call: Call) -> View:
    return shaping.activation(b, call.name, call.tensor("0"), BinaryTanh())


def _cast(b: Builder, call: Call) -> View:
    if call.settings["to"] not in _FLOATS:
        raise UnsupportedError(["it casts activations to whole numbers; keep them as floats"])
    return call.tensor("0")


_FLOATS = (1, 10, 11, 16)
"""``TensorProto.DataType`` of float, float16, double and bfloat16."""


def _identity(b: Builder, call: Call) -> View:
    return call.tensor("0")


EMITTERS: dict[str, Emit] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), onnx_weighted.arithmetic),
    "AveragePool": onnx_shaping.pool,
    "BatchNormalization": onnx_weighted.batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": onnx_shaping.concat,
    "Conv": onnx_weighted.conv,
    "ConvTranspose": onnx_weighted.conv_transpose,
    "Dropout": _inert,
    "Flatten": onnx_shaping.flatten,
    "Gather": onnx_shaping.gather,
    "Gemm": onnx_weighted.gemm,
    "GlobalAveragePool": onnx_shaping.global_pool,
    "GlobalMaxPool": onnx_shaping.global_pool,
    "Identity": _identity,
    "LogSoftmax": onnx_shaping.softmax,
    "MatMul": onnx_weighted.matmul,
    "Max": _bounded,
    "MaxPool": onnx_shaping.pool,
    "Mean": onnx_weighted.total,
    "Min": _bounded,
    "Neg": onnx_weighted.negated,
    "Pad": onnx_shaping.pad,
    "ReduceMax": onnx_shaping.reduce,
    "ReduceMean": onnx_shaping.reduce,
    "Relu": _relu,
    "Reshape": onnx_shaping.reshape,
    "Resize": onnx_shaping.resize,
    "Sign": _sign,
    "Slice": onnx_shaping.sliced,
    "Softmax": onnx_shaping.softmax,
    "Split": onnx_shaping.split,
    "Squeeze": onnx_shaping.squeeze,
    "Sum": onnx_weighted.total,
    "Transpose": onnx_shaping.transpose,
    "Unsqueeze": onnx_shaping.unsqueeze,
    "Upsample": onnx_shaping.resize,
}

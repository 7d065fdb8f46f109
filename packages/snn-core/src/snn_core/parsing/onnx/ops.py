"""Table of the ONNX operators and the functions that emit their layers.

Semantics: the operator specification of ONNX. The first axis of every tensor is that of the
samples and has no place in a `View`, so axes are one less here.
"""

from __future__ import annotations

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import BinaryTanh, ReLU, Sigmoid
from snn_core.parsing.emit import elementwise
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Call, Emit
from snn_core.parsing.onnx import shaping, weighted
from snn_core.parsing.onnx.declared import FLOATS

DEFAULT_ADVICE = "this operator is not supported; replace it and retrain"
ADVICE = {
    **dict.fromkeys(
        ("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSwish", "HardSigmoid", "Mish",
         "Tanh", "Softplus", "Softsign", "ThresholdedRelu", "Erf"),
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
    return elementwise.activate(b, call.name, call.tensor("0"), ReLU())


def _clip(b: Builder, call: Call) -> View:
    low = call.settings.get("min", call.constant_or_none("1"))
    high = call.settings.get("max", call.constant_or_none("2"))
    return elementwise.clip(
        b,
        call.name,
        call.tensor("0"),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )


def _bound(b: Builder, call: Call) -> View:
    """Emit the maximum or minimum of a tensor and constants of one value each."""
    tensors = [value for value in call.inputs.values() if isinstance(value, View)]
    constants = [call.constant(key) for key, x in call.inputs.items() if not isinstance(x, View)]
    if len(tensors) != 1:
        raise UnsupportedError(
            ["it compares tensors, which spike rates cannot; use MaxPool or Relu"]
        )
    if not constants:
        return tensors[0]
    shape = tensors[0].shape
    bounds = [elementwise.uniform_value(weighted.of_one_sample(call, shape, c)) for c in constants]
    low, high = (max(bounds), None) if call.kind == "Max" else (None, min(bounds))
    return elementwise.clip(b, call.name, tensors[0], low=low, high=high)


def _drop(b: Builder, call: Call) -> View:
    """Emit ``Dropout``, which does nothing at inference."""
    training = call.constant_or_none("2")
    if training is not None and np.any(training):
        raise UnsupportedError(["it drops values; export the model for inference"])
    if call.settings["read_outputs"] > 1:
        raise UnsupportedError(["its mask is used; only its values are supported"])
    return elementwise.pass_on(b, call.name, call.tensor("0"))


def _sign(b: Builder, call: Call) -> View:
    return elementwise.activate(b, call.name, call.tensor("0"), BinaryTanh())


def _sigmoid(b: Builder, call: Call) -> View:
    return elementwise.activate(b, call.name, call.tensor("0"), Sigmoid())


def _cast(b: Builder, call: Call) -> View:
    if call.settings["to"] not in FLOATS:
        raise UnsupportedError(["it casts activations to whole numbers; keep them as floats"])
    return call.tensor("0")


def _identity(b: Builder, call: Call) -> View:
    return call.tensor("0")


EMITTERS: dict[str, Emit] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), weighted.compute),
    "AveragePool": shaping.pool,
    "BatchNormalization": weighted.normalize,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": shaping.concatenate,
    "Conv": weighted.convolve,
    "ConvTranspose": weighted.convolve_transposed,
    "Dropout": _drop,
    "Flatten": shaping.flatten,
    "Gather": shaping.gather,
    "Gemm": weighted.connect,
    "GlobalAveragePool": shaping.pool_globally,
    "GlobalMaxPool": shaping.pool_globally,
    "Identity": _identity,
    "LogSoftmax": shaping.apply_softmax,
    "MatMul": weighted.multiply,
    "Max": _bound,
    "MaxPool": shaping.pool,
    "Mean": weighted.add_up,
    "Min": _bound,
    "Neg": weighted.negate,
    "Pad": shaping.pad,
    "ReduceMax": shaping.reduce,
    "ReduceMean": shaping.reduce,
    "ReduceSum": shaping.reduce,
    "Relu": _relu,
    "Reshape": shaping.reshape,
    "Resize": shaping.resize,
    "Sigmoid": _sigmoid,
    "Sign": _sign,
    "Slice": shaping.take_slice,
    "Softmax": shaping.apply_softmax,
    "Split": shaping.split,
    "Squeeze": shaping.squeeze,
    "Sum": weighted.add_up,
    "Transpose": shaping.transpose,
    "Unsqueeze": shaping.unsqueeze,
    "Upsample": shaping.resize,
}

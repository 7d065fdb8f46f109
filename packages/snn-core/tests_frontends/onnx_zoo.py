"""ONNX graphs built by hand: every operator alone, in the form of each operator set that has one.

Exporters use few of the forms that operators have; other tools use all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IMAGE = (3, 8, 6)
SEQUENCE = (4, 10)
VECTOR = (6,)

Graph: TypeAlias = Callable[["Net"], str]
"""A function that adds the nodes of a graph and returns the name of the output."""


class Net:
    """A graph in the making; the input is called ``x``."""

    def __init__(self, shape: Sequence[int], opset: int) -> None:
        self.shape, self.opset = tuple(shape), opset
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(len(shape) + opset)

    def node(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; arrays among its inputs become initializers."""
        names = [self.constant(item) if isinstance(item, np.ndarray) else item for item in inputs]
        found = [f"{kind.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, found, name=name, **attributes))
        return found[0] if outputs == 1 else found

    def constant(self, values: np.ndarray) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def random(self, *shape: int, scale: float = 0.5, mean: float = 0.0) -> np.ndarray:
        return self.rng.normal(mean, scale, shape).astype(np.float32)

    def conv(self, x: str = "x", inputs: int = 3, outputs: int = 4, **attributes: Any) -> str:
        """Add a 3 x 3 convolution with bias, unless ``kernel`` says otherwise."""
        kernel = attributes.pop("kernel", (3, 3))
        per_group = inputs // attributes.get("group", 1)
        weight = self.random(outputs, per_group, *kernel)
        return self.node("Conv", x, weight, self.random(outputs), **attributes)

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def head(self, x: str, features: int) -> str:
        """Add a flattening and a dense layer."""
        weight = self.random(3, features)
        return self.node("Gemm", self.node("Flatten", x), weight, self.random(3), transB=1)

    def model(self, output: str, *, batch: int | str = "batch") -> onnx.ModelProto:
        """Return the finished model."""
        entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *self.shape])
        end = helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, "classes"])
        graph = helper.make_graph(self.nodes, "graph", [entry], [end], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def normalized(net: Net, x: str, channels: int, **attributes: Any) -> str:
    """Add batch normalization; some gains are negative."""
    parameters = (
        net.random(channels, scale=1.0),
        net.random(channels),
        net.random(channels),
        np.abs(net.random(channels)) + 0.3,
    )
    return net.node("BatchNormalization", x, *parameters, **attributes)


def separate_bias(net: Net) -> str:
    """Weights and bias as CNTK writes them: convolution, then an addition of (channels, 1, 1)."""
    x = net.node("Conv", "x", net.random(4, 3, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2])
    x = net.relu(net.node("Add", x, net.random(4, 1, 1)))
    x = net.node("Reshape", x, ints(1, 48) if net.opset < 14 else ints(-1, 48))
    # The weights are reshaped in the graph.
    weight = net.node("Reshape", net.random(4, 4, 3, 3), ints(48, 3))
    return net.node("Add", net.node("MatMul", x, weight), net.random(1, 3))


def computed_shape(net: Net) -> str:
    """Flatten by a shape that the graph computes (exports of PyTorch before 2)."""
    x = net.relu(net.conv())
    first = net.node("Gather", net.node("Shape", x), np.array(0), axis=0)
    axes = {"axes": [0]} if net.opset < 13 else {}
    first = net.node("Unsqueeze", first, *([] if axes else [ints(0)]), **axes)
    shape = net.node("Concat", first, ints(-1), axis=0)
    return net.node("Gemm", net.node("Reshape", x, shape), net.random(96, 3), net.random(3))


def folded_constants(net: Net) -> str:
    """Scale and shift of a quantized export, and weights that are computed from others."""
    weight = net.node("Mul", net.random(4, 3, 3, 3), net.node("Constant", value=_tensor(0.5)))
    weight = net.node("Transpose", net.node("Transpose", weight, perm=[2, 3, 1, 0]),
                      perm=[3, 2, 0, 1])  # fmt: skip
    x = net.node("Conv", net.node("Div", "x", number(2.0)), weight)
    return net.head(net.relu(net.node("Sub", x, net.random(1, 4, 1, 1))), 96)


def _tensor(value: float) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, np.float32))


def keras_style(net: Net) -> str:
    """A channels-last model of tf2onnx: transposed at the entry and before the flattening."""
    x = net.node("Transpose", "x", perm=[0, 3, 1, 2])
    x = net.relu(net.conv(x, inputs=6))
    x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    return net.node("MatMul", net.node("Flatten", x), net.random(96, 3))


def residual(net: Net) -> str:
    x = net.relu(normalized(net, net.conv(outputs=4, pads=[1, 1, 1, 1]), 4))
    y = normalized(net, net.conv(x, inputs=4, outputs=4, pads=[1, 1, 1, 1]), 4)
    return net.head(net.relu(net.node("Add", y, x)), 192)


def resize(net: Net, *inputs: Any, **attributes: Any) -> str:
    x = net.node("Resize", net.relu(net.conv()), *inputs, mode="nearest", **attributes)
    return net.head(x, 4 * 12 * 8)


def after_conv(kind: str, *inputs: Any, features: int = 96, **attributes: Any) -> Graph:
    """Return a graph that puts an operator between a rectified convolution and a classifier."""

    def build(net: Net) -> str:
        x = net.node(kind, net.relu(net.conv()), *inputs, **attributes)
        return net.head(x, features)

    return build


def before_relu(kind: str, *inputs: Any, features: int = 96, **attributes: Any) -> Graph:
    """Return a graph that puts an operator between a convolution and its ReLU."""
    return lambda net: net.head(
        net.relu(net.node(kind, net.conv(), *inputs, **attributes)), features
    )


def split(net: Net, *inputs: Any, **attributes: Any) -> str:
    a, b = net.node("Split", net.relu(net.conv()), *inputs, outputs=2, axis=1, **attributes)
    return net.head(net.node("Concat", b, a, axis=1), 96)


def joined(net: Net) -> str:
    x = net.relu(net.conv(pads=[1, 1, 1, 1]))
    y = net.relu(net.conv(outputs=2, kernel=(1, 1)))
    z = net.node("Concat", x, "x", y, axis=-3)
    return net.head(net.relu(net.conv(z, inputs=9)), 96)


def total(kind: str) -> Graph:
    def build(net: Net) -> str:
        parts = [net.conv() for _ in range(3)]
        return net.head(net.relu(net.node(kind, *parts)), 96)

    return build


def transposed(net: Net, **attributes: Any) -> str:
    group = attributes.get("group", 1)
    weight = net.random(4, 4 // group, 3, 2)
    x = net.node("ConvTranspose", net.relu(net.conv()), weight, net.random(4), **attributes)
    return net.node("ReduceMean", net.relu(x), axes=[2, 3], keepdims=0)


def dense(net: Net) -> str:
    x = net.node("Gemm", "x", net.random(6, 5), net.random(5), alpha=0.5, beta=2.0)
    return net.node("Softmax", net.node("Gemm", net.relu(x), net.random(5, 3)), axis=1)


def sequence(net: Net) -> str:
    x = net.relu(net.conv(inputs=4, outputs=5, kernel=(3,), pads=[2, 0]))
    x = net.node("MaxPool", x, kernel_shape=[2], strides=[2])
    return net.head(net.node("AveragePool", x, kernel_shape=[3], pads=[1, 1]), 25)


def steps(net: Net) -> str:
    """A dense layer on every step of a sequence."""
    x = net.node("Transpose", "x", perm=[0, 2, 1])
    return net.relu(net.node("MatMul", x, net.random(4, 5)))


def over_sequence(net: Net) -> str:
    return net.head(steps(net), 50)


def lone_bound(kind: str, low: float) -> Graph:
    return lambda net: net.head(
        net.node("Min", net.node(kind, net.conv(), number(low)), number(0.8)), 96
    )


def dropped(net: Net) -> str:
    x = net.node("Identity", net.relu(net.conv()))
    x = net.node("Dropout", x, *([number(0.3)] if net.opset > 11 else []))
    return net.head(net.node("Cast", x, to=TensorProto.FLOAT), 96)


def unused_indices(net: Net) -> str:
    x, _ = net.node("MaxPool", net.relu(net.conv()), outputs=2, kernel_shape=[2, 2])
    return net.head(x, 4 * 5 * 3)


def squeezed(net: Net) -> str:
    x = net.node("GlobalAveragePool", net.relu(net.conv()))
    if net.opset < 13:
        x = net.node("Squeeze", x, axes=[2, 3])
        x = net.node("Squeeze", net.node("Unsqueeze", x, axes=[1]), axes=[1])
    else:
        x = net.node("Squeeze", x, ints(2, 3))
        x = net.node("Squeeze", net.node("Unsqueeze", x, ints(1)), ints(1))
    return net.node("Gemm", x, net.random(4, 3))


def squeezed_of_all(net: Net) -> str:
    """Without axes, all of one cell go, but that of the samples."""
    x = net.node("Squeeze", net.node("GlobalAveragePool", net.relu(net.conv())))
    return net.node("Gemm", x, net.random(4, 3))


def dequantized(net: Net) -> str:
    """Weights of 8 bits, one of them with a scale for each output (weight-only quantization)."""
    weights = net.rng.integers(-127, 128, (2, 6, 5)).astype(np.int8)
    one = net.node("DequantizeLinear", weights[0], number(0.01), _zero(3))
    each = [np.abs(net.random(5)) / 64, np.zeros(5, np.int8)] if net.opset >= 13 else [number(0.02)]
    axis = {"axis": 1} if net.opset >= 13 else {}
    other = net.node("DequantizeLinear", weights[1], *each, **axis)
    x = net.relu(net.node("MatMul", "x", one))
    return net.node("MatMul", x, net.node("Transpose", other, perm=[1, 0]))


def _zero(value: int) -> np.ndarray:
    return np.array(value, np.int8)


def quantized_and_back(net: Net) -> str:
    weight = net.node("QuantizeLinear", net.random(6, 3), number(0.05), _zero(0))
    return net.node("MatMul", "x", net.node("DequantizeLinear", weight, number(0.05), _zero(0)))


def shuffled(net: Net) -> str:
    x = net.relu(net.conv(outputs=6))
    x = net.node("Reshape", x, ints(0, 2, 3, 6, 4))
    x = net.node("Reshape", net.node("Transpose", x, perm=[0, 2, 1, 3, 4]), ints(0, -1, 6, 4))
    return net.head(net.relu(net.conv(x, inputs=6, group=3, outputs=3)), 24)


def reduced(net: Net, kind: str, *, keep: int) -> str:
    x = net.relu(net.conv())
    as_input = net.opset >= 18
    x = (
        net.node(kind, x, ints(2, -1), keepdims=keep)
        if as_input
        else net.node(kind, x, axes=[2, -1], keepdims=keep)
    )
    return net.head(x, 4)


def windows(rows: Sequence[int], columns: Sequence[int], *, size: int, kind: str) -> Graph:
    """Return a graph that gathers square windows of an image by indices, and reduces them.

    ``rows`` and ``columns`` are where the windows start.
    """

    def build(net: Net) -> str:
        row_hk, column_wk = (
            np.array(starts)[:, None] + np.arange(size) for starts in (rows, columns)
        )
        grids = np.broadcast_arrays(row_hk[:, :, None, None], column_wk)
        x = net.node("Transpose", net.relu(net.conv()), perm=[2, 3, 0, 1])
        x = net.node("GatherND", x, np.stack(grids, -1).astype(np.int64))
        x = net.node("Transpose", x, perm=[4, 5, 0, 1, 2, 3])
        x = net.node(kind, x, ints(-3, -1), keepdims=0)
        return net.head(net.relu(net.conv(x, inputs=4, outputs=2, kernel=(2, 2))),
                        2 * (len(rows) - 1) * (len(columns) - 1))  # fmt: skip

    return build


def gathered(index: np.ndarray, axis: int, features: int) -> Graph:
    return lambda net: net.head(
        net.node("Gather", net.relu(net.conv()), index, axis=axis), features
    )


EVERY_OPSET = (11, 13, 15, 17, 19, 21)

GRAPHS: dict[str, tuple[Graph, tuple[int, ...], tuple[int, ...]]] = {
    "dense": (dense, VECTOR, EVERY_OPSET),
    "separate bias": (separate_bias, IMAGE, (8, 11, 15)),
    "computed shape": (computed_shape, IMAGE, (11, 13, 19)),
    "folded constants": (folded_constants, IMAGE, (11, 17)),
    "channels last": (keras_style, (8, 6, 6), (11, 15)),
    "residual": (residual, IMAGE, EVERY_OPSET),
    "joined": (joined, IMAGE, (11, 21)),
    "sequence": (sequence, SEQUENCE, EVERY_OPSET),
    "dense over a sequence": (over_sequence, SEQUENCE, (13,)),
    "conv strided, dilated": (
        lambda net: net.head(
            net.relu(net.conv(strides=[2, 1], dilations=[1, 2], pads=[1, 0, 2, 1])), 60),
        IMAGE, (11,)),
    "conv grouped": (
        lambda net: net.head(net.relu(net.conv(net.conv(outputs=6), inputs=6, group=2)), 32),
        IMAGE, (11,)),
    "conv depthwise": (
        lambda net: net.head(net.relu(net.conv(outputs=6, group=3)), 144), IMAGE, (11,)),
    "conv same upper": (
        lambda net: net.head(net.relu(net.conv(auto_pad="SAME_UPPER", strides=[2, 2],
                                               kernel=(4, 3))), 48), IMAGE, (11,)),
    "conv same lower": (
        lambda net: net.head(net.relu(net.conv(auto_pad="SAME_LOWER", strides=[2, 2],
                                               kernel=(4, 3))), 48), IMAGE, (11,)),
    "conv valid": (
        lambda net: net.head(net.relu(net.conv(auto_pad="VALID")), 96), IMAGE, (11,)),
    "conv transposed": (
        lambda net: transposed(net, strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 0]),
        IMAGE, (11,)),
    "conv transposed, dilated": (
        lambda net: transposed(net, dilations=[2, 1], group=2), IMAGE, (13,)),
    "conv transposed to a shape": (
        lambda net: transposed(net, strides=[2, 2], output_shape=[12, 9]), IMAGE, (11,)),
    "conv transposed beyond its kernel": (
        lambda net: net.head(net.node(
            "ConvTranspose", net.relu(net.conv()), net.random(4, 4, 3, 2), strides=[5, 4],
            output_shape=[31, 16]), 1984), IMAGE, (11,)),
    "conv transposed beyond its kernel, same": (
        lambda net: net.head(net.node(
            "ConvTranspose", net.relu(net.conv()), net.random(4, 4, 3, 2), strides=[5, 4],
            output_shape=[31, 16], auto_pad="SAME_UPPER"), 1984), IMAGE, (11,)),
    "conv transposed, same": (
        lambda net: transposed(net, strides=[2, 2], auto_pad="SAME_UPPER"), IMAGE, (11,)),
    "conv transposed, same lower": (
        lambda net: transposed(net, strides=[2, 2], auto_pad="SAME_LOWER"), IMAGE, (11,)),
    "conv transposed, same, with output padding": (
        lambda net: transposed(
            net, strides=[2, 2], auto_pad="SAME_UPPER", output_padding=[1, 0]), IMAGE, (11,)),
    "normalization first": (
        lambda net: net.head(net.relu(net.conv(normalized(net, "x", 3), pads=[1, 1, 1, 1])), 192),
        IMAGE, (11, 15)),
    "normalization after ReLU": (
        lambda net: net.head(net.conv(normalized(net, net.relu(net.conv()), 4, epsilon=0.01),
                                      inputs=4, outputs=2), 16), IMAGE, (11, 15)),
    "normalization of vectors": (
        lambda net: net.relu(normalized(net, net.node("Gemm", "x", net.random(6, 5)), 5)),
        VECTOR, (11, 15)),
    "clip": (before_relu("Clip", number(0.0), number(0.7)), IMAGE, EVERY_OPSET),
    "clip by attributes": (before_relu("Clip", min=0.0, max=0.7), IMAGE, (8, 10)),
    "clip below": (lambda net: net.head(net.node("Clip", net.conv(), number(0.0)), 96),
                   IMAGE, (11,)),
    "clip above a ReLU": (after_conv("Clip", "", number(0.5)), IMAGE, (11,)),
    "clip without bounds": (before_relu("Clip"), IMAGE, (11,)),
    "maximum and minimum": (lone_bound("Max", 0.0), IMAGE, (11, 13)),
    "max pool": (
        after_conv("MaxPool", features=4 * 3 * 2, kernel_shape=[3, 2], strides=[2, 2],
                   pads=[1, 0, 0, 0]), IMAGE, EVERY_OPSET),
    "max pool before ReLU": (
        before_relu("MaxPool", features=4 * 4 * 2, kernel_shape=[3, 3]), IMAGE, (11,)),
    "max pool ceil": (
        after_conv("MaxPool", features=4 * 3 * 2, kernel_shape=[3, 3], strides=[2, 2],
                   ceil_mode=1), IMAGE, (11,)),
    "max pool same": (
        after_conv("MaxPool", features=4 * 3 * 2, kernel_shape=[3, 3], strides=[2, 2],
                   auto_pad="SAME_LOWER"), IMAGE, (11,)),
    "max pool of sums": (
        lambda net: net.head(net.node("MaxPool", net.conv(), kernel_shape=[3, 3]), 32),
        IMAGE, (11,)),
    "normalization between ReLU and max pool": (
        lambda net: net.head(net.relu(net.conv(net.node(
            "MaxPool", normalized(net, net.relu(net.conv()), 4), kernel_shape=[3, 2],
            strides=[2, 2], pads=[1, 0, 0, 0]), inputs=4, pads=[1, 1, 1, 1])), 24),
        IMAGE, (11, 15)),
    "max pool, indices unused": (unused_indices, IMAGE, (11,)),
    "average pool": (
        after_conv("AveragePool", features=4 * 3 * 2, kernel_shape=[2, 2], strides=[2, 2]),
        IMAGE, EVERY_OPSET),
    "average pool padded": (
        after_conv("AveragePool", features=4 * 3 * 2, kernel_shape=[3, 3], strides=[2, 2],
                   pads=[1, 1, 1, 1]), IMAGE, (11, 19)),
    "average pool padded, counted": (
        after_conv("AveragePool", features=4 * 3 * 2, kernel_shape=[3, 3], strides=[2, 2],
                   pads=[1, 1, 1, 1], count_include_pad=1), IMAGE, (11, 19)),
    "average pool ceil": (
        after_conv("AveragePool", features=4 * 3 * 2, kernel_shape=[3, 3], strides=[2, 2],
                   ceil_mode=1), IMAGE, (11, 19)),
    "average pool ceil, not into the padding": (
        after_conv("AveragePool", features=4 * 3 * 2, kernel_shape=[2, 2], strides=[3, 3],
                   pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1), IMAGE, (11, 22)),
    "average pool ceil, counted": (
        after_conv("AveragePool", features=4 * 3 * 2, kernel_shape=[3, 3], strides=[3, 2],
                   pads=[1, 0, 0, 1], ceil_mode=1, count_include_pad=1), IMAGE, (11, 19, 22)),
    "max pool ceil, not into the padding": (
        after_conv("MaxPool", features=4 * 3 * 2, kernel_shape=[2, 2], strides=[3, 3],
                   pads=[1, 1, 1, 1], ceil_mode=1), IMAGE, (11, 22)),
    "max pool of single cells": (
        before_relu("MaxPool", features=4 * 3 * 2, kernel_shape=[1, 1], strides=[2, 2]),
        IMAGE, (11,)),
    "gathered cells, repeated": (
        windows([0, 0, 2, 2, 4, 4], [1, 1, 1, 2, 2, 2], size=1, kind="ReduceMean"), IMAGE,
        (18, 20)),
    "gathered windows": (windows([0, 2, 4], [0, 1, 2], size=2, kind="ReduceMean"), IMAGE, (18, 20)),
    "gathered windows, repeated": (
        windows([1, 1, 3, 3], [0, 0, 2, 2], size=2, kind="ReduceMean"), IMAGE, (20,)),
    "maxima of gathered windows": (
        windows([0, 1, 2, 3, 4], [0, 1, 2], size=2, kind="ReduceMax"), IMAGE, (20,)),
    "gathered row": (gathered(np.array(-2), 2, 16), IMAGE, (11, 17)),
    "gathered channels": (gathered(ints(2, 0, -1), 1, 72), IMAGE, (11, 17)),
    "global average pool": (
        after_conv("GlobalAveragePool", features=4), IMAGE, EVERY_OPSET),
    "global max pool": (after_conv("GlobalMaxPool", features=4), IMAGE, (11,)),
    "mean": (lambda net: reduced(net, "ReduceMean", keep=0), IMAGE, EVERY_OPSET),
    "mean, kept": (lambda net: reduced(net, "ReduceMean", keep=1), IMAGE, EVERY_OPSET),
    "maximum": (lambda net: reduced(net, "ReduceMax", keep=1), IMAGE, EVERY_OPSET),
    "sum": (lambda net: reduced(net, "ReduceSum", keep=0), IMAGE, (18, 21)),
    "maximum with zeros": (
        lambda net: net.head(net.node("Max", net.conv(), np.zeros((1, 4, 6, 4), np.float32)), 96),
        IMAGE, (11, 13)),
    "sum of three": (total("Sum"), IMAGE, (11, 13)),
    "mean of three": (total("Mean"), IMAGE, (11, 13)),
    "pad": (
        after_conv("Pad", ints(0, 0, 1, 2, 0, 0, 0, 1), features=4 * 7 * 7), IMAGE, EVERY_OPSET),
    "pad by attributes": (
        after_conv("Pad", pads=[0, 0, 1, 2, 0, 0, 0, 1], features=4 * 7 * 7), IMAGE, (10,)),
    "pad axes": (
        after_conv("Pad", ints(1, 2), "", ints(-1), features=4 * 6 * 7), IMAGE, (19, 21)),
    "pad channels, crop rows": (
        after_conv("Pad", ints(0, 1, -1, 0, 0, 2, 0, 0), features=7 * 5 * 4), IMAGE, (11,)),
    "constants after repeated channels": (
        lambda net: net.head(net.relu(net.node(
            "Mul", net.node("Gather", net.relu(net.conv()), ints(2, 0, 0), axis=1),
            net.random(3, 1, 1))), 72), IMAGE, (11, 17)),
    "constants after repeated rows": (
        lambda net: net.head(net.node("Add", net.node("Gather", "x", ints(1, 1, 2, 2), axis=2),
                                      net.random(4, 1)), 72), IMAGE, (13,)),
    "normalization after repeated features": (
        lambda net: net.node("MatMul", net.node(
            "BatchNormalization", net.node("Gather", "x", ints(0, 0, 3, 0), axis=1),
            *(net.random(4) for _ in range(3)), np.abs(net.random(4)) + np.float32(0.1)),
            net.random(4, 3)), VECTOR, (9, 15)),
    "mean of steps and features": (
        lambda net: net.node("MatMul", net.node("Flatten", net.node(
            "ReduceMean", steps(net), axes=[1, 2], keepdims=1)),
            net.random(1, 3)), SEQUENCE, (11,)),
    "sum of steps and features": (
        lambda net: net.node("MatMul", net.node("Flatten", net.node(
            "ReduceSum", steps(net), ints(2, 1), keepdims=1)),
            net.random(1, 3)), SEQUENCE, (13,)),
    "transposed in between": (
        after_conv("Transpose", perm=[0, 2, 3, 1]), IMAGE, (11,)),
    "reshape with zeros": (after_conv("Reshape", ints(0, -1)), IMAGE, (11, 14)),
    "flatten from the end": (
        lambda net: net.node("Gemm", net.node("Flatten", net.relu(net.conv()), axis=-3),
                             net.random(96, 3)), IMAGE, (11,)),
    "squeezed": (squeezed, IMAGE, (11, 13)),
    "squeezed of all": (squeezed_of_all, IMAGE, (11, 13, 21)),
    "shuffled": (shuffled, IMAGE, (11,)),
    "dequantized weights": (dequantized, VECTOR, (10, 13, 18, 19, 21)),
    "quantized and back": (quantized_and_back, VECTOR, (13, 21)),
    "split": (split, IMAGE, (11, 13)),
    "split unevenly": (lambda net: split(net, split=[1, 3]), IMAGE, (11,)),
    "split unevenly by input": (lambda net: split(net, ints(1, 3)), IMAGE, (13,)),
    "split by number": (lambda net: split(net, num_outputs=2), IMAGE, (18,)),
    "slice": (after_conv("Slice", ints(1, -3), ints(100, -1), ints(2, 3), ints(2, 1),
                         features=4 * 3 * 2), IMAGE, (11,)),
    "slice by attributes": (after_conv("Slice", starts=[1, 0], ends=[4, 2], axes=[1, 3],
                                       features=3 * 6 * 2), IMAGE, (9,)),
    "resize by scales": (
        lambda net: resize(net, "", floats(1, 1, 2, 2)), IMAGE, (13, 19)),
    "resize by sizes": (
        lambda net: resize(net, "", "", ints(1, 4, 12, 8)), IMAGE, (13,)),
    "resize some axes": (
        lambda net: resize(net, "", floats(2, 2), axes=[2, 3]), IMAGE, (18,)),
    "resize, older": (
        lambda net: resize(net, floats(1, 1, 2, 2)), IMAGE, (10,)),
    "resize asymmetrically": (
        lambda net: resize(net, "", floats(1, 1, 2, 2), nearest_mode="floor",
                           coordinate_transformation_mode="asymmetric"), IMAGE, (13,)),
    "upsample": (
        after_conv("Upsample", floats(1, 1, 2, 3), features=4 * 12 * 12), IMAGE, (9,)),
    "sigmoid": (lambda net: net.node("Sigmoid", net.head(net.conv(), 96)), IMAGE, (13,)),
    "softmax over the last axis": (
        lambda net: net.node("Softmax", net.head(net.relu(net.conv()), 96)), IMAGE, (11, 13)),
    "numbers": (
        lambda net: net.head(net.relu(net.node("Neg", net.node(
            "Sub", number(1.0), net.node("Mul", number(3.0), net.conv())))), 96), IMAGE, (11,)),
    "difference": (
        lambda net: net.head(net.relu(net.node("Sub", net.conv(), net.conv())), 96),
        IMAGE, (11,)),
    "dropped": (dropped, IMAGE, (11, 13)),
}  # fmt: skip
"""Name to what builds it, the shape of one sample and the operator sets."""


def built(name: str, opset: int) -> tuple[onnx.ModelProto, np.ndarray]:
    """Return a model and samples for it."""
    build, shape, _ = GRAPHS[name]
    net = Net(shape, opset)
    model = net.model(build(net))
    return model, net.rng.random((4, *shape)).astype(np.float32)

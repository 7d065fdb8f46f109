"""The parsers of PyTorch and ONNX pass the conformance tests for parsers.

PyTorch judges its models, onnxruntime those of ONNX.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import onnxruntime
import torch
from onnx_zoo import GRAPHS, Net
from onnx_zoo import built as built_graph
from torch import nn
from torch_zoo import built

from snn_core.parsing.onnx.file import OnnxFileParser
from snn_core.parsing.torch.module import TorchParser
from snn_core.testing import ParserConformance, Refusal

IMAGE = (3, 12, 10)


def first_axis(x: np.ndarray) -> np.ndarray:
    """Return channels-last samples with their channels first."""
    return np.moveaxis(x, -1, 1) if x.ndim > 2 else x


def last_axis(y: np.ndarray) -> np.ndarray:
    return np.moveaxis(y, 1, -1) if y.ndim > 2 else y


# PyTorch


def module(name: str) -> Callable[[Path], nn.Module]:
    return lambda folder: built(name)[0]


def exported(make: Callable[[Path], nn.Module], *shape: int) -> Callable[[Path], Path]:
    """Return a function that exports a module for any number of samples."""

    def save(folder: Path) -> Path:
        batch = torch.export.Dim("batch", min=1)
        program = torch.export.export(
            make(folder), (torch.zeros(2, *shape),), dynamic_shapes=({0: batch},)
        )
        path = folder / "model.pt2"
        torch.export.save(program, path)
        return path

    return save


def refused_module(folder: Path) -> nn.Module:
    """Problems of the reader, some inside a nested module, and one that only the passes find."""
    inner = nn.Sequential()
    inner.add_module("conv", nn.Conv2d(4, 4, 3))
    inner.add_module("curve", nn.Tanh())
    outer = nn.Sequential()
    outer.add_module("first", nn.Conv2d(3, 4, 3))
    outer.add_module("shares", nn.Softmax(1))
    outer.add_module("leak", nn.LeakyReLU())
    outer.add_module("inner", inner)
    outer.add_module("norm", nn.GroupNorm(2, 4))
    outer.add_module("flat", nn.Flatten())
    outer.add_module("last", nn.Linear(192, 3))
    return outer.eval()


TORCH_PROBLEMS = {
    "shares": "softmax",
    "leak": "leaky_relu",
    "inner.curve": "tanh",
    "norm": "group_norm",
}


def computed_by_torch(source: Any, x_b_l: np.ndarray) -> np.ndarray:
    found = source if isinstance(source, nn.Module) else torch.export.load(source).module()
    with torch.no_grad():
        y = last_axis(found(torch.from_numpy(first_axis(x_b_l).copy())).numpy())
    # LeNet ends in a log-softmax, which is read as a softmax.
    return np.exp(y) if x_b_l.shape[1:] == (28, 28, 1) else y


class TestTorch(ParserConformance):
    parser = TorchParser
    sources: ClassVar = {
        "program": exported(module("padded shortcut"), *IMAGE),
        "module": module("LeNet"),
        "module of vectors": module("bn of vectors"),
        "image to image": module("U-Net"),
    }
    input_shapes: ClassVar = {
        "module": (1, 28, 28),
        "module of vectors": (6,),
        "image to image": IMAGE,
        "refused module": IMAGE,
    }
    refusals: ClassVar = {
        "refused module": Refusal(refused_module, TORCH_PROBLEMS),
        "refused program": Refusal(exported(refused_module, *IMAGE), TORCH_PROBLEMS),
    }
    open_sources: ClassVar = {"module": (module("conv"), IMAGE)}
    heavy_modules = ("torch", "onnx")
    framework = staticmethod(computed_by_torch)


# ONNX


def proto(name: str) -> Callable[[Path], onnx.ModelProto]:
    return lambda folder: built_graph(name, GRAPHS[name][2][0])[0]


def saved(make: Callable[[Path], onnx.ModelProto]) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        path = folder / "model.onnx"
        onnx.save(make(folder), path)
        return path

    return save


def refused_proto(folder: Path) -> onnx.ModelProto:
    net = Net((3, 8, 6), 17)
    x = net.node("Softmax", net.conv(), axis=1)
    x = net.node("LRN", net.node("LeakyRelu", x), size=3)
    x = net.node("Tanh", net.head(x, 4 * 6 * 4))
    return net.model(x)


def open_proto(folder: Path) -> onnx.ModelProto:
    net = Net(("channels", "rows", "columns"), 13)
    return net.model(net.head(net.node("GlobalAveragePool", net.relu(net.conv())), 4))


ONNX_PROBLEMS = {
    "Softmax_1": "softmax",
    "LeakyRelu_2": "LeakyRelu",
    "LRN_3": "LRN",
    "Tanh_6": "Tanh",
}


def computed_by_onnxruntime(source: Any, x_b_l: np.ndarray) -> np.ndarray:
    content = str(source) if isinstance(source, Path) else source.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return last_axis(session.run(None, {"x": first_axis(x_b_l)})[0])


class TestOnnx(ParserConformance):
    parser = OnnxFileParser
    sources: ClassVar = {
        "file": saved(proto("residual")),
        "file of sequences": saved(proto("sequence")),
        "model": proto("conv strided, dilated"),
        "model of vectors": proto("dense"),
    }
    refusals: ClassVar = {
        "refused file": Refusal(saved(refused_proto), ONNX_PROBLEMS),
        "refused model": Refusal(refused_proto, ONNX_PROBLEMS),
    }
    open_sources: ClassVar = {
        "file": (saved(open_proto), (3, 8, 6)),
        "model": (open_proto, (3, 8, 6)),
    }
    heavy_modules = ("onnx", "onnxruntime", "torch")
    framework = staticmethod(computed_by_onnxruntime)

"""Random legal networks compute in the neutral form what they compute in PyTorch and in ONNX."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from snn_core.evaluation.forward import predict
from snn_core.parsing import parse

# As for the zoo; see test_torch_networks.py.
TOLERANCE = 1e-4

Step = Callable[[list[Tensor]], Tensor]
Draw = Any


class Random(nn.Module):
    """A graph: each step reads some of the images before it; the last one is classified."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        self.steps: list[Step] = []
        self.head = head

    def add(self, step: Step, part: nn.Module | None = None) -> None:
        self.steps.append(step)
        if part is not None:
            self.parts.append(part)

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for step in self.steps:
            values.append(step(values))
        return self.head(values[-1])


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def convolution(draw: Draw, shape: torch.Size) -> nn.Module | None:
    channels = shape[1]
    groups = draw(st.sampled_from([g for g in (1, 2, 3, channels) if channels % g == 0]))
    kernel, dilation = draw(pairs(1, 3)), draw(pairs(1, 2))
    padding = draw(pairs(0, 2))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(s + 2 * p < r for s, p, r in zip(shape[2:], padding, reach, strict=True)):
        return None
    return nn.Conv2d(
        channels,
        groups * draw(st.integers(1, 3)),
        kernel,
        stride=draw(pairs(1, 2)),
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=draw(st.booleans()),
    )


def transposed(draw: Draw, shape: torch.Size) -> nn.Module | None:
    if max(shape[2:]) > 8:
        return None
    stride = draw(pairs(1, 2))
    more = tuple(draw(st.integers(0, s - 1)) for s in stride)
    return nn.ConvTranspose2d(
        shape[1], draw(st.integers(1, 4)), draw(pairs(2, 3)), stride, output_padding=more
    )


def pooling(draw: Draw, shape: torch.Size) -> nn.Module | None:
    kernel = tuple(draw(st.integers(1, min(3, size))) for size in shape[2:])
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride, ceil_mode = draw(pairs(1, 3)), draw(st.booleans())
    if draw(st.booleans()):
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode, draw(st.booleans()))
    maximum = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    before = draw(
        st.sampled_from(
            [(), (nn.ReLU(),), (nn.ReLU(), nn.BatchNorm2d(shape[1])), (nn.BatchNorm2d(shape[1]),)]
        )
    )
    return nn.Sequential(*before, maximum)


def normalization(draw: Draw, shape: torch.Size) -> nn.Module:
    return nn.BatchNorm2d(shape[1], affine=draw(st.booleans()))


def activation(draw: Draw, shape: torch.Size) -> nn.Module:
    return draw(st.sampled_from([nn.ReLU(), nn.ReLU6(), nn.Hardtanh(0.0, 0.8)]))


def resizing(draw: Draw, shape: torch.Size) -> nn.Module | None:
    if draw(st.booleans()):
        left, right, top, bottom = (draw(st.integers(0, 2)) for _ in range(4))
        return nn.ZeroPad2d((left, right, top, bottom))
    return nn.Upsample(scale_factor=draw(pairs(1, 2))) if max(shape[2:]) <= 8 else None


LAYERS = (convolution, convolution, transposed, pooling, normalization, activation, resizing)


def shapes_of(net: Random, x: Tensor) -> list[torch.Size]:
    values = [x]
    with torch.no_grad():
        for step in net.steps:
            values.append(step(values))
    return [value.shape for value in values]


def join(draw: Draw, net: Random, shapes: list[torch.Size]) -> None:
    """Add a sum, difference or concatenation of images that fit together."""
    joins = [
        (i, j, kind)
        for i, a in enumerate(shapes)
        for j, b in enumerate(shapes)
        for kind in ("add", "sub", "cat")
        if (a == b if kind != "cat" else a[2:] == b[2:] and a[1] + b[1] <= 12)
    ]
    i, j, kind = draw(st.sampled_from(joins))
    steps: dict[str, Step] = {
        "add": lambda values: values[i] + values[j],
        "sub": lambda values: torch.sub(values[i], values[j], alpha=0.5),
        "cat": lambda values: torch.cat([values[i], values[j]], 1),
    }
    net.add(steps[kind])


@st.composite
def networks(draw: Draw) -> tuple[nn.Module, Tensor]:
    """Return a network with random, non-trivial weights, and samples for it."""
    seed = draw(st.integers(0, 2**20))
    torch.manual_seed(seed)
    x = torch.rand(3, draw(st.integers(1, 4)), draw(st.integers(4, 8)), draw(st.integers(4, 8)))
    net = Random(nn.Identity())
    for _ in range(draw(st.integers(1, 5))):
        shapes = shapes_of(net, x)
        if len(shapes) > 2 and draw(st.integers(0, 2)) == 0:
            join(draw, net, shapes)
            continue
        place = draw(st.integers(max(0, len(shapes) - 3), len(shapes) - 1))
        part = draw(st.sampled_from(LAYERS))(draw, shapes[place])
        if part is not None:
            part.eval()
            net.add(lambda values, part=part, place=place: part(values[place]), part)
    net.head = classifier(draw, shapes_of(net, x)[-1])
    randomized(net)
    return net.eval(), x


def classifier(draw: Draw, shape: torch.Size) -> nn.Module:
    channels = shape[1]
    if draw(st.booleans()):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[1:].numel(), 3))


def randomized(net: nn.Module) -> None:
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.5)
                part.running_var.uniform_(0.3, 2.0)
                if part.affine:
                    part.weight.normal_()  # some are negative
                    part.bias.normal_()


def check(source: Any, module: nn.Module, x: Tensor, **options: Any) -> None:
    with torch.no_grad():
        expected = module(x).numpy()
    found = predict(parse(source, **options), np.moveaxis(x.numpy(), 1, -1))
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=TOLERANCE * max(1e-3, np.abs(expected).max())
    )


SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(networks())
def test_random_pytorch_networks_are_read_exactly(case):
    module, x = case
    check(module, module, x, input_shape=tuple(x.shape[1:]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(networks(), st.sampled_from([11, 13, 16, 18]))
def test_random_onnx_networks_are_read_exactly(case, opset):
    module, x = case
    file = io.BytesIO()
    torch.onnx.export(module, (x[:1],), file, dynamo=False, opset_version=opset)
    check(onnx.load_from_string(file.getvalue()), module, x)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.data())
def test_random_sequence_networks_are_read_exactly(channels, kernel, stride, dilation, data):
    torch.manual_seed(channels * 100 + kernel)
    before = data.draw(st.integers(0, 3))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(channels, 4, kernel, stride, dilation=dilation)
            self.norm, self.last = nn.BatchNorm1d(4), nn.LazyLinear(3)

        def forward(self, x):
            y = F.relu(self.norm(self.conv(F.pad(x, (before, 0)))))
            y = F.max_pool1d(y, 2) if before % 2 else F.avg_pool1d(y, 2, 1, 1)
            return self.last(y.flatten(1))

    module, x = Net().eval(), torch.rand(3, channels, 12)
    module(x)
    check(module, module, x, input_shape=(channels, 12))

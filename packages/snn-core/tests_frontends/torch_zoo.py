"""PyTorch networks that must be read exactly: every rule alone, and the usual architectures."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

IMAGE = (3, 12, 10)
SEQUENCE = (4, 16)


class Function(nn.Module):
    """Named parts and a function that combines them."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.call = forward
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, x)


def head(*layers: nn.Module) -> nn.Sequential:
    """Return image layers, a flattening and a classifier."""
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(5))


def after_conv(function: Callable[[Tensor], Tensor], channels: int = 4) -> nn.Module:
    """Return a network that applies a function between a convolution and a classifier."""
    return Function(
        lambda net, x: net.last(torch.flatten(function(net.conv(x)), 1)),
        conv=nn.Conv2d(3, channels, 3),
        last=nn.LazyLinear(5),
    )


def shared() -> nn.Module:
    """One convolution is applied twice."""
    return Function(
        lambda net, x: net.last(net.conv(net.conv(x).relu()).relu().flatten(1)),
        conv=nn.Conv2d(3, 3, 3, padding=1),
        last=nn.LazyLinear(4),
    )


def read_twice() -> nn.Module:
    """A convolution is read with and without rectification."""

    def forward(net: Any, x: Tensor) -> Tensor:
        y = net.conv(x)
        return net.last(torch.cat([F.relu(y), y], dim=1).flatten(1))

    return Function(forward, conv=nn.Conv2d(3, 4, 3), last=nn.LazyLinear(5))


def joined_vectors() -> nn.Module:
    """Flattened images of two branches are joined."""

    def forward(net: Any, x: Tensor) -> Tensor:
        parts = [net.a(x).relu().flatten(1), net.b(x).relu().flatten(1)]
        return net.last(torch.cat(parts, 1))

    return Function(
        forward, a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(3, 2, 5, stride=2), last=nn.LazyLinear(5)
    )


def shuffled() -> nn.Module:
    """Channel shuffle between grouped convolutions (ShuffleNet)."""

    def forward(net: Any, x: Tensor) -> Tensor:
        y = net.a(x).relu()
        b, c, h, w = y.shape
        y = y.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)
        return net.last(net.b(y).relu().mean((2, 3)))

    return Function(
        forward,
        a=nn.Conv2d(3, 6, 3),
        b=nn.Conv2d(6, 6, 3, groups=2),
        last=nn.Linear(6, 4),
    )


def split_halves() -> nn.Module:
    """Half of the channels pass by (ShuffleNet V2)."""

    def forward(net: Any, x: Tensor) -> Tensor:
        a, b = net.a(x).relu().chunk(2, dim=1)
        return net.last(torch.cat([a, net.b(b).relu()], 1).flatten(1))

    return Function(
        forward, a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(3, 3, 3, padding=1), last=nn.LazyLinear(4)
    )


def padded_shortcut() -> nn.Module:
    """The parameter-free shortcut of CIFAR ResNets: every second cell, zeros as channels."""

    def forward(net: Any, x: Tensor) -> Tensor:
        y = net.norm(net.conv(x))
        short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2))
        return net.last(F.relu(y + short).flatten(1))

    return Function(
        forward,
        conv=nn.Conv2d(3, 6, 3, stride=2, padding=1),
        norm=nn.BatchNorm2d(6),
        last=nn.LazyLinear(4),
    )


def cropped() -> nn.Module:
    """A part of the image is cut out."""
    return after_conv(lambda y: F.relu(y[:, :, 1:6, 2:7]))


def normalized_input() -> nn.Module:
    """The samples are normalized inside of the network."""

    class Normalized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6])[:, None, None])
            self.register_buffer("std", torch.tensor([0.2, 0.3, 0.4])[:, None, None])
            self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.LazyLinear(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.conv((x - self.mean) / self.std).relu().flatten(1))

    return Normalized()


def pruned() -> nn.Module:
    """Weights are masked by torch.nn.utils.prune."""
    from torch.nn.utils import prune

    conv = nn.Conv2d(3, 4, 3)
    prune.random_unstructured(conv, "weight", amount=0.6)
    return head(conv, nn.ReLU())


def weight_normalized() -> nn.Module:
    """Directions and lengths of weights are learnt apart, in both forms that PyTorch has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        older = nn.utils.weight_norm(nn.Conv2d(3, 4, 3), dim=None)
    return head(older, nn.ReLU(), parametrizations.weight_norm(nn.ConvTranspose2d(4, 3, 3), dim=1))


class Basic(nn.Module):
    """Residual block of ResNet-18 (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.short(x)
        return self.relu(y)


class Bottleneck(nn.Module):
    """Residual block of ResNet-50 (He et al. 2016)."""

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width),
        )  # fmt: skip
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != 4 * width:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.short(x))


def resnet(*blocks: nn.Module, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 6),
    )


def resnet18() -> nn.Module:
    return resnet(
        Basic(8, 8), Basic(8, 8), Basic(8, 12, 2), Basic(12, 12), Basic(12, 16, 2), Basic(16, 16),
        Basic(16, 20, 2), Basic(20, 20), width=20,
    )  # fmt: skip


def resnet50() -> nn.Module:
    return resnet(
        Bottleneck(8, 4), Bottleneck(16, 4), Bottleneck(16, 6, 2), Bottleneck(24, 6), width=24
    )


class Inverted(nn.Module):
    """Inverted residual of MobileNetV2 (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        width = inputs * expand
        self.residual = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6(),
            nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False),
            nn.BatchNorm2d(width), nn.ReLU6(),
            nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def mobilenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(),
        Inverted(8, 8, 1, 1), Inverted(8, 12, 2, 4), Inverted(12, 12, 1, 4),
        nn.Conv2d(12, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU6(),
        nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Dropout(0.2), nn.Linear(24, 6),
    )  # fmt: skip


class Dense(nn.Module):
    """Layer of a DenseNet (Huang et al. 2017): normalization, ReLU, convolution, concatenation."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(F.relu(self.bn(x)))], 1)


def densenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), Dense(6, 4), Dense(10, 4), nn.BatchNorm2d(14), nn.ReLU(),
        nn.Conv2d(14, 7, 1), nn.AvgPool2d(2), Dense(7, 4), nn.BatchNorm2d(11), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(11, 6),
    )  # fmt: skip


class Inception(nn.Module):
    """Four branches of different reach (Szegedy et al. 2015)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inputs, 3, 1)
        self.b = nn.Sequential(nn.Conv2d(inputs, 3, 1), nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1))
        self.c = nn.Sequential(nn.Conv2d(inputs, 2, 1), nn.ReLU(), nn.Conv2d(2, 3, 5, padding=2))
        self.d = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(inputs, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(torch.cat([self.a(x), self.b(x), self.c(x), self.d(x)], dim=1))


def inception() -> nn.Module:
    return head(
        nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), Inception(5), nn.MaxPool2d(2), Inception(12)
    )


class UNet(nn.Module):
    """Encoder and decoder with skip connections (Ronneberger et al. 2015), then a classifier."""

    def __init__(self, *, transposed: bool) -> None:
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.down2 = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.up: nn.Module = nn.Upsample(scale_factor=2)
        if transposed:
            self.up = nn.ConvTranspose2d(6, 6, 2, stride=2)
        self.last = nn.Sequential(nn.Conv2d(10, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        return self.last(torch.cat([self.up(b), a], 1))


def vgg() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for width in (6, 8, 8):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width)]
            layers += [nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten(), nn.Linear(32, 16), nn.ReLU(),
        nn.Dropout(), nn.Linear(16, 6),
    )  # fmt: skip


def lenet() -> nn.Module:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(net.conv1(x)), 2)
        x = F.max_pool2d(F.relu(net.conv2(x)), 2)
        x = F.relu(net.fc1(x.view(-1, 8 * 4 * 4)))
        return F.log_softmax(net.fc2(x), dim=1)

    return Function(
        forward,
        conv1=nn.Conv2d(1, 6, 5),
        conv2=nn.Conv2d(6, 8, 5),
        fc1=nn.Linear(128, 20),
        fc2=nn.Linear(20, 10),
    )


def cnn1d() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(4, 6, 5, padding=2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(6, 8, 3, dilation=2), nn.ReLU(), nn.AvgPool1d(2),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4), nn.Softmax(dim=-1),
    )  # fmt: skip


def mixed_tokens() -> nn.Module:
    """Linear layers along the features of a sequence, then along its steps."""

    def forward(net: Any, x: Tensor) -> Tensor:
        y = F.relu(net.conv(x)).transpose(1, 2)
        return net.last(F.relu(net.features(y)).flatten(1))

    return Function(
        forward, conv=nn.Conv1d(4, 6, 3), features=nn.Linear(6, 5), last=nn.LazyLinear(3)
    )


Factory = Callable[[], nn.Module]

NETWORKS: dict[str, tuple[Factory, tuple[int, ...]]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)), (6,)),
    "dense without bias": (lambda: nn.Sequential(nn.Linear(6, 4, bias=False)), (6,)),
    "conv": (lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU()), IMAGE),
    "conv even kernel": (lambda: head(nn.Conv2d(3, 4, (2, 4), padding=(1, 2)), nn.ReLU()), IMAGE),
    "conv same": (lambda: head(nn.Conv2d(3, 4, (4, 3), padding="same"), nn.ReLU()), IMAGE),
    "conv strided": (
        lambda: head(nn.Conv2d(3, 4, 3, stride=(2, 3), padding=(1, 0)), nn.ReLU()), IMAGE),
    "conv dilated": (
        lambda: head(nn.Conv2d(3, 4, 3, dilation=(2, 1), padding=2), nn.ReLU()), IMAGE),
    "conv grouped": (
        lambda: head(nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2)), IMAGE),
    "depthwise": (lambda: head(nn.Conv2d(3, 6, 3, groups=3), nn.ReLU()), IMAGE),
    "conv transposed": (
        lambda: head(nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1)), IMAGE),
    "conv transposed dilated": (
        lambda: head(nn.ConvTranspose2d(3, 4, (2, 3), dilation=2), nn.ReLU()), IMAGE),
    "conv transposed grouped": (
        lambda: head(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 6, 3, groups=2)), IMAGE),
    "conv transposed 1d": (
        lambda: head(nn.ConvTranspose1d(4, 3, 4, stride=2, padding=1), nn.ReLU()), SEQUENCE),
    "conv1d": (lambda: head(nn.Conv1d(4, 6, 3, stride=2), nn.ReLU()), SEQUENCE),
    "conv1d causal": (
        lambda: head(nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(4, 6, 3), nn.ReLU()), SEQUENCE),
    "bn first": (lambda: head(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1)), IMAGE),
    "bn after conv": (lambda: head(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), IMAGE),
    "bn not affine": (lambda: head(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)), IMAGE),
    "bn after relu": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 2)), IMAGE),
    "bn after depthwise": (
        lambda: head(nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6), nn.ReLU()), IMAGE),
    "bn after transposed": (
        lambda: head(nn.ConvTranspose2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), IMAGE),
    "bn after pool": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.BatchNorm2d(4), nn.ReLU()), IMAGE),
    "bn of vectors": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)),
        (6,)),
    "bn of the flattened": (
        lambda: nn.Sequential(nn.Conv2d(3, 2, 5), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(96),
                              nn.Linear(96, 3)), IMAGE),
    "bn of sequences": (lambda: head(nn.BatchNorm1d(4), nn.Conv1d(4, 3, 3)), SEQUENCE),
    "relu6": (lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU6()), IMAGE),
    "hardtanh": (lambda: head(nn.Conv2d(3, 4, 3), nn.Hardtanh(0.0, 2.0)), IMAGE),
    "functional relu": (lambda: after_conv(F.relu), IMAGE),
    "relu in place": (lambda: after_conv(lambda y: y.clone().relu_()), IMAGE),
    "functional relu6": (lambda: after_conv(F.relu6), IMAGE),
    "clamp": (lambda: after_conv(lambda y: y.clamp(0, 1.5)), IMAGE),
    "clamp below": (lambda: after_conv(lambda y: y.clamp(min=0)), IMAGE),
    "clamp in two steps": (lambda: after_conv(lambda y: y.relu().clamp(max=0.7)), IMAGE),
    "max pool": (lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)), IMAGE),
    "max pool before relu": (lambda: head(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.ReLU()), IMAGE),
    "max pool overlapping": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)), IMAGE),
    "max pool ceil": (
        lambda: head(nn.Conv2d(3, 4, 4), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)), IMAGE),
    "max pool of sums": (lambda: head(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)), IMAGE),
    "max pool before a sum": (
        lambda: Function(
            lambda net, x: net.last(F.relu(net.pool(net.a(x)) + net.b(x)).flatten(1)),
            a=nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)),
            pool=nn.MaxPool2d(3, 2, 1), b=nn.Conv2d(3, 4, 1, 2), last=nn.LazyLinear(3)), IMAGE),
    "minimum pool": (lambda: after_conv(lambda y: -F.max_pool2d(-y.relu(), 2)), IMAGE),
    "bn between relu and max pool": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.MaxPool2d(3, 2, 1),
                     nn.Conv2d(4, 3, 3, padding=1), nn.ReLU()), IMAGE),
    "bn between relu and max pool of sequences": (
        lambda: head(nn.Conv1d(4, 3, 3), nn.ReLU(), nn.BatchNorm1d(3), nn.MaxPool1d(2, padding=1),
                     nn.Conv1d(3, 3, 3, padding=1)), SEQUENCE),
    "bn between relu and average pool": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.AvgPool2d(2),
                     nn.Conv2d(4, 3, 3, padding=1)), IMAGE),
    "bn before a maximum over rows": (
        lambda: Function(
            lambda net, x: net.last(net.bn(net.conv(x).relu()).amax(dim=2).flatten(1)),
            conv=nn.Conv2d(3, 4, (9, 3)), bn=nn.BatchNorm2d(4), last=nn.LazyLinear(3)), IMAGE),
    "average pool": (lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d((2, 3))), IMAGE),
    "average pool padded": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(3, 2, 1)), IMAGE),
    "average pool padded, not counted": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(),
                     nn.AvgPool2d(3, 2, 1, count_include_pad=False)), IMAGE),
    "average pool ceil": (
        lambda: head(nn.Conv2d(3, 4, 4), nn.ReLU(), nn.AvgPool2d(2, ceil_mode=True)), IMAGE),
    "average pool padded, ceil": (
        lambda: head(nn.Conv2d(3, 4, 4), nn.AvgPool2d(3, 2, 1, ceil_mode=True)), IMAGE),
    "average pool ceil, not into the padding": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(2, 3, 1, ceil_mode=True)), IMAGE),
    "average pool ceil, not counted": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(),
                     nn.AvgPool2d((3, 2), (2, 3), 1, ceil_mode=True, count_include_pad=False)),
        IMAGE),
    "average pool ceil, larger than the image": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.AvgPool2d((12, 3), ceil_mode=True)), IMAGE),
    "average pool with a divisor": (
        lambda: head(nn.Conv2d(3, 4, 3),
                     nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=5)), IMAGE),
    "average pool 1d ceil": (
        lambda: head(nn.Conv1d(4, 6, 3), nn.AvgPool1d(2, 3, 1, ceil_mode=True)), SEQUENCE),
    "max pool ceil, not into the padding": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2, 3, 1, ceil_mode=True)), IMAGE),
    "max pool of single cells": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.MaxPool2d(1, (2, 3)), nn.Conv2d(4, 3, 2)), IMAGE),
    "max pool of single cells, 1d": (
        lambda: head(nn.Conv1d(4, 6, 3), nn.MaxPool1d(1, 2), nn.MaxPool1d(1, 1)), SEQUENCE),
    "adaptive pool": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((5, 2))), IMAGE),
    "adaptive max pool": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(2)), IMAGE),
    "adaptive pool of one cell": (
        lambda: head(nn.Conv2d(3, 4, (12, 10)), nn.ReLU(), nn.AdaptiveAvgPool2d(3)), IMAGE),
    "adaptive pool of uneven windows": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d((3, 5)), nn.Conv2d(4, 3, 2)), IMAGE),
    "adaptive pool of uneven windows to more cells": (
        lambda: head(nn.Conv2d(3, 4, (11, 9)), nn.ReLU(), nn.AdaptiveAvgPool2d((7, 3))), IMAGE),
    "adaptive max pool of uneven windows": (
        lambda: head(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d((4, 8))), IMAGE),
    "adaptive pool of uneven windows, 1d": (
        lambda: head(nn.Conv1d(4, 6, 3), nn.AdaptiveAvgPool1d(4)), SEQUENCE),
    "mean over space": (
        lambda: Function(lambda net, x: net.last(net.conv(x).relu().mean(dim=(-2, -1))),
                         conv=nn.Conv2d(3, 4, 3), last=nn.Linear(4, 3)), IMAGE),
    "mean over rows": (
        lambda: Function(lambda net, x: net.last(net.conv(x).relu().mean(dim=2).flatten(1)),
                         conv=nn.Conv2d(3, 4, 3), last=nn.LazyLinear(3)), IMAGE),
    "maximum over space": (
        lambda: Function(lambda net, x: net.last(net.conv(x).relu().amax(dim=(2, 3))),
                         conv=nn.Conv2d(3, 4, 3), last=nn.Linear(4, 3)), IMAGE),
    "maximum over one axis": (
        lambda: after_conv(lambda y: y.relu().max(-1)[0].max(-1, keepdim=True)[0]), IMAGE),
    "maxima of rows": (lambda: after_conv(lambda y: y.relu().max(dim=2).values), IMAGE),
    "sum over space": (lambda: after_conv(lambda y: y.relu().sum((2, 3))), IMAGE),
    "sum over columns": (lambda: after_conv(lambda y: y.relu().sum(-1, keepdim=True)), IMAGE),
    "mean over channels": (lambda: after_conv(lambda y: y.relu().mean(1, keepdim=True)), IMAGE),
    "mean over channels and rows": (lambda: after_conv(lambda y: y.relu().mean((1, 2))), IMAGE),
    "mean of the flattened, permuted": (
        lambda: after_conv(lambda y: y.relu().flatten(2).permute(0, 2, 1).mean(1)), IMAGE),
    "maximum of the flattened": (
        lambda: after_conv(lambda y: y.relu().flatten(2).max(2).values), IMAGE),
    "sum of the rearranged": (
        lambda: after_conv(
            lambda y: y.relu().permute(0, 3, 2, 1).reshape(-1, 80, 2, 2).sum(dim=1)), IMAGE),
    "maximum with zeros": (lambda: after_conv(lambda y: y.maximum(torch.zeros_like(y))), IMAGE),
    "maximum with a number": (
        lambda: after_conv(lambda y: torch.max(torch.tensor(0.0), y)), IMAGE),
    "minimum with a number": (
        lambda: after_conv(lambda y: y.relu().minimum(torch.tensor(0.4))), IMAGE),
    "clamp by tensors": (
        lambda: after_conv(lambda y: y.clamp(torch.tensor(0.0), torch.tensor(0.6))), IMAGE),
    "squeezed of all": (
        lambda: after_conv(lambda y: F.adaptive_avg_pool2d(y.relu(), 1).squeeze()), IMAGE),
    "up-sampling": (lambda: head(nn.Upsample(scale_factor=(2, 3)), nn.Conv2d(3, 4, 3)), IMAGE),
    "zero padding": (
        lambda: head(nn.ZeroPad2d((1, 2, 3, 0)), nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()), IMAGE),
    "sum": (
        lambda: Function(lambda net, x: net.last((net.a(x) + net.b(x)).relu().flatten(1)),
                         a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(3, 4, 3), last=nn.LazyLinear(3)), IMAGE),
    "difference, scaled": (
        lambda: Function(
            lambda net, x: net.last(torch.sub(net.a(x), net.b(x), alpha=0.5).relu().flatten(1)),
            a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(3, 4, 3), last=nn.LazyLinear(3)), IMAGE),
    "reversed difference, scaled": (
        lambda: Function(
            lambda net, x: net.last(torch.rsub(net.a(x), net.b(x), alpha=0.5).relu().flatten(1)),
            a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(3, 4, 3), last=nn.LazyLinear(3)), IMAGE),
    "doubled": (lambda: after_conv(lambda y: (y + y).relu()), IMAGE),
    "numbers": (lambda: after_conv(lambda y: ((1 - y) * 2 / 3 + 0.1).relu()), IMAGE),
    "negated": (lambda: after_conv(lambda y: (-y).relu()), IMAGE),
    "squeezed": (
        lambda: Function(lambda net, x: net.last(net.conv(x).relu().squeeze(3).squeeze(2)),
                         conv=nn.Conv2d(3, 4, (12, 10)), last=nn.Linear(4, 3)), IMAGE),
    "classified by convolution": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                              nn.Conv2d(4, 5, 1), nn.Flatten()), IMAGE),
    "sigmoid": (
        lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid()), (6,)),
    "sigmoid of an image": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()), IMAGE),
    "softmax": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Softmax(dim=1)), (6,)),
    "shared": (shared, IMAGE),
    "read twice": (read_twice, IMAGE),
    "joined vectors": (joined_vectors, IMAGE),
    "channel shuffle": (shuffled, IMAGE),
    "channel split": (split_halves, IMAGE),
    "padded shortcut": (padded_shortcut, IMAGE),
    "cropped": (cropped, IMAGE),
    "normalized input": (normalized_input, IMAGE),
    "pruned": (pruned, IMAGE),
    "weight normalization": (weight_normalized, IMAGE),
    "tokens": (mixed_tokens, SEQUENCE),
    "LeNet": (lenet, (1, 28, 28)),
    "VGG": (vgg, (3, 16, 16)),
    "ResNet-18": (resnet18, (3, 32, 32)),
    "ResNet-50": (resnet50, (3, 32, 32)),
    "MobileNetV2": (mobilenet, (3, 24, 24)),
    "DenseNet": (densenet, IMAGE),
    "Inception": (inception, IMAGE),
    "U-Net": (lambda: UNet(transposed=False), IMAGE),
    "U-Net, transposed": (lambda: UNet(transposed=True), IMAGE),
    "1-D CNN": (cnn1d, SEQUENCE),
}  # fmt: skip
"""Name to factory and the shape of one sample."""


SEEDS = {"MobileNetV2": 1}
"""Where the usual weights let the clipped ReLUs saturate for all samples."""


def built(name: str) -> tuple[nn.Module, Tensor]:
    """Return a network with random, non-trivial weights, and samples for it."""
    factory, shape = NETWORKS[name]
    seed = SEEDS.get(name, 0)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    module = factory().eval()
    x = torch.rand((4, *shape), generator=generator)
    with torch.no_grad():
        module(x)  # lazy layers find their shapes
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.5, generator=generator)
                part.running_var.uniform_(0.3, 2.0, generator=generator)
                if part.affine:
                    part.weight.normal_(0, 1, generator=generator)  # some are negative
                    part.bias.normal_(0, 0.5, generator=generator)
            elif isinstance(getattr(part, "weight", None), nn.Parameter):
                # Large enough that what the samples differ in reaches the output of deep networks.
                fan_in = part.weight[0].numel()
                part.weight.normal_(0, (3 / fan_in) ** 0.5, generator=generator)
                if part.bias is not None:
                    part.bias.normal_(0, 0.1, generator=generator)
    return module, x

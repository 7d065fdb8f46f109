"""Networks of layers drawn at random, whose neurons are few enough for naive simulation."""

from __future__ import annotations

from typing import Any

import numpy as np

from snn_core.ir import Linear, Network
from snn_core.testing.builder import NetworkBuilder


class Drawn:
    """A network of some drawn layers behind an image.

    Parameters
    ----------
    rng
        Draws everything.
    dyadic
        Whether weights are multiples of 2**-6, so that sums are exact without rounding.
    """

    def __init__(self, rng: np.random.Generator, *, dyadic: bool) -> None:
        self.rng, self.dyadic = rng, dyadic
        self.builder = NetworkBuilder((*(int(n) for n in rng.integers(3, 7, 2)), self.channels()))
        self.build_layers()

    def channels(self) -> int:
        return int(self.rng.integers(1, 5))

    def weights(self, *shape: int, cells: int) -> np.ndarray:
        drawn = self.rng.normal(0.4 / cells, 1.2 / np.sqrt(cells), shape)
        return (np.round(drawn * 64) / 64 if self.dyadic else drawn).astype(np.float32)

    def cell(self, channels: int) -> dict[str, Any]:
        """Return threshold, bias and first potential of neurons."""
        thresholds = np.array([0.5, 1, 2]) if self.dyadic else np.array([0.3, 1, 1.7])
        per_channel = self.rng.random() < 0.3
        chosen = self.rng.choice(thresholds, channels if per_channel else 1).astype(np.float32)
        fields: dict[str, Any] = {"threshold": chosen if per_channel else chosen[0]}
        fields["v_init"] = float(self.rng.choice([0, 0.5]))
        if self.rng.random() < 0.5:
            fields["bias_o"] = self.weights(channels, cells=8)
        return fields

    def conv2d(self) -> None:
        outputs, groups = self.channels(), 1
        if self.builder.shape[2] % 2 == 0 and self.rng.random() < 0.4:
            outputs, groups = 2 * outputs, 2
        inputs = self.builder.shape[2] // groups
        size = self.rng.integers(1, 4, 2)
        self.builder.conv2d(
            self.weights(*size, inputs, outputs, cells=int(size.prod()) * inputs),
            groups=groups,
            padding="same",
            **self.spacing(),
            **self.cell(outputs),
        )

    def spacing(self) -> dict[str, Any]:
        """Return strides or dilation, not both."""
        pair = tuple(int(n) for n in self.rng.integers(1, 4, 2))
        name = str(self.rng.choice(["strides", "dilation"]))
        return {name: pair} if self.rng.random() < 0.5 else {}

    def depthwise(self) -> None:
        channels, multiplier = self.builder.shape[2], int(self.rng.integers(1, 3))
        size = self.rng.integers(1, 4, 2)
        self.builder.depthwise_conv2d(
            self.weights(*size, channels, multiplier, cells=int(size.prod())),
            padding="same",
            **self.cell(channels * multiplier),
        )

    def transposed(self) -> None:
        outputs, strides = self.channels(), tuple(int(n) for n in self.rng.integers(1, 3, 2))
        self.builder.conv2d_transpose(
            self.weights(2, 3, outputs, self.builder.shape[2], cells=4),
            strides=strides,
            padding="same",
            **self.cell(outputs),
        )

    def pooling(self) -> None:
        """Add pooling with or without neurons; a window may stick out of the image."""
        common = {"activation": Linear()} if self.rng.random() < 0.5 else {}
        padding = "same" if min(self.builder.shape[:2]) < 2 else self.rng.choice(["same", "valid"])
        self.builder.average_pooling((2, 2), padding=str(padding), **common)

    def up_sampling(self) -> None:
        self.builder.up_sampling((2, 1), weight_c=0.75)

    def zero_padding(self) -> None:
        self.builder.zero_padding(((1, 0), (0, 2)))

    def branch(self) -> None:
        """Join what is there with something computed from it, which takes a step longer."""
        entry, channels = self.builder.last, self.builder.shape[2]
        kernel = self.weights(1, 1, channels, channels, cells=channels)
        common = {"activation": Linear()} if self.rng.random() < 0.5 else {}
        longer = self.builder.conv2d(kernel, **common).last
        if self.rng.random() < 0.5:
            self.builder.add([longer, entry], weight_nc=[[0.5] * channels, [0.75] * channels])
        else:
            self.builder.concatenate([entry, longer], axis=int(self.rng.integers(0, 3)))

    def build_layers(self) -> None:
        kinds = (
            self.conv2d, self.conv2d, self.depthwise, self.transposed, self.pooling,
            self.up_sampling, self.zero_padding, self.branch,
        )  # fmt: skip
        for _ in range(int(self.rng.integers(1, 5))):
            if np.prod(self.builder.shape) < 300:
                kinds[self.rng.integers(len(kinds))]()
        self.builder.flatten()
        if self.rng.random() < 0.5:
            self.dense(6)
        self.dense(4)

    def dense(self, outputs: int) -> None:
        (inputs,) = self.builder.shape
        cell = self.cell(outputs)
        self.builder.dense(self.weights(inputs, outputs, cells=inputs), **cell)


def random_network(rng: np.random.Generator, *, dyadic: bool) -> Network:
    """Return a network of one to six layers, read by spikes or by membrane."""
    readout = str(rng.choice(["counts", "membrane"]))
    return Drawn(rng, dyadic=dyadic).builder.build(readout=readout)

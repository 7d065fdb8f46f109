"""Networks that differ in how their synapses lie on a chip, with weights drawn at random.

They are for simulators of hardware, which is told of them in its own integers, and for computations
that are compared with those spike for spike. Weights are multiples of 2**-10 and inputs multiples
of 2**-4, as those of `snn_core.testing.networks`, so that float32 sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from snn_core.ir import Linear, Network
from snn_core.testing.builder import NetworkBuilder
from snn_core.typing import Array, Float32, Shape


def weights(shape: Shape, *, seed: int, scale: float = 1.0) -> Float32[Array, "*w"]:
    """Return normally distributed multiples of 2**-10, somewhat more positive than negative."""
    drawn = np.random.default_rng(seed).normal(0.15 * scale, 0.5 * scale, shape)
    found: Array = (np.round(drawn * 1024) / 1024).astype(np.float32)
    return found


def dense() -> Network:
    """Return two fully connected layers, the second with biases."""
    return NetworkBuilder((12,)).dense(weights((12, 20), seed=1, scale=0.5)).dense(
        weights((20, 6), seed=2, scale=0.5), bias_o=weights((6,), seed=3, scale=0.2)
    ).build()  # fmt: skip


def membrane() -> Network:
    """Return two fully connected layers, read by their potentials."""
    builder = NetworkBuilder((12,)).dense(weights((12, 20), seed=4, scale=0.5), v_init=0.5)
    return builder.dense(weights((20, 6), seed=5, scale=0.5)).build(readout="membrane")


def convolutions() -> Network:
    """Return convolutions with square kernels on square images."""
    builder = NetworkBuilder((7, 7, 2)).conv2d(weights((3, 3, 2, 4), seed=29, scale=0.4))
    builder.conv2d(weights((3, 3, 4, 3), seed=30, scale=0.4), padding="same")
    return builder.flatten().dense(weights((75, 4), seed=31, scale=0.6)).build()


def strided() -> Network:
    """Return convolutions of which one has strides and a kernel that is no square."""
    builder = NetworkBuilder((7, 6, 2)).conv2d(weights((3, 3, 2, 4), seed=6, scale=0.4))
    builder.conv2d(weights((3, 2, 4, 3), seed=7, scale=0.4), strides=(2, 1))
    return builder.flatten().dense(weights((18, 4), seed=8, scale=0.6)).build()


def biased() -> Network:
    """Return strong biases of both signs in a deep layer, which must not act before its turn."""
    builder = NetworkBuilder((8,)).dense(weights((8, 8), seed=32)).dense(weights((8, 8), seed=33))
    bias_o = np.array([-2, -0.75, 0.375, 0.5, 0.25], np.float32)
    return builder.dense(weights((8, 5), seed=34), bias_o=bias_o, v_init=0.5).build()


def dilated_groups() -> Network:
    """Return a convolution with dilation and groups."""
    builder = NetworkBuilder((8, 8, 2)).conv2d(
        weights((3, 3, 1, 4), seed=9, scale=0.5), groups=2, dilation=(2, 1)
    )
    return builder.flatten().dense(weights((*builder.shape, 4), seed=10, scale=0.3)).build()


def pooled() -> Network:
    """Return average pooling without neurons, folded into the next kernel, then with neurons."""
    builder = NetworkBuilder((8, 8, 2)).conv2d(
        weights((3, 3, 2, 4), seed=11, scale=0.4), padding="same"
    )
    builder.average_pooling((2, 2), activation=Linear())
    builder.conv2d(weights((3, 3, 4, 6), seed=12, scale=0.6), padding="same")
    builder.average_pooling((2, 2))
    return builder.flatten().dense(weights((24, 5), seed=13, scale=0.6)).build()


def skip() -> Network:
    """Return a skip over two layers, which has to wait for them, joined by an addition."""
    builder = NetworkBuilder((6, 6, 2)).conv2d(weights((1, 1, 2, 4), seed=14, scale=0.9))
    first = builder.last
    builder.conv2d(weights((3, 3, 4, 4), seed=15, scale=0.4), padding="same")
    builder.conv2d(weights((3, 3, 4, 4), seed=16, scale=0.4), padding="same", activation=Linear())
    builder.add([first, builder.last], weight_nc=[1.0, 1.0])
    return builder.flatten().dense(weights((144, 4), seed=17, scale=0.2)).build()


def branches() -> Network:
    """Return branches of unequal depth, concatenated; one of them is the input itself."""
    builder = NetworkBuilder((10,))
    entry = builder.last
    builder.dense(weights((10, 8), seed=18, scale=0.6))
    builder.dense(weights((8, 8), seed=19, scale=0.6))
    builder.concatenate([builder.last, entry])
    return builder.dense(weights((18, 6), seed=20, scale=0.5)).build()


def channels(threshold_c: Sequence[float] = (0.5, 1.0, 2.0, 0.25)) -> Network:
    """Return four channels with thresholds of their own."""
    builder = NetworkBuilder((6, 6, 1)).conv2d(
        weights((3, 3, 1, 4), seed=21, scale=0.5),
        threshold=np.array(threshold_c, np.float32),
        v_init=0.5,
    )
    return builder.flatten().dense(weights((64, 5), seed=22, scale=0.3), threshold=1.5).build()


def upsampled() -> Network:
    """Return an up-sampling with a factor, and a transposed convolution."""
    builder = NetworkBuilder((3, 3, 2)).conv2d(weights((1, 1, 2, 3), seed=23, scale=0.9))
    builder.up_sampling((2, 2), weight_c=0.75)
    builder.conv2d_transpose(weights((3, 3, 2, 3), seed=24, scale=0.5), strides=(2, 2))
    return builder.flatten().dense(weights((*builder.shape, 4), seed=25, scale=0.2)).build()


def depthwise() -> Network:
    """Return a depthwise convolution, and another one behind zeros that pad it."""
    builder = NetworkBuilder((7, 7, 3)).depthwise_conv2d(weights((3, 3, 3, 2), seed=26, scale=0.5))
    builder.zero_padding(((1, 0), (0, 1)))
    builder.conv2d(weights((2, 2, 6, 3), seed=27, scale=0.5))
    return builder.flatten().dense(weights((*builder.shape, 4), seed=28, scale=0.3)).build()


LAID_OUT: Mapping[str, Callable[[], Network]] = {
    build.__name__: build
    for build in (
        dense,
        membrane,
        strided,
        dilated_groups,
        pooled,
        skip,
        branches,
        channels,
        upsampled,
        depthwise,
        convolutions,
        biased,
    )
}
"""All of them by name."""


def samples(network: Network, number: int) -> Float32[Array, "b *l"]:
    """Return multiples of 2**-4 up to 1, different for each sample."""
    rng = np.random.default_rng(7)
    drawn: Array = rng.integers(0, 17, (number, *network.input.output_shape)).astype(np.float32)
    return drawn / 16

"""Networks that differ in how they are laid out on the chip."""

from collections.abc import Callable, Mapping

import numpy as np

from snn_core.ir import Linear, Network
from snn_core.testing.builder import NetworkBuilder


def weights(shape: tuple[int, ...], *, seed: int, scale: float = 1.0) -> np.ndarray:
    """Return normally distributed multiples of 2**-10, somewhat more positive than negative."""
    drawn = np.random.default_rng(seed).normal(0.15 * scale, 0.5 * scale, shape)
    return (np.round(drawn * 1024) / 1024).astype(np.float32)


def dense() -> Network:
    return NetworkBuilder((12,)).dense(weights((12, 20), seed=1, scale=0.5)).dense(
        weights((20, 6), seed=2, scale=0.5), bias_o=weights((6,), seed=3, scale=0.2)
    ).build()  # fmt: skip


def membrane() -> Network:
    builder = NetworkBuilder((12,)).dense(weights((12, 20), seed=4, scale=0.5), v_init=0.5)
    return builder.dense(weights((20, 6), seed=5, scale=0.5)).build(readout="membrane")


def convolutions() -> Network:
    builder = NetworkBuilder((7, 6, 2)).conv2d(weights((3, 3, 2, 4), seed=6, scale=0.4))
    builder.conv2d(weights((3, 2, 4, 3), seed=7, scale=0.4), strides=(2, 1))
    return builder.flatten().dense(weights((18, 4), seed=8, scale=0.6)).build()


def dilated_groups() -> Network:
    builder = NetworkBuilder((8, 8, 2)).conv2d(
        weights((3, 3, 1, 4), seed=9, scale=0.5), groups=2, dilation=(2, 1)
    )
    return builder.flatten().dense(weights((builder_size(builder), 4), seed=10, scale=0.3)).build()


def builder_size(builder: NetworkBuilder) -> int:
    return int(np.prod(builder.shape))


def pooled() -> Network:
    """Average pooling without neurons, folded into the next kernel, then with neurons."""
    builder = NetworkBuilder((8, 8, 2)).conv2d(
        weights((3, 3, 2, 4), seed=11, scale=0.4), padding="same"
    )
    builder.average_pooling((2, 2), activation=Linear())
    builder.conv2d(weights((3, 3, 4, 6), seed=12, scale=0.6), padding="same")
    builder.average_pooling((2, 2))
    return builder.flatten().dense(weights((24, 5), seed=13, scale=0.6)).build()


def skip() -> Network:
    """A skip over two layers, which has to wait for them, joined by an addition."""
    builder = NetworkBuilder((6, 6, 2)).conv2d(weights((1, 1, 2, 4), seed=14, scale=0.9))
    first = builder.last
    builder.conv2d(weights((3, 3, 4, 4), seed=15, scale=0.4), padding="same")
    builder.conv2d(weights((3, 3, 4, 4), seed=16, scale=0.4), padding="same", activation=Linear())
    builder.add([first, builder.last], weight_nc=[1.0, 1.0])
    return builder.flatten().dense(weights((144, 4), seed=17, scale=0.2)).build()


def branches() -> Network:
    """Branches of unequal depth, joined by a concatenation; one of them is the input itself."""
    builder = NetworkBuilder((10,))
    entry = builder.last
    builder.dense(weights((10, 8), seed=18, scale=0.6))
    builder.dense(weights((8, 8), seed=19, scale=0.6))
    builder.concatenate([builder.last, entry])
    return builder.dense(weights((18, 6), seed=20, scale=0.5)).build()


def channels() -> Network:
    """Channels with thresholds of their own."""
    threshold = np.array([0.5, 1.0, 2.0, 0.25], np.float32)
    builder = NetworkBuilder((6, 6, 1)).conv2d(
        weights((3, 3, 1, 4), seed=21, scale=0.5), threshold=threshold, v_init=0.5
    )
    return builder.flatten().dense(weights((64, 5), seed=22, scale=0.3), threshold=1.5).build()


def upsampled() -> Network:
    builder = NetworkBuilder((3, 3, 2)).conv2d(weights((1, 1, 2, 3), seed=23, scale=0.9))
    builder.up_sampling((2, 2), weight_c=0.75)
    builder.conv2d_transpose(weights((3, 3, 2, 3), seed=24, scale=0.5), strides=(2, 2))
    return builder.flatten().dense(weights((builder_size(builder), 4), seed=25, scale=0.2)).build()


def depthwise() -> Network:
    builder = NetworkBuilder((7, 7, 3)).depthwise_conv2d(weights((3, 3, 3, 2), seed=26, scale=0.5))
    builder.zero_padding(((1, 0), (0, 1)))
    builder.conv2d(weights((2, 2, 6, 3), seed=27, scale=0.5))
    return builder.flatten().dense(weights((builder_size(builder), 4), seed=28, scale=0.3)).build()


TEN: Mapping[str, Callable[[], Network]] = {
    build.__name__: build
    for build in (
        dense,
        membrane,
        convolutions,
        dilated_groups,
        pooled,
        skip,
        branches,
        channels,
        upsampled,
        depthwise,
    )
}


def samples(network: Network, count: int) -> np.ndarray:
    """Return multiples of 2**-4 up to 1, different for each sample."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 17, (count, *network.input.output_shape)).astype(np.float32) / 16

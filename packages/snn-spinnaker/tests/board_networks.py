"""Networks that differ in how they are laid out on a board, and a sample for each."""

from collections.abc import Callable, Mapping

import numpy as np

from snn_core.ir import Linear, Network
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder


def weights(shape: tuple[int, ...], *, seed: int, scale: float = 0.5) -> np.ndarray:
    """Return normally distributed multiples of 2**-10, somewhat more positive than negative."""
    drawn = np.random.default_rng(seed).normal(0.15 * scale, scale, shape)
    return (np.round(drawn * 1024) / 1024).astype(np.float32)


def dense() -> Network:
    builder = NetworkBuilder((12,)).dense(weights((12, 20), seed=1))
    return builder.dense(weights((20, 6), seed=2), bias_o=weights((6,), seed=3, scale=0.2)).build()


def membrane() -> Network:
    builder = NetworkBuilder((12,)).dense(weights((12, 20), seed=4), v_init=0.5)
    return builder.dense(weights((20, 6), seed=5)).build(readout="membrane")


def biased() -> Network:
    """Strong biases of both signs in a deep layer, which must not act before its first tick."""
    builder = NetworkBuilder((8,)).dense(weights((8, 8), seed=6)).dense(weights((8, 8), seed=7))
    bias_o = np.array([-2, -0.75, 0.375, 0.5, 0.25], np.float32)
    return builder.dense(weights((8, 5), seed=8), bias_o=bias_o, v_init=0.5).build()


def convolutions() -> Network:
    builder = NetworkBuilder((7, 7, 2)).conv2d(weights((3, 3, 2, 4), seed=9, scale=0.4))
    builder.conv2d(weights((3, 3, 4, 3), seed=10, scale=0.4), padding="same")
    return builder.flatten().dense(weights((75, 4), seed=11, scale=0.6)).build()


def strided() -> Network:
    builder = NetworkBuilder((8, 6, 2)).conv2d(
        weights((3, 2, 2, 4), seed=12, scale=0.4), strides=(2, 1)
    )
    return builder.flatten().dense(weights((builder_size(builder), 4), seed=13)).build()


def builder_size(builder: NetworkBuilder) -> int:
    return int(np.prod(builder.shape))


def pooled() -> Network:
    """Average pooling without neurons, then with neurons."""
    builder = NetworkBuilder((8, 8, 2)).conv2d(weights((3, 3, 2, 4), seed=14), padding="same")
    builder.average_pooling((2, 2), activation=Linear())
    builder.conv2d(weights((3, 3, 4, 6), seed=15, scale=0.6), padding="same")
    builder.average_pooling((2, 2))
    return builder.flatten().dense(weights((24, 5), seed=16, scale=0.6)).build()


def skip() -> Network:
    """A skip over two layers, which has to wait for them, joined by an addition."""
    builder = NetworkBuilder((6, 6, 2)).conv2d(weights((1, 1, 2, 4), seed=17, scale=0.9))
    first = builder.last
    builder.conv2d(weights((3, 3, 4, 4), seed=18, scale=0.4), padding="same")
    builder.conv2d(weights((3, 3, 4, 4), seed=19, scale=0.4), padding="same", activation=Linear())
    builder.add([first, builder.last], weight_nc=[1.0, 1.0])
    return builder.flatten().dense(weights((144, 4), seed=20, scale=0.2)).build()


def branches() -> Network:
    """Branches of unequal depth, joined by a concatenation; one of them is the input itself."""
    builder = NetworkBuilder((10,))
    entry = builder.last
    builder.dense(weights((10, 8), seed=21, scale=0.6)).dense(weights((8, 8), seed=22, scale=0.6))
    builder.concatenate([builder.last, entry])
    return builder.dense(weights((18, 6), seed=23)).build()


def channels() -> Network:
    """Channels with thresholds of their own, some of which are no powers of two."""
    threshold = np.array([0.3, 1.0, 2.0, 0.7], np.float32)
    builder = NetworkBuilder((6, 6, 1)).conv2d(
        weights((3, 3, 1, 4), seed=24), threshold=threshold, v_init=0.5
    )
    return builder.flatten().dense(weights((64, 5), seed=25, scale=0.3), threshold=1.5).build()


def depthwise() -> Network:
    builder = NetworkBuilder((7, 7, 3)).depthwise_conv2d(weights((3, 3, 3, 2), seed=26))
    builder.zero_padding(((1, 0), (0, 1)))
    builder.conv2d(weights((2, 2, 6, 3), seed=27))
    return builder.flatten().dense(weights((builder_size(builder), 4), seed=28, scale=0.3)).build()


TEN: Mapping[str, Callable[[], Network]] = {
    build.__name__: build
    for build in (
        dense,
        membrane,
        biased,
        convolutions,
        strided,
        pooled,
        skip,
        branches,
        channels,
        depthwise,
    )
}


def lenet() -> Network:
    """LeNet's shape on MNIST, with average pooling and random weights."""
    builder = NetworkBuilder((28, 28, 1)).conv2d(
        weights((5, 5, 1, 6), seed=29, scale=0.2), padding="same"
    )
    builder.average_pooling((2, 2), activation=Linear())
    builder.conv2d(weights((5, 5, 6, 16), seed=30, scale=0.08))
    builder.average_pooling((2, 2), activation=Linear()).flatten()
    builder.dense(weights((400, 120), seed=31, scale=0.05))
    builder.dense(weights((120, 84), seed=32, scale=0.1))
    return builder.dense(weights((84, 10), seed=33, scale=0.1)).build()


def samples(network: Network, count: int) -> np.ndarray:
    """Return multiples of 2**-4 up to 1, different for each sample."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 17, (count, *network.input.output_shape)).astype(np.float32) / 16


def settings_of(*, encoding="regular", steps=12, dt=1.0, reset="subtraction", **cell) -> Settings:
    return Settings.of(
        {
            "simulation": {"duration": steps * dt, "dt": dt, "batch_size": 3},
            "input": {"encoding": encoding},
            "output": {"log_vars": ["spiketrains"]},
            "cell": {"reset": reset, **cell},
        }
    )

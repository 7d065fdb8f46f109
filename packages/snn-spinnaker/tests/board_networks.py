"""Networks for the board beside those that all hardware is tested with, and settings for them."""

from collections.abc import Callable, Mapping
from functools import partial

from snn_core.ir import Linear, Network
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import LAID_OUT, channels, weights

NETWORKS: Mapping[str, Callable[[], Network]] = {
    **LAID_OUT,
    # Some are no powers of two.
    "channels": partial(channels, (0.3, 1.0, 2.0, 0.7)),
}


def lenet() -> Network:
    """LeNet's shape on MNIST, with average pooling and random weights."""
    builder = NetworkBuilder((28, 28, 1)).conv2d(
        weights((5, 5, 1, 6), seed=29, scale=0.4), padding="same"
    )
    builder.average_pooling((2, 2), activation=Linear())
    builder.conv2d(weights((5, 5, 6, 16), seed=30, scale=0.16))
    builder.average_pooling((2, 2), activation=Linear()).flatten()
    builder.dense(weights((400, 120), seed=31, scale=0.1))
    builder.dense(weights((120, 84), seed=32, scale=0.2))
    return builder.dense(weights((84, 10), seed=33, scale=0.2)).build()


def settings_of(*, encoding="regular", steps=12, dt=1.0, reset="subtraction", **cell) -> Settings:
    return Settings.of(
        {
            "simulation": {"duration": steps * dt, "dt": dt, "batch_size": 3},
            "input": {"encoding": encoding},
            "output": {"log_vars": ["spiketrains"]},
            "cell": {"reset": reset, **cell},
        }
    )

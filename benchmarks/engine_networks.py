"""Networks of the benchmarks of engines: usual architectures, dyadic weights, given spike rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from snn_core.evaluation.operators import weighted_sum
from snn_core.ir import Network, Weighted
from snn_core.passes.spiking import max_pool_method, relay_pools
from snn_core.testing.builder import NetworkBuilder

RATE = 0.08
"""Mean spikes per neuron and step that layers are scaled to."""

UNIT = 2.0**-12
"""Weights are multiples of this, so that sums are exact in float32 in any order."""


def mlp() -> NetworkBuilder:
    """Return the MLP 784-512-512-10."""
    builder = NetworkBuilder((784,))
    for inputs, outputs in ((784, 512), (512, 512), (512, 10)):
        builder.dense(_random((inputs, outputs)))
    return builder


def lenet() -> NetworkBuilder:
    """Return conv 16 / 2, conv 32, conv 8 / 2, dense 10 on 28 x 28 x 1."""
    builder = NetworkBuilder((28, 28, 1))
    builder.conv2d(_random((3, 3, 1, 16)), padding="same", strides=(2, 2))
    builder.conv2d(_random((3, 3, 16, 32)), padding="same")
    builder.conv2d(_random((3, 3, 32, 8)), padding="same", strides=(2, 2))
    return builder.flatten().dense(_random((7 * 7 * 8, 10)))


def demo() -> NetworkBuilder:
    """Return the architecture of examples/mnist: conv 16, conv 24, pool, conv 64, dense 10."""
    builder = NetworkBuilder((28, 28, 1))
    builder.conv2d(_random((5, 5, 1, 16)), strides=(2, 2))
    builder.conv2d(_random((3, 3, 16, 24))).average_pooling((2, 2))
    return builder.conv2d(_random((3, 3, 24, 64))).flatten().dense(_random((3 * 3 * 64, 10)))


def vgg(pool: str = "average") -> NetworkBuilder:
    """Return 64-64-pool-128-128-pool-256-256-256-pool-dense on 32 x 32 x 3."""
    builder, channels = NetworkBuilder((32, 32, 3)), 3
    for widths in ((64, 64), (128, 128), (256, 256, 256)):
        for width in widths:
            builder.conv2d(_random((3, 3, channels, width)), padding="same")
            channels = width
        make = builder.average_pooling if pool == "average" else builder.max_pooling
        make((2, 2))
    return builder.flatten().dense(_random((4 * 4 * 256, 10)))


def residual() -> NetworkBuilder:
    """Return a network of three residual blocks of 32 channels on 16 x 16 x 3."""
    from snn_core.ir.activations import Linear

    builder = NetworkBuilder((16, 16, 3))
    builder.conv2d(_random((3, 3, 3, 32)), padding="same")
    for _ in range(3):
        shortcut = builder.last
        builder.conv2d(_random((3, 3, 32, 32)), padding="same")
        builder.conv2d(_random((3, 3, 32, 32)), padding="same", activation=Linear())
        builder.add([builder.last, shortcut], weight_nc=np.ones((2, 1), np.float32))
    return builder.average_pooling((4, 4)).flatten().dense(_random((4 * 4 * 32, 10)))


NETWORKS: Mapping[str, Callable[[], NetworkBuilder]] = {
    "mlp": mlp,
    "lenet": lenet,
    "demo": demo,
    "vgg": vgg,
    "vgg-relay": vgg,
    "vgg-max": lambda: vgg("max"),
    "residual": residual,
}


def make(name: str, *, rate: float = RATE) -> Network:
    """Return a network whose layers spike at a mean rate under `samples`."""
    network = max_pool_method(NETWORKS[name]().build(), method="pre_spike_max")
    return scale_rates(relay_pools(network) if name == "vgg-relay" else network, rate=rate)


def samples(network: Network, number: int) -> np.ndarray:
    """Return samples in multiples of 2**-4 from 0 to 1."""
    rng = np.random.default_rng(1)
    shape = (number, *network.input.output_shape)
    return rng.integers(0, 17, shape).astype(np.float32) / 16


def scale_rates(network: Network, *, rate: float) -> Network:
    """Scale weights and shift biases, layer by layer, until mean activations are a given rate."""
    values = {network.input.name: samples(network, 4)}
    for layer in network.layers[1:]:
        inputs = [values[name] for name in layer.inputs]
        y = weighted_sum(layer, inputs)
        if isinstance(layer, Weighted):
            scale = min(2.5 * rate, 0.5) / y.std()
            fires = network.has_neurons(layer)
            bias = _bias(y * scale, rate=rate) if fires else 0.0
            layer = replace(
                layer,
                **{layer.weight_name: np.round(layer.weight * scale / UNIT) * UNIT},
                bias_o=np.full_like(layer.bias_o, np.round(bias / UNIT) * UNIT),
            )
            network = network.replace(layer)
            y = weighted_sum(layer, inputs) + layer.bias_o
        values[layer.name] = np.clip(y, 0, 1) if network.has_neurons(layer) else y
    return network


def _bias(y: np.ndarray, *, rate: float) -> float:
    """Return what brings the mean of values, kept between 0 and 1, to a rate."""
    low, high = -1.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if np.clip(y + middle, 0, 1).mean() > rate else (middle, high)
    return low


def _random(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(list(shape))
    fan_in = np.prod(shape[:-1])
    return rng.normal(0, 1 / np.sqrt(fan_in), shape).astype(np.float32)

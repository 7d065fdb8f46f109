"""Random networks with dyadic weights that the tests of the event engine share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from snn_core.ir import Network
from snn_core.ir.activations import Linear, QuantizedReLU
from snn_core.passes.spiking import max_pool_method, relay_pools, set_v_init
from snn_core.testing.builder import NetworkBuilder
from snn_core.typing import Array

SHAPE = (9, 8, 3)


def dyadic(shape: tuple[int, ...], *, fan_in: int | None = None) -> Array:
    """Return random multiples of 2**-8, small enough that all sums are exact."""
    rng = np.random.default_rng(list(shape))
    fan_in = fan_in or int(np.prod(shape[:-1]))
    return np.round(rng.normal(0.3 / fan_in, 1 / np.sqrt(fan_in), shape) * 256).astype("f4") / 256


def plain() -> NetworkBuilder:
    """Return convolutions of all geometries and two dense layers, more channels than a word has."""
    builder = NetworkBuilder(SHAPE)
    builder.conv2d(dyadic((3, 3, 3, 70)), padding="same", bias_o=dyadic((70,)))
    builder.conv2d(dyadic((3, 2, 70, 20)), strides=(2, 1), padding=((1, 0), (0, 1)))
    builder.conv2d(dyadic((2, 2, 20, 40)), dilation=(2, 2))
    return builder.flatten().dense(dyadic((2 * 6 * 40, 130))).dense(dyadic((130, 5)))


def grouped() -> NetworkBuilder:
    """Return grouped, depthwise and transposed convolutions."""
    builder = NetworkBuilder(SHAPE).conv2d(dyadic((3, 3, 3, 12)), padding="same")
    builder.conv2d(dyadic((3, 3, 4, 18)), padding="same", groups=3)
    builder.depthwise_conv2d(dyadic((3, 3, 18, 1), fan_in=9), padding="same", bias_o=dyadic((18,)))
    builder.depthwise_conv2d(dyadic((3, 3, 18, 2), fan_in=9))
    builder.conv2d_transpose(dyadic((3, 3, 6, 36), fan_in=81), strides=(2, 2), padding="same")
    return builder.flatten().dense(dyadic((14 * 12 * 6, 5)))


def pooled(method: str) -> NetworkBuilder:
    """Return max pooling with overlapping windows and a border, then average pooling."""
    builder = NetworkBuilder(SHAPE).conv2d(dyadic((3, 3, 3, 20)), padding="same")
    builder.max_pooling((3, 3), strides=(2, 2), padding="same", method=method)
    builder.conv2d(dyadic((3, 3, 20, 24)), padding="same").average_pooling((2, 2))
    return builder.conv2d(dyadic((2, 2, 24, 10))).flatten().dense(dyadic((10, 5)))


def relayed() -> NetworkBuilder:
    """Return pools that pass on sums: behind the input, in a row, overlapping, and between layers.

    Their windows have a power of two of cells, so that means are exact.
    """
    builder = NetworkBuilder((20, 16, 3)).average_pooling((2, 1), strides=(1, 1))
    builder.average_pooling((2, 2), strides=(1, 1))
    builder.conv2d(dyadic((3, 3, 3, 70)), padding="same", strides=(1, 1))
    builder.average_pooling((4, 2), strides=(2, 2), weight_c=np.full(70, 2.0, np.float32))
    builder.conv2d(dyadic((3, 3, 70, 8)), padding="same")
    pool = builder.average_pooling((2, 2)).last
    half = builder.conv2d(dyadic((1, 1, 8, 8)), inputs=(pool,)).last
    builder.add([half, pool], weight_nc=np.float32([[1], [0.5]]))
    return builder.average_pooling((2, 2)).flatten().dense(dyadic((2 * 1 * 8, 5)))


def joined() -> NetworkBuilder:
    """Return residual blocks, a concatenation, up-sampling, zero padding and reshapes."""
    builder = NetworkBuilder(SHAPE)
    first = builder.conv2d(dyadic((3, 3, 3, 8)), padding="same").last
    builder.conv2d(dyadic((3, 3, 8, 8)), padding="same")
    second = builder.conv2d(dyadic((3, 3, 8, 8)), padding="same", activation=Linear()).last
    added = builder.add([second, first], weight_nc=np.float32([[1], [0.5]])).last
    third = builder.conv2d(dyadic((1, 1, 8, 6)), inputs=(added,)).last
    builder.concatenate([added, third], axis=2)
    builder.up_sampling((2, 1), activation=Linear()).zero_padding(((1, 0), (0, 1)))
    builder.conv2d(dyadic((3, 3, 14, 10)), strides=(3, 2))
    return builder.reshape((6 * 4, 10)).dense(dyadic((10, 4))).flatten().dense(dyadic((96, 5)))


def quantized() -> NetworkBuilder:
    """Return neurons with fixed-point potentials between plain ones."""
    builder = NetworkBuilder((12,)).dense(dyadic((12, 20)))
    builder.dense(dyadic((20, 20)), activation=QuantizedReLU(3, 4))
    return builder.dense(dyadic((20, 5)))


NETWORKS: Mapping[str, Callable[[], Network]] = {
    "plain": lambda: plain().build(),
    "membrane": lambda: set_v_init(plain().build(readout="membrane"), v_init=0.5),
    "grouped": lambda: grouped().build(),
    "fir_max": lambda: pooled("fir_max").build(),
    "pre_spike_max": lambda: relay_pools(
        max_pool_method(pooled("fir_max").build(), method="pre_spike_max")
    ),
    "relayed": lambda: relay_pools(relayed().build()),
    "joined": lambda: joined().build(),
    "quantized": lambda: quantized().build(),
}


def samples(network: Network, number: int = 3) -> Array:
    """Return samples in multiples of 2**-4 from 0 to 1."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 17, (number, *network.input.output_shape)).astype(np.float32) / 16

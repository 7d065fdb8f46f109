"""Networks with positions, or whole layers, that no synapse reaches: only their bias arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from event_networks import dyadic

from snn_core.ir import Network
from snn_core.ir.activations import Linear
from snn_core.passes.spiking import relay_pools
from snn_core.testing.builder import NetworkBuilder

AROUND = ((1, 2), (2, 1))
"""Padding in which windows of one cell find nothing."""

BIAS = {"bias_o": np.float32([0.5, 0.375, 0.25, 0.125])}
"""Bias by which neurons spike at different rates."""

POINT = dyadic((1, 1, 20, 4))
"""Kernel of one cell."""

CHANNELS = np.full((1, 1, 20, 1), 0.75, np.float32)
"""Depthwise kernel of one cell."""

OUTSIDE = {"strides": (4, 5), "padding": ((1, 1), (1, 1))}
"""Windows of one cell at the corners of padding around an image: none finds anything."""


def _residual(builder: NetworkBuilder) -> NetworkBuilder:
    source = builder.last
    relay = builder.conv2d(POINT, padding=AROUND, activation=Linear(), **BIAS).last
    fired = builder.conv2d(POINT, padding=AROUND, inputs=(source,)).last
    return builder.add([relay, fired], weight_nc=np.ones((2, 4), np.float32))


def _behind_a_relay(builder: NetworkBuilder) -> NetworkBuilder:
    return builder.conv2d(POINT, padding=AROUND, activation=Linear(), **BIAS).conv2d(
        dyadic((1, 1, 4, 4))
    )


def _of_sums(builder: NetworkBuilder, **pool: Any) -> NetworkBuilder:
    builder.conv2d(POINT, activation=Linear(), **BIAS)
    return builder.max_pooling((1, 1), padding=AROUND, method="pre_spike_max", **pool)


_BUILD: Mapping[str, Callable[[NetworkBuilder], NetworkBuilder]] = {
    "border": lambda b: b.conv2d(POINT, padding=AROUND, **BIAS),
    "zero padding": lambda b: b.zero_padding(AROUND).conv2d(
        dyadic((1, 2, 20, 4)), padding="same", **BIAS
    ),
    "holes": lambda b: b.conv2d_transpose(
        dyadic((2, 2, 4, 20), fan_in=20), strides=(2, 3), dilation=(2, 2), **BIAS
    ),
    "relay": _behind_a_relay,
    "residual": _residual,
    "depthwise": lambda b: b.depthwise_conv2d(
        CHANNELS, padding=AROUND, bias_o=np.tile(BIAS["bias_o"], 5)
    ),
    "average": lambda b: b.average_pooling((1, 1), padding=AROUND),
    "average of four": lambda b: b.average_pooling(
        (2, 2), strides=(1, 1), padding=((2, 2), (2, 3))
    ),
    "fir_max": lambda b: b.max_pooling((1, 1), padding=AROUND),
    "pre_spike_max": lambda b: b.max_pooling((1, 1), padding=AROUND, method="pre_spike_max"),
    "pre_spike_max of sums": _of_sums,
    "pre_spike_max without neurons": lambda b: _of_sums(
        b, activation=Linear(), sign_c=np.float32([1, -1, -1, 1])
    ),
    "no convolution": lambda b: b.conv2d(POINT, **OUTSIDE, **BIAS),
    "no depthwise": lambda b: b.depthwise_conv2d(
        CHANNELS, **OUTSIDE, bias_o=np.tile(BIAS["bias_o"], 5)
    ),
    "no average": lambda b: b.average_pooling((1, 1), **OUTSIDE),
    "no fir_max": lambda b: b.max_pooling((1, 1), **OUTSIDE),
    "no pre_spike_max": lambda b: b.max_pooling((1, 1), **OUTSIDE, method="pre_spike_max"),
}


def unreached(name: str, *, relays: bool = False) -> Network:
    """Return a network by its name; pools pass on sums if they are relays."""
    builder = NetworkBuilder((3, 2, 3))
    builder.conv2d(dyadic((1, 1, 3, 20)), bias_o=np.full(20, 0.25, np.float32))
    builder = _BUILD[name](builder).flatten()
    bias_o = np.full(5, 0.25, np.float32)  # so that the output spikes whatever arrives
    network = builder.dense(dyadic((builder.shape[0], 5)), bias_o=bias_o).build()
    return relay_pools(network) if relays else network


UNREACHED = tuple(_BUILD)
"""Names of networks: what the synapses do not reach; ``no`` names a layer that none reaches."""

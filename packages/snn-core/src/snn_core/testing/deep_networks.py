"""Networks of the conformance kit in which several populations read from each other or the input.

They show what goes wrong between populations: steps, biases and sums that are right in a network of
one. Numbers are exact as those of `snn_core.testing.networks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_core.ir import Linear, Network, ReLU, Softmax
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.networks import (
    CLOCK_WEIGHT,
    PASS_ON,
    WEIGHT_UNIT,
    averaging,
    clocks,
    dyadic,
    generator,
    gentle_weights,
    passing_on,
    symmetric,
)


def biased(readout: str) -> Network:
    """Return three fully connected layers, each with a bias and initial potentials."""
    rng = generator(140)
    builder = NetworkBuilder((4,))
    for _ in range(3):
        bias_o = dyadic((4,), rng, low=0.2, high=0.4)
        v_init = dyadic((4,), rng, low=0.1, high=0.6)
        builder.dense(dyadic((4, 4), rng, low=0.05, high=0.2), bias_o=bias_o, v_init=v_init)
    return builder.build(readout=readout)


def softmax() -> Network:
    """Return clocks followed by neurons that draw their spikes from a softmax."""
    return clocks((5,)).dense(averaging(5, seed=141), activation=Softmax()).build()


def addition(kind: str) -> Network:
    """Return clocks and layers they drive, added: three of them, or the clocks taken twice.

    No input makes a spike alone.
    """
    builder = clocks((5,))
    names = [builder.last]
    if kind == "same source twice":
        return builder.add(names * 2, weight_nc=[[PASS_ON / 2] * 5] * 2).build()
    for seed in (142, 143):
        names.append(builder.dense(passing_on(5, seed=seed), inputs=names[:1]).last)
    return builder.add(names, weight_nc=[[PASS_ON / 2] * 5] * 3).build()


def skip_from_input(join: str) -> Network:
    """Return neurons that read from the input and, through two layers, from other cells of it."""
    builder = NetworkBuilder((5,))
    source = builder.last
    for seed in (144, 145):
        builder.dense(passing_on(5, seed=seed))
    if join == "Add":
        weight_nc = [[832 * WEIGHT_UNIT] * 5, [512 * WEIGHT_UNIT] * 5]
        return builder.add([source, builder.last], weight_nc=weight_nc).build()
    builder.concatenate([source, builder.last])
    both = np.vstack([832 * np.eye(5), 512 * np.eye(5)])
    return builder.dense(both * WEIGHT_UNIT).build()


def potentials() -> Network:
    """Return a layer that spikes twice and one that it makes spike, each with a threshold.

    At a spike, potentials pass the threshold by less than 1/64 of it.
    """
    builder = NetworkBuilder((1,))
    builder.dense(np.array([[257, 100, 60]]) * WEIGHT_UNIT, threshold=2.0)
    weight_io = np.array([[772, 256], [0, 0], [0, 0]]) * WEIGHT_UNIT
    return builder.dense(weight_io, threshold=1.5).build()


def pooled_readout(method: str) -> Network:
    """Return clocks and max pooling, whose potentials are read."""
    common: dict[str, Any] = {"method": method, "weight_c": PASS_ON}
    return clocks((4, 4, 1)).max_pooling((2, 2), **common).build(readout="membrane")


def minimum_pooling(method: str) -> Network:
    """Return clocks and max pooling that takes minima in one of two channels, also at borders."""
    common: dict[str, Any] = {"method": method, "weight_c": PASS_ON, "sign_c": [-1, 1]}
    builder = clocks((5, 5, 2))
    return builder.max_pooling((3, 3), strides=(2, 2), padding="same", **common).build()


def graded_pooling(kind: str) -> Network:
    """Return clocks, a sum of both signs, its maximum without neurons, and neurons behind that.

    Sums rise in some windows and fall in others. With ``"Add"`` they meet others behind the pool,
    with ``"minimum"`` some channels take the minimum, ``"several"`` pools twice.
    """
    linear: dict[str, Any] = {"activation": Linear()}
    graded: dict[str, Any] = {"method": "pre_spike_max", **linear}
    builder = clocks((4, 4, 2))
    clock = builder.last
    kernel_hwio = [[[[1, -0.75, -0.5, 0.5], [-0.75, 1, 0.25, -0.75]]]]
    builder.conv2d(kernel_hwio, bias_o=[0.125, -0.0625, -0.25, 0.0625], **linear)
    if kind == "minimum":
        graded["sign_c"] = [1, -1, -1, 1]
    builder.max_pooling((3, 3), strides=(2, 2), padding="same", **graded)
    if kind == "several":
        builder.max_pooling((2, 2), strides=(1, 1), **graded)
    rng = generator(146)
    if kind == "Add":
        pool = builder.last
        branch = builder.average_pooling((2, 2), inputs=[clock], **linear)
        branch.conv2d(dyadic((1, 1, 2, 4), rng, low=0.25, high=0.75), **linear)
        builder.add([pool, builder.last], weight_nc=[[0.75] * 4, [0.5] * 4], **linear)
    bias_o = dyadic((3,), rng, low=0.1, high=0.3)
    return builder.conv2d(dyadic((1, 1, 4, 3), rng, low=-0.25, high=0.75), bias_o=bias_o).build()


def _two_populations() -> tuple[NetworkBuilder, list[str]]:
    """Return clocks and, beside them, neurons that spike once; both with two channels."""
    builder = NetworkBuilder((4, 4, 1))
    source = builder.last
    first = builder.conv2d([[[[CLOCK_WEIGHT, CLOCK_WEIGHT]]]]).last
    kernel_hwio = symmetric(gentle_weights((3, 3, 1, 2), fan_in=5, seed=14))
    second = builder.conv2d(kernel_hwio, padding="same", inputs=[source]).last
    return builder, [first, second]


def branches(join: str) -> Network:
    """Return two populations side by side, joined and read by a third."""
    builder, sides = _two_populations()
    if join == "Concatenate":
        builder.concatenate(sides)
        return builder.conv2d(dyadic((1, 1, 4, 3), generator(15), low=0.15, high=0.4)).build()
    # 3 * 344 = 6 * 172 = 1032 just passes the threshold of 1024.
    weight_nc = np.array([[344, 172], [512, 768]]) * WEIGHT_UNIT
    builder.add(sides, weight_nc=weight_nc)
    return builder.conv2d(dyadic((1, 1, 2, 3), generator(15), low=0.4, high=0.9)).build()


def relays(kind: str) -> Network:
    """Return clocks, a layer without neurons, and a layer with neurons behind it."""
    linear: dict[str, Any] = {"activation": Linear()}
    if kind == "Add":
        builder, sides = _two_populations()
        builder.add(sides, weight_nc=[[0.25, 0.5], [0.25, 0.5]], **linear)
        return builder.conv2d(dyadic((1, 1, 2, 3), generator(18), low=0.3, high=0.7)).build()
    builder = clocks((4, 4, 2))
    if kind == "UpSampling2D":
        builder.up_sampling((2, 2), weight_c=0.5, **linear)
    else:
        builder.average_pooling((2, 2), **linear)
    if kind == "several":
        builder.zero_padding(((0, 1), (1, 0)))
        builder.conv2d(dyadic((1, 1, 2, 2), generator(17), low=0.5, high=1), **linear)
    return builder.conv2d(dyadic((1, 1, 2, 2), generator(18), low=0.3, high=0.7)).build()


def relayed_bias() -> Network:
    """Return a biased layer without neurons in front of neurons that get nothing else."""
    builder = NetworkBuilder((3,))
    bias_o = [0.25, 0.5, 0.125]
    builder.dense(np.eye(3), bias_o=bias_o, activation=Linear())
    return builder.dense(dyadic((3, 4), generator(19), low=0.08, high=0.14)).build()


def unreached(kind: str) -> Network:
    """Return clocks and a layer of which synapses reach some positions alone, and what reads it.

    Parameters
    ----------
    kind
        ``"Conv2D"``, ``"DepthwiseConv2D"`` and ``"AveragePooling2D"`` look at padding around an
        image cell by cell, ``"Conv2DTranspose"`` has kernels with holes, ``"relay"`` no neurons.
    """
    builder, rng = clocks((3, 2, 2)), generator(130)
    around: dict[str, Any] = {"padding": ((1, 2), (2, 1))}
    bias: dict[str, Any] = {"bias_o": [0.25, 0.375]}
    if kind == "AveragePooling2D":
        builder.average_pooling((1, 1), **around)
    elif kind == "DepthwiseConv2D":
        builder.depthwise_conv2d(dyadic((1, 1, 2, 1), rng, low=0.3, high=0.7), **around, **bias)
    elif kind == "Conv2DTranspose":
        kernel_hwoi = dyadic((2, 2, 2, 2), rng, low=0.1, high=0.3)
        builder.conv2d_transpose(kernel_hwoi, strides=(2, 3), dilation=(2, 2), **bias)
    else:
        relay: dict[str, Any] = {"activation": Linear()} if kind == "relay" else {}
        builder.conv2d(dyadic((1, 1, 2, 2), rng, low=0.3, high=0.7), **around, **bias, **relay)
    return builder.conv2d(dyadic((1, 1, 2, 3), rng, low=0.3, high=0.7)).build()


READOUTS_OF_CODES: Mapping[str, tuple[str, ...]] = {
    "temporal_pattern": ("membrane",),
    "ttfs": ("counts", "membrane"),
    "ttfs_dyn_thresh": ("counts",),
    "ttfs_corrective": ("counts",),
    "ttfs_exact": ("membrane",),
}
"""Spike code to the read-outs that `coded` is tried with."""


def coded(readout: str, *, bounds_and_minima: bool = False) -> Network:
    """Return convolutions, a max pool, an average, a branch and dense layers for spike codes.

    Every layer spikes and is biased; some neurons stay silent, some take a spike back.

    Parameters
    ----------
    bounds_and_minima
        Whether some activations have an upper bound, and the pool takes minima in some channels.
    """
    first: dict[str, Any] = {}
    pool: dict[str, Any] = {}
    last: dict[str, Any] = {}
    if bounds_and_minima:
        first = {"activation": ReLU(max_value=(0.5, 0.25, 0.375, 0.75))}
        pool = {"sign_c": [-1, 1, -1, 1]}
        last = {"activation": ReLU(max_value=0.5)}
    rng = generator(129)

    def biased(size: int, low: float = -0.1) -> dict[str, Any]:
        return {"bias_o": dyadic((size,), rng, low=low, high=0.2), "v_init": 0.25}

    builder = NetworkBuilder((4, 5, 2))
    kernel_hwio = dyadic((3, 3, 2, 4), rng, low=-0.25, high=0.3)
    builder.conv2d(kernel_hwio, padding="same", **biased(4), **first)
    pooled = builder.max_pooling((2, 2), strides=(2, 1), v_init=0.25, **pool).last
    second = builder.conv2d(dyadic((1, 1, 4, 4), rng, low=-0.5, high=0.7), **biased(4)).last
    builder.concatenate([pooled, second])
    builder.average_pooling((2, 2), strides=(1, 2), activation=Linear()).flatten()
    weight_io = dyadic((builder.shape[0], 8), rng, low=-0.6, high=0.7)
    builder.dense(weight_io, threshold=2.0, **biased(8), **last)
    builder.dense(dyadic((8, 4), rng, low=-0.6, high=0.8), **biased(4, low=0.1))
    return builder.build(readout=readout)

"""Networks of the conformance kit in which several populations read from each other or the input.

They show what goes wrong between populations: steps, biases and sums that are right in a network of
one. Numbers are exact as those of `snn_core.testing.networks`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from snn_core.ir import Network, Softmax
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.networks import (
    PASS_ON,
    WEIGHT_UNIT,
    averaging,
    clocks,
    dyadic,
    generator,
    passing_on,
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

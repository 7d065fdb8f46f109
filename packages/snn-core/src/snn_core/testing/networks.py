"""The networks and samples of the conformance kit: small, exact, and made to single out one thing.

Weights are multiples of 2**-10 and inputs multiples of 2**-4, so that float32 sums are exact in any
order. Unless a test is about it, a network has no bias, no negative weight and no exact hit of the
threshold; images and kernels are square and kernels symmetric; no neuron spikes in the first step;
and spikes come out the same whichever way the potential is reset. The last is so because neurons
either spike once (`gentle_weights`) or leave almost nothing behind when they do (`clocks`). A
simulator with one mistake therefore fails one test, whose name tells which mistake it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from snn_core.data.events import CellEvents
from snn_core.ir import BatchNormalization, Dropout, Network, QuantizedReLU, Softmax
from snn_core.ir.activations import KINDS
from snn_core.testing.builder import NetworkBuilder
from snn_core.typing import Array, Float32, Pair, Shape

NUM_STEPS = 16
"""Steps of a run in which `gentle_weights` let a neuron spike at most once."""

WEIGHT_UNIT = 2.0**-10
INPUT_UNIT = 2.0**-4

PASS_ON = 17 / 16
"""Weight with which a spike makes the next neuron spike at once, and never a second time."""

CLOCK_WEIGHT = 547 / 1024
"""Weight under which an input of 15, 10, 6, 5, 3 sixteenths spikes each 2, 3, 5, 6, 10 steps.

547/1024 * 15/16 is 1/2 plus 0.2 %, and the other inputs are simple fractions of 15/16; so little is
left over at a spike that it makes no difference in `NUM_STEPS`.
"""

CLOCKS = (15, 10, 6, 5, 3)

STEP_US = 1000
"""Time of the sensor in µs for one step with `events`."""


def generator(seed: int = 0) -> np.random.Generator:
    """Return the source of the kit's made-up numbers: the same every time."""
    return np.random.default_rng([2023, seed])


def dyadic(
    shape: Shape, rng: np.random.Generator, *, low: float, high: float, unit: float = WEIGHT_UNIT
) -> Float32[Array, "*a"]:
    """Return random multiples of ``unit`` from ``low`` to ``high``."""
    steps = rng.integers(np.ceil(low / unit), np.floor(high / unit), shape, endpoint=True)
    return (steps * unit).astype(np.float32)


def samples(shape: Shape, *, count: int = 1, seed: int = 0) -> Float32[Array, "b *l"]:
    """Return samples with values from 10/16 to 15/16."""
    low, high = 10 * INPUT_UNIT, 15 * INPUT_UNIT
    return dyadic((count, *shape), generator(seed), low=low, high=high, unit=INPUT_UNIT)


def gentle_weights(shape: Shape, *, fan_in: int, seed: int = 0) -> Float32[Array, "*a"]:
    """Return positive weights under which `samples` make a neuron spike about once.

    The drive of a step stays below 2 / (NUM_STEPS - 1), so the second spike is never due before
    the last step.

    Parameters
    ----------
    fan_in
        Number of synapses onto each neuron.
    """
    most = 2 / (NUM_STEPS - 1) / fan_in
    return dyadic(shape, generator(seed), low=0.7 * most, high=most)


def symmetric(weight_hwio: Array) -> Array:
    """Return a kernel that is the same with height and width exchanged."""
    size = weight_hwio.shape[0]
    rows, columns = np.minimum(*np.indices((size, size))), np.maximum(*np.indices((size, size)))
    mirrored: Array = weight_hwio[rows, columns]
    return mirrored


def clock_samples(shape: Shape, *, count: int = 1, seed: int = 0) -> Float32[Array, "b *l"]:
    """Return samples whose values become the periods of `CLOCK_WEIGHT`."""
    values = np.array(CLOCKS, np.float32) * np.float32(INPUT_UNIT)
    return generator(seed).choice(values, (count, *shape))


def clocks(shape: Shape, **common: Any) -> NetworkBuilder:
    """Return a builder with one layer of neurons that each spike with the period of its input."""
    builder = NetworkBuilder(shape)
    weight = CLOCK_WEIGHT * np.eye(shape[-1])
    if len(shape) == 3:
        return builder.conv2d(weight[None, None], **common)
    return builder.dense(weight, **common)


def dense(inputs: int = 4, outputs: int = 6, *, seed: int = 0, **common: Any) -> Network:
    """Return one fully connected layer."""
    weight_io = gentle_weights((inputs, outputs), fan_in=inputs, seed=seed)
    readout = common.pop("readout", "counts")
    return NetworkBuilder((inputs,)).dense(weight_io, **common).build(readout=readout)


def conv2d(
    shape: Shape,
    *,
    kernel: Pair = (3, 3),
    outputs: int = 3,
    groups: int = 1,
    seed: int = 0,
    **geometry: Any,
) -> Network:
    """Return one convolution, with a symmetric kernel if it is square."""
    per_group = shape[-1] // groups
    # Where padding leaves a neuron few inputs, it should spike all the same, if later.
    used = kernel if geometry.get("padding", "valid") == "valid" else (2, 2)
    fan_in = used[0] * used[1] * per_group
    weight_hwio = gentle_weights((*kernel, per_group, outputs), fan_in=fan_in, seed=seed)
    if kernel[0] == kernel[1]:
        weight_hwio = symmetric(weight_hwio)
    builder = NetworkBuilder(shape)
    return builder.conv2d(weight_hwio, groups=groups, **geometry).build()


def chain(weights: tuple[Array, ...], *, names: tuple[str, ...] | None = None) -> Network:
    """Return `clocks` followed by fully connected layers with the given weights."""
    builder = clocks((len(weights[0]),), name=names and names[0])
    for index, weight_io in enumerate(weights, start=1):
        builder.dense(weight_io, name=names and names[index])
    return builder.build()


def passing_on(size: int, *, seed: int) -> Float32[Array, "i o"]:
    """Return weights that pass every spike on to one other neuron, in a random order."""
    order = generator(seed).permutation(size)
    return (PASS_ON * np.eye(size)[order]).astype(np.float32)


def skip_connection(join: str) -> Network:
    """Return clocks whose spikes reach the last neurons directly and through three more layers.

    Either way they arrive at the same neurons, and only both ways together make one spike.
    """
    first, second = (generator(seed).permutation(5) for seed in (27, 28))
    back = np.argsort(first[second])
    builder = clocks((5,))
    clock = builder.last
    for order in (first, second, back):
        builder.dense(PASS_ON * np.eye(5)[:, order])
    if join == "Add":
        return builder.add([clock, builder.last], weight_nc=[[PASS_ON / 2] * 5] * 2).build()
    builder.concatenate([clock, builder.last])
    return builder.dense(PASS_ON / 2 * np.vstack([np.eye(5), np.eye(5)])).build()


def averaging(size: int, *, seed: int) -> Float32[Array, "i o"]:
    """Return weights under which several neurons together make the next ones spike."""
    return dyadic((size, size), generator(seed), low=0.2, high=0.4)


def pooling_weight() -> float:
    """Return a scale under which the mean of `samples` makes a neuron spike about once."""
    return 2 / 16


def unconvertible() -> Network:
    """Return a network with two layers that no simulator accepts, as left by a parser."""
    builder = NetworkBuilder((3,)).dense(np.eye(3))
    builder.layer(Dropout, (3,), name="02Dropout_3")
    builder.layer(
        BatchNormalization,
        (3,),
        name="03BatchNormalization_3",
        gain_c=np.ones(3, np.float32),
        offset_c=np.zeros(3, np.float32),
        axis=0,
    )
    return builder.dense(np.eye(3)).build()


def _conv1d() -> Network:
    weight_wio = gentle_weights((3, 2, 4), fan_in=4, seed=2)
    return NetworkBuilder((7, 2)).conv1d(weight_wio, strides=2, padding=(1, 1)).build()


def _depthwise() -> Network:
    weight_hwcm = symmetric(gentle_weights((3, 3, 2, 2), fan_in=9, seed=3))
    return NetworkBuilder((5, 5, 2)).depthwise_conv2d(weight_hwcm).build()


def _transposed() -> Network:
    weight_hwoi = symmetric(gentle_weights((3, 3, 2, 2), fan_in=2, seed=4))
    builder = NetworkBuilder((3, 3, 2))
    return builder.conv2d_transpose(weight_hwoi, strides=(2, 2), padding="same").build()


def _average_pooling() -> Network:
    builder = NetworkBuilder((4, 4, 2))
    return builder.average_pooling((2, 2), weight_c=pooling_weight()).build()


def _max_pooling(method: str) -> Network:
    builder = NetworkBuilder((4, 4, 2))
    return builder.max_pooling((2, 2), method=method, weight_c=pooling_weight()).build()


def _up_sampling() -> Network:
    return NetworkBuilder((3, 3, 2)).up_sampling((2, 2), weight_c=pooling_weight()).build()


def _add() -> Network:
    builder = NetworkBuilder((4,)).dense(gentle_weights((4, 5), fan_in=4, seed=5))
    first = builder.last
    source = builder.build().input.name
    second = builder.dense(gentle_weights((4, 5), fan_in=4, seed=6), inputs=[source]).last
    return builder.add([first, second], weight_nc=[PASS_ON / 2, PASS_ON / 2]).build()


def _flatten() -> Network:
    weight_io = gentle_weights((12, 4), fan_in=12, seed=7)
    return NetworkBuilder((2, 2, 3)).flatten().dense(weight_io).build()


def _reshape() -> Network:
    weight_hwio = symmetric(gentle_weights((2, 2, 2, 3), fan_in=8, seed=8))
    return NetworkBuilder((18,)).reshape((3, 3, 2)).conv2d(weight_hwio).build()


def _zero_padding() -> Network:
    weight_hwio = symmetric(gentle_weights((2, 2, 2, 3), fan_in=2, seed=9))
    builder = NetworkBuilder((3, 3, 2)).zero_padding(((1, 0), (0, 1)))
    return builder.conv2d(weight_hwio).build()


def _concatenate() -> Network:
    builder = NetworkBuilder((3, 3, 2))
    builder.concatenate([builder.last, builder.last])
    weight_hwio = symmetric(gentle_weights((2, 2, 4, 3), fan_in=16, seed=10))
    return builder.conv2d(weight_hwio).build()


LAYER_KINDS: Mapping[str, Callable[[], Network]] = {
    "Dense": dense,
    "Conv1D": _conv1d,
    "Conv2D": lambda: conv2d((4, 4, 1)),
    "DepthwiseConv2D": _depthwise,
    "Conv2DTranspose": _transposed,
    "AveragePooling2D": _average_pooling,
    "MaxPooling2D": lambda: _max_pooling("fir_max"),
    "UpSampling2D": _up_sampling,
    "Add": _add,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "ZeroPadding2D": _zero_padding,
    "Concatenate": _concatenate,
}
"""Layer kind to a network that holds one layer of it and little else."""


def non_square(kind: str) -> Network:
    """Return a layer whose channels, height and width, and both sides of the kernel, all differ."""
    builder = NetworkBuilder((6, 4, 2))
    if kind == "Conv2D":
        return builder.conv2d(gentle_weights((3, 2, 2, 3), fan_in=12, seed=11)).build()
    if kind == "DepthwiseConv2D":
        weight_hwcm = gentle_weights((3, 2, 2, 2), fan_in=6, seed=12)
        return builder.depthwise_conv2d(weight_hwcm).build()
    if kind == "Conv2DTranspose":
        weight_hwoi = gentle_weights((2, 3, 3, 2), fan_in=2, seed=13)
        return builder.conv2d_transpose(weight_hwoi).build()
    if kind == "AveragePooling2D":
        return builder.average_pooling((4, 2), strides=(2, 2), weight_c=pooling_weight()).build()
    return builder.up_sampling((1, 3), weight_c=pooling_weight()).build()


def pooling_at_borders() -> Network:
    """Return average pooling whose last windows reach over the border (one and two cells used)."""
    builder = NetworkBuilder((5, 5, 2))
    return builder.average_pooling((2, 2), padding="same", weight_c=pooling_weight()).build()


def max_pooling(method: str, *, overlapping: bool) -> Network:
    """Return clocks followed by max pooling."""
    pool, strides = ((3, 3), (2, 2)) if overlapping else ((2, 2), (2, 2))
    builder = clocks((5, 5, 1) if overlapping else (4, 4, 1))
    return builder.max_pooling(pool, strides=strides, method=method, weight_c=PASS_ON).build()


def softmax() -> Network:
    """Return one layer whose neurons draw their spikes from a softmax."""
    return dense(outputs=5, seed=30, activation=Softmax())


def unconnected_neuron() -> Network:
    """Return a layer in which the second of four neurons has no synapses."""
    weight_io = gentle_weights((3, 4), fan_in=3, seed=31)
    weight_io[:, 1] = 0
    return NetworkBuilder((3,)).dense(weight_io).build()


def weights(*rows: Sequence[float], **common: Any) -> Network:
    """Return one fully connected layer with the given weights in units of 1/1024."""
    weight_io = np.array(rows, np.float32) * np.float32(WEIGHT_UNIT)
    readout = common.pop("readout", "counts")
    return NetworkBuilder((len(rows),)).dense(weight_io, **common).build(readout=readout)


def overshoot() -> Float32[Array, "i o"]:
    """Return weights of three neurons, driven by spikes, that pass the threshold by various parts.

    Each is driven by one neuron before it; the second gets 2.25 thresholds at once.
    """
    return np.diag([720 / 1024, 2.25, 1.40625]).astype(np.float32)


def overshooting(*, bias: int = 0) -> Network:
    """Return neurons of which each input makes them pass the threshold by another part.

    Parameters
    ----------
    bias
        Bias of every neuron in units of 1/1024.
    """
    return weights((1100, 1500, 2304, 540), bias_o=np.full(4, bias * WEIGHT_UNIT))


def leaking(drive: float) -> Network:
    """Return neurons for which it matters how much leaks, and where the leak ends.

    The first neuron gets ``drive`` / 1024 in each step: enough to spike in every second step or so.
    The next spikes always. Of the spikes of both, the last neuron receives little from the second,
    which the leak takes away; if its potential went below 0, a spike of the first would not
    suffice.
    """
    builder = NetworkBuilder((1,)).dense(np.array([[drive, 1500]]) * WEIGHT_UNIT)
    return builder.dense(np.array([[1116], [51]]) * WEIGHT_UNIT).build()


def optional() -> Network:
    """Return two layers of neurons, for options of the cell."""
    builder = NetworkBuilder((4,)).dense(gentle_weights((4, 5), fan_in=2, seed=46))
    return builder.dense(dyadic((5, 3), generator(47), low=0.3, high=0.6)).build()


def biased_by_step() -> Network:
    """Return a convolution and a dense layer with a bias in each of the first ten steps."""
    bias_t_o = dyadic((10, 2), generator(51), low=-0.4, high=0.6)
    builder = NetworkBuilder((4, 4, 1))
    kernel = dyadic((3, 3, 1, 2), generator(50), low=0.02, high=0.08)
    builder.conv2d(kernel, bias_o=dyadic((2,), generator(52), low=0.1, high=0.2), bias_t_c=bias_t_o)
    weight_io = dyadic((8, 3), generator(53), low=0.1, high=0.2)
    return builder.flatten().dense(weight_io, bias_t_c=bias_t_o[:, :1]).build()


def activated(name: str) -> Network:
    """Return two layers of neurons for the given kind of activation."""
    kind = QuantizedReLU(step=1 / 16, max_value=1.0) if name == "QuantizedReLU" else KINDS[name]()
    weight_io = dyadic((4, 5), generator(48), low=0.1, high=0.3)
    if name == "BinaryTanh":  # whose spikes may be negative
        weight_io = weight_io * np.array([1, -1, 1, -1, 1], np.float32)
    builder = NetworkBuilder((4,))
    # A threshold that no rounded potential can be equal to
    builder.dense(weight_io, activation=kind, threshold=31 / 32)
    return builder.dense(dyadic((5, 3), generator(49), low=0.3, high=0.6)).build()


def regular_input() -> Network:
    """Return four neurons, each with one input of its own and one shared by all."""
    weight_io = np.diag([100, 120, 200, 330]) + np.diag([40, 40, 40], k=1)
    return weights(*weight_io.tolist())


def one_to_one(size: int, *, weight: int = 205) -> Network:
    """Return neurons with one input each; every fifth spike of value 1 makes them spike.

    Parameters
    ----------
    weight
        The weight in units of 1/1024.
    """
    return weights(*(weight * np.eye(size)).tolist())


def events(size: int, *, steps: int, signed: bool) -> CellEvents:
    """Return events of a sensor with the given number of cells, some of them at the same time.

    The first cells have an event in nearly every step, the last ones none. If signed, every eighth
    event is negative.
    """
    rng = generator(61)
    number_c = np.linspace(steps, 0, size).astype(np.int64)
    cell_e = np.repeat(np.arange(size), number_c)
    t_us_e = rng.integers(0, STEP_US * steps, len(cell_e))
    order = np.argsort(t_us_e, kind="stable")
    sign_e = np.where(signed & (np.arange(len(cell_e)) % 8 == 7), -1, 1)
    return CellEvents(
        cell_e=cell_e[order], sign_e=sign_e.astype(np.int8), t_us_e=t_us_e[order], shape=(size,)
    )

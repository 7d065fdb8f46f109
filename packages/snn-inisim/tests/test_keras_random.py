"""Random legal Keras graphs compute the same after parsing."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers as kl
from keras_zoo import randomized

from snn_core.evaluation.forward import predict
from snn_core.parsing import parse
from snn_core.parsing.keras.model import KerasParser

pytestmark = pytest.mark.exhaustive

EXAMPLES = 50
Draw = st.DrawFn
SIZES = st.integers(1, 3)
PADDINGS = st.sampled_from(["valid", "same"])
ACTIVATIONS = st.sampled_from([None, "relu", "relu6", kl.ReLU(max_value=0.7)])


def window(draw: Draw, x: Any, *, dilated: bool = True) -> dict[str, Any]:
    """Return a kernel that fits into an image, and its strides or dilation."""
    kernel = tuple(draw(st.integers(1, min(4, size))) for size in x.shape[1:3])
    found = {"kernel_size": kernel, "padding": draw(PADDINGS)}
    if dilated and draw(st.booleans()) and found["padding"] == "same":
        return {**found, "dilation_rate": draw(st.tuples(SIZES, SIZES))}
    return {**found, "strides": draw(st.tuples(SIZES, SIZES))}


def convolution(draw: Draw, x: Any) -> Any:
    groups = draw(st.sampled_from([n for n in (1, 2, 3) if x.shape[-1] % n == 0]))
    filters = groups * draw(SIZES)
    activation, bias = draw(ACTIVATIONS), draw(st.booleans())
    kwargs = {"groups": groups, "activation": activation, "use_bias": bias, **window(draw, x)}
    return kl.Conv2D(filters, **kwargs)(x)


def depthwise(draw: Draw, x: Any) -> Any:
    kwargs = window(draw, x, dilated=False)
    kwargs["strides"] = kwargs["strides"][0]
    kind = draw(st.sampled_from([kl.DepthwiseConv2D, kl.SeparableConv2D]))
    first = (draw(SIZES),) if kind is kl.SeparableConv2D else ()
    return kind(*first, depth_multiplier=draw(st.integers(1, 2)), **kwargs)(x)


def transposed(draw: Draw, x: Any) -> Any:
    kwargs = {"kernel_size": draw(st.tuples(SIZES, SIZES)), "padding": draw(PADDINGS)}
    strides = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    return kl.Conv2DTranspose(draw(SIZES), strides=strides, **kwargs)(x)


def pooling(draw: Draw, x: Any) -> Any:
    size = tuple(draw(st.integers(1, min(3, size))) for size in x.shape[1:3])
    kwargs = {"strides": draw(st.tuples(SIZES, SIZES)), "padding": draw(PADDINGS)}
    if draw(st.booleans()):
        return kl.AveragePooling2D(size, **kwargs)(x)
    if draw(st.booleans()):
        x = kl.ReLU()(x)
    return kl.MaxPooling2D(size, **kwargs)(normalization(draw, x) if draw(st.booleans()) else x)


def normalization(draw: Draw, x: Any) -> Any:
    axis = draw(st.sampled_from([-1, -1, -1, 1, 2]))
    flags = {name: draw(st.booleans()) for name in ("scale", "center")}
    return kl.BatchNormalization(axis=axis, **flags)(x)


def simple(draw: Draw, x: Any) -> Any:
    padding = draw(st.tuples(st.tuples(SIZES, SIZES), st.tuples(SIZES, SIZES)))
    return draw(
        st.sampled_from(
            [kl.ReLU(), kl.ReLU(max_value=1.5), kl.Dropout(0.5), kl.UpSampling2D((1, 2)),
             kl.ZeroPadding2D(padding), kl.Dense(2, activation="relu"), kl.Rescaling(-0.5, 0.2)]
        )
    )(x)  # fmt: skip


def nested(draw: Draw, x: Any) -> Any:
    """Apply a model of its own, sometimes twice."""
    start = keras.Input(x.shape[1:])
    inside = kl.ReLU()(normalization(draw, kl.Conv2D(x.shape[-1], 3, padding="same")(start)))
    model = keras.Model(start, inside)
    return model(model(x)) if draw(st.booleans()) else model(x)


def join(draw: Draw, tensors: list[Any]) -> Any:
    """Join tensors that fit: two, three or four of one shape, or along the channels."""
    x = draw(st.sampled_from(tensors))
    same = [y for y in tensors if y.shape == x.shape]
    beside = [y for y in tensors if y.shape[:3] == x.shape[:3]]
    chosen = draw(st.lists(st.sampled_from(same), min_size=1, max_size=3))
    kind = draw(st.sampled_from([kl.Add, kl.Average, kl.Concatenate]))
    if kind is kl.Concatenate:
        chosen = draw(st.lists(st.sampled_from(beside), min_size=1, max_size=3))
    return kind()([x, *chosen])


STEPS = (
    convolution, convolution, depthwise, transposed, pooling, normalization, normalization, simple,
    simple, nested,
)  # fmt: skip


@st.composite
def models(draw: Draw) -> Any:
    """Return a random graph: every new tensor reads a random earlier one, or joins several."""
    tensors = [start := keras.Input(draw(st.tuples(*[st.integers(4, 9)] * 2, SIZES)))]
    for _ in range(draw(st.integers(2, 7))):
        if draw(st.integers(0, 3)) == 0:
            x = join(draw, tensors)
        else:
            x = draw(st.sampled_from(STEPS))(draw, draw(st.sampled_from(tensors[-3:])))
        if np.prod(x.shape[1:]) < 4000:
            tensors.append(x)
    x = tensors[-1]
    x = draw(st.sampled_from([kl.Flatten(), kl.GlobalAveragePooling2D()]))(x)
    x = kl.Dense(3, activation=draw(st.sampled_from([None, "relu", "softmax"])))(x)
    return randomized(keras.Model(start, x), seed=draw(st.integers(0, 99)))


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(model=models())
def test_random_graphs_compute_what_keras_computes(model: Any) -> None:
    network = parse(model, parsers=[KerasParser()])
    x_b_l = np.random.default_rng(2).normal(0, 1, (2, *network.input.output_shape)).astype("f4")
    expected = np.asarray(model(x_b_l, training=False))
    # Sums can cancel, so that rounding is judged against the size of what is summed as well.
    allowed = 1e-4 * max(float(np.abs(expected).max()), 1e-2)
    np.testing.assert_allclose(predict(network, x_b_l), expected, rtol=0, atol=allowed)

"""Keras networks that must be read exactly: every rule alone, and the usual architectures.

All weights are random, batch-normalization gains of both signs among them, and no image is square.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl
from keras import ops

PIPELINE = getattr(kl, "Pipeline", keras.Sequential)
"""What holds layers of preprocessing; Keras has a class of its own since 3.7."""

IMAGE = (8, 7, 3)
SEQUENCE = (11, 3)


def randomized(model: Any, seed: int = 0) -> Any:
    """Return the model with random weights; normalization gains are negative for some channels."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if not variable.dtype.startswith("float"):
            continue  # states of random generators
        shape = tuple(variable.shape)
        if "variance" in variable.name:
            value = rng.uniform(0.3, 2.0, shape)
        elif "kernel" in variable.name:
            value = rng.normal(0, 1, shape) / np.sqrt(max(np.prod(shape[:-1]), 1))
        else:
            value = rng.normal(0, 0.7, shape)
        variable.assign(value.astype(np.float32))
    return model


def chain(*layers: Any, shape: tuple[int, ...] = IMAGE) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


def head(*layers: Any, shape: tuple[int, ...] = IMAGE) -> Any:
    """Return a chain that ends in a dense layer, so that it has weights whatever is tested."""
    return chain(*layers, kl.Flatten(), kl.Dense(4), shape=shape)


def around_conv(function: Callable[[Any], Any]) -> Any:
    """Return a functional model of a convolution, a function and a dense layer."""
    start = keras.Input(IMAGE)
    return keras.Model(start, kl.Dense(4)(kl.Flatten()(function(kl.Conv2D(4, 3)(start)))))


LAYERS: dict[str, Callable[[], Any]] = {
    "dense": lambda: chain(kl.Dense(4, activation="relu"), kl.Dense(3), shape=(6,)),
    "dense without bias": lambda: chain(kl.Dense(4, use_bias=False), shape=(6,)),
    "dense on images": lambda: head(kl.Dense(5, activation="relu")),
    "dense on sequences": lambda: head(kl.Dense(5, activation="relu"), shape=SEQUENCE),
    "dense softmax": lambda: chain(kl.Dense(4, activation="softmax"), shape=(6,)),
    "dense relu6": lambda: head(kl.Dense(4, activation="relu6")),
    "conv same": lambda: head(kl.Conv2D(4, (3, 2), padding="same")),
    "conv even kernel": lambda: head(kl.Conv2D(4, (4, 2), padding="same", strides=(2, 3))),
    "conv strides": lambda: head(kl.Conv2D(4, 3, strides=(1, 2))),
    "conv dilation": lambda: head(kl.Conv2D(4, (2, 3), dilation_rate=(3, 2), padding="same")),
    "conv groups": lambda: head(kl.Conv2D(4, 1), kl.Conv2D(6, 3, groups=2)),
    "conv1d": lambda: head(kl.Conv1D(4, 3, strides=2, padding="same"), shape=SEQUENCE),
    "conv1d causal": lambda: head(
        kl.Conv1D(4, 3, dilation_rate=2, padding="causal"), shape=SEQUENCE
    ),
    "conv1d groups": lambda: head(kl.Conv1D(6, 2, groups=3), shape=SEQUENCE),
    "depthwise": lambda: head(kl.DepthwiseConv2D((3, 2), depth_multiplier=2, padding="same")),
    "depthwise 1d": lambda: head(
        kl.DepthwiseConv1D(3, depth_multiplier=2, strides=2), shape=SEQUENCE
    ),
    "separable": lambda: head(
        kl.SeparableConv2D(5, (3, 2), strides=2, depth_multiplier=2, activation="relu")
    ),
    "transposed": lambda: head(kl.Conv2DTranspose(4, (3, 2), strides=(2, 3))),
    "transposed same": lambda: head(kl.Conv2DTranspose(4, (3, 4), strides=(2, 2), padding="same")),
    "up-sampling": lambda: head(kl.UpSampling2D((2, 3))),
    "up-sampling 1d": lambda: head(kl.UpSampling1D(3), shape=SEQUENCE),
    "average pooling": lambda: head(kl.AveragePooling2D((2, 3), padding="same")),
    "average pooling overlapping": lambda: head(kl.AveragePooling2D(3, strides=(1, 2))),
    "average pooling 1d": lambda: head(
        kl.AveragePooling1D(3, strides=2, padding="same"), shape=SEQUENCE
    ),
    "max pooling": lambda: head(kl.ReLU(), kl.MaxPooling2D((3, 2), strides=2, padding="same")),
    "max pooling 1d": lambda: head(kl.ReLU(), kl.MaxPooling1D(2), shape=SEQUENCE),
    "max pooling before relu": lambda: head(kl.Conv2D(4, 3), kl.MaxPooling2D(), kl.ReLU()),
    "max pooling of sums": lambda: head(kl.Conv2D(4, 3), kl.MaxPooling2D()),
    "max pooling of the input": lambda: head(kl.MaxPooling2D(3, strides=1, padding="same")),
    "bn between relu and max pooling": lambda: head(
        kl.Conv2D(4, 3, activation="relu"),
        kl.BatchNormalization(),
        kl.MaxPooling2D((3, 2), strides=2, padding="same"),
        kl.Conv2D(3, 2, padding="same", activation="relu"),
    ),
    "bn after relu twice, then max pooling": lambda: head(
        kl.Conv2D(4, 3, padding="same", activation="relu"),
        kl.BatchNormalization(),
        kl.Conv2D(4, 3, padding="same", activation="relu"),
        kl.BatchNormalization(),
        kl.MaxPooling2D(),
        kl.Dropout(0.2),
    ),
    "bn between relu and max pooling 1d": lambda: head(
        kl.Conv1D(4, 3, activation="relu"),
        kl.BatchNormalization(),
        kl.MaxPooling1D(3, strides=2, padding="same"),
        kl.Conv1D(3, 2, padding="same"),
        shape=SEQUENCE,
    ),
    "bn before global maximum": lambda: chain(
        kl.Conv2D(4, 3, activation="relu"),
        kl.BatchNormalization(),
        kl.GlobalMaxPooling2D(),
        kl.Dense(3),
    ),
    "global average": lambda: chain(kl.GlobalAveragePooling2D(), kl.Dense(3)),
    "global average kept": lambda: chain(kl.Conv2D(4, 3), kl.GlobalAveragePooling2D(keepdims=True)),
    "global average 1d": lambda: chain(kl.GlobalAveragePooling1D(), kl.Dense(3), shape=SEQUENCE),
    "global maximum": lambda: chain(
        kl.Conv2D(4, 3, activation="relu"), kl.GlobalMaxPooling2D(), kl.Dense(3)
    ),
    "global maximum 1d": lambda: chain(
        kl.Conv1D(4, 3, activation="relu"), kl.GlobalMaxPooling1D(), kl.Dense(3), shape=SEQUENCE
    ),
    "reshape": lambda: chain(
        kl.Dense(24), kl.Reshape((4, -1, 2)), kl.Conv2D(3, 2), kl.Flatten(), shape=(6,)
    ),
    "zero padding": lambda: head(kl.ZeroPadding2D(((1, 0), (2, 3))), kl.Conv2D(4, 3)),
    "zero padding pair": lambda: head(kl.ZeroPadding2D((1, 2)), kl.Conv2D(4, 3)),
    "zero padding 1d": lambda: head(kl.ZeroPadding1D((2, 1)), kl.Conv1D(4, 3), shape=SEQUENCE),
    "relu layer": lambda: head(kl.Conv2D(4, 3), kl.ReLU()),
    "relu6 layer": lambda: head(kl.Conv2D(4, 3), kl.ReLU(max_value=0.5)),
    "activation layer": lambda: head(kl.Conv2D(4, 3), kl.Activation("relu")),
    "relu of the input": lambda: head(kl.ReLU()),
    "relu of relu": lambda: head(kl.Conv2D(4, 3, activation="relu"), kl.ReLU(max_value=0.5)),
    "softmax layer": lambda: chain(kl.Dense(4), kl.Softmax(), shape=(6,)),
    "softmax of rectified values": lambda: chain(
        kl.Dense(4, activation="relu"), kl.Softmax(), shape=(6,)
    ),
    "softmax before flatten": lambda: chain(
        kl.Conv2D(4, (8, 7)), kl.Activation("softmax"), kl.Flatten()
    ),
    "activation object": lambda: head(kl.Conv2D(4, 3, activation=kl.ReLU(max_value=0.5))),
    "inert": lambda: head(
        kl.GaussianNoise(0.5),
        kl.Conv2D(4, 3),
        kl.SpatialDropout2D(0.5),
        kl.GaussianDropout(0.5),
        kl.ActivityRegularization(0.1),
        kl.Dropout(0.5),
    ),
    "rescaling": lambda: head(kl.Rescaling(1 / 127.5, offset=-1), kl.Conv2D(4, 3, padding="same")),
    "rescaling per channel": lambda: head(
        kl.Rescaling(np.array([1.0, 2.0, -3.0]), offset=[0.5, 0.0, 1.0]), kl.Conv2D(4, 3)
    ),
    "bn first": lambda: head(kl.BatchNormalization(), kl.Conv2D(4, 3)),
    "bn first, padded": lambda: head(
        kl.BatchNormalization(), kl.Conv2D(4, 3, padding="same", activation="relu")
    ),
    "bn without scale": lambda: head(kl.Conv2D(4, 3), kl.BatchNormalization(scale=False)),
    "bn without center": lambda: head(kl.Conv2D(4, 3), kl.BatchNormalization(center=False)),
    "bn after dense": lambda: chain(kl.Dense(4), kl.BatchNormalization(), kl.ReLU(), shape=(6,)),
    "bn after conv1d": lambda: head(kl.Conv1D(4, 3), kl.BatchNormalization(), shape=SEQUENCE),
    "bn on sequences": lambda: head(kl.BatchNormalization(), kl.ReLU(), shape=SEQUENCE),
    "bn after depthwise": lambda: head(
        kl.DepthwiseConv2D(3, depth_multiplier=2), kl.BatchNormalization(), kl.ReLU()
    ),
    "bn after transposed": lambda: head(
        kl.Conv2DTranspose(4, 3, strides=2), kl.BatchNormalization(), kl.ReLU()
    ),
    "bn before transposed": lambda: head(kl.BatchNormalization(), kl.Conv2DTranspose(4, 3)),
    "bn before grouped": lambda: head(
        kl.Conv2D(4, 1, activation="relu"), kl.BatchNormalization(), kl.Conv2D(6, 3, groups=2)
    ),
    "bn before depthwise": lambda: head(kl.BatchNormalization(), kl.DepthwiseConv2D(3)),
    "bn along rows": lambda: head(kl.Conv2D(4, 3), kl.BatchNormalization(axis=1), kl.ReLU()),
    "bn of the output": lambda: chain(
        kl.Dense(4, activation="relu"), kl.BatchNormalization(), shape=(6,)
    ),
    "bn of the flattened": lambda: chain(
        kl.Conv2D(4, 3, activation="relu"), kl.Flatten(), kl.BatchNormalization(), kl.Dense(3)
    ),
    "bn before flatten": lambda: head(kl.Conv2D(4, 3, activation="relu"), kl.BatchNormalization()),
    "conv relu bn": lambda: head(
        kl.Conv2D(4, 3, activation="relu"), kl.BatchNormalization(), kl.Conv2D(4, 2, padding="same")
    ),
    "conv pool bn relu": lambda: head(
        kl.Conv2D(4, 3), kl.AveragePooling2D(2), kl.BatchNormalization(), kl.ReLU()
    ),
    "conv global bn relu": lambda: chain(
        kl.Conv2D(4, 3),
        kl.GlobalAveragePooling2D(),
        kl.BatchNormalization(),
        kl.ReLU(),
        kl.Dense(3),
    ),
}

LAYERS |= {
    "conv dilated groups": lambda: head(
        kl.Conv2D(4, 1), kl.Conv2D(6, (2, 3), groups=2, dilation_rate=(1, 2), padding="same")
    ),
    "conv1d dilation": lambda: head(kl.Conv1D(4, 2, dilation_rate=3), shape=SEQUENCE),
    "conv1d even kernel": lambda: head(
        kl.Conv1D(4, 4, padding="same", activation="relu"), shape=SEQUENCE
    ),
    "depthwise strides": lambda: head(kl.DepthwiseConv2D((3, 2), strides=2, padding="same")),
    "depthwise dilation": lambda: head(kl.DepthwiseConv2D(2, dilation_rate=(3, 2))),
    "separable 1d": lambda: head(
        kl.SeparableConv1D(5, 3, strides=2, depth_multiplier=2, activation="relu"), shape=SEQUENCE
    ),
    "separable 1d dilation": lambda: head(
        kl.SeparableConv1D(5, 3, dilation_rate=2, padding="same"), shape=SEQUENCE
    ),
    "separable same": lambda: head(kl.SeparableConv2D(5, (4, 3), padding="same")),
    "transposed 1d": lambda: head(kl.Conv1DTranspose(4, 3, strides=2), shape=SEQUENCE),
    "transposed 1d same": lambda: head(
        kl.Conv1DTranspose(4, 4, strides=3, padding="same", activation="relu"), shape=SEQUENCE
    ),
    "bn after transposed 1d": lambda: head(
        kl.Conv1DTranspose(4, 3), kl.BatchNormalization(), kl.ReLU(), shape=SEQUENCE
    ),
    "max pooling overlapping": lambda: head(kl.ReLU(), kl.MaxPooling2D(3, strides=(1, 2))),
    "max pooling 1d overlapping": lambda: head(
        kl.ReLU(), kl.MaxPooling1D(4, strides=3, padding="same"), shape=SEQUENCE
    ),
    "global maximum kept": lambda: chain(
        kl.Conv2D(4, 3, activation="relu"), kl.GlobalMaxPooling2D(keepdims=True), kl.Conv2D(3, 1)
    ),
    "global average 1d kept": lambda: head(
        kl.Conv1D(4, 3, activation="relu"), kl.GlobalAveragePooling1D(keepdims=True), shape=SEQUENCE
    ),
    "zero padding before depthwise": lambda: head(
        kl.ZeroPadding2D((1, 2)), kl.DepthwiseConv2D(3, strides=2)
    ),
    "zero padding before transposed": lambda: head(
        kl.ZeroPadding2D(((0, 1), (2, 0))), kl.Conv2DTranspose(4, 2)
    ),
    "zero padding before separable": lambda: head(
        kl.ZeroPadding2D(1), kl.SeparableConv2D(4, 3, activation="relu")
    ),
    "relu, zero padding, conv": lambda: head(
        kl.Conv2D(4, 3), kl.ZeroPadding2D(1), kl.ReLU(), kl.Conv2D(4, 3)
    ),
    "bn, zero padding, conv": lambda: head(
        kl.BatchNormalization(), kl.ZeroPadding2D(1), kl.Conv2D(4, 3)
    ),
    "cropping": lambda: head(kl.Conv2D(4, 2, activation="relu"), kl.Cropping2D(((1, 0), (2, 1)))),
    "cropping 1d": lambda: head(kl.Cropping1D((2, 3)), kl.Conv1D(4, 3), shape=SEQUENCE),
    "bn along columns": lambda: head(kl.Conv2D(4, 3), kl.BatchNormalization(axis=2), kl.ReLU()),
    "bn along steps": lambda: head(
        kl.Conv1D(4, 3), kl.BatchNormalization(axis=1), kl.ReLU(), shape=SEQUENCE
    ),
    "bn after max pooling": lambda: head(
        kl.Conv2D(4, 3, activation="relu"), kl.MaxPooling2D(2), kl.BatchNormalization(), kl.ReLU()
    ),
    "bn after separable": lambda: head(
        kl.SeparableConv2D(4, 3), kl.BatchNormalization(), kl.ReLU(max_value=6)
    ),
    "bn after up-sampling": lambda: head(
        kl.Conv2D(4, 3), kl.UpSampling2D(2), kl.BatchNormalization(), kl.ReLU()
    ),
    "bn twice": lambda: head(
        kl.Conv2D(4, 3), kl.BatchNormalization(), kl.BatchNormalization(), kl.ReLU()
    ),
    "bn before padded conv1d": lambda: head(
        kl.BatchNormalization(), kl.Conv1D(4, 3, padding="causal"), shape=SEQUENCE
    ),
    "relu between conv and bn": lambda: head(
        kl.Conv2D(4, 3), kl.ReLU(), kl.BatchNormalization(), kl.ReLU(), kl.Conv2D(3, 2)
    ),
    "single cells": lambda: head(
        kl.Conv2D(4, 3), kl.MaxPooling2D(1, strides=(2, 3)), kl.Conv2D(3, 2)
    ),
    "single cells, same": lambda: head(kl.Conv2D(4, 2), kl.MaxPooling2D(1, 2, padding="same")),
    "single cells 1d": lambda: head(kl.Conv1D(4, 3), kl.MaxPooling1D(1, 2), shape=SEQUENCE),
    "normalization": lambda: head(
        kl.Normalization(mean=[0.5, 0.4, 0.1], variance=[0.1, 2.0, 0.3]),
        kl.Conv2D(4, 3, padding="same"),
    ),
    "normalization by numbers": lambda: head(
        kl.Normalization(axis=None, mean=0.5, variance=0.1), kl.Conv2D(4, 3)
    ),
    "normalization of rows": lambda: head(
        kl.Normalization(axis=1, mean=np.linspace(0, 1, 8), variance=np.linspace(1, 2, 8))
    ),
    "normalization inverted": lambda: head(
        kl.Normalization(mean=[0.5, 0.4, 0.1], variance=[0.1, 2.0, 0.3], invert=True)
    ),
    "augmentation": lambda: head(
        keras.Sequential([kl.RandomFlip("horizontal"), kl.RandomRotation(0.1)]), kl.Conv2D(4, 3)
    ),
    "augmentation pipeline": lambda: head(
        PIPELINE([kl.RandomZoom(0.2), kl.Rescaling(2.0)]), kl.Conv2D(4, 3)
    ),
    "centre crop": lambda: head(kl.CenterCrop(5, 4), kl.Conv2D(4, 3)),
    "crop to the same": lambda: head(kl.RandomCrop(8, 7), kl.Conv2D(4, 3)),
    "permuted": lambda: head(kl.Permute((3, 1, 2)), kl.Permute((2, 3, 1)), kl.Conv2D(4, 3)),
    "functions of tensorflow": lambda: chain(
        kl.Dense(5, activation=tf.nn.relu),
        kl.Dense(4, activation=tf.nn.relu6),
        kl.Dense(6, activation=tf.identity),
        kl.Dense(3, activation=tf.nn.softmax),
        shape=(6,),
    ),
    **{
        name: lambda function=function: around_conv(function)
        for name, function in {
            "twice": lambda y: ops.relu(2.0 * y),
            "half": lambda y: ops.relu(y / 2),
            "one minus": lambda y: ops.relu(1.0 - y),
            "negated": lambda y: ops.relu(-y),
            "shifted by channel": lambda y: ops.relu(
                ops.add(y, np.array([0.1, -0.2, 0.3, 0.0], np.float32))
            ),
            "scaled by a tensor": lambda y: ops.relu(y * tf.constant([1.0, 0.5, -1.0, 2.0])),
            "maximum with 0": lambda y: ops.maximum(0.0, y),
            "minimum with a number": lambda y: ops.minimum(ops.relu(y), 0.6),
            "clip": lambda y: ops.clip(y, 0.0, 0.7),
            "reshape": lambda y: ops.reshape(ops.relu(y), (-1, 15, 8)),
            "mean over space": lambda y: ops.mean(ops.relu(y), axis=(1, 2)),
            "sum over rows": lambda y: ops.sum(ops.relu(y), axis=1),
            "maximum over space": lambda y: ops.max(ops.relu(y), axis=[1, 2], keepdims=True),
            "mean over channels": lambda y: ops.mean(ops.relu(y), axis=-1),
            "mean of the flattened": lambda y: ops.mean(
                ops.reshape(ops.relu(y), (-1, 30, 4)), axis=1
            ),
            "squeeze": lambda y: ops.squeeze(ops.mean(ops.relu(y), axis=(1, 2), keepdims=True)),
            "expand": lambda y: ops.expand_dims(kl.GlobalAveragePooling2D()(y), [1, 2]),
            "transpose": lambda y: ops.transpose(ops.relu(y), (0, 2, 1, 3)),
            "slice": lambda y: ops.relu(y)[:, 1:5, ::2],
            "pad": lambda y: kl.Conv2D(3, 2)(ops.pad(y, ((0, 0), (1, 0), (2, 1), (0, 0)))),
            "average pool": lambda y: ops.average_pool(ops.relu(y), (2, 3), padding="same"),
            "max pool": lambda y: ops.max_pool(ops.relu(y), 2, strides=1),
        }.items()
    },
}
"""Name of a rule to a network that needs it."""

# Keras before 3.13 does not write this setting into its files and cannot load it back itself.
if "output_padding" in kl.Conv2DTranspose(1, 1).get_config():
    LAYERS["transposed output padding"] = lambda: head(
        kl.Conv2DTranspose(4, 3, strides=(2, 3), padding="same", output_padding=(1, 0))
    )


def lenet() -> Any:
    return chain(
        kl.Conv2D(4, 3, padding="same"),
        kl.BatchNormalization(),
        kl.ReLU(),
        kl.AveragePooling2D(2),
        kl.Conv2D(6, 3),
        kl.Activation("relu"),
        kl.BatchNormalization(),
        kl.Dropout(0.3),
        kl.Flatten(),
        kl.Dense(8, activation="relu"),
        kl.Dense(5),
        kl.Softmax(),
    )


def resnet() -> Any:
    x = start = keras.Input(IMAGE)
    x = kl.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = kl.ReLU()(kl.BatchNormalization()(x))
    for strides in (1, 2):
        y = kl.Conv2D(4, 3, padding="same", strides=strides)(x)
        y = kl.ReLU()(kl.BatchNormalization()(y))
        y = kl.BatchNormalization()(kl.Conv2D(4, 3, padding="same")(y))
        short = x if strides == 1 else kl.BatchNormalization()(kl.Conv2D(4, 1, strides=2)(x))
        x = kl.ReLU()(kl.Add()([y, short]))
    return keras.Model(start, kl.Dense(3)(kl.GlobalAveragePooling2D()(x)))


def preactivation_resnet() -> Any:
    """The sum is read by a normalization and, unrectified, by the next sum."""
    x = start = keras.Input(IMAGE)
    x = kl.Conv2D(4, 3, padding="same")(x)
    for _ in range(2):
        y = kl.ReLU()(kl.BatchNormalization()(x))
        y = kl.Conv2D(4, 3, padding="same")(y)
        x = kl.Add()([x, y])
    x = kl.ReLU()(x)
    return keras.Model(start, kl.Dense(3)(kl.Flatten()(x)))


def relu_read_twice() -> Any:
    """A convolution is read with and without rectification."""
    start = keras.Input(IMAGE)
    x = kl.Conv2D(4, 3)(start)
    y = kl.Concatenate()([kl.ReLU()(x), x])
    return keras.Model(start, kl.Dense(3)(kl.Flatten()(y)))


def branches() -> Any:
    start = keras.Input(IMAGE)
    a = kl.Conv2D(4, 3, padding="same", activation="relu")(start)
    b = kl.Conv2D(2, 1)(start)
    x = kl.Concatenate()([a, b, start])
    x = kl.ReLU()(kl.BatchNormalization()(x))
    y = kl.Concatenate(axis=1)([x, x])
    return keras.Model(start, kl.Dense(3)(kl.Flatten()(y)))


def sums() -> Any:
    start = keras.Input((6,))
    a, b, c = (kl.Dense(4)(start) for _ in range(3))
    x = kl.ReLU()(kl.Add()([a, b, c]))
    y = kl.Average()([x, a, b])
    z = kl.Subtract()([y, c])
    return keras.Model(start, kl.Dense(3)(z + x))


def shared() -> Any:
    start = keras.Input((6,))
    layer = kl.Dense(6, activation="relu")
    return keras.Model(start, kl.Dense(3)(layer(layer(start))))


def nested() -> Any:
    """Models inside models, one of them called twice, several layers of one class in each."""
    part_in = keras.Input(IMAGE)
    part_out = kl.Conv2D(3, 3, padding="same", name="twin")(part_in)
    part_out = kl.ReLU()(kl.BatchNormalization()(part_out))
    part = keras.Model(part_in, part_out, name="part")
    tail = keras.Sequential(
        [kl.Conv2D(4, 3, name="twin"), keras.Sequential([kl.Conv2D(5, 2), kl.ReLU()])], name="tail"
    )
    start = keras.Input(IMAGE)
    x = tail(part(part(start)))
    x = kl.Conv2D(2, 2)(x)
    return keras.Model(start, kl.Dense(3)(kl.Flatten()(x)))


def nested_at_the_end() -> Any:
    part_in = keras.Input((6,))
    part = keras.Model(part_in, kl.Dense(6)(part_in))
    start = keras.Input((6,))
    return keras.Model(start, part(part(start)))


def nested_with_two_inputs() -> Any:
    left, right = keras.Input((4,)), keras.Input((4,))
    join = keras.Model([left, right], kl.Subtract()([kl.Dense(3)(left), kl.Dense(3)(right)]))
    start = keras.Input((6,))
    return keras.Model(start, join([kl.Dense(4)(start), kl.Dense(4, activation="relu")(start)]))


def frozen() -> Any:
    """Frozen layers change the order in which .h5 files list the weights."""
    model = chain(kl.Conv2D(4, 3), kl.BatchNormalization(), kl.ReLU(), kl.Flatten(), kl.Dense(3))
    outer = keras.Sequential([keras.Input(IMAGE), model])
    model.layers[0].trainable = False
    return outer


def operations() -> Any:
    """Operations beside layers: they are no layers, so files do not count them."""
    start = keras.Input((6,))
    x = kl.Dense(6)(start)
    y = keras.ops.relu(x) + x
    z = kl.Add()([kl.Dense(6)(y), x])
    return keras.Model(start, kl.Dense(3)(z))


def unbuilt() -> Any:
    model = keras.Sequential([kl.Conv2D(4, 3, activation="relu"), kl.Flatten(), kl.Dense(3)])
    model.build((None, *IMAGE))
    return model


MODELS: dict[str, Callable[[], Any]] = {
    builder.__name__: builder
    for builder in (
        lenet,
        resnet,
        preactivation_resnet,
        relu_read_twice,
        branches,
        sums,
        shared,
        nested,
        nested_at_the_end,
        nested_with_two_inputs,
        frozen,
        operations,
        unbuilt,
    )
}

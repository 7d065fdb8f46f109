"""Small versions of the usual architectures, with random weights; see `keras_zoo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers as kl

IMAGE = (16, 12, 3)


def normalized(x: Any, filters: int, kernel: Any, *, relu: Any = True, **kwargs: Any) -> Any:
    """Return convolution, batch normalization and (unless turned off) ReLU."""
    x = kl.Conv2D(filters, kernel, padding="same", use_bias=False, **kwargs)(x)
    x = kl.BatchNormalization()(x)
    return kl.ReLU()(x) if relu else x


def classifier(start: Any, x: Any, classes: int = 5) -> Any:
    x = kl.GlobalAveragePooling2D()(x)
    return keras.Model(start, kl.Dense(classes, activation="softmax")(x))


def lenet5() -> Any:
    return keras.Sequential([
        keras.Input((28, 20, 1)),
        kl.Conv2D(6, 5, padding="same", activation="relu"), kl.AveragePooling2D(2),
        kl.Conv2D(8, 5, activation="relu"), kl.AveragePooling2D(2), kl.Flatten(),
        kl.Dense(12, activation="relu"), kl.Dense(10, activation="relu"),
        kl.Dense(10, activation="softmax"),
    ])  # fmt: skip


def vgg(*, normalize: bool = True) -> Any:
    x = start = keras.Input(IMAGE)
    for filters, depth in ((4, 2), (6, 2), (8, 3)):
        for _ in range(depth):
            if normalize:
                x = normalized(x, filters, 3)
            else:
                x = kl.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = kl.MaxPooling2D(2)(x)
    x = kl.Dropout(0.5)(kl.Dense(8, activation="relu")(kl.Flatten()(x)))
    return keras.Model(start, kl.Dense(5, activation="softmax")(x))


def vgg_without_bn() -> Any:
    return vgg(normalize=False)


def resnet18() -> Any:
    start = keras.Input(IMAGE)
    x = kl.MaxPooling2D(3, strides=2, padding="same")(normalized(start, 4, 7, strides=2))
    for filters, strides in ((4, 1), (6, 2), (8, 2), (10, 2)):
        for i in range(2):
            step = strides if i == 0 else 1
            y = normalized(normalized(x, filters, 3, strides=step), filters, 3, relu=False)
            if step > 1 or x.shape[-1] != filters:
                x = normalized(x, filters, 1, strides=step, relu=False)
            x = kl.ReLU()(kl.Add()([y, x]))
    return classifier(start, x)


def resnet50() -> Any:
    """Bottlenecks; padding as an own layer, as in Keras' applications."""
    start = keras.Input(IMAGE)
    x = kl.ZeroPadding2D(3)(start)
    x = kl.ReLU()(kl.BatchNormalization(epsilon=1.001e-5)(kl.Conv2D(4, 7, strides=2)(x)))
    x = kl.MaxPooling2D(3, strides=2)(kl.ZeroPadding2D(1)(x))
    for filters, depth, strides in ((2, 3, 1), (3, 2, 2)):
        for i in range(depth):
            step = strides if i == 0 else 1
            short = normalized(x, 4 * filters, 1, strides=step, relu=False) if i == 0 else x
            y = normalized(x, filters, 1, strides=step)
            y = normalized(normalized(y, filters, 3), 4 * filters, 1, relu=False)
            x = kl.Activation("relu")(kl.Add()([short, y]))
    return classifier(start, x)


def preactivated_resnet() -> Any:
    start = keras.Input(IMAGE)
    x = kl.Conv2D(4, 3, padding="same")(start)
    for strides in (1, 2, 1):
        y = kl.ReLU()(kl.BatchNormalization()(x))
        short = x if strides == 1 else kl.Conv2D(4, 1, strides=2)(y)
        y = normalized(y, 4, 3, strides=strides)
        x = kl.Add()([short, kl.Conv2D(4, 3, padding="same")(y)])
    return classifier(start, kl.ReLU()(kl.BatchNormalization()(x)))


def mobilenet_v1() -> Any:
    x = start = keras.Input(IMAGE)
    x = kl.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = kl.ReLU(6.0)(kl.BatchNormalization()(kl.Conv2D(4, 3, strides=2, use_bias=False)(x)))
    for filters, strides in ((6, 1), (8, 2)):
        x = kl.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x)
        x = kl.ReLU(6.0)(kl.BatchNormalization()(x))
        x = kl.ReLU(6.0)(normalized(x, filters, 1, relu=False))
    x = kl.GlobalAveragePooling2D(keepdims=True)(x)
    x = kl.Reshape((5,))(kl.Conv2D(5, 1)(kl.Dropout(0.1)(x)))
    return keras.Model(start, kl.Activation("softmax")(x))


def mobilenet_v2() -> Any:
    """Inverted residuals with linear bottlenecks."""
    start = keras.Input(IMAGE)
    x = kl.ReLU(6.0)(normalized(start, 4, 3, strides=2, relu=False))
    for filters, strides, expansion in ((4, 1, 1), (6, 2, 3), (6, 1, 3), (8, 1, 2)):
        y = x
        if expansion > 1:
            y = kl.ReLU(6.0)(normalized(y, expansion * x.shape[-1], 1, relu=False))
        if strides == 2:
            y = kl.ZeroPadding2D(((0, 1), (1, 1)))(y)
        padding = "valid" if strides == 2 else "same"
        y = kl.DepthwiseConv2D(3, strides=strides, padding=padding, use_bias=False)(y)
        y = kl.ReLU(6.0)(kl.BatchNormalization(momentum=0.999)(y))
        y = normalized(y, filters, 1, relu=False)
        x = kl.Add()([x, y]) if x.shape == y.shape else y
    return classifier(start, kl.ReLU(6.0)(normalized(x, 12, 1, relu=False)))


def densenet() -> Any:
    start = keras.Input(IMAGE)
    x = normalized(start, 4, 3)
    for block in range(2):
        for _ in range(3):
            y = kl.ReLU()(kl.BatchNormalization()(x))
            y = normalized(kl.Conv2D(6, 1, use_bias=False)(y), 3, 3, relu=False)
            x = kl.Concatenate()([x, kl.ReLU()(y)])
        if block == 0:
            x = kl.ReLU()(kl.BatchNormalization()(x))
            x = kl.AveragePooling2D(2)(kl.Conv2D(x.shape[-1] // 2, 1, use_bias=False)(x))
    return classifier(start, kl.ReLU()(kl.BatchNormalization()(x)))


def inception() -> Any:
    start = keras.Input(IMAGE)
    x = normalized(start, 4, 3)
    for _ in range(2):
        pooled = kl.AveragePooling2D(3, strides=1, padding="same")(x)
        x = kl.Concatenate()([
            normalized(x, 3, 1),
            normalized(normalized(x, 2, 1), 3, 5),
            normalized(normalized(normalized(x, 2, 1), 3, (1, 3)), 3, (3, 1)),
            normalized(pooled, 2, 1),
        ])  # fmt: skip
        pooled = kl.MaxPooling2D(3, strides=2)(x)
        strided = kl.ReLU()(kl.BatchNormalization()(kl.Conv2D(3, 3, strides=2)(x)))
        x = kl.Concatenate(axis=-1)([pooled, strided])
    return classifier(start, x)


def xception() -> Any:
    start = keras.Input(IMAGE)
    x = normalized(start, 4, 3)
    for filters in (6, 8):
        short = normalized(x, filters, 1, strides=2, relu=False)
        y = kl.SeparableConv2D(filters, 3, padding="same", use_bias=False)(kl.ReLU()(x))
        y = kl.MaxPooling2D(3, strides=2, padding="same")(kl.BatchNormalization()(y))
        x = kl.ReLU()(kl.Add()([y, short]))
    return classifier(start, x)


def resnext() -> Any:
    """Grouped convolutions."""
    start = keras.Input(IMAGE)
    x = normalized(start, 8, 3)
    for strides in (1, 2):
        y = normalized(normalized(x, 8, 1), 8, 3, groups=4, strides=strides)
        y = normalized(y, 8, 1, relu=False)
        short = x if strides == 1 else normalized(x, 8, 1, strides=2, relu=False)
        x = kl.ReLU()(kl.Add()([y, short]))
    return classifier(start, x)


def squeezenet() -> Any:
    start = keras.Input(IMAGE)
    x = kl.MaxPooling2D(3, strides=2)(kl.Conv2D(6, 3, activation="relu")(start))
    for _ in range(2):
        y = kl.Conv2D(3, 1, activation="relu")(x)
        sides = [kl.Conv2D(4, k, padding="same", activation="relu")(y) for k in (1, 3)]
        x = kl.Concatenate()(sides)
    x = kl.GlobalAveragePooling2D()(kl.Conv2D(5, 1, activation="relu")(x))
    return keras.Model(start, kl.Softmax()(x))


def unet(up: Callable[[int], Any] | None = None) -> Any:
    """Down and up again with connections across; one class score per pixel."""
    up = up or (lambda filters: kl.Conv2DTranspose(filters, 2, strides=2, padding="same"))
    x = start = keras.Input(IMAGE)
    across = []
    for filters in (4, 6):
        x = normalized(normalized(x, filters, 3), filters, 3)
        across.append(x)
        x = kl.MaxPooling2D(2)(x)
    x = normalized(x, 8, 3)
    for filters in (6, 4):
        x = kl.Concatenate()([up(filters)(x), across.pop()])
        x = normalized(x, filters, 3)
    return keras.Model(start, kl.Conv2D(3, 1)(x))


def unet_upsampling() -> Any:
    return unet(lambda filters: kl.UpSampling2D(2))


def cropped_unet() -> Any:
    """As the first U-Net: without padding, so that the connections across are cropped."""
    start = keras.Input((20, 16, 2))
    left = kl.Conv2D(4, 3, activation="relu")(start)
    x = kl.Conv2D(6, 3, activation="relu")(kl.MaxPooling2D(2)(left))
    x = kl.Conv2DTranspose(4, 2, strides=2)(x)
    x = kl.Concatenate()(
        [kl.Cropping2D(((2, 2), (2, 3)))(left), kl.Cropping2D(((0, 0), (0, 1)))(x)]
    )
    return keras.Model(start, kl.Conv2D(3, 1)(kl.Conv2D(4, 3, activation="relu")(x)))


def cnn1d() -> Any:
    x = start = keras.Input((40, 3))
    for filters, strides in ((6, 1), (8, 2)):
        x = kl.Conv1D(filters, 5, strides=strides, padding="same", use_bias=False)(x)
        x = kl.ReLU()(kl.BatchNormalization()(x))
        x = kl.MaxPooling1D(2)(x)
    x = kl.Dense(6, activation="relu")(kl.GlobalAveragePooling1D()(x))
    return keras.Model(start, kl.Dense(4, activation="softmax")(x))


def temporal_cnn() -> Any:
    """Causal, dilated, residual."""
    x = start = keras.Input((24, 2))
    for dilation in (1, 2, 4):
        y = kl.Conv1D(5, 3, padding="causal", dilation_rate=dilation)(x)
        y = kl.ReLU()(kl.BatchNormalization()(y))
        y = kl.Conv1D(5, 3, padding="causal", dilation_rate=dilation)(kl.SpatialDropout1D(0.2)(y))
        short = x if x.shape[-1] == 5 else kl.Conv1D(5, 1)(x)
        x = kl.ReLU()(kl.Add()([y, short]))
    return keras.Model(start, kl.Dense(4)(kl.Flatten()(x)))


def autoencoder_1d() -> Any:
    return keras.Sequential([
        keras.Input((16, 2)),
        kl.Conv1D(6, 4, strides=2, padding="same", activation="relu"),
        kl.SeparableConv1D(4, 3, padding="same", activation="relu"),
        kl.Conv1DTranspose(5, 4, strides=2, padding="same", activation="relu"),
        kl.Cropping1D(1), kl.ZeroPadding1D(1), kl.Conv1D(2, 3, padding="same"),
    ])  # fmt: skip


def mlp() -> Any:
    layers: list[Any] = [keras.Input((11,))]
    for units in (8, 7):
        layers += [kl.Dense(units), kl.BatchNormalization(), kl.ReLU(), kl.Dropout(0.2)]
    return keras.Sequential([*layers, kl.Dense(4, activation="softmax")])


def nested_backbone() -> Any:
    """A backbone and a head, each a model, as transfer learning makes them."""
    backbone = mobilenet_v2()
    backbone = keras.Model(backbone.input, backbone.layers[-2].output, name="backbone")
    top = keras.Sequential([kl.Dense(6, activation="relu"), kl.Dense(3)], name="top")
    start = keras.Input(IMAGE)
    x = kl.Rescaling(2.0, offset=-1)(start)
    return keras.Model(start, top(backbone(x)))


def siamese() -> Any:
    """One tower sees both halves of the image; the layer in it is shared further down too."""
    dense = kl.Dense(5, activation="relu", name="both")
    tower_in = keras.Input((16, 6, 3))
    features = kl.GlobalAveragePooling2D()(normalized(tower_in, 5, 3))
    tower = keras.Model(tower_in, dense(features), name="tower")
    start = keras.Input(IMAGE)
    halves = [kl.Cropping2D(((0, 0), sides))(start) for sides in ((0, 6), (6, 0))]
    x = kl.Concatenate()([tower(half) for half in halves])
    x = dense(kl.Dense(5)(x))
    return keras.Model(start, kl.Dense(3)(x))


def many_inputs() -> Any:
    """Sums, means and concatenations of many tensors, of one, two and three axes."""
    start = keras.Input(IMAGE)
    convs = [kl.Conv2D(4, 3, padding="same")(start) for _ in range(4)]
    x = kl.ReLU()(kl.BatchNormalization()(kl.Add()(convs)))
    y = kl.ReLU()(kl.Average()([x, *convs[:3]]))
    z = kl.BatchNormalization()(kl.Concatenate(axis=2)([x, y, convs[0]]))
    rows = kl.Reshape((-1, 4))(kl.ReLU()(z))
    rows = kl.Add()([kl.Conv1D(3, 1)(rows), kl.Conv1D(3, 1)(rows), kl.Conv1D(3, 1)(rows)])
    flat = kl.Flatten()(kl.MaxPooling1D(8)(kl.ReLU()(rows)))
    units = kl.Average()([kl.Dense(4)(flat) for _ in range(3)])
    return keras.Model(start, kl.Dense(3)(kl.Concatenate()([units, kl.ReLU()(units), units])))


ARCHITECTURES: dict[str, Callable[[], Any]] = {
    builder.__name__: builder
    for builder in (
        lenet5,
        vgg,
        vgg_without_bn,
        resnet18,
        resnet50,
        preactivated_resnet,
        mobilenet_v1,
        mobilenet_v2,
        densenet,
        inception,
        xception,
        resnext,
        squeezenet,
        unet,
        unet_upsampling,
        cropped_unet,
        cnn1d,
        temporal_cnn,
        autoencoder_1d,
        mlp,
        nested_backbone,
        siamese,
        many_inputs,
    )
}
"""Name to a function that builds a model."""

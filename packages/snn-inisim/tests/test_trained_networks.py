"""Networks that people train, converted by the default preset: same function, same decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from snn_core import convert
from snn_core.conversion import preset
from snn_core.evaluation.forward import predict
from snn_core.ir import MaxPooling2D
from snn_inisim import SNN

pytestmark = pytest.mark.exhaustive

DIGITS = Path(__file__).parents[3] / "examples" / "mnist" / "data"
CALIBRATION = 200


def digits(name: str) -> tuple[Any, Any]:
    """Return digits of half the size, with values from 0 to 1, and their labels."""
    stored = np.load(DIGITS / f"{name}.npz")
    x_b_hwc = stored["x"].reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4)) / 255
    return x_b_hwc.astype(np.float32), stored["y"]


def normalization(**options: Any) -> Any:
    """Return a layer whose running statistics settle within a few hundred steps."""
    return kl.BatchNormalization(momentum=0.9, **options)


def normalized(x: Any, filters: int, kernel: int) -> Any:
    return normalization()(kl.Conv2D(filters, kernel, padding="same", use_bias=False)(x))


def inverted_residual(x: Any, filters: int, strides: int, expand: int) -> Any:
    y = kl.ReLU(6.0)(normalized(x, expand * x.shape[-1], 1))
    y = kl.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(y)
    y = kl.ReLU(6.0)(normalization()(y))
    y = normalized(y, filters, 1)
    return kl.Add()([x, y]) if strides == 1 and filters == x.shape[-1] else y


def mobilenet_v2() -> Any:
    """A slim MobileNetV2 (Sandler et al. 2018)."""
    start = keras.Input((14, 14, 1))
    x = kl.ReLU(6.0)(normalized(start, 16, 3))
    for filters, strides, expand in ((16, 2, 1), (24, 1, 6)):
        x = inverted_residual(x, filters, strides, expand)
    x = kl.ReLU(6.0)(normalized(x, 64, 1))
    return keras.Model(start, kl.Dense(10)(kl.GlobalAveragePooling2D()(x)))


def normalized_after_relu() -> Any:
    """The usual network of tutorials: convolution, ReLU and normalization twice, then a pool."""
    layers: list[Any] = [keras.Input((14, 14, 1))]
    for filters in (12, 24):
        for _ in range(2):
            layers.append(kl.Conv2D(filters, 3, padding="same", activation="relu"))
            layers.append(normalization(gamma_initializer=alternating))
        layers += [kl.MaxPooling2D(), kl.Dropout(0.2)]
    layers += [kl.Flatten(), kl.Dense(48, activation="relu"), normalization(), kl.Dense(10)]
    return keras.Sequential(layers)


def alternating(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """Return gains of both signs, as training from 1 on finds them in larger networks."""
    return keras.ops.convert_to_tensor(np.resize([1.0, -1.0], shape), dtype)


@pytest.mark.parametrize(("make", "epochs"), [(mobilenet_v2, 24), (normalized_after_relu, 12)])
def test_a_trained_network_keeps_its_accuracy(make: Any, epochs: int) -> None:
    keras.utils.set_random_seed(1)
    model, (x, y), (x_test, y_test) = make(), digits("test"), digits("calibration")
    steps = epochs * len(x) // 50
    rate = keras.optimizers.schedules.CosineDecay(
        2e-4, 7 * steps // 10, warmup_target=5e-3, warmup_steps=3 * steps // 10
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit(x, y, batch_size=50, epochs=epochs, verbose=0)
    expected = np.asarray(model(x_test, training=False))
    network = convert(model, x[:CALIBRATION], trial=False)
    # Float32 sums in another order.
    np.testing.assert_allclose(
        predict(network, x_test), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
    )
    settings = preset("fast").updated({"simulation": {"batch_size": len(x_test)}})
    assert settings.num_steps == 32
    decided = SNN(network, settings).run_batch(x_test).output_b_l_t[..., -1].argmax(axis=1)
    analog, spiking = ((found == y_test).mean() for found in (expected.argmax(axis=1), decided))
    assert analog > 0.93
    assert spiking >= analog - 0.01
    if make is normalized_after_relu:
        pools = [layer for layer in network if isinstance(layer, MaxPooling2D)]
        assert [layer.sign_c is not None for layer in pools] == [True, True]


def test_the_mobilenet_of_keras_is_converted() -> None:
    """With its 17 blocks; weights are random, as none may be downloaded."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=10)
    x = np.random.default_rng(0).random((8, 32, 32, 3), np.float32)
    network = convert(model, x, trial=False)
    expected = np.asarray(model(x, training=False))
    np.testing.assert_allclose(predict(network, x), expected, rtol=0, atol=1e-4 * expected.max())

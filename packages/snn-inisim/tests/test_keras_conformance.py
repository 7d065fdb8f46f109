"""The Keras parser passes the conformance tests for parsers; Keras itself is the judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
from keras import layers as kl
from keras_architectures import ARCHITECTURES
from keras_zoo import IMAGE, LAYERS, MODELS, chain, randomized

from snn_core.parsing.keras.model import KerasParser
from snn_core.testing import ParserConformance, Refusal


def saved(make: Callable[[], Any], suffix: str) -> Callable[[Path], Path]:
    """Return a function that saves a model with random weights in a folder."""

    def save(folder: Path) -> Path:
        path = folder / f"model{suffix}"
        randomized(make()).save(path)
        return path

    return save


def in_memory(make: Callable[[], Any]) -> Callable[[Path], Any]:
    return lambda folder: randomized(make())


def refused() -> Any:
    """Problems at the top, inside a nested model, and inside a model inside that."""
    deep = keras.Sequential(
        [kl.Dense(4, activation="tanh", name="curve"), kl.Dense(4)], name="deep"
    )
    inner_in = keras.Input((4,))
    x = kl.LeakyReLU(name="leak")(kl.Dense(4, name="fine")(inner_in))
    inner = keras.Model(inner_in, kl.LayerNormalization(name="norm")(deep(x)), name="inner")
    start = keras.Input((6,))
    x = inner(kl.Dense(4, activation="sigmoid", name="first")(start))
    gated = kl.Multiply(name="gate")([x, kl.Dense(4, activation="softmax", name="focus")(x)])
    return keras.Model(start, kl.Dense(3, name="last")(gated))


def passes_refused() -> Any:
    """Problems that only the passes find: what is inside the network but belongs to its output."""
    start = keras.Input(IMAGE)
    x = kl.Softmax(name="shares")(kl.Conv2D(4, 3, name="signed")(start))
    inner = keras.Sequential([kl.Flatten(), kl.Dense(4, activation="softmax", name="inside")])
    return keras.Model(start, kl.Dense(3)(inner(x)))


def refused_by_both() -> Any:
    """Problems of the parser, and behind each of them one that only the passes find."""
    start = keras.Input(IMAGE)
    x = kl.Conv2D(4, 3, padding="same", activation="softmax", name="shares")(start)
    x = kl.Conv2D(4, 3, padding="same", activation="sigmoid", name="curve")(x)
    x = kl.MaxPooling2D(2, name="fine")(x)
    x = kl.LeakyReLU(name="leak")(kl.Conv2D(4, 3, padding="same")(x))
    x = kl.GlobalMaxPooling2D()(kl.Softmax(name="parts")(kl.BatchNormalization()(x)))
    return keras.Model(
        start, kl.Dense(3, name="last")(kl.Dense(4, activation="softmax", name="focus")(x))
    )


def computed(source: Any, x_b_l: Any) -> Any:
    model = source if isinstance(source, keras.Model) else keras.models.load_model(source)
    return np.asarray(model(x_b_l, training=False))


class TestKeras(ParserConformance):
    parser = KerasParser
    sources: ClassVar = {
        "archive": saved(MODELS["lenet"], ".keras"),
        "nested archive": saved(MODELS["nested"], ".keras"),
        "HDF5": saved(MODELS["lenet"], ".h5"),
        "nested HDF5": saved(MODELS["nested"], ".h5"),
        "sequential": in_memory(LAYERS["conv relu bn"]),
        "functional": in_memory(ARCHITECTURES["mobilenet_v2"]),
        "nested": in_memory(MODELS["nested"]),
    }
    refusals: ClassVar = {
        name: Refusal(
            make,
            {
                "first": "Dense",
                "inner/leak": "LeakyReLU",
                "inner/deep/curve": "Dense",
                "inner/norm": "LayerNormalization",
                "gate": "Multiply",
                "focus": "softmax",
            },
        )
        for name, make in {
            "archive": saved(refused, ".keras"),
            "HDF5": saved(refused, ".h5"),
            "model": in_memory(refused),
        }.items()
    } | {
        "found by passes": Refusal(
            in_memory(passes_refused), {"shares": "softmax", "inside": "Dense"}
        ),
        "found by both": Refusal(
            saved(refused_by_both, ".keras"),
            {
                "shares": "Conv2D",
                "curve": "Conv2D",
                "leak": "LeakyReLU",
                "parts": "softmax",
                "focus": "softmax",
            },
        ),
    }
    open_sources: ClassVar = {
        "open": (saved(lambda: chain(kl.Conv2D(2, 3), shape=(None, None, 3)), ".keras"), (8, 7, 3)),
        "open model": (in_memory(lambda: chain(kl.Conv2D(2, 3), shape=(None, 7, 3))), (8, 7, 3)),
    }
    heavy_modules = ("keras", "tensorflow")
    framework = staticmethod(computed)

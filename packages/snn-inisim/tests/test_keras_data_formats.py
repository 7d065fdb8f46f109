"""Keras models whose layers hold channels first, beside layers that have no data format.

Layers are chosen that Keras evaluates channels first on a CPU: pooling, padding, cropping.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras_zoo import randomized

from snn_core.parsing import read
from snn_core.parsing.exactness import compare
from snn_core.parsing.keras.model import KerasParser

FIRST = {"data_format": "channels_first"}
SEQUENCE = (4, 6)

LAYERS: dict[str, Callable[[], list[Any]]] = {
    "upsampling": lambda: [kl.AveragePooling1D(2, **FIRST), kl.UpSampling1D(2)],
    "upsampling before": lambda: [kl.UpSampling1D(3), kl.AveragePooling1D(2, **FIRST)],
    "cropping": lambda: [kl.MaxPooling1D(2, **FIRST), kl.Cropping1D((1, 0))],
    "cropping of a square": lambda: [
        kl.ZeroPadding1D((0, 2), **FIRST), kl.AveragePooling1D(2, **FIRST), kl.Cropping1D((2, 0))
    ],
    "cropping and upsampling": lambda: [
        kl.UpSampling1D(2), kl.Cropping1D((2, 1)), kl.GlobalAveragePooling1D(**FIRST)
    ],
    "padding": lambda: [kl.AveragePooling1D(1, **FIRST), kl.ZeroPadding1D(2, **FIRST)],
    "permuted": lambda: [kl.AveragePooling1D(2, **FIRST), kl.Permute((2, 1)), kl.UpSampling1D(2)],
    "dropout of another format": lambda: [
        kl.MaxPooling1D(2, **FIRST), kl.Permute((2, 1)), kl.Reshape((3, 4, 1)),
        kl.SpatialDropout2D(0.5),
    ],
    "augmentation of another format": lambda: [
        kl.MaxPooling1D(2, **FIRST), kl.Permute((2, 1)), kl.Reshape((3, 4, 1)), kl.RandomFlip()
    ],
    "normalized": lambda: [
        kl.AveragePooling1D(2, **FIRST), kl.UpSampling1D(2), kl.BatchNormalization(axis=1)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers_without_a_data_format_compute_what_keras_computes(
    name: str, tmp_path: Path
) -> None:
    model = randomized(
        keras.Sequential([keras.Input(SEQUENCE), *LAYERS[name](), kl.Flatten(), kl.Dense(3)])
    )
    path = tmp_path / "model.keras"
    model.save(path)
    parsed = read(path, parsers=[KerasParser()])
    x_b_l = np.random.default_rng(1).normal(0, 1, (5, *parsed.network.input.output_shape))
    found = compare(parsed, x_b_l.astype(np.float32))
    # Rounding of sums in another order.
    assert found.is_within(1e-5), found

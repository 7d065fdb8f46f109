"""Whole Keras networks compute the same after parsing, from files and from memory.

Parsed and original outputs differ by float32 rounding only; see `test_keras_parsing`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_architectures import ARCHITECTURES
from keras_zoo import randomized

from snn_core.evaluation.forward import predict
from snn_core.parsing import parse
from snn_core.parsing.keras.model import KerasParser

pytestmark = pytest.mark.exhaustive

TOLERANCE = 1e-4


def largest_difference(found: Any, expected: Any) -> float:
    """Return the largest difference, relative to the largest output."""
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures_compute_what_keras_computes(name: str, tmp_path: Path) -> None:
    model = randomized(ARCHITECTURES[name]())
    x_b_l = np.random.default_rng(1).normal(0, 1, (3, *model.input_shape[1:])).astype("f4")
    expected = np.asarray(model(x_b_l, training=False))
    assert np.ptp(expected) > 1e-3, "equal outputs would prove nothing"
    sources = [model]
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"model{suffix}"
        model.save(path)
        sources.append(path)
    for source in sources:
        network = parse(source, parsers=[KerasParser()])
        assert largest_difference(predict(network, x_b_l), expected) < TOLERANCE, source

"""Percentile scales: exact, streaming, positive values only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_core.ir import Dense, Input, Network, ReLU
from snn_core.normalization.percentile import LargestValues, percentile_scales


@given(
    seed=st.integers(0, 10_000),
    percentile=st.sampled_from([50.0, 90.0, 99.0, 99.9, 100.0]),
    chunks=st.lists(st.integers(1, 40), min_size=1, max_size=6),
)
def test_streaming_percentile_equals_numpy(seed: int, percentile: float, chunks: list[int]) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(3, n)).astype(np.float32) for n in chunks]
    stream = LargestValues(percentile, size=sum(chunks))
    for part in parts:
        stream.add(part)
    result = stream.result()
    for row, values in enumerate(np.concatenate(parts, axis=1)):
        positive = values[values > 0]
        # In float64: older NumPy interpolates float32 values with a weight of float32 precision.
        expected = np.percentile(positive.astype(float), percentile) if len(positive) else 0
        # The result is rounded to float32.
        assert result[row] == pytest.approx(expected, rel=1e-6)


def test_keeps_only_the_largest_values() -> None:
    stream = LargestValues(99.0, size=10_000)
    for start in range(0, 10_000, 100):
        stream.add(np.arange(start, start + 100, dtype=np.float32)[None])
    assert stream._kept is not None
    assert stream._kept.shape[1] <= 103  # 1 % and the ranks beside it
    # 9999 positive values 1..9999: rank 0.01 * 9998 = 99.98 from the top.
    assert stream.result()[0] == pytest.approx(9999 - 99.98, abs=1e-2)


def _two_layers() -> Network:
    """Hidden activations are 1 x and 3 x, the output is their sum."""
    return Network(
        layers=(
            Input(name="input", output_shape=(1,)),
            Dense(
                name="hidden", inputs=("input",), output_shape=(2,),
                weight_io=np.array([[1, 3]]), bias_o=np.zeros(2), activation=ReLU(),
            ),
            Dense(
                name="output", inputs=("hidden",), output_shape=(1,),
                weight_io=np.array([[1], [1]]), bias_o=np.zeros(1),
            ),
        )
    )  # fmt: skip


def test_scale_is_the_percentile_over_all_samples() -> None:
    x = np.arange(1, 102, dtype=np.float32)[:, None]  # activations 1..101 and 3..303
    scales = percentile_scales(_two_layers(), x, percentile=100.0, per_channel=True)
    assert scales["hidden"].tolist() == [101, 303]
    assert percentile_scales(_two_layers(), x, percentile=100.0)["hidden"] == 303


def test_linear_output_needs_a_scale_only_if_its_spikes_are_counted() -> None:
    x = np.ones((4, 1), np.float32)
    assert set(percentile_scales(_two_layers(), x)) == {"hidden", "output"}
    assert set(percentile_scales(_two_layers().replace(readout="membrane"), x)) == {"hidden"}


def test_silent_channels_get_scale_one() -> None:
    scales = percentile_scales(_two_layers(), -np.ones((4, 1), np.float32), per_channel=True)
    assert scales["hidden"].tolist() == [1, 1]


def test_schedule_lowers_the_percentile_by_layer() -> None:
    layers = _two_layers().layers
    rectified = Dense(
        name="output", inputs=("hidden",), output_shape=(1,), weight_io=np.array([[1], [0]]),
        bias_o=np.zeros(1), activation=ReLU(),
    )  # fmt: skip
    network = Network(layers=(*layers[:2], rectified))
    x = np.arange(1, 1002, dtype=np.float32)[:, None]
    plain = percentile_scales(network, x, percentile=90.02)
    scheduled = percentile_scales(network, x, percentile=90.02, schedule=True)
    assert scheduled["hidden"] == plain["hidden"]
    # The 90.00th instead of the 90.02th percentile of 1..1001: 1 + 0.9 * 1000.
    assert scheduled["output"] == pytest.approx(901, rel=1e-6)

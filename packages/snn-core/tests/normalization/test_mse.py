"""The scale with the smallest quantisation error."""

from __future__ import annotations

import numpy as np
import pytest

from snn_core.ir import Dense, Input, Network, ReLU
from snn_core.normalization.mse import BINS, GRID, best_share, mse_scales


def _quantisation_error(a: np.ndarray, theta: float, timesteps: int) -> float:
    spikes = np.clip(np.floor(a * timesteps / theta + 0.5), 0, timesteps)
    return float(((a - theta / timesteps * spikes) ** 2).sum())


@pytest.mark.parametrize("timesteps", [2, 8, 32])
def test_finds_the_best_candidate_of_the_grid(timesteps: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.gamma(1.0, 1.0, size=20_000)
    counts = np.histogram(a / a.max(), bins=BINS, range=(0, 1))[0][None]
    chosen = best_share(counts, timesteps=timesteps)[0] * a.max()
    errors = [_quantisation_error(a, share * a.max(), timesteps) for share in GRID]
    # The histogram rounds activations to 1/2048 of the maximum: nearly equal candidates may swap.
    assert _quantisation_error(a, chosen, timesteps) <= min(errors) * 1.01


def test_more_steps_allow_a_larger_scale() -> None:
    a = np.random.default_rng(1).gamma(1.0, 1.0, size=20_000)
    counts = np.histogram(a / a.max(), bins=BINS, range=(0, 1))[0][None]
    shares = [best_share(counts, timesteps=t)[0] for t in (2, 8, 64)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_values_on_the_quantiser_levels_keep_the_maximum() -> None:
    # Activations k/4 of the maximum are exact with T = 4 and theta = maximum.
    counts = np.zeros((1, 4096), np.int64)
    counts[0, [1023, 1024, 2047, 2048, 3071, 3072, 4095]] = 100
    assert best_share(counts, timesteps=4)[0] == 1


def test_scales_follow_each_channel() -> None:
    network = Network(
        layers=(
            Input(name="input", output_shape=(1,)),
            Dense(
                name="hidden", inputs=("input",), output_shape=(3,), activation=ReLU(),
                weight_io=np.array([[1, 5, -1]]), bias_o=np.zeros(3),
            ),
            Dense(
                name="output", inputs=("hidden",), output_shape=(1,), weight_io=np.ones((3, 1)),
                bias_o=np.zeros(1),
            ),
        )
    )  # fmt: skip
    x = np.linspace(0, 1, 400, dtype=np.float32)[:, None]
    scales = mse_scales(network, x, timesteps=16)["hidden"]
    assert scales[1] == pytest.approx(5 * scales[0], rel=1e-6)
    assert scales[2] == 1  # never positive

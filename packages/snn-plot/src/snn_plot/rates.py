"""From spike trains to the numbers that stand for activations, and how well the two agree."""

from __future__ import annotations

import numpy as np

from snn_core.typing import Array, Float64, Int64

FIRST_SPIKE = ("ttfs", "ttfs_dyn_thresh")
CORRECTED = ("ttfs_corrective",)
COUNTED = ("temporal_mean_rate",)


def spiketrains_to_rates(
    spiketrains_b_l_t: Array, *, code: str = "temporal_mean_rate"
) -> Float64[Array, "b *l"] | None:
    """Return the rate in spikes per step that each spike train stands for.

    Parameters
    ----------
    spiketrains_b_l_t
        Spikes in {-1, 0, 1}, time last.
    code
        Spike code: spikes are counted, or the first one counts as the reciprocal of its step, or
        the last one does if their number is odd and none otherwise.

    Returns
    -------
    ``None`` for a code whose spikes do not stand for rates.
    """
    steps = spiketrains_b_l_t.shape[-1]
    if code in COUNTED:
        # The narrowest type that cannot overflow: these sums take most of the time of a report.
        exact = np.int16 if steps < 2**15 else np.int64
        total: Array = spiketrains_b_l_t.sum(axis=-1, dtype=exact) / steps
        return total
    fired = spiketrains_b_l_t != 0
    if code in FIRST_SPIKE:
        first = 1 / (fired.argmax(axis=-1) + 1.0)
        return np.where(fired.any(axis=-1), first, 0.0)
    if code in CORRECTED:
        last = 1 / (steps - fired[..., ::-1].argmax(axis=-1)).astype(np.float64)
        return np.where(fired.sum(axis=-1) % 2 == 1, last, 0.0)
    return None


def spikes_of_all(spiketrains_b_l_t: Array) -> Int64[Array, "b t"]:
    """Return how many neurons of a layer spike in each step."""
    samples, steps = len(spiketrains_b_l_t), spiketrains_b_l_t.shape[-1]
    flat = spiketrains_b_l_t.reshape(samples, -1, steps)
    total: Array = (flat != 0).sum(axis=1, dtype=np.int32).astype(np.int64)
    return total


def pearson_b(
    rates_b_l: Array, activations_b_l: Array, *, saturation: float = np.inf, keep_silent: bool
) -> Float64[Array, "b"]:
    """Return Pearson's correlation coefficient of rates and activations, sample by sample.

    Parameters
    ----------
    rates_b_l, activations_b_l
        Two arrays of one shape, in one unit, samples first.
    saturation
        Largest possible rate; neurons whose activation reaches it are left out, since no rate can
        follow.
    keep_silent
        Whether neurons count that are silent in both networks. In a hidden layer most are, and
        would make any two networks look alike.

    Returns
    -------
    One coefficient per sample, NaN where fewer than two neurons are left or one side is constant.
    """
    samples = len(rates_b_l)
    a = np.asarray(rates_b_l, np.float64).reshape(samples, -1)
    b = np.asarray(activations_b_l, np.float64).reshape(samples, -1)
    kept = b < saturation
    if not keep_silent:
        kept &= (a > 0) | (b > 0)
    number = np.maximum(kept.sum(axis=1), 1)
    a = np.where(kept, a - ((a * kept).sum(axis=1) / number)[:, None], 0)
    b = np.where(kept, b - ((b * kept).sum(axis=1) / number)[:, None], 0)
    spread = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        # A spread of rounding errors alone is none.
        r: Array = np.where(spread > 1e-12, (a * b).sum(axis=1) / spread, np.nan)
    return np.clip(r, -1, 1)


def pearson(a: Array, b: Array) -> float:
    """Return Pearson's correlation of two arrays of one shape; NaN if one is constant."""
    return float(pearson_b(np.ravel(a)[None], np.ravel(b)[None], keep_silent=True)[0])

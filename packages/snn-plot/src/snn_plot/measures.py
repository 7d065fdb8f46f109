"""How right a run is, after each step, whatever its task: shares, or squared differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snn_core.running.result import RunResult
from snn_core.simulation.statistics import Z_95, wilson_interval
from snn_core.typing import Array, Float64


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of a run.

    Parameters
    ----------
    name
        What it is of.
    is_share
        Whether it is a share, in percent, and more of it is better; otherwise less is.
    value_t, low_t, high_t
        Its value after each step, and the interval that holds the true one in 95 % of all cases.
    ann
        That of the analog network, which is only known with labels.
    """

    name: str
    is_share: bool
    value_t: Float64[Array, "t"]
    low_t: Float64[Array, "t"]
    high_t: Float64[Array, "t"]
    ann: float | None

    @property
    def label(self) -> str:
        """Name and unit, for an axis."""
        return f"{self.name} (%)" if self.is_share else self.name

    @property
    def interval(self) -> str:
        """What the interval is."""
        return "95 % Wilson interval" if self.is_share else "95 % interval of the mean"


def measure_of(result: RunResult) -> Measure:
    """Return the measure of a run: against its labels, or the analog network if it has none."""
    is_share = result.task != "regression"
    name = {
        (True, True): "accuracy",
        (True, False): "agreement with analog",
        (False, True): "mean squared error",
        (False, False): "squared difference from analog",
    }[is_share, result.has_labels]
    if result.task == "multilabel" and result.has_labels:
        name = "labels that are right"
    error_b_t = result.error_b_t if result.has_labels else result.deviation_b_t
    error_b_t = np.asarray(error_b_t, np.float64)
    ann = float(result.ann_error_b.mean(dtype=np.float64)) if result.has_labels else None
    if not is_share:
        mean_t = error_b_t.mean(axis=0)
        with np.errstate(invalid="ignore"):  # of a network that diverges
            half_t = Z_95 * error_b_t.std(axis=0) / math.sqrt(len(error_b_t))
            low_t, high_t = np.maximum(mean_t - half_t, 0), mean_t + half_t
        return Measure(
            name=name, is_share=False, value_t=mean_t, low_t=low_t, high_t=high_t, ann=ann
        )
    share_t = (1 - error_b_t).mean(axis=0)
    low_t, high_t = wilson_interval(share_t, len(error_b_t))
    return Measure(
        name=name,
        is_share=True,
        value_t=100 * share_t,
        low_t=100 * low_t,
        high_t=100 * high_t,
        ann=None if ann is None else 100 * (1 - ann),
    )

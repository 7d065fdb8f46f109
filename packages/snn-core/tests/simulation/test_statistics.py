"""Intervals of shares, by hand."""

import numpy as np
import pytest

from snn_core.errors import DataError
from snn_core.simulation.statistics import wilson_interval


def test_wilsons_interval_by_hand():
    # z = 2, n = 16, p = 3/4: z²/n = 1/4, centre = (3/4 + 1/8) / (5/4) = 7/10,
    # half = 2 / (5/4) * sqrt(3/16/16 + 4/4/256) = 8/5 * sqrt(4/256) = 1/5.
    low, high = wilson_interval(0.75, 16, z=2.0)
    assert float(low) == pytest.approx(0.5)
    assert float(high) == pytest.approx(0.9)


def test_wilsons_interval_stays_within_0_and_1():
    low, high = wilson_interval(np.array([0.0, 1.0]), 5)
    assert low[0] == 0
    assert high[1] == 1
    assert 0 < high[0] < 0.5
    assert 0.5 < low[1] < 1


def test_an_interval_needs_samples():
    with pytest.raises(DataError, match="Found 0 samples"):
        wilson_interval(0.5, 0)

import numpy as np
import pytest

from snn_plot.correlation import pearson, pearson_b


def test_correlation_leaves_out_silent_and_saturated_neurons():
    rates = np.array([[0, 0, 0.25, 0.5, 1.0]])
    wanted = np.array([[0, 0, 0.5, 0.25, 2.0]])
    # Left are (1/4, 1/2) and (1/2, 1/4): one falls where the other grows.
    assert pearson_b(rates, wanted, saturation=1.0, keep_silent=False)[0] == pytest.approx(-1)
    kept = pearson_b(rates, wanted, keep_silent=True)[0]
    assert kept == pytest.approx(np.corrcoef(rates, wanted)[0, 1])


def test_a_constant_has_no_correlation():
    assert np.isnan(pearson(np.ones(5), np.arange(5)))
    assert np.isnan(pearson_b(np.zeros((1, 4)), np.zeros((1, 4)), keep_silent=False)[0])

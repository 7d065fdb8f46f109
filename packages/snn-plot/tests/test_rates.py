import numpy as np
import pytest

from snn_core.errors import SettingsError
from snn_plot.rates import pearson, pearson_b, spiketrains_to_rates
from snn_plot.units import Units

TRAINS = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 1]], np.int8)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("temporal_mean_rate", [1 / 2, 0, 1 / 4, 3 / 4]),
        ("ttfs", [1 / 2, 0, 1, 1 / 2]),
        ("ttfs_corrective", [0, 0, 1, 1 / 4]),
    ],
)
def test_rates_of_each_code(code, expected):
    np.testing.assert_array_equal(spiketrains_to_rates(TRAINS, code=code), expected)


def test_negative_spikes_count_against_positive_ones():
    np.testing.assert_array_equal(spiketrains_to_rates(np.array([[1, -1, -1, 0]])), [-0.25])


def test_codes_without_rates_have_none():
    assert spiketrains_to_rates(TRAINS, code="temporal_pattern") is None


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


def test_units_convert_times_and_rates():
    units = Units(time="ms", dt_ms=0.5)
    np.testing.assert_array_equal(units.times(3), [0.5, 1, 1.5])
    np.testing.assert_array_equal(units.rates(np.array([0.25])), [0.5])
    np.testing.assert_array_equal(Units(dt_ms=0.5).times(2), [1, 2])


@pytest.mark.parametrize("wrong", [{"time": "s"}, {"dt_ms": 0.0}])
def test_unknown_units_are_refused(wrong):
    with pytest.raises(SettingsError, match="expected"):
        Units(**wrong)

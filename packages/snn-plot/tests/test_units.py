import numpy as np
import pytest

from snn_core.errors import SettingsError
from snn_plot.units import Units


def test_units_convert_times_and_rates():
    units = Units(time="ms", dt_ms=0.5)
    np.testing.assert_array_equal(units.times(3), [0.5, 1, 1.5])
    np.testing.assert_array_equal(units.rates(np.array([0.25])), [0.5])
    np.testing.assert_array_equal(Units(dt_ms=0.5).times(2), [1, 2])


@pytest.mark.parametrize("wrong", [{"time": "s"}, {"dt_ms": 0.0}])
def test_unknown_units_are_refused(wrong):
    with pytest.raises(SettingsError, match="expected"):
        Units(**wrong)


def test_numbers_without_a_unit_stay_as_they_are():
    units = Units(time="ms", dt_ms=0.5, has_rates=False)
    np.testing.assert_array_equal(units.rates(np.array([0.25])), [0.25])
    assert (units.rate, units.firing_rate) == ("1", "spikes/ms")

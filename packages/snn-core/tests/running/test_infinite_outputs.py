"""A run whose numbers leave float32 says so once, without warnings of NumPy."""

import warnings

import numpy as np
import pytest

from snn_core import run
from snn_core.ir import Linear
from snn_core.running.outputs import OutputWarning
from snn_core.testing.builder import NetworkBuilder


def growing(drive, **more):
    """Simulate outputs that grow by ``drive``, a half and a quarter of it in each of 16 steps."""
    network = NetworkBuilder((1,)).dense([[2.0**98, 2.0**-28]], activation=Linear()).build()
    x_b_l = np.float32([[1], [0.5], [0.25]]) * np.float32(drive / 2.0**98)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(
            network.replace(readout="membrane"), "reference", data=x_b_l, timesteps=16, **more
        )
    return result, [(warning.category, str(warning.message)) for warning in caught]


def test_infinite_outputs_are_counted_and_explained():
    result, warned = growing(2.0**126)
    assert np.isinf(result.output_b_o).sum() == 3
    [(category, text)] = warned
    assert category is OutputWarning
    assert text.startswith("3 of 6 outputs of the spiking network became infinite, or no numbers")


def test_the_largest_potential_is_nothing_to_warn_of():
    result, warned = growing(2.0**123)
    grown = np.outer([1, 0.5, 0.25], [2.0**123, 2.0**-3])
    np.testing.assert_array_equal(result.output_b_o, grown)
    assert warned == []


def test_a_run_that_is_read_again_from_its_folder_warns_again(tmp_path):
    growing(2.0**126, output_dir=tmp_path / "run")
    _, [(category, text)] = growing(2.0**126, output_dir=tmp_path / "run", resume=True)
    assert (category, text[:6]) == (OutputWarning, "3 of 6")


def test_overflow_elsewhere_stays_a_warning_of_numpy():
    growing(2.0**126)
    with pytest.warns(RuntimeWarning, match="overflow"):
        np.float32([2.0**127]) * np.float32(2)

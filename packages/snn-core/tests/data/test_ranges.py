"""Warnings about samples that can hardly be meant so, with their numbers."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

from snn_core.data import Dataset
from snn_core.data.lazy import LazyItems, LazySamples
from snn_core.data.ranges import MOST_READ, Range, calibrated, check_range
from snn_core.errors import DataWarning
from snn_core.ir import InputData

RNG = np.random.default_rng(3)
SCALED = RNG.uniform(0, 1, (50, 6)).astype(np.float32)
RAW = RNG.integers(0, 256, (50, 6), dtype=np.uint8)
RAW_IMAGES = RNG.integers(0, 256, (9, 4, 4, 3), dtype=np.uint8)
CENTRED = RNG.normal(0, 1, (50, 6)).astype(np.float32)

RULE = InputData()
MODEL = InputData(uint8_scale=1.0, decided_by="model")
USER = InputData(uint8_scale=1.0, decided_by="user")
SEEN_SCALED = InputData(low=0.0, high=1.0, mean=0.5)
SEEN_DARK = InputData(low=0.0, high=1.0, mean=0.125)
SEEN_RAW = InputData(uint8_scale=1.0, decided_by="model", low=0.0, high=255.0, mean=127.0)
SEEN_NOTHING = InputData(low=0.0, high=0.0, mean=0.0)


def lazy(x_b_l):
    return LazySamples(LazyItems(lambda i: x_b_l[i], range(len(x_b_l))), x_b_l.shape[1:])


def problems(check, x_b_l, data):
    """Return what is warned about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(Dataset.of(x_b_l), data)
    assert all(issubclass(warning.category, DataWarning) for warning in caught)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("form", [np.asarray, lazy])
def test_a_range_is_that_of_the_values_as_they_enter(form):
    x_b_l = np.array([[0, 255], [51, 102]], np.uint8)
    found = Range.of(form(x_b_l), RULE)
    assert (found.low, found.high) == (0, 1)
    assert found.mean == pytest.approx(0.4)  # (0 + 1 + 0.2 + 0.4) / 4, in float32
    assert str(found) == "0 to 1 (mean 0.4)"
    assert not found.all_equal


def test_a_network_keeps_the_range_of_its_calibration():
    found = calibrated(Dataset.of(np.array([[-1, 2], [0.5, 0.5]])), USER)
    assert (found.low, found.high, found.mean, found.decided_by) == (-1, 2, 0.5, "user")
    assert found.calibrated_range == "-1 to 2 (mean 0.5)"


@pytest.mark.parametrize(
    ("x_b_l", "data"),
    [
        (SCALED, RULE), (RAW, RULE), (RAW.astype("f4"), MODEL), (RAW, MODEL), (CENTRED, RULE),
        (RAW.astype("f4"), USER), (RAW // 16, USER), (RAW > 127, RULE), (1000 * CENTRED, RULE),
        (CENTRED * 60, MODEL),
        # Measurements, such as ages and blood pressures, have fractions.
        (23.67 + 160.5 * SCALED, RULE), (RAW * 0.97, RULE),
        (200.5 * SCALED[:, None, :, None], RULE),
    ],
)  # fmt: skip
def test_ordinary_calibration_data_are_fine(x_b_l, data):
    assert problems(calibrated, x_b_l, data) == []


@pytest.mark.parametrize(
    ("x_b_l", "data", "message"),
    [
        (np.zeros((9, 4)), RULE, "all values of the 9 calibration samples are 0"),
        (np.full((9, 4), 0.5), RULE, "all values of the 9 calibration samples are 0.5"),
        (SCALED[:1], RULE, "found 1 of the calibration samples"),
        (np.repeat(SCALED[:1], 9, axis=0), RULE, "all 9 calibration samples are equal"),
        (RAW.astype("f4"), RULE, r"0 to 255 \(mean 1\d\d\), as raw 8-bit images have"),
        (RAW.astype("i8"), RULE, r"Only samples of type uint8 are divided by 255"),
        (0.97 * RAW_IMAGES, RULE, "as raw 8-bit images have"),  # resized
        (RAW // 16, RULE, "8-bit integers up to 15, which become 0 to 0.0588"),
        (SCALED, MODEL, "the model rescales its input by itself and expects larger ones"),
        (CENTRED, MODEL, "expects larger ones"),
    ],
)
def test_calibration_data_that_cannot_be_right_are_named(x_b_l, data, message):
    (found,) = problems(calibrated, x_b_l, data)
    assert found.startswith("arrays in memory: ")
    assert re.search(message, found), found


@pytest.mark.parametrize(
    ("x_b_l", "data"),
    [
        (SCALED, SEEN_SCALED), (RAW, SEEN_SCALED), (RAW, SEEN_RAW), (SCALED[:1], SEEN_SCALED),
        (1.5 * SCALED, SEEN_SCALED), (SCALED / 4, SEEN_SCALED), (RAW.astype("i4"), SEEN_RAW),
        (np.ones((1, 1)), SEEN_SCALED), (SCALED, RULE), (CENTRED, RULE),
        (1 - SCALED**9, SEEN_DARK),  # too few to tell
    ],
)  # fmt: skip
def test_ordinary_samples_are_fine(x_b_l, data):
    assert problems(check_range, x_b_l, data) == []


@pytest.mark.parametrize(
    ("x_b_l", "data", "message"),
    [
        (
            RAW.astype("f4"), SEEN_SCALED,
            r"50 of 50 .* 0 to 255 \(mean 1\d\d\), calibration saw 0 to 1 \(mean 0.5\).*by 255\?",
        ),
        (np.vstack([SCALED, -2 * np.ones((3, 6))]), SEEN_SCALED, "3 of 53 samples .* found -2 to"),
        (SCALED, SEEN_RAW, r"all values are tiny .*calibration saw 0 to 255.*multiplied by 255"),
        (
            RAW, replace(SEEN_RAW, uint8_scale=1 / 255, decided_by="rule"),
            r"all values are tiny .* 8-bit integers enter as uint8 ÷ 255; .*--uint8-scale 1",
        ),
        (np.zeros((5, 6)), SEEN_SCALED, "all values of the 5 samples are 0"),
        (np.tile(1 - SCALED**9, (4, 1)), SEEN_DARK, "the mean is far .* 0.9.* inverted"),
        (SCALED, SEEN_NOTHING, "50 of 50 samples have values far outside"),
        (RAW.astype("f4"), RULE, "as raw 8-bit images have"),
        (SCALED, MODEL, "expects larger ones"),
    ],
)  # fmt: skip
def test_samples_unlike_those_of_the_calibration_are_named(x_b_l, data, message):
    (found,) = problems(check_range, x_b_l, data)
    assert re.search(message, found), found


def test_of_samples_in_files_some_are_read():
    read = []

    def item(i):
        read.append(i)
        return np.float32([i, 300])

    samples = LazySamples(LazyItems(item, range(1000)), (2,))
    data = Dataset(x_b_l=samples, labels_b=None, sample_ids=range(1000), name="files", sha256="")
    with pytest.warns(DataWarning, match=f"files: {MOST_READ} of {MOST_READ} samples"):
        check_range(data, SEEN_SCALED)
    assert len(read) < 2 * MOST_READ
    assert {0, 999} <= set(read)

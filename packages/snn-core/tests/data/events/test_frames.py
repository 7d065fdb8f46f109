"""Frames of events, computed by hand."""

import numpy as np
import pytest

from snn_core.data.events import EventStream, cut, frame_shape, on_chip, scaled_frame, to_cells
from snn_core.settings import InputSettings


def stream(rows):
    """Return a stream from rows of x, y, t, polarity."""
    x, y, t, p = np.array(rows, np.int64).reshape(-1, 4).T
    return EventStream.of(x, y, t, p)


def settings(**values):
    return InputSettings(**{"maxpool_subsampling": False, "do_clip_three_sigma": False, **values})


def frame(rows, chip=(3, 2), **values):
    return to_cells(stream(rows), chip, settings(**values)).frame()


# Two ON and one OFF event at (x 2, y 0), two OFF events at (x 0, y 1).
ROWS = [(2, 0, 0, 1), (2, 0, 1, 1), (2, 0, 2, 0), (0, 1, 3, 0), (0, 1, 4, 0)]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("rectified_sum", [[[0], [0], [3]], [[2], [0], [0]]]),
        ("signed_sum", [[[0], [0], [1]], [[-2], [0], [0]]]),
        (
            "rectified_polarity_channels",
            [[[0, 0], [0, 0], [1, 2]], [[2, 0], [0, 0], [0, 0]]],
        ),
        (
            "signed_polarity_channels",
            [[[0, 0], [0, 0], [-1, 2]], [[-2, 0], [0, 0], [0, 0]]],
        ),
    ],
)
def test_what_each_method_adds_up(method, expected):
    np.testing.assert_array_equal(frame(ROWS, frame_gen_method=method), expected)


def test_the_long_names_of_the_methods_are_accepted():
    for short in ("rectified", "signed"):
        found = settings(frame_gen_method=f"{short}_sum_polarity_channels").frame_gen_method
        assert found == f"{short}_polarity_channels"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [[0, 0, 3], [2, 0, 0]]),
        ({"is_x_flipped": True}, [[3, 0, 0], [0, 0, 2]]),
        ({"is_y_flipped": True}, [[2, 0, 0], [0, 0, 3]]),
        ({"is_x_first": True}, [[0, 2], [0, 0], [3, 0]]),
        ({"is_x_first": True, "is_x_flipped": True}, [[3, 0], [0, 0], [0, 2]]),
    ],
)
def test_mirrors_and_axes(values, expected):
    found = frame(ROWS, frame_gen_method="rectified_sum", **values)
    np.testing.assert_array_equal(found[..., 0], expected)


def test_places_are_sub_sampled_by_the_formula_of_the_original():
    # floor(x * (3 - 1) / (5 - 1)): 0 0 1 1 2, and floor(y * (2 - 1) / (3 - 1)): 0 0 1.
    rows = [(x, y, 0, 1) for x in range(5) for y in range(3)]
    flow = {"target_size": (2, 3)}
    found = frame(rows, (5, 3), frame_gen_method="rectified_sum", dataflow_kwargs=flow)
    np.testing.assert_array_equal(found[..., 0], [[4, 4, 2], [2, 2, 1]])
    assert frame_shape((5, 3), settings(dataflow_kwargs=flow)) == (2, 3, 2)


def test_events_that_meet_in_a_cell_count_once_per_time_and_polarity():
    # x 0 and 1 become column 0 of 2. Time 5: two ON events meet, an OFF event stays; time 6: one.
    rows = [(0, 0, 5, 1), (1, 0, 5, 1), (1, 0, 5, 0), (0, 0, 6, 1), (3, 0, 5, 1)]
    values = {"frame_gen_method": "rectified_sum", "dataflow_kwargs": {"target_size": (1, 2)}}
    assert frame(rows, (4, 1), **values)[0, :, 0].tolist() == [4, 1]
    assert frame(rows, (4, 1), **values, maxpool_subsampling=True)[0, :, 0].tolist() == [3, 1]


def counts(*numbers, p=1):
    return [(x, 0, 10 * i, p) for x, number in enumerate(numbers) for i in range(number)]


def clipped(rows, method):
    cells = to_cells(
        stream(rows), (5, 1), settings(frame_gen_method=method, do_clip_three_sigma=True)
    )
    return cells, cells.frame()[0]


def test_rectified_sums_end_at_three_standard_deviations():
    # Cells with events: 2, 2, 2, 10: mean 4, deviation sqrt((3 * 4 + 36) / 4) = 3.46, limit 10.39.
    assert clipped(counts(2, 2, 2, 10, 0), "rectified_sum")[1][:, 0].tolist() == [2, 2, 2, 10, 0]
    # 4, 4, 4, 5: mean 4.25, deviation 0.43, limit 1.3, rounded 1.
    assert clipped(counts(4, 4, 4, 5, 0), "rectified_sum")[1][:, 0].tolist() == [1, 1, 1, 1, 0]
    # All the same: deviation 0; the limit is never below 1.
    assert clipped(counts(3, 3, 0, 0, 0), "rectified_sum")[1][:, 0].tolist() == [1, 1, 0, 0, 0]


def test_signed_sums_end_at_one_and_a_half_deviations_from_the_mean():
    # Sums 1, 1, 1, 1, 11: mean 3, deviation 4, limits -3 and 9.
    assert clipped(counts(1, 1, 1, 1, 11), "signed_sum")[1][:, 0].tolist() == [1, 1, 1, 1, 9]
    # The same of OFF events: limits -9 and 3.
    found = clipped(counts(1, 1, 1, 1, 11, p=0), "signed_sum")[1]
    assert found[:, 0].tolist() == [-1, -1, -1, -1, -9]


def test_polarity_channels_have_limits_of_their_own():
    # OFF: 1, 1, 1, 7: mean 2.5, deviation 2.6, limit 7.8. ON: 2, 2, 3: deviation 0.47, limit 1.
    rows = counts(1, 1, 1, 7, p=0) + counts(2, 2, 3)
    for method, sign in (("rectified_polarity_channels", 1), ("signed_polarity_channels", -1)):
        found = clipped(rows, method)[1]
        assert found[:, 0].tolist() == [sign, sign, sign, 7 * sign, 0]
        assert found[:, 1].tolist() == [1, 1, 1, 0, 0]


def test_clipping_leaves_out_the_last_events():
    cells, _ = clipped(counts(1, 1, 1, 1, 11), "signed_sum")
    assert cells.t_us_e[cells.cell_e == 4].tolist() == [10 * i for i in range(9)]


def test_frames_are_scaled_by_their_largest_magnitude():
    cells = to_cells(stream(ROWS), (3, 2), settings(frame_gen_method="signed_sum"))
    expected = np.array([[0, 0, 0.5], [-1, 0, 0]], np.float32)[..., None]
    np.testing.assert_array_equal(scaled_frame(cells), expected)
    empty = to_cells(stream([]), (3, 2), settings())
    assert scaled_frame(empty).shape == (2, 3, 2)
    assert not scaled_frame(empty).any()


def test_events_beyond_the_chip_are_left_out():
    assert len(on_chip(stream([(2, 1, 0, 1), (3, 0, 0, 1), (0, 2, 0, 1)]), (3, 2))) == 1


def test_recordings_are_cut_by_the_number_of_events():
    t = np.arange(10)
    assert cut(t, num_events=4) == [(0, 4), (4, 8)]  # the rest of 2 is left out
    assert cut(t, num_events=5) == [(0, 5), (5, 10)]
    assert cut(t, num_events=20) == [(0, 10)]
    assert cut(t) == [(0, 10)]
    assert cut(t[:0]) == cut(t[:0], num_events=3) == cut(t[:0], window_us=3) == []


def test_recordings_are_cut_by_time():
    t = np.array([100, 103, 109, 110, 135, 139, 141])
    # Windows of 10 from 100 on: 100..109, 110..119, 120..129 (empty), 130..139; 140.. is partial.
    assert cut(t, window_us=10) == [(0, 3), (3, 4), (4, 6)]
    assert cut(t, window_us=42) == [(0, 7)]
    assert cut(t, window_us=1000) == [(0, 7)]
    # Cut by hand; a list of all windows would have 2**52 entries.
    assert cut(np.array([0, 1, 2, 2**53]), window_us=2) == [(0, 2), (2, 3)]


def test_windows_are_those_with_events_however_many_there_are():
    t = np.array([0, 1, 2**61, 2**61 + 3])
    assert cut(t, window_us=1) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert cut(t, window_us=2) == [(0, 2), (2, 3), (3, 4)]
    assert cut(t, window_us=2**61) == [(0, 2)]
    assert cut(t, window_us=2**62) == [(0, 4)]

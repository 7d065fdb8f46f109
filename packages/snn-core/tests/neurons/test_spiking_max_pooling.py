import numpy as np
import pytest

from snn_core.errors import ParseError
from snn_core.neurons.max_pooling import MaxPool, pool_coefficient
from snn_core.testing.builder import NetworkBuilder


def f4(values):
    return np.array(values, np.float32)


def test_coefficients_of_the_running_rates():
    assert pool_coefficient("fir_max", 4) == np.float32(0.25)
    assert pool_coefficient("avg_max", 4) == 1
    assert pool_coefficient("exp_max", 1) == np.float32(0.995 / 1.005)
    assert pool_coefficient("pre_spike_max", 4) == 1


def pool(method, *, size=(1, 2), strides=(1, 2), width=2, **options):
    builder = NetworkBuilder((1, width, 1))
    layer = builder.max_pooling(size, strides=strides, method=method, **options).build().output
    return MaxPool(layer, np.zeros((1, 1, width, 1), np.float32))


def drives(state, steps):
    return [
        state.drive(f4(row).reshape(1, 1, -1, 1), t).ravel().tolist()
        for t, row in enumerate(steps, start=1)
    ]


def test_the_cell_with_the_larger_rate_is_passed_on():
    # fir_max weighs input of step t by 1/t: cell 0 has 1, 1, 1; cell 1 has 0, 1/2, 1/2 + 1/3
    assert drives(pool("fir_max"), [[1, 0], [0, 1], [0, 1]]) == [[1], [0], [0]]
    # avg_max weighs all alike: at step 3 cell 1 leads with 2 to 1; on a tie the first cell wins
    assert drives(pool("avg_max"), [[1, 0], [0, 1], [0, 1]]) == [[1], [0], [1]]


def test_exp_max_weighs_what_came_first_most():
    # 0.995 / 1.005 for cell 0 at step 1 is more than the same of cell 1 at step 2
    assert drives(pool("exp_max"), [[1, 0], [0, 1]]) == [[1], [0]]


def test_the_accumulated_maximum_grows_by_what_is_passed_on():
    # sums: (1, 0), (1, 0.5), (1, 2), (3, 2): the maximum goes 1, 1, 2, 3
    steps = [[1, 0], [0, 0.5], [0, 1.5], [2, 0]]
    assert drives(pool("pre_spike_max"), steps) == [[1], [0], [1], [1]]


def test_overlapping_windows_share_a_winner_without_amplifying_it():
    state = pool("avg_max", strides=(1, 1), width=3)
    assert drives(state, [[0, 1, 0], [0, 1, 0]]) == [[1, 1], [1, 1]]


def test_the_cell_with_the_smaller_rate_is_passed_on_where_minima_are_taken():
    turned = {"sign_c": f4([-1])}
    # fir_max: cell 0 has 1, 1; cell 1 has 0, 1/2, 5/6, 13/12: cell 0 is smaller from step 4 on
    steps = [[1, 0], [0, 1], [0, 1], [0, 1]]
    assert drives(pool("fir_max", **turned), steps) == [[0], [1], [1], [0]]
    # avg_max: a tie at step 2, which the first cell wins
    assert drives(pool("avg_max", **turned), [[1, 0], [0, 1], [1, 1]]) == [[0], [0], [1]]
    # sums: (1, 0), (1, 0.5), (1, 2), (3, 2): the minimum goes 0, 0.5, 1, 2
    grown = [[1, 0], [0, 0.5], [0, 1.5], [2, 0]]
    assert drives(pool("pre_spike_max", **turned), grown) == [[0], [0.5], [0.5], [1]]


@pytest.mark.parametrize("method", ["avg_max", "pre_spike_max"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_window_without_cells_of_the_image_passes_on_nothing(method, sign):
    state = pool(method, size=(1, 1), padding=((0, 0), (2, 1)), sign_c=f4([sign]))
    assert drives(state, [[1, 1], [1, 1]]) == [[0, 1, 0]] * 2


@pytest.mark.parametrize("method", ["avg_max", "pre_spike_max"])
def test_cells_outside_the_image_are_no_minima(method):
    state = pool(method, size=(1, 2), strides=(1, 2), width=3, padding="same", sign_c=f4([-1]))
    assert drives(state, [[1, 1, 1], [1, 1, 1]]) == [[1, 1], [1, 1]]


def test_signs_are_plus_or_minus_one_for_each_channel():
    for wrong in ([2], [1, 1], [0]):
        with pytest.raises(ParseError, match=r"signs .* expected 1 \(maximum\) or -1"):
            pool("fir_max", sign_c=f4(wrong))

import numpy as np

from snn_core.neurons.max_pooling import MaxPool, pool_coefficient
from snn_core.testing.builder import NetworkBuilder


def f4(values):
    return np.array(values, np.float32)


def test_coefficients_of_the_running_rates():
    assert pool_coefficient("fir_max", 4) == np.float32(0.25)
    assert pool_coefficient("avg_max", 4) == 1
    assert pool_coefficient("exp_max", 1) == np.float32(0.995 / 1.005)
    assert pool_coefficient("pre_spike_max", 4) == 1


def pool(method, *, size=(1, 2), strides=(1, 2), width=2):
    builder = NetworkBuilder((1, width, 1))
    layer = builder.max_pooling(size, strides=strides, method=method).build().output
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

"""Numbers of 32 and 16 bits, computed by hand, and the neuron in them."""

import math

import numpy as np
import pytest

from snn_spinnaker import fixed, scaling
from snn_spinnaker.models import Registers, choose_cell, synapse_factor

ONE = 1 << 15
MV = 2.0**-15


def test_values_are_written_to_the_nearest_halves_to_even():
    values = np.array([1, 1.5 * MV, 2.5 * MV, -0.5 * MV, 0.51 * MV])
    np.testing.assert_array_equal(fixed.encoded(values), [ONE, 2, 2, 0, 1])


def test_registers_wrap_around_and_products_saturate():
    top = (1 << 31) - 1
    np.testing.assert_array_equal(fixed.wrapped(np.array([top, top + 1])), [top, -top - 1])
    assert fixed.product_to_nearest(top, top) == top
    assert fixed.product_to_nearest(-top, top) == -top - 1


def test_products_round_halves_up_or_down_as_the_board_does():
    half = ONE // 2
    assert [int(fixed.product_to_nearest(half, n)) for n in (1, 3, -1, -3)] == [1, 2, 0, -1]
    assert [int(fixed.product(half, n)) for n in (1, 3, -1, -3)] == [0, 1, -1, -2]


@pytest.mark.parametrize(
    ("largest", "shift"), [(0, 0), (0.3, 0), (0.99, 0), (1, 1), (1.5, 1), (2, 2), (8.1, 4), (16, 5)]
)
def test_the_shift_is_the_power_of_two_above_the_sum(largest, shift):
    assert scaling.left_shift(largest) == shift


def test_what_spynnaker_expects_is_the_largest_weight_times_the_most_synapses():
    first = (np.array([0, 0, 1]), np.array([0.5, 0.25, 2.0]))
    second = (np.array([1]), np.array([3.0]))
    assert scaling.expected_sum([first, second], dt_ms=1.0) == 2 * 2.0 + 3.0
    assert scaling.largest_sum([first, second], 2) == 5.0


def test_weights_have_fifteen_bits_below_the_expected_sum():
    weight = np.array([0.75, 2.0**-15, 2.0**-17, 0.4 * 2.0**-15])
    np.testing.assert_array_equal(scaling.quantised(weight, 0), [24576, 1, 0, 0])
    np.testing.assert_array_equal(scaling.quantised(weight, 3), [3072, 0, 0, 0])


def registers(model="IF_curr_delta", *, largest=4.0, threshold=1.0, start=0.0, rest=0, **more):
    options = {"soft": True, "fires": True, **more}
    cell = choose_cell(
        model, largest=largest, threshold=threshold, tau_syn=0.1, dt_ms=1.0, rest_ms=float(rest)
    )
    unit = cell.unit
    return cell, Registers(
        cell,
        threshold_l=np.array([threshold * unit]),
        start_l=np.array([start * unit]),
        num_samples=1,
        rest_steps=rest,
        **options,
    )


def run(neuron, inputs, offset=0):
    """Return whether it spikes, and its potential in units of 2**-15 mV, for each tick."""
    fired, v = [], []
    for excited, inhibited in inputs:
        arriving = [np.array([[excited]]), np.array([[inhibited]])]
        fired.append(bool(neuron.update(arriving, np.array([[offset]]))[0, 0]))
        v.append(int(neuron.v_b_l[0, 0]))
    return fired, v


@pytest.mark.parametrize("largest", [1.0, 20.0, 300.0, 5000.0])
def test_a_potential_below_twice_the_threshold_does_not_leak(largest):
    cell, neuron = registers(largest=largest, soft=False)
    theta = int(neuron.threshold_l[0])
    _, v = run(neuron, [(theta - 1, 0), *[(0, 0)] * 50, (0, 2 * theta - 2), *[(0, 0)] * 50])
    assert set(v[:51]) == {theta - 1}
    assert set(v[51:]) == {1 - theta}
    assert cell.tau_m <= 32768


def test_a_potential_far_below_leaks_a_step_of_the_register_per_tick():
    _, neuron = registers(largest=1.0)  # k = 1: up to half a millivolt nothing leaks
    _, v = run(neuron, [(0, ONE), (0, 0), (0, 0)])
    assert v == [-ONE, -ONE + 1, -ONE + 2]


def test_an_input_that_equals_the_threshold_spikes_and_either_reset_follows():
    for soft, left in ((True, 5), (False, 0)):
        _, neuron = registers(soft=soft)
        theta = int(neuron.threshold_l[0])
        fired, v = run(neuron, [(theta - 1, 0), (1, 0), (theta + 5, 0)])
        assert fired == [False, True, True]
        assert v == [theta - 1, 0, left]


def test_a_resting_neuron_loses_its_input():
    _, neuron = registers(soft=False, rest=2)
    theta = int(neuron.threshold_l[0])
    fired, _ = run(neuron, [(theta, 0)] * 7)
    assert fired == [True, False, False, True, False, False, True]


def test_the_truncating_neuron_never_falls_below_its_reset():
    _, neuron = registers("IF_trunc_delta", soft=False)
    _, v = run(neuron, [(10, 0), (0, 50), (7, 0)])
    assert v == [10, 0, 7]


def test_a_spike_through_an_exponential_synapse_moves_the_potential_by_its_weight():
    factor = synapse_factor("IF_curr_exp", tau_syn=0.1, dt_ms=1.0)
    # The board takes 3277 * 2**-15 for 0.1 ms: 1 / (0.100006 (1 - exp(-1 / 0.1))).
    assert factor == pytest.approx(9.99984, abs=1e-5)
    cell, neuron = registers("IF_curr_exp", soft=False)
    weight = round(0.5 * cell.weight_factor * ONE)
    _, v = run(neuron, [(weight, 0), *[(0, 0)] * 5])
    # The weight is rounded by up to half of 2**-15 nA, and each tick rounds down by up to as much.
    assert v[-1] == pytest.approx(0.5 * cell.unit * ONE, abs=3)


@pytest.mark.parametrize("dt", [0.1, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("tau_syn", [0.02, 0.1, 0.5, 1.0, 3.0, 10.0])
def test_all_of_a_spike_through_an_exponential_synapse_is_its_weight(tau_syn, dt):
    """Up to a hundredth in excess where the first tick alone brings the weight."""
    cell = choose_cell(
        "IF_curr_exp", largest=1.0, threshold=1.0, tau_syn=tau_syn, dt_ms=dt, rest_ms=0.0
    )
    neuron = Registers(
        cell, threshold_l=np.zeros(1), start_l=np.zeros(1), num_samples=1, rest_steps=0,
        soft=False, fires=False,
    )  # fmt: skip
    ticks = math.ceil(12 * tau_syn / dt) + 1
    _, v = run(neuron, [(round(cell.weight_factor * ONE), 0), *[(0, 0)] * ticks])
    found = v[-1] / ONE / cell.unit
    # Each tick rounds the current down by up to 2**-15 nA, which later ticks lack as well, and the
    # potential by half of 2**-15 mV.
    lasting = 1 / (1 - math.exp(-dt / tau_syn))
    assert found >= 1 - ticks * (lasting * dt + 0.5) / ONE / cell.unit
    assert found <= 1.01 + 2.0**-13
    assert cell.excess == 0 or math.exp(-dt / tau_syn) < 0.01


@pytest.mark.parametrize("dt", [0.001, 0.0015, 0.1, 0.3, 0.7, 1.0, 3.0, 10.0])
def test_a_current_moves_a_potential_in_ticks_of_any_length(dt):
    cell = choose_cell(
        "IF_curr_delta", largest=1.0, threshold=1.0, tau_syn=0.1, dt_ms=dt, rest_ms=0.0
    )
    assert cell.constants.decay < ONE  # where it is 1 nothing is ever integrated
    neuron = Registers(
        cell, threshold_l=cell.thresholds(np.ones(1)), start_l=np.zeros(1), num_samples=1,
        rest_steps=0, soft=False, fires=True,
    )  # fmt: skip
    offset = int(fixed.encoded(cell.currents(np.array([0.25])))[0])
    fired, _ = run(neuron, [(0, 0)] * 12, offset=offset)
    assert fired == [False, False, False, True] * 3

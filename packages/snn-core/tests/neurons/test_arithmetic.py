import math

import numpy as np
import pytest

from snn_core.errors import SettingsError
from snn_core.neurons.arithmetic import (
    initial_potential,
    refractory_steps,
    reset_potential,
)
from snn_core.neurons.state import Neurons
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder


def f4(values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("reset", "expected"),
    [
        ("subtraction", [0.25, 1.5, 0.0, -2.0]),  # one threshold less for the second to third
        ("zero", [0.25, 0.0, 0.0, -2.0]),
        ("modulo", [0.25, 0.5, 0.0, -2.0]),  # 2.5 mod 1
    ],
)
def test_only_neurons_that_spiked_are_reset(reset, expected):
    v = f4([[0.25, 2.5, 1.0, -2.0]])
    found = reset_potential(v, v >= 1, f4(1), reset=reset)
    np.testing.assert_array_equal(found, [expected])


def test_thresholds_may_differ_between_channels():
    v = f4([[3.0, 3.0]])
    threshold = f4([1.25, 2.0])
    found = reset_potential(v, v >= threshold, threshold, reset="modulo")
    np.testing.assert_array_equal(found, [[0.5, 1.0]])  # 3 - 2 * 1.25, 3 - 2


def test_an_unknown_reset_is_an_error():
    with pytest.raises(SettingsError, match="Unknown reset 'half'"):
        reset_potential(f4([[1]]), np.array([[True]]), f4(1), reset="half")


def test_the_initial_potential_is_in_units_of_the_threshold():
    builder = NetworkBuilder((1,)).dense([[1, 1]], threshold=[2, 4], v_init=[0.5, 0.25])
    found = initial_potential(builder.build().output, 3)
    np.testing.assert_array_equal(found, [[1, 1]] * 3)
    found[0] = 7  # a copy of its own for each simulation


def over_time(drive_t, *, dt=1.0, threshold=1.0, **cell):
    """Return the spikes and potentials of one neuron."""
    layer = NetworkBuilder((1,)).dense([[1]], threshold=threshold).build().output
    settings = Settings.of({"cell": cell, "simulation": {"dt": dt}})
    neurons, spikes, potentials = Neurons(layer, settings, batch_size=1), [], []
    for drive in drive_t:
        neurons.integrate(f4([[drive]]))
        spikes.append(int(neurons.fire().item()))
        potentials.append(neurons.v_b_l.item())
    return spikes, potentials


def test_a_refractory_neuron_ignores_its_input_and_keeps_what_is_left():
    # 0.75; 1.5 fires; two steps at 0.5; 1.25 fires; two steps at 0.25; 1.0 fires
    spikes, potentials = over_time([0.75] * 8, tau_refrac=2)
    assert spikes == [0, 1, 0, 0, 1, 0, 0, 1]
    assert potentials == [0.75, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0]


def test_a_refractory_neuron_does_not_fire_however_much_is_left():
    # 2.5 fires and leaves 1.5, which fires one step after the refractory time, without input
    spikes, potentials = over_time([2.5, 2.5, 0, 0, 0], tau_refrac=1)
    assert spikes == [1, 0, 1, 0, 0]
    assert potentials == [1.5, 1.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("tau_refrac", "dt", "steps"),
    [(0, 1, 0), (1, 1, 1), (0.3, 0.1, 3), (0.25, 0.1, 3), (2, 0.5, 4), (0.01, 1, 1)],
)
def test_refractory_steps(tau_refrac, dt, steps):
    settings = Settings.of({"cell": {"tau_refrac": tau_refrac}, "simulation": {"dt": dt}})
    assert refractory_steps(settings) == steps


def test_a_constant_leak_acts_on_the_sum_and_ends_at_zero():
    # 0.5 - 0.25; 0.75 - 0.25; 1.25 - 0.25 fires; then 0.125 is all gone; below 0 nothing leaks
    spikes, potentials = over_time([0.5, 0.5, 0.75, 0.125, -0.5, 0.25], leak=0.25)
    assert spikes == [0, 0, 1, 0, 0, 0]
    assert potentials == [0.25, 0.5, 0, 0, -0.5, -0.25]


def test_a_constant_leak_is_per_ms_and_in_units_of_the_threshold():
    _, potentials = over_time([1, 0, 0], leak=0.25, dt=0.5, threshold=2)
    assert potentials == [0.75, 0.5, 0.25]  # 0.25 * 0.5 ms * 2


def test_an_exponential_leak_acts_before_the_input_is_added():
    # the factor is 1/2: 0.75; 0.375 + 0.75 fires and leaves 0.125; 0.0625 + 0.75
    spikes, potentials = over_time([0.75] * 3 + [-1], tau_m=1 / math.log(2))
    assert spikes == [0, 1, 0, 0]
    assert potentials == [0.75, 0.125, 0.8125, -0.59375]


def test_an_exponential_leak_is_per_ms():
    _, potentials = over_time([0.75, 0, 0], tau_m=2 / math.log(2), dt=4.0)
    assert potentials == [0.75, 0.1875, 0.046875]  # 2**(-4 / 2)

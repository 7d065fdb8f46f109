"""Weights that equal thresholds, spikes that come late, inputs that are too large, and leaks."""

import math

import numpy as np
import pytest
from board_networks import NETWORKS, settings_of

from snn_core.errors import DataError, SettingsError, UnsupportedError
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import samples
from snn_spinnaker import SNN, SpinnakerOptions

EYE = np.eye(3, dtype=np.float32)
X_B_L = np.array([[0.25, 0.5, 1.0]], np.float32)


def chain():
    """Three layers whose weights equal their thresholds."""
    return NetworkBuilder((3,)).dense(EYE).dense(EYE).dense(EYE).build()


def outputs_of(settings, network=None, x_b_l=X_B_L, **options):
    network = chain() if network is None else network
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    snn = SNN(network, settings, SpinnakerOptions(**options))
    return snn, expected, snn.run_batch(x_b_l)


@pytest.mark.parametrize("reset", ["zero", "subtraction"])
@pytest.mark.parametrize("dt", [0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("model", ["IF_curr_delta", "IF_curr_exp"])
def test_a_weight_that_equals_the_threshold_makes_each_layer_spike(model, dt, reset):
    settings = settings_of(steps=32, dt=dt, reset=reset)
    _, expected, found = outputs_of(settings, neuron_model=model, tau_syn=dt / 8)
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        assert spikes_b_l_t.any()
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[name], spikes_b_l_t, err_msg=name)


@pytest.mark.parametrize("reset", ["zero", "subtraction"])
@pytest.mark.parametrize("dt", [0.1, 0.3, 1.0, 3.0, 5.0])
@pytest.mark.parametrize("model", ["IF_curr_delta", "IF_curr_exp"])
def test_constant_currents_and_biases_that_add_up_to_the_threshold_reach_it(model, dt, reset):
    bias_o = np.array([0.25, 0.5, 1], np.float32) / np.float32(dt)
    network = NetworkBuilder((3,)).dense(EYE).dense(0 * EYE, bias_o=bias_o).build()
    settings = settings_of(encoding="constant", steps=16, dt=dt, reset=reset)
    x_b_l = (X_B_L / dt).astype(np.float32)
    given = {"neuron_model": model, "tau_syn": dt / 8, "input_max": 1 / dt}
    _, expected, found = outputs_of(settings, network, x_b_l, **given)
    for counts_b_l, found_b_l in zip(
        expected.spikecounts_n_b_l.values(), found.spikecounts_n_b_l.values(), strict=True
    ):
        # In float32, too, x / dt * dt may fall short of x: then a spike comes a step later.
        assert np.abs(found_b_l - counts_b_l).max() <= (1 if dt != 1 else 0)
        assert found_b_l.any()


@pytest.mark.parametrize("tau_syn", [0.5, 1.0, 3.0])
def test_a_tail_delays_spikes_but_brings_no_more_of_them(tau_syn):
    settings = settings_of(steps=128)
    snn, expected, found = outputs_of(settings, neuron_model="IF_curr_exp", tau_syn=tau_syn)
    pairs = zip(expected.spikecounts_n_b_l.values(), found.spikecounts_n_b_l.values(), strict=True)
    for depth, (counts_b_l, found_b_l) in enumerate(pairs, start=1):
        late = counts_b_l - found_b_l
        # What is on its way at the end: no more than tau_syn of input for each layer, and a spike.
        assert (late >= 0).all()
        assert (late <= depth * (tau_syn + 1)).all()
    tail = f"{math.exp(-1 / tau_syn):.1%}"
    assert snn.details["synapses"].startswith(f"{tail} of a spike's charge comes after its tick")


def test_short_synapses_and_others_have_no_tail_to_tell_of():
    for options in ({"neuron_model": "IF_curr_exp"}, {"tau_syn": 3.0}):
        assert "synapses" not in SNN(chain(), settings_of(), SpinnakerOptions(**options)).details


def test_rounding_tells_of_thresholds_biases_and_constant_currents():
    exp, _, _ = outputs_of(settings_of(dt=2.0), neuron_model="IF_curr_exp")
    assert exp.details["rounding"].endswith("its thresholds change by 0.18%")
    network = NetworkBuilder((3,)).dense(EYE, bias_o=np.full(3, 0.3 * 2.0**-10)).build()
    biased = SNN(network, settings_of())
    unit = biased.board.populations[0].cell.unit
    wanted = np.float64(np.float32(0.3 * 2.0**-10)) * unit
    lost = abs(round(wanted * 2**15) / 2**15 - wanted) / wanted
    assert biased.board.populations[0].rounding["biases"] == pytest.approx(lost)
    assert biased.details["rounding"].endswith(f"its biases change by {lost:.2%}")
    x_b_l = np.full((1, 3), 2.0**-14, np.float32)
    driven, _, _ = outputs_of(settings_of(encoding="constant"), x_b_l=x_b_l)
    # 2**-16 mV is half of the smallest number, and is rounded to 0.
    assert driven.details["rounding"].endswith("its constant currents change by 100.00%")


@pytest.mark.parametrize("value", [4.0, 64.0, -4.0])
def test_constant_inputs_that_would_be_cut_off_are_refused(value):
    network = NetworkBuilder((2,)).dense(np.array([[1, 0.25], [0.5, 0.75]], np.float32))
    network = network.build(readout="membrane")
    settings, x_b_l = settings_of(encoding="constant"), np.full((1, 2), value, np.float32)
    with pytest.raises(DataError, match=r"larger than spinnaker\.input_max = 1; raise it"):
        SNN(network, settings).run_batch(x_b_l)
    given = {"input_max": abs(value)}
    _, expected, found = outputs_of(settings, network, x_b_l, **given)
    # The potentials leak by a 32768th per step, and 12 steps are simulated.
    np.testing.assert_allclose(found.output_b_l_t, expected.output_b_l_t, rtol=12 / 32768)


@pytest.mark.parametrize("steps", [1000, 4000])
def test_potentials_of_an_output_that_leak_are_told_with_how_much(steps):
    network = NetworkBuilder((3,)).dense(EYE).build(readout="membrane")
    settings = Settings.of(
        {"simulation": {"duration": steps, "batch_size": 1}, "input": {"encoding": "constant"}}
    )
    x_b_l = np.ones((1, 3), np.float32)
    snn, expected, found = outputs_of(settings, network, x_b_l)
    lost = 1 - found.output_b_l_t[0, 0, -1] / expected.output_b_l_t[0, 0, -1]
    assert lost > 0.01
    assert f"are {lost:.1%} too small after {steps} steps" in snn.details["leak"]
    assert "leak" not in SNN(network, settings_of(steps=32)).details


@pytest.mark.parametrize("dt", [1e-6, 0.0009, 20.0, 50.0, 1000.0])
def test_ticks_that_the_boards_numbers_cannot_hold_are_refused(dt):
    with pytest.raises(UnsupportedError, match=r"numbers work for 0\.001 to 10 ms"):
        SNN(chain(), settings_of(dt=dt))


def test_options_that_no_number_of_the_board_holds_are_named():
    with pytest.raises(SettingsError, match="input_max: found 1e\\+300"):
        SpinnakerOptions(input_max=1e300)
    with pytest.raises(SettingsError, match="tau_syn: found 1e-06"):
        SpinnakerOptions(tau_syn=1e-6)
    short = SpinnakerOptions(neuron_model="IF_curr_exp", tau_syn=0.002)
    with pytest.raises(UnsupportedError, match=r"tau_syn is 0\.002 ms.*at least 0\.0048"):
        SNN(chain(), settings_of(dt=5.0), short)
    large = SpinnakerOptions(input_max=2.0**24)
    with pytest.raises(UnsupportedError, match=r"lower spinnaker\.input_max = 1\.67772e\+07"):
        SNN(NETWORKS["dense"](), settings_of(encoding="constant"), large).run_batch(
            samples(NETWORKS["dense"](), 1)
        )

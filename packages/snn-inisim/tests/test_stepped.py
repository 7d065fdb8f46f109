"""Options of the cell on TensorFlow, against the reference (tested with numbers by hand)."""

import numpy as np
import pytest

from snn_core.ir import BinarySigmoid, BinaryTanh, QuantizedReLU, ReLU
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder
from snn_inisim import SNN

STEPS = 8

OPTIONS = {
    "tau_refrac": {"cell": {"tau_refrac": 2}},
    "leak": {"cell": {"leak": 0.03125}},
    "tau_m": {"cell": {"tau_m": 20.0}},
    "payloads": {"cell": {"payloads": True}},
    "v_clip": {"cell": {"v_clip": 1.25}},
    "clamp_indices": {"cell": {"clamp_indices": {"1": 4}}},
    "clamp_var": {"cell": {"clamp_var": True}, "input": {"encoding": "poisson"}},
    "bias_relaxation": {"cell": {"bias_relaxation": True}},
    "uniform": {"cell": {"v_init": "uniform"}},
    "bias": {"cell": {"v_init": "bias"}},
    "online_normalization": {
        "normalization": {"online_normalization": True, "timestep_fraction": 2}
    },
    "reset_between_nth_sample": {"simulation": {"reset_between_nth_sample": 2}},
    "scale_first_layer_parameters": {"simulation": {"scale_first_layer_parameters": 1.0}},
    "early_stopping": {
        "simulation": {"early_stopping": True},
        "input": {"encoding": "poisson", "num_poisson_events_per_sample": 20},
    },
    "max_num_input_spikes": {"input": {"max_num_input_spikes": 40}},
}


def network(activation):
    """Return a convolution, a max pool and two dense layers with dyadic weights."""
    rng = np.random.default_rng(11)

    def weights(*shape):
        return rng.integers(-300, 500, shape) / 1024

    builder = NetworkBuilder((4, 4, 2))
    builder.conv2d(weights(3, 3, 2, 3), bias_o=weights(3), padding="same", activation=activation)
    builder.max_pooling((2, 2)).flatten()
    builder.dense(weights(12, 6), bias_o=weights(6), activation=activation)
    return builder.dense(weights(6, 3), activation=ReLU()).build()


def assert_equals_reference(net, sections):
    sections = {name: dict(values) for name, values in sections.items()}
    sections.setdefault("simulation", {})["duration"] = float(STEPS)
    sections["output"] = {"log_vars": ["spiketrains", "mem", "input"]}
    settings = Settings.of(sections)
    x_b_l = networks.samples((4, 4, 2), count=3)
    snn = SNN(net, settings, seed=2)
    expected = ReferenceSNN(net, settings, seed=2).run_batch(x_b_l)
    found = snn.run_batch(x_b_l)
    assert any(train.any() for train in expected.spiketrains_n_b_l_t.values())
    for name, train in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[name], train, err_msg=name)
        # What payloads carry fills the bits of float32, so that sums round by their order.
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if settings.cell.payloads else {"rtol": 0}
        np.testing.assert_allclose(found.mem_n_b_l_t[name], expected.mem_n_b_l_t[name], **tolerance)
    np.testing.assert_array_equal(found.input_b_l_t, expected.input_b_l_t)
    np.testing.assert_array_equal(found.synaptic_operations_b_t, expected.synaptic_operations_b_t)
    snn.end_sim()


# The other two have factors that are not dyadic; see below.
@pytest.mark.parametrize(
    "option", [name for name in OPTIONS if name not in ("tau_m", "scale_first_layer_parameters")]
)
def test_options_give_the_spikes_of_the_reference(option):
    assert_equals_reference(network(ReLU()), OPTIONS[option])


@pytest.mark.parametrize(
    "activation",
    [BinarySigmoid(), BinaryTanh(), QuantizedReLU(step=0.125, max_value=1.875)],
    ids=lambda activation: type(activation).__name__,
)
def test_activations_give_the_spikes_of_the_reference(activation):
    assert_equals_reference(network(activation), {})


def test_plain_networks_do_without_stepping():
    snn = SNN(network(ReLU()), Settings.of({"simulation": {"duration": 2.0}}))
    snn.run_batch(networks.samples((4, 4, 2)))
    assert snn._stepped is None
    assert snn._event is not None


@pytest.mark.parametrize("option", ["tau_m", "scale_first_layer_parameters"])
def test_options_that_round_give_the_potentials_of_the_reference(option):
    net = NetworkBuilder((4,)).dense(np.full((4, 2), 64 / 1024)).build()
    assert_equals_reference_of(net, OPTIONS[option])


def assert_equals_reference_of(net, sections):
    """Compare one layer, the sum of which comes out the same in any order within rounding."""
    sections = {name: dict(values) for name, values in sections.items()}
    sections.setdefault("simulation", {})["duration"] = float(STEPS)
    sections["output"] = {"log_vars": ["mem"]}
    settings = Settings.of(sections)
    x_b_l = networks.samples((4,), count=2)
    expected = ReferenceSNN(net, settings).run_batch(x_b_l).mem_n_b_l_t
    found = SNN(net, settings).run_batch(x_b_l).mem_n_b_l_t
    for name, mem in expected.items():
        # A few units in the last place of float32 per step
        np.testing.assert_allclose(found[name], mem, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("option", ["online_normalization", "clamp_var", "uniform", "payloads"])
def test_samples_give_the_same_in_any_batch(option):
    net = NetworkBuilder((4,)).dense(np.full((4, 3), 300 / 1024)).build()
    sections = {**OPTIONS[option], "simulation": {"duration": float(STEPS)}}
    x_b_l = networks.samples((4,), count=3, seed=1) * np.array([[1], [0.25], [0.5]], np.float32)
    snn = SNN(net, Settings.of(sections))
    together = snn.run_batch(x_b_l).output_b_l_t
    for ids in ([2], [1, 0]):
        found = snn.run_batch(x_b_l[ids], sample_ids=ids).output_b_l_t
        np.testing.assert_array_equal(found, together[ids])

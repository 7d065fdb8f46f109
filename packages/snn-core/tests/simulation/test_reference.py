"""The reference simulator against sequences worked out by hand."""

import numpy as np
import pytest

from snn_core.ir import Linear, Softmax
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.signal import output_uniforms
from snn_core.testing.builder import NetworkBuilder


def simulated(network, x_b_l, *, steps=6, dt=1.0, seed=0, **sections):
    settings = Settings.of(
        {
            "simulation": {"duration": steps * dt, "dt": dt},
            "output": {"log_vars": ["spiketrains", "mem", "input"]},
            **sections,
        }
    )
    return ReferenceSNN(network, settings, seed=seed).run_batch(np.asarray(x_b_l, np.float32))


def trains(recording):
    """Return the spike trains of the first sample, layer by layer."""
    return [spikes[0].tolist() for spikes in recording.spiketrains_n_b_l_t.values()]


def one(weight, **common):
    return NetworkBuilder((1,)).dense([[weight]], **common).build()


@pytest.mark.parametrize(
    ("reset", "expected", "last"),
    [
        # 0.75, 1.5 | 0.5 left, 1.25 | 0.25, 1 | 0, 0.75, 1.5 | 0.5
        ("subtraction", [0, 1, 1, 1, 0, 1], 0.5),
        # 0.75, 1.5 | 0, 0.75, 1.5 | 0, ...
        ("zero", [0, 1, 0, 1, 0, 1], 0.0),
        # below two thresholds modulo is subtraction
        ("modulo", [0, 1, 1, 1, 0, 1], 0.5),
    ],
)
def test_integrate_compare_reset(reset, expected, last):
    recording = simulated(one(0.75), [[1]], cell={"reset": reset})
    assert trains(recording) == [[expected]]
    assert recording.mem_n_b_l_t["01Dense_1"][0, 0, -1] == last


def test_at_most_one_spike_per_step_and_what_is_over_stays():
    # 2.5 | 1.5, 4 | 3, ... by subtraction; 2.5 | 0.5, 3 | 0, 2.5 | 0.5 by modulo
    assert simulated(one(2.5), [[1]], steps=3).mem_n_b_l_t["01Dense_1"][0, 0].tolist() == [
        1.5,
        3,
        4.5,
    ]
    recording = simulated(one(2.5), [[1]], steps=3, cell={"reset": "modulo"})
    assert recording.mem_n_b_l_t["01Dense_1"][0, 0].tolist() == [0.5, 0, 0.5]
    assert trains(recording) == [[[1, 1, 1]]]


def test_a_potential_that_equals_the_threshold_spikes():
    assert trains(simulated(one(0.5), [[1]], steps=4)) == [[[0, 1, 0, 1]]]


def test_potentials_start_at_v_init_and_are_recorded_in_thresholds():
    recording = simulated(one(1, threshold=4, v_init=0.5), [[1]], steps=3)
    # 2 + 1 = 3, 4 | 0, 1; in units of 4
    assert recording.mem_n_b_l_t["01Dense_1"][0, 0].tolist() == [0.75, 0, 0.25]
    assert trains(recording) == [[[0, 1, 0]]]


def test_a_spike_passes_through_the_whole_network_in_one_step():
    network = NetworkBuilder((1,)).dense([[0.5]]).dense([[1]]).dense([[1]]).build()
    assert trains(simulated(network, [[1]], steps=4)) == [[[0, 1, 0, 1]]] * 3


def test_input_and_bias_are_multiplied_by_dt():
    network = one(0.5, bias_o=[0.25])
    recording = simulated(network, [[1]], steps=3, dt=0.5)
    # (0.5 * 1 + 0.25) * 0.5 = 0.375 per step: 0.375, 0.75, 1.125 | 0.125
    assert recording.mem_n_b_l_t["01Dense_1"][0, 0].tolist() == [0.375, 0.75, 0.125]
    assert recording.input_b_l_t[0, 0].tolist() == [0.5, 0.5, 0.5]


def test_negative_drive_never_spikes():
    recording = simulated(one(-0.5), [[1]], steps=3)
    assert trains(recording) == [[[0, 0, 0]]]
    assert recording.mem_n_b_l_t["01Dense_1"][0, 0].tolist() == [-0.5, -1, -1.5]


def test_a_relay_passes_its_sum_on_in_the_same_step():
    builder = NetworkBuilder((1,)).dense([[0.5]]).dense([[0.5]], activation=Linear())
    network = builder.dense([[1]], bias_o=[0.125]).build()
    recording = simulated(network, [[1]], steps=4)
    assert list(recording.spiketrains_n_b_l_t) == ["01Dense_1", "03Dense_1"]
    # spikes at 2 and 4 bring 0.5 * 1: 0.125, 0.75, 0.875, 1.5 | 0.5
    assert recording.mem_n_b_l_t["03Dense_1"][0, 0].tolist() == [0.125, 0.75, 0.875, 0.5]


def test_the_membrane_read_out_integrates_without_spiking():
    network = NetworkBuilder((1,)).dense([[0.75, 0.25]]).build(readout="membrane")
    recording = simulated(network, [[1]], steps=3)
    np.testing.assert_array_equal(recording.output_b_l_t[0], [[0.75, 1.5, 2.25], [0.25, 0.5, 0.75]])
    assert trains(recording) == [[[0, 0, 0], [0, 0, 0]]]


def test_a_softmax_output_draws_its_spikes():
    network = NetworkBuilder((1,)).dense([[2, 0]], activation=Softmax()).build()
    recording = simulated(network, [[1], [1]], steps=4, seed=3)
    uniform_t_b_o = output_uniforms(range(2), 3, num_steps=4, num_classes=2)
    for t in range(4):
        # the potentials are 2 (t + 1) and 0
        p = 1 / (1 + np.exp(-2.0 * (t + 1)))
        expected = uniform_t_b_o[t] <= [p, 1 - p]
        np.testing.assert_array_equal(recording.output_b_l_t[..., t], expected)
    assert not np.array_equal(uniform_t_b_o[:, 0], uniform_t_b_o[:, 1])


def test_what_a_sample_does_does_not_depend_on_its_batch():
    rng = np.random.default_rng(0)
    network = (
        NetworkBuilder((4,)).dense(rng.normal(size=(4, 5))).dense(rng.normal(size=(5, 3))).build()
    )
    x_b_l = rng.random((5, 4))
    together = simulated(network, x_b_l).output_b_l_t
    alone = [simulated(network, x_l[None]).output_b_l_t[0] for x_l in x_b_l]
    np.testing.assert_array_equal(together, alone)

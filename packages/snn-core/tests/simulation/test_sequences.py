"""Keeping state from sample to sample, and stopping samples early."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from snn_core import run
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.signal import InputSignal
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder


def f4(values):
    return np.array(values, np.float32)


def trains(network, x_b_l, *, sample_ids=None, **sections):
    """Return the output spikes of one batch."""
    snn = ReferenceSNN(network, Settings.of(sections))
    return snn.run_batch(x_b_l, sample_ids=sample_ids).output_b_l_t


def test_the_state_goes_on_within_a_sequence():
    network = NetworkBuilder((1,)).dense([[0.375]]).build()
    simulation = {"duration": 2.0, "reset_between_nth_sample": 2}
    found = trains(network, f4([[1]] * 5), simulation=simulation)
    # 0.375, 0.75 | 1.125 fires, 0.5 || anew, three times
    assert found[:, 0].tolist() == [[0, 0], [1, 0], [0, 0], [1, 0], [0, 0]]


@pytest.mark.parametrize("length", [0, -1, 5, 9])
def test_one_sequence_for_all(length):
    network = NetworkBuilder((1,)).dense([[0.375]]).build()
    simulation = {"duration": 2.0, "reset_between_nth_sample": length}
    found = trains(network, f4([[1]] * 5), simulation=simulation)
    whole = trains(network, f4([[1]]), simulation={"duration": 10.0})
    assert found[:, 0].ravel().tolist() == whole.ravel().tolist()


def test_refractory_times_go_on_within_a_sequence():
    network = NetworkBuilder((1,)).dense([[0.5]]).build()
    simulation = {"duration": 2.0, "reset_between_nth_sample": 0}
    found = trains(network, f4([[1]] * 3), simulation=simulation, cell={"tau_refrac": 1})
    # fires in step 2, is blocked in step 3, then 0.5, 1
    assert found[:, 0].tolist() == [[0, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("length", [1, 3, 0])
def test_runs_of_sequences_do_not_depend_on_the_batch_size(length, batch_size, tmp_path):
    network = networks.dense(outputs=3, seed=4)
    x_b_l, labels_b = networks.samples((4,), count=7, seed=5), np.arange(7) % 3
    sections = {
        "simulation": {"duration": 5.0, "reset_between_nth_sample": length},
        "output": {"log_vars": ["spiketrains", "mem", "input"]},
    }

    def result(size, folder=None):
        settings = Settings.of(sections).updated({"simulation": {"batch_size": size}})
        return run(
            network, "reference", data=(x_b_l, labels_b), settings=settings, output_dir=folder
        )

    expected, found = result(100), result(batch_size, tmp_path / "run")
    np.testing.assert_array_equal(found.sample_ids_b, np.arange(7))
    np.testing.assert_array_equal(found.decision_b_t, expected.decision_b_t)
    for variable in ("spiketrains", "mem", "input"):
        for name, values in expected.logged(variable).items():
            np.testing.assert_array_equal(found.logged(variable)[name], values)


OPTIONS = {
    "plain": {},
    "tau_refrac": {"cell": {"tau_refrac": 2}},
    "leak": {"cell": {"leak": 0.03125}},
    "tau_m": {"cell": {"tau_m": 20.0}},
    "payloads": {"cell": {"payloads": True}},
    "v_clip": {"cell": {"v_clip": 1.25}},
    "clamp_indices": {"cell": {"clamp_indices": {"2": 4}}},
    "clamp_var": {"cell": {"clamp_var": True}, "input": {"encoding": "poisson"}},
    "bias_relaxation": {"cell": {"bias_relaxation": True}},
    "uniform": {"cell": {"v_init": "uniform"}},
    "online_normalization": {
        "normalization": {"online_normalization": True, "timestep_fraction": 4}
    },
    "early_stopping": {
        "simulation": {"early_stopping": True},
        "input": {"encoding": "poisson", "num_poisson_events_per_sample": 9},
    },
    "max_num_input_spikes": {"input": {"max_num_input_spikes": 20}},
    "scale_first_layer_parameters": {"simulation": {"scale_first_layer_parameters": 1.0}},
}


@pytest.mark.parametrize("option", OPTIONS)
@given(data=st.data())
@hypothesis_settings(max_examples=8, deadline=None)
def test_results_do_not_depend_on_the_batch(option, data):
    count = data.draw(st.integers(2, 5))
    order = data.draw(st.permutations(range(count)))
    size = data.draw(st.integers(1, count))
    x_b_l = networks.samples((4,), count=count, seed=data.draw(st.integers(0, 99)))
    x_b_l[0] *= data.draw(st.sampled_from([0, 1, 2]))
    rng = np.random.default_rng(3)
    builder = NetworkBuilder((4,))
    for outputs in (6, 3):
        weight_io = rng.integers(-200, 500, (builder.shape[0], outputs)) / 1024
        builder.dense(weight_io, bias_o=rng.integers(-50, 50, outputs) / 1024)
    sections = {name: dict(values) for name, values in OPTIONS[option].items()}
    sections.setdefault("simulation", {})["duration"] = 12.0
    together = trains(builder.build(), x_b_l, **sections)
    for start in range(0, count, size):
        ids = list(order[start : start + size])
        found = trains(builder.build(), x_b_l[ids], sample_ids=ids, **sections)
        np.testing.assert_array_equal(found, together[ids])


def active_steps(x_b_l, **sections):
    return InputSignal(
        x_b_l=f4(x_b_l), sample_ids=range(len(x_b_l)), settings=Settings.of(sections), seed=0
    ).num_active_steps_b


def test_samples_stop_when_their_input_would_have_spiked_often_enough():
    # floor(0.5 t) + floor(0.25 t): 0, 1, 1, 3, ...; negative and zero input never spikes
    found = active_steps(
        [[0.5, 0.25], [0, 0], [-1, 0], [1, 0]],
        input={"max_num_input_spikes": 1},
        simulation={"duration": 6.0},
    )
    assert found.tolist() == [4, 6, 6, 2]


def test_the_length_of_a_step_counts_for_input_spikes():
    found = active_steps(
        [[1]], input={"max_num_input_spikes": 1}, simulation={"dt": 0.5, "duration": 6.0}
    )
    assert found.tolist() == [4]  # 2 ms


def test_samples_stop_early_once_their_input_is_used_up():
    sections = {
        "input": {"encoding": "poisson", "num_poisson_events_per_sample": 2},
        "simulation": {"early_stopping": True, "duration": 8.0},
    }
    # One pixel of 1 spikes in each of the first two steps.
    assert active_steps([[1], [0]], **sections).tolist() == [2, 0]
    sections["input"] = {"encoding": "constant"}
    assert active_steps([[1], [0]], **sections).tolist() == [8, 0]


def test_nothing_is_recorded_of_a_stopped_sample_and_its_potential_stays():
    network = NetworkBuilder((1,)).dense([[0.75]], bias_o=[0.25]).build()
    sections = {
        "input": {"encoding": "poisson", "num_poisson_events_per_sample": 2},
        "simulation": {"early_stopping": True, "duration": 6.0, "task": "classification"},
        "output": {"log_vars": ["spiketrains", "mem"]},
    }
    x_b_l, labels = f4([[1], [0]]), np.array([0, 0])
    snn = ReferenceSNN(network, Settings.of(sections))
    snn.run(x_b_l, labels)
    assert snn.result.recording.output_b_l_t[:, 0].tolist() == [[1, 1, 0, 0, 0, 0], [0] * 6]
    assert snn.result.score.decision_b_t.tolist() == [[0] * 6, [-1] * 6]
    assert snn.neuron_operations_b_t.tolist() == [[1, 1, 0, 0, 0, 0], [0] * 6]


def test_a_stopped_readout_keeps_its_potential():
    network = NetworkBuilder((1,)).dense([[0.25]]).build(readout="membrane")
    sections = {"input": {"max_num_input_spikes": 1}, "simulation": {"duration": 5.0}}
    found = trains(network, f4([[1], [0.25]]), **sections)
    # floor(t) exceeds 1 in step 2; a quarter of that would take 8 steps
    assert found[0, 0].tolist() == [0.25, 0.5, 0.5, 0.5, 0.5]
    assert found[1, 0].tolist() == [0.0625, 0.125, 0.1875, 0.25, 0.3125]


def test_scaled_first_layer_parameters_fade():
    # D = 3, τ = 1: (3 + 1 + 3 - t) / (t + 1) = 6/2, 5/3, 4/4
    network = NetworkBuilder((1,)).dense([[1]], threshold=8).build()
    snn = ReferenceSNN(
        network,
        Settings.of(
            {
                "simulation": {"duration": 3.0, "scale_first_layer_parameters": True},
                "output": {"log_vars": ["input"]},
            }
        ),
    )
    found = snn.run_batch(f4([[0.5]])).input_b_l_t
    np.testing.assert_allclose(found[0, 0], [1.5, 5 / 6, 0.5], rtol=1e-6)  # float32

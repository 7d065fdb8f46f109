"""Whole networks on each simulator: all kinds of layers, resets, inputs, runs that are stopped."""

import numpy as np
import pytest

from snn_core.data.events import scaled_frame
from snn_core.errors import SettingsError, SimulationError, UnsupportedError
from snn_core.ir import Spiking
from snn_core.running.run import run
from snn_core.settings import Settings
from snn_core.simulation.contract import StopSimulation
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder


@pytest.mark.smoke
def test_all_kinds_of_layers_spike_as_in_the_reference(simulator, helpers, all_kinds):
    snn = simulator(all_kinds, helpers.settings_of())
    helpers.assert_equal_to_reference(snn, helpers.samples(all_kinds, 3))


@pytest.mark.parametrize("encoding", ["regular", "poisson"])
def test_reset_to_zero_with_delays_and_half_steps(simulator, helpers, all_kinds, encoding):
    # 1.5 ms are three steps; the second batch begins where spikes of the first are on their way.
    settings = helpers.settings_of(dt=0.5, encoding=encoding, reset="zero", steps=16)
    snn = simulator(all_kinds, settings, simulator.options_type(delay=1.5))
    x_b_l = helpers.samples(all_kinds, 4)
    for part in (slice(0, 2), slice(2, 4)):
        expected = ReferenceSNN(all_kinds, settings).run_batch(x_b_l[part])
        found = snn.run_batch(x_b_l[part])
        np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)
    assert expected.output_b_l_t.any()
    assert snn.details["output_delay"].startswith(str(3 * 6))


def test_input_spikes_carry_signs_and_amplitudes(simulator, helpers):
    network = networks.one_to_one(6, weight=512)
    events_b = [networks.events(6, steps=steps, signed=True) for steps in (12, 6, 9)]
    x_b_l = np.stack([scaled_frame(events) for events in events_b])
    settings = Settings.of(
        {
            "simulation": {"duration": helpers.steps, "batch_size": 3},
            "input": {"encoding": "events", "eventframe_width": networks.STEP_US},
            "output": {"log_vars": ["spiketrains", "input"]},
        }
    )
    expected = ReferenceSNN(network, settings).run_batch(x_b_l, events_b=events_b)
    assert (expected.input_b_l_t < 0).any()
    assert len(set(np.abs(expected.input_b_l_t).max(axis=(1, 2)))) == 3
    found = simulator(network, settings).run_batch(x_b_l, events_b=events_b)
    np.testing.assert_array_equal(found.input_b_l_t, expected.input_b_l_t)
    np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)


def test_biases_act_with_their_full_size_in_every_step(simulator, helpers):
    network = networks.dense(bias_o=[0.25, 0.5, 0.125, 0.0, 0.75, 1.0])
    snn = simulator(network, helpers.settings_of(steps=8))
    found = snn.run_batch(np.zeros((1, 4), np.float32))
    np.testing.assert_array_equal(found.output_b_l_t.sum(axis=-1), [[2, 4, 1, 0, 6, 8]])


def test_networks_that_replace_each_other_simulate_on(simulator, helpers):
    first, second = (
        simulator(
            networks.chain(tuple(networks.passing_on(5, seed=seed) for seed in seeds)),
            helpers.settings_of(),
        )
        for seeds in ((1, 2), (3, 4))
    )
    x_b_l = helpers.samples(first.network, 2)
    for snn in (first, second, first):
        helpers.assert_equal_to_reference(snn, x_b_l)
    assert len(first.layers) == len(second.layers) == 3


def test_a_stopped_batch_leaves_nothing_behind(simulator, helpers):
    asked = []

    def stop():
        asked.append(0)
        return len(asked) == 8

    network = networks.chain(tuple(networks.passing_on(5, seed=seed) for seed in (1, 2)))
    snn = simulator(network, helpers.settings_of(steps=64), stop=stop)
    x_b_l = helpers.samples(network, 3)
    with pytest.raises(StopSimulation):
        snn.run_batch(x_b_l)
    helpers.assert_equal_to_reference(snn, x_b_l[::-1])


def test_a_stopped_run_resumes_to_the_same_result(simulator, helpers, tmp_path):
    network = networks.chain(tuple(networks.passing_on(5, seed=seed) for seed in (1, 2)))
    settings = helpers.settings_of(batch_size=2)
    data = (helpers.samples(network, 6), np.zeros(6, int))
    asked = []

    def stop():
        asked.append(0)
        return len(asked) > 20

    common = {"simulator": simulator.name, "data": data, "settings": settings}
    whole = run(network, **common)
    part = run(network, **common, output_dir=tmp_path / "run", stop=stop)
    assert part.interrupted
    resumed = run(network, **common, output_dir=tmp_path / "run", resume=True)
    np.testing.assert_array_equal(resumed.decision_b_t, whole.decision_b_t)


def test_max_pooling_is_refused_by_name(simulator, helpers):
    network = networks.max_pooling("fir_max", overlapping=False)
    with pytest.raises(UnsupportedError, match="max pooling by 'fir_max' is not supported"):
        simulator(network, helpers.settings_of())


@pytest.mark.parametrize("encoding", ["constant", "regular"])
def test_neurons_that_begin_at_their_threshold_are_refused_by_name(simulator, helpers, encoding):
    eye = np.eye(3, dtype=np.float32)
    network = NetworkBuilder((3,)).dense(eye, v_init=[0.5, 0.0, 0.75]).dense(eye, name="first")
    network = network.dense(eye, name="late", v_init=[0.0, 1.0, 3.0]).dense(eye).build()
    snn = simulator(network, helpers.settings_of(encoding=encoding))
    with pytest.raises(UnsupportedError, match="late: potentials begin") as caught:
        snn.build()
    assert len(caught.value.problems) == 1


def test_neurons_that_begin_just_below_their_threshold_spike_in_time(simulator, helpers):
    eye = np.eye(3, dtype=np.float32)
    v_init = [0.5, 1 - 2.0**-10, 0.75]
    network = NetworkBuilder((3,)).dense(eye, v_init=v_init).dense(eye, v_init=v_init).build()
    for encoding in ("constant", "regular"):
        snn = simulator(network, helpers.settings_of(encoding=encoding))
        helpers.assert_equal_to_reference(snn, helpers.samples(network, 2))


def test_a_network_without_room_is_refused_before_it_is_built(simulator, helpers, all_kinds):
    options = simulator.options_type(memory_limit_mb=0.01)
    with pytest.raises(SimulationError, match=r"memory_limit_mb = 0\.01"):
        simulator(all_kinds, helpers.settings_of(), options).build()


def test_a_delay_of_half_a_step_is_refused(simulator, helpers, all_kinds):
    with pytest.raises(SettingsError, match="multiple of the step"):
        simulator(all_kinds, helpers.settings_of(), simulator.options_type(delay=0.5))


def test_names_of_the_original_reach_objects_of_pynn(simulator, helpers, all_kinds):
    from pyNN.common import Population, Projection

    snn = simulator(all_kinds, helpers.settings_of(batch_size=1))
    snn.run_batch(helpers.samples(all_kinds, 1))
    names = [
        layer.name
        for layer in all_kinds.layers
        if isinstance(layer, Spiking) and all_kinds.has_neurons(layer)
    ]
    assert [item.label for item in snn.layers] == names
    assert all(isinstance(item, Population) for item in snn.layers)
    assert all(isinstance(item, Projection) for item in snn.connections)
    connection = snn.engine.spiking_connections[0]
    found = snn.connections[0].get("weight", format="list", with_address=True)
    expected = zip(connection.pre, connection.post, connection.weight_s, strict=True)
    unit = 1000 if snn.name == "pynn-nest" else 1  # PyNN reads NEST's weights as pA
    assert sorted((int(i), int(j), np.float32(w * unit)) for i, j, w in found) == sorted(expected)
    assert snn.cellparams["reset"] == "subtraction"


def test_saved_tables_build_the_network_without_its_layers(
    simulator, helpers, all_kinds, tmp_path, monkeypatch
):
    settings, x_b_l = helpers.settings_of(), helpers.samples(all_kinds, 2)
    snn = simulator(all_kinds, settings)
    expected = snn.run_batch(x_b_l)
    snn.save(tmp_path, "net")
    monkeypatch.setattr(simulator, "build_layer", None)  # layers are not looked at again
    found = simulator.saved(tmp_path, "net").run_batch(x_b_l)
    np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)

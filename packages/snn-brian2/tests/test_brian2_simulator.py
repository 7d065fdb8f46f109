import json

import numpy as np
import pytest

from snn_brian2 import SNN, Brian2Options, engine
from snn_core.data.events import scaled_frame
from snn_core.errors import ArtifactError, SettingsError, SimulationError
from snn_core.ir.network import Network
from snn_core.settings import Settings
from snn_core.simulation.contract import ALL_LAYERS
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder

STEPS = 12


def settings_of(*, dt=1.0, encoding="constant", log_vars=("spiketrains",), batch_size=3, **cell):
    return Settings.of(
        {
            "simulation": {"duration": STEPS * dt, "dt": dt, "batch_size": batch_size},
            "input": {"encoding": encoding},
            "cell": cell,
            "output": {"log_vars": list(log_vars)},
        }
    )


def samples(network, count):
    """Return multiples of 2**-4, different for each sample; some are zero."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 17, (count, *network.input.output_shape)).astype(np.float32) / 16


def assert_equal_to_reference(network, settings, options, *, count=3):
    x_b_l = samples(network, count)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    found = SNN(network, settings, options).run_batch(x_b_l)
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        assert spikes_b_l_t.any(), f"{name} is silent and proves nothing"
        differing = np.count_nonzero(found.spiketrains_n_b_l_t[name] != spikes_b_l_t)
        assert differing == 0, f"{name}: {differing} of {spikes_b_l_t.size} spikes differ"
    for name, operations_b_t in expected.synaptic_operations_n_b_t.items():
        if operations_b_t.any():
            np.testing.assert_array_equal(found.synaptic_operations_n_b_t[name], operations_b_t)


def test_the_network_holds_every_kind_of_layer(all_kinds):
    assert {layer.kind for layer in all_kinds.layers[1:]} == ALL_LAYERS


@pytest.mark.parametrize(
    "reset", [pytest.param("subtraction", marks=pytest.mark.smoke), "zero", "modulo"]
)
def test_all_kinds_of_layers_spike_as_in_the_reference(all_kinds, reset):
    options = Brian2Options(target="numpy")
    assert_equal_to_reference(all_kinds, settings_of(reset=reset), options)


@pytest.mark.parametrize("encoding", ["regular", "poisson"])
def test_spiking_input_for_half_steps(few_populations, encoding):
    settings = settings_of(encoding=encoding, dt=0.5)
    assert_equal_to_reference(few_populations, settings, Brian2Options(target="numpy"))


def test_each_run_takes_the_events_of_its_own_samples(monkeypatch):
    monkeypatch.setattr(engine, "STIMULUS_BYTES", 1)  # no two samples fit into one run
    network = networks.one_to_one(6, weight=512)
    settings = Settings.of(
        {
            "simulation": {"duration": STEPS, "batch_size": 3},
            "input": {"encoding": "events", "eventframe_width": networks.STEP_US},
            "output": {"log_vars": ["spiketrains"]},
        }
    )
    events_b = [networks.events(6, steps=steps, signed=False) for steps in (12, 6, 9)]
    x_b_l = np.stack([scaled_frame(events) for events in events_b])
    expected = ReferenceSNN(network, settings).run_batch(x_b_l, events_b=events_b)
    found = SNN(network, settings, Brian2Options(target="numpy", copies=1)).run_batch(
        x_b_l, events_b=events_b
    )
    (name,) = expected.spiketrains_n_b_l_t
    spikes_b_l_t = expected.spiketrains_n_b_l_t[name]
    assert len({int(sample.sum()) for sample in spikes_b_l_t}) == 3
    np.testing.assert_array_equal(found.spiketrains_n_b_l_t[name], spikes_b_l_t)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_samples_side_by_side_and_one_after_the_other(few_populations, copies):
    # Five samples in a batch of three: more than one run, and copies without a sample.
    options = Brian2Options(target="numpy", copies=copies)
    assert_equal_to_reference(few_populations, settings_of(), options, count=5)


def test_everything_the_cell_can_do_together(few_populations):
    settings = settings_of(tau_refrac=2.0, leak=0.0625)
    assert_equal_to_reference(few_populations, settings, Brian2Options(target="numpy"))


@pytest.mark.parametrize("encoding", ["constant", "regular"])
@pytest.mark.parametrize("copies", [1, 2])
def test_delayed_samples_follow_each_other_without_a_pause(few_populations, copies, encoding):
    # 1.5 ms are three steps. More samples than fit side by side, and two runs of the second batch.
    settings = settings_of(
        dt=0.5, encoding=encoding, log_vars=["spiketrains", "mem"], tau_refrac=1.0, leak=0.0625
    )
    options = Brian2Options(target="numpy", delay=1.5, copies=copies)
    assert_equal_to_reference(few_populations, settings, options, count=5)


def test_spikes_on_their_way_do_not_reach_the_next_batch(all_kinds):
    settings, x_b_l = settings_of(), samples(all_kinds, 6)
    snn = SNN(all_kinds, settings, Brian2Options(target="numpy", delay=3.0))
    for part in (slice(0, 3), slice(3, 6)):
        expected = ReferenceSNN(all_kinds, settings).run_batch(x_b_l[part])
        found = snn.run_batch(x_b_l[part])
        np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)
    assert expected.output_b_l_t.any()


def test_the_delay_of_the_output_is_told():
    network = networks.chain(tuple(networks.passing_on(5, seed=seed) for seed in (1, 2)))
    snn = SNN(network, settings_of(dt=0.5), Brian2Options(target="numpy", delay=1.5))
    assert snn.timing.delay(*(layer.name for layer in network.spiking_layers[:2])) == 3
    assert snn.details["output_delay"] == "6 steps after the input"
    assert "output_delay" not in SNN(network, settings_of(), Brian2Options()).details


def test_shared_weights_are_stored_once():
    snn = SNN(
        networks.conv2d((6, 6, 2)),
        settings_of(encoding="regular"),
        Brian2Options(target="numpy", copies=1),
    )
    snn.build()
    (connection,) = snn.tables.connections
    assert connection.index.dtype == np.int16
    assert len(connection.weight) == 3 * 3 * 2 * 3
    assert len(connection) == 4 * 4 * len(connection.weight)
    w = snn.snn["synapses_0"].w[:]
    np.testing.assert_array_equal(w, connection.weight_s)


def test_names_of_the_original_reach_objects_of_brian2(few_populations):
    import brian2

    snn = SNN(few_populations, settings_of(log_vars=["mem"]), Brian2Options(target="numpy"))
    snn.run_batch(samples(few_populations, 1))
    assert all(isinstance(group, brian2.NeuronGroup) for group in snn.layers)
    assert all(isinstance(item, brian2.Synapses) for item in snn.connections)
    assert all(isinstance(item, brian2.SpikeMonitor) for item in snn.spikemonitors)
    assert all(isinstance(item, brian2.StateMonitor) for item in snn.statemonitors)
    assert isinstance(snn.snn, brian2.Network)
    assert snn.threshold == "v >= theta"
    assert snn.v_reset == "v -= theta"
    assert "v : 1" in snn.eqs
    name = few_populations.output.name
    assert snn.get_vmem(name).shape == (1, 4, STEPS)


def test_preferences_and_device_of_brian2_are_put_back(few_populations):
    import brian2

    before = brian2.prefs.codegen.target, brian2.get_device()
    SNN(few_populations, settings_of()).run_batch(samples(few_populations, 1))
    assert (brian2.prefs.codegen.target, brian2.get_device()) == before


def test_the_chosen_target_and_why_are_shown_once_and_kept(few_populations, tmp_path, capsys):
    from snn_core.cli import main

    few_populations.replace(settings=settings_of()).save(tmp_path / "net.snn")
    np.savez(tmp_path / "data.npz", x=samples(few_populations, 4), y=np.zeros(4, int))
    arguments = ["--simulator", "brian2", "--data", str(tmp_path / "data.npz"), "--json"]
    arguments += ["-o", str(tmp_path / "out"), "-v"]
    main(["run", str(tmp_path / "net.snn"), *arguments], standalone_mode=False)
    shown = capsys.readouterr().err
    assert "brian2: target: numpy, " in shown
    assert shown.replace("\n", " ").count("compiling does not pay") == 1
    details = json.loads((tmp_path / "out" / "run.json").read_text())["details"]
    assert "4 samples of 12 steps" in details["target"]
    assert "compiling does not pay" in details["target"]


def test_a_network_without_room_is_refused_before_it_is_built(few_populations):
    snn = SNN(few_populations, settings_of(), Brian2Options(memory_limit_mb=0.01, copies=2))
    with pytest.raises(SimulationError, match=r"2 copies need about .*memory_limit_mb = 0\.01"):
        snn.build()


def test_a_delay_of_half_a_step_is_refused(few_populations):
    with pytest.raises(SettingsError, match="multiple of the step"):
        SNN(few_populations, settings_of(), Brian2Options(delay=0.5))


def test_saved_tables_build_the_network_without_its_layers(few_populations, tmp_path, monkeypatch):
    settings, x_b_l = settings_of(), samples(few_populations, 2)
    snn = SNN(few_populations, settings, Brian2Options(target="numpy", copies=2))
    expected = snn.run_batch(x_b_l)
    snn.save(tmp_path, "net")
    monkeypatch.setattr(SNN, "build_layer", None)  # layers are not looked at again
    again = SNN.saved(tmp_path, "net")
    assert again.settings.simulation == settings.simulation
    assert again.options == snn.options
    found = again.run_batch(x_b_l)
    np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)


def test_damaged_and_foreign_tables_are_refused(few_populations, tmp_path):
    snn = SNN(few_populations, settings_of())
    snn.save(tmp_path, "net")
    tables = tmp_path / "net.brian2.npz"
    whole = tables.read_bytes()
    tables.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="save the network again"):
        snn.load(tmp_path, "net")
    SNN(networks.dense(), settings_of()).save(tmp_path, "other")
    (tmp_path / "other.brian2.npz").replace(tables)
    with pytest.raises(ArtifactError, match="another network"):
        snn.load(tmp_path, "net")


def test_stochastic_softmax_with_a_refractory_time_is_refused():
    network: Network = networks.softmax()
    problems = SNN(networks.dense(), settings_of(tau_refrac=1.0)).problems(network)
    assert len(problems) == 1
    assert problems[0].startswith(f"{network.output.name}: stochastic softmax spikes")


@pytest.mark.parametrize("weights", [(0.0, 1.0), (1.0, 0.0)], ids=["first", "second"])
def test_layers_without_synapses_are_driven_by_their_bias(weights):
    first, second = weights
    builder = NetworkBuilder((2,)).dense(np.full((2, 3), first), bias_o=[0.5] * 3)
    network = builder.dense(np.full((3, 2), second), bias_o=[0.25, 0.5]).build()
    settings = Settings.of({"simulation": {"duration": 8}, "input": {"encoding": "regular"}})
    x_b_l = np.full((1, 2), 0.5, np.float32)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    assert expected.output_b_l_t.any()
    found = SNN(network, settings, Brian2Options(target="numpy")).run_batch(x_b_l)
    np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)


@pytest.mark.parametrize("method", ["fir_max", "pre_spike_max"])
@pytest.mark.parametrize("copies", [1, 2])
def test_max_pooling_passes_nothing_on_where_a_window_lies_in_the_padding(method, copies):
    builder = NetworkBuilder((1, 2, 1)).conv2d(np.ones((1, 1, 1, 1)))
    builder.max_pooling((1, 1), padding=((0, 0), (1, 2)), method=method).flatten()
    network = builder.dense(np.full((5, 2), 0.25)).build()
    options = Brian2Options(target="numpy", copies=copies)
    assert_equal_to_reference(network, settings_of(), options)

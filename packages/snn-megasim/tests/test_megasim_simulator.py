import numpy as np
import pytest

from snn_core.errors import DataError, SettingsError, SimulationError, UnsupportedError
from snn_core.ir import Linear
from snn_core.settings import Settings
from snn_core.simulation.contract import StopSimulation
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import NetworkBuilder, networks
from snn_megasim import SNN, MegaSimOptions
from snn_megasim.engine.engine import Engine
from snn_megasim.files import EventList, read_netlist, softmax_clock, write_netlist


def settings(steps=16, **sections):
    defaults = {
        "simulation": {"duration": float(steps), "batch_size": 4},
        "input": {"encoding": "regular"},
        "output": {"log_vars": ["spiketrains", "mem"]},
    }
    for name, values in sections.items():
        defaults.setdefault(name, {}).update(values)
    return Settings.of(defaults)


def image_network(**output):
    """Return dyadic layers of all kinds with inhibition, strides, padding and branches."""
    rng = np.random.default_rng(3)

    def weights(*shape):
        return rng.integers(-200, 400, shape) / 1024

    builder = NetworkBuilder((7, 6, 2))
    builder.conv2d(weights(3, 2, 2, 4), strides=(2, 1), padding="same", bias_o=weights(4),
                   threshold=[0.75, 1, 1.25, 1], v_init=0.5)  # fmt: skip
    first = builder.last
    builder.depthwise_conv2d(weights(3, 3, 4, 1), padding="same")
    builder.add([first, builder.last], weight_nc=[[0.5] * 4, [0.75] * 4])
    added = builder.last
    builder.conv2d(weights(2, 2, 2, 4), groups=2, dilation=(1, 2), padding=((1, 0), (2, 0)))
    builder.concatenate([added, builder.last]).zero_padding(((0, 0), (1, 1)))
    builder.average_pooling((2, 2), strides=(2, 2))
    builder.conv2d(weights(2, 3, 8, 3), v_init=0.25, bias_o=weights(3))
    builder.average_pooling((1, 2), padding="same", activation=Linear()).flatten()
    size = builder.shape[0]
    builder.dense(weights(size, 5) * 2, threshold=[1, 0.5, 1, 2, 1])
    return builder.dense(weights(5, 3), **output)


def samples(shape, count=4):
    rng = np.random.default_rng(5)
    return (rng.integers(0, 17, (count, *shape)) / 16).astype(np.float32)


def run(network, x_b_l, *, steps=16, sections=None, **options):
    snn = SNN(network, settings(steps, **(sections or {})), MegaSimOptions(**options))
    return snn, snn.run_batch(x_b_l)


def assert_same(found, expected):
    for name, trains in expected.spiketrains_n_b_l_t.items():
        assert np.array_equal(found.spiketrains_n_b_l_t[name], trains), name
    for name, mem in expected.mem_n_b_l_t.items():
        np.testing.assert_allclose(found.mem_n_b_l_t[name], mem, rtol=0, atol=2.0**-20)


@pytest.mark.smoke
@pytest.mark.parametrize("batch_mode", [True, False])
@pytest.mark.parametrize("reset", ["subtraction", "zero"])
def test_spikes_and_potentials_are_those_of_the_reference(batch_mode, reset):
    network = image_network().build()
    sections = {"cell": {"reset": reset}}
    x_b_l = samples((7, 6, 2))
    expected = ReferenceSNN(network, settings(**sections)).run_batch(x_b_l)
    assert expected.output_b_l_t.any()
    _, found = run(network, x_b_l, batch_mode=batch_mode, sections=sections)
    assert_same(found, expected)


def test_the_membrane_read_out_is_that_of_the_reference():
    network = image_network().build(readout="membrane")
    x_b_l = samples((7, 6, 2))
    expected = ReferenceSNN(network, settings()).run_batch(x_b_l)
    _, found = run(network, x_b_l)
    assert_same(found, expected)
    np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)


def test_a_smaller_power_of_two_is_as_exact():
    network = image_network().build()
    x_b_l = samples((7, 6, 2))
    expected = ReferenceSNN(network, settings()).run_batch(x_b_l)
    _, found = run(network, x_b_l, scaling_factor=2**20)
    assert_same(found, expected)


def test_layers_that_no_array_holds_become_matrices():
    rng = np.random.default_rng(4)
    builder = NetworkBuilder((3, 3, 2))
    builder.conv2d_transpose(rng.integers(-90, 300, (2, 2, 3, 2)) / 1024, strides=(2, 2))
    builder.conv2d(rng.integers(-90, 300, (3, 3, 3, 2)) / 1024, padding="same")
    network = builder.up_sampling((1, 2), weight_c=[1.25, 1.5]).build()
    x_b_l = samples((3, 3, 2))
    expected = ReferenceSNN(network, settings()).run_batch(x_b_l)
    snn, found = run(network, x_b_l)
    assert_same(found, expected)
    kinds = {item.module for item in snn.translation.netlist.schematic.instances}
    assert kinds == {"module_flatten", "module_fully_connected_NPP"}


def test_sequences_become_arrays_of_one_row():
    rng = np.random.default_rng(4)
    weight_wio = rng.integers(-90, 400, (3, 2, 4)) / 1024
    builder = NetworkBuilder((9, 2)).conv1d(weight_wio, padding="causal", dilation=2)
    builder.conv1d(rng.integers(-90, 400, (2, 2, 2)) / 1024, strides=2, groups=2)
    network = builder.build()
    x_b_l = samples((9, 2))
    expected = ReferenceSNN(network, settings()).run_batch(x_b_l)
    snn, found = run(network, x_b_l)
    assert_same(found, expected)
    modules = snn.translation.netlist.modules.values()
    assert {module.Ny_array for module in modules} == {1}


def test_names_of_layers_become_names_of_files():
    builder = NetworkBuilder((3,)).dense(np.eye(3), name="a/b c").dense(np.eye(3), name="a_b_c")
    network = (
        builder.dense(np.eye(3), name="reset_event").dense(np.eye(3), name="current_0").build()
    )
    x_b_l = samples((3,))
    snn, found = run(network, x_b_l)
    nodes = [item.output for item in snn.translation.netlist.schematic.instances]
    assert nodes == ["a_b_c", "a_b_c.2", "reset_event.2", "_current_0"]
    assert_same(found, ReferenceSNN(network, settings()).run_batch(x_b_l))


def test_spikes_of_maps_and_of_layers_with_such_names_are_kept_apart():
    kernel = np.eye(2)[None, None]
    builder = NetworkBuilder((2, 2, 2)).conv2d(kernel, name="conv").conv2d(kernel, name="conv_1")
    network = builder.flatten().dense(np.eye(8)[:, :3], name="conv_1_0").build()
    x_b_l = samples((2, 2, 2))
    _, found = run(network, x_b_l)
    assert_same(found, ReferenceSNN(network, settings()).run_batch(x_b_l))


def test_sources_stand_in_the_order_of_layers():
    builder = NetworkBuilder((2,))
    for _ in range(11):
        builder.dense(np.eye(2), bias_o=[0.25, 0], v_init=0.5)
    snn = SNN(builder.build(), settings(input={"encoding": "regular"}))
    nodes = [source.node for source in snn.translation.netlist.schematic.sources]
    updates = [f"update_clk_{depth}" for depth in range(1, 12)]
    assert nodes == ["InputLayer", "bias_clk", *updates, "initial", "reset_event"]


@pytest.mark.parametrize("batch_mode", [True, False])
def test_an_asynchronous_layer_counts_as_the_reference(batch_mode):
    # With weights of one sign, below the threshold in a step, order cannot matter: what a neuron
    # has received by the end of a step is the same, and so is how often it reached the threshold.
    network = networks.dense(inputs=6, outputs=9, seed=8)
    x_b_l = samples((6,))
    expected = ReferenceSNN(network, settings(64)).run_batch(x_b_l)
    _, found = run(network, x_b_l, steps=64, schedule="asynchronous", batch_mode=batch_mode)
    assert_same(found, expected)


def test_asynchronous_neurons_spike_before_all_input_has_come():
    # +1.25 comes before -1.25: a clocked neuron receives nothing, an asynchronous one spikes.
    network = networks.weights((1280,), (-1280,))
    x_b_l = np.ones((1, 2), np.float32)
    counts = [
        run(network, x_b_l, schedule=schedule)[1].output_b_l_t.sum()
        for schedule in ("clocked", "asynchronous")
    ]
    assert counts[0] == 0
    assert counts[1] > 0


def test_asynchronous_runs_are_the_same_every_time_and_for_every_batch():
    network = image_network().build()
    x_b_l = samples((7, 6, 2))
    sections = {"input": {"encoding": "poisson", "input_rate": 500}}
    _, batch = run(network, x_b_l, schedule="asynchronous", sections=sections)
    for options in ({}, {"batch_mode": False}):
        _, again = run(network, x_b_l, schedule="asynchronous", sections=sections, **options)
        assert_same(again, batch)


def test_poisson_spikes_below_a_kilohertz_weigh_more():
    network = image_network().build()
    sections = {"input": {"encoding": "poisson", "input_rate": 250}}
    x_b_l = samples((7, 6, 2))
    expected = ReferenceSNN(network, settings(32, **sections)).run_batch(x_b_l)
    _, found = run(network, x_b_l, steps=32, sections=sections)
    assert_same(found, expected)


@pytest.mark.parametrize("rate", [300, 70, 9])
def test_input_spikes_may_count_several_times_at_any_rate(rate):
    x_b_l = np.full((2, 4), 3, np.float32)
    sections = {"input": {"encoding": "poisson", "input_rate": rate}}
    snn = SNN(networks.dense(), settings(64, **sections))
    snn.run_batch(x_b_l)
    events = snn.events["InputLayer"]
    _, counts = np.unique(np.stack([events.time_e, events.x_e]), axis=1, return_counts=True)
    assert set(counts.tolist()) == {3}


def test_input_spikes_of_a_fraction_are_refused():
    with pytest.raises(DataError, match=r"counts 1.5 times; .* Scale the samples to at most 1"):
        run(networks.dense(), np.full((1, 4), 1.5, np.float32))


@pytest.mark.parametrize("batch_mode", [True, False])
@pytest.mark.parametrize("readout", ["counts", "membrane"])
def test_constant_input_comes_by_a_source_for_each_sample(batch_mode, readout):
    network = image_network().build(readout=readout)
    sections = {"input": {"encoding": "constant"}, "simulation": {"dt": 0.5}}
    x_b_l = samples((7, 6, 2)) - np.float32(0.25)
    expected = ReferenceSNN(network, settings(**sections)).run_batch(x_b_l)
    snn, found = run(network, x_b_l, batch_mode=batch_mode, sections=sections)
    assert_same(found, expected)
    sources = [source.node for source in snn.translation.netlist.schematic.sources]
    assert not [node for node in sources if node.startswith("InputLayer")]


def test_constant_input_reaches_every_layer_that_reads_it():
    builder = NetworkBuilder((3, 3, 2))
    source = builder.last
    rng = np.random.default_rng(9)
    builder.conv2d(rng.integers(-90, 400, (2, 2, 2, 2)) / 1024, padding="same")
    builder.concatenate([builder.last, source]).flatten()
    network = builder.dense(rng.integers(-90, 300, (36, 4)) / 1024).build()
    sections = {"input": {"encoding": "constant"}}
    x_b_l = samples((3, 3, 2))
    expected = ReferenceSNN(network, settings(**sections)).run_batch(x_b_l)
    snn, found = run(network, x_b_l, sections=sections)
    assert_same(found, expected)
    kinds = [item.module for item in snn.translation.netlist.schematic.instances]
    assert kinds.count("module_flatten") == 1  # of the convolution; the input has no events


def test_the_files_of_constant_input_can_be_run_again(tmp_path):
    network = image_network().build()
    sections = {"input": {"encoding": "constant"}}
    snn, _ = run(network, samples((7, 6, 2)), sections=sections, folder=str(tmp_path))
    engine = Engine(read_netlist(tmp_path))
    engine.run()
    for node, events in snn.events.items():
        assert np.array_equal(engine.events(node).table, events.table), node


def test_constant_input_beyond_all_integers_is_refused():
    sections = {"input": {"encoding": "constant"}}
    with pytest.raises(DataError, match=r"receives \d+ in a step, .* Scale the samples"):
        run(networks.dense(), np.full((1, 4), 1e8, np.float32), sections=sections)


def test_dt_scales_biases():
    network = image_network().build()
    sections = {"simulation": {"dt": 0.5}}
    x_b_l = samples((7, 6, 2))
    expected = ReferenceSNN(network, settings(8, **sections)).run_batch(x_b_l)
    _, found = run(network, x_b_l, steps=8, sections=sections)
    assert_same(found, expected)


# Integers.


def test_the_seeds_scaling_factor_is_refused_where_potentials_may_not_fit():
    network = NetworkBuilder((9,)).dense(np.ones((9, 2)), name="big").build()
    with pytest.raises(UnsupportedError, match=r"big: potentials can span .* at most \d+, or"):
        SNN(network, settings(100), MegaSimOptions(scaling_factor=10_000_000))
    SNN(network, settings(10), MegaSimOptions(scaling_factor=10_000_000))


@pytest.mark.parametrize("steps", [100, 200])
@pytest.mark.parametrize("value", [0.75, 1.0])
@pytest.mark.parametrize("strides", [(2, 2), (3, 1), (1, 1)])
def test_neurons_beside_the_grid_of_a_stride_never_spike(steps, value, strides):
    # They add up over all steps, so that their sum decides about the scale.
    builder = NetworkBuilder((6, 6, 1)).conv2d(np.ones((1, 1, 1, 1)))
    network = builder.average_pooling((2, 2), strides=strides).build()
    x_b_l = np.full((1, 6, 6, 1), value, np.float32)
    sections = {"input": {"encoding": "constant"}}
    expected = ReferenceSNN(network, settings(steps, **sections)).run_batch(x_b_l)
    _, found = run(network, x_b_l, steps=steps, sections=sections)
    assert_same(found, expected)


@pytest.mark.parametrize("weight", [0.5, 3.0, 40.0])
def test_neurons_that_rise_far_above_their_threshold_spike_when_they_are_asked(weight):
    network = NetworkBuilder((4,)).dense(np.full((4, 3), weight)).dense(np.ones((3, 2))).build()
    x_b_l = np.ones((1, 4), np.float32)
    expected = ReferenceSNN(network, settings(130)).run_batch(x_b_l)
    _, found = run(network, x_b_l, steps=130)
    assert_same(found, expected)


@pytest.mark.parametrize("factor", [3, 6, 7])
def test_room_is_made_for_weights_that_are_rounded_up(factor):
    # A quarter becomes 1 of 3, 2 of 6 and 2 of 7: more than the network's own sums.
    builder = NetworkBuilder((4, 4, 1)).conv2d(np.ones((1, 1, 1, 1)))
    network = builder.average_pooling((2, 2)).build()
    x_b_l = np.ones((1, 4, 4, 1), np.float32)
    _, found = run(network, x_b_l, steps=64, scaling_factor=factor)
    # A step's sum is above the threshold, and a clocked neuron spikes once in a step.
    assert found.output_b_l_t.all()


def test_a_scaling_factor_under_which_weights_vanish_is_refused_by_the_layer():
    builder = NetworkBuilder((4,)).dense(np.eye(4), name="fine")
    network = builder.dense(np.full((4, 2), 0.125), name="lost").build()
    with pytest.raises(UnsupportedError, match=r"lost: 8 of 8 weights .*factor to 8 or more") as no:
        SNN(network, settings(), MegaSimOptions(scaling_factor=3))
    assert len(no.value.problems) == 1
    SNN(network, settings(), MegaSimOptions(scaling_factor=8))


@pytest.mark.parametrize("value", [-4.0, -1.0, 2.0, 8.0])
@pytest.mark.parametrize("schedule", ["clocked", "asynchronous"])
def test_samples_beyond_0_and_1_get_integers_with_room_for_them(value, schedule):
    sections = {"input": {"encoding": "constant"}}
    weight = np.sign(value) * 0.5
    builder = NetworkBuilder((4, 4, 1)).average_pooling((2, 2), weight_c=[weight]).flatten()
    network = builder.dense(np.full((4, 2), 0.125)).build()
    x_b_l = np.full((2, 4, 4, 1), value, np.float32)
    expected = ReferenceSNN(network, settings(64, **sections)).run_batch(x_b_l)
    _, found = run(network, x_b_l, steps=64, sections=sections, schedule=schedule)
    assert_same(found, expected)


def test_the_integers_of_a_batch_are_those_of_its_own_range():
    sections = {"input": {"encoding": "constant"}}
    snn = SNN(networks.dense(), settings(**sections))
    x_b_l = samples((4,))
    snn.run_batch(x_b_l)
    before = snn.details["scaling"]
    snn.run_batch(x_b_l * 1000)
    assert snn.details["scaling"] != before
    snn.run_batch(x_b_l)
    assert snn.details["scaling"] == before


def test_samples_for_which_there_is_no_room_are_refused_with_their_range():
    sections = {"input": {"encoding": "constant"}}
    with pytest.raises(DataError, match=r"is -3 to 5000 in a step, .* Scale the samples to 0 to 1"):
        run(
            networks.dense(),
            np.float32([[-3, 5000, 0, 0]]),
            sections=sections,
            scaling_factor=2**20,
        )


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        *(("constant", x) for x in (1e38, -1e38, np.inf, np.nan)),
        ("regular", 1e38),
        ("regular", -1e38),
    ],
)
def test_samples_that_are_no_numbers_of_megasim_are_refused(encoding, value):
    sections = {"input": {"encoding": encoding}}
    with pytest.raises(DataError, match=r"at most 2147483646, .* Scale the samples"):
        run(networks.dense(), np.float32([[value, 1, 0, 0]]), sections=sections)


def test_asynchronous_neurons_that_spike_more_often_than_there_is_room_for_are_refused():
    # Eight maps make a neuron spike eight times in a step; the pool has neurons beside its grid.
    def busy(maps):
        builder = NetworkBuilder((4, 4, maps)).conv2d(np.ones((1, 1, maps, 1)), name="busy")
        return builder.average_pooling((2, 2), name="pool").build()

    _, found = run(busy(4), np.ones((1, 4, 4, 4), np.float32), schedule="asynchronous")
    assert found.output_b_l_t.any()
    with pytest.raises(SimulationError, match=r"layer 'busy' spiked \d+ times .* of 'pool' that"):
        run(busy(8), np.ones((1, 4, 4, 8), np.float32), schedule="asynchronous")


def test_numbers_that_no_integer_holds_are_refused_by_the_layer():
    builder = NetworkBuilder((1,)).dense([[1e7]], name="large").dense([[1]], name="fine")
    network = builder.dense([[1]], threshold=1e-9, name="small").build()
    with pytest.raises(UnsupportedError) as refused:
        SNN(network, settings())
    assert [problem.split(":")[0] for problem in refused.value.problems] == ["large", "small"]


def test_matrices_that_are_too_large_are_refused_by_the_layer():
    builder = NetworkBuilder((100, 100, 2))
    network = builder.up_sampling((2, 2), name="up").build()
    with pytest.raises(UnsupportedError, match="up: no array module holds it, and a matrix from"):
        SNN(network, settings())


def test_potentials_without_bounds_stop_the_run():
    # In 2000 steps the sums could be so large that not even the smallest factor would do.
    network = NetworkBuilder((1,)).dense([[600.0]]).build()
    snn = SNN(network, settings(2000), MegaSimOptions())
    with pytest.raises(SimulationError, match=r"not asked|leaves the range"):
        snn.run_batch(np.ones((1, 1), np.float32))


def test_details_tell_the_engine_and_the_scaling():
    snn, _ = run(networks.dense(), samples((4,)))
    assert snn.details["engine"] == "builtin"
    assert snn.details["schedule"] == "clocked"
    assert snn.details["scaling"].startswith("1 is ")


# Refusals and files.


def test_the_files_are_kept_where_asked(tmp_path):
    folder = tmp_path / "files"
    for _ in range(2):  # the second replaces the first
        snn, _ = run(networks.dense(), samples((4,)), folder=str(folder))
    kept = read_netlist(folder)
    assert kept.schematic == snn.translation.netlist.schematic
    assert len(kept.stimuli["InputLayer.stim"]) > 0


def test_nothing_of_an_older_network_is_left_in_the_folder(tmp_path):
    folder = tmp_path / "files"
    run(image_network().build(), samples((7, 6, 2)), folder=str(folder))
    mine = [folder / "notes.txt", folder / "node_other.evs"]
    for path in mine:
        path.write_text("1 2 3\n")
    snn, _ = run(networks.dense(), samples((4,)), folder=str(folder))
    written = {*snn.translation.netlist.files, "snn-files.txt"}
    assert {path.name for path in folder.iterdir()} == written | {path.name for path in mine}


def test_a_netlist_that_no_run_wrote_is_left_alone(tmp_path):
    snn, _ = run(networks.dense(), samples((4,)), folder=str(tmp_path / "theirs"))
    write_netlist(snn.translation.netlist, tmp_path / "mine")
    before = {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    with pytest.raises(DataError, match="no run with this folder wrote it"):
        run(networks.dense(), samples((4,)), folder=str(tmp_path / "mine"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()} == before


def test_a_damaged_list_of_files_removes_nothing_elsewhere(tmp_path):
    folder = tmp_path / "files"
    run(networks.dense(), samples((4,)), folder=str(folder))
    (tmp_path / "mine.evs").write_text("1 2 3\n")
    (folder / "mine").mkdir()
    with (folder / "snn-files.txt").open("ab") as file:
        file.write(b"../mine.evs\nmine\n" + b"a" * 300 + b"\n\xff\x00\n")
    run(networks.dense(), samples((4,)), folder=str(folder))
    assert (tmp_path / "mine.evs").exists()
    assert (folder / "mine").exists()


@pytest.mark.parametrize("log_vars", [[], ["mem"]])
def test_a_run_can_be_stopped_within_a_sample(log_vars):
    asked = []
    snn = SNN(networks.dense(), settings(64, output={"log_vars": log_vars}))
    snn.stop_requested = lambda: asked.append(1) or len(asked) > 20
    with pytest.raises(StopSimulation):
        snn.run_batch(samples((4,))[:1])
    assert len(asked) == 21


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "megasim.sch").write_text("mine")
    with pytest.raises(DataError, match="no file of MegaSim"):
        run(networks.dense(), samples((4,)), folder=str(tmp_path))
    assert (tmp_path / "megasim.sch").read_text() == "mine"


def test_large_batches_are_simulated_in_parts(monkeypatch):
    network = image_network().build()
    x_b_l = samples((7, 6, 2))
    _, at_once = run(network, x_b_l)
    monkeypatch.setattr("snn_megasim.simulator.PART_CELLS", 1)
    snn, found = run(network, x_b_l)
    assert snn.part_size == 1
    assert_same(found, at_once)


def test_external_runs_need_an_executable(tmp_path):
    for path, said in (("", "not configured"), (str(tmp_path), "Found no MegaSim at")):
        snn = SNN(networks.dense(), settings(output={"log_vars": []}),
                  MegaSimOptions(engine="external", megasim_path=path))  # fmt: skip
        with pytest.raises(SettingsError, match=said):
            snn.build()


# Under the names of snn_toolbox.


def test_the_names_of_the_original_are_there(tmp_path):
    network = networks.dense(outputs=3, bias_o=[0.0, 0.25, 0])
    snn, found = run(network, samples((4,)), folder=str(tmp_path))
    assert [layer.module for layer in snn.layers] == ["module_fully_connected_NPP"]
    assert snn.connections[0] == ("InputLayer", network.output.name)
    assert (snn.megaschematic, snn.input_stimulus_file) == ("megasim.sch", "InputLayer.stim")
    assert (snn.megadirname, snn.megasim_path) == (str(tmp_path), "")
    assert (snn.use_biases, snn.is_parallelizable) == (True, True)
    (output,) = snn.get_output_spikes_batch()
    assert [len(events) for events in snn.get_spikes()] == [len(output)]
    best, counts = snn.spike_count_histogram(output, pop_size=3)
    assert counts.tolist() == found.output_b_l_t.sum(axis=(0, 2)).tolist()
    assert best == counts.argmax()
    assert snn.spike_count_histogram(EventList.of([]), pop_size=2)[0] == -1
    with pytest.raises(SimulationError, match="MegaSim met an error"):
        snn.check_megasim_output("an ERROR")


def test_a_softmax_clock_asks_at_its_mean_rate():
    events = softmax_clock(20_000, np.random.default_rng(1), rate_hz=300)
    # Five standard deviations of a binomial distribution.
    assert abs(len(events) - 6000) < 5 * (20_000 * 0.3 * 0.7) ** 0.5
    assert set(zip(events.x_e, events.y_e, events.sign_e, strict=True)) == {(0, -1, -1)}
    assert (np.diff(events.time_e) > 0).all()

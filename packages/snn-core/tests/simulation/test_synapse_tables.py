import json
from dataclasses import replace

import numpy as np
import pytest

from snn_core.errors import ArtifactError, SimulationError
from snn_core.ir import Linear
from snn_core.neurons.max_pooling import pool_coefficients
from snn_core.recording.spike_trains import Events
from snn_core.settings import Options, Settings
from snn_core.simulation.capabilities import Capabilities
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.build import pooling_neurons
from snn_core.simulation.synapses.currents import constant_drive, parts
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.memory import Footprint
from snn_core.simulation.synapses.tabled import SynapseTableSNN
from snn_core.simulation.synapses.tables import (
    CELLS,
    INTEGRATORS,
    NEURONS,
    POOL,
    Connection,
    Tables,
    layer_of,
)
from snn_core.testing import NetworkBuilder, networks

STEPS = 6


class TableOptions(Options):
    memory_limit_mb: float = 1.0


class Scripted(SynapseTableSNN):
    """Lets one neuron of each population spike: that with the number of the sample, in its step."""

    name = "scripted"
    footprint = Footprint(synapse_bytes=100, cell_bytes=10)
    options_type = TableOptions
    capabilities = Capabilities(
        max_pool_methods=frozenset({"fir_max"}),
        minimum_pooling=True,
        softmax=True,
        settings={"input.encoding": {"constant", "regular"}},
    )
    part_size = 2

    def compile(self):
        self.sizes = []

    def run_part(self, signal):
        number = np.array(signal.sample_ids)
        self.sizes.append(len(number))
        events = Events(np.arange(len(number)), number, number)
        shapes = {item.name: item.size for item in self.tables.populations}
        return Found(
            spikes=dict.fromkeys(shapes, events),
            membranes_t_b_l={
                name: np.tile(number[:, None], (STEPS, 1, shapes[name])).astype(np.float32)
                for name in self.membranes
            },
        )


def settings_of(*, encoding="constant", log_vars=(), dt=1.0):
    return Settings.of(
        {
            "simulation": {"duration": STEPS * dt, "dt": dt, "batch_size": 3},
            "input": {"encoding": encoding},
            "output": {"log_vars": list(log_vars)},
        }
    )


@pytest.fixture
def network():
    """Return a convolution, max pooling behind a relay, and an output."""
    builder = NetworkBuilder((4, 4, 1), name="in")
    builder.conv2d(networks.gentle_weights((3, 3, 1, 2), fan_in=9), padding="same", name="conv",
                   bias_o=[0.5, 0])  # fmt: skip
    builder.conv2d(np.ones((1, 1, 2, 2)), name="relay", bias_o=[0.25, 1], activation=Linear())
    builder.max_pooling((3, 3), padding="same", method="fir_max", name="pool", weight_c=2)
    return builder.flatten().dense(np.ones((8, 3)), name="out").build()


def test_a_network_becomes_populations_and_connections(network):
    tables = Scripted(network, settings_of()).tables
    populations = {item.name: (item.role, item.size) for item in tables.populations}
    assert populations == {
        "conv": (NEURONS, 32),
        "pool/cells": (CELLS, 32),
        "pool": (POOL, 8),
        "out": (NEURONS, 3),
    }
    ends = [(item.source, item.target) for item in tables.connections]
    assert ends == [("in", "conv"), ("conv", "pool/cells"), ("pool", "out")]
    assert layer_of("pool/cells") == layer_of("pool") == "pool"
    conv, cells, pool, _ = tables.populations
    assert conv.current_l.tolist() == [0.5, 0] * 16
    assert cells.current_l.tolist() == [0.25, 1] * 16  # of the relay
    assert pool.current_l.tolist() == [2] * 8
    # The last window lies over the border: places without a cell are one behind the last.
    assert pool.window_l_k[-1].tolist() == [21, 23, 32, 29, 31, 32, 32, 32, 32]


def test_max_pooling_scales_windows_in_the_padding_by_zero():
    builder = NetworkBuilder((1, 2, 2))
    builder.max_pooling((1, 1), padding=((0, 0), (1, 0)), weight_c=[2, 4], name="pool")
    network = builder.flatten().dense(np.ones((6, 1))).build()
    pool = pooling_neurons(network, network["pool"])
    assert pool.current_l.tolist() == [0, 0, 2, 4, 2, 4]


def test_minima_of_max_pooling_have_a_sign_for_each_neuron(network, tmp_path):
    assert Scripted(network, settings_of()).tables.populations[2].sign_l is None
    turned = network.replace(replace(network["pool"], sign_c=np.float32([1, -1])))
    snn = Scripted(turned, settings_of())
    assert snn.tables.populations[2].sign_l.tolist() == [1, -1] * 4
    snn.save(tmp_path, "net")
    again = Scripted.saved(tmp_path, "net")
    assert again.tables.populations[2].sign_l.tolist() == [1, -1] * 4


def test_an_output_that_is_read_off_only_integrates():
    read_off = (networks.dense(readout="membrane"), networks.softmax())
    for network, role in ((networks.dense(), NEURONS), *((each, INTEGRATORS) for each in read_off)):
        (population,) = Scripted(network).tables.populations
        assert population.role == role


def test_currents_need_no_synapses(network):
    constant, spiking = (
        Scripted(network, settings_of(encoding=e)) for e in ("constant", "regular")
    )
    relay, dense = 32 * 2, 8 * 3
    assert constant.num_synapses == relay + dense
    # Two channels; 9 cells in the windows inside, 6 at the sides, 4 in the corners
    assert spiking.num_synapses == 2 * (4 * 9 + 8 * 6 + 4 * 4) + relay + dense
    assert constant.num_cells == spiking.num_cells == 16 + 32 + 32 + 8 + 3


@pytest.mark.parametrize("dt", [1.0, 0.5])
def test_constant_drive_is_the_weighted_sample_and_the_bias(dt):
    network = networks.dense(bias_o=np.arange(6) / 8)
    settings, x_b_l = settings_of(dt=dt), networks.samples((4,), count=2)
    snn = Scripted(network, settings)
    signal = InputSignal(x_b_l=x_b_l, sample_ids=range(2), settings=settings, seed=0)
    drive_b_l = constant_drive(snn.tables, snn.tables.populations[0], signal)
    layer = network.output
    np.testing.assert_array_equal(drive_b_l, (x_b_l @ layer.weight_io + layer.bias_o) * dt)
    spiking = replace(signal, settings=settings_of(encoding="regular", dt=dt))
    drive_b_l = constant_drive(snn.tables, snn.tables.populations[0], spiking)
    np.testing.assert_array_equal(drive_b_l, np.tile(layer.bias_o * dt, (2, 1)))


def test_running_rates_of_max_pooling_weigh_each_step(network):
    cells = Scripted(network).tables.populations[1]
    np.testing.assert_array_equal(
        pool_coefficients(cells.method, 4), np.float32([1, 1 / 2, 1 / 3, 1 / 4])
    )


def test_parts_of_an_input_keep_their_random_numbers():
    settings, x_b_l = settings_of(encoding="poisson"), networks.samples((40,), count=5)
    signal = InputSignal(x_b_l=x_b_l, sample_ids=[7, 3, 9, 1, 4], settings=settings, seed=2)
    pieces = list(parts(signal, 2))
    assert [len(part.x_b_l) for part in pieces] == [2, 2, 1]
    found = np.concatenate([np.concatenate(list(part.chunks(2))) for part in pieces], axis=1)
    np.testing.assert_array_equal(found, np.concatenate(list(signal.chunks(STEPS))))
    assert list(parts(signal, 5)) == [signal]


def test_found_events_are_those_of_the_whole_batch():
    network, x_b_l = networks.dense(), networks.samples((4,), count=3)
    settings = settings_of(encoding="regular", log_vars=["spiketrains", "mem", "input"])
    snn = Scripted(network, settings)
    recording = snn.run_batch(x_b_l, sample_ids=[3, 0, 5])
    assert snn.sizes == [2, 1]
    expected = np.zeros((3, 6, STEPS))
    for sample, number in enumerate((3, 0, 5)):
        expected[sample, number, number] = 1
    np.testing.assert_array_equal(recording.output_b_l_t, expected)
    np.testing.assert_array_equal(recording.mem_n_b_l_t[network.output.name][:, 0, -1], [3, 0, 5])
    reference = ReferenceSNN(network, settings).run_batch(x_b_l, sample_ids=[3, 0, 5])
    np.testing.assert_array_equal(recording.input_b_l_t, reference.input_b_l_t)
    name = network.input.name
    np.testing.assert_array_equal(
        recording.synaptic_operations_n_b_t[name], reference.synaptic_operations_n_b_t[name]
    )


def test_weights_of_a_kernel_are_stored_once(network):
    connection = Scripted(network).tables.connections[0]
    assert connection.index.dtype == np.int16
    assert len(connection.weight) == 3 * 3 * 2
    assert (np.diff(connection.pre) >= 0).all()  # sorted by source
    (synapses,) = Scripted(networks.dense()).tables.connections
    assert synapses.index is None  # as many weights as synapses


def test_a_network_without_room_is_refused_before_its_synapses_are_listed(monkeypatch):
    # 4 * 6 synapses of 100 bytes, 4 cells of 10
    small = TableOptions(memory_limit_mb=0.0024)
    monkeypatch.setattr(Connection, "of", None)
    snn = Scripted(networks.dense(), settings_of(encoding="regular"), small)
    with pytest.raises(SimulationError, match=r"24 synapses .*scripted\.memory_limit_mb = 0\.0024"):
        snn.build()


@pytest.mark.parametrize(
    ("copies", "size", "advice"),
    [
        (1, "1 cells need about", "Raise the limit, or use"),
        (2, "1 cells in 2 copies need about", "Raise the limit, ask for fewer copies, or use"),
    ],
)
def test_fewer_copies_are_advised_where_there_are_several(copies, size, advice):
    footprint = Footprint(synapse_bytes=100, cell_bytes=10)
    with pytest.raises(SimulationError, match=f"{size}.*{advice}"):
        footprint.check(synapses=9, cells=1, copies=copies, limit_mb=1e-6, simulator="toy")


def test_saved_tables_build_the_network_without_its_layers(network, tmp_path, monkeypatch):
    settings = settings_of(encoding="regular")
    snn = Scripted(network, settings, TableOptions(memory_limit_mb=3.0))
    snn.save(tmp_path, "net")
    assert (tmp_path / "net.scripted.npz").exists()
    monkeypatch.setattr(Scripted, "build_layer", None)  # layers are not looked at again
    again = Scripted.saved(tmp_path, "net")
    assert again.options == snn.options
    assert again.settings.input == settings.input
    assert len(again.tables.connections) == len(snn.tables.connections) == 3
    for before, after in zip(snn.tables.connections, again.tables.connections, strict=True):
        np.testing.assert_array_equal(after.weight_s, before.weight_s)
        np.testing.assert_array_equal(after.post, before.post)
    assert again.num_synapses == snn.num_synapses
    again.run_batch(networks.samples((4, 4, 1), count=2))


def test_damaged_and_foreign_tables_are_refused(network, tmp_path):
    snn = Scripted(network)
    snn.save(tmp_path, "net")
    file = tmp_path / "net.scripted.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="save the network again"):
        snn.load(tmp_path, "net")
    Scripted(networks.dense()).save(tmp_path, "other")
    (tmp_path / "other.scripted.npz").replace(file)
    with pytest.raises(ArtifactError, match="another network"):
        snn.load(tmp_path, "net")


def save_changed(path, kind, change):
    """Save tables whose first population or connection is described otherwise."""
    Scripted(networks.dense()).tables.save(path, network_sha256="some")
    with np.load(path) as stored:
        arrays = dict(stored)
    head = json.loads(str(arrays["head"]))
    for name, value in change.items():
        if isinstance(value, np.ndarray):
            arrays[f"{kind}_0_{name}"] = value
        else:
            head[kind][0][name] = value
    np.savez(path, **{**arrays, "head": np.array(json.dumps(head))})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pre": np.int32([4] * 24)}, "name cells or weights that do not exist"),
        ({"post": np.int32([-1] * 24)}, "name cells or weights that do not exist"),
        ({"source": "elsewhere"}, "name cells or weights that do not exist"),
        ({"index": np.int16([24] * 24)}, "name cells or weights that do not exist"),
        ({"weight": np.float32([1, 2])}, "24 synapses have 2 weights"),
        ({"shape": (3, 24)}, "are said to connect"),
        ({"pre": np.float32([1] * 24)}, "connections_0_pre holds float32 of shape"),
        ({"weight": np.float16([1] * 24)}, "connections_0_weight holds float16 of shape"),
        ({"spy": np.float32([1])}, "connections_0_spy holds float32 of shape"),
        ({"post": np.int32([[1]] * 24)}, "connections_0_post holds int32 of shape"),
        ({"weight": np.array(["1"] * 24)}, "connections_0_weight holds <U1"),
        ({"source": ["elsewhere"]}, "does not hold the tables"),
        ({"shape": 3}, "does not hold the tables"),
    ],
)
def test_synapses_that_do_not_exist_are_refused(change, message, tmp_path):
    save_changed(tmp_path / "tables.npz", "connections", change)
    with pytest.raises(ArtifactError, match=message):
        Tables.load(tmp_path / "tables.npz", network_sha256="some")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold_l": np.float32([1])}, "fit together|Type-check"),
        ({"window_l_k": np.int32([[0, 1], [2, 9]])}, "fit together|Type-check"),
        ({"role": "spy"}, "do not fit together"),
        ({"role": ["neurons"]}, "fit together|Type-check"),
        ({"current_l": np.complex64([1])}, "populations_0_current_l holds complex64"),
        ({"name": {"a": 1}}, "does not hold the tables"),
    ],
)
def test_cells_that_do_not_fit_together_are_refused(change, message, tmp_path):
    save_changed(tmp_path / "tables.npz", "populations", change)
    with pytest.raises(ArtifactError, match=message):
        Tables.load(tmp_path / "tables.npz", network_sha256="some")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("[" * 100_000, "head is no JSON"),
        ("[1]", "expected an object"),
        ('{"format": "x"}', "does not hold the tables"),
        ('{"format": 1e400}', "does not hold the tables"),
        ('{"format": 99}', "this version reads up to 1"),
        ('{"format": 1, "input": ["x", 1e400]}', "OverflowError"),
        ('{"format": 1, "input": ["x", 4], "populations": [{"spy": 1}]}', "TypeError"),
        ('{"format": 1, "input": ["x", 4], "populations": 3}', "TypeError"),
    ],
)
def test_damaged_descriptions_of_tables_are_refused(head, message, tmp_path):
    np.savez(tmp_path / "tables.npz", head=np.array(head))
    with pytest.raises(ArtifactError, match=message):
        Tables.load(tmp_path / "tables.npz", network_sha256="some")


def test_tables_that_unpack_to_much_are_refused_before(tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "10M")
    np.savez_compressed(tmp_path / "tables.npz", head=np.array("{}"), bomb=np.zeros(10**7))
    with pytest.raises(ArtifactError, match=r"bomb.npy would take 76\.\d MiB"):
        Tables.load(tmp_path / "tables.npz", network_sha256="some")

import os
import subprocess
import sys

import numpy as np
import pytest
from event_networks import NETWORKS, samples
from unreached_networks import UNREACHED, unreached

from snn_core.data.events import CellEvents, scaled_frame
from snn_core.ir import Linear
from snn_core.passes.spiking import relay_pools
from snn_core.settings import Settings
from snn_core.simulation.contract import StopSimulation
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder
from snn_inisim import SNN, INIsimOptions
from snn_inisim.event import kernels

STEPS = 21


def run(
    network, simulator, *, options=None, steps=STEPS, number=3, record=("spiketrains",), **sections
):
    sections.setdefault("simulation", {})
    sections["simulation"] |= {"duration": float(steps), "batch_size": number}
    settings = Settings.of({**sections, "output": {"log_vars": list(record)}})
    snn = simulator(network, settings, options, seed=3)
    return snn.run_batch(samples(network, number))


def assert_same(found, expected):
    """Compare everything that is recorded."""
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        assert (np.asarray(found.spiketrains_n_b_l_t[name]) == np.asarray(spikes_b_l_t)).all(), name
    for name, counts_b_l in expected.spikecounts_n_b_l.items():
        assert (found.spikecounts_n_b_l[name] == counts_b_l).all(), name
    for name, operations_b_t in expected.synaptic_operations_n_b_t.items():
        assert (found.synaptic_operations_n_b_t.get(name, 0) == operations_b_t).all(), name
    for name, mem_b_l_t in expected.mem_n_b_l_t.items():
        assert (found.mem_n_b_l_t[name] == mem_b_l_t).all(), name
    assert (found.output_b_l_t == expected.output_b_l_t).all()


def compare(network, options=None, **arguments):
    options = INIsimOptions(**{"engine": "event", **(options or {})})
    found = run(network, SNN, options=options, **arguments)
    expected = run(network, ReferenceSNN, **arguments)
    assert_same(found, expected)
    return expected


@pytest.mark.parametrize("name", NETWORKS)
def test_spikes_operations_and_read_out_equal_the_reference(name):
    recorded = compare(NETWORKS[name]())
    rates = [counts.mean() / STEPS for counts in recorded.spikecounts_n_b_l.values()]
    # Layers that are silent, or always spike, would show nothing.
    assert all(0.005 < rate < 0.9 for rate in rates[:-1]), rates


@pytest.mark.parametrize("name", NETWORKS)
def test_without_trains_the_counts_are_the_same(name):
    compare(NETWORKS[name](), record=())


@pytest.mark.parametrize("name", ["plain", "pre_spike_max", "joined"])
def test_potentials_equal_the_reference(name):
    compare(NETWORKS[name](), record=("spiketrains", "mem"))


@pytest.mark.parametrize("encoding", ["poisson", "regular"])
@pytest.mark.parametrize("name", ["plain", "grouped", "pre_spike_max", "relayed"])
def test_spiking_input(name, encoding):
    compare(NETWORKS[name](), input={"encoding": encoding})


@pytest.mark.parametrize("engine", ["event", "dense"])
@pytest.mark.parametrize(
    "sections",
    [
        {"input": {"encoding": "constant"}},
        {"input": {"encoding": "regular"}},
        {"input": {"encoding": "poisson", "input_rate": 500}},
    ],
    ids=["constant", "binary", "graded"],
)
def test_sums_of_the_input_reach_a_pool(sections, engine):
    builder = NetworkBuilder((4, 4, 2)).max_pooling((2, 2), method="pre_spike_max")
    weight_io = np.full((8, 3), 0.125, np.float32)
    compare(builder.flatten().dense(weight_io).build(), {"engine": engine}, **sections)


@pytest.mark.parametrize("engine", ["event", "dense"])
@pytest.mark.parametrize(
    ("cell_e", "sign_e"),
    [([0, 0, 0, 0, 0], [1, 1, -1, -1, 1]), ([0, 1, 0, 1, 0], [1, -1, 1, 1, 1])],
    ids=["two cancel out", "a cell cancels out"],
)
def test_events_of_both_signs_that_cancel_out_in_the_frame(cell_e, sign_e, engine):
    events = CellEvents(
        cell_e=np.array(cell_e),
        sign_e=np.array(sign_e, np.int8),
        t_us_e=1000 * np.arange(len(cell_e)),
        shape=(2,),
    )
    network = NetworkBuilder((2,)).dense(np.full((2, 1), 0.25, np.float32)).build()
    settings = Settings.of(
        {
            "simulation": {"duration": 8.0},
            "input": {"encoding": "events", "eventframe_width": 1000, "event_amplitude": 1.0},
            "output": {"log_vars": ["spiketrains", "mem"]},
        }
    )
    batch = scaled_frame(events)[None]
    assert (batch >= 0).all()
    found, expected = (
        snn.run_batch(batch, events_b=[events])
        for snn in (
            SNN(network, settings, INIsimOptions(engine=engine)),
            ReferenceSNN(network, settings),
        )
    )
    assert_same(found, expected)


def test_input_spikes_that_carry_more_than_one():
    compare(NETWORKS["plain"](), input={"encoding": "poisson", "input_rate": 500.0})


@pytest.mark.parametrize("reset", ["zero", "modulo"])
@pytest.mark.parametrize("name", ["plain", "grouped", "pre_spike_max"])
def test_resets(name, reset):
    compare(NETWORKS[name](), cell={"reset": reset})


@pytest.mark.parametrize(
    "cell", [{"tau_refrac": 2.0}, {"leak": 0.0625}, {"tau_m": 20.0}, {"v_clip": 1.0}]
)
def test_cells(cell):
    compare(NETWORKS["plain"](), cell=cell)
    compare(NETWORKS["membrane"](), cell=cell)


def test_random_initial_potentials():
    compare(NETWORKS["plain"](), cell={"v_init": "uniform"})


@pytest.mark.parametrize("name", ["plain", "fir_max", "pre_spike_max", "quantized", "relayed"])
def test_steps_in_chunks_and_samples_in_parts(name, monkeypatch):
    monkeypatch.setattr("snn_inisim.event.plan.CHUNK_BYTES", 4 * 9 * 8 * 70 * 4)
    monkeypatch.setattr("snn_inisim.event.engine.FRAME_BYTES", 1)
    compare(NETWORKS[name](), {"threads": 3}, number=5)


def test_threads_note_infinite_numbers_as_their_caller_does(monkeypatch):
    monkeypatch.setattr("snn_inisim.event.engine.FRAME_BYTES", 1)  # each sample is a part
    builder = NetworkBuilder((1,)).dense([[2.0**98]], activation=Linear())
    settings = {"simulation": {"duration": 16.0, "batch_size": 4}}
    network = builder.build().replace(readout="membrane")
    snn = SNN(network, Settings.of(settings), INIsimOptions(engine="event", threads=2))
    noted = []
    with np.errstate(over="call", call=lambda what, _flags: noted.append(what)):
        snn.run_batch(np.full((4, 1), 2.0**28, np.float32))
    assert noted == ["overflow"] * 4


@pytest.mark.parametrize("name", ["plain", "grouped", "joined", "membrane", "relayed"])
@pytest.mark.parametrize("busy", [0, 1e9])
def test_weights_in_groups_and_positions_in_tiles(name, busy, monkeypatch):
    monkeypatch.setattr("snn_inisim.event.frame.BUSY", busy)
    monkeypatch.setattr("snn_inisim.event.reads.GROUP_ROWS", 5)
    monkeypatch.setattr("snn_inisim.event.reads.BLOCK_BYTES", 0)
    monkeypatch.setattr("snn_inisim.event.reads.TILE", 3)
    compare(NETWORKS[name]())


@pytest.mark.parametrize("name", UNREACHED)
@pytest.mark.parametrize("relays", [False, True])
@pytest.mark.parametrize("busy", [0, 1e9])
@pytest.mark.parametrize("record", [("spiketrains",), ("spiketrains", "mem")])
def test_where_no_synapse_reaches_only_the_bias_arrives(name, relays, busy, record, monkeypatch):
    def unwritten(shape):
        return np.full(shape, np.nan, np.float32)

    monkeypatch.setattr("snn_inisim.event.frame.BUSY", busy)
    monkeypatch.setattr("snn_inisim.event.reads.GROUP_ROWS", 5)
    # New memory mostly holds zeros, which would hide sums that nobody writes.
    monkeypatch.setattr("snn_inisim.event.frame.aligned", unwritten)
    monkeypatch.setattr("snn_inisim.event.largest.aligned", unwritten)
    compare(unreached(name, relays=relays), record=record)


@pytest.mark.parametrize("name", UNREACHED)
def test_where_no_synapse_reaches_the_dense_engine_has_the_bias_alone_too(name):
    compare(unreached(name), {"engine": "dense"}, steps=5)


@pytest.mark.parametrize("window", [(2, 2), (3, 3), (1, 3), (4, 4)])
@pytest.mark.parametrize("spiking", [0, 1, 2, 5])
def test_windows_are_counted(window, spiking):
    """The weights are such that every number of spikes of a window is another output."""
    cells = window[0] * window[1]
    builder = NetworkBuilder((*window, 1)).conv2d(np.full((1, 1, 1, 1), 1, np.float32))
    builder.average_pooling(window, weight_c=np.full(1, cells, np.float32))
    builder.flatten().dense(np.full((1, 2), 2.0**-5, np.float32))
    network = relay_pools(builder.build())
    settings = Settings.of({"simulation": {"duration": 32.0}})
    x_b_l = np.zeros((1, *network.input.output_shape), np.float32)
    x_b_l.reshape(-1)[:spiking] = 1
    snn = SNN(network, settings, INIsimOptions(engine="event"))
    counts = snn.run_batch(x_b_l).spikecounts_n_b_l[network.output.name]
    assert (counts == min(spiking, cells)).all()


def test_more_steps_than_a_byte_counts():
    builder = NetworkBuilder((4,)).dense(np.eye(4, dtype=np.float32))
    builder.dense(np.full((4, 3), 0.5, np.float32))
    recorded = compare(builder.build(), steps=300, record=())
    assert max(counts.max() for counts in recorded.spikecounts_n_b_l.values()) == 300


def test_tensorflow_is_not_imported():
    code = """
import sys
from event_networks import NETWORKS, samples
from snn_core.settings import Settings
from snn_core.simulation.contract import StopSimulation
from snn_inisim import SNN
network = NETWORKS["membrane"]()
SNN(network, Settings.of({"simulation": {"duration": 8.0}})).run_batch(samples(network))
assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=__file__.rpartition("/")[0], check=True)


def test_a_user_can_stop_between_chunks(monkeypatch):
    calls = []
    network = NETWORKS["plain"]()
    monkeypatch.setattr("snn_inisim.event.plan.CHUNK_BYTES", 4 * 9 * 8 * 70 * 4)
    options = INIsimOptions(engine="event")
    settings = Settings.of({"simulation": {"duration": float(STEPS)}})
    snn = SNN(network, settings, options, stop=lambda: calls.append(0) or len(calls) > 2)
    with pytest.raises(StopSimulation):
        snn.run_batch(samples(network, 1))
    assert len(calls) == 3


def test_details_name_layers_with_busy_inputs(monkeypatch):
    monkeypatch.setattr("snn_inisim.event.frame.BUSY", 0.5)
    monkeypatch.setattr("snn_inisim.event.reads.GROUP_ROWS", 8)
    builder = NetworkBuilder((2, 2, 4)).conv2d(np.full((1, 1, 4, 8), 0.25, np.float32))
    builder.conv2d(np.full((2, 2, 8, 3), 0.125, np.float32)).flatten()
    network = builder.dense(np.full((3, 2), 0.25, np.float32)).build()
    settings = Settings.of({"simulation": {"duration": 8.0}})
    x_b_l = np.full((1, 2, 2, 4), 0.5, np.float32)
    snn = SNN(network, settings, INIsimOptions(engine="event"))
    snn.run_batch(x_b_l / 64)
    assert "busy_layers" not in snn.details
    snn.run_batch(x_b_l)
    name = network.spiking_layers[1].name
    assert snn.details["busy_layers"] == f"{name} (50% of its inputs spike)"


def test_details_name_the_engine():
    network = NETWORKS["plain"]()
    leaking = Settings.of({"cell": {"leak": 0.5}})
    coded = Settings.of({"conversion": {"spike_code": "ttfs"}})
    assert SNN(network, leaking).details["engine"] == "event"
    assert SNN(network, coded).details["engine"].startswith("dense, for this spike code")
    forced = SNN(network, coded, INIsimOptions(engine="event"))
    assert forced.details["engine"].startswith("NumPy, as the event engine has neither")


def test_kernels_are_compiled_once(tmp_path):
    code = """
from event_networks import NETWORKS, samples
from snn_core.settings import Settings
from snn_inisim import SNN
network = NETWORKS["plain"]()
SNN(network, Settings.of({"simulation": {"duration": 2.0}})).run_batch(samples(network, 1))
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def simulate():
        command = [sys.executable, "-c", code]
        subprocess.run(command, cwd=__file__.rpartition("/")[0], env=environment, check=True)
        return {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")}

    kept = simulate()
    assert kept
    assert simulate() == kept
    for number, path in enumerate(kept):  # indices and what they list
        path.write_bytes(b"" if number % 2 else path.read_bytes()[:100])
    again = simulate()
    assert again.keys() >= kept.keys()
    assert simulate() == again


def test_kernels_are_compiled_where_the_disk_is_full(monkeypatch, tmp_path):
    def is_full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", is_full)
    assert kernels.compiled(lambda x: x + 1)(2) == 3


def test_kernels_are_compiled_where_nothing_can_be_kept(monkeypatch):
    def nowhere(*_arguments):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.caching.FunctionCache.__init__", nowhere)
    assert kernels.compiled(lambda x: x + 1)(2) == 3

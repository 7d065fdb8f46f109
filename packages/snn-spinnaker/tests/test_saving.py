"""Files of connections and networks that plain PyNN and plain sPyNNaker read."""

import json
from pathlib import Path

import numpy as np
import pyNN.mock
import pytest
from board_networks import TEN, samples, settings_of

from snn_core.errors import DataError, SimulationError
from snn_spinnaker import SNN, SpinnakerOptions


def saved(tmp_path, name="dense", *, encoding="regular", **how):
    snn = SNN(TEN[name](), settings_of(encoding=encoding, reset="zero"))
    return snn, snn.save_connections(tmp_path / "connections", **how)


@pytest.mark.smoke
def test_plain_pynn_connects_what_was_saved(tmp_path):
    snn, files = saved(tmp_path)
    assert [file.name for file in files] == [
        "01Dense_20_excitatory.txt",
        "01Dense_20_inhibitory.txt",
        "02Dense_6_excitatory.txt",
        "02Dense_6_inhibitory.txt",
    ]
    pyNN.mock.setup(1.0)
    for file, part in zip(files, snn.board.projections, strict=True):
        source, target = (
            pyNN.mock.Population(size, pyNN.mock.IF_curr_exp()) for size in part.shape
        )
        rows = np.loadtxt(file, ndmin=2)
        connector = pyNN.mock.FromListConnector(rows, column_names=["weight", "delay"])
        made = pyNN.mock.Projection(source, target, connector, pyNN.mock.StaticSynapse())
        found = sorted(made.get(["weight", "delay"], format="list"))
        sign = -1 if part.receptor else 1
        expected = sorted(
            (int(pre), int(post), sign * weight, 1.0)
            for pre, post, weight in zip(part.pre, part.post, part.weight, strict=True)
        )
        assert [tuple(map(float, row)) for row in found] == [
            tuple(map(float, row)) for row in expected
        ]


def test_arrays_hold_the_same_and_skips_their_delays(tmp_path):
    snn, files = saved(tmp_path, "skip", kind="npz")
    assert len({file.name for file in files}) == len(files) == len(snn.board.projections)
    delays = set()
    for file, part in zip(files, snn.board.projections, strict=True):
        with np.load(file) as stored:
            rows = stored["connections"]
        np.testing.assert_array_equal(rows[:, 0], part.pre)
        delays |= set(rows[:, 3].tolist())
    assert delays == {1.0, 2.0}  # a projection waits for the layer with neurons that it skips


def test_weights_of_a_constant_input_are_saved_apart(tmp_path):
    snn, files = saved(tmp_path, encoding="constant")
    (current,) = [file for file in files if file.stem.endswith("_current")]
    pre, post, weight, _ = np.loadtxt(current).T
    x_b_l = samples(snn.network, 1)
    drive = np.zeros(20)
    np.add.at(drive, post.astype(int), weight * x_b_l[0, pre.astype(int)])
    unit = snn.board[snn.network.layers[1].name].cell.unit
    np.testing.assert_allclose(drive, unit * (x_b_l[0] @ snn.network.layers[1].weight_io))


def test_a_network_is_only_written_if_that_is_asked_for(tmp_path):
    options = SpinnakerOptions(serialise_only=str(tmp_path / "net"))
    snn = SNN(TEN["dense"](), settings_of(reset="zero"), options)
    with pytest.raises(SimulationError, match=r"written to .*net, and nothing was simulated"):
        snn.run_batch(samples(snn.network, 1))
    written = {path.name for path in (tmp_path / "net").iterdir()}
    assert written == {"connections", "network.json", "network.npz", "plain.py", "spynnaker.cfg"}
    described = json.loads((tmp_path / "net" / "network.json").read_text())
    assert [item["size"] for item in described["populations"]] == [12, 20, 6]
    script = (tmp_path / "net" / "plain.py").read_text()
    assert "snn_" not in script.replace("snn_toolbox", "")


def test_a_folder_that_cannot_be_written_is_named():
    with pytest.raises(DataError, match="/proc/nowhere"):
        saved(Path("/proc/nowhere"))


def test_a_network_is_saved_and_taken_up_again_with_its_options(tmp_path):
    options = SpinnakerOptions(neuron_model="IF_curr_exp")
    snn = SNN(TEN["pooled"](), settings_of(reset="zero"), options)
    snn.save(tmp_path, "net")
    again = SNN.saved(tmp_path, "net")
    assert again.options == options
    x_b_l = samples(snn.network, 2)
    for name, counts_b_l in snn.run_batch(x_b_l).spikecounts_n_b_l.items():
        np.testing.assert_array_equal(again.run_batch(x_b_l).spikecounts_n_b_l[name], counts_b_l)


def test_weights_are_scaled_for_exponential_synapses():
    snn = SNN(TEN["dense"](), settings_of(), SpinnakerOptions(neuron_model="IF_curr_exp"))
    # The board takes 3277 * 2**-15 for 0.1 ms: 1 / (0.100006 (1 - exp(-1 / 0.1))).
    np.testing.assert_allclose(snn.scale_weights(np.array([1.0, 2.0])), [9.99984, 19.99969], 1e-6)
    delta = SNN(TEN["dense"](), settings_of())
    np.testing.assert_array_equal(delta.scale_weights(np.array([1.0, 2.0])), [1, 2])

"""Files of connections and networks that plain PyNN and plain sPyNNaker read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyNN.mock
import pytest
from board_networks import NETWORKS, settings_of

from snn_core.errors import DataError, SimulationError
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import samples
from snn_spinnaker import SNN, SpinnakerOptions


def saved(tmp_path, name="dense", *, encoding="regular", **how):
    snn = SNN(NETWORKS[name](), settings_of(encoding=encoding, reset="zero"))
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
    snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"), options)
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
    snn = SNN(NETWORKS["pooled"](), settings_of(reset="zero"), options)
    snn.save(tmp_path, "net")
    again = SNN.saved(tmp_path, "net")
    assert again.options == options
    x_b_l = samples(snn.network, 2)
    for name, counts_b_l in snn.run_batch(x_b_l).spikecounts_n_b_l.items():
        np.testing.assert_array_equal(again.run_batch(x_b_l).spikecounts_n_b_l[name], counts_b_l)


def test_weights_are_scaled_for_exponential_synapses():
    snn = SNN(NETWORKS["dense"](), settings_of(), SpinnakerOptions(neuron_model="IF_curr_exp"))
    # The board takes 3277 * 2**-15 for 0.1 ms: 1 / (0.100006 (1 - exp(-1 / 0.1))).
    np.testing.assert_allclose(snn.scale_weights(np.array([1.0, 2.0])), [9.99984, 19.99969], 1e-6)
    delta = SNN(NETWORKS["dense"](), settings_of())
    np.testing.assert_array_equal(delta.scale_weights(np.array([1.0, 2.0])), [1, 2])


def test_files_are_replaced_only_if_that_is_asked_for(tmp_path):
    snn, files = saved(tmp_path)
    before = files[0].read_text()
    files[0].write_text("mine")
    for write in (snn.save_connections, snn.save_assembly):
        with pytest.raises(DataError, match=r"there already; choose another.*overwrite=True\.$"):
            write(tmp_path if write == snn.save_assembly else tmp_path / "connections")
    assert files[0].read_text() == "mine"
    assert snn.save_connections(tmp_path / "connections", overwrite=True) == files
    assert files[0].read_text() == before
    snn.save_assembly(tmp_path, overwrite=True)
    snn.save_assembly(tmp_path, overwrite=True)


def test_writing_a_network_a_second_time_advises_what_the_command_has(tmp_path):
    options = SpinnakerOptions(serialise_only=str(tmp_path / "net"))
    for error, told in (
        (SimulationError, "was written to"),
        (DataError, "another folder in spinn"),
    ):
        snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"), options)
        with pytest.raises(error, match=told) as caught:
            snn.build()
        assert "--force" not in str(caught.value)


def test_layers_whose_names_differ_in_a_slash_have_files_of_their_own(tmp_path):
    names = ("a/b", "a_b", "a_b_")
    builder, eye = NetworkBuilder((3,)), np.eye(3, dtype=np.float32)
    for factor, name in enumerate(names, start=1):
        builder.dense(factor * eye, name=name)
    snn = SNN(builder.build(), settings_of())
    files = [file.name for file in snn.save_connections(tmp_path)]
    ends = {"a/b": "a_b___", "a_b": "a_b_", "a_b_": "a_b__"}
    assert files == [f"{ends[name]}excitatory.txt" for name in names]
    for factor, (file, name) in enumerate(zip(files, names, strict=True), start=1):
        weight = np.loadtxt(tmp_path / file)[:, 2]
        np.testing.assert_array_equal(weight, factor * snn.board[name].cell.unit)


def test_saving_makes_the_folder(tmp_path):
    snn = SNN(NETWORKS["dense"](), settings_of())
    snn.save(tmp_path / "new" / "folder", "net")
    assert (tmp_path / "new" / "folder" / "net.snn").is_file()


@pytest.mark.parametrize(
    ("options", "machine"),
    [
        ({}, "virtual_board = True\nversion = 5"),
        ({"machine_name": "10.2.225.1", "version": 3}, "machine_name = 10.2.225.1\nversion = 3"),
        ({"spalloc_server": "https://example.org/spalloc/"}, "spalloc_server = https://exam"),
    ],
    ids=["virtual", "board", "spalloc"],
)
def test_a_written_network_names_its_machine(tmp_path, options, machine):
    snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"), SpinnakerOptions(**options))
    snn.save_assembly(tmp_path / "net")
    assert f"[Machine]\n{machine}" in (tmp_path / "net" / "spynnaker.cfg").read_text()


def test_a_written_network_is_mapped_with_nothing_else_and_only_a_report_is_left(tmp_path):
    snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"))
    folder, home, temporary = (tmp_path / name for name in ("net", "home", "temporary"))
    snn.save_assembly(folder)
    before = {path.name for path in folder.iterdir()}
    home.mkdir()
    temporary.mkdir()
    subprocess.run(
        [sys.executable, "plain.py", "map", "."],
        cwd=folder,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(temporary)},
        capture_output=True,
        check=True,
    )
    assert {path.name for path in folder.iterdir()} == before | {"report.json"}
    assert [list(path.iterdir()) for path in (home, temporary)] == [[], []]

"""Homes that cannot be written, no configuration, no Java, no sPyNNaker, no board."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from board_networks import NETWORKS, settings_of

import snn_spinnaker.isolated
from snn_core import artifact
from snn_core.errors import (
    DataError,
    SettingsError,
    SimulationError,
    SimulatorImportError,
    UnsupportedError,
)
from snn_core.recording.spike_trains import Events
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import samples
from snn_spinnaker import SNN, SpinnakerOptions
from snn_spinnaker.isolated import CONFIGURATION, job_folder
from snn_spinnaker.job import describe_job
from snn_spinnaker.running import _Reader

READ_ONLY = "/proc"
"""A folder in which nobody writes, not even root."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a saved network and samples."""
    folder = tmp_path_factory.mktemp("model")
    network = NETWORKS["dense"]().replace(settings=settings_of(reset="zero"))
    artifact.save(network, folder / "m.snn")
    x_b_l = samples(network, 3)
    np.savez(folder / "test.npz", x=x_b_l, y=np.array([0, 1, 2]))
    return folder


def snn_command(*arguments, **environment):
    """Run the command in a folder that cannot be written, without a home and without Java."""
    here = str(Path(sys.executable).parent)
    clean = {"PATH": here, "HOME": "/proc/nowhere", "TMPDIR": tempfile.gettempdir()}
    return subprocess.run(
        [sys.executable, "-m", "snn_core", *map(str, arguments)],
        cwd=READ_ONLY,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("virtual", [False, True])
def test_it_runs_without_home_configuration_and_java(model, tmp_path, virtual):
    assert shutil.which("java", path=str(Path(sys.executable).parent)) is None
    settings = tmp_path / "settings.toml"
    settings.write_text(f"[spinnaker]\nvirtual = {str(virtual).lower()}\n")
    done = snn_command(
        "run", model / "m.snn", "--simulator", "spinnaker", "--data", model / "test.npz",
        "--output", tmp_path / "out", "--settings", settings,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "out" / "run.json").read_text())["details"]
    assert told["engine"].startswith("emulated")
    assert ("mapping" in told) == virtual


def test_inspecting_needs_none_of_them_either(model):
    done = snn_command("inspect", model / "m.snn", "--target", "spinnaker", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cores"] == 3


def test_nothing_is_left_behind_but_reports_that_were_asked_for(model, tmp_path, monkeypatch):
    home, here, temporary = (tmp_path / name for name in ("home", "here", "temporary"))
    for folder in (home, here, temporary):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    options = SpinnakerOptions(virtual=True, reports=str(tmp_path / "reports"))
    SNN(NETWORKS["dense"](), settings_of(reset="zero"), options).build()
    assert [list(folder.iterdir()) for folder in (home, here, temporary)] == [[], [], []]
    assert list((tmp_path / "reports").rglob("placement_by_vertex_using_graph.rpt"))


def test_no_folder_for_temporary_files_is_told(monkeypatch):
    board, options = SNN(NETWORKS["dense"](), settings_of()).board, SpinnakerOptions()
    monkeypatch.setattr("tempfile.tempdir", READ_ONLY)
    with (
        pytest.raises(DataError, match="set TMPDIR"),
        job_folder(describe_job(board, options), options, virtual=True),
    ):
        pass


def test_without_spynnaker_it_emulates_and_says_how_to_map(monkeypatch):
    monkeypatch.setattr(snn_spinnaker.isolated, "find_spec", lambda _: None)
    x_b_l = samples(NETWORKS["dense"](), 1)
    assert SNN(NETWORKS["dense"](), settings_of()).run_batch(x_b_l).spikecounts_n_b_l
    for options in ({"virtual": True}, {"machine_name": "board.example"}):
        chosen = SpinnakerOptions(**options)
        snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"), chosen)
        with pytest.raises(SimulatorImportError, match=r"pip install '.*snn-spinnaker\[board\]'"):
            snn.build()


def test_the_configuration_asks_for_no_java():
    assert "use_java = False" in CONFIGURATION


def board_options(**more):
    return SpinnakerOptions(machine_name="board.example", **more)


def test_what_a_board_cannot_do_is_refused():
    with pytest.raises(UnsupportedError, match="no neuron of sPyNNaker subtracts"):
        SNN(NETWORKS["dense"](), settings_of(), board_options())
    with pytest.raises(UnsupportedError, match="needs a board"):
        SNN(NETWORKS["dense"](), settings_of(reset="zero"), SpinnakerOptions(engine="board"))
    settings = settings_of(reset="zero", encoding="constant")
    with pytest.raises(UnsupportedError, match="'long' does not go with a constant input"):
        SNN(NETWORKS["dense"](), settings, board_options(samples="long"))


def test_neurons_that_begin_at_their_threshold_are_refused_on_a_board():
    network = NetworkBuilder((3,)).dense(np.full((3, 4), 0.25, np.float32), v_init=1.0).build()
    with pytest.raises(UnsupportedError, match="choose a v_init below 1"):
        SNN(network, settings_of(reset="zero"), board_options()).build()


def test_a_board_is_named_in_the_details():
    snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"), board_options())
    assert snn.details["engine"] == "the board at board.example, IF_curr_delta"


@pytest.mark.parametrize("long", [False, True])
def test_spikes_and_potentials_are_read_in_a_populations_own_steps(long):
    """Two samples of 12 steps; the second layer begins in tick 2, and a period is 14 + 5 ticks."""
    options = board_options(samples="long" if long else "reset", pause=5)
    board = SNN(NETWORKS["membrane"](), settings_of(reset="zero"), options).board
    hidden, output = board.populations
    assert (hidden.first_step, output.first_step, board.timing.run_steps) == (1, 2, 14)
    shift = 19 if long else 0
    trains = [(np.array([0, 1, 4, 13]), np.array([7, 3, 3, 5])), (np.array([12]), np.array([0]))]
    potentials = np.arange(40.0)[:, None] * np.ones(6)
    results = {}
    for sample, (tick, cell) in enumerate(trains):
        place = 0 if long else sample
        for what, values in (("tick", tick + shift * sample), ("cell", cell)):
            key = f"{hidden.name}/{place}/{what}"
            results[key] = np.concatenate([results.get(key, np.zeros(0, int)), values])
        results[f"{output.name}/{place}/v"] = potentials
    reader = _Reader(board, options, results, 2)
    spikes = reader.spikes(hidden)
    order = np.lexsort((spikes.step_e, spikes.sample_e))
    assert isinstance(spikes, Events)
    # Tick 0 lies before its first step, tick 13 behind its last one.
    assert spikes.sample_e[order].tolist() == [0, 0, 1]
    assert spikes.step_e[order].tolist() == [0, 3, 11]
    assert spikes.cell_e[order].tolist() == [3, 3, 0]
    v_t_b_l = reader.v(output)
    np.testing.assert_array_equal(v_t_b_l[:, 0, 0], np.arange(3, 15))
    np.testing.assert_array_equal(v_t_b_l[:, 1, 0], np.arange(3, 15) + shift)


@pytest.mark.parametrize("name", ["a\n[Java]\nuse_java = True", "a\n", "[x]", "a b", "%(x)s"])
@pytest.mark.parametrize("option", ["machine_name", "spalloc_server", "spalloc_user"])
def test_names_that_would_break_the_configuration_are_refused(option, name):
    with pytest.raises(SettingsError, match=f"{option}: found .*expected"):
        SpinnakerOptions(**{option: name})


def test_names_and_addresses_are_taken():
    for name in ("spinn-1.example.org", "192.168.240.253", "localhost", ""):
        assert SpinnakerOptions(machine_name=name, spalloc_server=name).machine_name == name
    url = "https://spinnaker.example.org:8080/spalloc/"
    assert SpinnakerOptions(spalloc_server=url, spalloc_user="a.b@c").spalloc_server == url


def test_an_unreachable_board_is_told_with_the_cause_first():
    snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"), board_options())
    with pytest.raises(SimulationError) as caught:
        snn.run_batch(samples(snn.network, 1))
    first, second, _ = str(caught.value).splitlines()
    assert first.startswith("sPyNNaker failed: spinnman.exceptions.SpinnmanIOException: ")
    assert "spinnaker.machine_name = 'board.example'" in second

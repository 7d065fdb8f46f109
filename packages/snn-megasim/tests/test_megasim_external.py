import os
import sys
from pathlib import Path

import numpy as np
import pytest

from snn_core.errors import SettingsError, SimulationError, UnsupportedError
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_megasim import SNN, MegaSimOptions
from snn_megasim.external import check_megasim_output, find_executable

SCRIPT = Path(__file__).parent / "fake_megasim.py"


@pytest.fixture
def megasim(tmp_path):
    """Return an executable that stands in for MegaSim."""
    path = tmp_path / "bin" / "megasim"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SCRIPT}" "$@"\n')
    path.chmod(0o755)
    return path


def settings():
    return Settings.of(
        {
            "simulation": {"duration": 16.0, "batch_size": 2},
            "input": {"encoding": "regular"},
            "output": {"log_vars": ["spiketrains"]},
        }
    )


def network():
    return networks.chain((networks.averaging(5, seed=3),))


def simulate(path, **options):
    snn = SNN(network(), settings(), MegaSimOptions(megasim_path=str(path), **options))
    return snn, snn.run_batch(networks.clock_samples((5,), count=2))


@pytest.mark.parametrize("batch_mode", [True, False])
def test_spikes_of_all_layers_are_read_back(megasim, batch_mode):
    snn, found = simulate(megasim, batch_mode=batch_mode)
    expected = ReferenceSNN(network(), settings()).run_batch(networks.clock_samples((5,), count=2))
    for name, trains in expected.spiketrains_n_b_l_t.items():
        assert trains.any()
        assert np.array_equal(found.spiketrains_n_b_l_t[name], trains), name
    assert snn.details["engine"] == f"MegaSim at {megasim}"


def test_a_folder_may_be_named_in_place_of_the_executable(megasim):
    assert find_executable(str(megasim.parent)) == megasim


def test_the_environment_may_name_it(megasim, monkeypatch):
    monkeypatch.setenv("MEGASIM_PATH", str(megasim))
    assert MegaSimOptions().is_external
    assert not MegaSimOptions(engine="builtin").is_external
    _, found = simulate("")
    assert found.output_b_l_t.any()


def test_its_files_are_kept_where_asked(megasim, tmp_path):
    folder = tmp_path / "files"
    simulate(megasim, folder=str(folder))
    assert (folder / "megasim.sch").exists()
    assert (folder / "node_InputLayer.evs").exists()
    (folder / "node_other.evs").write_text("0 0 0 0 0 1\n")
    simulate(megasim, folder=str(folder))  # again, in place of what is there
    assert not (folder / "node_other.evs").exists()


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("fail", r"ended with status 3 .* It printed: segmentation fault in module 3"),
        ("error", r"(?s)met an error. It printed: .*ERROR: cannot open file"),
        ("garbage", r"(?s)did not write the events .*evs:1: found 'what is this'"),
        ("cut", r"(?s)did not write the events .*evs:\d+: found \d integers; expected an event"),
        ("elsewhere", r"Node '.*' has an event with address \(99, 0\); expected columns below 5"),
        ("later", r"spiked at a time at which it was not asked"),
        ("silent", r"(?s)did not write the events .*evs: cannot be read: No such file"),
    ],
)
def test_failures_are_told(megasim, monkeypatch, mode, said):
    monkeypatch.setenv("MEGASIM_FAKE", mode)
    with pytest.raises(SimulationError, match=said):
        simulate(megasim)


def test_a_run_that_hangs_is_stopped(megasim, monkeypatch):
    monkeypatch.setenv("MEGASIM_FAKE", "hang")
    with pytest.raises(SimulationError, match=r"not end within 2 s .*megasim.time_limit_s"):
        simulate(megasim, time_limit_s=2)


def test_what_cannot_be_executed_is_refused(tmp_path):
    path = tmp_path / "megasim"
    path.write_text("no program")
    if os.geteuid():  # root may execute only what somebody may, too
        assert not os.access(path, os.X_OK)
    with pytest.raises(SettingsError, match="cannot be executed"):
        find_executable(str(path))


def test_what_is_no_program_is_told(tmp_path):
    path = tmp_path / "megasim"
    path.write_bytes(b"\x00\x01no program")
    path.chmod(0o755)
    with pytest.raises(SimulationError, match="MegaSim cannot be started"):
        simulate(path)


def test_potentials_are_refused_because_megasim_does_not_tell_them(megasim):
    options = MegaSimOptions(megasim_path=str(megasim))
    chosen = settings().updated({"output": {"log_vars": ["mem"]}})
    with pytest.raises(UnsupportedError) as refused:
        SNN(network().replace(readout="membrane"), chosen, options)
    assert "conversion.readout" in str(refused.value)
    assert "output.log_vars" in str(refused.value)


def test_output_without_errors_is_fine():
    check_megasim_output("everything went well")
    with pytest.raises(SimulationError, match="met an error"):
        check_megasim_output("Error in line 3")

import os
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from snn_core.errors import DataError, SettingsError, SimulationError, UnsupportedError
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_megasim import SNN, MegaSimOptions
from snn_megasim.external import check_megasim_output, find_executable, run_megasim

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
    first = sorted(path.name for path in folder.iterdir())
    (folder / "node_other.evs").write_text("0 0 0 0 0 1\n")
    simulate(megasim, folder=str(folder))  # again, in place of what is there
    assert sorted(path.name for path in folder.iterdir()) == sorted([*first, "node_other.evs"])


def test_events_of_an_earlier_run_are_never_read_again(megasim, tmp_path, monkeypatch):
    folder = tmp_path / "files"
    simulate(megasim, folder=str(folder))
    monkeypatch.setenv("MEGASIM_FAKE", "silent")
    with pytest.raises(SimulationError, match="did not write the events"):
        simulate(megasim, folder=str(folder))


def test_events_that_no_run_wrote_are_left_alone(megasim, tmp_path):
    folder = tmp_path / "files"
    simulate("", engine="builtin", folder=str(folder))
    mine = folder / "node_InputLayer.evs"
    mine.write_text("5 5 5 0 0 1\n")
    with pytest.raises(DataError, match=r"node_InputLayer.evs: it is there already, and no run"):
        simulate(megasim, folder=str(folder))
    assert mine.read_text() == "5 5 5 0 0 1\n"


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("fail", r"ended with status 3 .* It printed: segmentation fault in module 3"),
        ("error", r"(?s)met an error. It printed: .*ERROR: cannot open file"),
        ("much", r"(?s)met an error. It printed: .*ERROR: no memory for module 7"),
        ("garbage", r"(?s)did not write the events .*evs:1: found 'what is this'"),
        ("cut", r"(?s)did not write the events .*evs:\d+: found \d integers; expected an event"),
        ("elsewhere", r"Node '.*' has an event with address \(99, 0\); expected columns below 5"),
        ("later", r"spiked at a time at which it was not asked"),
        ("silent", r"(?s)did not write the events .*Cannot read .*evs: No such file"),
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


def test_output_without_end_is_stopped_in_little_memory(megasim, monkeypatch):
    monkeypatch.setenv("MEGASIM_FAKE", "forever")
    tracemalloc.start()
    with pytest.raises(SimulationError, match=r"(?s)not end within 2 s .*still running\nstill"):
        simulate(megasim, time_limit_s=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6  # it prints gigabytes; most of the peak is what is imported


@pytest.mark.skipif(sys.platform == "win32", reason="there are no groups of processes")
def test_what_a_script_started_is_ended_with_it(tmp_path):
    path = tmp_path / "megasim"
    path.write_text("#!/bin/sh\nsleep 600 &\necho $! > started\nwait\n")
    path.chmod(0o755)
    with pytest.raises(SimulationError, match="not end within 1 s"):
        run_megasim(path, tmp_path, time_limit_s=1)
    started = int((tmp_path / "started").read_text())
    for _ in range(50):  # until the system has taken notice
        if not is_running(started):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {started} is still there")


def is_running(process):
    """Return whether a process is there, and not only waits for its parent to notice its end."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def test_a_run_ends_when_the_user_asks_for_it(megasim, monkeypatch, tmp_path):
    monkeypatch.setenv("MEGASIM_FAKE", "hang")

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_megasim(megasim, tmp_path, time_limit_s=600, checkpoint=stop)


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

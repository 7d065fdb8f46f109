"""Estimates of energy and time: published figures times what is counted here by hand."""

import json

import numpy as np
import pytest

from snn_core import artifact
from snn_core.cli import main
from snn_core.errors import SimulationError
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import LAID_OUT, samples
from snn_loihi import SNN, LoihiOptions
from snn_loihi.energy import SYNAPTIC_J

SETTINGS = Settings.of({"simulation": {"duration": 4}})


def of_two_layers(**options):
    network = NetworkBuilder((2,)).dense(np.eye(2)).dense(np.ones((2, 1))).build()
    return SNN(network, SETTINGS, LoihiOptions(engine="emulator", **options))


def numbers(terms):
    return {term.name: term.number for term in terms}


def test_operations_are_those_of_a_run():
    snn = of_two_layers()
    recording = snn.run_batch(np.array([[1, 0]], np.float32))
    # The first neuron spikes in each of 4 steps, over one synapse; so does the last.
    assert [int(n.sum()) for n in recording.spikecounts_n_b_l.values()] == [4, 4]
    found = snn.estimate()
    assert snn.timing.run_steps == 5
    assert numbers(found.energy) == {
        "synaptic operations": 4 + 8,  # and one for each reset
        "updates, active": 16,  # neurons of two compartments, both of which spike
        "updates": 3 * 2 * 5 - 16,
        "spikes": 4 + 8,
        "hops, east or west": 0,  # all cores in one tile
        "hops, north or south": 0,
    }
    assert found.energy_j == pytest.approx(12 * 23.6e-12 + 16 * 81e-12 + 14 * 52e-12 + 12 * 1.7e-12)


def test_a_step_takes_as_long_as_its_slowest_core():
    snn = of_two_layers(reset_mode="hard")
    snn.run_batch(np.array([[1, 0]], np.float32))
    found = snn.estimate()
    # Two neurons, one of them active in 4 of 5 steps, take longer than one with 4 operations.
    assert numbers(found.time) == {
        "synaptic operations": 0,
        "updates, active": 4,
        "updates": 6,
        "steps": 5,
    }
    assert found.time_s == pytest.approx(4 * 8.4e-9 + 6 * 5.3e-9 + 5 * 465e-9)


def test_spikes_pass_tiles_where_there_are_several():
    network = NetworkBuilder((2,)).dense(np.eye(2)).dense(np.ones((2, 8 * 1024))).build()
    snn = SNN(network, SETTINGS, LoihiOptions(engine="emulator", reset_mode="hard"))
    snn.run_batch(np.array([[1, 0]], np.float32))
    found = numbers(snn.estimate().energy)
    assert found["spikes"] == 4 * 8  # to 8 cores
    side = np.sqrt(9 / 4)  # 9 cores
    assert found["hops, north or south"] == pytest.approx(32 * (side**2 - 1) / (3 * side))


def test_several_batches_give_their_mean():
    snn = of_two_layers()
    dark, bright = np.zeros((1, 2), np.float32), np.ones((3, 2), np.float32)
    snn.run_batch(dark)
    least = snn.estimate()
    snn.run_batch(bright)
    found = snn.estimate()
    assert found.samples == 4
    assert numbers(found.energy)["updates, active"] == 3 * (4 + 4 + 4) * 2 / 4
    assert least.energy_j < found.energy_j


def test_each_figure_names_its_row_of_the_table():
    snn = of_two_layers()
    with pytest.raises(SimulationError, match="Nothing was simulated"):
        snn.estimate()
    snn.run_batch(np.ones((1, 2), np.float32))
    found = snn.estimate().to_json()
    assert "not measured" in found["kind"]
    terms = [*found["energy"], *found["time"]]
    assert all("Davies et al. 2018" in term["figure"]["source"] for term in terms)
    assert len({term["figure"]["row"] for term in terms}) == len(terms)
    assert found["energy_j"] == pytest.approx(sum(term["total"] for term in found["energy"]))
    json.dumps(found)


def test_a_run_on_the_command_line_ends_with_an_estimate(tmp_path, capsys):
    network = LAID_OUT["skip"]()
    artifact.save(network.replace(settings=SETTINGS), tmp_path / "net.snn")
    np.savez(tmp_path / "test.npz", x=samples(network, 3), y=np.zeros(3, int))
    arguments = ["--simulator", "loihi", "--data", str(tmp_path / "test.npz")]
    (tmp_path / "loihi.toml").write_text("[loihi]\nengine = 'emulator'\n")
    arguments += ["--settings", str(tmp_path / "loihi.toml"), "-o", str(tmp_path / "run")]
    main(["run", str(tmp_path / "net.snn"), *arguments], standalone_mode=False)
    shown = " ".join(capsys.readouterr().err.split())
    assert "estimated from figures of Davies et al. 2018, table 2, not measured" in shown
    assert "energy per synaptic spike op (min)" in shown
    details = json.loads((tmp_path / "run" / "run.json").read_text())["details"]
    assert f"{SYNAPTIC_J.value * 1e12:g} pJ" in details["estimate_energy"]
    assert "mean of 3" in details["estimate"]


def test_a_large_network_is_not_mapped_unasked(monkeypatch):
    monkeypatch.setattr("snn_loihi.simulator.ESTIMATED_SYNAPSES", 3)
    snn = of_two_layers()  # of four synapses
    snn.run_batch(np.ones((1, 2), np.float32))
    assert snn.details["estimate"].startswith("left out")
    assert snn.estimate().energy_j > 0


def test_nothing_is_estimated_of_a_network_without_integers():
    snn = of_two_layers(arithmetic="float")
    snn.run_batch(np.ones((1, 2), np.float32))
    assert "estimate" not in snn.details

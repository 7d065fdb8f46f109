"""What sPyNNaker makes of a network: scales, places, and the script that it is handed."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from board_networks import NETWORKS, lenet, settings_of

from snn_core import artifact
from snn_core.cli import main
from snn_core.errors import SimulationError, UnsupportedError
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import dense, samples
from snn_spinnaker import SNN, SpinnakerOptions
from snn_spinnaker.isolated import job_folder, machine_settings, run_script
from snn_spinnaker.job import describe_job, write_job
from snn_spinnaker.mapping import describe, map_network, safe_slow_down
from snn_spinnaker.native import NotNative, native_job, part_side
from snn_spinnaker.running import run_on_board

HAND = Path(__file__).parent / "hand_written.py"


def boards(name, **options):
    chosen = SpinnakerOptions(**options)
    return SNN(NETWORKS[name](), settings_of(reset="zero"), chosen).board, chosen


def test_shifts_and_scales_are_those_that_spynnaker_computes(tmp_path):
    """All networks, told what to expect and not, and other neurons; sPyNNaker builds them all."""
    expected, folders = [], []
    cases = [
        (name, {"expected_weights": told}) for told in ("sums", "spynnaker") for name in NETWORKS
    ]
    cases += [("pooled", {"neuron_model": f"IF_{model}"}) for model in ("curr_exp", "trunc_delta")]
    for name, given in cases:
        board, options = boards(name, **given)
        folders.append(tmp_path / f"{name}_{len(folders)}")
        write_job(folders[-1], describe_job(board, options))
        expected.append({item.name: list(item.shifts) for item in board.populations})
    assert len({tuple(shifts) for each in expected for shifts in each.values()}) > 5
    with job_folder(describe_job(board, options), options, virtual=True) as folder:
        run_in(folder, "plain.py", "build", *folders)
    for folder, shifts in zip(folders, expected, strict=True):
        found = json.loads((folder / "built.json").read_text())
        assert {name: item["shifts"] for name, item in found.items()} == shifts
        scales = {name: [2.0 ** (15 - n) for n in each] for name, each in shifts.items()}
        assert {name: item["scales"] for name, item in found.items()} == scales


def run_in(folder, script, *arguments):
    """Run a script as the package runs its own."""
    done = subprocess.run(
        [sys.executable, str(folder / script), *map(str, arguments)],
        cwd=folder / "work",
        env={**os.environ, "HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.smoke
def test_the_script_builds_what_one_writes_by_hand():
    network = dense()
    board, options = boards("dense", time_scale_factor=1)
    first, second = network.layers[1:]
    with job_folder(describe_job(board, options), options, virtual=True) as folder:
        np.savez(
            folder / "weights.npz",
            first=first.weight_io, second=second.weight_io, bias=second.bias_o,
        )  # fmt: skip
        for how in ("hand", "package"):
            run_in(folder, HAND, how, folder)
        hand, package = (
            json.loads((folder / f"{how}.json").read_text()) for how in ("hand", "package")
        )
    assert package == hand
    assert len(hand["cores"]) == 3


def test_a_run_on_the_virtual_board_passes_samples_and_reads_back_what_it_records():
    """Nothing ever spikes there; all else is as on a board."""
    network = NETWORKS["membrane"]()
    for samples_as in ("reset", "long"):
        options = SpinnakerOptions(samples=samples_as, pause=5)
        snn = SNN(network, settings_of(reset="zero"), options)
        signal = signal_of(snn, samples(network, 3))
        ran = run_on_board(
            snn.board,
            options,
            offsets=snn._offsets(signal),
            spiking=snn._spiking(signal),
            num_samples=3,
            membranes=snn.membranes,
            virtual=True,
        )
        assert {name: len(events.cell_e) for name, events in ran.spikes.items()} == {
            "01Dense_20": 0
        }
        assert ran.time_scale_factor == 1
        assert isinstance(ran.provenance, list)


def signal_of(snn, x_b_l):
    from snn_core.simulation.signal import InputSignal

    return InputSignal(
        x_b_l=x_b_l, sample_ids=range(len(x_b_l)), settings=snn.settings, seed=0
    )  # fmt: skip


def test_a_network_is_mapped_and_counted():
    board, options = boards("convolutions", number_of_neurons_per_core=32)
    found = map_network(board, options)
    sizes = {item.name: item.size for item in board.populations}
    synapses = {item.name: sum(len(p.pre) for p in item.projections) for item in board.populations}
    for layer in found.layers:
        assert layer.cores == -(-sizes[layer.name] // 32)
        assert layer.neurons == sizes[layer.name]
        assert layer.synapses == synapses[layer.name]
        assert layer.neurons_per_core == min(32, layer.neurons)
        assert 0 < layer.synapses_per_core <= layer.synapses
    assert found.cores == sum(layer.cores for layer in found.layers) + 1  # and the sources
    assert (found.chips, found.boards) == (1, 1)
    assert 0 < found.router_entries < found.router_limit
    slowest = max(found.layers, key=lambda layer: layer.worst_us)
    assert found.bottleneck == slowest
    # 32 neurons of 1/256 ms each, and synapses at 13 million per second.
    expected = 32 * 1000 / 256 + slowest.synapses_per_core / 13
    assert slowest.worst_us == pytest.approx(expected, rel=0.01)
    assert found.slow_down == safe_slow_down(board, options) == 1


def test_inspecting_shows_a_table_or_json_and_the_saving_of_kernels(tmp_path, capsys):
    network = NETWORKS["convolutions"]()
    shown = {}
    for form, native in (("table", False), ("--json", True)):
        settings = settings_of(reset="zero").updated(
            {"options": {"spinnaker": {"native_convolution": native}}}
        )
        artifact.save(network.replace(settings=settings), tmp_path / f"{form}.snn")
        command = ["inspect", str(tmp_path / f"{form}.snn"), "--target", "spinnaker"]
        main([*command, *([form] if native else [])], standalone_mode=False)
        shown[form] = capsys.readouterr().out
    for text in ("synapses/core", "us/tick, typical", "nothing was executed", "bottleneck"):
        assert text in shown["table"]
    data = json.loads(shown["--json"])
    assert data["times"] == "estimated"
    assert data["native_convolution"]["possible"]
    assert data["native_convolution"]["saved_sdram_bytes"] > 0
    assert [layer["name"] for layer in data["layers"]][-1] == network.output.name


def test_layers_that_are_no_kernels_are_named():
    cases = {"skip": "Add layer", "depthwise": "DepthwiseConv2D", "strided": "no squares"}
    for name, why in cases.items():
        with pytest.raises(NotNative, match=why):
            native_job(SNN(NETWORKS[name](), settings_of()))
    assert [part_side(n) for n in (10, 16, 28, 32, 23)] == [10, 16, 14, 16, 1]


def test_a_network_that_is_too_large_is_refused_with_the_numbers():
    network = NetworkBuilder((4,)).dense(np.full((4, 60_000), 0.25, np.float32)).build()
    with pytest.raises(UnsupportedError, match=r"938 cores are needed .* offer 759"):
        describe(network, settings_of())
    options = SpinnakerOptions(virtual=True)
    with pytest.raises(UnsupportedError, match=r"spinnaker\.boards = 2"):
        SNN(network, settings_of(), options).build()


@pytest.mark.exhaustive
def test_lenet_is_mapped_in_a_minute():
    # Processor time, which other work on the machine does not lengthen.
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    snn = SNN(lenet(), settings_of(encoding="constant"), SpinnakerOptions(virtual=True))
    snn.build()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime < 60
    assert snn.mapping is not None
    assert snn.mapping.cores == 74 + 25 + 2 + 2 + 1
    assert "mapped by sPyNNaker" in snn.details["mapping"]
    assert "emulated" in snn.details["engine"]


def test_what_spynnaker_says_last_is_told_and_a_timeout_too():
    board, options = boards("dense")
    description, arrays = describe_job(board, options)
    description["populations"][1]["parameters"]["cm"] = "wrong"
    with job_folder((description, arrays), options, virtual=True) as folder:
        with pytest.raises(SimulationError, match="sPyNNaker failed; its last lines"):
            run_script(folder, "map", options)
        with pytest.raises(SimulationError, match=r"more than spinnaker\.timeout"):
            run_script(folder, "map", options.model_copy(update={"timeout": 0.05}))
    assert not folder.exists()


def test_the_machine_is_named_as_spynnaker_wants_it():
    by_name = SpinnakerOptions(machine_name="board.example", version=3)
    assert machine_settings(by_name, virtual=False) == "machine_name = board.example\nversion = 3\n"
    by_server = SpinnakerOptions(spalloc_server="https://spalloc.example", spalloc_user="me")
    told = machine_settings(by_server, virtual=False)
    assert told.splitlines() == [
        "spalloc_server = https://spalloc.example", "spalloc_port = 22244", "spalloc_user = me",
    ]  # fmt: skip
    assert by_name.on_board
    assert by_server.on_board
    assert not SpinnakerOptions().on_board

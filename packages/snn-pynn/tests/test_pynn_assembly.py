import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from snn_core.errors import ArtifactError, DataError, SimulationError
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder
from snn_pynn import plain

RUN = """
import sys
from importlib import util
from pathlib import Path


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("snn_"):
            raise ImportError(f"{name} is not to be imported")


sys.meta_path.insert(0, Blocked())
script, mechanisms, *rest = sys.argv[1:]
sys.argv = [script, *rest]
sys.path.insert(0, str(Path(script).parent))
if mechanisms:  # instead of a compiler
    import neuron
    neuron.load_mechanisms(mechanisms)
    pynn = Path(util.find_spec("pyNN").origin).parent / "neuron" / "nmodl"
    neuron.nrn_dll_loaded.append(str(pynn))
import runpy
runpy.run_path(script, run_name="__main__")
"""


def run_in_plain_pynn(folder, *, mechanisms):
    command = [sys.executable, "-I", "-c", RUN, str(folder / "net.py"), mechanisms]
    done = subprocess.run(
        [*command, str(folder / "sample.txt")],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        # Without `nest-config` on the PATH, PyNN does not try to compile extensions of NEST.
        env={"PATH": os.defpath, "NEURON_MODULE_OPTIONS": "-nogui"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # nothing else is written there


@pytest.fixture
def saved(simulator, tmp_path, helpers):
    """Return a function that saves a network for plain PyNN, and the folder."""

    def save(network, **settings):
        snn = simulator(network, helpers.settings_of(batch_size=1, **settings))
        snn.save_connections(tmp_path)
        snn.save_biases(tmp_path)
        snn.save_assembly(tmp_path, "net")
        return snn

    return save


def mechanisms_of(snn):
    if snn.name != "pynn-neuron":
        return ""
    from snn_pynn.neuron import mechanisms

    sources = mechanisms.all_sources()
    return str(mechanisms.compiled(sources, snn.options.cache_folder()))


def write_sample(snn, x_b_l, folder):
    if snn.is_constant:
        np.savetxt(folder / "sample.txt", x_b_l.reshape(-1))
        return
    settings = snn.settings.updated({"output": {"log_vars": ["input"]}})
    input_l_t = ReferenceSNN(snn.network, settings).run_batch(x_b_l).input_b_l_t[0]
    np.savetxt(folder / "sample.txt", np.argwhere(input_l_t), fmt="%d")


@pytest.mark.parametrize("encoding", ["constant", "regular"])
def test_a_saved_network_runs_in_plain_pynn(saved, helpers, tmp_path, encoding):
    network = networks.skip_connection("Add")
    snn = saved(network, encoding=encoding)
    x_b_l = helpers.samples(network, 1)
    settings = helpers.settings_of(encoding=encoding)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    write_sample(snn, x_b_l, tmp_path)
    found = run_in_plain_pynn(tmp_path, mechanisms=mechanisms_of(snn))
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        step_and_cell = np.argwhere(spikes_b_l_t[0].T).tolist()
        assert step_and_cell, f"{name} is silent and proves nothing"
        assert found["spikes"][name] == step_and_cell
    counts_l = expected.output_b_l_t[0].sum(axis=-1)
    assert found["decision"] == int(counts_l.argmax())


def test_potentials_decide_where_they_are_read(saved, helpers, tmp_path):
    # With a bias of one and a half thresholds, the layer before the output spikes on after the end.
    builder = networks.clocks((5,)).dense(networks.averaging(5, seed=1), bias_o=[1.5] * 5)
    network = builder.dense(networks.averaging(5, seed=2)).build(readout="membrane")
    snn, x_b_l = saved(network), helpers.samples(network, 1)
    np.savetxt(tmp_path / "sample.txt", x_b_l.reshape(-1))
    found = run_in_plain_pynn(tmp_path, mechanisms=mechanisms_of(snn))
    expected = ReferenceSNN(network, helpers.settings_of()).run_batch(x_b_l)
    potential_l = expected.output_b_l_t[0, :, -1]
    np.testing.assert_array_equal(found["potentials"][network.output.name], potential_l)
    assert found["decision"] == potential_l.argmax()


def test_an_assembly_is_loaded_as_populations(saved, tmp_path):
    snn = saved(networks.chain((networks.averaging(5, seed=1), networks.averaging(5, seed=2))))
    loaded = snn.load_assembly(tmp_path, "net")
    assert [item.label for item in loaded] == [layer.name for layer in snn.network.spiking_layers]
    assert [item.size for item in loaded] == [5, 5, 5]


def test_a_simulator_that_lost_its_network_builds_it_again(saved, helpers, tmp_path):
    snn = saved(networks.chain((networks.averaging(5, seed=1),)))
    snn.load_assembly(tmp_path, "net")
    helpers.assert_equal_to_reference(snn, helpers.samples(snn.network, 1))


def test_connections_lie_in_files_named_after_their_target(saved, tmp_path):
    snn = saved(networks.skip_connection("Concatenate"))
    description = json.loads((tmp_path / "net.json").read_text())
    entries = {(item["source"], item["target"]): item for item in description["connections"]}
    assert len(entries) == len(snn.tables.connections)
    for connection in snn.tables.connections:
        source, target = connection.source, connection.target
        file = tmp_path / entries[source, target]["file"]
        assert file.name.startswith(target)
        header, *_ = file.read_text(encoding="utf-8").splitlines()
        assert header == f"# {source}→{target}: source, target, weight, delay_ms"
        rows = np.loadtxt(file)
        np.testing.assert_array_equal(rows[:, 2].astype(np.float32), connection.weight_s)


@pytest.fixture
def names_that_collide():
    """Return a network whose layers would share files: in folders, numbers, endings, letters."""
    eye = np.eye(4, dtype=np.float32)
    net = NetworkBuilder((4,)).dense(eye, name="a/b", bias_o=[0.125] * 4)
    net.dense(eye[::-1], name="a_b", threshold=[0.5, 1, 1, 2])
    net.add(["a_b", "a/b"], weight_nc=np.full((2, 4), 0.75), name="a").dense(eye, name="a_1")
    net.dense(eye, name="A_B", bias_o=[0.25] * 4).dense(eye[::-1], name="a_b.biases")
    return net.dense(eye[:, :3], name="a_2").build()


@pytest.mark.parametrize("encoding", ["constant", "regular"])
def test_layers_with_similar_names_have_files_of_their_own(
    saved, helpers, tmp_path, encoding, names_that_collide
):
    snn = saved(names_that_collide, encoding=encoding)
    described = json.loads((tmp_path / "net.json").read_text())
    files = [item["file"] for item in described["connections"]]
    files += [item["biases"] for item in described["populations"] if not item["is_source"]]
    assert len({name.casefold() for name in files}) == len(files)
    x_b_l = np.array([[0.25, 0.5, 0.75, 1]], np.float32)
    expected = helpers.assert_equal_to_reference(snn, x_b_l)
    write_sample(snn, x_b_l, tmp_path)
    found = run_in_plain_pynn(tmp_path, mechanisms=mechanisms_of(snn))
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        assert found["spikes"][name] == np.argwhere(spikes_b_l_t[0].T).tolist()


def test_a_disk_that_is_full_leaves_all_files_as_they_were(saved, helpers, tmp_path, monkeypatch):
    snn = saved(networks.chain((networks.averaging(5, seed=1), networks.averaging(5, seed=2))))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    write, done = np.savetxt, []

    def write_one(*arguments, **keywords):
        if done:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done.append(write(*arguments, **keywords))

    monkeypatch.setattr(np, "savetxt", write_one)
    for save in (snn.save_connections, snn.save_biases):
        for folder, options in ((tmp_path, {"overwrite": True}), (tmp_path / "new", {})):
            done.clear()
            with pytest.raises(DataError, match="No space left on device"):
                save(folder, **options)
            assert done
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "new").rmdir()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_files_are_replaced_only_if_that_is_asked_for(saved, tmp_path):
    snn = saved(networks.dense())
    for save in (snn.save_connections, snn.save_biases):
        with pytest.raises(DataError, match="it is there already"):
            save(tmp_path)
        save(tmp_path, overwrite=True)
    with pytest.raises(DataError, match="it is there already"):
        snn.save_assembly(tmp_path, "net")
    snn.save_assembly(tmp_path, "net", overwrite=True)
    with pytest.raises(DataError, match="choose another filename"):
        snn.save_assembly(tmp_path, "pynn_cells", overwrite=True)


def test_what_cannot_be_saved_or_loaded_is_refused(simulator, helpers, tmp_path):
    snn = simulator(
        networks.dense(),
        helpers.settings_of(reset="zero", tau_refrac=1.0),
        simulator.options_type(cell="IF_curr_exp"),
    )
    with pytest.raises(SimulationError, match="choose cell = 'exact'"):
        snn.save_assembly(tmp_path, "net")
    with pytest.raises(ArtifactError, match="save one with save_assembly"):
        snn.load_assembly(tmp_path, "net")
    (tmp_path / "net.json").write_text('{"simulator": "other"}')
    with pytest.raises(ArtifactError, match="an assembly of 'other'"):
        snn.load_assembly(tmp_path, "net")


@pytest.mark.parametrize(
    "change",
    [
        {"dt_ms": float("nan")},
        {"dt_ms": "fast"},
        {"longest_delay": None},
        {"populations": 3},
        {"populations": [{"label": "a"}]},
        {"populations": [{"label": "a", "size": 10**15, "is_source": True}]},
        {"populations": [{"label": "a", "size": -1, "is_source": True}]},
        {"populations": [{"label": "a", "size": 2, "is_source": True}] * 2},
        {"populations": [{"label": "a", "size": 2, "is_source": False, "theta": [1]}]},
    ],
)
def test_a_damaged_assembly_is_refused(simulator, helpers, tmp_path, change):
    snn = simulator(networks.dense(), helpers.settings_of())
    snn.save_assembly(tmp_path, "net")
    file = tmp_path / "net.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ArtifactError, match=r"net\.json"):
        snn.load_assembly(tmp_path, "net")
    file.write_text("[" * 100_000)
    with pytest.raises(ArtifactError, match="does not hold an assembly"):
        snn.load_assembly(tmp_path, "net")


def test_a_saved_network_reads_files_beside_it_alone(simulator, helpers, tmp_path):
    snn = simulator(networks.dense(), helpers.settings_of())
    folder = tmp_path / "saved"
    for save in (snn.save_assembly, snn.save_connections, snn.save_biases):
        save(folder, "net") if save == snn.save_assembly else save(folder)
    description = json.loads((folder / "net.json").read_text())
    name = next(item["biases"] for item in description["populations"] if not item["is_source"])
    (folder / name).rename(tmp_path / name)
    for item in description["populations"]:
        item["biases"] = f"../{name}"
    with pytest.raises(FileNotFoundError, match="saved"):
        plain.drives(folder, description, None)

import json
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np

from snn_core.ir import Linear
from snn_core.simulation import targets
from snn_core.testing.builder import NetworkBuilder


def test_shows_the_layers_of_an_artifact(snn, artifact):
    done = snn("inspect", artifact)
    assert done.exit_code == 0
    assert "00Conv2D_4x4x3" in done.stdout
    assert "history" in done.stdout


def test_json_counts_neurons_and_synapses(snn, artifact):
    found = json.loads(snn("inspect", artifact, "--json").stdout)
    assert found["neurons"] == 4 * 4 * 3 + 4
    assert found["synapses"] == 16 * 9 * 3 + 48 * 4
    assert [layer["kind"] for layer in found["layers"]] == ["Conv2D", "Flatten", "Dense"]
    assert found["provenance"]["source"] == "model.keras"
    assert found["settings"]["normalization"]["method"] == "mse"


def test_a_model_can_be_looked_at_before_it_is_converted(snn, classifier):
    found = json.loads(snn("inspect", classifier(), "--json").stdout)
    assert found["input_shape"] == [6, 6, 1]
    assert found["neurons"] == 52


def test_a_missing_file_is_named(snn, tmp_path):
    done = snn("inspect", tmp_path / "gone.snn")
    assert done.exit_code == 2
    assert "There is no file" in done.stderr


def test_fan_in_and_fan_out_are_counted(snn, artifact):
    layers = json.loads(snn("inspect", artifact, "--json").stdout)["layers"]
    # A 3 x 3 kernel on one channel; every pixel of the 4 x 4 x 3 image goes to four classes.
    assert (layers[0]["fanin"], layers[0]["fanout"]) == (9, [4, 4])
    assert (layers[2]["fanin"], layers[2]["fanout"]) == (48, [0, 0])
    assert "fanin" not in layers[1]  # flattening has no neurons


def test_the_table_has_a_column_for_each_figure(snn, artifact):
    lines = snn("inspect", artifact).stdout.splitlines()
    header = next(line for line in lines if "fan-in" in line).split()
    assert header == [
        "layer", "shape", "function", "parameters", "neurons", "synapses", "fan-in", "fan-out",
        "scale",
    ]  # fmt: skip
    row = next(line for line in lines if "00Conv2D" in line).split()
    assert row[:8] == ["00Conv2D_4x4x3", "4×4×3", "ReLU", "30", "48", "432", "9", "4"]


def test_every_pass_is_listed(snn, artifact):
    history = json.loads(snn("inspect", artifact, "--json").stdout)["history"]
    assert history[0].startswith("read model.keras: .keras archive of Keras 3")
    assert any(line.startswith("labelled the layers") for line in history)
    assert any(line.startswith("normalize: mse at 16 steps") for line in history)


def test_a_module_that_does_not_exist_is_named(snn):
    done = snn("inspect", "no_such_module:network")
    assert done.exit_code == 2
    assert "'no_such_module' cannot be imported" in done.stderr


def installed(monkeypatch, **found):
    entries = [
        EntryPoint(name=name, value=value, group=targets.GROUP) for name, value in found.items()
    ]
    monkeypatch.setattr(targets, "entry_points", lambda group: entries)


def count_layers(network, settings):
    number = len(network.spiking_layers)
    return targets.TargetReport(
        columns=["layer", "cores"],
        rows=[[layer.name, "1"] for layer in network.spiking_layers],
        lines=[f"{number} cores for {settings.num_steps} steps"],
        data={"cores": number},
    )


def test_a_target_describes_the_network(snn, artifact, monkeypatch):
    installed(monkeypatch, toy=f"{__name__}:count_layers")
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(count_layers=count_layers))
    shown = snn("inspect", artifact, "--target", "toy").stdout
    assert "00Conv2D_4x4x3" in shown
    assert "2 cores for" in shown
    assert json.loads(snn("inspect", artifact, "--target", "toy", "--json").stdout) == {"cores": 2}


def test_a_target_that_is_not_installed_names_its_package(snn, artifact, monkeypatch):
    installed(monkeypatch)
    done = snn("inspect", artifact, "--target", "loihi1")
    assert done.exit_code == 2
    said = done.stderr.replace("\n", " ")
    assert "It comes with snn-loihi. Install it with `python -m pip install" in said
    done = snn("inspect", artifact, "--target", "abacus")
    assert "There is no target 'abacus'. Installed: none." in done.stderr.replace("\n", " ")


def test_a_model_is_converted_before_it_is_mapped(snn, classifier):
    done = snn("inspect", classifier(), "--target", "loihi1")
    assert done.exit_code == 2
    assert "convert it to a .snn file first" in done.stderr.replace("\n", " ")


def test_synapses_too_many_to_list_are_an_error_of_layer_and_file(snn, tmp_path, monkeypatch):
    mixing = NetworkBuilder((64,)).dense(np.ones((64, 64)), name="mixes", activation=Linear())
    path = tmp_path / "wide.snn"
    mixing.dense(np.ones((64, 64)), name="output").build().save(path)
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "150K")
    shown = snn("inspect", path)
    assert shown.exit_code == 2
    assert "wide.snn: Counting the 4096 synapses of layer 'mixes'" in shown.stderr
    assert "SNN_MEMORY_LIMIT" in shown.stderr

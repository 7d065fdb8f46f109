import json


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

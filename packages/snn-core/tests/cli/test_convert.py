import importlib
import json

import numpy as np
import pytest

from snn_core import convert as convert_network
from snn_core import load, predict
from snn_core.artifact import fingerprint, load_artifact
from snn_core.running.result import RunResult


@pytest.fixture
def convert(snn, classifier, images, tmp_path):
    """Return a function that converts the classifier with further arguments."""

    def call(*arguments):
        return snn(
            "convert", classifier(), "-o", tmp_path / "out.snn", "--data", images(), *arguments
        )

    return call


def test_writes_an_artifact_that_python_reads(convert, tmp_path):
    done = convert()
    assert done.exit_code == 0
    first, second, compared, third = done.stdout.splitlines()
    assert first == f"{tmp_path / 'out.snn'}: 2 layers with neurons, preset fast, 32 steps"
    assert second == "input: values of 0.002057 to 0.999 (mean 0.498); uint8 ÷ 255"
    assert third == load(tmp_path / "out.snn").history[-1]
    assert third.startswith("spiking network on 20 calibration samples, 32 steps: 20 of 20 decisi")
    assert third.endswith("7 of 20 right")
    assert compared.startswith("compared with its layers as read (written by Keras 3.")
    assert compared.endswith("0 decision(s) differ")
    network = load(tmp_path / "out.snn")
    assert predict(network, np.zeros((2, 6, 6, 1), np.float32)).shape == (2, 4)


def test_a_model_that_changes_before_it_is_hashed_is_refused(convert, monkeypatch, tmp_path):
    """Its hash would be kept with the network that was made of another model."""
    command = importlib.import_module("snn_core.cli.convert")  # not the function of this name
    real = command.hash_file

    def change(path):
        path.write_bytes(path.read_bytes() + b"\0")
        return real(path)

    monkeypatch.setattr(command, "hash_file", change)
    done = convert()
    assert done.exit_code == 2
    assert "changed after it was read for the first time" in done.stderr
    assert not (tmp_path / "out.snn").exists()


@pytest.mark.parametrize(
    ("arguments", "method", "percentile", "steps", "readout"),
    [
        ((), "mse", 99.9, 32, "membrane"),
        (("--preset", "seed"), "percentile", 99.9, 200, "counts"),
        (("--timesteps", 8), "mse", 99.9, 8, "membrane"),
        (("--percentile", 99), "percentile", 99.0, 32, "membrane"),
        (("--preset", "seed", "--timesteps", 50, "--dt", 0.5), "percentile", 99.9, 50, "counts"),
    ],
)
def test_flags_decide_how_to_convert(
    convert, tmp_path, arguments, method, percentile, steps, readout
):
    assert convert(*arguments).exit_code == 0
    network = load(tmp_path / "out.snn")
    assert network.settings.normalization.method == method
    assert network.settings.normalization.percentile == percentile
    assert network.settings.num_steps == steps
    assert network.readout == readout


def test_timesteps_are_what_thresholds_are_chosen_for(convert, tmp_path):
    convert("--timesteps", 4)
    few = load(tmp_path / "out.snn")
    convert("--timesteps", 64, "--force")
    many = load(tmp_path / "out.snn")
    assert "mse at 4 steps" in "\n".join(few.history)
    first, second = (next(iter(network.scale_facs.values())) for network in (few, many))
    assert not np.array_equal(first, second)


def test_the_artifact_says_where_it_comes_from(convert, tmp_path):
    convert()
    provenance = load_artifact(tmp_path / "out.snn").provenance
    assert provenance["source"] == "model.keras"
    assert len(provenance["source_sha256"]) == 64
    assert provenance["calibration_samples"] == 20


def test_equal_input_gives_equal_bytes(convert, tmp_path):
    convert()
    first = (tmp_path / "out.snn").read_bytes()
    convert()
    assert (tmp_path / "out.snn").read_bytes() == first


def test_a_settings_file_changes_the_preset(convert, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[cell]\nreset = "zero"\n[normalization]\nnum_samples = 5\n')
    assert convert("--settings", path).exit_code == 0
    settings = load(tmp_path / "out.snn").settings
    assert settings.cell.reset == "zero"
    assert settings.normalization.num_samples == 5
    assert settings.conversion.readout == "membrane"


def test_a_settings_file_of_the_original_is_read(convert, tmp_path):
    path = tmp_path / "config.ini"
    path.write_text(
        "[normalization]\npercentile = 99.5\nmethod = percentile\n"
        "[cell]\nreset = Reset to zero\n[simulation]\nduration = 20\n"
        "[output]\nlog_vars = {'spiketrains_n_b_l_t'}\n"
    )
    assert convert("--settings", path).exit_code == 0
    settings = load(tmp_path / "out.snn").settings
    assert settings.normalization.percentile == 99.5
    assert settings.cell.reset == "zero"
    assert settings.output.log_vars == {"spiketrains"}


def test_one_command_converts_and_simulates(convert, images, tmp_path):
    test = images("test.npz", count=7)
    done = convert(
        "--simulator", "reference", "--test", test, "--results", tmp_path / "run", "--json"
    )
    assert done.exit_code == 0
    figures = json.loads(done.output)
    assert figures["samples"] == 7
    assert figures["timesteps"] == 32
    assert figures["conversion"]["trial"]["samples"] == 20
    assert RunResult.load(tmp_path / "run").samples == 7
    assert (tmp_path / "out.snn").exists()


def test_a_simulator_needs_test_data(convert):
    done = convert("--simulator", "reference")
    assert done.exit_code == 2
    assert "--simulator needs test data to simulate; give --test, too." in done.stderr


def test_test_data_alone_go_to_the_simulator_of_the_settings(convert, images, tmp_path):
    path, test = tmp_path / "mine.toml", images("test.npz", count=7)
    path.write_text('[simulation]\nsimulator = "reference"\n')
    done = convert("--settings", path, "--test", test)
    assert done.exit_code == 0, done.output
    assert "reference, temporal_mean_rate: 7 samples, 32 steps of 1 ms" in done.stdout
    path.write_text('[simulation]\nsimulator = "nobody"\n')
    assert "There is no simulator 'nobody'" in convert("--settings", path, "--test", test).stderr


def test_samples_limit_the_calibration_alone(convert, snn, images, tmp_path):
    assert convert("--samples", 5).exit_code == 0
    few = load_artifact(tmp_path / "out.snn")
    assert "5 samples" in "\n".join(few.network.history)
    assert few.provenance["calibration_samples"] == 5
    assert few.network.settings.normalization.num_samples == 5
    for count in (20, 3):
        run = ("run", tmp_path / "out.snn", "--simulator", "reference")
        done = snn(*run, "--data", images("test.npz", count=count), "--json")
        assert json.loads(done.stdout)["samples"] == count
    # More than there are is all of them, as in a settings file.
    assert convert("--samples", 500, "--force").exit_code == 0
    assert load_artifact(tmp_path / "out.snn").provenance["calibration_samples"] == 20


def test_samples_are_those_that_python_takes(convert, classifier, images, tmp_path):
    convert("--samples", 5)
    with np.load(images()) as data:
        settings = {"normalization": {"num_samples": 5}}
        samples = data["x"], data["y"]
        expected = convert_network(classifier(), samples, settings=settings)
    found = load(tmp_path / "out.snn")
    assert fingerprint(found) == fingerprint(expected)
    assert found.history == expected.history


def test_a_trial_can_be_left_out(convert, tmp_path):
    done = convert("--no-trial")
    assert "spiking network" not in done.stdout
    assert done.stdout.splitlines()[-1] == "Left out: not tried out: --no-trial."
    assert not any("tried out" in line for line in load(tmp_path / "out.snn").history)


def test_a_network_that_fails_is_warned_about_and_written_all_the_same(convert, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[cell]\nleak = 2.0\n")
    done = convert("--settings", path)
    assert done.exit_code == 0
    warning = " ".join(done.stderr.split())
    assert "Warning: The spiking network does not do what the analog network does: " in warning
    assert "Likely reason: cell.leak = 2.0; with the default, 20 of 20 decisions" in warning
    assert load(tmp_path / "out.snn").settings.cell.leak == 2


def test_what_was_left_out_comes_after_the_figures_of_a_run(convert, images):
    arguments = ("--simulator", "reference", "--no-trial", "--check", "off")
    done = convert(*arguments, "--test", images("test.npz"))
    assert done.stdout.splitlines()[-1].startswith("Left out: not compared with its source: ")


def test_lossy_passes_are_reported(convert, tmp_path):
    path = tmp_path / "config.ini"
    path.write_text("[cell]\nbinarize_weights = True\nquantize_weights = False\n")
    done = convert("--settings", path)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("binarize_weights")]
    assert "binarize_weights: conv, scores; it changes outputs by" in line
    assert line.endswith("of the decisions on the calibration data")
    assert line in load_artifact(tmp_path / "out.snn").network.history


def test_figures_of_a_conversion_as_json(convert, tmp_path):
    found = json.loads(convert("--json").stdout)
    assert found["artifact"] == str(tmp_path / "out.snn")
    assert found["layers_with_neurons"] == 2
    assert found["lossy"] == []
    trial = found["trial"]
    assert (trial["samples"], trial["timesteps"], trial["agreeing"]) == (20, 32, 20)
    assert (trial["right"], trial["analog_right"], trial["warnings"]) == (7, 7, [])
    assert [layer["name"] for layer in trial["layers"]] == ["00Conv2D_4x4x3"]
    assert found["skipped"] == []
    assert found["exactness"]["engine"].startswith("its layers as read")


def test_figures_of_a_conversion_that_was_not_tried_out(convert):
    found = json.loads(convert("--json", "--no-trial", "--check", "off").stdout)
    assert found["trial"] == {"reason": "--no-trial"}
    assert found["skipped"] == [
        "not compared with its source: --check off",
        "not tried out: --no-trial",
    ]


def test_a_comparison_can_be_left_out(convert, tmp_path):
    assert convert("--check", "off").exit_code == 0
    provenance = load_artifact(tmp_path / "out.snn").provenance
    assert provenance["exactness"] == "not compared with its source: --check off"

import json

import numpy as np
import pytest

from snn_core import load, predict
from snn_core.artifact import load_artifact
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
    assert done.stdout == f"{tmp_path / 'out.snn'}: 2 layers with neurons, preset fast, 32 steps\n"
    assert "not compared with its source: for that, install keras and tensorflow" in done.stderr
    network = load(tmp_path / "out.snn")
    assert predict(network, np.zeros((2, 6, 6, 1), np.float32)).shape == (2, 4)


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
    stored = load_artifact(tmp_path / "out.snn")
    assert stored.settings.normalization.method == method
    assert stored.settings.normalization.percentile == percentile
    assert stored.settings.num_steps == steps
    assert stored.network.readout == readout


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
    settings = load_artifact(tmp_path / "out.snn").settings
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
    settings = load_artifact(tmp_path / "out.snn").settings
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
    assert RunResult.load(tmp_path / "run").samples == 7
    assert (tmp_path / "out.snn").exists()


@pytest.mark.parametrize("arguments", [("--simulator", "reference"), ("--test", "test.npz")])
def test_a_simulator_needs_test_data_and_the_other_way_round(convert, arguments):
    done = convert(*arguments)
    assert done.exit_code == 2
    assert "--simulator and --test belong together" in done.stderr


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


def test_a_comparison_can_be_left_out(convert, tmp_path):
    assert convert("--check", "off").exit_code == 0
    provenance = load_artifact(tmp_path / "out.snn").provenance
    assert provenance["exactness"] == "not compared with its source: --check off"

"""Files and folders of one kind given where another is wanted."""

import numpy as np
import pytest


@pytest.fixture
def results(snn, artifact, images, tmp_path):
    """Return a folder with the results of a run."""
    done = snn("run", artifact, "--simulator", "reference", "--data", images(), "-o",
               tmp_path / "results")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return tmp_path / "results"


@pytest.fixture
def refused(snn):
    """Return a function that returns why a command is refused."""

    def call(*arguments):
        done = snn(*arguments)
        assert done.exit_code == 2
        return " ".join(done.stderr.split())

    return call


RESULTS = "a folder with the results of a run, which `snn report` and `snn plot` show; expected"


def test_results_are_no_network_no_model_and_no_samples(refused, artifact, results, images):
    assert f"{RESULTS} a .snn file." in refused("run", results, "--data", images())
    assert f"{RESULTS} a model file." in refused("inspect", results)
    assert f"{RESULTS} samples." in refused(
        "run", artifact, "--simulator", "reference", "--data", results
    )


def test_a_folder_is_no_network(refused, images, tmp_path):
    assert "is a folder; expected a .snn file." in refused("run", tmp_path, "--data", images())


def test_a_network_is_not_converted_again(refused, artifact, images, tmp_path):
    message = refused("convert", artifact, "-o", tmp_path / "again.snn", "--data", images())
    assert f"is a converted network already; simulate it: snn run {artifact}" in message


@pytest.mark.parametrize("suffix", ["keras", "h5", "onnx", "pt2"])
def test_a_model_is_converted_first(refused, images, tmp_path, suffix):
    model = tmp_path / f"net.{suffix}"
    model.touch()
    message = refused("run", model, "--data", images())
    assert f"is a trained model; convert it first: snn convert net.{suffix} -o net.snn" in message


def test_of_several_files_of_samples_one_is_to_be_given(refused, artifact, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("calibration", "test"):
        np.savez(folder / f"{name}.npz", x=np.zeros((2, 6, 6, 1)), y=[0, 1])
    message = refused("run", artifact, "--simulator", "reference", "--data", folder)
    assert "is a folder of arrays (calibration.npz, test.npz); give one of the files" in message


def test_networks_and_models_are_no_samples(refused, artifact, classifier, tmp_path):
    run = ("run", artifact, "--simulator", "reference", "--data")
    assert "model.snn is a converted network; expected samples" in refused(*run, artifact)
    assert "is a trained model; expected samples" in refused(*run, classifier())
    convert = ("convert", classifier(), "-o", tmp_path / "new.snn", "--data")
    assert "is a trained model; expected samples" in refused(*convert, classifier())


def test_samples_are_no_network_and_no_model(refused, artifact, images, tmp_path):
    arrays = "is a file of arrays, as samples are (--data)"
    assert arrays in refused("run", images(), "--data", artifact)
    assert f"{arrays}; expected a model file." in refused("inspect", images())
    convert = ("convert", images(), "-o", tmp_path / "new.snn", "--data", images())
    assert f"{arrays}; expected a model file." in refused(*convert)


def test_options_of_a_command_stand_behind_it(refused):
    message = refused("--data", "x.npz", "run", "model.snn")
    assert "No such option" in message
    assert "Options of a command stand behind it: snn run --data DATA." in message
    assert "behind it" not in refused("--verbos", "run")  # which is a mistyped one


@pytest.mark.parametrize(
    ("option", "given", "meant"),
    [
        ("--preset", "fats", "fast"),
        ("--spike-code", "ttfs_exac", "ttfs_exact"),
        ("--task", "multilable", "multilabel"),
        ("--check", "errors", "error"),
    ],
)
def test_mistyped_words_get_a_suggestion(refused, images, classifier, option, given, meant):
    arguments = ("convert", classifier(), "-o", "new.snn", "--data", images(), option, given)
    assert f"Did you mean '{meant}'?" in refused(*arguments)


@pytest.mark.parametrize(
    ("given", "meant"), [("spike", "spikes"), ("potential,input", "potentials")]
)
def test_mistyped_variables_get_the_short_names(refused, artifact, images, given, meant):
    message = refused("run", artifact, "--data", images(), "--record", given)
    assert "expected some of spikes, potentials, input and activations, or all" in message
    assert f"Did you mean '{meant}'?" in message

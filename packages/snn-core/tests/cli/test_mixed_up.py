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

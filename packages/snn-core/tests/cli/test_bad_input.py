"""Whatever is wrong with the input: a clear message, exit status 2, and nothing half-written."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from snn_core import convert as convert_model
from snn_core import load
from snn_core import run as simulate
from snn_core.artifact import VERSION, save
from snn_core.data import load_dataset
from snn_core.data.events import read_events
from snn_core.errors import ArtifactError, DataError, SettingsError, SNNError
from snn_core.files import list_folder, make_folder, require_writable
from snn_core.running.folder import RunFolder
from snn_core.settings import Settings
from snn_core.testing import networks


def layer(kind, **config):
    return {"class_name": kind, "config": {"name": "culprit", **config}}


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def refused(snn, tmp_path):
    """Return a function that runs ``snn`` and checks that it refuses cleanly."""

    def call(*arguments):
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        done = snn(*arguments)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        assert after == before, "a file was written or changed"
        return " ".join(done.stderr.split())

    return call


@pytest.fixture
def convert(refused, classifier, images, tmp_path):
    """Return a function that tries to convert; what is not given is in order."""

    def call(*arguments, source=None, data=None, output=None):
        source = classifier() if source is None else source
        data = images() if data is None else data
        output = tmp_path / "out.snn" if output is None else output
        return refused("convert", source, "-o", output, "--data", data, *arguments)

    return call


@pytest.fixture
def run(refused, artifact, images, tmp_path):
    """Return a function that tries to simulate; what is not given is in order."""

    def call(*arguments, source=None, data=None, simulator="reference", output=None):
        source = artifact if source is None else source
        data = images() if data is None else data
        output = tmp_path / "results" if output is None else output
        options = ("--simulator", simulator, "--data", data, "-o", output)
        return refused("run", source, *options, *arguments)

    return call


# Models.


def test_missing_model(convert, tmp_path):
    message = convert(source=tmp_path / "gone.keras")
    assert "gone.keras" in message
    assert message.startswith("Error:")


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_truncated_model(convert, classifier, keep):
    path = classifier()
    path.write_bytes(path.read_bytes()[:keep])
    message = convert(source=path)
    assert "model.keras" in message


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        (layer("Lambda", function="x"), "culprit"),
        (layer("LSTM", units=3), "culprit"),
        (layer("Activation", activation="sigmoid"), "sigmoid"),
    ],
    ids=["Lambda", "LSTM", "sigmoid"],
)
def test_model_with_a_layer_that_cannot_spike(convert, classifier, hidden, expected):
    message = convert(source=classifier(hidden=[hidden]))
    assert expected in message
    assert "culprit" in message


def test_every_problem_of_a_model_is_listed(convert, classifier):
    hidden = [
        {"class_name": "LSTM", "config": {"name": "first", "units": 3}},
        {"class_name": "Lambda", "config": {"name": "second"}},
    ]
    message = convert(source=classifier(hidden=hidden))
    assert "first" in message
    assert "second" in message


def test_model_with_nan_in_its_weights(convert, classifier):
    message = convert(source=classifier(spoil=True))
    assert (
        "Layer 'conv' (Conv2D): its kernel holds 3 value(s) that are infinite or not a" in message
    )


def test_file_that_is_no_model(convert, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    assert "notes.txt" in convert(source=path)


# Data.


def test_missing_data(convert, tmp_path):
    assert "There is no data file" in convert(data=tmp_path / "gone.npz")


def test_data_of_another_shape(convert, run, images):
    data = images("wrong.npz", x=np.zeros((5, 7, 6, 1), np.float32), y=np.zeros(5, int))
    for message in (convert(data=data), run(data=data)):
        assert "samples of shape (7, 6, 1); the network expects (6, 6, 1)" in message


def test_nan_in_the_data(convert, run, images):
    x = np.zeros((5, 6, 6, 1), np.float32)
    x[3, 0, 0, 0] = np.nan
    data = images("nan.npz", x=x, y=np.zeros(5, int))
    for message in (convert(data=data), run(data=data)):
        assert "NaN or infinite values in 1 samples, the first is sample 3" in message


def test_labels_out_of_range(run, images):
    assert "has the label 4; the network knows the classes 0 to 3" in run(
        data=images("labels.npz", count=3, y=np.array([0, 4, 1]))
    )
    assert "has the label -1" in run(data=images("labels.npz", count=3, y=np.array([0, -1, 1])))


def test_more_labels_than_samples(run, images):
    assert "3 samples but 2 labels" in run(data=images("few.npz", count=3, y=np.array([0, 1])))


def test_more_samples_asked_for_than_there_are(run):
    assert "has 20 samples; 21 were asked for" in run("--samples", 21)


def test_pickled_data_are_never_read(run, images, tmp_path):
    marker = tmp_path / "executed"
    harmful = np.array([Payload(marker)] * 3, dtype=object)
    data = images("pickle.npz", x=harmful, y=np.zeros(3, int))
    assert "pickled objects are never read" in run(data=data)
    assert not marker.exists()


# Settings and flags.


def test_missing_settings(convert, tmp_path):
    assert "Cannot read" in convert("--settings", tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[cell]\nv_tresh = 1\n", "Did you mean 'v_thresh'?"),
        ("[cel]\nv_thresh = 1\n", "Did you mean 'cell'?"),
        ("[simulation]\nduration = -1\n", "simulation.duration: found -1"),
        ("[cell]\nreset = 'sometimes'\n", "sometimes"),
        ("[cell\n", "cannot be read (TOMLDecodeError"),
    ],
)
def test_impossible_settings(convert, tmp_path, text, expected):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    message = convert("--settings", path)
    assert expected in message
    assert "settings.toml" in message


def test_settings_that_a_run_would_ignore(run, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[cell]\nv_thresh = 7\nv_init = 0.25\n[normalization]\npercentile = 50\n")
    message = run("--settings", path)
    assert "cell.v_thresh = 7.0; the network was converted with 1.0" in message
    assert "cell.v_init = 0.25; the network was converted with 0.5" in message
    assert "normalization.percentile = 50.0" in message
    assert "Convert the model with them, or leave them out." in message


def test_unknown_option_of_a_simulator(run, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[reference]\nthreads = 3\n")
    message = run("--settings", path)
    assert "settings.toml: In the section [reference]: Unknown simulator option:" in message
    message = run("--set", "reference.threads=3")
    assert message.startswith("Error: In the section [reference]: Unknown simulator option:")


def test_unknown_option_in_an_artifact(run, artifact, rewritten):
    def change(members):
        manifest = json.loads(members["manifest.json"])
        manifest["settings"]["options"] = {"reference": {"threads": 3}}
        members["manifest.json"] = json.dumps(manifest).encode()

    message = run(source=rewritten(artifact, change))
    assert ".snn: In the section [reference]: Unknown simulator option:" in message


def test_options_that_no_simulator_takes_are_refused_before_a_conversion(convert, tmp_path):
    path = tmp_path / "settings.ini"
    path.write_text("[reference]\nthreads = 3\n")
    assert "settings.ini: In the section [reference]: Unk" in convert("--settings", path)


@pytest.mark.parametrize("flag", ["--timesteps", "--task", "--dt", "--samples", "--record"])
def test_long_texts_for_flags_are_shortened(run, flag):
    message = run(flag, "a" * 50_000)
    assert "aaa" in message
    assert len(message) < 2000


@pytest.mark.parametrize(
    "arguments",
    [("--timesteps", -1), ("--timesteps", 0), ("--batch-size", 0), ("--samples", 0),
     ("--dt", 0), ("--seed", -1), ("--timesteps", "many")],
)  # fmt: skip
def test_impossible_flags(run, arguments):
    assert f"Invalid value for '{arguments[0]}'" in run(*arguments)


def test_unknown_simulator(run, convert, images):
    message = run(simulator="referenz")
    assert "There is no simulator 'referenz'. Did you mean 'reference'?" in message
    message = convert("--simulator", "referenz", "--test", images())
    assert "There is no simulator 'referenz'" in message


def test_simulator_of_the_family_that_is_not_installed(run, monkeypatch):
    monkeypatch.setattr("snn_core.installing._clone", lambda: None)
    monkeypatch.setattr("snn_core.simulation.registry.names", lambda: ["reference"])
    message = run(simulator="loihi")
    assert "It comes with snn-loihi. Install it with `python -m pip install" in message
    assert "./packages/snn-loihi`, in a clone of the repository." in message
    assert "--simulator reference needs nothing else" in message


# Artifacts.


def test_missing_artifact(run, tmp_path):
    assert "There is no file" in run(source=tmp_path / "gone.snn")


@pytest.mark.parametrize("ending", ["keras", "h5", "onnx", "pt2", "pth"])
def test_a_model_is_no_artifact(run, tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    path.write_bytes(b"x")
    assert f"convert it first: snn convert model.{ending} -o model.snn" in run(source=path)


@pytest.mark.parametrize("keep", [0, 200, -30])
def test_truncated_artifact(run, artifact, keep):
    artifact.write_bytes(artifact.read_bytes()[:keep])
    assert "cannot be read" in run(source=artifact)


def test_artifact_with_a_pickle_inside(run, artifact, rewritten, tmp_path):
    marker = tmp_path / "executed"

    def poison(members):
        name = next(name for name in members if name.endswith(".npy"))
        members[name] = pickle.dumps(Payload(marker))

    assert "pickled objects are never read" in run(source=rewritten(artifact, poison))
    assert not marker.exists()


def test_artifact_with_an_array_of_pickled_objects(run, artifact, rewritten, tmp_path):
    marker = tmp_path / "executed"
    np.save(tmp_path / "harmful.npy", np.array([Payload(marker)], dtype=object), allow_pickle=True)
    content = (tmp_path / "harmful.npy").read_bytes()

    def poison(members):
        members[next(name for name in members if name.endswith(".npy"))] = content

    assert "pickled objects are never read" in run(source=rewritten(artifact, poison))
    assert not marker.exists()


def test_artifact_from_a_newer_format(run, artifact, rewritten):
    def renew(members):
        manifest = json.loads(members["manifest.json"])
        members["manifest.json"] = json.dumps({**manifest, "version": VERSION + 1}).encode()

    message = run(source=rewritten(artifact, renew))
    assert f"has the format version {VERSION + 1}; this snn-core reads up to {VERSION}" in message
    assert "Bring your clone of the repository up to date. Install it with" in message


# Output.


def test_output_whose_folder_is_missing(convert, tmp_path):
    message = convert(output=tmp_path / "gone" / "out.snn")
    assert "Cannot write" in message
    assert "Choose a folder that exists" in message


def test_output_below_a_file(convert, run, tmp_path):
    (tmp_path / "file").write_text("keep me")
    assert "Cannot write" in convert(output=tmp_path / "file" / "out.snn")
    assert "Choose another output folder" in run(output=tmp_path / "file" / "results")


def test_output_that_is_a_folder(convert, tmp_path):
    assert "it is a folder" in convert(output=tmp_path)


def test_an_old_artifact_survives_a_failed_conversion(convert, classifier, artifact):
    before = artifact.read_bytes()
    convert("--force", source=classifier(spoil=True), output=artifact)
    assert artifact.read_bytes() == before


def test_a_full_disk_leaves_the_old_artifact(convert, artifact, images, monkeypatch):
    data = images()

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.lib.format.write_array", full)
    message = convert("--force", data=data, output=artifact)
    assert "Cannot write" in message
    assert "No space left on device" in message


def test_no_work_is_lost_by_a_damaged_batch(snn, artifact, images, tmp_path):
    common = ("run", artifact, "--simulator", "reference", "--data", images(), "--batch-size", 5)
    assert snn(*common, "-o", tmp_path / "whole").exit_code == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    broken = tmp_path / "part" / "batches" / "00001.npz"
    broken.write_bytes(broken.read_bytes()[:50])
    done = snn(*common, "-o", tmp_path / "part", "--resume")
    assert done.exit_code == 2
    assert "00001.npz cannot be read" in done.stderr
    assert "delete it and run again with --resume" in done.stderr
    broken.unlink()
    assert snn(*common, "-o", tmp_path / "part", "--resume").exit_code == 0


@pytest.mark.parametrize("shape", ["3,a", " ", "0,3", "3;32", "-1,3"])
def test_input_shape_that_is_none(convert, shape):
    assert "expected sizes such as 3,32,32" in convert("--input-shape", shape)


def test_input_shape_of_another_model(convert):
    assert "(3, 3) was given; the model expects (6, 6, 1)" in convert("--input-shape", "3,3")


def test_weights_for_a_file(convert, tmp_path):
    (tmp_path / "w.pth").touch()
    assert "--weights belongs to a model named as" in convert("--weights", tmp_path / "w.pth")


def test_lossy_format_that_is_none(convert, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('[cell]\nquantize_weights = "8 bits"\n')
    assert "cell.quantize_weights: found '8 bits'" in convert("--settings", path)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", ""], "an argument"),
        (["run", "m.snn", "--data", ""], "--data"),
        (["run", "m.snn", "--data="], "--data"),
        (["run", "m.snn", "--data", "d", "-o", ""], "-o"),
        (["run", "m.snn", "--data", "d", "--record", ""], "--record"),
        (["run", "m.snn", "--data", "d", "--simulator", ""], "--simulator"),
        (["convert", "", "-o", "m.snn", "--data", "d"], "an argument"),
        (["inspect", ""], "an argument"),
    ],
)
def test_empty_paths_and_names(refused, arguments, named):
    assert f"Found an empty text for {named}; expected" in refused(*arguments)


@pytest.mark.parametrize("record", [",", " ", " , "])
def test_a_record_of_nothing(run, record):
    assert "expected some of spikes, potentials" in run("--record", record)


def test_empty_paths_in_python(artifact, images):
    with pytest.raises(ArtifactError, match="Found an empty text in place of a path"):
        simulate("", "reference", data=images())
    with pytest.raises(ArtifactError, match="Found an empty text in place of a path"):
        simulate(artifact, "reference", data=images(), output_dir="")
    with pytest.raises(SettingsError, match="Found record = ''"):
        simulate(artifact, "reference", data=images(), record="")


NOWHERE = {"name": "a" * 300, "folders": "d/" * 3000 + "x", "zero": "zero\0"}
"""Texts that no system has a file at."""


@pytest.mark.parametrize(
    "use",
    [
        load,
        lambda path: save(networks.dense(), path),
        lambda path: convert_model(path, data=np.zeros((2, 4), np.float32)),
        load_dataset,
        read_events,
        Settings.load,
        lambda path: RunFolder(path).metadata(),
    ],
    ids=["load", "save", "convert", "data", "events", "settings", "run"],
)
@pytest.mark.parametrize("path", NOWHERE.values(), ids=NOWHERE)
def test_paths_that_no_file_can_have(use, path):
    with pytest.raises(SNNError, match=r"^Found .*(too long for this system|has a zero in it)\.$"):
        use(path)


@pytest.mark.parametrize("use", [list_folder, make_folder, require_writable])
@pytest.mark.parametrize("path", NOWHERE.values(), ids=NOWHERE)
def test_paths_that_nothing_can_be_written_to(use, path):
    with pytest.raises(DataError, match=r"Cannot write .*(too long|null)"):
        use(Path(path))

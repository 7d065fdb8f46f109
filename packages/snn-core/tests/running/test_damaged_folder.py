"""Result folders that were edited, cut off or put together by hand."""

import errno
import json
import os
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snn_core import run
from snn_core.conversion import convert, preset
from snn_core.data import Dataset
from snn_core.errors import ArtifactError, DataError, DataWarning, SettingsError
from snn_core.ir import Linear
from snn_core.running.result import RunFolder, RunResult
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

RNG = np.random.default_rng(0)
X, Y = RNG.random((11, 6)).astype(np.float32), RNG.integers(0, 3, 11)
SETTINGS = Settings.of(
    {"simulation": {"duration": 8, "batch_size": 4}, "output": {"log_vars": ["all"]}}
)


@pytest.fixture(scope="module")
def network():
    builder = NetworkBuilder((6,)).dense(RNG.normal(0.1, 0.5, (6, 8)))
    return convert(builder.dense(RNG.normal(0, 0.5, (8, 3))).build(), X, settings=preset("seed"))


@pytest.fixture(scope="module")
def whole(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(network, "reference", data=(X, Y), settings=SETTINGS, output_dir=folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


def resume(network, folder):
    return run(network, "reference", data=(X, Y), settings=SETTINGS, output_dir=folder, resume=True)


def without(*keys):
    def change(found):
        for key in keys[:-1]:
            found = found[key]
        del found[keys[-1]]

    return change


def with_value(value, *keys):
    def change(found):
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        without("identity"),
        without("layers"),
        without("identity", "settings", "simulation", "dt"),
        with_value(None, "layers"),
        with_value(["input"], "layers"),
        with_value([1, 2], "num_neurons"),
        with_value([6, 8, 0], "num_neurons"),
        with_value([6, -8, 3], "num_neurons"),
        with_value(float("inf"), "ann_operations"),
        with_value(float("nan"), "identity", "settings", "simulation", "dt"),
        with_value(10**400, "identity", "samples"),
        with_value([1], "details"),
        with_value("guess", "task"),
        with_value("morse", "identity", "settings", "conversion", "spike_code"),
        with_value(5, "classes"),
        with_value("2", "format_version"),
        with_value(True, "format_version"),
        with_value(0, "format_version"),
        with_value(-5, "format_version"),
        with_value("a" * 20_000, "model", "name"),
        with_value(["a", "b", "a" * 20_000], "classes"),
        with_value({"a" * 20_000: "b"}, "versions"),
        with_value(["a"] * 4, "classes"),
        with_value("binary", "task"),  # of three outputs
        with_value(5e-324, "identity", "settings", "simulation", "dt"),
        with_value(-1, "identity", "settings", "simulation", "duration"),
        with_value([], "identity", "settings", "cell", "v_thresh"),
        with_value("half", "identity", "settings", "normalization", "percentile"),
        without("identity", "settings", "simulation", "duration"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused_by_all_who_read_them(network, folder, change):
    found = json.loads((folder / "run.json").read_text())
    change(found)
    (folder / "run.json").write_text(json.dumps(found))
    for read in (RunResult.load, lambda path: resume(network, path)):
        with pytest.raises(ArtifactError, match=r"run\.json"):
            read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value(1, "identity", "samples"), "more samples than the 1 that run.json tells of"),
        (
            with_value(2**61, "identity", "samples"),
            f"summary.json .* samples: it tells of 11, run.json of {2**61}",
        ),
        (with_value("0" * 64, "identity", "sample_ids_sha256"), "hold other samples than run.json"),
        (
            with_value(2, "identity", "settings", "simulation", "num_to_test"),
            r"identity\.samples is 11; simulation\.num_to_test of its settings asks for 2",
        ),
        (
            with_value(12, "identity", "settings", "simulation", "num_to_test"),
            r"identity\.samples is 11; .*num_to_test .* asks for 12",
        ),
        (
            with_value([0, 4], "identity", "settings", "simulation", "sample_idxs_to_test"),
            r"identity\.samples is 11; .*sample_idxs_to_test .* asks for 2",
        ),
        (
            with_value([], "identity", "settings", "output", "log_vars"),
            r"activations was recorded, which output\.log_vars in run\.json does not ask for",
        ),
        (
            with_value(
                ["activations", "input", "mem"], "identity", "settings", "output", "log_vars"
            ),
            "spiketrains was recorded, which .* does not ask for",
        ),
        (
            with_value(1, "identity", "settings", "simulation", "top_k"),
            "topkerr_b_t does not fit labels_b and the best 1 of 3 classes",
        ),
        (
            with_value(1e9, "identity", "settings", "simulation", "dt"),
            r"run\.json cannot be read .* = 8e-09 steps; expected 1 to",
        ),
        (
            with_value(0.5, "identity", "settings", "simulation", "dt"),
            "decision_b_t holds 8 steps; the settings in run.json ask for 16",
        ),
        (with_value("regression", "task"), "labels_b holds classes for the task 'regression' with"),
        (with_value("multilabel", "task"), "labels_b holds classes for the task 'multilabel' with"),
        (with_value(False, "has_labels"), "labels_b holds classes .* without labels"),
        (with_value([6, 8, 4], "num_neurons"), "output_b_o has the shape"),
    ],
)
def test_descriptions_of_another_run_are_refused(network, folder, change, message):
    found = json.loads((folder / "run.json").read_text())
    change(found)
    (folder / "run.json").write_text(json.dumps(found))
    with pytest.raises(ArtifactError, match=message):
        RunResult.load(folder)
    with pytest.raises((ArtifactError, SettingsError)):
        resume(network, folder)


def arrays_with(**changes):
    def change(arrays):
        for name, value in changes.items():
            arrays[name] = value(arrays[name])

    return change


def renamed(old, new):
    def change(arrays):
        arrays[new] = arrays.pop(old)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (arrays_with(labels_b=lambda a: a[:2]), r"labels_b has the shape \(2,\)"),
        (arrays_with(labels_b=lambda a: a + 2**33), "labels_b holds .* of 3 classes"),
        (arrays_with(labels_b=lambda a: a - 5), "labels_b holds -5"),
        (arrays_with(labels_b=lambda a: a.astype(float)), "labels_b holds float64"),
        (arrays_with(decision_b_t=lambda a: a[:, :0]), "decision_b_t has the shape"),
        (arrays_with(decision_b_t=lambda a: a[0]), "decision_b_t has the shape"),
        (arrays_with(error_b_t=lambda a: a[:, :3]), "error_b_t has the shape"),
        (arrays_with(spikes_b_n=lambda a: a[:, :1]), "spikes_b_n has the shape"),
        (arrays_with(spikes_b_n=lambda a: -a - 1), r"spikes_b_n holds -\d+; expected 0 to"),
        (arrays_with(output_b_o=lambda a: a[:, :2]), "output_b_o has the shape"),
        (arrays_with(ann_error_b=lambda a: a * np.nan), "ann_error_b holds nan; expected 0 to 1"),
        (lambda arrays: arrays.pop("error_b_t"), "it lacks error_b_t"),
        (arrays_with(simulate_s=lambda a: a[0]), r"simulate_s has the shape \(\)"),
        (arrays_with(simulate_s=lambda a: a * np.nan), "simulate_s holds"),
        (arrays_with(sample_ids_b=lambda a: a.astype("U")), "sample_ids_b holds <U"),
        (lambda arrays: arrays.pop("labels_b"), "it lacks labels_b"),
        (arrays_with(sample_ids_b=lambda a: a + 2**62), "sample_ids_b holds 4611686018427387"),
        (arrays_with(sample_ids_b=lambda a: a.astype(np.uint64)), "sample_ids_b holds uint64"),
        (arrays_with(labels_b=lambda a: 0 * a - 1), "labels_b holds -1 .* expected classes"),
        (arrays_with(targets_b_o=lambda a: np.zeros((len(a), 3))), "targets_b_o has 3 columns"),
        (arrays_with(error_b_t=lambda a: a + np.float32(1e38)), "error_b_t holds .* to 1"),
        (arrays_with(error_b_t=lambda a: a - 5), "error_b_t holds -5.0; expected 0 to 1"),
        (arrays_with(deviation_b_t=lambda a: a + np.inf), "deviation_b_t holds inf"),
        (arrays_with(output_b_o=lambda a: a.astype(float) + 1e308), r"output_b_o holds 1e\+308"),
        (arrays_with(ann_output_b_o=lambda a: a * np.nan), "ann_output_b_o holds nan; expected"),
        (arrays_with(ann_output_b_o=lambda a: a + np.inf), "ann_output_b_o holds inf; expected"),
        (arrays_with(ann_output_b_o=lambda a: a[:, :0]), "ann_output_b_o has no columns"),
        (arrays_with(spikes_b_n=lambda a: a + 2**62), "spikes_b_n holds .* expected 0 to"),
        (
            arrays_with(neuron_operations_b_t=lambda a: 0 * a + 2**52),
            "neuron_operations_b_t holds .* of a sample; expected at most",
        ),
        (arrays_with(error_b_t=lambda a: 1 - a), "error_b_t does not fit decision_b_t and labels"),
        (arrays_with(ann_error_b=lambda a: 1 - a), "ann_error_b does not fit ann_decision_b and"),
        (arrays_with(deviation_b_t=lambda a: 1 - a), "deviation_b_t does not fit decision_b_t and"),
        (
            arrays_with(decision_b_t=lambda a: (a + 1) % 3),
            r"deviation_b_t does not fit .* in \d+ of 32 places",
        ),
        (arrays_with(labels_b=lambda a: (a + 1) % 3), "error_b_t does not fit decision_b_t and"),
        (
            arrays_with(ann_output_b_o=lambda a: -a),
            r"ann_decision_b is not the largest of ann_output_b_o in \d of 4 samples",
        ),
        (
            arrays_with(topkerr_b_t=lambda a: ~a),
            r"topkerr_b_t does not fit labels_b and the best 3 of 3 classes in \d+ of 32 places",
        ),
        (
            arrays_with(ann_topkerr_b=lambda a: ~a),
            "ann_topkerr_b does not fit labels_b and the best 3 of 3 classes in 4 of 4 samples",
        ),
        (lambda arrays: arrays.pop("log/input"), "input was not recorded, which .* asks for"),
        (
            lambda arrays: [arrays.pop(name) for name in list(arrays) if "log/mem" in name],
            "mem was not recorded, which .* asks for",
        ),
        (
            lambda arrays: [arrays.pop(name) for name in list(arrays) if "log/act" in name],
            "activations was not recorded, which .* asks for",
        ),
        (
            arrays_with(spikes_b_n=lambda a: a + np.eye(2, dtype=int)[0]),
            "tells of .* spikes of 01Dense_8; ",
        ),
        (arrays_with(spikes_b_n=lambda a: a[::-1]), "or they are of other samples"),
        (arrays_with(spikes_b_n=lambda a: 0 * a), "spikes_b_n tells of 0 spikes of 0"),
        (arrays_with(**{"log/input": lambda a: a * np.nan}), "input holds nan"),
        (arrays_with(**{"log/input": lambda a: a.astype("f2") + np.inf}), "input holds inf"),
        (
            arrays_with(**{"log/activations/01Dense_8": lambda a: a - np.inf}),
            "activations/01Dense_8 holds -inf; expected",
        ),
        (
            arrays_with(**{"log/mem/02Dense_3": lambda a: a.astype(float) + 1e300}),
            r"mem/02Dense_3 holds 1e\+300; expected",
        ),
        (arrays_with(**{"log/input": lambda a: a[:1]}), "input holds 1 samples"),
        (arrays_with(**{"log/input": lambda a: a.astype("U9")}), "input holds <U9"),
        (renamed("log/mem/02Dense_3", "log/mem/07Dense_3"), "no layer of the network"),
        (renamed("log/mem/02Dense_3", "log/dreams/02Dense_3"), "no variable that is recorded"),
        (
            arrays_with(**{"log/spiketrains/01Dense_8#shape": lambda a: a * [1, 1, 10**9]}),
            "cannot be read|do not fit",
        ),
    ],
)
def test_batches_that_do_not_fit_are_refused_by_all_who_read_them(network, folder, change, message):
    path = folder / "batches" / "00001.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)
    for read in (RunResult.load, lambda path: resume(network, path)):
        with pytest.raises(ArtifactError, match=message):
            read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda arrays: arrays.pop("log/mem/02Dense_3"),
            r"mem/02Dense_3 is missing; in the batches before it is of the shape \(3, 8\)",
        ),
        (
            arrays_with(**{"log/mem/01Dense_8": lambda a: a.reshape(len(a), 2, 4, -1)}),
            r"mem/01Dense_8 is of the shape \(2, 4, 8\)",
        ),
        (arrays_with(output_b_o=lambda a: a[:, :0]), r"output_b_o is of the shape \(0,\)"),
        (
            lambda arrays: arrays.pop("log/activations/01Dense_8"),
            "activations/01Dense_8 is missing",
        ),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_batches_that_do_not_go_together_are_refused(network, folder, change, message, is_first):
    first, second, third = sorted((folder / "batches").iterdir())
    with np.load(first if is_first else second) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(first if is_first else second, **arrays)
    with pytest.raises(ArtifactError, match=r"00001\.npz cannot be read" if is_first else message):
        RunResult.load(folder)
    if is_first:  # the run that goes on is the other one
        second.unlink()
    third.unlink()
    with pytest.raises(ArtifactError, match="not of this run" if is_first else message):
        resume(network, folder)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (arrays_with(error_b_t=lambda a: a + 0.01), "error_b_t"),
        (arrays_with(error_b_t=lambda a: a * np.inf), "error_b_t"),
        (arrays_with(error_b_t=lambda a: a * np.nan), "error_b_t"),
        (arrays_with(ann_error_b=lambda a: 0 * a), "ann_error_b"),
        (arrays_with(deviation_b_t=lambda a: 0 * a), "deviation_b_t"),
        (arrays_with(targets_b_o=lambda a: a + 1), "error_b_t"),
        (arrays_with(output_b_o=lambda a: a[::-1]), "deviation_b_t"),
        (arrays_with(output_b_o=lambda a: a + np.inf), "deviation_b_t"),
    ],
)
def test_errors_other_than_those_of_the_outputs_are_refused(network, tmp_path, change, name):
    targets = RNG.normal(size=(len(X), 3)).astype(np.float32)
    run(network, "reference", data=(X, targets), settings=SETTINGS, output_dir=tmp_path / "run")
    RunResult.load(tmp_path / "run")
    path = tmp_path / "run" / "batches" / "00001.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(
        ArtifactError, match=f"{name} holds other than mean squares .* of 4 samples"
    ):
        RunResult.load(tmp_path / "run")


def diverging():
    """Return a network of which two outputs leave float32 after 4 steps, to each side."""
    weight = np.array([[2.0**98, 2.0**-28, -(2.0**98)]], np.float32)
    builder = NetworkBuilder((1,)).dense(weight, activation=Linear())
    return builder.build().replace(readout="membrane")


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_run_that_diverges_is_kept_read_and_gone_on_with(tmp_path, task):
    x = 2**28 * np.float32([[1], [1], [0.5]])
    y = np.zeros((3, 3)) if task == "regression" else np.arange(3)
    given = {
        "data": (x, y),
        "settings": SETTINGS.updated({"simulation": {"task": task, "batch_size": 2}}),
        "output_dir": tmp_path / "run",
    }
    with np.errstate(over="ignore"):
        result = run(diverging(), "reference", **given)
        (tmp_path / "run" / "batches" / "00001.npz").unlink()
        run(diverging(), "reference", **given, resume=True)
    found = RunResult.load(tmp_path / "run")
    np.testing.assert_array_equal(found.output_b_o, [[np.inf, b / 2**28, -np.inf] for (b,) in x])
    np.testing.assert_array_equal(found.error_b_t, result.error_b_t)
    assert np.isinf(found.logged("mem")["01Dense_3"][..., -1]).sum() == 6
    kept = RunFolder(tmp_path / "run").summary()
    assert result.scores() == {name: kept[name] for name in result.scores()}
    assert kept.get("mse") is None


def test_values_that_could_not_be_read_again_are_not_written(folder, tmp_path):
    result = RunResult.load(folder)
    broken = replace(result, ann_output_b_o=result.ann_output_b_o * np.nan)
    with pytest.raises(DataError, match=r"Cannot write .*00000\.npz: ann_output_b_o holds nan"):
        broken.save(tmp_path / "copy")
    result.save(tmp_path / "whole")
    assert RunResult.load(tmp_path / "whole").samples == 11


def test_no_more_names_of_classes_are_kept_than_there_are_classes(network, tmp_path):
    named = Dataset.of(X, Y, classes=["a", "b", "c", "d"])
    with pytest.warns(DataWarning, match="has 4 classes"):
        result = run(network, "reference", data=named, settings=SETTINGS, output_dir=tmp_path / "r")
    assert result.classes == RunResult.load(tmp_path / "r").classes == ("a", "b", "c")


def test_keys_of_settings_that_other_versions_had_do_not_matter(folder):
    found = json.loads((folder / "run.json").read_text())
    found["identity"]["settings"]["cell"]["dreams"] = 1
    found["identity"]["settings"]["dreams"] = {"deep": True}
    (folder / "run.json").write_text(json.dumps(found))
    assert RunResult.load(folder).samples == 11


def test_a_batch_that_is_there_twice_is_not_counted_twice(folder):
    shutil.copy(folder / "batches" / "00000.npz", folder / "batches" / "00009.npz")
    with pytest.raises(ArtifactError, match=r"00009\.npz holds samples a second time; delete it"):
        RunResult.load(folder)


@pytest.mark.parametrize("number", ["00003", "00007", "123456789"])
@pytest.mark.parametrize("is_copy", [True, False])
def test_a_run_with_a_batch_too_many_is_not_gone_on_with(network, folder, number, is_copy):
    batches = folder / "batches"
    (batches / "00002.npz").unlink()
    stray = batches / f"{number}.npz"
    (shutil.copy if is_copy else shutil.move)(batches / "00001.npz", stray)
    before = sorted(batches.iterdir())
    with pytest.raises(
        ArtifactError, match=rf"{number}\.npz is no batch .* 00002\.npz; .*Delete it"
    ):
        resume(network, folder)
    assert sorted(batches.iterdir()) == before
    stray.unlink()
    result = resume(network, folder)
    assert RunResult.load(folder).summary() == result.summary()


@pytest.mark.parametrize("name", ["0000١.npz", "０0001.npz", "000001.npz", "00001.NPZ", "1.npz"])
def test_a_batch_by_another_name_is_none(network, folder, name):
    (folder / "batches" / "00001.npz").rename(folder / "batches" / name)
    result = resume(network, folder)
    assert result.samples == 11
    assert RunResult.load(folder).summary() == result.summary()


def test_batches_are_all_checked_before_a_run_goes_on(network, folder):
    batches = folder / "batches"
    (batches / "00000.npz").unlink()
    (batches / "00001.npz").rename(batches / "00000.npz")
    (batches / "00002.npz").write_bytes(b"PK")
    seen = []
    given = {"data": (X, Y), "settings": SETTINGS, "output_dir": folder, "resume": True}
    with pytest.raises(ArtifactError, match=r"00002\.npz cannot be read"):
        run(network, "reference", **given, progress=lambda *done: seen.append(done))
    (batches / "00002.npz").unlink()
    with pytest.raises(ArtifactError, match=r"Batch 0 in .* holds other samples than in this run"):
        run(network, "reference", **given, progress=lambda *done: seen.append(done))
    assert not seen


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("00007", lambda batches: shutil.copy(batches / "00000.npz", batches / "00007.npz")),
        ("00000", lambda batches: shutil.copy(batches / "00001.npz", batches / "00000.npz")),
        ("00001", lambda batches: (batches / "00001.npz").unlink()),
    ],
)
def test_a_run_whose_batches_change_meanwhile_is_not_called_finished(network, folder, name, change):
    (folder / "batches" / "00002.npz").unlink()

    def interfere(done, total, _accuracy):
        if done == total:
            change(folder / "batches")

    with pytest.raises(ArtifactError, match=rf"{name}\.npz was put there, changed or removed"):
        run(
            network, "reference", data=(X, Y), settings=SETTINGS, output_dir=folder, resume=True,
            progress=interfere,
        )  # fmt: skip
    assert not (folder / "summary.json").exists()
    (folder / "batches" / f"{name}.npz").unlink(missing_ok=True)
    assert RunResult.load(folder).samples + (4 if name != "00007" else 0) == 11
    result = resume(network, folder)
    assert RunResult.load(folder).summary() == result.summary()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (
            errno.EACCES,
            "Permission denied. Choose one that you may read, or change its permissions",
        ),
        (errno.EIO, "Input/output error. Check the path and try again"),
    ],
)
def test_batches_that_cannot_be_listed_are_not_called_a_place_to_write(
    folder, monkeypatch, number, message
):
    def fail(path):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(DataError) as found:
        RunResult.load(folder)
    assert str(found.value) == f"Cannot read the folder {folder / 'batches'}: {message}."


def test_batches_that_are_a_file_cannot_be_read(folder):
    shutil.rmtree(folder / "batches")
    (folder / "batches").touch()
    with pytest.raises(
        DataError, match=r"Cannot read the folder .*batches: Not a directory\. Check"
    ):
        RunResult.load(folder)


def test_files_of_others_are_left_alone(network, folder, whole):
    for name in (".00000.npz.abcdefgh", "notes.npz", "00000.npz.bak"):
        (folder / "batches" / name).write_bytes(b"x")
    (folder / ".run.json.abcdefgh").write_bytes(b"{")
    assert RunResult.load(folder).samples == 11
    (folder / "batches" / "00002.npz").unlink()
    resume(network, folder)
    assert sorted(p.name for p in (folder / "batches").iterdir()) == [
        "00000.npz",
        "00000.npz.bak",
        "00001.npz",
        "00002.npz",
        "notes.npz",
    ]
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"accuracy": "high"}', "accuracy: expected numbers"),
        ('{"accuracy": NaN}', r"cannot be read \(ValueError: accuracy is no number, text or list"),
        ('{"accuracy": 1.5}', "accuracy: expected a share from 0 to 1, found 1.5"),
        ('{"agreement": -1}', "agreement: expected a share from 0 to 1, found -1"),
        ('{"mse": -0.5}', "mse: expected no negative number, found -0.5"),
        (f'{{"mse": {10**400}}}', r"summary\.json cannot be read \(ValueError: mse is no number"),
        (f'{{"dreams": {-(10**400)}}}', r"summary\.json cannot be read"),
        ('{"simulator": 5}', "simulator: expected a text"),
        ('{"classes": "a"}', "classes: expected names"),
        ('{"samples": 12}', "samples: it tells of 12, run.json of 11"),
        ('{"simulator": "other"}', "simulator: it tells of 'other', run.json of 'reference'"),
        ('{"spike_code": "ttfs"}', "spike_code: it tells of 'ttfs', run.json of 'temporal_mean"),
        ('{"task": "binary"}', "task: it tells of 'binary', run.json of 'classification'"),
        ('{"dt_ms": 0.5}', r"dt_ms: it tells of 0\.5, run.json of 1\.0"),
        ('{"ann_operations_per_sample": 1}', "it tells of 1, run.json of"),
        ('{"digest": 5}', "digest: expected a text, found 5"),
        ('{"accuracy": {"a": 1}}', r"cannot be read \(ValueError: accuracy is no number, text"),
        ("[]", "expected an object"),
        ("{", "is no JSON"),
        (json.dumps({"simulator": "a" * 20_000}), "simulator is a text of 20000 letters"),
        (" " * 2**26 + "{}", "summary.json has 67108866 bytes; at most 67108864 are read"),
    ],
)
def test_summaries_that_hold_no_figures_are_refused(folder, content, message):
    (folder / "summary.json").write_text(content)
    with pytest.raises(ArtifactError, match=message):
        RunFolder(folder).summary()


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(accuracy=0.125),
        lambda found: found.update(mean_rate=found["mean_rate"] * (1 + 1e-9)),
        lambda found: found.update(more=1),
        lambda found: found.pop("agreement"),
        lambda found: found.update(digest="0" * 64),
    ],
)
def test_a_summary_that_was_changed_is_refused(folder, change):
    path = folder / "summary.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))
    for read in (RunFolder(folder).summary, lambda: RunResult.load(folder)):
        with pytest.raises(ArtifactError, match=r"summary\.json .*changed, or is of other batches"):
            read()


@pytest.mark.parametrize("of_batches", [True, False])
def test_a_summary_of_other_batches_is_refused(folder, of_batches):
    path = folder / "batches" / "00001.npz"
    if of_batches:
        path.unlink()
    else:
        with np.load(path) as archive:
            arrays = {**archive, "simulate_s": np.asarray([5.0])}
        np.savez(path, **arrays)
    with pytest.raises(ArtifactError, match="it was changed, or is of other batches than are"):
        RunFolder(folder).summary()


def test_figures_that_the_batches_do_not_give_are_refused_whatever_their_digest(folder):
    """A digest is no signature: whoever makes up figures can make one up."""
    kept = RunFolder(folder)
    assert len(list(kept.batches())) == 3
    figures = kept.summary()
    kept.finish(
        {**figures, "mean_rate": figures["mean_rate"] * (1 + 1e-9)}
    )  # as added up elsewhere
    assert RunResult.load(folder).samples == 11
    kept.finish({**figures, "accuracy": 0.125})
    with pytest.raises(ArtifactError, match=r"accuracy is 0\.125; the batches give 0\.\d+"):
        RunResult.load(folder)


def test_a_summary_without_a_digest_is_not_relied_on(folder):
    """Older versions wrote none."""
    path = folder / "summary.json"
    figures = {**RunResult.load(folder).summary(), "accuracy": 0.125}
    path.write_text(json.dumps(figures))
    assert RunFolder(folder).summary() == {}
    assert RunResult.load(folder).accuracy != 0.125


def test_a_summary_goes_when_a_run_goes_on(network, folder):
    (folder / "batches" / "00001.npz").unlink()
    seen = []
    run(
        network, "reference", data=(X, Y), settings=SETTINGS, output_dir=folder, resume=True,
        progress=lambda done, *_: seen.append((done, (folder / "summary.json").exists())),
    )  # fmt: skip
    assert seen == [(4, True), (8, False), (11, False)]
    assert RunFolder(folder).summary()["samples"] == 11


def test_texts_from_a_folder_are_harmless(folder):
    found = json.loads((folder / "run.json").read_text())
    found["data"] = "\x1b]0;title\x07"
    found["classes"] = ["a\x1b[31m", "b", "c"]
    (folder / "run.json").write_text(json.dumps(found))
    result = RunResult.load(folder)
    assert result.metadata["data"] == "\\x1b]0;title\\x07"
    assert result.class_name(0) == "a\\x1b[31m"


def test_a_long_name_is_refused_before_much_is_read_of_it(folder):
    found = json.loads((folder / "run.json").read_text())
    found["model"]["name"] = "a" * 10**8
    (folder / "run.json").write_text(json.dumps(found))
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=r"run\.json has 1000\d{5} bytes"):
        RunFolder(folder).metadata()
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_nothing_is_written_that_could_not_be_read_again(network, tmp_path):
    name = "a" * 20_000
    with pytest.raises(DataError, match=r"model\.name is a text of 20000 letters"):
        run(network, "reference", data=(X, Y), settings=SETTINGS, name=name, output_dir=tmp_path)
    assert not (tmp_path / "run.json").exists()
    with pytest.raises(DataError, match=r"run\.json: it would have .* shorten the names"):
        RunFolder(tmp_path).describe({"classes": ["a" * 10_000] * 7000})
    with pytest.raises(DataError, match=r"run\.json: it has 10004 lists and objects"):
        RunFolder(tmp_path).describe({"details": {"a": [{}] * 10_001}})
    with pytest.raises(DataError, match=r"run\.json: it has 2\d{6} values"):
        RunFolder(tmp_path).describe({"details": {"a": [0] * (2**21)}})

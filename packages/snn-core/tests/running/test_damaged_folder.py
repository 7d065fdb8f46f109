"""Result folders that were edited, cut off or put together by hand."""

import json
import shutil
import tracemalloc

import numpy as np
import pytest

from snn_core import run
from snn_core.conversion import convert, preset
from snn_core.errors import ArtifactError, DataError
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
        with_value("a" * 20_000, "model", "name"),
        with_value(["a", "b", "a" * 20_000], "classes"),
        with_value({"a" * 20_000: "b"}, "versions"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused_by_all_who_read_them(network, folder, change):
    found = json.loads((folder / "run.json").read_text())
    change(found)
    (folder / "run.json").write_text(json.dumps(found))
    for read in (RunResult.load, lambda path: resume(network, path)):
        with pytest.raises(ArtifactError, match=r"run\.json"):
            read(folder)


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
        (arrays_with(spikes_b_n=lambda a: -a - 1), "spikes_b_n holds negative"),
        (arrays_with(output_b_o=lambda a: a[:, :2]), "output_b_o has the shape"),
        (arrays_with(ann_error_b=lambda a: a * np.nan), "ann_error_b holds values that are no"),
        (lambda arrays: arrays.pop("error_b_t"), "it lacks error_b_t"),
        (arrays_with(simulate_s=lambda a: a[0]), r"simulate_s has the shape \(\)"),
        (arrays_with(simulate_s=lambda a: a * np.nan), "simulate_s holds"),
        (arrays_with(sample_ids_b=lambda a: a.astype("U")), "sample_ids_b holds <U"),
        (lambda arrays: arrays.pop("labels_b"), "it lacks labels_b"),
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
        (arrays_with(targets_b_o=lambda a: np.zeros((len(a), 3))), "targets_b_o"),
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


def test_a_batch_that_is_there_twice_is_not_counted_twice(folder):
    shutil.copy(folder / "batches" / "00000.npz", folder / "batches" / "00009.npz")
    with pytest.raises(ArtifactError, match=r"00009\.npz holds samples a second time; delete it"):
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
        ('{"accuracy": NaN}', "cannot be read"),
        ('{"accuracy": {"a": 1}}', "cannot be read"),
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

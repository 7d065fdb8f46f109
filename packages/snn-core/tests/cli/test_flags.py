"""Flags are shorthands of settings: the same checks, the same networks, the same results."""

import csv
import io
import json
import re

import numpy as np
import pytest

from snn_core import load, run
from snn_core.errors import SettingsError
from snn_core.running.result import RunResult
from snn_core.settings import RECORDABLE, Settings, read_assignments


@pytest.fixture
def ran(snn, artifact, images, tmp_path):
    """Return a function that runs the classifier, and returns its result and what was said."""

    def call(*arguments):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        done = snn("run", artifact, "--simulator", "reference", "--data", images(),
                   "-o", folder, *arguments)  # fmt: skip
        assert done.exit_code == 0, done.stderr
        return RunResult.load(folder), done

    return call


@pytest.fixture
def refused(snn, artifact, images):
    """Return a function that returns why a run is refused."""

    def call(*arguments):
        done = snn("run", artifact, "--simulator", "reference", "--data", images(), *arguments)
        assert done.exit_code == 2
        return done.stderr.replace("\n", " ")

    return call


def settings_of(result):
    return result.metadata["identity"]["settings"]


def test_set_changes_any_setting_as_a_file_does(ran, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[simulation]\ntop_k = 2\nseed = 7\n[cell]\nv_init = 'uniform'\n")
    result, _ = ran("--set", "simulation.top_k=2", "--set", "simulation.seed=7",
                    "--set", "cell.v_init=uniform")  # fmt: skip
    assert settings_of(result) == settings_of(ran("--settings", file)[0])


def test_set_changes_those_of_a_file_and_other_flags_change_both(ran, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[simulation]\ntop_k = 2\nseed = 7\nbatch_size = 3\n")
    found = settings_of(
        ran("--settings", file, "--set", "simulation.seed=8", "--set", "simulation.batch_size=4",
            "--batch-size", 5)[0]
    )["simulation"]  # fmt: skip
    assert (found["top_k"], found["seed"], found["batch_size"]) == (2, 8, 5)


def test_set_reaches_options_of_simulators(refused):
    assert "Unknown simulator option: 'engine'" in refused("--set", "reference.engine=event")
    found = Settings().updated(read_assignments(["inisim.engine=event"]), simulators=("inisim",))
    assert found.options == {"inisim": {"engine": "event"}}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("simulation.batchsize=4", "[simulation]: 'batchsize'. Did you mean 'batch_size'?"),
        ("simulaton.seed=4", "Unknown section: 'simulaton'. Did you mean 'simulation'?"),
        ("simulation.seed=soon", "simulation.seed: found 'soon'"),
        ("cell.reset=substraction", "Did you mean 'subtraction'?"),
        ("input.dataflow_kwargs.colour_mode=rgb", "kwargs: Unknown key: 'colour_mode'. Did you "),
        ("conversion.spike_code=ttfs", "have their effect in a conversion, none in a run"),
        ("simulation.seed", "expected section.key=value, such as simulation.batch_size=10"),
        ("seed=3", "expected section.key=value, such as simulation.batch_size=10"),
        ("duration=3", "such as simulation.batch_size=10. Did you mean simulation.duration?"),
        (".seed=3", "expected section.key=value, such as simulation.batch_size=10"),
    ],
)  # fmt: skip
def test_a_wrong_assignment_is_refused_as_in_a_file(refused, assignment, message):
    assert message in refused("--set", assignment)


def test_assignments_are_written_as_in_ini_files():
    texts = ["a.yes=true", "a.n = 3", "a.word=bias", "a.list=[1, 2]", "a.none=None", "b.c.d=x=y",
             "b.c.e=1/255"]  # fmt: skip
    assert read_assignments(texts) == {
        "a": {"yes": True, "n": 3, "word": "bias", "list": [1, 2], "none": None},
        "b": {"c": {"d": "x=y", "e": "1/255"}},
    }
    with pytest.raises(SettingsError, match=r"'a.b.c=2', but b was given a value before"):
        read_assignments(["a.b=1", "a.b.c=2"])


def test_a_nested_key_leaves_its_neighbours_alone():
    base = Settings.of({"input": {"dataflow_kwargs": {"target_size": [4, 4]}}})
    changed = base.updated(read_assignments(["input.dataflow_kwargs.color_mode=grayscale"]))
    assert changed.input.dataflow_kwargs.target_size == (4, 4)
    assert changed.input.dataflow_kwargs.color_mode == "grayscale"
    anew = changed.updated({"input": {"dataflow_kwargs": {}}})
    assert anew.input.dataflow_kwargs.target_size is None


def test_convert_takes_settings_by_flag(snn, classifier, images, tmp_path):
    def converted(*arguments):
        path = tmp_path / "out.snn"
        done = snn("convert", classifier(), "-o", path, "--data", images(), "--force", *arguments)
        assert done.exit_code == 0, done.stderr
        return load(path)

    network = converted("--set", "conversion.readout=counts", "--set", "simulation.duration=12")
    assert (network.readout, network.settings.num_steps) == ("counts", 12)
    network = converted("--spike-code", "temporal_pattern", "--set", "conversion.num_bits=5")
    assert network.settings.conversion.spike_code == "temporal_pattern"
    assert network.settings.num_steps == 5
    assert converted("--record", "spikes").settings.output.log_vars == {"spiketrains"}


def test_presets_are_explained(snn):
    shown = " ".join(snn("convert", "--help").stdout.split())
    assert "fast: few steps (32)" in shown
    assert "seed: as snn_toolbox does" in shown


@pytest.mark.parametrize(
    ("names", "recorded"),
    [
        ("all", set(RECORDABLE)),
        ("spikes,potentials", {"spiketrains", "mem"}),
        ("input, activations", {"input", "activations"}),
        ("spiketrains", {"spiketrains"}),
    ],
)
def test_record_names_what_figures_show(ran, names, recorded):
    result, _ = ran("--record", names, "--samples", 3)
    assert set(settings_of(result)["output"]["log_vars"]) == recorded
    for variable in recorded:
        assert result.logged(variable)


def test_an_unknown_record_is_refused(refused):
    message = refused("--record", "spike")
    assert "found 'spike'" in message
    assert "Did you mean 'spikes'?" in message


def test_a_range_of_samples(ran):
    everything, _ = ran()
    some, _ = ran("--sample-range", "3:8")
    np.testing.assert_array_equal(some.sample_ids_b, np.arange(3, 8))
    np.testing.assert_array_equal(some.decision_b_t, everything.decision_b_t[3:8])
    np.testing.assert_array_equal(ran("--sample-range", ":2")[0].sample_ids_b, [0, 1])


def test_a_number_of_samples_replaces_chosen_ones(ran):
    result, _ = ran("--set", "simulation.sample_idxs_to_test=[5]", "--samples", 4)
    assert result.samples == 4


@pytest.mark.parametrize("text", ["3", "8:3", "3:3", "a:b", "3:", "-1:4", "1:2:3"])
def test_what_is_no_range_is_refused(refused, text):
    assert "is no range of samples; expected FIRST:END such as 100:200" in " ".join(
        refused("--sample-range", text).split()
    )


def test_a_range_beyond_the_data_is_refused(refused):
    assert "has 20 samples; there is no sample 20" in refused("--sample-range", "10:30")
    assert "expected one" in refused("--sample-range", "1:3", "--samples", 3)
    assert "expected at most 1000000 samples" in refused("--sample-range", "0:30000000")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("[0,0,1]", "found [0, 0, 1]; expected each sample once; 0 is there twice"),
        ("[1,-1]", "expected positions in the data, from 0 on; -1 is none"),
        ("[20]", "has 20 samples; there is no sample 20"),
    ],
)
def test_chosen_samples_have_to_be_there_each_once(refused, tmp_path, chosen, message):
    said = refused("--set", f"simulation.sample_idxs_to_test={chosen}", "-o", tmp_path / "run")
    assert message in " ".join(said.split())
    assert not (tmp_path / "run").exists()


def test_csv_has_a_line_for_each_sample(snn, artifact, images):
    done = snn("run", artifact, "--simulator", "reference", "--data", images(), "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    result = run(load(artifact), "reference", data=images())
    assert [int(row["decision"]) for row in rows] == result.decision_b.tolist()
    assert [int(row["label"]) for row in rows] == result.labels_b.tolist()
    assert [float(row["error"]) for row in rows] == result.error_b_t[:, -1].tolist()
    assert [int(row["spikes"]) for row in rows] == result.spikes_b_n.sum(axis=1).tolist()
    assert list(rows[0]) == [
        "sample", "label", "decision", "analog_decision", "error", "analog_error", "spikes",
        "synaptic_operations", "neuron_operations",
    ]  # fmt: skip


def test_csv_and_json_exclude_each_other(refused):
    assert "give one of them" in refused("--csv", "--json")


def test_resume_needs_a_folder(refused, snn, classifier, images, tmp_path):
    assert "Found no folder to resume a run from" in refused("--resume")
    done = snn("convert", classifier(), "-o", tmp_path / "m.snn", "--data", images(), "--resume",
               "--test", images(), "--simulator", "reference")  # fmt: skip
    assert done.exit_code == 2
    assert "--results of snn convert" in done.stderr
    assert not (tmp_path / "m.snn").exists()


def test_results_need_test_data(snn, classifier, images, tmp_path):
    done = snn("convert", classifier(), "-o", tmp_path / "m.snn", "--data", images(),
               "--results", tmp_path / "r")  # fmt: skip
    assert "--results needs test data to simulate; give --test, too." in done.stderr


def test_quiet_leaves_results_and_warnings(snn, artifact, images):
    def said(x, *arguments):
        done = snn("run", artifact, "--simulator", "reference", "--data", images(x=x), *arguments)
        assert done.exit_code == 0, done.stderr
        return done

    x = np.random.default_rng(2).integers(0, 256, (20, 6, 6, 1), dtype=np.uint8)
    usual, quiet = said(x), said(x, "-q")
    assert "input: uint8 ÷ 255\n" in usual.stderr
    assert "input:" not in quiet.stderr
    assert quiet.stdout.splitlines()[0] == usual.stdout.splitlines()[0]
    assert "Warning:" in said(x.astype(np.float32), "--quiet").stderr


@pytest.mark.parametrize("before", [True, False])
def test_verbose_tells_settings(snn, artifact, images, before):
    arguments = ("run", artifact, "--simulator", "reference", "--data", images(), "--seed", 3)
    done = snn("-v", *arguments) if before else snn(*arguments, "--verbose")
    assert "setting: simulation.seed=3\n" in done.stderr
    assert "setting: simulation.duration=16.0\n" in done.stderr
    assert "simulation.dt" not in done.stderr  # which has its default


def test_verbose_tells_where_an_error_arises(refused):
    assert "Traceback" in refused("--data", "nowhere.npz", "-v")
    assert "Traceback" not in refused("--data", "nowhere.npz")


def test_verbose_and_quiet_exclude_each_other(refused):
    assert "--verbose and --quiet exclude each other" in refused("-v", "-q")


def phases(done):
    """Return what a command says that it spent its time on."""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("time: ")]
    assert re.fullmatch(r"time: [\d.]+ s: ([a-z ]+ [\d.]+ s(, |$))+", line)
    return re.findall(r"([a-z ]*[a-z]) [\d.]+ s", line)


def test_verbose_tells_what_a_conversion_spent_its_time_on(snn, classifier, images, tmp_path):
    arguments = ("convert", classifier(), "-o", tmp_path / "m.snn", "--data", images())
    told = [part.strip() for part in phases(snn("-v", *arguments))]
    assert told[:2] == ["reading the model", "reading the data"]
    assert {"normalizing", "trying it out", "writing"} < set(told)
    assert snn(*arguments, "--force", "-q").stderr == ""


def test_verbose_tells_what_a_run_spent_its_time_on(snn, artifact, images, tmp_path):
    arguments = ("run", artifact, "--simulator", "reference", "--data", images())
    told = [part.strip() for part in phases(snn(*arguments, "-o", tmp_path / "run", "-v"))]
    assert told[0] == "reading the network"
    assert {"reading the data", "building", "simulating", "writing"} < set(told)
    assert "time: " not in snn(*arguments).stderr  # it was quick
    assert snn(*arguments, "-q").stderr == ""


def test_json_stays_one_object_whatever_is_said_beside(snn, artifact, images):
    done = snn("run", artifact, "--simulator", "reference", "--data", images(), "--json", "-v")
    assert json.loads(done.stdout)["samples"] == 20

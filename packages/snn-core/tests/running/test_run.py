import json
import pickle
import re

import numpy as np
import pytest

from snn_core import load, run
from snn_core.conversion import convert, preset
from snn_core.data import Dataset
from snn_core.errors import (
    ArtifactError,
    DataError,
    DataWarning,
    SettingsError,
    SNNError,
    UnknownSimulatorError,
)
from snn_core.ir import BinaryTanh, Linear
from snn_core.passes.spiking import set_v_init
from snn_core.running.result import RunFolder, RunResult
from snn_core.settings import Settings
from snn_core.settings.section import Options
from snn_core.simulation import registry
from snn_core.simulation.contract import StopSimulation
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder

RNG = np.random.default_rng(0)
X = RNG.random((11, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 11)


@pytest.fixture(scope="module")
def network():
    builder = NetworkBuilder((6,)).dense(RNG.normal(0.1, 0.5, (6, 8)))
    return convert(builder.dense(RNG.normal(0, 0.5, (8, 3))).build(), X, settings=preset("seed"))


def settings_of(**changes):
    sections = {"simulation": {"duration": 20, "batch_size": 4}, **changes}
    return Settings.of(sections)


def simulate(network, **options):
    options = {"data": (X, Y), "settings": settings_of(), **options}
    return run(network, "reference", **options)


ARRAYS = [
    name
    for name, kind in RunResult.__annotations__.items()
    if name.endswith(("_b", "_b_o", "_b_t", "_b_n"))
]


def assert_same(first, second):
    assert len(ARRAYS) == 15
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def test_a_result_holds_every_sample_in_order(network):
    result = simulate(network)
    assert result.samples == 11
    assert result.timesteps == 20
    np.testing.assert_array_equal(result.sample_ids_b, np.arange(11))
    np.testing.assert_array_equal(result.labels_b, Y)
    assert result.accuracy == (result.decision_b == Y).mean()
    assert result.accuracy_t[-1] == pytest.approx(result.accuracy)  # one sum in another order
    assert not result.interrupted
    assert result.simulate_s > 0


def test_figures_worked_out_by_hand():
    # one input of 1, weight 1: a spike in each of 4 steps in both layers, which is a yes
    chain = NetworkBuilder((1,)).dense([[1]]).dense([[1]], bias_o=[0]).build()
    result = simulate(
        chain,
        data=(np.ones((2, 1)), np.ones(2, int)),
        settings=settings_of(simulation={"duration": 4}),
    )
    assert result.mean_rate == 1
    assert result.synaptic_operations_per_sample == 4  # one synapse behind the first neuron
    assert result.neuron_operations_per_sample == 2  # multiply and add once for the input
    assert result.ann_operations_per_sample == 4
    assert result.accuracy == result.ann_accuracy == result.agreement == 1
    assert result.summary()["us_per_sample_step"] == pytest.approx(1e6 * result.simulate_s / 8)


def test_details_of_the_built_network_are_kept_with_the_result(network, tmp_path, monkeypatch):
    class Explains(ReferenceSNN):
        details = property(lambda self: {"target": f"numpy, {self.is_built}"})

    monkeypatch.setattr(registry, "get", lambda name: Explains)
    expected = {"target": "numpy, True"}
    assert simulate(network, output_dir=tmp_path).metadata["details"] == expected
    assert RunFolder(tmp_path).metadata()["details"] == expected
    # Nothing is left to simulate, so nothing is built.
    again = simulate(network, output_dir=tmp_path, resume=True)
    assert again.metadata["details"] == expected
    assert RunFolder(tmp_path).metadata()["details"] == expected


def test_a_result_names_its_network_and_where_that_comes_from(network, tmp_path):
    read = network.replace(history=("read net.keras: .keras archive of Keras 3, sha256 0ab1",))
    origin, parameters = "net.keras: .keras archive of Keras 3", 6 * 8 + 8 + 8 * 3 + 3
    expected = {"name": "", "origin": origin, "parameters": parameters}
    assert simulate(read).metadata["model"] == expected
    assert simulate(read, name="net").metadata["model"]["name"] == "net"
    read.save(tmp_path / "net.snn")
    result = simulate(tmp_path / "net.snn", output_dir=tmp_path / "run")
    assert result.metadata["model"]["name"] == str(tmp_path / "net.snn")
    assert RunFolder(tmp_path / "run").metadata()["model"] == result.metadata["model"]
    # A name is no part of what a run is: the same network elsewhere goes on with it.
    again = simulate(read, output_dir=tmp_path / "run", resume=True)
    assert_same(again, result)
    with pytest.raises(SettingsError, match="Found name = 3; expected a text"):
        simulate(network, name=3)


def test_warnings_about_samples_are_kept_with_the_result(network, tmp_path):
    with pytest.warns(DataWarning, match=r"far outside .*divided by 255") as caught:
        result = simulate(network, data=(255 * X, Y), output_dir=tmp_path / "run")
    assert result.metadata["warnings"] == [str(warning.message) for warning in caught]
    assert RunFolder(tmp_path / "run").metadata()["warnings"] == result.metadata["warnings"]
    assert simulate(network).metadata["warnings"] == []


@pytest.mark.parametrize("letter", ["a", "ü", "\x1b", "\n", "a\n"])
def test_a_run_does_not_fail_for_the_length_of_its_warnings(network, tmp_path, letter):
    named = Dataset.of(X, Y, classes=["a", "b", "c", letter * 20_000])
    with pytest.warns(DataWarning, match="has 4 classes") as caught:
        result = simulate(network, data=named, output_dir=tmp_path / "run")
    (kept,) = RunFolder(tmp_path / "run").metadata()["warnings"]
    assert kept == str(caught[0].message) == result.metadata["warnings"][0]
    assert len(kept) <= 4000
    assert kept.endswith("(input.label_dict, input.dataflow_kwargs.classes).")


def test_the_batch_size_changes_nothing(network):
    whole = simulate(network, settings=settings_of(simulation={"duration": 20, "batch_size": 100}))
    assert_same(simulate(network), whole)


def test_data_may_be_arrays_a_data_set_or_a_file(network, tmp_path):
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    results = [
        simulate(network, data=data)
        for data in ((X, Y), Dataset.of(X, Y), tmp_path / "data.npz", str(tmp_path / "data.npz"))
    ]
    for result in results[1:]:
        assert_same(result, results[0])


def test_an_artifact_brings_its_settings(network, tmp_path):
    network.replace(settings=network.settings_for(settings_of())).save(tmp_path / "model.snn")
    assert_same(run(tmp_path / "model.snn", "reference", data=(X, Y)), simulate(network))
    assert load(tmp_path / "model.snn").readout == network.readout


def classifier():
    """Return a network of two layers that decides clearly."""
    rng = np.random.default_rng(1)
    builder = NetworkBuilder((6,)).dense(rng.normal(0.1, 0.5, (6, 8)))
    return builder.dense(rng.normal(0, 0.5, (8, 3)), activation=Linear()).build()


def converted(**conversion):
    """Return a network that was converted for 16 steps, or for what a spike code takes."""
    return convert(
        classifier(), X, settings={"conversion": conversion, "simulation": {"duration": 16}}
    )


def test_a_network_is_simulated_as_it_was_converted(tmp_path):
    network = converted()
    path = tmp_path / "model.snn"
    network.save(path)
    in_memory, from_file = (
        run(source, "reference", data=(X, Y), name=str(path)) for source in (network, path)
    )
    assert in_memory.timesteps == from_file.timesteps == 16
    assert_same(in_memory, from_file)
    assert in_memory.metadata == from_file.metadata
    assert ReferenceSNN(network).settings == network.settings == load(path).settings


def test_steps_of_the_conversion_are_those_of_the_run():
    network = convert(classifier(), X, timesteps=16)
    assert run(network, "reference", data=(X, Y)).timesteps == 16
    assert run(network, "reference", data=(X, Y), timesteps=5).timesteps == 5


@pytest.mark.parametrize(
    ("conversion", "steps"),
    [
        ({"spike_code": "ttfs_exact", "window_steps": 8}, 16),  # two windows
        ({"spike_code": "temporal_pattern", "num_bits": 5}, 5),
        ({"spike_code": "ttfs"}, 16),
    ],
)
def test_the_spike_code_of_the_conversion_is_that_of_the_run(conversion, steps, tmp_path):
    network = converted(**conversion)
    network.save(tmp_path / "model.snn")
    results = [
        run(source, "reference", data=(X, Y)) for source in (network, tmp_path / "model.snn")
    ]
    for result in results:
        assert result.summary()["spike_code"] == conversion["spike_code"]
        assert result.timesteps == steps
    assert_same(*results)


def test_another_spike_code_than_that_of_the_conversion_is_refused():
    network = converted(spike_code="ttfs_exact")
    given = {"conversion": {"spike_code": "temporal_mean_rate"}}
    for settings in (given, Settings.of(given)):
        with pytest.raises(SettingsError, match=r"spike_code = 'temporal_mean_rate'; the network"):
            run(network, "reference", data=(X, Y), settings=settings)
        with pytest.raises(SettingsError, match="spike_code"):
            ReferenceSNN(network, Settings.of(given))
    with pytest.raises(SettingsError, match=r"follows from conversion\.window_steps"):
        run(network, "reference", data=(X, Y), timesteps=5)


def test_what_a_run_changes_leaves_the_rest_as_converted(tmp_path):
    network = converted()
    network.save(tmp_path / "model.snn")
    changes = {"simulation": {"batch_size": 4}, "cell": {"tau_refrac": 1.0}}
    for source in (network, tmp_path / "model.snn"):
        for settings in (changes, Settings.of(changes)):
            result = run(source, "reference", data=(X, Y), settings=settings)
            assert result.timesteps == 16
            used = result.metadata["identity"]["settings"]
            assert used["conversion"]["readout"] == "membrane"
            assert used["simulation"]["batch_size"] == 4
            assert used["cell"]["tau_refrac"] == 1
    assert_same(result, simulate(network, settings=changes))


def test_how_bytes_enter_is_settled_by_the_conversion():
    network = converted()
    assert network.settings.input.uint8_scale == network.input_data.uint8_scale == 1 / 255
    same = {"input": {"uint8_scale": 1 / 255}}
    assert_same(
        run(network, "reference", data=(X, Y), settings=same),
        run(network, "reference", data=(X, Y)),
    )
    with pytest.raises(SettingsError, match=r"uint8_scale = 1; the network was converted with"):
        run(network, "reference", data=(X, Y), settings={"input": {"uint8_scale": 1}})


def test_a_network_keeps_its_settings_wherever_it_goes():
    network = converted()
    assert network.settings.num_steps == 16
    assert network.replace(note="changed").settings is network.settings
    assert set_v_init(network, v_init=0.25).settings is network.settings
    assert pickle.loads(pickle.dumps(network)).settings == network.settings  # noqa: S301


def test_the_simulator_of_the_settings_is_the_default(network):
    settings = settings_of(simulation={"duration": 20, "batch_size": 4, "simulator": "reference"})
    result = run(network, data=(X, Y), settings=settings)
    assert result.summary()["simulator"] == "reference"
    assert_same(result, simulate(network))
    with pytest.raises(UnknownSimulatorError, match="'nobody'"):
        run(network, data=(X, Y), settings={"simulation": {"simulator": "nobody"}})


def test_dictionaries_are_checked_as_settings_are(network):
    with pytest.raises(SettingsError, match="Did you mean 'duration'"):
        run(network, "reference", data=(X, Y), settings={"simulation": {"durration": 3}})
    with pytest.raises(SettingsError, match="Unknown simulator option: 'threads'"):
        run(network, "reference", data=(X, Y), settings={"reference": {"threads": 2}})
    with pytest.raises(SettingsError, match="Did you mean 'percentile'"):
        convert(network, X, settings={"normalization": {"percentil": 3}})


def test_steps_and_seed_can_be_given(network):
    poisson = settings_of(input={"encoding": "poisson"})
    first, second, third = (
        simulate(network, settings=poisson, timesteps=15, seed=seed) for seed in (1, 1, 2)
    )
    assert first.timesteps == 15
    assert_same(first, second)
    assert not np.array_equal(first.spikes_b_n, third.spikes_b_n)


def test_progress_is_reported_after_each_batch(network):
    seen = []
    result = simulate(network, progress=lambda *state: seen.append(state))
    assert [(done, total) for done, total, _ in seen] == [(4, 11), (8, 11), (11, 11)]
    assert seen[-1][2] == result.accuracy


def test_results_are_kept_and_read_back(network, tmp_path):
    result = simulate(network, output_dir=tmp_path / "run")
    assert_same(RunResult.load(tmp_path / "run"), result)
    kept = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert re.fullmatch("[0-9a-f]{64}", kept.pop("digest"))
    assert kept == result.summary() == RunFolder(tmp_path / "run").summary()
    names = sorted(path.name for path in (tmp_path / "run" / "batches").iterdir())
    assert names == ["00000.npz", "00001.npz", "00002.npz"]
    result.save(tmp_path / "copy")
    assert_same(RunResult.load(tmp_path / "copy"), result)
    with pytest.raises(ArtifactError, match="is not empty"):
        result.save(tmp_path / "copy")


def stopper(after):
    """Return a function that asks to stop at its call number ``after``."""
    calls = []

    def stop():
        calls.append(0)
        return len(calls) > after

    return stop


def test_a_stopped_run_goes_on_where_it_was(network, tmp_path):
    # 21 checks in each batch: one before it and one before each of its 20 steps
    part = simulate(network, output_dir=tmp_path / "run", stop=stopper(50))
    assert part.interrupted
    assert part.samples == 8
    assert RunResult.load(tmp_path / "run").interrupted
    calls = []
    whole = simulate(
        network, output_dir=tmp_path / "run", resume=True, progress=lambda *_: calls.append(0)
    )
    assert_same(whole, simulate(network))
    assert len(calls) == 3
    assert not RunResult.load(tmp_path / "run").interrupted


def test_a_complete_run_is_not_simulated_again(network, tmp_path, monkeypatch):
    first = simulate(network, output_dir=tmp_path / "run")
    monkeypatch.setattr(ReferenceSNN, "simulate", None)
    monkeypatch.setattr(ReferenceSNN, "end_sim", None)
    assert_same(simulate(network, output_dir=tmp_path / "run", resume=True), first)


def test_stopping_in_the_first_batch_leaves_nothing_to_report(network, tmp_path):
    with pytest.raises(StopSimulation):
        simulate(network, output_dir=tmp_path / "run", stop=stopper(3))
    with pytest.raises(ArtifactError, match=r"No batch in .* is finished; run again with"):
        RunResult.load(tmp_path / "run")
    assert_same(simulate(network, output_dir=tmp_path / "run", resume=True), simulate(network))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timesteps": 19}, r"simulation.duration \(--timesteps\): there 20.0, now 19.0"),
        (
            {"record": "mem"},
            r"log_vars \(--record\): there nothing, now --record potentials",
        ),
        ({"settings": {"simulation": {"top_k": 2}}}, r"simulation.top_k \(--set\): there 5, now 2"),
        ({"settings": {"reference": {"x": 2}}}, "Unknown simulator option: 'x'"),
        ({"samples": 3}, "other samples of the data"),
        ({"data": (X + 1, Y)}, "other data"),
        ({"data": (X[:5], Y[:5])}, "samples: there 11, now 5"),
    ],
)
def test_another_run_is_not_continued(network, tmp_path, change, message):
    simulate(network, output_dir=tmp_path / "run")
    with pytest.raises(SNNError, match=message):
        simulate(network, output_dir=tmp_path / "run", resume=True, **change)


def test_what_is_not_given_goes_on_as_in_the_folder(network, tmp_path):
    given = {"batch_size": 3, "seed": 7, "samples": 9, "record": "spikes", "timesteps": 18}
    part = run(network, "reference", data=(X, Y), **given, output_dir=tmp_path, stop=stopper(50))
    assert part.interrupted
    whole = run(network, data=(X, Y), output_dir=tmp_path, resume=True)
    assert_same(whole, run(network, "reference", data=(X, Y), **given))
    assert whole.metadata["identity"]["simulator"] == "reference"
    assert_same(run(network, data=(X, Y), batch_size=3, output_dir=tmp_path, resume=True), whole)


def test_folders_and_programs_are_not_taken_from_a_result_folder(network, tmp_path, monkeypatch):
    class Cached(Options):
        cache: str = ""
        levels: int = 1

    class Simulator(ReferenceSNN):
        options_type = Cached

    monkeypatch.setattr(registry, "get", lambda name: Simulator)
    given = {"reference": {"cache": "there", "levels": 2}}
    kwargs = {"data": (X, Y), "output_dir": tmp_path}
    run(network, "reference", settings=given, **kwargs)
    with pytest.raises(ArtifactError, match=r"reference.cache \(--set\): there 'there', now None"):
        run(network, resume=True, **kwargs)
    again = {"reference": {"cache": "there"}}
    assert not run(network, settings=again, resume=True, **kwargs).interrupted


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "simulation",
            r"run\.json cannot be read .*simulation\.batch_size: found 'many'",
        ),
        ("input", "cannot be gone on with"),  # keys of another version
        ("options", r"run\.json cannot be read .*options\.batch_size: found 'many'"),
    ],
)
def test_impossible_settings_of_a_result_folder_are_refused(network, tmp_path, section, message):
    run(network, "reference", data=(X, Y), output_dir=tmp_path)
    path = tmp_path / "run.json"
    description = json.loads(path.read_text())
    description["identity"]["settings"][section] |= {"dt": 1, "batch_size": "many"}
    path.write_text(json.dumps(description))
    with pytest.raises(ArtifactError, match=message):
        run(network, data=(X, Y), output_dir=tmp_path, resume=True)


def test_another_network_is_not_continued(network, tmp_path):
    simulate(network, output_dir=tmp_path / "run")
    other = network.replace(readout="membrane")
    with pytest.raises(ArtifactError, match="another network"):
        simulate(other, output_dir=tmp_path / "run", resume=True)


def test_a_network_of_other_scales_is_not_continued(network, tmp_path):
    simulate(network, output_dir=tmp_path / "run")
    name, scale = next(iter(network.scale_facs.items()))
    other = network.replace(scale_facs={**network.scale_facs, name: 2 * scale})
    with pytest.raises(ArtifactError, match=r"spikes stand for other values \(scale_facs\)"):
        simulate(other, output_dir=tmp_path / "run", resume=True)
    path = tmp_path / "run" / "run.json"
    description = json.loads(path.read_text())
    del description["identity"]["scales_sha256"]
    path.write_text(json.dumps(description))  # as older versions did
    simulate(network, output_dir=tmp_path / "run", resume=True)


def test_recorded_variables_are_kept(network, tmp_path):
    settings = settings_of(output={"log_vars": ["spiketrains", "mem", "input", "activations"]})
    result = simulate(network, settings=settings, output_dir=tmp_path / "run")
    loaded = RunResult.load(tmp_path / "run")
    for variable in ("spiketrains", "mem", "activations"):
        assert list(loaded.logged(variable)) == [
            layer.name for layer in network.spiking_layers
        ] or (variable == "activations")
    trains = loaded.logged("spiketrains")[network.output.name]
    assert trains.shape == (11, 3, 20)
    assert trains.dtype == np.int8
    np.testing.assert_array_equal(trains.sum(axis=(1, 2)), result.spikes_b_n[:, -1])
    assert loaded.logged("input")[""].shape == (11, 6, 20)
    with pytest.raises(ArtifactError, match=r"no variable 'payloads'. Known: spikes, potentials"):
        loaded.logged("payloads")
    with pytest.raises(ArtifactError, match="'mem' was not recorded; run again with --record pot"):
        simulate(network).logged("mem")


@pytest.mark.parametrize(
    ("flag", "variable"),
    [
        ("spikes", "spiketrains"),
        ("potentials", "mem"),
        ("input", "input"),
        ("activations", "activations"),
    ],
)
def test_what_is_recorded_is_found_by_the_name_it_was_asked_for(network, flag, variable):
    result = simulate(network, record=flag)
    assert result.recorded == (flag,)
    assert repr(result).endswith(f"; recorded: .logged({flag!r})>")
    found, expected = result.logged(flag), result.logged(variable)
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    loaded = simulate(network, record="all")
    assert loaded.recorded == ("spikes", "potentials", "input", "activations")


@pytest.mark.parametrize("wrong", ["spike", "", 3, None, ["spikes"]])
def test_no_variable_is_refused(network, wrong):
    with pytest.raises(ArtifactError, match="There is no variable") as caught:
        simulate(network).logged(wrong)
    assert ("Did you mean 'spikes'?" in str(caught.value)) == (wrong in ("spike", ["spikes"]))


def test_folders_that_are_no_results_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"holds no run.json"):
        RunResult.load(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"run\.json cannot be read .*is no JSON"):
        RunResult.load(tmp_path)
    (tmp_path / "run.json").write_text('{"format_version": 99}')
    with pytest.raises(ArtifactError, match="has the format version 99; this snn-core reads up to"):
        RunFolder(tmp_path).metadata()
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(ArtifactError, match="expected an object"):
        RunResult.load(tmp_path)


def test_what_cannot_be_run_is_refused_before_anything_is_written(network, tmp_path):
    with pytest.raises(DataError, match="has the label 3; the network knows the classes 0 to 2"):
        simulate(network, data=(X, Y + 1), output_dir=tmp_path / "run")
    with pytest.raises(SettingsError, match="Unknown simulator option: 'threads'"):
        simulate(network, settings=settings_of(options={"reference": {"threads": 2}}),
                 output_dir=tmp_path / "run")  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_an_old_name_of_a_simulator_means_its_new_one(network, monkeypatch):
    monkeypatch.setitem(registry.ALIASES, "REF", "reference")
    result = run(network, "REF", data=(X, Y), settings=settings_of())
    assert result.summary()["simulator"] == "reference"
    with pytest.raises(SettingsError, match="Unknown simulator option: 'threads'"):
        run(
            network, "REF", data=(X, Y), settings=settings_of(options={"reference": {"threads": 2}})
        )


def test_recorded_spike_trains_are_compact_in_memory_and_in_files(tmp_path):
    rng = np.random.default_rng(2)
    builder = NetworkBuilder((16,)).dense(rng.integers(-90, 100, (16, 400)) / 8192)
    network = builder.dense(rng.integers(-64, 65, (400, 3)) / 1024, activation=BinaryTanh()).build()
    x_b_l, labels_b = rng.random((6, 16), np.float32), np.zeros(6, np.int64)
    settings = Settings.of(
        {
            "simulation": {"duration": 50.0, "batch_size": 4},
            "output": {"log_vars": ["spiketrains"]},
        }
    )
    folder = tmp_path / "run"
    result = run(network, "reference", data=(x_b_l, labels_b), settings=settings, output_dir=folder)
    dense = result.logged("spiketrains")
    assert any((values < 0).any() for values in dense.values())
    cells = sum(values.size for values in dense.values())
    assert sum(log.nbytes for log in result.logs) < cells / 8  # less than bits
    loaded = RunResult.load(folder)
    loaded.save(tmp_path / "copy")
    for path in (folder, tmp_path / "copy"):
        found = RunResult.load(path).logged("spiketrains")
        for name, values in dense.items():
            assert found[name].dtype == np.int8
            np.testing.assert_array_equal(found[name], values)
        with np.load(path / "batches" / "00000.npz", allow_pickle=False) as archive:
            stored = [archive[name] for name in archive.files if name.startswith("log/")]
        assert all(array.dtype.kind == "u" for array in stored if array.ndim and len(array) > 9)


def test_folders_of_version_1_are_read_as_classifications(network, tmp_path):
    result = simulate(network, output_dir=tmp_path / "run")
    for path in (tmp_path / "run" / "batches").iterdir():
        with np.load(path) as batch:
            kept = {name: batch[name] for name in batch.files}
        for name in kept.copy():
            if name.endswith(("_b_o", "error_b_t", "error_b", "deviation_b_t")):
                del kept[name]
        kept["decision_b_t"] = kept["decision_b_t"].astype(np.int16)
        np.savez(path, **kept)
    summary = tmp_path / "run" / "summary.json"
    summary.write_text(json.dumps(result.summary()))
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    old = {key: described[key] for key in described if key not in ("task", "has_labels")}
    (tmp_path / "run" / "run.json").write_text(json.dumps({**old, "format_version": 1}))
    loaded = RunResult.load(tmp_path / "run")
    assert loaded.summary() == result.summary()
    np.testing.assert_array_equal(loaded.accuracy_t, result.accuracy_t)
    assert loaded.output_b_o.shape == (11, 0)


def test_a_result_shows_itself_in_a_line_and_as_a_table(network):
    result = simulate(network)
    shown = repr(result)
    assert shown.startswith(
        "<RunResult: reference, temporal_mean_rate: 11 samples, 20 steps of 1 ms;"
    )
    assert f"accuracy {result.accuracy:.2%} (analog {result.ann_accuracy:.2%})" in shown
    assert "\n" not in shown
    assert "recorded" not in shown
    assert result.recorded == ()
    page = result._repr_html_()
    assert f"<td>accuracy</td><td>{result.accuracy:.2%}</td>" in page
    unlabelled = simulate(network, data=X)
    assert "no labels" in repr(unlabelled)
    assert "accuracy" not in repr(unlabelled)


def test_a_table_has_a_row_for_each_sample(network):
    result = simulate(network)
    table = result.table()
    assert {len(column) for column in table.values()} == {11}
    np.testing.assert_array_equal(table["label"], Y)
    np.testing.assert_array_equal(table["decision"], result.decision_b)
    np.testing.assert_array_equal(table["spikes"], result.spikes_b_n.sum(axis=1))
    assert {"label", "error"}.isdisjoint(simulate(network, data=X).table())


def test_a_table_of_numbers_holds_targets_and_outputs(network):
    targets = RNG.normal(size=(11, 3)).astype(np.float32)
    result = simulate(network, data=(X, targets))
    assert result.task == "regression"
    table = result.table()
    np.testing.assert_array_equal(table["target_2"], targets[:, 2])
    np.testing.assert_array_equal(table["analog_output_0"], result.ann_output_b_o[:, 0])
    assert "decision" not in table


def test_arguments_are_shorthands_of_settings(network):
    given = simulate(network, settings=None, timesteps=20, samples=5, batch_size=2, seed=3,
                     record="spikes,input")  # fmt: skip
    sections = {
        "simulation": {"duration": 20, "num_to_test": 5, "batch_size": 2, "seed": 3},
        "output": {"log_vars": ["spiketrains", "input"]},
    }
    assert_same(given, simulate(network, settings=sections))
    assert given.samples == 5
    assert set(given.metadata["identity"]["settings"]["output"]["log_vars"]) == {
        "spiketrains",
        "input",
    }


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("timesteps", 0),
        ("timesteps", 2.5),
        ("timesteps", "ten"),
        ("samples", 0),
        ("samples", "all"),
        ("batch_size", -1),
        ("seed", "x"),
        ("record", "voltage"),
        ("record", 3),
        ("settings", 5),
        ("settings", {"simulation": 5}),
        ("settings", {1: {}}),
    ],
)
def test_an_impossible_argument_is_a_settings_error(network, argument, value):
    with pytest.raises(SettingsError):
        simulate(network, **{argument: value})


def test_resuming_needs_a_folder(network):
    with pytest.raises(ArtifactError, match="Found no folder to resume a run from"):
        simulate(network, resume=True)


def test_a_run_that_is_refused_in_its_first_batch_leaves_no_folder(network, tmp_path, monkeypatch):
    class Refuses(ReferenceSNN):
        def compile(self):
            raise DataError("no")

    class RefusesLater(ReferenceSNN):
        batches = 0

        def simulate(self, signal, recorder):
            self.batches += 1
            if self.batches == 2:
                raise DataError("no")
            super().simulate(signal, recorder)

    for kind, is_kept in ((Refuses, False), (RefusesLater, True)):
        monkeypatch.setattr(registry, "get", lambda _, kind=kind: kind)
        with pytest.raises(DataError, match="no"):
            simulate(network, output_dir=tmp_path / kind.__name__)
        assert (tmp_path / kind.__name__).exists() == is_kept


@pytest.mark.parametrize("samples", [X, (X, Y), Dataset.of(X, Y), {"x": X}, 3])
def test_samples_in_place_of_a_simulator_are_told_where_they_go(network, samples):
    with pytest.raises(SettingsError, match=r"expected the name of a simulator.*go into data="):
        run(network, samples)
    with pytest.raises(SettingsError, match=type(samples).__name__):
        run(network, samples, data=(X, Y))


@pytest.mark.parametrize("given", [(), ("reference",), ("test.npz",)])
def test_a_run_without_samples_says_where_they_go(network, given):
    with pytest.raises(DataError, match=r"no samples to simulate; expected data="):
        run(network, *given)

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from snn_core.errors import DataError
from snn_plot.recorded import view
from snn_plot.report import LARGEST, asset, report_html, write_report
from snn_plot.report_data import report_data
from snn_plot.report_words import (
    GLOSSARY,
    headline,
    list_settings,
    notes,
    provenance,
    subject,
    title,
)
from snn_plot.units import Units
from snn_plot.verdict import find_close_step, verdict

SECTIONS = (
    "headline accuracy operations layers raster confusion settings provenance glossary".split()  # noqa: SIM905
)


@pytest.fixture(scope="module")
def page(run_dir):
    return report_html(view(run_dir))


def without_library(page):
    return page.replace(asset("plotly-cartesian.min.js"), "")


@pytest.mark.smoke
def test_all_sections_are_there(page):
    assert re.findall(r'<section id="(\w+)">', page) == SECTIONS


def test_the_page_names_no_address(page):
    own = without_library(page)
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!data:)", own)
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", own)
    assert "default-src 'none'" in own


def test_the_library_comes_with_its_licence():
    assert "MIT" in asset("plotly-LICENSE.txt")
    assert "</script" not in asset("plotly-cartesian.min.js").lower()


def test_a_report_stays_below_5_megabytes(run_dir, tmp_path):
    size = write_report(run_dir, tmp_path / "r.html")
    assert size == (tmp_path / "r.html").stat().st_size < LARGEST == 5_000_000


def test_the_charts_data_are_those_of_the_run(page, run_dir):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page).group(1)
    data, run = json.loads(text), view(run_dir)
    np.testing.assert_allclose(data["accuracy"]["snn"], 100 * run.result.accuracy_t, atol=5e-4)
    for shown, layer in zip(data["layers"], run.layers, strict=True):
        raster = shown["raster"]
        trains = np.zeros((len(raster["neurons"]), raster["steps"]), int)
        trains[raster["row"], raster["step"]] = 1
        whole = layer.spiketrains_l_t.reshape(-1, raster["steps"])
        np.testing.assert_array_equal(trains, whole[raster["neurons"]])


def test_points_say_of_what_they_are(run_dir, make_run):
    first, *_ = report_data(view(run_dir), units=Units())["layers"]
    assert first["points"] == "336 points: 48 neurons in 7 samples"
    big = replace(view(run_dir).layers[0], neurons=400, points_p=np.ones(5000),
                  expected_p=np.ones(5000))  # fmt: skip
    run = replace(view(run_dir), layers=(big,))
    (shown,) = report_data(run, units=Units())["layers"]
    assert shown["points"] == "1\u202f200 points: 400 neurons in 7 samples"
    assert len(shown["rates"]) == len(shown["activations"]) == 1200


@pytest.mark.parametrize("steps", [20, 64])
def test_each_rate_that_there_can_be_has_a_bin_of_its_own(make_run, tmp_path, steps):
    make_run(tmp_path / "run", steps=steps)
    run = view(tmp_path / "run")
    for layer, shown in zip(run.layers, report_data(run, units=Units())["layers"], strict=True):
        histogram = shown["histogram"]
        numbers = np.unique(np.rint(layer.points_p * steps))
        bins = np.searchsorted(histogram["edges"], numbers / steps) - 1
        assert len(set(bins)) == len(numbers)
        occupied = np.flatnonzero(histogram["rates"])
        assert set(bins) == set(occupied)
        assert sum(histogram["rates"]) == pytest.approx(100, abs=0.01)  # rounded shares
        # No comb: between neighbouring rates there is no empty bin.
        np.testing.assert_array_equal(np.diff(bins), np.diff(numbers))


def test_an_input_of_three_channels_is_in_colours(run_dir):
    rgb = np.zeros((2, 3, 3))
    rgb[0, 0] = (-1, 1, 0)
    shown = report_data(replace(view(run_dir), input_l=rgb), units=Units())["input"]
    assert np.shape(shown["colours"]) == (2, 3, 3)
    assert shown["colours"][0][0] == [0, 255, 128]
    assert shown["remark"] == "values -1 to 1"
    assert "z" in report_data(view(run_dir), units=Units())["input"]


def test_the_best_k_are_shown_of_more_classes_alone(run_dir):
    assert report_data(view(run_dir), units=Units())["accuracy"]["top_k"] is None  # 4 classes
    run = view(run_dir)
    metadata = {**run.result.metadata, "num_neurons": [36, 48, 40, 6]}
    run = replace(run, result=replace(run.result, metadata=metadata))
    assert len(report_data(run, units=Units())["accuracy"]["top_k"]) == run.result.timesteps


def test_names_from_files_cannot_become_markup(run_dir):
    run = replace(view(run_dir), name="<script>alert(1)</script>")
    evil = '</script><img src="x">'
    layers = (replace(run.layers[0], name=evil), *run.layers[1:])
    own = without_library(report_html(replace(run, layers=layers)))
    assert "<script>alert" not in own
    assert evil not in own
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in own


def test_large_layers_are_thinned_out(run_dir):
    run = view(run_dir)
    big = replace(
        run.layers[0],
        neurons=512 * 28 * 28,
        rates_l=np.zeros((28, 28, 512)),
        spiketrains_l_t=np.ones((28, 28, 128, 100), np.int8),
    )
    data = report_data(replace(run, layers=(big,) * 20), units=Units())
    assert len(json.dumps(data)) < 3_000_000
    raster = data["layers"][0]["raster"]
    assert raster["of"] == 28 * 28 * 128
    assert len(raster["neurons"]) <= 200
    assert "of 512 feature maps" in data["layers"][0]["rate_picture"]["remark"]


def test_time_until_close_is_the_step_from_which_accuracy_stays(run_dir):
    result = view(run_dir).result
    labels = np.zeros(4, np.int64)
    decisions = np.array([[1, 0, 1, 0, 0]] + [[0, 0, 0, 0, 0]] * 3)

    def decided(decision_b_t):
        return replace(
            result,
            labels_b=labels,
            decision_b_t=decision_b_t,
            ann_decision_b=labels,
            error_b_t=(decision_b_t != 0).astype(np.float32),
            ann_error_b=np.zeros(4, np.float32),
        )

    assert find_close_step(decided(decisions)) == 4
    assert find_close_step(decided(decisions[:, ::-1] + 1)) is None


def said_of(run, right_t, ann_right, *, samples=1000, **metadata):
    """Return the verdict on a run with so many right decisions after each step."""
    error_b_t = (np.arange(samples)[:, None] >= np.array(right_t)).astype(np.float32)
    result = replace(
        run.result,
        metadata={**run.result.metadata, **metadata},
        sample_ids_b=np.arange(samples),
        decision_b_t=error_b_t.astype(int),
        error_b_t=error_b_t,
        ann_error_b=(np.arange(samples) >= ann_right).astype(np.float32),
    )
    return verdict(replace(run, result=result), subject="net.snn")


def test_the_verdict_says_what_was_reached_and_what_to_look_at(plain_dir):
    run = view(plain_dir)
    assert said_of(run, [500, 900, 945, 945], 950) == (
        "net.snn is right for 94.5% of 1000 samples in 4 steps, the analog network for 95.0%: "
        "within 1 point of it from step 3 on."
    )
    assert said_of(run, [500, 950, 950, 950], 950).endswith("step 2 on, so that fewer would do.")
    assert said_of(run, [100, 300, 600, 800], 950).endswith(
        "it is still rising, so that more steps would help."
    )
    assert said_of(run, [800] * 4, 950).endswith("where do rates leave the line?")
    assert "check the scale and the order" in said_of(run, [100] * 4, 120)


def test_the_verdict_on_few_samples_is_less_firm(plain_dir):
    run = view(plain_dir)
    few = said_of(run, [20, 38, 38, 38], 38, samples=40)
    assert few.endswith("step 2 on, so that fewer may do, as far as 40 samples can tell.")
    assert said_of(run, [290] * 4, 291, samples=299).endswith("as far as 299 samples can tell.")
    assert said_of(run, [290] * 4, 291, samples=300).endswith("so that fewer would do.")


@pytest.mark.parametrize(
    ("right_t", "samples"),
    [
        ([10, 9, 10, 9, 9, 9, 9, 10], 30),  # a single sample more
        ([300, 500, 600, 600, 600, 600, 600, 600], 1000),  # long ago
        ([600] * 7 + [609], 1000),  # not worth more steps
    ],
)
def test_a_curve_that_ends_flat_is_not_called_rising(plain_dir, right_t, samples):
    assert "rising" not in said_of(view(plain_dir), right_t, samples, samples=samples)


def test_codes_that_answer_at_the_end_are_not_called_rising(plain_dir):
    run = view(plain_dir)
    identity = json.loads(json.dumps(run.result.metadata["identity"]))
    identity["settings"]["conversion"]["spike_code"] = "ttfs_exact"
    assert "rising" not in said_of(run, [100, 100, 100, 800], 950, identity=identity)


def test_what_the_run_warned_about_its_samples_is_repeated(plain_dir):
    run = view(plain_dir)
    warned = ["7 samples have values far outside (divided by 255?)"]
    said = said_of(run, [333] * 4, 1000, warnings=warned)
    assert said.endswith(
        "the analog network for 100.0%. The samples are in doubt: see the warning below."
    )
    metadata = {**run.result.metadata, "warnings": warned}
    warned_run = replace(run, result=replace(run.result, metadata=metadata))
    assert notes(warned_run)[0] == f"Warning of the run: {warned[0]}"
    assert not any("Warning" in note for note in notes(run))


def with_model(run, **model):
    """Return a run of a network of another name and origin."""
    model = {"name": "", "origin": "", "parameters": None, **model}
    metadata = {**run.result.metadata, "model": model}
    return replace(run, result=replace(run.result, metadata=metadata))


def test_the_report_names_the_model_and_where_it_comes_from(run_dir):
    origin = "net.keras: .keras archive of Keras 3.15.1"
    run = with_model(view(run_dir), name="/nets/small.snn", origin=origin, parameters=12345)
    assert title(run) == "everything: small.snn on reference"
    assert subject(run) == "small.snn"
    page = without_library(report_html(run))
    assert "<title>everything: small.snn on reference</title>" in page
    size = "3 layers with neurons, 92 neurons, 12\u202f345 parameters"
    assert f"<p>{origin}, {size}</p>" in page
    rows = provenance(run)
    assert (rows["network"], rows["read from"]) == ("/nets/small.snn", origin)


def test_a_network_in_memory_is_called_after_its_source(run_dir):
    run = view(run_dir)
    assert (
        title(with_model(run, origin="net.onnx: ONNX model")) == "everything: net.onnx on reference"
    )
    assert title(with_model(run)) == "everything: 7 samples on reference"
    metadata = {key: value for key, value in run.result.metadata.items() if key != "model"}
    older = replace(run, result=replace(run.result, metadata=metadata))
    assert title(older) == "everything: 7 samples on reference"


def test_changed_settings_are_marked_and_tell_their_default(run_dir, page):
    settings = {setting.name: setting for setting in list_settings(view(run_dir))}
    assert settings["simulation.duration"].is_changed
    assert not settings["simulation.seed"].is_changed
    first, every = re.findall(r'<table class="facts">(.*?)</table>', page)[:2]
    row = (
        '<tr class="changed"><th>simulation.<wbr>duration</th>'
        "<td>20.0 <small>instead of 200.0</small>"
    )
    assert row in first
    assert row in every
    assert "simulation.<wbr>seed" not in first
    assert "<tr><th>simulation.<wbr>seed</th><td>0</td></tr>" in every


def test_settings_of_any_text_are_shown_harmlessly(run_dir):
    seen = view(run_dir)
    identity = seen.result.metadata["identity"]
    odd = {"input": {"label_dict": {"a\x1b[2J": 0}, "normalize": "\ud800\u202e"}}
    settings = {**identity["settings"], **odd}
    run = replace(
        seen.result,
        metadata={**seen.result.metadata, "identity": {**identity, "settings": settings}},
    )
    shown = [f"{setting.name} {setting.value}" for setting in list_settings(view(run))]
    assert all(line.isprintable() for line in shown)
    assert r"input.label_dict.a\x1b[2J 0" in shown


def test_an_output_that_does_not_spike_has_values_instead_of_rates(task_dirs):
    run = view(task_dirs["regression"])
    hidden, output = report_data(run, units=Units())["layers"]
    assert hidden["labels"]["rates"] == "rate (spikes/step)"
    assert output["labels"]["rates"] == "output"
    assert not any("spikes" in label for label in output["labels"].values())
    np.testing.assert_allclose(output["rates"], run.result.output_b_o.reshape(-1), atol=5e-5)
    np.testing.assert_allclose(
        output["activations"], run.result.ann_output_b_o.reshape(-1), atol=5e-5
    )


def test_terms_are_explained_where_one_points_at_them_and_in_a_list(page):
    for term in ("rate", "saturated", "Wilson interval", "operations"):
        assert f'<abbr title="{GLOSSARY[term].replace(chr(39), "&#x27;")}">' in page
    assert set(re.findall(r"<dt>([^<]*)</dt><dd>[A-Z]", page)) >= set(GLOSSARY)


def test_energy_is_shown_where_it_was_measured(make_run, tmp_path):
    make_run(tmp_path / "run", log_vars=())
    rows = headline(view(tmp_path / "run"), units=Units())
    assert not any("Energy" in row[0] for row in rows)
    (tmp_path / "run" / "probes").mkdir()
    (tmp_path / "run" / "probes" / "meter.csv").write_text("step,chip_uj\n1,7\n2,7\n")
    rows = headline(view(tmp_path / "run"), units=Units())
    # 14 µJ for 7 samples
    assert ("Energy per sample", "2 µJ", "measured on hardware") in rows


def test_a_report_is_written_whole_or_not_at_all(run_dir, tmp_path):
    with pytest.raises(DataError, match="Cannot write"):
        write_report(run_dir, tmp_path)
    assert list(tmp_path.iterdir()) == []

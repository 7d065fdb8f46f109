"""Figures and reports of runs whose potentials and outputs are infinite or no numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from snn_core import run
from snn_core.data import Dataset
from snn_core.ir import Linear
from snn_core.running.outputs import OutputWarning
from snn_core.running.result import RunResult
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_plot import plot_comparison, plot_correlations, plot_hist, plot_input_image, plot_outputs
from snn_plot.accuracy import MOST_SHOWN
from snn_plot.finite import describe_rest
from snn_plot.graphs import output_graphs
from snn_plot.recorded import view
from snn_plot.report import report_html
from snn_plot.report_data import report_data
from snn_plot.report_words import headline, notes
from snn_plot.scene import Scene
from snn_plot.units import Units
from snn_plot.verdict import verdict

REST = "are infinite or no numbers"


@pytest.fixture(scope="module", params=["regression", "unlabelled", "classification"])
def diverged(request, tmp_path_factory):
    """Return the folder of a run of which two of three outputs leave float32 in the end."""
    weight = np.array([[2.0**98, 2.0**-28, -(2.0**98)], [0, 0, 0]], np.float32)
    builder = NetworkBuilder((2,)).dense(weight, activation=Linear())
    network = builder.build().replace(readout="membrane")
    x = 2**28 * np.float32([[1, 0.5], [1, 0.25], [0.5, 1], [0.5, 0]])
    y = {"regression": np.zeros((4, 3)), "unlabelled": None, "classification": np.arange(4) % 3}
    task = "classification" if request.param == "classification" else "regression"
    settings = Settings.of(
        {
            "simulation": {"duration": 16, "batch_size": 3, "task": task},
            "conversion": {"readout": "membrane"},
            "output": {"log_vars": ["all"]},
        }
    )
    folder = tmp_path_factory.mktemp("diverged") / request.param
    with pytest.warns(OutputWarning, match="8 of 12 outputs"):
        run(network, "reference", data=(x, y[request.param]), settings=settings, output_dir=folder)
    return folder


def texts(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.filterwarnings("error")
def test_every_figure_is_drawn_and_says_what_it_leaves_out(diverged):
    found = output_graphs(Scene(run=view(diverged)))
    for figure in found.values():
        figure.canvas.draw()
    assert REST in texts(found["potential/01Dense_3"])
    if diverged.name != "classification":
        assert REST in texts(found["error_vs_time"])
        assert "8 of 12 are infinite" in texts(found["outputs"])
    result = view(diverged).result
    comparison = plot_comparison({"a": result, "b": result})
    comparison.canvas.draw()
    assert (REST in texts(comparison)) == (diverged.name != "classification")


@pytest.mark.filterwarnings("error")
def test_the_report_says_so_in_words_and_leaves_the_values_out(diverged):
    shown = view(diverged)
    page = report_html(shown)
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page).group(1)
    data = json.loads(text, parse_constant=pytest.fail)
    histogram = data["layers"][-1]["histogram"]
    assert sum(histogram["rates"]) == pytest.approx(100, abs=0.01)  # rounded shares
    assert f"Of the outputs, 8 of 12 {REST}" in " ".join(notes(shown))
    if diverged.name != "classification":
        assert "infinite or no numbers" in verdict(shown, subject="It")
        cards = {name: value for name, value, _ in headline(shown, units=Units())}
        assert cards["Difference"] == "infinite"
        assert data["accuracy"]["snn"][-1] is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_arrays_of_users_are_drawn_without_what_cannot_be(value):
    numbers = np.array([0.0, 1.0, value, 3.0])
    levels = np.arange(5.0)
    image = np.array([[[0.0, 1.0, value]]])
    for figure in (
        plot_hist({"a": numbers}),
        plot_hist({"a": numbers}, levels=levels),
        plot_outputs(numbers[:, None], numbers[:, None]),
        plot_outputs(np.arange(4.0)[:, None], np.full((4, 1), value)),
        plot_correlations(numbers, np.arange(4.0)),
        plot_input_image(image),
        plot_input_image(image[..., :2].repeat(2, axis=1) + np.array([[[0], [value]]])[0]),
    ):
        figure.canvas.draw()


def test_values_that_are_left_out_are_counted():
    assert describe_rest(np.array([1.0, np.nan, np.inf, -1e300])) == f"3 of 4 {REST}"
    assert describe_rest(np.zeros(3, int)) == ""


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dt", [1e-300, 1e-30, 1e30, 1e300])
def test_steps_of_any_length_are_drawn(run_dir, dt):
    result = RunResult.load(run_dir)
    identity = result.metadata["identity"]
    simulation = {**identity["settings"]["simulation"], "dt": dt}
    identity = {**identity, "settings": {**identity["settings"], "simulation": simulation}}
    shown = view(replace(result, metadata={**result.metadata, "identity": identity}))
    for unit in ("steps", "ms"):
        report_html(shown, unit=unit)
        for figure in output_graphs(Scene(run=shown, units=shown.units(unit))).values():
            figure.canvas.draw()


def test_tens_of_thousands_of_classes_have_a_report_of_usual_size(tmp_path):
    number = 21_000
    rng = np.random.default_rng(3)
    network = NetworkBuilder((4,)).dense(rng.integers(-4, 5, (4, number)) / 8).build()
    names = [f"a class with a long name, of which this is number {i}" for i in range(number)]
    data = Dataset.of(rng.random((5, 4)), rng.integers(0, number, 5), classes=names)
    settings = {"simulation": {"duration": 4}, "output": {"log_vars": ["all"]}}
    run(network, "reference", data=data, settings=settings, output_dir=tmp_path / "run")
    shown = view(tmp_path / "run")
    found = report_data(shown, units=Units())["confusion"]
    assert len(found["counts"]) == len(found["classes"]) <= MOST_SHOWN
    assert re.fullmatch(r"\d+ of \d+\u202f\d+ classes: those that occur", found["remark"])
    assert found["names"][found["classes"][0]] == names[found["classes"][0]]
    page = report_html(shown)
    assert "and 20\u202f000 more" in page
    assert len(page) < 2_500_000

"""Figures and reports of outputs that are no classes, and of data without labels."""

import numpy as np
import pytest

from snn_core.errors import DataError
from snn_core.running.result import RunResult
from snn_plot.graphs import makers, output_graphs
from snn_plot.listing import Runs, walk
from snn_plot.measures import measure_of
from snn_plot.operations import plot_comparison
from snn_plot.outputs import plot_outputs
from snn_plot.recorded import view
from snn_plot.report import report_html
from snn_plot.report_data import report_data
from snn_plot.report_words import headline
from snn_plot.scene import Scene
from snn_plot.serve import index_html
from snn_plot.units import Units

ALWAYS = {"error_vs_time", "ops_vs_time"}


@pytest.mark.parametrize(
    ("name", "figures", "measure", "cards"),
    [
        ("binary", {"confusion_matrix"}, "accuracy", {"Spiking accuracy", "Analog accuracy"}),
        ("multilabel", set(), "labels that are right", {"Labels right", "All labels right"}),
        ("regression", {"outputs"}, "mean squared error", {"Mean squared error", "R²"}),
        ("unlabelled classes", set(), "agreement with analog", {"Same decision"}),
        (
            "unlabelled numbers",
            {"outputs"},
            "squared difference from analog",
            {"Difference"},
        ),
    ],
)
def test_a_run_has_the_figures_of_its_task(task_dirs, name, figures, measure, cards):
    run = view(task_dirs[name])
    assert set(output_graphs(Scene(run=run))) == ALWAYS | figures
    found = measure_of(run.result)
    assert found.name == measure
    assert (found.low_t <= found.value_t).all()
    assert (found.value_t <= found.high_t).all()
    assert cards <= {row[0] for row in headline(run, units=Units())}
    data = report_data(run, units=Units())
    assert (data["confusion"] is None) == ("confusion_matrix" not in figures)
    assert (data["outputs"] is None) == ("outputs" not in figures)
    page = report_html(run)
    assert f"<h2>{measure.capitalize()} over time</h2>" in page
    assert ("The data have no labels" in page) == name.startswith("unlabelled")


def test_measures_are_those_of_the_result(task_dirs):
    for name in ("binary", "multilabel"):
        result = RunResult.load(task_dirs[name])
        assert measure_of(result).value_t[-1] == pytest.approx(100 * result.accuracy)
        assert measure_of(result).ann == pytest.approx(100 * result.ann_accuracy)
    result = RunResult.load(task_dirs["regression"])
    assert measure_of(result).value_t[-1] == result.mse
    assert measure_of(result).ann == result.ann_mse
    result = RunResult.load(task_dirs["unlabelled numbers"])
    assert measure_of(result).value_t[-1] == pytest.approx(result.difference**2)
    assert measure_of(result).ann is None


def test_a_figure_of_another_task_is_refused_by_name(task_dirs):
    scene = Scene(run=view(task_dirs["regression"]))
    with pytest.raises(DataError, match="confusion_matrix is of classes that are known; the task"):
        makers(scene, only=["confusion_matrix"])
    scene = Scene(run=view(task_dirs["unlabelled classes"]))
    with pytest.raises(DataError, match="'classification', without labels"):
        makers(scene, only=["confusion_matrix"])


def test_runs_of_one_task_are_compared(task_dirs):
    results = {name: RunResult.load(path) for name, path in task_dirs.items()}
    figure = plot_comparison(dict.fromkeys(("one", "other"), results["regression"]))
    assert figure.axes[0].get_ylabel() == "mean squared error"
    with pytest.raises(DataError, match="compare runs of one task"):
        plot_comparison(results)


def test_every_output_has_a_dot_for_each_network(task_dirs):
    result = RunResult.load(task_dirs["regression"])
    figure = plot_outputs(result.targets_b_o, result.output_b_o, result.ann_output_b_o)
    analog, spiking, equal = figure.axes[0].get_lines()
    for line, values in ((analog, result.ann_output_b_o), (spiking, result.output_b_o)):
        np.testing.assert_array_equal(line.get_xdata(), result.targets_b_o.ravel())
        np.testing.assert_array_equal(line.get_ydata(), values.ravel())
    np.testing.assert_array_equal(equal.get_xdata(), equal.get_ydata())
    with pytest.raises(DataError, match="expected the same for all"):
        plot_outputs(result.targets_b_o, result.output_b_o[:, :1])


def test_the_list_of_runs_shows_the_measure_of_each(task_dirs):
    for name, words in (
        ("regression", "MSE "),
        ("unlabelled classes", "agreement "),
        ("unlabelled numbers", "difference "),
    ):
        root = task_dirs[name].parent
        page = index_html(root, Runs().listed(walk(root)))
        assert f"<td>{words}" in page

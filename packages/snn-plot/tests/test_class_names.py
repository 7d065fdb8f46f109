"""Names of classes, from the result folder to figures and report."""

import re

from snn_plot.graphs import Scene, output_graphs
from snn_plot.recorded import view
from snn_plot.report import report_html
from snn_plot.report_data import report_data
from snn_plot.units import Units

NAMES = ["ant", "bee", "cat", "dog"]


def test_figures_name_the_classes(named_dir):
    run = view(named_dir)
    figures = output_graphs(Scene(run=run), only=["confusion_matrix", "input_image"])
    ticks = [text.get_text() for text in figures["confusion_matrix"].axes[0].get_yticklabels()]
    largest = max(run.result.labels_b.max(), run.result.decision_b.max())
    assert ticks == NAMES[: largest + 1]
    label = NAMES[run.result.labels_b[run.sample]]
    assert f"class {label}, decided " in figures["input_image"].axes[0].get_title()


def test_the_report_names_the_classes(named_dir):
    run = view(named_dir)
    assert report_data(run, units=Units())["confusion"]["names"] == NAMES
    page = report_html(run)
    assert f"class {NAMES[run.result.labels_b[run.sample]]}" in page
    assert "0 ant, 1 bee, 2 cat, 3 dog" in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_classes_without_names_are_numbers(plain_dir):
    run = view(plain_dir)
    names = report_data(run, units=Units())["confusion"]["names"]
    assert names == [str(i) for i in range(len(names))]

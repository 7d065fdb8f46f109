"""Names of classes, from the result folder to figures and report."""

import re

from matplotlib.text import Text

from snn_plot.graphs import output_graphs
from snn_plot.recorded import view
from snn_plot.report import report_html
from snn_plot.report_data import report_data
from snn_plot.scene import Scene
from snn_plot.units import Units

NAMES = ["ant", "bee", "cat", "dog"]


def test_figures_name_the_classes(named_dir):
    run = view(named_dir)
    figures = output_graphs(Scene(run=run), only=["confusion_matrix", "input_image"])
    ticks = [text.get_text() for text in figures["confusion_matrix"].axes[0].get_yticklabels()]
    largest = max(run.result.labels_b.max(), run.result.decision_b.max())
    assert ticks == NAMES[: largest + 1]
    label = NAMES[run.result.labels_b[run.sample]]
    texts = [text.get_text() for text in figures["input_image"].findobj(Text)]
    assert any(f"class {label}, predicted " in text for text in texts)


def test_the_output_is_drawn_by_class(make_run):
    scene = Scene(run=view(make_run(classes=NAMES)))
    output = scene.run.layers[-1].name
    figures = output_graphs(scene, only=["spiketrains", "potential", "activations"])
    trains = figures[f"spiketrains/{output}"].axes[0]
    assert [text.get_text() for text in trains.get_yticklabels()] == NAMES
    bars = next(axes for axes in figures["activations"].axes if axes.get_xlabel() == "class")
    assert [text.get_text() for text in bars.get_xticklabels()] == NAMES
    named = figures[f"potential/{output}"].axes[0].get_legend_handles_labels()[1]
    assert {name.partition(" ")[0] for name in named} == {*NAMES, "threshold"}


def test_the_report_names_the_classes(named_dir):
    run = view(named_dir)
    assert report_data(run, units=Units())["confusion"]["names"] == dict(enumerate(NAMES))
    page = report_html(run)
    assert f"class {NAMES[run.result.labels_b[run.sample]]}" in page
    assert "0 ant, 1 bee, 2 cat, 3 dog" in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_classes_without_names_are_numbers(plain_dir):
    run = view(plain_dir)
    names = report_data(run, units=Units())["confusion"]["names"]
    assert names == {i: str(i) for i in range(len(names))}

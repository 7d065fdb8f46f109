"""What lets figures be read: bins, axes, colours, curves that coincide, and what they are of."""

import itertools
import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from snn_core import run
from snn_core.data import Dataset
from snn_core.ir import Linear
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.networks import dyadic
from snn_plot import style
from snn_plot.accuracy import plot_error_vs_time, plot_param_sweep
from snn_plot.activity import plot_activations, plot_input_image
from snn_plot.graphs import makers, output_graphs
from snn_plot.operations import name_differences, plot_comparison
from snn_plot.recorded import view
from snn_plot.scene import Scene
from snn_plot.spikes import (
    find_by_activity,
    find_different,
    plot_potential,
    plot_spikecount_vs_time,
)
from snn_plot.weights import bins_around, plot_activ_hist, plot_hist


def run_of(network, x, labels, *, steps=8, classes=(), code="temporal_mean_rate", **conversion):
    settings = Settings.of(
        {
            "conversion": {"spike_code": code, "readout": network.readout, **conversion},
            "simulation": {"duration": steps},
            "output": {"log_vars": ["all"]},
        }
    )
    data = Dataset.of(x, labels, classes=classes)
    return run(network, "reference", data=data, settings=settings)


def mlp(*sizes, names=None, low=-0.3, high=0.4, readout="counts"):
    rng = np.random.default_rng(2)
    builder = NetworkBuilder((sizes[0],))
    for index, shape in enumerate(itertools.pairwise(sizes)):
        chosen = {} if names is None else {"name": names[index]}
        if readout == "membrane" and index == len(sizes) - 2:
            chosen["activation"] = Linear()
        builder = builder.dense(dyadic(shape, rng, low=low, high=high), **chosen)
    return builder.build(readout=readout)


X = np.random.default_rng(1).integers(0, 16, (6, 8)).astype(np.float32) / 16


# Histograms.


@pytest.mark.parametrize("steps", [1, 4, 20])
def test_each_possible_rate_has_a_bin_of_its_own(steps):
    scene = Scene(run=view(run_of(mlp(8, 12, 3), X, np.arange(6) % 3, steps=steps)))
    # Rates are float32.
    np.testing.assert_allclose(scene.levels, np.arange(steps + 1) / steps, rtol=1e-7)
    for name, figure in output_graphs(scene, only=["hist", "hist_combined"]).items():
        edges = figure.axes[0].patches[0].get_data().edges
        held = np.histogram(np.arange(steps + 1) / steps, edges)[0]
        assert held[: steps + 1].tolist() == [1] * (steps + 1), name


def test_rates_in_milliseconds_have_bins_in_milliseconds(make_run):
    run = view(make_run(dt=0.5, steps=10))
    scene = Scene(run=run, units=run.units("ms"))
    np.testing.assert_allclose(scene.levels, np.arange(11) / 5)


def test_more_rates_than_bars_share_bins_evenly_and_silence_has_its_own():
    edges = bins_around(np.arange(501) / 500, np.zeros(1))
    held = np.histogram(np.arange(501) / 500, edges)[0]
    assert held[0] == 1
    assert edges[1] - edges[0] == pytest.approx(edges[2] - edges[1])
    assert set(held[1:]) == {4}


def test_activations_beyond_all_rates_are_counted():
    values = np.array([-0.4, 0.0, 0.25, 1.0, 1.25, 9.0])
    edges = bins_around(np.arange(5) / 4, values)
    assert np.histogram(values, edges)[0].sum() == len(values)
    assert (np.diff(edges) > 0).all()


def test_only_the_first_of_several_histograms_hides_what_is_behind_it():
    figure = plot_hist({"rates": np.arange(9) / 9, "activations": np.arange(9) / 9})
    first, second = figure.axes[0].patches
    assert first.get_fill()
    assert not second.get_fill()


def test_the_axis_ends_where_the_values_end():
    figure = plot_hist({"rates": np.array([0, 0.1, 0.2])}, levels=np.arange(101) / 100)
    assert figure.axes[0].get_xlim()[1] < 0.25


def test_a_layer_without_any_activity_has_a_histogram():
    figure = plot_activ_hist({"rates": np.zeros(5)})
    assert figure.axes[0].get_legend_handles_labels()[1] == ["rates (all are 0)"]


# Outputs are another quantity than what hidden layers do.


def test_scores_have_an_axis_of_their_own():
    hidden = np.arange(6.0).reshape(2, 3) / 6
    limits = []
    for largest in (1, 1000):
        figure = plot_activations({"a": hidden, "out": np.array([-largest, largest])}, output="out")
        (image,) = [image for axes in figure.axes for image in axes.images]
        limits.append(image.get_clim())
        bars = next(axes for axes in figure.axes if axes.get_ylabel() == "output")
        assert [bar.get_height() for bar in bars.patches] == [-largest, largest]
    assert limits[0] == limits[1] == (0, 5 / 6)


def test_histograms_of_all_layers_are_of_hidden_ones():
    scene = Scene(run=view(run_of(mlp(8, 12, 3), X, np.arange(6) % 3)))
    assert scene.run.layers[-1].points_p is not None
    figures = output_graphs(scene, only=["hist_combined", "activ_hist"])
    names = figures["hist_combined"].axes[0].get_legend_handles_labels()[1]
    assert names == [scene.run.layers[0].name]


def test_potentials_that_are_read_have_no_threshold_and_no_rates():
    network = mlp(8, 12, 3, readout="membrane")
    scene = Scene(run=view(run_of(network, X - 0.5, np.arange(6) % 3)))
    found = makers(scene)
    output = scene.run.layers[-1].name
    for kind in ("hist", "max_activ_hist", "layer_correlation"):
        assert f"{kind}/{scene.run.layers[0].name}" in found
        assert f"{kind}/{output}" not in found
    axes = found[f"potential/{output}"]().axes[0]
    assert "threshold" not in axes.get_legend_handles_labels()[1]
    assert axes.get_ylabel() == "membrane potential"
    hidden = found[f"potential/{scene.run.layers[0].name}"]().axes[0]
    assert hidden.get_ylabel() == "membrane potential (thresholds)"


# Potentials.


def potentials():
    """Return twelve neurons of three kinds: rising, sinking, and still."""
    slopes = np.repeat([0.1, -0.1, 0], 4) + np.arange(12) / 1000
    return slopes[:, None] * np.arange(1, 21)


def test_neurons_are_chosen_that_differ():
    chosen = find_different(potentials(), 3)
    assert sorted(neuron // 4 for neuron in chosen) == [0, 1, 2]


@pytest.mark.parametrize(("predicted", "true"), [(1, 6), (3, 3), (11, 0), (-1, 5)])
def test_the_predicted_and_the_true_class_are_always_shown(predicted, true):
    names = [f"class{i}" for i in range(12)]
    figure = plot_potential(
        potentials(), label="out", predicted=predicted, true=true, names=names, max_neurons=4
    )
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    for number, role in ((predicted, "predicted"), (true, "true")):
        if number >= 0:
            (line,) = [line for name, line in lines.items() if role in name.partition("(")[2]]
            assert line.get_label().startswith(f"class{number} ")
            np.testing.assert_array_equal(line.get_ydata(), potentials()[number])
    assert len(lines) == 4 + 1
    assert len({line.get_color() for line in lines.values()}) == len(lines)


@pytest.mark.parametrize(
    ("spikes", "shown"),
    [
        ([0] * 50 + [1] * 40 + [5, 10, 15, 20], [0, 1, 5, 10, 15, 20]),
        ([0] * 3 + [4], [0, 4]),
        ([2] * 9, [2] * 6),
    ],
)
def test_of_neurons_that_spike_quiet_and_busy_ones_are_shown(spikes, shown):
    found = find_by_activity(np.array(spikes), 6)
    assert sorted(spikes[neuron] for neuron in found) == shown
    assert len(set(found)) == len(found)


def test_hidden_neurons_in_a_figure_are_chosen_by_their_spikes():
    scene = Scene(run=view(run_of(mlp(8, 40, 3), X, np.arange(6) % 3)))
    layer = scene.run.layers[0]
    axes = output_graphs(scene, only=["potential"])[f"potential/{layer.name}"].axes[0]
    numbers = [int(name) for name in axes.get_legend_handles_labels()[1] if name != "threshold"]
    spikes = np.abs(layer.spiketrains_l_t).sum(axis=-1)
    assert (spikes == 0).sum() > 1  # so that more could be shown
    assert (spikes[numbers] == 0).sum() == 1
    assert spikes[numbers].max() == spikes.max()


def test_hidden_neurons_have_colours_of_their_own():
    lines = plot_potential(potentials(), label="hidden", v_thresh=None).axes[0].lines
    assert len({line.get_color() for line in lines}) == len(lines) == 6


# Pictures.


@pytest.mark.parametrize("low", [-2.0, 0.0, 100.0])
def test_an_input_is_drawn_in_its_own_range(low):
    picture = low + np.arange(4.0).reshape(2, 2, 1)
    (image,) = [i for axes in plot_input_image(picture).axes for i in axes.images]
    assert image.get_clim() == (low, low + 3)
    colours = np.repeat(picture, 3, axis=-1)
    (image,) = [i for axes in plot_input_image(colours).axes for i in axes.images]
    assert (image.get_array().min(), image.get_array().max()) == (0, 1)


# Axes where the interest is in the last percent, and curves that coincide.


def height(axes, value):
    """Return where a value stands, as a share of the panel's height."""
    return axes.transAxes.inverted().transform(axes.transData.transform((0, value)))[1]


def test_the_last_percent_of_errors_can_be_read():
    errors = np.arange(1000)[:, None] >= np.array([0, 500, 900, 990, 999, 1000])
    axes = plot_error_vs_time(errors).axes[0]
    assert 0 <= height(axes, 0) < height(axes, 0.1)
    assert height(axes, 1) - height(axes, 0.1) > 0.15
    assert {0, 0.1, 1, 10, 100} <= set(axes.get_yticks())


def test_the_last_percent_of_accuracies_can_be_read():
    axes = plot_param_sweep([0.5, 0.99, 0.999], 1000, [1, 2, 3], param_name="x (ms)").axes[0]
    assert height(axes, 99.9) - height(axes, 99) > 0.15
    assert height(axes, 50) < height(axes, 90) < height(axes, 100) <= 1


def test_large_errors_fill_their_axis():
    errors = np.arange(100)[:, None] < np.array([60, 55, 50])
    axes = plot_error_vs_time(errors).axes[0]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] > 40


def test_curves_that_coincide_differ_in_colour_and_width(make_run):
    result = make_run()
    for axes in (
        plot_comparison({"one": result, "two": result}).axes[0],
        plot_spikecount_vs_time({"a": np.ones((2, 5)), "b": np.ones((2, 5))}).axes[0],
    ):
        first, second = axes.lines[:2]
        assert first.get_color() != second.get_color()
        assert first.get_linewidth() >= second.get_linewidth() + 0.5


def test_many_curves_differ_in_colour_or_dashes():
    looks = style.curves(20)
    over = style.curves(5, dashed=True)
    assert len({str(look["linestyle"]) for look in over}) == 5
    assert len({(look["color"], str(look["linestyle"])) for look in looks}) == 20


def test_equal_levels_take_turns():
    (start, (drawn, free)), (second, _) = style.dashes(0, 2), style.dashes(1, 2)
    assert (second - start) % (drawn + free) == drawn
    assert drawn <= free


def test_values_that_crowd_can_stand_evenly():
    axes = plot_param_sweep([0.5] * 3, 9, [90, 99, 99.9], param_name="p (%)", evenly=True).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["90", "99", "99.9"]
    assert np.ptp(np.diff(axes.lines[0].get_xdata())) == 0


# What a figure is of.


def test_every_figure_names_its_run_and_those_of_a_sample_the_sample(run_dir):
    run = view(run_dir, sample_id=4)
    of_sample = {
        "input_image", "spiketrains", "events", "activity_frames", "potential", "activations",
        "layer_activity", "activations_minus_rates", "layer_summaries",
    }  # fmt: skip
    for name, figure in output_graphs(Scene(run=run)).items():
        top = figure._suptitle.get_text()
        assert top.startswith("everything"), name
        assert ("sample 4, class " in top) == (name.partition("/")[0] in of_sample), name


# Odd runs.

LONG = [f"a_name_of_a_layer_that_goes_on_until_it_has_more_than_sixty_letters_{c}" for c in "αβγ"]

ODD = {
    "one silent step, long names": lambda: run_of(
        mlp(8, 20, 12, 3, names=LONG, low=-0.5, high=-0.1), X, np.arange(6) % 3, steps=1
    ),
    "negative outputs, long classes": lambda: run_of(
        mlp(8, 20, 40, readout="membrane"), X - 0.5, np.arange(6) * 7,
        classes=[f"a species that has the number {i}" for i in range(40)],
    ),
    "one sample of two classes": lambda: run_of(mlp(8, 2), X[:1], np.array([1]), steps=300),
    "patterns": lambda: run_of(
        mlp(8, 20, 3, readout="membrane"), X, np.arange(6) % 3, code="temporal_pattern", num_bits=8
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_runs_have_whole_figures(case):
    scene = Scene(run=view(ODD[case]()))
    for name, make in makers(scene).items():
        figure = make()
        canvas = FigureCanvasAgg(figure)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a layout that collapses warns
            canvas.draw()
        needed = figure.get_tightbbox(canvas.get_renderer())
        width, tall = figure.get_size_inches()
        # Half a line at an axis' end lies outside its panel.
        assert min(needed.x0, needed.y0) >= -0.02, name
        assert needed.x1 <= width + 0.02, name
        assert needed.y1 <= tall + 0.02, name
        texts = " ".join(text.get_text() for text in figure.findobj(Text))
        assert "decided" not in texts, name


def test_runs_are_named_with_what_differs(make_run):
    first, second = (make_run(log_vars=(), steps=steps) for steps in (4, 8))
    assert list(name_differences({"a": first, "b": second})) == ["a: 4 steps", "b: 8 steps"]
    assert list(name_differences({"a": first, "b": first})) == ["a", "b"]

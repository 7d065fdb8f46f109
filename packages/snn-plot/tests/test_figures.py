"""What holds of every figure: units, nothing cut, one column wide, no global state."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.legend import Legend
from matplotlib.text import Text

from snn_core.errors import DataError
from snn_plot import style
from snn_plot.activity import (
    arrange,
    plot_activations,
    plot_activity_frames,
    plot_layer_activity,
)
from snn_plot.correlation import (
    pearson,
    plot_layer_correlation,
    plot_network_correlations,
    plot_pearson_coefficients,
)
from snn_plot.spikes import plot_events, plot_spikecount_vs_time, plot_spiketrains
from snn_plot.units import Units
from snn_plot.weights import plot_hist_combined

_SPEC = importlib.util.spec_from_file_location("drawings", Path(__file__).with_name("drawings.py"))
drawings = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(drawings)

BASELINE = Path(__file__).with_name("baseline")

SEED_PAGE = [
    "plot_layer_summaries",
    "plot_layer_activity",
    "plot_activations",
    "plot_activations_minus_rates",
    "plot_layer_correlation",
    "plot_correlations",
    "plot_network_correlations",
    "plot_pearson_coefficients",
    "plot_hist",
    "plot_activ_hist",
    "plot_max_activ_hist",
    "plot_hist_combined",
    "plot_param_sweep",
    "plot_spiketrains",
    "plot_potential",
    "plot_confusion_matrix",
    "plot_error_vs_time",
    "plot_ops_vs_time",
    "plot_spikecount_vs_time",
    "plot_input_image",
    "plot_history",
    "plot_probe",
    "plot_weight_distribution",
    "plot_execution_time_probe",
    "plot_energy_probe",
    "plot_power_probe",
    "plot_parameter_histogram",
]

NAMES = [
    *(name.removeprefix("plot_") for name in SEED_PAGE),
    "comparison",
    "events",
    "activity_frames",
]

# Root mean square of the differences of levels, 0 to 255, of blocks of 5 x 5 pixels. Letters are
# left out, since their shapes and sizes change with matplotlib's version and shift all else. What
# is left is equal for lines in versions 3.7 and 3.11 (measured: 0). Cells of pictures end a pixel
# earlier or later (measured: 7.9 at most). Other data differ by more, see below.
CURVES, PICTURES = 1, 12
DPI = 100
BLOCK = 5


@pytest.fixture(scope="module")
def all_drawings(network, make_run):
    return drawings.drawings(network, make_run())


def bare(figure):
    """Return a figure without letters, ticks, legends and colour bars, of whole pixels."""
    figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    # A hundredth of a pixel more: versions of matplotlib round in different ways.
    figure.set_size_inches(width, (round(DPI * height) + 0.01) / DPI)
    for axes in list(figure.axes):
        if axes.get_label() == "<colorbar>":
            axes.remove()
            continue
        axes.xaxis.set_visible(False)
        axes.yaxis.set_visible(False)
    for artist in [*figure.findobj(Text), *figure.findobj(Legend)]:
        artist.set_visible(False)
    return figure


def difference(path, other):
    """Return how much two pictures differ, in levels from 0 to 255."""
    rows, columns = (min(a, b) // BLOCK for a, b in zip(*map(size_of, (path, other)), strict=True))
    first, second = (
        255
        * imread(str(file))[: rows * BLOCK, : columns * BLOCK, :3]
        .reshape(rows, BLOCK, columns, BLOCK, 3)
        .mean(axis=(1, 3))
        for file in (path, other)
    )
    return float(np.sqrt(((first - second) ** 2).mean()))


def size_of(path):
    return imread(str(path)).shape[:2]


def labels_of(axes):
    return [text for text in (axes.get_xlabel(), axes.get_ylabel()) if text]


def test_every_function_is_drawn_here(all_drawings):
    assert set(all_drawings) == set(NAMES)


def test_every_function_of_the_seed_page_is_exported():
    import snn_plot

    missing = [n for n in [*SEED_PAGE, "output_graphs"] if not callable(getattr(snn_plot, n, None))]
    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_and_the_figure_is_one_column_wide(all_drawings, name):
    assert_whole(all_drawings[name]())


LONG = ("02AveragePooling2D_56x56x512", "13DepthwiseConv2D_128x128x1024")


@pytest.mark.parametrize(
    "draw",
    [
        lambda a: plot_activations(dict.fromkeys(LONG, a)),
        lambda a: plot_network_correlations(dict.fromkeys(LONG, a), dict.fromkeys(LONG, a)),
        lambda a: plot_pearson_coefficients(dict.fromkeys(LONG, a.ravel())),
        lambda a: plot_hist_combined(dict.fromkeys(LONG, a)),
        lambda a: plot_spikecount_vs_time(dict.fromkeys(LONG, a[..., 0])),
        lambda a: plot_hist_combined({f"{i:02}Conv2D_8x8x512": a for i in range(50)}),
        lambda a: plot_spiketrains(np.ones((12345, 9)), label=LONG[0]),
    ],
)
def test_long_labels_are_not_cut(draw):
    assert_whole(draw(drawings.sixteenths(4, 4, 6)))


def assert_whole(figure):
    """Check that no letter lies outside the figure, and that it is one column wide."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    needed = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert width == style.COLUMN_WIDTH
    # A hundredth of an inch: half a line at an axis' end lies outside its panel.
    assert needed.x0 >= -0.01
    assert needed.y0 >= -0.01
    assert needed.x1 <= width + 0.01
    assert needed.y1 <= height + 0.01


PLAIN = ("predicted class", "true class", "neuron (index)", "epoch", "loss", "value", "a", "b",
         "activation", "largest activation per sample", "input value", "spikes/step",
         "Pearson's r of rates and activations")  # fmt: skip
"""Labels of what has no unit, and units alone, beside a panel whose title says the rest."""


@pytest.mark.parametrize("name", NAMES)
def test_axes_have_labels_with_units(all_drawings, name):
    figure = all_drawings[name]()
    shared = [text.get_text() for text in (figure._supxlabel, figure._supylabel) if text]
    found = shared + [text for axes in figure.axes for text in labels_of(axes)]
    remarks = ("feature maps", "neurons ")
    assert any("(" in text or text in PLAIN for text in found)
    for text in found:
        known = text in PLAIN or any(remark in text for remark in remarks)
        assert known or ("(" in text and text.endswith(")")), f"no unit in {text!r}"
        assert "(1)" not in text, "a number without a unit has none"


@pytest.mark.parametrize("name", NAMES)
def test_letters_are_legible_at_one_column(all_drawings, name):
    figure = all_drawings[name]()
    figure.canvas.draw() if hasattr(figure.canvas, "draw") else None
    sizes = [
        tick.label1.get_fontsize() for axes in figure.axes for tick in axes.xaxis.get_major_ticks()
    ]
    assert all(6 <= size <= 8 for size in sizes)


@pytest.mark.parametrize("name", NAMES)
def test_figures_look_as_they_did(all_drawings, name, tmp_path, request):
    path = tmp_path / f"{name}.png"
    figure = bare(all_drawings[name]())
    figure_has_cells = any(axes.images for axes in figure.axes)
    figure.savefig(path, dpi=DPI)
    if request.config.getoption("--write-baseline"):
        shutil.copy(path, BASELINE)
        return
    assert size_of(path) == size_of(BASELINE / f"{name}.png")
    tolerance = PICTURES if figure_has_cells else CURVES
    assert difference(path, BASELINE / f"{name}.png") <= tolerance


def test_the_comparison_notices_another_picture(tmp_path):
    wanted = drawings.sixteenths(4, 4, 6)
    rates = drawings.trains(wanted).mean(axis=-1) * 7 / 8
    turned = plot_layer_activity(rates.transpose(1, 0, 2), label=drawings.CONV)
    bare(turned).savefig(tmp_path / "turned.png", dpi=DPI)
    assert difference(tmp_path / "turned.png", BASELINE / "layer_activity.png") > 3 * PICTURES


def test_the_comparison_notices_another_curve(tmp_path):
    wanted = drawings.sixteenths(4, 4, 6)
    other = plot_layer_correlation(wanted * 15 / 16, wanted, label=drawings.CONV)
    bare(other).savefig(tmp_path / "other.png", dpi=DPI)
    assert difference(tmp_path / "other.png", BASELINE / "layer_correlation.png") > 3 * CURVES


def test_drawing_leaves_the_settings_of_matplotlib_alone(all_drawings):
    before = dict(mpl.rcParams)
    mpl.rcParams["axes.labelsize"] = 31.0
    try:
        figure = all_drawings["error_vs_time"]()
        assert mpl.rcParams["axes.labelsize"] == 31.0
        assert figure.axes[0].xaxis.label.get_fontsize() == 7.0
    finally:
        mpl.rcParams.update(before)


def test_no_module_imports_pyplot():
    code = (
        "import sys, snn_plot, snn_plot.report, snn_plot.serve, snn_plot.cli;"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("neurons", [10, 10_000])
def test_a_raster_suits_small_and_large_layers(neurons):
    spikes = np.zeros((neurons, 50), np.int8)
    spikes[np.arange(neurons), np.arange(neurons) % 50] = 1
    figure = plot_spiketrains(spikes, label="layer")
    axes = figure.axes[0]
    shown = {int(y) for line in axes.lines for y in line.get_ydata()}
    texts = [text.get_text() for text in axes.texts]
    assert len(shown) == min(neurons, 400)
    assert {0, neurons - 1} <= shown
    assert texts == ([] if neurons == 10 else ["400 of 10\u202f000 neurons"])


def test_a_spike_stands_at_the_end_of_its_step_in_the_chosen_unit():
    spikes = np.array([[0, 0, 1, 0], [-1, 0, 0, 0]])
    figure = plot_spiketrains(spikes, label="layer", units=Units(time="ms", dt_ms=0.5))
    up, down = figure.axes[0].lines
    assert (list(up.get_xdata()), list(up.get_ydata())) == ([1.5], [0])
    assert (list(down.get_xdata()), list(down.get_ydata())) == ([0.5], [1])
    assert figure.axes[0].get_xlabel() == "time (ms)"


def test_events_have_a_panel_for_each_part_of_the_address_and_dots_as_large_as_they_are_many():
    spikes = np.zeros((2, 3, 2, 4))
    spikes[0, 2, :, 1] = 1
    spikes[1, 0, 1, 3] = -3
    figure = plot_events(spikes, label="layer", units=Units(time="ms", dt_ms=0.5))
    rows, columns, maps = figure.axes
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "row (index)",
        "column (index)",
        "map (index)",
    ]
    assert maps.get_xlabel() == "time (ms)"
    up, down = columns.collections
    assert up.get_offsets().tolist() == [[1.0, 2]]
    assert down.get_offsets().tolist() == [[2.0, 0]]
    up, down = maps.collections
    assert up.get_offsets().tolist() == [[1.0, 0], [1.0, 1]]
    assert len(set(up.get_sizes())) == 1
    up = plot_events(np.array([[1, 0], [0, 4]]), label="layer").axes[0].collections[0]
    assert up.get_sizes()[1] == 4 * up.get_sizes()[0]
    assert [text.get_text() for text in rows.texts] == ["orange: −1, 5 events"]


def test_a_layer_without_spikes_has_a_picture_without_events():
    axes = plot_events(np.zeros((1, 5)), label="layer").axes[0]
    assert axes.texts[0].get_text() == "0 events"
    assert len(axes.collections[0].get_offsets()) == 0


def test_activity_frames_share_the_time_among_them():
    spikes = np.zeros((2, 2, 3, 8))
    spikes[0, 1, :, :2] = 1
    spikes[1, 0, 0, 6:] = 1
    figure = plot_activity_frames(spikes, label="layer", frames=4)
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title(loc="left") for axes in panels] == ["0–2", "2–4", "4–6", "6–8"]
    first, *_, last = (axes.images[0] for axes in panels)
    np.testing.assert_allclose(first.get_array(), [[0, 1], [0, 0]])
    np.testing.assert_allclose(last.get_array(), [[0, 0], [1 / 3, 0]])
    assert {image.get_clim() for image in (first, last)} == {(0, 1)}
    shorter = plot_activity_frames(spikes[..., :3], label="layer", frames=4)
    assert sum(bool(axes.images) for axes in shorter.axes) == 3


def test_a_correlation_shows_some_of_many_neurons_but_counts_all():
    rates = drawings.sixteenths(100, 100)
    wanted = np.minimum(rates + drawings.sixteenths(100, 100, seed=1) / 8, 1)
    figure = plot_layer_correlation(rates, wanted, label="layer")
    axes = figure.axes[0]
    assert len(axes.lines[0].get_xdata()) == 5000
    texts = [text.get_text() for text in axes.texts]
    # np.corrcoef is another implementation of the same sum; float64 sums of 10 000 terms.
    assert pearson(rates, wanted) == pytest.approx(np.corrcoef(rates.flat, wanted.flat)[0, 1])
    assert texts[0].startswith(f"r = {pearson(rates, wanted):.4f}")
    assert "saturated" in texts[0]
    assert texts[1] == "5\u202f000 of 10\u202f000 neurons"


def test_feature_maps_keep_their_order():
    maps = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    picture, remark = arrange(maps.astype(float))
    np.testing.assert_array_equal(picture[:2, :3], maps[..., 0])
    np.testing.assert_array_equal(picture[:2, 4:7], maps[..., 1])
    assert remark == "4 feature maps, row by row"


def test_many_feature_maps_are_thinned_out_and_said():
    picture, remark = arrange(np.zeros((2, 2, 512)))
    assert remark == "64 of 512 feature maps, evenly chosen"
    assert np.count_nonzero(~np.isnan(picture)) == 64 * 4


@pytest.mark.parametrize("shape", [(0,), (2, 2, 2, 2)])
def test_what_cannot_be_drawn_is_refused(shape):
    with pytest.raises(DataError, match="expected neurons along one, two or three axes"):
        plot_layer_activity(np.zeros(shape), label="layer")

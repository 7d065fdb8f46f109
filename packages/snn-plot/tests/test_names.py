"""Names of layers that hold formulas, markup, or the way to another folder."""

import io
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snn_core import run
from snn_core.conversion import convert, preset
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_plot import graphs
from snn_plot.names import fit, fit_all, letters
from snn_plot.recorded import view
from snn_plot.report import report_html
from snn_plot.saving import file_names, save_figure
from snn_plot.scene import Scene

RNG = np.random.default_rng(0)
X, Y = RNG.random((6, 4)).astype(np.float32), np.arange(6) % 3
SETTINGS = Settings.of({"simulation": {"duration": 8}, "output": {"log_vars": ["all"]}})


def scene_of(network):
    seen = view(run(network, "reference", data=(X, Y), settings=SETTINGS))
    return Scene(run=seen, units=seen.units("steps"), network=network)


def named(name):
    builder = NetworkBuilder((4,)).dense(RNG.random((4, 4)))
    network = convert(builder.dense(RNG.random((4, 3))).build(), X, settings=preset("fast"))
    hidden, output = network.spiking_layers
    layers = (network.input, replace(hidden, name=name), replace(output, inputs=(name,)))
    return replace(network, layers=layers, scale_facs={})


@pytest.mark.parametrize(
    "name", ["$\\frac$", "$x", "</script><b>", "[/bold]", "a/../../b", "ü" * 30]
)
def test_figures_and_report_show_any_name_as_text(name, tmp_path):
    scene = scene_of(named(name))
    folder = tmp_path / "figures"
    makers = graphs.makers(scene)
    for figure, file in file_names(makers, "svg").items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        save_figure(makers[figure](), path)
    assert {item.name for item in tmp_path.iterdir()} == {"figures"}
    page = report_html(scene.run)
    assert "</script><b>" not in page


@pytest.mark.parametrize("kind", ["spikecount_vs_time", "hist_combined", "error_vs_time"])
def test_numbers_at_logarithmic_axes_are_text_as_all_else_is(kind):
    figure = graphs.makers(scene_of(named("$x")))[kind]()
    figure.savefig(io.BytesIO())
    axes = figure.axes[0]
    ticks = [text.get_text() for text in (*axes.get_yticklabels(), *axes.get_xticklabels())]
    assert any(ticks)
    assert not any("$" in text or "\\" in text for text in ticks)


MARK = "-[0-9a-f]{8}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spiketrains/00Dense_3", "spiketrains/00Dense_3"),
        ("spiketrains/ü b$x.1", "spiketrains/ü b$x.1"),
        ("spiketrains/../../x", f"spiketrains/__{MARK}/__{MARK}/x"),
        ("a//b", f"a/_{MARK}/b"),
        ("a/.", f"a/_{MARK}"),
        ("a:b?c\\d", f"a_b_c_d{MARK}"),
        ("ü" * 300, f"{'ü' * 25}{MARK}"),
    ],
)
def test_names_make_paths_inside_their_folder(name, expected):
    ((found, file),) = file_names([name], "png").items()
    assert found == name
    assert re.fullmatch(rf"{re.escape(expected).replace(re.escape(MARK), MARK)}\.png", file)


@pytest.mark.parametrize(
    "names",
    [
        ["fc?1", "fc:1", "fc_1"],
        ["ü" * 300 + "1", "ü" * 300 + "2"],
        ["", "..", "__", "_"],
        ["FC1", "fc1", "Fc1"],
        ["straße", "strasse", "STRASSE"],
        ["é", "e\u0301"],
        ["a", "A.png/b", "a.png/c"],  # the first one's file stands where a folder has to be
    ],
)
def test_each_figure_has_a_file_of_its_own_where_case_does_not_count(names):
    files = file_names(names, "png").values()
    stored = {unicodedata.normalize("NFC", file).casefold() for file in files}
    assert len(stored) == len(names)
    folders = {str(parent).casefold() for file in files for parent in Path(file).parents}
    assert not stored & folders


def test_the_file_of_a_plain_name_does_not_hang_on_the_other_names():
    alone = file_names(["spiketrains/fc_1"], "png")
    others = file_names(["spiketrains/fc?1", "spiketrains/fc_1", "spiketrains/fc:1"], "png")
    assert alone == {"spiketrains/fc_1": "spiketrains/fc_1.png"}
    assert alone.items() <= others.items()
    assert file_names(["spiketrains/fc?1"], "png").items() <= others.items()


def test_a_network_of_one_layer_leaves_out_what_is_of_hidden_layers():
    network = convert(
        NetworkBuilder((4,)).dense(RNG.random((4, 3))).build(), X, settings=preset("fast")
    )
    scene = scene_of(network)
    found = graphs.makers(scene)
    assert "error_vs_time" in found
    assert "hist_combined" not in found
    for make in found.values():
        make()
    with pytest.raises(graphs.DataError, match="hist_combined has nothing to show"):
        graphs.makers(scene, only=["hist_combined"])


@pytest.mark.parametrize(
    "name", ["short", "00Conv2D_12x12x16" * 5, "层" * 30, "ü" * 61, "ab层" * 9]
)
@pytest.mark.parametrize("room", [3, 12, 25])
def test_long_names_keep_their_ends_within_their_room(name, room):
    cut = fit(name, room)
    assert letters(cut) <= max(room, letters("short") if name == "short" and room > 4 else room)
    assert cut == name or (cut.count("…") == 1 and cut[0] in (name[0], "…"))
    if letters(name) <= room:
        assert cut == name


def test_names_that_are_cut_stay_apart():
    names = [f"block/{i}/{'x' * 60}/{'y' * 60}" for i in range(3)]
    shown = fit_all(names, 20)
    assert len(set(shown)) == 3
    assert max(map(letters, shown)) <= 20
    assert fit_all(["same", "same"], 20) == ["same", "same"]

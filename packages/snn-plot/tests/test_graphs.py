import numpy as np
import pytest
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_plot.catalogue import KINDS
from snn_plot.graphs import left_out, makers, output_graphs
from snn_plot.recorded import view
from snn_plot.scene import Scene
from snn_plot.units import Units

LAYERS = ("01Conv2D_4x4x3", "03Dense_40", "04Dense_4")


@pytest.fixture
def scene(run_dir, network):
    return Scene(run=view(run_dir), network=network)


def test_every_kind_of_figure_is_drawn(scene):
    figures = output_graphs(scene)
    assert {name.partition("/")[0] for name in figures} == set(KINDS) - {"probes", "outputs"}
    assert all(isinstance(figure, Figure) for figure in figures.values())


def test_layers_have_figures_of_their_own(scene):
    found = makers(scene, only=["spiketrains"])
    assert list(found) == [f"spiketrains/{name}" for name in LAYERS]


def test_only_what_has_data_is_drawn(plain_dir):
    scene = Scene(run=view(plain_dir))
    assert set(makers(scene)) == {"error_vs_time", "ops_vs_time", "confusion_matrix"}
    assert len(left_out(scene)) == 2


def test_the_flag_records_what_is_missing_and_no_more(make_run, tmp_path):
    make_run(tmp_path / "run", log_vars=("spiketrains", "input"))
    weights = "for 2 more kinds, give the converted network with --model FILE.snn"
    assert left_out(Scene(run=view(tmp_path / "run")))[1] == weights
    assert left_out(Scene(run=view(tmp_path / "run")))[0].endswith(
        "more kinds, run again with --record potentials,activations"
    )
    make_run(tmp_path / "most", log_vars=("spiketrains", "input", "activations"))
    assert left_out(Scene(run=view(tmp_path / "most"))) == [
        "for 1 more kind of figure, run again with --record potentials",
        weights,
    ]


def test_asking_for_what_was_not_recorded_says_what_to_do(plain_dir):
    with pytest.raises(DataError, match=r"cannot be drawn: run again with --record potentials"):
        makers(Scene(run=view(plain_dir)), only=["potential"])


def test_an_unknown_figure_is_refused_with_the_known_ones(scene):
    with pytest.raises(DataError, match=r"No figure nonsense; expected some of error_vs_time"):
        makers(scene, only=["nonsense"])
    with pytest.raises(DataError, match=r"Did you mean 'spiketrains'\?$"):
        makers(scene, only=["spiketrain"])


def test_curves_show_the_results_of_all_samples(scene):
    figure = output_graphs(scene, only=["error_vs_time"])["error_vs_time"]
    np.testing.assert_allclose(
        figure.axes[0].lines[0].get_ydata(), 100 * (1 - scene.run.result.accuracy_t)
    )


def test_the_unit_of_time_holds_for_all_figures(run_dir):
    scene = Scene(run=view(run_dir), units=Units(time="ms"))
    for name, figure in output_graphs(scene).items():
        for axes in figure.axes:
            text = f"{axes.get_xlabel()} {axes.get_ylabel()}"
            assert "step" not in text, name


def test_probes_in_the_run_folder_are_drawn(make_run, tmp_path):
    make_run(tmp_path / "run", log_vars=())
    (tmp_path / "run" / "probes").mkdir()
    (tmp_path / "run" / "probes" / "chip.csv").write_text(
        "time_ms,total_mw,used_uj\n1,2,3\n2,3,4\n"
    )
    found = output_graphs(Scene(run=view(tmp_path / "run")), only=["probes"])
    assert list(found) == [
        "probes/chip-energy_probe",
        "probes/chip-power_probe",
        "probes/chip-probe",
    ]

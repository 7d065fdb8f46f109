import numpy as np
import pytest

from snn_core.errors import DataError
from snn_plot.probes import (
    plot_energy_probe,
    plot_execution_time_probe,
    plot_power_probe,
    read_probe,
    total_energy_j,
)

TABLE = "# from a meter\ntime_ms,static_mw,dynamic_mw\n1,8,2\n2,8,4\n3,8,6\n"


def test_tables_are_read_from_csv_and_npz(tmp_path):
    (tmp_path / "p.csv").write_text(TABLE)
    columns = {"time_ms": [1, 2, 3], "static_mw": [8, 8, 8], "dynamic_mw": [2, 4, 6]}
    np.savez(tmp_path / "p.npz", **columns)
    for name in ("p.csv", "p.npz"):
        probe = read_probe(tmp_path / name)
        assert (probe.time_name, probe.time_label) == ("time_ms", "time (ms)")
        np.testing.assert_array_equal(probe.values["dynamic_mw"], [2, 4, 6])


@pytest.mark.parametrize("name", ["step", "x_mw"])
@pytest.mark.parametrize("kind", ["c16", "c8", "U3"])
def test_columns_that_are_no_plain_numbers_are_refused(tmp_path, name, kind):
    columns = {"step": np.arange(1, 3), "x_mw": np.ones(2)}
    columns[name] = np.array([1, 2]).astype(kind)
    np.savez(tmp_path / "p.npz", **columns)
    with pytest.raises(DataError, match=f"the column {name} holds .*; expected rows of numbers"):
        read_probe(tmp_path / "p.npz")


@pytest.mark.parametrize("kind", ["f2", "f4", "i1", "u8", "?", ">f8"])
def test_columns_of_all_plain_numbers_are_read(tmp_path, kind):
    np.savez(tmp_path / "p.npz", step=np.arange(1, 3), x_mw=np.array([0, 1], kind))
    np.testing.assert_array_equal(read_probe(tmp_path / "p.npz").values["x_mw"], [0, 1])


def test_energy_is_power_times_time_or_what_was_measured(tmp_path):
    (tmp_path / "power.csv").write_text(TABLE)
    # (10 + 12 + 14) mW, 1 ms each
    assert total_energy_j(read_probe(tmp_path / "power.csv")) == pytest.approx(36e-6)
    (tmp_path / "energy.csv").write_text("step,chip_uj\n1,2\n2,3\n")
    assert total_energy_j(read_probe(tmp_path / "energy.csv")) == pytest.approx(5e-6)


def test_power_is_shown_with_its_mean(tmp_path):
    (tmp_path / "power.csv").write_text(TABLE)
    figure = plot_power_probe(read_probe(tmp_path / "power.csv"))
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["static: mean 8 mW", "dynamic: mean 4 mW"]
    assert figure.axes[0].get_ylabel() == "power (mW)"


def test_phases_of_a_step_are_stacked(tmp_path):
    (tmp_path / "time.csv").write_text("step,spiking_us,learning_us\n1,30,10\n2,60,20\n")
    figure = plot_execution_time_probe(read_probe(tmp_path / "time.csv"))
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["spiking (75%)", "learning (25%)", "mean 60 µs"]
    assert figure.axes[0].get_xlabel() == "time (steps)"
    assert figure.axes[0].get_ylabel() == "execution time per step (µs)"


def test_rows_can_be_samples(tmp_path):
    (tmp_path / "time.csv").write_text("sample,run_ms\n1,3\n2,6\n")
    probe = read_probe(tmp_path / "time.csv")
    figure = plot_execution_time_probe(probe)
    assert figure.axes[0].get_xlabel() == "sample (index)"
    assert figure.axes[0].get_ylabel() == "execution time per sample (ms)"
    assert probe.intervals_s is None


def test_energy_adds_up(tmp_path):
    (tmp_path / "energy.csv").write_text("step,chip_uj\n1,2\n2,3\n")
    figure = plot_energy_probe(read_probe(tmp_path / "energy.csv"))
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [2, 5])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "time_ms,total_mw\n",
        "total_mw,other_mw\n1,2\n",
        "time_ms\n1\n",
        "time_ms,total_mw\n1,x\n",
        "time_ms,total_mw\n1,nan\n",
        "time_ms,total_mw\n1,2,3\n",
        "time_ms,total_mw\n2,1\n1,1\n",
        "time_ms,a,a\n1,2,3\n",
    ],
)
def test_tables_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataError, match=r"p\.csv"):
        read_probe(tmp_path / "p.csv")


def test_pickled_arrays_are_not_read(tmp_path):
    np.savez(tmp_path / "p.npz", time_ms=np.array([1, "a"], object), total_mw=np.ones(2))
    with pytest.raises(DataError, match="cannot be read as a probe"):
        read_probe(tmp_path / "p.npz")


def test_a_missing_kind_of_column_is_named(tmp_path):
    (tmp_path / "power.csv").write_text(TABLE)
    with pytest.raises(DataError, match="expected energy, with a name that ends with one of"):
        plot_energy_probe(read_probe(tmp_path / "power.csv"))


def test_a_table_of_a_chip_feeds_the_figures_of_power_and_of_time(tmp_path):
    """The table that the page of snn-loihi shows."""
    (tmp_path / "chip.csv").write_text(
        "# Loihi, 2 chips\n"
        "time_ms,neurocores_mw,embedded_mw,spiking_us,management_us\n"
        "1,31.5,120.2,412,95\n2,33.1,119.8,420,97\n3,30.9,120.5,409,95\n"
    )
    probe = read_probe(tmp_path / "chip.csv")
    power, duration = (
        plot(probe).axes[0].get_legend_handles_labels()[1]
        for plot in (plot_power_probe, plot_execution_time_probe)
    )
    assert power == ["neurocores: mean 31.8 mW", "embedded: mean 120 mW"]
    assert duration == ["spiking (81%)", "management (19%)", "mean 509 µs"]


def test_a_table_that_would_take_too_much_memory_is_refused_before(tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "1M")
    path = tmp_path / "probe.csv"
    path.write_text("time_ms,total_mw\n" + "".join(f"{i},1\n" for i in range(10_000)))
    with pytest.raises(DataError, match="the table would take"):
        read_probe(path)


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(DataError, match="too long for this system"):
        read_probe("a" * 300)

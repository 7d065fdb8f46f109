"""Convert the trained MNIST network, simulate it on INIsim, and compare it with the original.

Needs snn-inisim and snn-plot.

    python demo.py                       all 1000 test images
    python demo.py --samples 200         fewer
    python demo.py --output results      where the results go (default: results/ beside this file)

Each row of the table is one conversion: the artifact and the run's results are kept in a folder of
its own, and a second call resumes what is there. The second conversion's spikes are recorded: of it
there are figures and a report. `python3 dev.py demo` in the repository's root
runs this in an environment of its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from snn_core import convert, run
from snn_core.conversion import preset
from snn_core.data import load_dataset
from snn_core.errors import SNNError
from snn_core.operations import format_operations
from snn_core.running.result import RunResult
from snn_core.settings import Settings
from snn_plot import Scene, output_graphs, plot_comparison, view, write_report
from snn_plot.saving import save_figure

HERE = Path(__file__).resolve().parent
CONVERSIONS = (("fast", 8), ("fast", 32), ("seed", 100))
"""Preset and number of steps of each row."""

RECORDED = ("fast", 32)
"""The one whose spikes and activations are recorded."""

FIGURES = (
    "error_vs_time",
    "ops_vs_time",
    "confusion_matrix",
    "spikecount_vs_time",
    "network_correlations",
    "pearson_coefficients",
    "hist_combined",
)


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="number of test images")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="results folder")
    arguments = parser.parse_args()
    console = Console()
    results = []
    for name, timesteps in CONVERSIONS:
        recorded = (name, timesteps) == RECORDED
        settings = Settings.load(HERE / "settings.toml", base=preset(name)).updated(
            {
                "simulation": {
                    "duration": timesteps,
                    "num_to_test": arguments.samples,
                },
                "output": {"log_vars": ["spiketrains", "activations", "input"] if recorded else []},
            }
        )
        folder = arguments.output / f"{name}-{timesteps}-{arguments.samples}"
        if recorded:
            folder = shown = folder.with_name(f"{folder.name}-recorded")
        with console.status(f"{name}, {timesteps} steps"):
            results.append((name, simulate(settings, folder)))
    console.print(table(results))
    with console.status("drawing"):
        draw(results, shown / "run", arguments.output)
    console.print(f"Results: {arguments.output}")
    console.print(f"Report:  {arguments.output / 'report.html'}", soft_wrap=True)
    return 0


def draw(results: list[tuple[str, RunResult]], recorded: Path, output: Path) -> None:
    """Write figures of all runs and of the recorded one, and a report of that."""
    named = {f"{name}, {result.timesteps} steps": result for name, result in results}
    figures = {"comparison": plot_comparison(named)}
    figures |= output_graphs(Scene(run=view(recorded)), only=FIGURES)
    (output / "figures").mkdir(exist_ok=True)
    for name, figure in figures.items():
        save_figure(figure, output / "figures" / f"{name}.png", overwrite=True)
    write_report(recorded, output / "report.html", overwrite=True)


def simulate(settings: Settings, folder: Path) -> RunResult:
    """Convert and simulate with one choice of settings; everything goes to ``folder``."""
    calibration = load_dataset(HERE / "data" / "calibration.npz")
    network = convert(HERE / "model.keras", calibration.x_b_l, settings=settings)
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / "model.snn", overwrite=True)
    return run(
        folder / "model.snn",
        simulator="inisim",
        data=HERE / "data" / "test.npz",
        output_dir=folder / "run",
        resume=(folder / "run").exists(),
    )


def table(results: list[tuple[str, RunResult]]) -> Table:
    """Return the comparison of the analog network with its conversions."""
    page = Table(title="MNIST on INIsim")
    for column in ("preset", "steps", "accuracy", "agrees with ANN", "operations", "time / image"):
        page.add_column(column, justify="left" if column == "preset" else "right")
    first = results[0][1]
    page.add_row(
        "(ANN)",
        "",
        f"{first.ann_accuracy:.2%}",
        "",
        format_operations(first.ann_operations_per_sample),
        "",
    )
    for name, result in results:
        operations = result.synaptic_operations_per_sample + result.neuron_operations_per_sample
        page.add_row(
            name,
            str(result.timesteps),
            f"{result.accuracy:.2%}",
            f"{result.agreement:.2%}",
            format_operations(operations),
            f"{1000 * result.simulate_s / result.samples:.2f} ms",
        )
    return page


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SNNError as error:
        sys.exit(f"Error: {error}")

"""``snn plot`` and ``snn report``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress

from snn_core import artifact
from snn_core.cli import verbosity
from snn_core.consoles import show_status, stderr_console, text_column
from snn_core.errors import SNNError, printable_line
from snn_core.files import list_folder, make_folder, require_unlinked, require_writable
from snn_core.ir import Network
from snn_core.running.result import RunFolder
from snn_plot.saving import FILE, file_names, save_figure
from snn_plot.units import CHOICES, Units

PATH = click.Path(path_type=Path)
FORMATS = ("png", "pdf", "svg")

sample_option = click.option(
    "--sample", type=click.IntRange(min=0), metavar="ID",
    help="Index in the data set of the sample shown closely; the run's first by default.",
)  # fmt: skip
unit_option = click.option(
    "--unit", type=click.Choice(CHOICES), default="steps", show_default=True, help="Unit of time."
)


@click.command()
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN_DIR...")
@click.option(
    "--compare",
    is_flag=True,
    help="Draw accuracy over time and over operations of several runs in one figure.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Draw only this figure; may be repeated. Default: all there is data for.",
)
@click.option("-o", "--output", type=PATH, help="Folder for the figures [RUN_DIR/figures].")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="png", show_default=True)
@click.option("--model", type=PATH, help="The converted network (.snn), for figures of weights.")
@click.option("--force", is_flag=True, help="Replace figures that are there; other files never.")
@sample_option
@unit_option
def plot(
    *,
    runs: tuple[Path, ...],
    compare: bool,
    only: tuple[str, ...],
    output: Path | None,
    kind: str,
    model: Path | None,
    force: bool,
    sample: int | None,
    unit: str,
) -> None:
    """Draw the figures of RUN_DIR, a folder that `snn run -o` wrote, or compare several."""
    if compare:
        if only or model or sample is not None:
            raise SNNError("--compare draws one figure; leave out --only, --model and --sample.")
        _compare(runs, output or Path("figures"), kind=kind, unit=unit, force=force)
        return
    if len(runs) > 1:
        raise SNNError(f"Found {len(runs)} runs; give one, or --compare to compare them.")
    from snn_plot import graphs
    from snn_plot.recorded import view
    from snn_plot.scene import Scene

    RunFolder(runs[0]).metadata()  # which raises if there is no run
    folder = output or runs[0] / "figures"
    within = output or runs[0]
    require_unlinked(folder, within=within)
    list_folder(folder)  # which raises if it is none
    with show_status(f"reading {printable_line(runs[0])}", quiet=verbosity.is_quiet()):
        network = None if model is None else _network(model)
        run = view(runs[0], sample_id=sample)
        units, named = run.units(unit), "" if model is None else printable_line(model)
        scene = Scene(run=run, units=units, network=network, network_name=named)
        makers = graphs.makers(scene, only=only)
    paths = {name: folder / file for name, file in file_names(makers, kind).items()}
    for path in paths.values():  # before the first is drawn
        make_folder(path.parent, within=within)
        require_writable(path, kind=FILE, overwrite=force)
    with progress(len(makers)) as advance:
        for name, make in makers.items():
            save_figure(make(), paths[name], overwrite=force)
            advance(name)
    click.echo(f"{len(makers)} figures in {printable_line(folder)}")
    if not (only or verbosity.is_quiet()):
        for line in graphs.left_out(scene):
            click.echo(f"  {printable_line(line)}", err=True)


def _compare(paths: Sequence[Path], folder: Path, *, kind: str, unit: str, force: bool) -> None:
    from snn_plot.operations import name_differences, plot_comparison
    from snn_plot.recorded import view

    path = folder / f"comparison.{kind}"
    if list_folder(folder):
        require_writable(path, kind=FILE, overwrite=force)
    results = {}
    with progress(len(paths)) as advance:
        for run, name in zip(paths, short_names(paths), strict=True):
            results[name] = view(run).result
            advance(name)
    make_folder(folder)
    figure = plot_comparison(name_differences(results), units=Units(time=unit))
    save_figure(figure, path, overwrite=force)
    click.echo(f"1 figure: {printable_line(path)}")


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return names that tell paths apart: without the folders that all have in common."""
    parts = [path.resolve().parts for path in paths]
    if len(parts) == 1:
        return [parts[0][-1]]
    while len({len(p) > 1 and p[0] for p in parts}) == 1 and all(len(p) > 1 for p in parts):
        parts = [p[1:] for p in parts]
    while len({p[-1] for p in parts}) == 1 and all(len(p) > 1 for p in parts):
        parts = [p[:-1] for p in parts]
    names = ["/".join(p) for p in parts]
    if len(set(names)) == len(names):
        return names
    return [f"{index}: {name}" for index, name in enumerate(names, start=1)]


@click.command()
@click.argument("runs", type=PATH, nargs=-1, metavar="[RUN_DIR]")
@click.option("-o", "--output", type=PATH, help="The HTML file [RUN_DIR/report.html].")
@click.option("--force", is_flag=True, help="Replace a report that is there; other files never.")
@click.option(
    "--serve",
    type=PATH,
    metavar="RUNS_DIR",
    help="List the runs below a folder in the browser, and open the report of each.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port for --serve; 0 chooses a free one.",
)
@sample_option
@unit_option
def report(
    *,
    runs: tuple[Path, ...],
    output: Path | None,
    force: bool,
    serve: Path | None,
    port: int,
    sample: int | None,
    unit: str,
) -> None:
    """Write a report of RUN_DIR as one HTML file that needs no network."""
    if len(runs) > 1:
        raise SNNError(
            f"Found {len(runs)} runs; a report is of one. To compare them: snn plot --compare "
            f"{' '.join(map(str, runs))}."
        )
    if bool(runs) == (serve is not None):
        raise SNNError(
            "Give either RUN_DIR, a folder that `snn run -o` wrote, or --serve RUNS_DIR."
        )
    if serve is not None:
        if output is not None:
            raise SNNError("--serve writes no file; leave out -o.")
        from snn_plot.serve import serve_runs

        serve_runs(serve, port=port, unit=unit, announce=click.echo)
        return
    from snn_plot.report import write_report

    (folder,) = runs
    RunFolder(folder).metadata()  # which raises if there is no run
    path = output or folder / "report.html"
    with show_status(f"reading {printable_line(folder)}", quiet=verbosity.is_quiet()):
        size = write_report(folder, path, sample_id=sample, unit=unit, overwrite=force)
    click.echo(f"{printable_line(path)} ({size / 1e6:.1f} MB)")


def _network(path: Path) -> Network:
    network: Network = artifact.load(path)
    return network


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], object]]:
    """Yield a function that tells what is done; nothing is drawn unless on a terminal."""
    console = stderr_console()
    if verbosity.is_quiet() or not console.is_terminal:
        yield lambda name: None
        return
    columns = (text_column("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda name: bar.update(task, advance=1, description=name)

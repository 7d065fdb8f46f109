"""``snn megasim run`` and ``snn megasim check``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress
from rich.table import Table

from snn_core.consoles import stderr_console, stdout_console, text_column
from snn_core.errors import DataError, printable_line
from snn_core.files import make_folder, require_writable
from snn_megasim.files import Netlist, event_file, read_netlist
from snn_megasim.files.attributes import LARGEST
from snn_megasim.files.netlist import FILE, module_size, write_text
from snn_megasim.files.stimulus import format_events

PATH = click.Path(path_type=Path)

folder_argument = click.argument("folder", type=PATH, metavar="DIR")


@click.group()
def megasim() -> None:
    """Check and run directories of MegaSim's files."""


@megasim.command()
@folder_argument
def check(*, folder: Path) -> None:
    """Check the files of DIR, and list everything that is wrong."""
    netlist = _read(folder)
    schematic = netlist.schematic
    neurons = sum(module_size(netlist.module_of(item)) for item in schematic.instances)
    events = sum(len(netlist.stimuli[source.file]) for source in schematic.sources)
    click.echo(
        f"{printable_line(folder)}: {len(schematic.sources)} sources with {events} events, "
        f"{len(schematic.instances)} modules with {neurons} neurons; nothing is wrong"
    )


@megasim.command()
@folder_argument
@click.option("-o", "--output", type=PATH, help="Folder for the events of all nodes [DIR].")
@click.option(
    "--until",
    type=click.IntRange(0, LARGEST),
    metavar="TIME",
    help="Time after which nothing is simulated; Tmax of the schematic by default.",
)
@click.option(
    "--most-events",
    type=click.IntRange(min=1),
    metavar="N",
    help="Events of modules after which the run is stopped, in case of a loop [20 million].",
)
@click.option("--force", is_flag=True, help="Replace events that are there; other files never.")
def run(
    *,
    folder: Path,
    output: Path | None,
    until: int | None,
    most_events: int | None,
    force: bool,
) -> None:
    """Run DIR, and write the events of each node as node_NAME.evs.

    It runs on this package's engine.
    """
    from snn_megasim.engine.engine import MOST_EVENTS, Engine

    netlist = _read(folder)
    target = output or folder
    make_folder(target)
    paths = {node: target / event_file(node) for node in netlist.schematic.nodes}
    for path in paths.values():  # before the work
        require_writable(path, kind=FILE, overwrite=force)
    engine = Engine(netlist, most_events=most_events or MOST_EVENTS)
    with _progress() as show:
        for now, last in engine.progress(until=until):
            show(now, last)
    events = engine.all_events()
    for node, path in paths.items():
        write_text(path, format_events(events[node]), overwrite=force)
    table = Table()
    for column in ("node", "events", "first", "last"):
        table.add_column(column, justify="left" if column == "node" else "right")
    for node in paths:
        times = events[node].time_e
        ends = (str(times[0]), str(times[-1])) if len(times) else ("", "")
        table.add_row(node, str(len(times)), *ends)
    stdout_console().print(table)
    click.echo(
        f"{len(paths)} files in {printable_line(target)}; {engine.synaptic_events} synaptic events"
    )


def _read(folder: Path) -> Netlist:
    if not folder.is_dir():
        raise DataError(f"Found no folder {folder}; expected one with MegaSim's files.")
    return read_netlist(folder)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], object]]:
    """Yield a function that shows the simulated time; nothing is drawn unless on a terminal."""
    console = stderr_console()
    if not console.is_terminal:
        yield lambda now, last: None
        return
    columns = (text_column("time {task.completed} of {task.total}"), BarColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda now, last: bar.update(task, completed=now, total=last)

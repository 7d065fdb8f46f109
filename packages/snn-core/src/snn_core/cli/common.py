"""What commands show: progress, notes, results; and Ctrl-C."""

from __future__ import annotations

import csv
import io
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from snn_core.cli import verbosity
from snn_core.cli.signals import StopRequest, stop_requested
from snn_core.consoles import show_status, stderr_console, stdout_console, text_column
from snn_core.errors import printable, shorten
from snn_core.phases import show_elsewhere, watch
from snn_core.running.display import HEADER, headline, measures
from snn_core.running.result import RunResult

MOST_CLASSES = 20
"""Names of classes that are printed."""

LONGEST_CLASS = 60
"""Letters of each."""

LONG_S = 5
"""From how many seconds on a command says where they went."""


@contextmanager
def interruptible() -> Iterator[StopRequest]:
    """Yield what tells whether a signal asked to stop a simulation; see `stop_requested`."""
    with stop_requested(
        "Stopping after the current step; press Ctrl-C again to abort at once.",
        stderr_console().print,
    ) as request:
        yield request


@contextmanager
def show_phases() -> Iterator[None]:
    """Show what is going on, and in the end where the time went."""
    with (
        show_status("Starting ...", quiet=verbosity.is_quiet()) as show,
        tell_phases(lambda what: show(f"{what.capitalize()} ...")),
    ):
        yield


@contextmanager
def tell_phases(show: Callable[[str], object] = lambda what: None) -> Iterator[None]:
    """Say in the end where the time went, if there was much of it, and in full if asked to."""
    with watch(show) as watched:
        yield
    if verbosity.is_verbose():
        note(f"time: {watched.in_full()}")
    elif watched.total >= LONG_S:
        note(f"time: {watched}")


def say(text: str) -> None:
    """Say something beside the results, on standard error."""
    click.echo(printable(text), err=True)


def note(text: str) -> None:
    """Say something beside the results, on standard error; nothing with ``--quiet``."""
    if not verbosity.is_quiet():
        say(text)


def command_line(flag: str) -> str:
    """Return the command that is running as a shell takes it, with one more flag.

    Behind ``--`` a flag would be an argument; there, it stands before all that the command has.
    """
    context = click.get_current_context().find_root()
    given = list(context.obj or ())
    if "--" in given:
        command = next(index for index, word in enumerate(given) if not word.startswith("-"))
        given.insert(command + 1, flag)
    elif flag not in given:
        given.append(flag)
    return printable(shlex.join([context.info_name or "snn", *given]))


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int, float], None]]:
    """Yield a progress callback that draws a bar; nothing is drawn unless on a terminal.

    While something is going on that names itself a phase, the bar says so.
    """
    console = stderr_console()
    if (
        verbosity.is_quiet() or not console.is_terminal
    ):  # some versions of rich end even a disabled bar with a newline
        yield lambda done, total, accuracy: None
        return
    columns = (
        text_column("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        text_column("accuracy {task.fields[accuracy]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, accuracy="–")

        def advance(done: int, total: int, accuracy: float) -> None:
            shown = "–" if math.isnan(accuracy) else f"{accuracy:.2%}"
            bar.update(task, completed=done, total=total, accuracy=shown, description=what)

        with show_elsewhere(lambda doing: bar.update(task, description=doing, refresh=True)):
            yield advance


def class_line(classes: Sequence[str]) -> str:
    """Return the names of classes with their numbers in one line, the first of many."""
    shown = enumerate(classes[:MOST_CLASSES])
    names = [f"{i} {shorten(name, LONGEST_CLASS)}" for i, name in shown]
    rest = len(classes) - MOST_CLASSES
    more = [f"and {rest} more"] if rest > 0 else []
    return f"classes: {', '.join([*names, *more])}"


def print_result(result: RunResult, *, as_json: bool, as_csv: bool = False) -> None:
    """Print the figures of a run, or with ``as_csv`` a line for each sample."""
    if as_json:
        import json

        click.echo(json.dumps(result.summary()))
    elif as_csv:
        table, text = result.table(), io.StringIO()
        columns: list[list[Any]] = [column.tolist() for column in table.values()]
        csv.writer(text, lineterminator="\n").writerows([table, *zip(*columns, strict=True)])
        click.echo(text.getvalue(), nl=False)
    else:
        click.echo(printable(headline(result)))
        stdout_console().print(_figures_table(result))


def _figures_table(result: RunResult) -> Table:
    table = Table()
    for column in HEADER:
        table.add_column(column, justify="right" if column else "left")
    for row in measures(result):
        table.add_row(*row)
    return table

"""Shared parts of commands: options, settings, progress and Ctrl-C."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from snn_core.cli.signals import StopRequest, stop_requested
from snn_core.codes import set_timesteps
from snn_core.operations import format_operations
from snn_core.parsing.base import ModelName
from snn_core.phases import watch
from snn_core.running.result import RunResult
from snn_core.settings import Settings, Stage
from snn_core.settings.input import parse_fraction
from snn_core.simulation import registry
from snn_core.simulation.tasks import TASKS

Command = TypeVar("Command", bound=Callable[..., Any])

MOST_CLASSES = 20
"""Names of classes that are printed."""

LONG_S = 5
"""From how many seconds on a command says where they went."""

PATH = click.Path(path_type=Path)


def shape(text: str) -> tuple[int, ...]:
    """Return the sizes of a shape such as ``3,32,32``."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise click.BadParameter(f"{text!r} is no shape; expected sizes such as 3,32,32")
    return tuple(int(part) for part in parts)


def number(text: str) -> float:
    """Return a number such as ``0.5`` or ``1/255``."""
    try:
        return parse_fraction(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def model_options(command: Command) -> Command:
    """Add the options that say how to read a model."""
    options = [
        click.option("--input-shape", type=shape, metavar="N,N,...", help="Shape of one sample in "
                     "the model's own axis order, where the model leaves it open: 3,32,32."),
        click.option("--weights", type=PATH, help="Weights for a model named as "
                     "package.module:attribute."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def model_source(source: str, weights: Path | None) -> str | ModelName:
    """Return what a command was asked to read: a path, or the name of a model."""
    name = ModelName.of(source)
    if weights is None:
        return source if name is None else name
    if name is None:
        raise click.UsageError("--weights belongs to a model named as package.module:attribute.")
    return ModelName(name.target, weights)


class _Results(Console):
    """Console on standard output; a reader that closes it is an error as any other."""

    def on_broken_pipe(self) -> None:
        """Raise the error, where the base class ends the process."""
        raise  # noqa: PLE0704 - called where it is handled


def stdout_console() -> Console:
    """Return a console for results."""
    return _Results(highlight=False, markup=False)


def stderr_console() -> Console:
    """Return a console on standard error, so that standard output holds results alone."""
    return Console(stderr=True, highlight=False, markup=False)


def simulation_options(samples: str) -> Callable[[Command], Command]:
    """Return a function that adds the options of a simulation.

    Parameters
    ----------
    samples
        What ``--samples`` does.
    """
    options = [
        click.option("--samples", type=click.IntRange(min=1), help=samples),
        click.option("--dt", type=click.FloatRange(min=0, min_open=True), metavar="MS",
                     help="Length of a step in ms."),
        click.option("--batch-size", type=click.IntRange(min=1), help="Samples at a time."),
        click.option("--seed", type=click.IntRange(min=0), help="Seed of all random numbers."),
        click.option("--task", type=click.Choice(["auto", *TASKS]), help="What the outputs "
                     "stand for; found from outputs and labels by default."),
        click.option("--resume", is_flag=True, help="Go on with a run that was stopped."),
        click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON."),
    ]  # fmt: skip

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def read_settings(path: Path | None, base: Settings) -> Settings:
    """Return the settings of a file on top of others."""
    if path is None:
        return base
    return Settings.load(path, base=base, simulators=tuple(registry.names()))


def with_flags(
    settings: Settings,
    *,
    stage: Stage,
    timesteps: int | None = None,
    dt: float | None = None,
    samples: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    task: str | None = None,
) -> Settings:
    """Return settings changed by the flags that were given.

    The number of samples is that of the calibration data or of the test data.
    """
    if timesteps is not None:
        settings = set_timesteps(settings, timesteps, stage=stage, dt_ms=dt)
    changes: dict[str, dict[str, Any]] = {
        "normalization": {"num_samples": samples if stage == "convert" else None},
        "simulation": {
            "num_to_test": samples if stage == "run" else None,
            "dt": dt,
            "batch_size": batch_size,
            "seed": seed,
            "task": task,
        },
    }
    return settings.updated(
        {
            section: {key: value for key, value in items.items() if value is not None}
            for section, items in changes.items()
        }
    )


@contextmanager
def interruptible() -> Iterator[StopRequest]:
    """Yield what tells whether a signal asked to stop; a second one aborts at once."""
    with stop_requested(
        "Stopping after the current step; press Ctrl-C again to abort at once.",
        stderr_console().print,
    ) as request:
        yield request


@contextmanager
def show_phases() -> Iterator[None]:
    """Show what is going on, and in the end where the time went if there was much of it."""
    console = stderr_console()
    status = console.status("Starting ...")
    with status, watch(lambda what: status.update(f"{what.capitalize()} ...")) as watched:
        yield
    if sum(watched.seconds.values()) >= LONG_S:
        console.print(str(watched), soft_wrap=True)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int, float], None]]:
    """Yield a progress callback that draws a bar; nothing is drawn unless on a terminal."""
    console = stderr_console()
    if not console.is_terminal:  # some versions of rich end even a disabled bar with a newline
        yield lambda done, total, accuracy: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("accuracy {task.fields[accuracy]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, accuracy="–")

        def advance(done: int, total: int, accuracy: float) -> None:
            shown = "–" if math.isnan(accuracy) else f"{accuracy:.2%}"
            bar.update(task, completed=done, total=total, accuracy=shown)

        yield advance


def summary_table(summary: Mapping[str, Any]) -> Table:
    """Format the figures of a run as a human-readable table."""
    spiking = summary["synaptic_operations_per_sample"] + summary["neuron_operations_per_sample"]
    rows = [
        *_score_rows(summary),
        (
            "operations per sample",
            format_operations(spiking),
            format_operations(float(summary["ann_operations_per_sample"])),
        ),
        ("spikes per neuron and step", f"{summary['mean_rate']:.4f}", ""),
        ("time per sample and step", f"{summary['us_per_sample_step']:.2f} µs", ""),
    ]
    table = Table()
    for column in ("", "spiking", "analog"):
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    return table


_SCORES = (
    ("accuracy", "accuracy", ".2%"),
    ("all labels right", "exact_match", ".2%"),
    ("mean squared error", "mse", ".4g"),
    ("R²", "r2", ".4f"),
    ("same decision", "agreement", ".2%"),
    ("difference from analog (rms)", "difference", ".4g"),
)
"""Title, name and format of each measure; that of the analog network is named ``ann_...``."""


def _score_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the measures that a task has, of the spiking and of the analog network."""
    for title, name, form in _SCORES:
        if name in summary:
            found = [summary.get(key) for key in (name, f"ann_{name}")]
            texts = ["" if value is None else format(value, form) for value in found]
            yield title, texts[0] or "–", texts[1]


def class_line(classes: Sequence[str]) -> str:
    """Return the names of classes with their numbers in one line, the first of many."""
    names = [f"{i} {name}" for i, name in enumerate(classes)]
    rest = len(names) - MOST_CLASSES
    more = [f"and {rest} more"] if rest > 0 else []
    return f"classes: {', '.join([*names[:MOST_CLASSES], *more])}"


def print_result(result: RunResult, *, as_json: bool) -> None:
    """Print the figures of a run."""
    if as_json:
        import json

        click.echo(json.dumps(result.summary()))
    else:
        summary = result.summary()
        click.echo(
            f"{summary['simulator']}, {summary['spike_code']}: {summary['samples']} samples, "
            f"{summary['timesteps']} steps of {summary['dt_ms']:g} ms"
            f"{_describe_task(result)}"
        )
        stdout_console().print(summary_table(summary))


def _describe_task(result: RunResult) -> str:
    """Return what is special about the outputs, if anything is."""
    task = "" if result.task == "classification" else f", {result.task}"
    return task if result.has_labels else f"{task}, no labels"

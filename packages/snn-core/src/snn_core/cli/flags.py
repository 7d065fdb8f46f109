"""Options that commands share: how to read a model, and settings by flag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from snn_core.errors import suggest
from snn_core.parsing.base import ModelName
from snn_core.running.shorthands import set_shorthands
from snn_core.settings import Settings, Stage, read_assignments
from snn_core.settings.input import parse_fraction
from snn_core.simulation import registry
from snn_core.simulation.tasks import TASKS

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


class Choice(click.Choice):  # type: ignore[type-arg]  # not generic in older versions
    """One of some words; a mistyped one gets a suggestion."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word that was given."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            hint = suggest(value, self.choices)
            raise click.BadParameter(f"{error.message}{hint}", ctx=ctx, param=param) from None


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


def source_argument(command: Command) -> Command:
    """Add the argument that names a model; shells complete files."""

    def complete(
        _context: click.Context, _argument: click.Parameter, start: str
    ) -> list[CompletionItem]:
        return [CompletionItem(start, type="file")]

    return click.argument("source", shell_complete=complete)(command)


def model_options(command: Command) -> Command:
    """Add the options that say how to read a model."""
    options = [
        click.option("--input-shape", type=shape, metavar="N,N,...", help="Shape of one sample in "
                     "the model's own axis order, 3,32,32, where model and data leave it open."),
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


def sample_range(text: str) -> range:
    """Return the positions that a text such as ``100:200`` stands for, the last one excluded."""
    first, colon, end = (part.strip() for part in text.partition(":"))
    if colon and end.isdecimal() and (not first or first.isdecimal()):
        found = range(int(first or 0), int(end))
        if found:
            return found
    raise click.BadParameter(
        f"{text!r} is no range of samples; expected FIRST:END such as 100:200, which are the "
        f"samples 100 to 199"
    )


def simulator_option(text: str) -> Callable[[Command], Command]:
    """Return a function that adds the option ``--simulator``, which shells complete."""

    def complete(
        _context: click.Context, _option: click.Parameter, start: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in registry.names() if name.startswith(start)]

    return click.option("--simulator", metavar="NAME", help=text, shell_complete=complete)


def settings_options(*, samples: str, timesteps: str) -> Callable[[Command], Command]:
    """Return a function that adds the options that `chosen_settings` takes.

    Parameters
    ----------
    samples, timesteps
        What ``--samples`` and ``--timesteps`` do.
    """
    options = [
        click.option("--settings", "settings_file", type=PATH, help="TOML or INI file."),
        click.option("--set", "assignments", multiple=True, metavar="SECTION.KEY=VALUE",
                     help="Any setting, or option of a simulator: simulation.top_k=3. Changes "
                     "those of --settings; may be repeated. docs/settings.md has them all."),
        click.option("--timesteps", type=click.IntRange(min=1), help=timesteps),
        click.option("--samples", type=click.IntRange(min=1), help=samples),
        click.option("--dt", type=click.FloatRange(min=0, min_open=True), metavar="MS",
                     help="Length of a step in ms."),
        click.option("--batch-size", type=click.IntRange(min=1), help="Samples at a time."),
        click.option("--seed", type=click.IntRange(min=0), help="Seed of all random numbers."),
        click.option("--task", type=Choice(["auto", *TASKS]), help="What the outputs "
                     "stand for; found from outputs and labels by default."),
        click.option("--record", metavar="NAMES", help="Record what figures and reports show: some "
                     "of spikes,potentials,input,activations, or all."),
    ]  # fmt: skip

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def chosen_settings(
    base: Settings,
    *,
    stage: Stage,
    settings_file: Path | None,
    assignments: Sequence[str],
    **shorthands: Any,
) -> Settings:
    """Return settings as the flags of a command change them.

    A file comes first, then ``--set``, then the flags that are shorthands of settings.
    """
    if settings_file is not None:
        base = registry.load_settings(settings_file, base=base)
    known = [f"{section}.{key}" for section, items in base.to_tree().items() for key in items]
    given = read_assignments(assignments, known=known)
    settings = base.updated(given, simulators=tuple(registry.names()))
    return set_shorthands(settings, stage=stage, **shorthands)


def result_options(command: Command) -> Command:
    """Add the options that say where a run goes on, and how its figures are printed."""
    options = [
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with a run that was "
            "stopped; settings that are not given are those of that run.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON."),
    ]
    for option in reversed(options):
        command = option(command)
    return command

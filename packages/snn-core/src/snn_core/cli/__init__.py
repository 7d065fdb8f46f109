"""The ``snn`` command; each sub-command is a module that is imported when it is called."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import IO, Any

import click
from click.shell_completion import CompletionItem

from snn_core.cli import verbosity
from snn_core.cli.signals import ended_by_signals
from snn_core.errors import SNNError, SNNWarning, printable, shorten_lines, suggest
from snn_core.files import explain_failures
from snn_core.installing import how_to_install

GROUP = "snn.commands"
"""Entry points under which other packages add commands."""

COMMANDS: Mapping[str, str] = {
    "convert": "Convert a trained model into a spiking network.",
    "run": "Simulate a converted network on test data.",
    "inspect": "Show the layers and the history of a model or a converted network.",
    "simulators": "List the installed simulators.",
}
"""Name of each command, which is also the name of its module and function, and what it does."""

ELSEWHERE: Mapping[str, str] = {
    "plot": "snn-plot",
    "report": "snn-plot",
    "megasim": "snn-megasim",
    "loihi": "snn-loihi",
}
"""Packages of this family that bring more commands."""

THEIRS: Mapping[str, str] = {
    "plot": "Draw the figures of a run, or compare several.",
    "report": "Write a report of a run as one HTML file.",
    "megasim": "Check and run directories of MegaSim's files.",
    "loihi": "Prepare converted networks for Loihi.",
}
"""What those commands do, so that a list of all need not import them."""


class LazyGroup(click.Group):
    """A command group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of other packages last."""
        return [*COMMANDS, *sorted(set(_plugins()) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or ``None`` if there is none of that name."""
        if cmd_name in COMMANDS:
            found = getattr(import_module(f"snn_core.cli.{cmd_name}"), cmd_name)
        else:
            plugin = _plugins().get(cmd_name)
            if plugin is None:
                return None
            found = plugin.load()
        if not isinstance(found, click.Command):
            raise SNNError(f"The command {cmd_name!r} is {found!r}; expected a click command.")
        return verbosity.add_options(found)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what stands before the command; options of commands stand behind it."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            found = error.format_message().rstrip(".")
            ctx.fail(f"{found}. Options of a command stand behind it: snn run --data DATA.")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was asked for, or say what is like it or brings it."""
        name, known = args[0], self.list_commands(ctx)
        if not ctx.resilient_parsing:
            _refuse_empty(args, ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            if name in ELSEWHERE:
                package = ELSEWHERE[name]
                ctx.fail(f"{name!r} comes with {package}. {how_to_install(package)}")
            ctx.fail(f"No such command {name!r}.{suggest(name, (*known, *ELSEWHERE))}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin like a word, without importing them."""
        commands = [
            CompletionItem(name, help=COMMANDS.get(name) or THEIRS.get(name))
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        plugins = _plugins()
        rows = [
            (name, COMMANDS.get(name) or _describe(name, plugins[name]))
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def make_context(
        self, info_name: str | None, args: list[str], *rest: Any, **keywords: Any
    ) -> click.Context:
        """Read the command line; ``--help`` and ``--version`` write here already."""
        _prepare_streams()
        given = tuple(args)  # click empties the list
        with _error_boundary():
            context = super().make_context(info_name, args, *rest, **keywords)
        context.obj = given  # for `snn_core.cli.common.command_line`
        return context

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        with _error_boundary(), _warnings_in_one_line(), ended_by_signals():
            return super().invoke(ctx)


def _refuse_empty(arguments: Sequence[str], ctx: click.Context) -> None:
    """Refuse empty arguments, which stand for the folder at hand where a path is expected."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if not argument or (option.startswith("--") and equals and not value):
            named = option or (before if before.startswith("-") else "an argument")
            ctx.fail(
                f"Found an empty text for {named}; expected a path, a name or a value. A variable "
                f"of the shell may be unset."
            )


def _prepare_streams() -> None:
    r"""Send output nowhere where the caller closed it (``>&-``), as to ``/dev/null``.

    Otherwise the next file that is opened would get its number, and what libraries print. What a
    stream's encoding lacks is written as an escape: ``\xb5`` for µ in ASCII.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the process
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _say(text: str) -> None:
    """Write on standard error; names of files and layers in the text are not obeyed."""
    click.echo(printable(text), err=True)


@contextmanager
def _error_boundary() -> Iterator[None]:
    """Turn errors that users can cause into a short message and exit status 2; Ctrl-C into 130.

    What waits to be written is written here: the interpreter could only complain about it.
    """
    try:
        with explain_failures(memory=LESS_MEMORY):
            yield
            sys.stdout.flush()
    except SNNError as error:
        with suppress(OSError):  # standard error may be closed, too
            if verbosity.is_verbose():
                _say("".join(traceback.format_exception(error)))
            _say(f"Error: {error}")
        _close_broken_output()
        raise click.exceptions.Exit(2) from None
    except click.ClickException as error:  # which click shows, with how the command is used
        error.message = shorten_lines(error.message)  # type: ignore[misc]  # others keep it
        raise
    except KeyboardInterrupt:  # of what has nothing to keep
        with suppress(OSError):
            _say("Stopped.")
        _close_broken_output()
        raise click.exceptions.Exit(128 + signal.SIGINT) from None
    except EOFError as error:
        # A bug, as readers foresee it; click would say "Aborted!", as for Ctrl-D, and nothing more.
        raise RuntimeError("something was read beyond its end") from error


LESS_MEMORY = (
    "Use fewer samples (--samples), fewer at a time (--batch-size), or a computer with more memory."
)


def _close_broken_output() -> None:
    """Send what cannot be written nowhere, as the interpreter would try again at its end."""
    for stream in (sys.stdout, sys.stderr):
        _flush_or_close(stream)


def _flush_or_close(stream: IO[str]) -> None:
    try:
        stream.flush()
    except OSError:
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Show each `SNNWarning` as a line on standard error, without the place it comes from."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def echo(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, SNNWarning):
                _say(f"Warning: {message}")
            else:
                show(message, category, *place, **more)

        warnings.simplefilter("always", SNNWarning)
        warnings.showwarning = echo
        yield


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _describe(name: str, entry: EntryPoint) -> str:
    """Return what a command of another package does, if that is known, and whose it is."""
    package = entry.dist.name if entry.dist else ""
    known = f"{THEIRS[name]} " if ELSEWHERE.get(name) == package else ""
    return f"{known}(from {_origin(entry)})"


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _show_versions(ctx: click.Context, _option: click.Parameter, given: bool) -> None:  # noqa: FBT001
    if given:
        from snn_core.cli.versions import describe_versions

        click.echo(describe_versions())
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show the versions of all packages and of what they use, and exit.",
)
def main() -> None:
    """Convert trained neural networks into spiking ones and run them on any simulator."""


verbosity.add_options(main)

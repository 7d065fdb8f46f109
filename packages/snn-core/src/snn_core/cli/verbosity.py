"""How much commands say: ``--verbose`` and ``--quiet``, also of those of other packages."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

import click

_LEVEL = "snn_core.level"


def is_quiet() -> bool:
    """Return whether a command shall print results, warnings and errors alone."""
    return _level() < 0


def is_verbose() -> bool:
    """Return whether a command shall say more than usual."""
    return _level() > 0


def _level() -> int:
    context = click.get_current_context(silent=True)
    return 0 if context is None else int(context.meta.get(_LEVEL, 0))


def add_options(command: click.Command) -> click.Command:
    """Add the two options to a command that lacks them, and return it."""
    taken = {name for option in command.params for name in option.opts}
    for option in (
        click.Option(["-v", "--verbose"], is_flag=True, expose_value=False, callback=_keep,
                     help="Say also which settings apply, where time goes and errors arise."),
        click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=_keep,
                     help="Print results, warnings and errors alone."),
    ):  # fmt: skip
        if not taken & set(option.opts):
            command.params.append(option)
    return command


def _keep(context: click.Context, option: click.Parameter, given: bool) -> None:  # noqa: FBT001
    if not given:
        return
    level = 1 if option.name == "verbose" else -1
    if context.meta.setdefault(_LEVEL, level) != level:
        raise click.UsageError("--verbose and --quiet exclude each other.")
    if level > 0:
        _show_logs()


def _show_logs() -> None:
    """Show what the packages of this family log."""
    logging.basicConfig(format="%(name)s: %(message)s")
    modules = {
        entry.value.split(".")[0]
        for group in ("snn.simulators", "snn.commands", "snn.parsers")
        for entry in entry_points(group=group)
    }
    for module in modules:
        logging.getLogger(module).setLevel(logging.INFO)

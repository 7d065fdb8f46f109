"""Consoles for tables and for what moves; names and paths on them are shown as they are.

All commands take theirs from here: rich would read ``[red]`` and ``:x:`` in the name of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import TextColumn
from rich.text import Text

WIDTH = 160
"""Letters in a line of a table in a file or a pipe."""


class _Results(Console):
    """Console on standard output; a reader that closes it is an error as any other."""

    def on_broken_pipe(self) -> None:
        """Raise the error, where the base class ends the process."""
        raise  # noqa: PLE0704 - called where it is handled


def stdout_console() -> Console:
    """Return a console for results; ``[red]`` and ``:x:`` in names stand for nothing else."""
    return _Results(highlight=False, markup=False, emoji=False)


def wide_console() -> Console:
    """Return a console for tables; files and pipes, which have no width, get a large one."""
    console = stdout_console()
    if not console.is_terminal:
        console.width = WIDTH
    return console


def stderr_console() -> Console:
    """Return a console on standard error, so that standard output holds results alone.

    It is for what moves. Messages are written without one, as it breaks their lines.
    """
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def text_column(template: str) -> TextColumn:
    """Return a column of a progress bar that shows names as they are, whatever the console."""
    return TextColumn(template, markup=False)


@contextmanager
def show_status(text: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is going on, unless quiet; yield a function that changes it."""
    console = stderr_console()
    if quiet or not console.is_terminal:
        yield lambda text: None
        return
    with console.status(Text(text)) as status:
        yield lambda text: status.update(Text(text))

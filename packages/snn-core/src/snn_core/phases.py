"""Phases of long work, for those who want to show what is going on and where the time went.

What takes long names itself with `phase`, as a decorator or around a block, and says how far it is
with `advance`. Nobody has to listen; `watch` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Watch:
    """Seconds that each phase took, without those of the phases inside it.

    Parameters
    ----------
    show
        Is given what is going on whenever that changes: ``normalizing (48 of 256 samples)``.
    clock
        Returns the time in s.
    """

    show: Callable[[str], object] = lambda what: None
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _since: float = 0.0

    def enter(self, what: str) -> None:
        """Begin a phase."""
        self._count()
        self._open.append(what)
        self.show(what)

    def leave(self) -> None:
        """End the phase that began last."""
        self._count()
        self._open.pop()
        if self._open:
            self.show(self._open[-1])

    def advance(self, done: int, total: int) -> None:
        """Show how many samples the present phase has gone through."""
        if self._open:
            self.show(f"{self._open[-1]} ({done} of {total} samples)")

    def _count(self) -> None:
        now = self.clock()
        if self._open:
            what = self._open[-1]
            self.seconds[what] = self.seconds.get(what, 0.0) + now - self._since
        self._since = now

    def __str__(self) -> str:
        """Return where the time went, in one line: ``6 s: reading 4 s, writing 2 s``.

        What took less than half a second is left out.
        """
        long = {what: spent for what, spent in self.seconds.items() if round(spent)}
        parts = ", ".join(f"{what} {spent:.0f} s" for what, spent in long.items())
        total = f"{sum(self.seconds.values()):.0f} s"
        return f"{total}: {parts}" if parts else total


_WATCHING: ContextVar[Watch | None] = ContextVar("snn_core_watch", default=None)


@contextmanager
def watch(show: Callable[[str], object] = lambda what: None) -> Iterator[Watch]:
    """Watch the phases of what is done inside the block.

    Parameters
    ----------
    show
        Is given what is going on whenever that changes.
    """
    found = Watch(show=show)
    token = _WATCHING.set(found)
    try:
        yield found
    finally:
        _WATCHING.reset(token)


@contextmanager
def show_elsewhere(show: Callable[[str], object]) -> Iterator[None]:
    """Show what is going on inside the block in another place; who watches it counts as before."""
    found = _WATCHING.get()
    if found is None:
        with watch(show):
            yield
        return
    before, found.show = found.show, show
    try:
        yield
    finally:
        found.show = before


@contextmanager
def phase(what: str) -> Iterator[None]:
    """Name what is done inside the block, or in the function that this decorates."""
    found = _WATCHING.get()
    if found is None:
        yield
        return
    found.enter(what)
    try:
        yield
    finally:
        found.leave()


def advance(done: int, total: int) -> None:
    """Say how many samples the present phase has gone through."""
    found = _WATCHING.get()
    if found is not None:
        found.advance(done, total)

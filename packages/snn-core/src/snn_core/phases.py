"""Phases of long work: what is going on, where the time went, and how a request to stop ends it.

What takes long names itself with `phase`, as a decorator or around a block, and says how far it is
with `advance`. Nobody has to listen; `watch` does.

What simulates asks between steps whether to stop, and says so with `when_asked`; requests wait for
the current step there. Whatever else goes on asks nothing, however long it takes: reading, for one.
There a request is an exception, at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

REST = "the rest"
"""What is called what belongs to no phase."""


@dataclass(slots=True)
class Watch:
    """Seconds that each phase took, without those of the phases inside it.

    What was done outside of all phases is "the rest".

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
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.clock()

    def stop(self) -> None:
        """Count what was done since the last phase ended."""
        self._count()

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
        what = self._open[-1] if self._open else REST
        self.seconds[what] = self.seconds.get(what, 0.0) + now - self._since
        self._since = now

    @property
    def total(self) -> float:
        """Seconds in all."""
        return sum(self.seconds.values())

    def __str__(self) -> str:
        """Return where the time went, in one line: ``6 s: reading 4 s, writing 2 s``.

        What took less than half a second is left out.
        """
        return self._in_words(digits=0)

    def in_full(self) -> str:
        """Return what each phase took, in one line: ``6.0 s: reading 4.0 s, writing 2.0 s``."""
        return self._in_words(digits=1)

    def _in_words(self, *, digits: int) -> str:
        phases = [what for what in self.seconds if what != REST]
        parts = [
            f"{what} {self.seconds[what]:.{digits}f} s"
            for what in (*phases, *(self.seconds.keys() & {REST}))
            if digits or round(self.seconds[what])
        ]
        total = f"{self.total:.{digits}f} s"
        return f"{total}: {', '.join(parts)}" if parts else total


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
        found.stop()
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


class StopSimulation(BaseException):
    """Request of the user to stop; as Ctrl-C, no error, so that no reader takes it for damage."""


_asks: ContextVar[bool] = ContextVar("whether somebody asks for requests to stop", default=False)


def is_asked_for() -> bool:
    """Return whether what is going on asks for requests to stop."""
    return _asks.get()


@contextmanager
def when_asked() -> Iterator[None]:
    """Have requests to stop wait until the block asks."""
    with _set(asks=True):
        yield


@contextmanager
def at_once() -> Iterator[None]:
    """Have requests to stop end the block, also within one that asks."""
    with _set(asks=False):
        yield


@contextmanager
def _set(*, asks: bool) -> Iterator[None]:
    token = _asks.set(asks)
    try:
        yield
    finally:
        _asks.reset(token)

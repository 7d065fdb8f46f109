"""Requests to stop: obeyed after the current step where a batch is simulated, elsewhere at once.

What simulates asks between steps whether to stop, and says so with `when_asked`. Whatever else
goes on asks nothing, however long it takes: reading, for one. There a request is an exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


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

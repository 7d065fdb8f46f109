"""Signals that ask a command to end: Ctrl-C, SIGTERM and SIGHUP, all treated alike."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from snn_core.phases import StopSimulation, is_asked_for

_ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""SIGTERM is what `kill` and job schedulers send, SIGHUP what a closed terminal does."""


class StopRequest:
    """Tells whether a signal asked to stop.

    Attributes
    ----------
    status
        Exit status of a command that a signal ended, as shells report it: 128 and its number.
    """

    def __init__(self) -> None:
        self.status = 128 + signal.SIGINT
        self._asked = False

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self._asked

    def take(self, number: int) -> bool:
        """Note a signal; return whether it is the first."""
        is_first, self._asked = not self._asked, True
        self.status = 128 + number
        return is_first


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End the block by an exception on SIGTERM and SIGHUP, so that nothing is left half-written.

    Ctrl-C does that anyway. A signal that the caller has the process ignore, as ``nohup`` does,
    stays ignored.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled([number for number in _ENDING if number != signal.SIGINT], end):
        yield


@contextmanager
def stop_requested(announce: str, echo: Callable[[str], object]) -> Iterator[StopRequest]:
    """Yield what tells whether a signal asked to stop; a second one aborts at once.

    The first one raises `StopSimulation` unless a batch is being simulated: nothing else asks, and
    Python goes on with an interrupted call of the system, such as opening a file, unless the signal
    raises something.

    Parameters
    ----------
    announce
        What to say on a first signal that waits for the current step.
    echo
        Says it.
    """
    request = StopRequest()

    def note(number: int, _frame: FrameType | None) -> None:
        if not request.take(number):
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(request.status)
        if not is_asked_for():
            raise StopSimulation
        echo(announce)

    with _handled(_ENDING, note):
        yield request


@contextmanager
def _handled(
    numbers: list[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        # SIGINT is ignored in the background of a shell, where it can only come from `kill`.
        if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)

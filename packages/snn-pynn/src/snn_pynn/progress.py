"""PyNN's callbacks: a run that can be stopped between steps, and tells how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

PIECE_S = 0.2
"""Time after which a run is interrupted, to look whether it is to be stopped."""

FIRST_STEPS = 4
"""Steps after which a first run is interrupted, before it is known how long one takes."""

TELL_S = 10.0
"""Time after which a run tells how far it is."""


class Progress:
    """Callback for ``sim.run(..., callbacks=[...])``.

    It is called after a few steps, then so often that `PIECE_S` lie between two calls, since each
    interruption costs a simulator time.

    Parameters
    ----------
    dt_ms
        Length of a step.
    duration_ms
        Length of the run.
    checkpoint
        Called each time; raises what stops the run.
    steps
        Steps to the second call.

    Attributes
    ----------
    steps
        Steps between the last calls.
    """

    def __init__(
        self,
        dt_ms: float,
        *,
        duration_ms: float,
        checkpoint: Callable[[], None],
        steps: int = FIRST_STEPS,
    ) -> None:
        self._dt_ms, self._duration_ms = dt_ms, duration_ms
        self._checkpoint = checkpoint
        self._start_ms: float | None = None
        self.steps = steps
        self._last = self._told = time.perf_counter()

    def __call__(self, t: float) -> float:
        """Return the next time in ms at which to be called, given the present one."""
        self._checkpoint()
        now = time.perf_counter()
        if self._start_ms is None:
            self._start_ms = t
        else:
            took = max(now - self._last, 1e-6)
            most = max(1, round(self._duration_ms / self._dt_ms))
            self.steps = max(1, min(10 * self.steps, most, int(self.steps * PIECE_S / took)))
            self._tell(t - self._start_ms, now)
        self._last = now
        return t + self.steps * self._dt_ms

    def _tell(self, t_ms: float, now: float) -> None:
        if now - self._told > TELL_S:
            self._told = now
            logger.info("simulated %.0f of %.0f ms", t_ms, self._duration_ms)

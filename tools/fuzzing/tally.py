"""What becomes of inputs: each is read or refused within seconds; anything else is a crash."""

from __future__ import annotations

import base64
import os
import signal
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from fuzzing.readers import Reader

EACH_S = 10
"""Seconds of the processor that an input may take, so that other work makes none too slow."""

WAITING_S = 10 * EACH_S
"""Seconds on the clock that it may take, for what waits without computing."""


class TooSlowError(BaseException):
    """An input took longer than it may; no reader catches it."""


@dataclass
class Tally:
    """What became of the inputs of a reader.

    ``crashes`` holds tracebacks by their kind, ``kept`` an input of each, in base 64.
    """

    read: int = 0
    refused: int = 0
    crashes: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    slowest_s: float = 0.0
    peak_mb: int = 0

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.read + self.refused + len(self.crashes)

    @classmethod
    def of_signal(cls, number: int, inputs: Path, *, seed: int) -> Tally:
        """Return that a process ended with a signal while it read the newest file of a folder."""
        name = signal.Signals(number).name
        last = max(inputs.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        kept = {f"{name}{last.suffix}": base64.b64encode(last.read_bytes()).decode()}
        return cls(crashes={name: f"the process ended with {name}, seed {seed}"}, kept=kept)

    def add(self, other: Tally) -> None:
        """Add what became of others."""
        self.read, self.refused = self.read + other.read, self.refused + other.refused
        self.crashes = {**other.crashes, **self.crashes}
        self.kept = {**other.kept, **self.kept}
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.peak_mb = max(self.peak_mb, other.peak_mb)


def spent_s() -> float:
    """Return processor time, of children too: hours mean the same on a busy machine."""
    return sum(os.times()[:4])


def read_once(reader: Reader, path: Path, content: bytes, tally: Tally) -> None:
    """Read an input from its file, and count what becomes of it."""
    from snn_core.errors import OutOfMemoryError, SNNError

    signal.signal(signal.SIGPROF, _too_slow)
    signal.signal(signal.SIGALRM, _too_slow)
    start_s = spent_s()
    signal.setitimer(signal.ITIMER_PROF, EACH_S)
    signal.setitimer(signal.ITIMER_REAL, WAITING_S)
    try:
        reader.read(path)
        tally.read += 1
    except OutOfMemoryError:
        _note(tally, path, content)
    except SNNError:
        tally.refused += 1
    except (Exception, TooSlowError):  # noqa: BLE001 - this is what is looked for
        _note(tally, path, content)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    tally.slowest_s = max(tally.slowest_s, spent_s() - start_s)


def _note(tally: Tally, path: Path, content: bytes) -> None:
    """Keep a crash, unless one at the same place is there already."""
    text = traceback.format_exc()
    kind, _, place = sys.exc_info()
    last = traceback.extract_tb(place)[-1]
    key = f"{getattr(kind, '__name__', kind)}-{Path(last.filename).stem}-{last.lineno}"
    tally.crashes.setdefault(key, text)
    tally.kept.setdefault(f"{key}{path.suffix}", base64.b64encode(content).decode())


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError

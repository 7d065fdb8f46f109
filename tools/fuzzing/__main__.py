"""Fuzz readers: `python -m fuzzing --seconds 60 --output found [reader ...]`, in tools/.

Every input is read, or refused with one of our errors, within seconds and within memory. Whatever
else happens is written to the output folder with its traceback, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from fuzzing.mutations import changes, mutate
from fuzzing.readers import READERS, Reader
from snn_core.errors import OutOfMemoryError, SNNError

EACH_S = 10
"""Seconds that an input may take."""

MEMORY = 3 * 2**30
"""Bytes of address space that the process may take, libraries included."""

AT_A_TIME = 200
"""Inputs between two looks at the clock."""


class TooSlowError(BaseException):
    """An input took longer than it may; no reader catches it."""


@dataclass
class Tally:
    """What became of the inputs of a reader."""

    read: int = 0
    refused: int = 0
    crashes: dict[str, str] = field(default_factory=dict)
    slowest_s: float = 0.0

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.read + self.refused + len(self.crashes)


def main() -> int:
    """Fuzz the readers that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], default=[])
    parser.add_argument("--seconds", type=float, default=60, help="of the processor, each reader")
    parser.add_argument("--seed", type=int, default=None, help="the time if not given")
    parser.add_argument("--output", type=Path, default=Path("fuzz"))
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    os.environ.setdefault("SNN_MEMORY_LIMIT", "256M")
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_slow)
    found = {}
    for name in arguments.readers or READERS:
        tally = fuzz(READERS[name], seconds=arguments.seconds, seed=seed)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        found[name] = {
            "inputs": tally.inputs, "read": tally.read, "refused": tally.refused,
            "crashes": len(tally.crashes), "slowest_s": round(tally.slowest_s, 2),
            "peak_mb": peak, "seed": seed, "seconds": arguments.seconds,
        }  # fmt: skip
        sys.stdout.write(f"{name}: {json.dumps(found[name])}\n")
        sys.stdout.flush()
        _save(tally, arguments.output / name)
    return int(any(tally["crashes"] for tally in found.values()))


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError


def fuzz(reader: Reader, *, seconds: float, seed: int) -> Tally:
    """Read changed files for some time."""
    tally, seeds = Tally(), reader.seeds()
    names = sorted(seeds)
    end = _spent_s() + seconds

    with tempfile.TemporaryDirectory() as folder:

        def check(name: str, applied: list[object]) -> None:
            content = mutate(seeds[name], applied)  # type: ignore[arg-type]
            path = Path(folder) / name.replace("/", "@")
            path.write_bytes(content)
            _read_once(reader, path, content, tally)

        while _spent_s() < end:
            seed += 1
            run = given(st.sampled_from(names), changes)(check)
            run = settings(
                max_examples=AT_A_TIME, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(with_seed(seed)(run))  # fmt: skip
            run()
    return tally


def _spent_s() -> float:
    """Return processor time, of children too: hours mean the same on a busy machine."""
    return sum(os.times()[:4])


def _read_once(reader: Reader, path: Path, content: bytes, tally: Tally) -> None:
    start = time.monotonic()
    signal.alarm(EACH_S)
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
        signal.alarm(0)
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - start)


KEPT: dict[str, bytes] = {}
"""Inputs that crashed, by the name of their file; one of each kind."""


def _note(tally: Tally, path: Path, content: bytes) -> None:
    """Keep a crash, unless one at the same place is there already."""
    text = traceback.format_exc()
    kind, _, place = sys.exc_info()
    last = traceback.extract_tb(place)[-1]
    key = f"{getattr(kind, '__name__', kind)}-{Path(last.filename).stem}-{last.lineno}"
    tally.crashes.setdefault(key, text)
    KEPT.setdefault(f"{key}{path.suffix}", content)


def _save(tally: Tally, folder: Path) -> None:
    if tally.crashes:
        folder.mkdir(parents=True, exist_ok=True)
        for key, text in tally.crashes.items():
            (folder / f"{key}.txt").write_text(text, errors="backslashreplace")
    for name, content in KEPT.items():
        (folder / name).write_bytes(content)
    KEPT.clear()


if __name__ == "__main__":
    sys.exit(main())

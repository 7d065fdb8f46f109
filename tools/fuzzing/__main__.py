"""Fuzz readers: `python -m fuzzing --seconds 60 --output found [reader ...]`, in tools/.

Every input is read, or refused with one of our errors, within seconds and within memory. Whatever
else happens is written to the output folder with its traceback, and the exit status is 1. Ctrl-C
ends it with the figures so far, and the status 130.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from fuzzing.guided import fuzz_guided, is_installed
from fuzzing.mutations import changes, mutate
from fuzzing.packages import READERS
from fuzzing.readers import Reader
from fuzzing.tally import Tally, read_once, spent_s

MEMORY = 3 * 2**30
"""Bytes of address space that the process may take, libraries included."""

AT_A_TIME = 200
"""Inputs between two looks at the clock."""


def main() -> int:
    """Fuzz the readers that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], default=[])
    parser.add_argument("--seconds", type=float, default=60, help="of the processor, each reader")
    parser.add_argument("--seed", type=int, default=None, help="the time if not given")
    parser.add_argument("--guided", action="store_true", help="by coverage, with Atheris")
    parser.add_argument("--output", type=Path, default=Path("fuzz"))
    arguments = parser.parse_args()
    if arguments.guided and not is_installed():
        sys.stdout.write("Atheris is not installed here, so nothing is fuzzed by coverage.\n")
        return 0
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    os.environ.setdefault("SNN_MEMORY_LIMIT", "256M")
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    found, stop = {}, threading.Event()
    if not arguments.guided:  # Atheris is a process of its own, which Ctrl-C ends
        signal.signal(signal.SIGINT, lambda *_: stop.set())
    for name in arguments.readers or READERS:
        if stop.is_set():
            break
        start_s = spent_s()
        if arguments.guided:
            tally = fuzz_guided(name, seconds=arguments.seconds, seed=seed)
        else:
            tally = fuzz(READERS[name], seconds=arguments.seconds, seed=seed, stop=stop)
        found[name] = {
            "inputs": tally.inputs, "read": tally.read, "refused": tally.refused,
            "crashes": len(tally.crashes), "slowest_s": round(tally.slowest_s, 2),
            "peak_mb": tally.peak_mb, "seed": seed, "seconds": round(spent_s() - start_s),
        }  # fmt: skip
        sys.stdout.write(f"{name}: {json.dumps(found[name])}\n")
        sys.stdout.flush()
        _save(tally, arguments.output / name)
    if stop.is_set():
        return 128 + signal.SIGINT
    return int(any(tally["crashes"] for tally in found.values()))


def fuzz(reader: Reader, *, seconds: float, seed: int, stop: threading.Event) -> Tally:
    """Read changed files for some time, or until it is to stop."""
    tally, seeds = Tally(), reader.seeds()
    end = spent_s() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while spent_s() < end and not stop.is_set():
            seed += 1
            tally.add(_in_child(reader, seeds, Path(folder), seed))
    return tally


def _in_child(reader: Reader, seeds: Mapping[str, bytes], folder: Path, seed: int) -> Tally:
    """Read some changed files in a copy of this process; a crash of it is one of theirs."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        status = 1
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was begun is counted
        try:
            with os.fdopen(sender, "w") as pipe:
                json.dump(asdict(_read_some(reader, seeds, folder, seed)), pipe)
            status = 0
        except BaseException:  # noqa: BLE001 - nothing may get back to the caller's code
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(sender)
    with os.fdopen(receiver) as pipe:
        text = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return Tally(**json.loads(text))
    if code > 0:
        raise SystemExit("The fuzzing itself fails; see above.")
    return Tally.of_signal(-code, folder, seed=seed)


def _read_some(reader: Reader, seeds: Mapping[str, bytes], folder: Path, seed: int) -> Tally:
    tally = Tally()

    def check(name: str, applied: list[object]) -> None:
        content = mutate(seeds[name], applied)  # type: ignore[arg-type]
        path = folder / name.replace("/", "@")
        path.write_bytes(content)
        read_once(reader, path, content, tally)

    run = given(st.sampled_from(sorted(seeds)), changes)(check)
    run = settings(
        max_examples=AT_A_TIME, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(with_seed(seed)(run))  # fmt: skip
    run()
    tally.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return tally


def _save(tally: Tally, folder: Path) -> None:
    if tally.crashes:
        folder.mkdir(parents=True, exist_ok=True)
        for key, text in tally.crashes.items():
            (folder / f"{key}.txt").write_text(text, errors="backslashreplace")
        for name, content in tally.kept.items():
            (folder / name).write_bytes(base64.b64decode(content))


if __name__ == "__main__":
    sys.exit(main())

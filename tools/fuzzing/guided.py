"""Fuzzing that is guided by coverage: Atheris chooses what Hypothesis draws, of the same changes.

https://github.com/google/atheris instruments the packages when they are imported, so that this runs
in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from fuzzing.tally import Tally

PACKAGES = ["snn_core", "snn_loihi", "snn_megasim", "snn_plot"]
"""What is instrumented."""


def is_installed() -> bool:
    """Return whether Atheris is there."""
    return find_spec("atheris") is not None


def fuzz_guided(name: str, *, seconds: float, seed: int) -> Tally:
    """Read changed files for some time of the processor, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, found = Path(folder) / "inputs", Path(folder) / "tally.json"
        inputs.mkdir()
        arguments = [name, str(seconds), str(seed), str(inputs), str(found)]
        command = [sys.executable, "-m", "fuzzing.guided", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if found.exists():
            return Tally(**json.loads(found.read_text()))
        if done.returncode >= 0:
            raise SystemExit(f"The fuzzing itself fails:\n{done.stderr[-3000:]}")
        return Tally.of_signal(-done.returncode, inputs, seed=seed)


def _main() -> None:
    name, seconds, seed, inputs, found = sys.argv[1:]
    import atheris

    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=PACKAGES, enable_loader_override=False):
        _fuzz(atheris, name, float(seconds), seed, Path(inputs), Path(found))


def _fuzz(atheris: object, name: str, seconds: float, seed: str, inputs: Path, found: Path) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    from fuzzing.mutations import changes, mutate
    from fuzzing.packages import READERS
    from fuzzing.tally import read_once, spent_s

    reader, tally = READERS[name], Tally()
    seeds = reader.seeds()

    def check(name: str, applied: list[object]) -> None:
        if spent_s() > seconds:
            tally.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            found.write_text(json.dumps(asdict(tally)))
            os._exit(0)  # libFuzzer does not end otherwise
        content = mutate(seeds[name], applied)  # type: ignore[arg-type]
        path = inputs / name.replace("/", "@")
        path.write_bytes(content)
        read_once(reader, path, content, tally)

    for name in seeds:  # whatever is imported on the way is instrumented, which takes its time
        path = inputs / name.replace("/", "@")
        path.write_bytes(seeds[name])
        with suppress(Exception):
            reader.read(path)
    run = given(st.sampled_from(sorted(seeds)), changes)(check)
    run = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))(run)
    options = [f"-seed={int(seed) % 2**31}", "-timeout=0", "-rss_limit_mb=0", "-max_len=8192"]
    atheris.Setup([sys.argv[0], *options], run.hypothesis.fuzz_one_input)  # type: ignore[attr-defined]
    atheris.Fuzz()  # type: ignore[attr-defined]


if __name__ == "__main__":
    _main()

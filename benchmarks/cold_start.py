"""How long the command line takes to start, convert and simulate, from a new process each time.

    python benchmarks/cold_start.py [--repeats 5] [--json FILE]

The network is that of `examples/mnist`, the simulator INIsim. "First batch" is the time from the
start of the process until the results of the first batch are on disk, in a run of all 1000 images;
the process is stopped then. Every command runs once before it is measured, so that Python's modules
and numba's kernels are compiled: only the first start on a machine does that. Elapsed times depend
on what else the machine does, processor times much less; both are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MNIST = Path(__file__).parents[1] / "examples" / "mnist"
COMMAND = Path(sys.executable).with_name("snn")
BATCH = 100
POLL = 0.002
"""Seconds between looks for the first batch."""

LONGEST = 60
"""Seconds after which there will be none."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for all figures")
    arguments = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"{'':34} elapsed / s   processor / s")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, start in measurements(Path(folder)).items():
            start()
            times = [start() for _ in range(arguments.repeats)]
            elapsed, busy = (statistics.median(column) for column in zip(*times, strict=True))
            rows.append({"name": name, "elapsed": elapsed, "processor": busy})
            print(f"{name:34} {elapsed:11.2f} {busy:15.2f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def measurements(folder: Path) -> dict[str, Callable[[], tuple[float, float]]]:
    """Return what is measured: each starts a process and returns its elapsed and processor time."""
    artifact, results = folder / "demo.snn", folder / "results"
    settings = ("--settings", MNIST / "settings.toml")
    calibration = ("--data", MNIST / "data" / "calibration.npz")
    convert = ("convert", MNIST / "model.keras", "-o", artifact, *calibration, *settings, "--force")
    run = ("run", artifact, "--data", MNIST / "data" / "test.npz", "-o", results, "-q")
    run = (*run, "--batch-size", str(BATCH))
    first = results / "batches" / "00000.npz"

    def fresh(*command: object, until: Path | None = None) -> tuple[float, float]:
        shutil.rmtree(results, ignore_errors=True)
        return seconds(*command, until=until)

    return {
        "snn --help": lambda: fresh("--help"),
        "snn convert": lambda: fresh(*convert),
        f"snn run, {BATCH} images in one batch": lambda: fresh(*run, "--samples", str(BATCH)),
        "snn run, 1000 images, first batch": lambda: fresh(*run, until=first),
        "snn run, 1000 images, all": lambda: fresh(*run),
    }


def seconds(*command: object, until: Path | None) -> tuple[float, float]:
    """Return elapsed and processor time of a command, or until a file is there."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [COMMAND, *map(str, command)], stdout=subprocess.DEVNULL, env=environment
    )
    while until is not None and not until.exists():
        time.sleep(POLL)
        if time.perf_counter() - start > LONGEST:
            sys.exit("No batch was written.")
    if until is not None:
        process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and until is None:
        sys.exit(process.returncode)
    return elapsed, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()

"""How long the report of a large run takes, and how much memory.

    python benchmarks/report_of_a_large_run.py
    python benchmarks/report_of_a_large_run.py --samples 100 --timesteps 50

Writes a result folder with made-up spikes of five layers, the size of the demo network, and lets
`snn report` make a report of it in a process of its own, whose peak memory is measured. Needs
snn-plot, and 200 MB of temporary space.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from snn_core.running.result import BatchArrays, RunFolder
from snn_core.settings import Settings

LAYERS = {
    "00Conv2D_12x12x16": (12, 12, 16),
    "01Conv2D_10x10x24": (10, 10, 24),
    "02AveragePooling2D_5x5x24": (5, 5, 24),
    "03Conv2D_3x3x64": (3, 3, 64),
    "05Dense_10": (10,),
}
BATCH, CLASSES, RATE = 100, 10, 0.08


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--timesteps", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        write(run, samples=arguments.samples, steps=arguments.timesteps)
        seconds, busy, megabytes = report(run, Path(folder) / "report.html")
        size = (Path(folder) / "report.html").stat().st_size / 1e6
    neurons = sum(int(np.prod(shape)) for shape in LAYERS.values())
    spikes = arguments.samples * arguments.timesteps * neurons / 1e9
    print(
        "| samples | steps | layers | neurons | spike trains | time | processor | memory | report |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    cells = [
        str(arguments.samples),
        str(arguments.timesteps),
        str(len(LAYERS)),
        str(neurons),
        f"{spikes:.2f} · 10⁹ values",
        f"{seconds:.1f} s",
        f"{busy:.1f} s",
        f"{megabytes:.0f} MB",
        f"{size:.1f} MB",
    ]
    print(f"| {' | '.join(cells)} |")
    return 0


def write(path: Path, *, samples: int, steps: int) -> None:
    """Write a result folder whose neurons fire at random, each at its own rate."""
    rng = np.random.default_rng(0)
    settings = Settings.of(
        {
            "simulation": {"duration": steps, "batch_size": BATCH},
            "output": {"log_vars": ["spiketrains", "activations"]},
        }
    )
    folder = RunFolder(path)
    folder.start(
        {
            "identity": {
                "simulator": "made up",
                "samples": samples,
                "settings": settings.to_tree(),
            },
            "layers": ["input", *LAYERS],
            "num_neurons": [784, *(int(np.prod(shape)) for shape in LAYERS.values())],
            "ann_operations": 1_000_000,
        }
    )
    for index, start in enumerate(range(0, samples, BATCH)):
        ids = np.arange(start, min(start + BATCH, samples))
        folder.append(index, batch(ids, steps, rng))


def batch(ids: np.ndarray, steps: int, rng: np.random.Generator) -> BatchArrays:
    """Return a batch of made-up numbers."""
    size = len(ids)
    labels = ids % CLASSES
    decided = np.where(rng.random((size, steps)) < 0.9, labels[:, None], -1).astype(np.int16)
    log: dict[str, np.ndarray] = {}
    for name, shape in LAYERS.items():
        rates = rng.random((size, *shape), np.float32) * 2 * RATE
        draws = rng.integers(0, 256, (size, *shape, steps), np.uint8)
        log[f"spiketrains/{name}"] = (draws < 256 * rates[..., None]).astype(np.int8)
        log[f"activations/{name}"] = rates
    spikes = [
        a.sum(axis=tuple(range(1, a.ndim)))
        for key, a in log.items()
        if key.startswith("spiketrains/")
    ]
    wrong = (decided != labels[:, None]).astype(np.float32)
    values = {
        "sample_ids_b": ids,
        "labels_b": labels,
        "targets_b_o": np.zeros((size, 0), np.float32),
        "output_b_o": np.zeros((size, 0), np.float32),
        "ann_output_b_o": rng.random((size, CLASSES), np.float32),
        "error_b_t": wrong,
        "ann_error_b": np.zeros(size, np.float32),
        "deviation_b_t": wrong,
        "ann_decision_b": labels,
        "ann_topkerr_b": np.zeros(size, bool),
        "decision_b_t": decided,
        "topkerr_b_t": decided < 0,
        "synaptic_operations_b_t": rng.integers(0, 60_000, (size, steps)),
        "neuron_operations_b_t": np.full((size, steps), 5000),
        "spikes_b_n": np.stack(spikes, axis=1),
        "simulate_s": np.array([1.0]),
    }
    return BatchArrays(values=values, log=log)


def report(run: Path, page: Path) -> tuple[float, float, float]:
    """Return how many seconds, seconds of processor time and megabytes `snn report` took."""
    command = [sys.executable, "-m", "snn_core", "report", str(run), "-o", str(page)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The report failed with status {process.returncode}.")
    # Kilobytes on Linux, bytes on macOS.
    busy = usage.ru_utime + usage.ru_stime
    return seconds, busy, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(main())

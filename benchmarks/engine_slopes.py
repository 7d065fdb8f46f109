"""How time and memory of INIsim's engines grow with steps, batch and size of the network.

    python benchmarks/engine_slopes.py [--axes steps,batch,size,memory] [--json FILE]

Of each axis the other two stay as they are. A slope is that of the logarithm of the processor time
of a run over the logarithm of what grows: 1 is proportional. Times are medians, in one thread.
``memory`` is the peak of a process of its own for each cell. Calls with the same FILE add their
cells to those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import parts
from engine_networks import make, samples, scale_rates
from engines import repetitions, seconds

from snn_core.ir import Network
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_inisim import SNN, INIsimOptions

ENGINES = ("event", "dense")
STEPS = (12, 25, 50, 100, 200)
BATCHES = (1, 4, 16, 64, 256)
WIDTHS = (8, 16, 32, 64)
"""Channels of the convolutions of the networks of different size, whose synapses grow squared."""

MEMORY = (("lenet", 32, 50), ("vgg", 1, 50), ("vgg", 32, 50), ("vgg", 128, 20))
"""Network, batch and steps."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", default="steps,batch,size,memory")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file that figures are added to")
    parser.add_argument("--peak-of", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak_of:
        name, engine, batch, steps = arguments.peak_of
        run = runner(make(name), engine, batch=int(batch), steps=int(steps))
        before = peak()
        run()
        print(json.dumps([before, peak()]))
        return
    parts.check(arguments.json)
    print(f"{platform.processor() or platform.machine()}, one thread")
    for axis in arguments.axes.split(","):
        rows = list(memory()) if axis == "memory" else list(times(axis, arguments.repeats))
        parts.merge(arguments.json, rows)
        if axis != "memory":
            print_slopes(axis, rows)


def times(axis: str, repeats: int) -> Iterator[dict[str, Any]]:
    """Measure the cells of an axis; times in s."""
    for name, network, size, batch, steps in cells(axis):
        runs = {e: runner(network, e, batch=batch, steps=steps) for e in ENGINES}
        for run in runs.values():
            run()
        often = {engine: repetitions(run) for engine, run in runs.items()}
        found: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        for _ in range(repeats):
            for engine, run in runs.items():
                found[engine].append(seconds(run, often[engine]))
        medians = {engine: statistics.median(values) for engine, values in found.items()}
        row = {"network": name, "batch": batch, "steps": steps, "axis": axis, "size": size}
        row["seconds"] = medians
        cell = f"{name:10} {batch:5} samples {steps:4} steps {size:11,} synapses"
        unit = 1e6 / (batch * steps)
        each = "  ".join(f"{e} {value * unit:8.2f}" for e, value in medians.items())
        print(f"{cell} | us per sample and step: {each}", flush=True)
        yield row


def cells(axis: str) -> Iterator[tuple[str, Network, int, int, int]]:
    """Return name, network, number of synapses, batch and steps of each cell of an axis."""
    if axis == "size":
        for width in WIDTHS:
            network = scale_rates(convolutions(width), rate=0.08)
            yield f"conv{width}", network, synapses(network), 8, 50
        return
    network = make("lenet")
    for value in {"steps": STEPS, "batch": BATCHES}[axis]:
        batch, steps = (value, 50) if axis == "batch" else (8, value)
        yield "lenet", network, synapses(network), batch, steps


def convolutions(width: int) -> Network:
    """Return four convolutions with the same number of channels on 16 x 16 x 3, and ten outputs."""
    builder, channels = NetworkBuilder((16, 16, 3)), 3
    for n in range(4):
        rng = np.random.default_rng([n, width])
        weight = rng.normal(0, 1 / np.sqrt(9 * channels), (3, 3, channels, width))
        builder.conv2d(weight.astype(np.float32), padding="same")
        channels = width
    weight = np.random.default_rng(width).normal(0, 1 / 16 / width**0.5, (256 * width, 10))
    return builder.flatten().dense(weight.astype(np.float32)).build()


def synapses(network: Network) -> int:
    """Return the number of synapses."""
    return SNN(network, Settings()).connectivity.num_synapses


def runner(network: Network, engine: str, *, batch: int, steps: int) -> Any:
    """Return a function that simulates a batch."""
    settings = Settings.of({"simulation": {"duration": float(steps), "batch_size": batch}})
    snn = SNN(network, settings, INIsimOptions.model_validate({"engine": engine, "threads": 1}))
    x_b_l = samples(network, batch)
    return lambda: snn.run_batch(x_b_l)


def print_slopes(axis: str, rows: list[dict[str, Any]]) -> None:
    """Print how fast the time of a run grows."""
    key = {"steps": "steps", "batch": "batch", "size": "size"}[axis]
    grows = np.log([row[key] for row in rows])
    for engine in ENGINES:
        taken = np.log([row["seconds"][engine] for row in rows])
        print(f"{axis:6} {engine:6} slope {np.polyfit(grows, taken, 1)[0]:.2f}", flush=True)


def memory() -> Iterator[dict[str, Any]]:
    """Measure the peak memory of each engine, in MB, in processes of their own."""
    for name, batch, steps in MEMORY:
        row: dict[str, Any] = {"network": name, "batch": batch, "steps": steps, "axis": "memory"}
        for engine in ENGINES:
            command = [sys.executable, __file__, "--peak-of", name, engine, batch, steps]
            done = subprocess.run(
                [*map(str, command)], stdout=subprocess.PIPE, check=True, text=True
            )
            row[engine] = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{name:10} {batch:5} samples {steps:4} steps, {engine}: peak {row[engine][1]} MB, "
                f"{row[engine][0]} MB before",
                flush=True,
            )
        yield row


def peak() -> int:
    """Return the peak memory of this process in MB, of 10^6 bytes."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return kilobytes * (1 if sys.platform == "darwin" else 1024) // 1_000_000


if __name__ == "__main__":
    main()

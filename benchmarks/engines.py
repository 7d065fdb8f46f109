"""INIsim's engines against one Keras prediction for each time step, in processor time.

    python benchmarks/engines.py [--nets mlp,vgg] [--batches 1,32] [--rates 0.08] [--json FILE]
                                 [--engines-only]

All simulate the same network in the same process, in turn; figures are medians over the
repetitions, of processor time, with one thread. Weights are dyadic, so that the spikes of both
engines must be the same, which is checked. Times of INIsim include what its results need beyond
the output: spike counts and synaptic operations of every layer. The Keras model returns the
output's spikes only. The last line is the largest ratio, over all cells, of the time of ``auto`` to
that of the better engine. Calls with the same FILE add their cells to those that are there.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import parts
from engine_networks import NETWORKS, make, samples

from snn_core.ir import Network
from snn_core.settings import Settings
from snn_inisim import SNN, INIsimOptions

SHORTEST = 0.1
"""Processor time in s that is measured at once, at least."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--nets", default="mlp,lenet,demo,residual,vgg", help=f"of {', '.join(NETWORKS)}"
    )
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--rates", default="0.08", help="mean spikes per neuron and step")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engines-only", action="store_true", help="leave Keras out")
    parser.add_argument("--json", type=Path, help="file that figures are added to")
    arguments = parser.parse_args()
    parts.check(arguments.json)
    print(f"{platform.processor() or platform.machine()}, {arguments.steps} steps, one thread")
    print("network     rate  batch |   event    dense     auto    Keras | auto/better  Keras/event")
    rows = []
    for name in arguments.nets.split(","):
        for rate in map(float, arguments.rates.split(",")):
            network = make(name, rate=rate)
            for batch in map(int, arguments.batches.split(",")):
                row = measure(network, batch=batch, arguments=arguments)
                rows.append({"network": name, "asked_rate": rate, **row})
                print_row(rows[-1])
                every = parts.merge(arguments.json, rows)
    worst = max(every, key=loss)
    where = f"{worst['network']}, {worst['rate']:.1%}, batch {worst['batch']}"
    print(f"auto / better engine, worst of {len(every)} cells: {loss(worst):.2f} ({where})")


def loss(row: dict[str, Any]) -> float:
    """Return the ratio of the time of `auto` to that of the better engine.

    It is the median of the ratios of each repetition, whose measurements are neighbours in time.
    """
    return float(row["loss"])


def measure(network: Network, *, batch: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the medians of one network at one batch size, in s."""
    steps, repeats = arguments.steps, arguments.repeats
    x_b_l = samples(network, batch)
    settings = Settings.of({"simulation": {"duration": float(steps), "batch_size": batch}})
    engines = {
        name: SNN(network, settings, INIsimOptions(engine=name, threads=1))
        for name in ("event", "dense", "auto")
    }
    counts = {name: snn.run_batch(x_b_l).spikecounts_n_b_l for name, snn in engines.items()}
    for name, counts_b_l in counts["event"].items():
        if (counts_b_l != counts["dense"][name]).any():
            sys.exit(f"{name}: the engines' spikes differ")
    runs: dict[str, Callable[[], object]] = {
        name: lambda snn=snn: snn.run_batch(x_b_l) for name, snn in engines.items()
    }
    if not arguments.engines_only:
        runs["keras"] = stepwise(engines["dense"], x_b_l, steps=steps)
        runs["keras"]()
    often = {name: repetitions(function) for name, function in runs.items()}
    times = [
        {name: seconds(function, often[name]) for name, function in runs.items()}
        for _ in range(repeats)
    ]
    medians = {name: statistics.median(column) for name, column in columns(times).items()}
    return {
        "batch": batch,
        "steps": steps,
        "rate": float(np.mean([c.mean() for c in counts["event"].values()]) / steps),
        "seconds": medians,
        "loss": statistics.median(t["auto"] / min(t["event"], t["dense"]) for t in times),
        "auto": engines["auto"].details["engine"],
    }


def stepwise(snn: SNN, x_b_l: np.ndarray, *, steps: int) -> Callable[[], None]:
    """Return a function that predicts step by step with Keras."""
    from keras_per_step import StepwiseModel

    network = snn.network
    layers = {layer.name: snn.dense.make_layer(layer) for layer in network.layers[1:]}
    model = StepwiseModel(network, layers, batch_size=len(x_b_l), outputs=[network.output.name])

    def predict() -> None:
        model.reset()
        for _ in range(steps):
            model.step(x_b_l)

    return predict


def repetitions(function: Callable[[], object]) -> int:
    """Return how many calls take long enough to measure, so that caches are those of a long run."""
    return 1 + int(SHORTEST / seconds(function, 1))


def seconds(function: Callable[[], object], repetitions: int) -> float:
    """Return the processor time of one call."""
    start = time.process_time()
    for _ in range(repetitions):
        function()
    return (time.process_time() - start) / repetitions


def columns(rows: Iterable[dict[str, float]]) -> dict[str, list[float]]:
    """Return the values of each key."""
    rows = list(rows)
    return {key: [row[key] for row in rows] for key in rows[0]}


def print_row(row: dict[str, Any]) -> None:
    """Print the figures of one network at one batch size, in us per sample and step."""
    unit, found = 1e6 / (row["batch"] * row["steps"]), row["seconds"]
    times = "".join(
        f"{found.get(n, math.nan) * unit:9.1f}" for n in ("event", "dense", "auto", "keras")
    )
    name = f"{row['network']:10} {row['rate']:5.1%} {row['batch']:6}"
    ratio = found.get("keras", math.nan) / found["event"]
    print(f"{name} |{times} | {loss(row):11.2f} {ratio:12.1f}", flush=True)


if __name__ == "__main__":
    main()

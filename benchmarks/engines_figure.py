"""Draw what the benchmarks of INIsim's engines measured.

    python benchmarks/engines_figure.py ENGINES.json PEERS.json RATES.json benchmarks/engines.png

The files are what ``engines.py --json`` and ``peers.py --json`` wrote, the third with several
rates. Left: how much longer others take than the event engine, all with networks made for the same
rate of spikes. Right: time of both engines over the rate.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import parts

OTHERS = {
    "spikingjelly": "SpikingJelly",
    "sinabs": "sinabs",
    "snntorch": "snnTorch",
    "dense": "INIsim, dense",
    "keras": "Keras, step by step",
}
NETWORKS = ("mlp", "lenet", "residual", "vgg")
BATCHES = (1, 32, 128)
ASKED_RATE = 0.08
"""Rate that the networks of the bars were made for: `engines.py`'s own, and one of `peers.py`."""

RATES_BATCH = 32
"""Batch of the lines over the rate."""


def main() -> None:
    """Draw the figure."""
    *sources, target = map(Path, sys.argv[1:])
    engines, peers, rates = map(parts.read, sources)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), width_ratios=(3, 2))
    draw_ratios(left, [*engines, *peers])
    draw_rates(right, rates)
    figure.tight_layout()
    figure.savefig(target, dpi=120, bbox_inches="tight")


def draw_ratios(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw a group of bars for each network and batch."""
    groups = [(name, batch) for name in NETWORKS for batch in BATCHES]
    for index, (key, label) in enumerate(OTHERS.items()):
        ratios = [_ratio(rows, group, key) for group in groups]
        axes.bar(np.arange(len(groups)) + (index - 2) * 0.16, ratios, 0.16, label=label)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylabel("time / time of the event engine")
    middle = BATCHES[len(BATCHES) // 2]  # names the network below its batches
    labels = [f"{batch}\n{name if batch == middle else ''}" for name, batch in groups]
    axes.set_xticks(range(len(groups)), labels)
    for first in range(len(BATCHES), len(groups), len(BATCHES)):
        axes.axvline(first - 0.5, color="0.8", linewidth=0.8)
    axes.set_xlabel("samples in a batch, network")
    axes.set_title(f"networks made for a rate of {ASKED_RATE:.0%}", fontsize=10)
    axes.legend(fontsize=8, ncols=len(OTHERS), loc="upper center", bbox_to_anchor=(0.5, -0.25))


def _ratio(rows: list[dict[str, Any]], group: tuple[str, int], key: str) -> float:
    for row in rows:
        is_of_group = (row["network"], row["batch"], row["asked_rate"]) == (*group, ASKED_RATE)
        if is_of_group and key in row["seconds"]:
            return float(row["seconds"][key] / row["seconds"]["event"])
    return float("nan")


def draw_rates(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw the time of both engines over the rate, in units of the dense engine's at each rate."""
    for name in NETWORKS:
        chosen = [r for r in rows if (r["network"], r["batch"]) == (name, RATES_BATCH)]
        of_network = sorted(chosen, key=_rate)
        if of_network:
            ratios = [row["seconds"]["event"] / row["seconds"]["dense"] for row in of_network]
            axes.plot([100 * _rate(row) for row in of_network], ratios, "o-", label=name)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xlim(0)
    axes.set_ylim(0, 1.2)
    axes.set_xlabel("neurons that spike in a step / %")
    axes.set_ylabel("event engine / dense engine")
    axes.set_title(f"batches of {RATES_BATCH}", fontsize=10)
    axes.legend(fontsize=8, ncols=len(NETWORKS), loc="upper center", bbox_to_anchor=(0.5, -0.25))


def _rate(row: dict[str, Any]) -> float:
    return float(row["rate"])


if __name__ == "__main__":
    main()

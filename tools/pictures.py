"""Draw the pictures of docs/concepts.md: `python tools/pictures.py`.

The neuron is simulated by the reference simulator, so the picture shows what it does.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from snn_core import run
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
STEPS = 12


def neuron() -> Figure:
    """Draw the potential and the spikes of a neuron that receives 0.4 in each step."""
    network = NetworkBuilder((1,)).dense([[0.4]]).dense([[1.0]]).build()
    settings = Settings.of(
        {"simulation": {"duration": STEPS}, "output": {"log_vars": ["mem", "spiketrains"]}}
    )
    result = run(network, "reference", data=np.ones((1, 1), np.float32), settings=settings)
    name = network.spiking_layers[0].name
    after_t = result.logged("mem")[name].reshape(-1)
    spikes_t = result.logged("spiketrains")[name].reshape(-1)
    before_t = after_t + spikes_t  # subtraction takes the threshold of 1 away
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for step, (before, after) in enumerate(zip(before_t, after_t, strict=True)):
        start = 0.0 if step == 0 else after_t[step - 1]
        axes.plot([step, step + 0.8], [start, before], color=BLUE)
        axes.plot([step + 0.8, step + 1], [before, after], color=BLUE, linestyle=":")
    fired = np.flatnonzero(spikes_t)
    axes.scatter(fired + 0.8, before_t[fired], color=ORANGE, zorder=3, label="spike: V ≥ θ")
    axes.axhline(1, color=GREY, linewidth=0.8)
    axes.annotate("threshold θ", (STEPS, 1), xytext=(2, 2), textcoords="offset points", color=GREY)
    axes.annotate("1 integrate", (0.4, 0.2), xytext=(0.9, 0.05), color=BLUE)
    axes.annotate("2 compare", (2.8, 1.2), xytext=(1.3, 1.3), color=ORANGE)
    axes.annotate("3 reset: V − θ", (2.9, 0.6), xytext=(3.15, 0.05), color=BLUE)
    axes.set(
        xlim=(0, STEPS), ylim=(0, 1.5), xticks=range(STEPS + 1), xlabel="step", ylabel="potential V"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"Input of 0.4 in each step: {len(fired)} spikes in {STEPS} steps", loc="left")
    return figure


WAY = (
    ("model", "Keras, PyTorch,\nONNX", "your framework"),
    ("parse", "neutral layers,\nas they were trained", "snn convert"),
    ("passes", "batch norm folded,\nactivations fused", "snn convert"),
    ("normalize", "scales from\ncalibration data", "snn convert"),
    ("model.snn", "one file,\nno framework", ""),
    ("simulator", "INIsim, Brian2, PyNN,\nLoihi, SpiNNaker, …", "snn run"),
    ("run/", "decisions, spikes,\noperations", "snn run"),
    ("report", "figures,\none page", "snn report, snn plot"),
)
"""Stations of a model: name, what it is then, and what takes it there."""


def way() -> Figure:
    """Draw the way of a model from file to report, in two rows."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(0, 4), ylim=(0, 2))
    axes.axis("off")
    for index, (name, what, command) in enumerate(WAY):
        x, y = index % 4, 1 - index // 4
        file = name in ("model", "model.snn", "run/", "report")
        axes.add_patch(
            FancyBboxPatch(
                (x + 0.1, y + 0.22), 0.68, 0.58, boxstyle="round,pad=0.04",
                facecolor="#f2f2f2" if file else "#dcebf5", edgecolor=GREY,
            )
        )  # fmt: skip
        axes.text(x + 0.44, y + 0.68, name, ha="center", va="center", weight="bold")
        axes.text(x + 0.44, y + 0.42, what, ha="center", va="center", fontsize=8)
        axes.text(x + 0.44, y + 0.06, command, ha="center", va="center", fontsize=8, color=BLUE,
                  family="monospace")  # fmt: skip
        if index < len(WAY) - 1:
            start = (x + 0.83, y + 0.5) if index != 3 else (x + 0.44, y + 0.0)
            end = (x + 1.05, y + 0.5) if index != 3 else (0.44, y - 0.14)
            axes.add_patch(
                FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=12, color=GREY)
            )
    return figure


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for draw in (neuron, way):
        with mpl.rc_context({"font.size": 9, "svg.hashsalt": "snn", "svg.fonttype": "none"}):
            draw().savefig(FOLDER / f"{draw.__name__}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()

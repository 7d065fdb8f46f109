"""Outputs that are numbers: against their targets, and how far they are from them over time."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.typing import Array
from snn_plot import style
from snn_plot.measures import Measure
from snn_plot.units import STEPS, Units

MOST_DOTS = 4000
"""Dots of each kind in a scatter plot."""


@style.styled
def plot_measure_vs_time(measure: Measure, *, samples: int, units: Units = STEPS) -> Figure:
    """Draw the measure of a run after each step.

    Parameters
    ----------
    measure
        What `snn_plot.measures.measure_of` returns.
    samples
        Number of samples, for the title.
    """
    figure, axes = style.one_panel()
    times = units.times(len(measure.value_t))
    axes.plot(times, measure.value_t, color=style.SPIKING, label="spiking")
    axes.fill_between(times, measure.low_t, measure.high_t, color=style.SPIKING, alpha=0.2,
                      linewidth=0)  # fmt: skip
    unit = " %" if measure.is_share else ""
    if measure.ann is not None:
        axes.axhline(measure.ann, color=style.ANALOG, linestyle="--", linewidth=0.8,
                     label=f"analog: {measure.ann:.4g}{unit}")  # fmt: skip
    axes.set(xlabel=units.time_label, ylabel=measure.label)
    axes.set_xlim(0, times[-1])
    axes.set_ylim(0, 102) if measure.is_share else axes.set_ylim(bottom=0)
    axes.set_title(f"{style.thousands(samples)} samples, {measure.interval}", loc="left")
    axes.legend(loc="lower right" if measure.is_share else "upper right")
    return figure


@style.styled
def plot_outputs(
    expected_b_o: Array,
    output_b_o: Array,
    ann_output_b_o: Array | None = None,
    *,
    quantity: str = "target",
) -> Figure:
    """Draw outputs over what they should be, all outputs of all samples together.

    Parameters
    ----------
    expected_b_o
        What the outputs should be.
    output_b_o, ann_output_b_o
        Outputs of the spiking and of the analog network.
    quantity
        What the expected values are.

    Raises
    ------
    DataError
        If the shapes differ, or there is nothing to draw.
    """
    shapes = {np.shape(a) for a in (expected_b_o, output_b_o, ann_output_b_o) if a is not None}
    if len(shapes) > 1 or not np.size(expected_b_o):
        raise DataError(f"Found outputs of the shapes {sorted(shapes)}; expected the same for all.")
    figure, axes = style.one_panel(height=3.2)
    expected = np.ravel(expected_b_o)
    shown = style.evenly(len(expected), MOST_DOTS)
    kinds = [("analog", ann_output_b_o, style.ANALOG), ("spiking", output_b_o, style.SPIKING)]
    for name, values, colour in kinds:
        if values is not None:
            axes.plot(expected[shown], np.ravel(values)[shown], ".", color=colour, alpha=0.5,
                      markersize=3, markeredgewidth=0, label=name)  # fmt: skip
    low, high = float(expected.min()), float(expected.max())
    axes.plot([low, high], [low, high], color=style.NEUTRAL, linestyle="--", linewidth=0.8,
              label="equal")  # fmt: skip
    axes.set(xlabel=quantity, ylabel="output")
    samples, outputs = np.shape(expected_b_o)
    number = f"{style.thousands(samples)} samples"
    axes.set_title(number if outputs == 1 else f"{number} of {outputs} outputs", loc="left")
    axes.legend(loc="upper left", markerscale=2)
    return figure

"""Outputs that are numbers: against their targets, and how far they are from them over time."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.typing import Array
from snn_plot import finite, style
from snn_plot.measures import Measure
from snn_plot.scales import show_powers, show_shares
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
    value_t, low_t, high_t = map(finite.shown, (measure.value_t, measure.low_t, measure.high_t))
    axes.plot(times, value_t, color=style.SPIKING, label="spiking")
    axes.fill_between(times, low_t, high_t, color=style.SPIKING, alpha=0.2, linewidth=0)
    finite.note_rest(axes, measure.value_t)
    unit = " %" if measure.is_share else ""
    seen = [finite.limits_of(low_t)[0], finite.limits_of(value_t)[1]]
    if measure.ann is not None and finite.is_shown(measure.ann):
        axes.axhline(measure.ann, color=style.ANALOG, linestyle="--",
                     label=f"analog: {measure.ann:.4g}{unit}")  # fmt: skip
        seen.append(measure.ann)
    axes.set(xlabel=units.time_label, ylabel=measure.label)
    if measure.is_share:
        show_shares(axes, lowest=min(seen), highest=max(seen), samples=samples)
    else:
        show_powers(axes, np.append(value_t, measure.ann or value_t[-1]))
    style.show_steps(axes, times)
    style.head(axes, f"{style.count(samples, 'sample')}, band: {measure.interval}")
    style.legend_below(figure, axes)
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
    expected = np.ravel(finite.shown(expected_b_o))
    shown = style.evenly(len(expected), MOST_DOTS)
    # Where both are equal, a ring of the lower dot is seen around the upper one.
    kinds = [("analog", ann_output_b_o, style.ANALOG, 4.5),
             ("spiking", output_b_o, style.SPIKING, 2.0)]  # fmt: skip
    for name, values, colour, size in kinds:
        if values is not None:
            drawn = np.ravel(finite.shown(values))[shown]
            axes.plot(expected[shown], drawn, "o", color=colour, alpha=0.7,
                      markersize=size, markeredgewidth=0, label=name)  # fmt: skip
    finite.note_rest(axes, output_b_o)
    low, high = finite.limits_of(expected)
    axes.plot([low, high], [low, high], color=style.NEUTRAL, linestyle="--", linewidth=0.8,
              label="equal")  # fmt: skip
    axes.set(xlabel=quantity, ylabel="output")
    samples, outputs = np.shape(expected_b_o)
    number = style.count(samples, "sample")
    style.head(axes, number if outputs == 1 else f"{number}, {outputs} outputs each")
    style.legend_below(figure, axes)
    return figure

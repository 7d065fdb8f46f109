"""Operations over time, and the operations that an accuracy costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from snn_core.errors import DataError
from snn_core.running.result import RunResult
from snn_core.typing import Array, Float64
from snn_plot import style
from snn_plot.measures import measure_of
from snn_plot.spikes import draw_cumulative
from snn_plot.units import STEPS, Units


@style.styled
def plot_ops_vs_time(
    operations_b_t: Array | Mapping[str, Array],
    *,
    operations_ann: float | None = None,
    units: Units = STEPS,
) -> Figure:
    """Draw how many operations a sample has cost up to each step.

    Parameters
    ----------
    operations_b_t
        Operations of each step, not summed up; or several kinds of them by name.
    operations_ann
        Operations of the analog network.
    """
    kinds = operations_b_t if isinstance(operations_b_t, Mapping) else {"spiking": operations_b_t}
    figure, axes = style.one_panel()
    for index, (name, values_b_t) in enumerate(kinds.items()):
        shade = style.colour(index + (index > 0))  # the second colour is the analog network's
        draw_cumulative(axes, values_b_t, label=name, line_colour=shade, units=units)
    if operations_ann is not None:
        axes.axhline(operations_ann, color=style.ANALOG, linestyle="--", linewidth=0.8,
                     label="analog")  # fmt: skip
    samples, steps = next(iter(kinds.values())).shape
    axes.yaxis.set_major_formatter(EngFormatter())
    axes.set(xlabel=units.time_label, ylabel="operations so far (per sample)")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0, units.times(steps)[-1])
    axes.set_title(
        f"mean of {style.thousands(samples)} samples; band: 5 % to 95 % of them", loc="left"
    )
    axes.legend()
    return figure


@style.styled
def plot_comparison(runs: Mapping[str, RunResult], *, units: Units = STEPS) -> Figure:
    """Compare runs: accuracy over time, and over operations with the best of all runs marked.

    Bands are 95 % intervals. The black line joins the points that no run beats: none has a higher
    accuracy with as few operations (the Pareto front). Where outputs are numbers, the mean squared
    error takes the place of the accuracy.

    Parameters
    ----------
    runs
        Name to result. Runs may differ in simulator, settings, steps and samples.
    units
        Unit of time; with ``"ms"``, each run's own length of a step is used.

    Raises
    ------
    DataError
        If there are no runs, or they are not measured in the same way.
    """
    if not runs:
        raise DataError("Found no runs to compare; expected at least one.")
    measures = {name: measure_of(result) for name, result in runs.items()}
    first = next(iter(measures.values()))
    if any(measure.name != first.name for measure in measures.values()):
        found = ", ".join(f"{name}: {measure.name}" for name, measure in measures.items())
        raise DataError(f"Found different measures ({found}); compare runs of one task.")
    figure = style.new_figure(height=4.8)
    upper, lower = (style.tidy(figure.add_subplot(2, 1, i)) for i in (1, 2))
    shades = style.shades(len(runs))
    for (name, result), shade in zip(runs.items(), shades, strict=True):
        dt_ms = float(result.metadata["identity"]["settings"]["simulation"]["dt"])
        times = Units(time=units.time, dt_ms=dt_ms).times(result.timesteps)
        measure = measures[name]
        cost_t = cumulative_operations(result)
        for axes, x_t in ((upper, times), (lower, cost_t)):
            # Runs that differ in their length alone lie on each other: a dot tells the ends.
            axes.plot(x_t, measure.value_t, "-o", markevery=[-1], markersize=3, color=shade,
                      label=f"{name} ({result.samples} samples)")  # fmt: skip
            axes.fill_between(x_t, measure.low_t, measure.high_t, color=shade, alpha=0.12,
                              linewidth=0)  # fmt: skip
        if measure.ann is not None:
            lower.plot(result.ann_operations_per_sample, measure.ann, "*", color=shade,
                       markersize=7, markeredgecolor="white", markeredgewidth=0.4)  # fmt: skip
    cost_p, best_p = pareto_front(list(runs.values()))
    lower.step(cost_p, best_p, where="post", color="black", linewidth=0.7, linestyle="--")
    label = "accuracy (% of samples)" if first.name == "accuracy" else first.label
    upper.set(xlabel=units.time_label, ylabel=label)
    lower.set(xlabel="operations so far (per sample)", ylabel=label, xscale="log")
    for axes in (upper, lower):
        axes.set_ylim(0, 102 if first.is_share else None)
    lower.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    lower.xaxis.set_major_formatter(EngFormatter(sep="\u202f"))
    lower.xaxis.set_minor_formatter(NullFormatter())
    upper.set_title(f"{first.interval}s" if first.is_share else first.interval, loc="left")
    lower.set_title("★ analog networks; dashed: best of all runs", loc="left")
    style.legend_below(figure, upper)
    return figure


def cumulative_operations(result: RunResult) -> Float64[Array, "t"]:
    """Return the mean operations of a sample up to each step, synaptic and neuronal together."""
    total_b_t = result.synaptic_operations_b_t + result.neuron_operations_b_t
    summed: Array = total_b_t.mean(axis=0).cumsum()
    return summed


def pareto_front(
    results: list[RunResult],
) -> tuple[Float64[Array, "p"], Float64[Array, "p"]]:
    """Return operations and measures of the points of all runs that no other point beats."""
    cost = np.concatenate([cumulative_operations(result) for result in results])
    measures = [measure_of(result) for result in results]
    value = np.concatenate([measure.value_t for measure in measures])
    worth = value if measures[0].is_share else -value
    order = np.lexsort((-worth, cost))
    cost, value, worth = cost[order], value[order], worth[order]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(worth)[:-1]])
    best = worth > before
    return cost[best], value[best]

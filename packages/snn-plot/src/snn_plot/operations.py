"""Operations over time, and the operations that an accuracy costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from snn_core.errors import DataError
from snn_core.operations import format_operations
from snn_core.running.result import RunResult
from snn_core.typing import Array, Float64
from snn_plot import finite, style
from snn_plot.measures import measure_of
from snn_plot.scales import show_powers, show_shares
from snn_plot.spikes import draw_cumulative, means
from snn_plot.units import STEPS, Units

ENDS = "osD^v"
"""Marks at the ends of runs."""


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
        Operations of each step, not summed up; or several kinds of them by name, which are drawn
        together, too.
    operations_ann
        Operations of the analog network.
    """
    kinds = operations_b_t if isinstance(operations_b_t, Mapping) else {"spiking": operations_b_t}
    figure, axes = style.one_panel()
    if len(kinds) > 1:  # what is compared with the analog network
        kinds = {"together": np.sum([*kinds.values()], axis=0), **kinds}
    shades = [style.SPIKING, *style.PALETTE[2:]]  # the second colour is the analog network's
    for index, ((name, values_b_t), look) in enumerate(
        zip(kinds.items(), style.curves(len(kinds)), strict=True)
    ):
        look = {**look, "color": shades[index % len(shades)]}
        draw_cumulative(axes, values_b_t, label=name, look=look, units=units)
    if operations_ann is not None:
        said = f"analog: {format_operations(operations_ann)}"
        axes.axhline(operations_ann, color=style.ANALOG, linestyle="--", label=said)
    samples, steps = next(iter(kinds.values())).shape
    axes.yaxis.set_major_formatter(EngFormatter())
    axes.set(xlabel=units.time_label, ylabel="operations so far (per sample)")
    axes.set_ylim(bottom=0)
    style.show_steps(axes, units.times(steps))
    style.head(axes, means(samples))
    style.legend_below(figure, axes)
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
    figure = style.new_figure(height=4.4)
    upper, lower = (style.tidy(figure.add_subplot(2, 1, i)) for i in (1, 2))
    seen = []
    for index, ((name, result), look) in enumerate(
        zip(runs.items(), style.curves(len(runs), dashed=True), strict=True)
    ):
        dt_ms = float(result.metadata["identity"]["settings"]["simulation"]["dt"])
        times = Units(time=units.time, dt_ms=dt_ms).times(result.timesteps)
        measure = measures[name]
        for axes, x_t in ((upper, times), (lower, cumulative_operations(result))):
            # Runs that differ in their length alone lie on each other: a mark tells the ends.
            axes.plot(x_t, finite.shown(measure.value_t), **look, marker=ENDS[index % len(ENDS)],
                      markevery=[-1], markersize=4,
                      label=f"{name} ({style.count(result.samples, 'sample')})")  # fmt: skip
            axes.fill_between(x_t, finite.shown(measure.low_t), finite.shown(measure.high_t),
                              color=look["color"], alpha=0.1, linewidth=0)  # fmt: skip
        seen += [finite.limits_of(measure.low_t)[0], finite.limits_of(measure.value_t)[1]]
        if measure.ann is not None and finite.is_shown(measure.ann):
            lower.plot(result.ann_operations_per_sample, measure.ann, "*", color=look["color"],
                       markersize=7, markeredgecolor="white", markeredgewidth=0.4,
                       clip_on=False, zorder=3)  # fmt: skip
            seen.append(measure.ann)
    cost_p, best_p = pareto_front(list(runs.values()))
    lower.step(cost_p, best_p, where="post", color="black", linewidth=0.7, linestyle="--")
    label = "accuracy (% of samples)" if first.name == "accuracy" else first.label
    upper.set(xlabel=units.time_label, ylabel=label)
    lower.set(xlabel="operations so far (per sample)", ylabel=label, xscale="log")
    samples = max(result.samples for result in runs.values())
    for axes in (upper, lower):
        if first.is_share:
            show_shares(axes, lowest=min(seen), highest=max(seen), samples=samples)
        else:
            show_powers(axes, np.concatenate([m.value_t for m in measures.values()]))
    upper.set_xlim(left=0)
    lower.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    lower.xaxis.set_major_formatter(EngFormatter(sep="\u202f"))
    lower.xaxis.set_minor_formatter(NullFormatter())
    finite.note_rest(upper, np.concatenate([m.value_t for m in measures.values()]))
    style.head(upper, f"bands: {first.interval}s" if first.is_share else first.interval)
    style.head(lower, "★ analog networks; thin black: best of all runs")
    style.legend_below(figure, upper)
    return figure


def name_differences(runs: Mapping[str, RunResult]) -> dict[str, RunResult]:
    """Return runs by names that tell in what they differ: steps, network, simulator, spike code."""
    facts = {name: _facts(result) for name, result in runs.items()}
    columns = list(zip(*facts.values(), strict=True))
    differing = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    told = {
        name: ", ".join(filter(None, (own[i] for i in differing))) for name, own in facts.items()
    }
    return {f"{name}: {told[name]}" if told[name] else name: run for name, run in runs.items()}


def _facts(result: RunResult) -> list[str]:
    """Return what a reader may want to know of a run, always in the same order."""
    identity = result.metadata["identity"]
    return [
        style.count(result.timesteps, "step"),
        PurePath(result.metadata.get("model", {}).get("name", "")).name,
        identity["simulator"],
        identity["settings"]["conversion"]["spike_code"],
    ]


def cumulative_operations(result: RunResult) -> Float64[Array, "t"]:
    """Return the mean operations of a sample up to each step, synaptic and neuronal together."""
    total_b_t = np.add(
        result.synaptic_operations_b_t, result.neuron_operations_b_t, dtype=np.float64
    )
    summed: Array = total_b_t.mean(axis=0).cumsum()
    return summed


def pareto_front(
    results: list[RunResult],
) -> tuple[Float64[Array, "p"], Float64[Array, "p"]]:
    """Return operations and measures of the points of all runs that no other point beats."""
    cost = np.concatenate([cumulative_operations(result) for result in results])
    measures = [measure_of(result) for result in results]
    value = np.concatenate([measure.value_t for measure in measures])
    known = finite.is_shown(value)
    cost, value = cost[known], value[known]
    worth = value if measures[0].is_share else -value
    order = np.lexsort((-worth, cost))
    cost, value, worth = cost[order], value[order], worth[order]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(worth)])[:-1]
    best = worth > before
    return cost[best], value[best]

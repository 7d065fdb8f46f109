"""Spikes and membrane potentials in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    MaxNLocator,
    NullLocator,
    StrMethodFormatter,
)

from snn_core.typing import Array, Int64
from snn_plot import finite, style
from snn_plot.names import fit_classes
from snn_plot.units import STEPS, Units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NEURONS = 400
"""Neurons shown in a raster: about as many rows as a column of print resolves."""

MOST_NAMED = 12
"""Neurons of which each has its tick."""

LINEAR_TO = 4.0
"""Thresholds below zero from which on the axis is logarithmic, so that the firing neurons show."""

LARGEST_DOT = 4.0
"""Diameter of the largest dot of a panel with events, in points."""

PANEL_POINTS = 210.0, 60.0
"""Width and height of a panel with events, in points."""

ADDRESSES = {1: ("neuron",), 2: ("position", "map"), 3: ("row", "column", "map")}
"""Names of the parts of an address, by the number of axes."""

MOST_POTENTIALS = 6
"""Neurons whose potentials are drawn; more lines cannot be followed."""

MANY_STEPS = 150
"""Steps from which on potentials are drawn with thinner lines."""


@style.styled
def plot_spiketrains(
    spiketrains_l_t: Array,
    *,
    label: str,
    units: Units = STEPS,
    max_neurons: int = MOST_NEURONS,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw which neuron fired when.

    Of a large layer evenly spaced neurons are shown, and the figure says how many.

    Parameters
    ----------
    spiketrains_l_t
        Spikes of one sample in {-1, 0, 1}; time is the last axis.
    label
        The layer's label.
    max_neurons
        Largest number of neurons shown.
    names
        What each neuron stands for, such as classes; their numbers if not given.
    """
    figure, axes = style.one_panel()
    draw_raster(axes, spiketrains_l_t, label=label, units=units, max_neurons=max_neurons)
    neurons = int(np.prod(np.shape(spiketrains_l_t)[:-1]))
    if names is not None and neurons <= MOST_NAMED:
        axes.set_yticks(np.arange(neurons), fit_classes(names, neurons))
        axes.set_ylabel("class")
    return figure


@style.styled
def plot_potential(
    mem_l_t: Array,
    *,
    label: str,
    units: Units = STEPS,
    v_thresh: float | None = 1.0,
    show_legend: bool = True,
    max_neurons: int = MOST_POTENTIALS,
    predicted: int | None = None,
    true: int | None = None,
    names: Sequence[str] | None = None,
    spikes_l: Array | None = None,
) -> Figure:
    """Draw the membrane potentials of a layer, for a large one of neurons that differ.

    Of a hidden layer these are quiet, middling and busy ones, if its spikes are known, and one that
    is silent; otherwise those whose potentials differ.

    Parameters
    ----------
    mem_l_t
        Potentials of one sample in units of the threshold, after each step; time is the last axis.
    v_thresh
        Where to draw the threshold; nowhere if ``None``.
    show_legend
        Whether the neurons are named.
    max_neurons
        Largest number of neurons shown.
    predicted, true
        Neurons of the class that was decided and of the right one, which are always shown.
    names
        What each neuron stands for, such as classes; their numbers if not given.
    spikes_l
        How often each neuron spiked.
    """
    flat = finite.shown(mem_l_t).reshape(-1, mem_l_t.shape[-1])
    roles: dict[int, list[str]] = {}
    for number, role in ((predicted, "predicted"), (true, "true")):
        if number is not None and number >= 0:
            roles.setdefault(number, []).append(role)
    if roles or spikes_l is None or not np.any(spikes_l):
        shown = find_different(flat, max_neurons, always=list(roles))
    else:
        shown = find_by_activity(np.ravel(spikes_l), max_neurons)
    times = units.times(flat.shape[1])
    figure, axes = style.one_panel()
    looks = _looks(shown, predicted=predicted, true=true, steps=len(times))
    known = fit_classes(names, len(flat))
    for neuron in shown:
        role = f" ({', '.join(roles[neuron])})" if neuron in roles else ""
        axes.plot(times, flat[neuron], label=known[neuron] + role, **looks[neuron])
    if v_thresh is not None:
        axes.axhline(v_thresh, color=style.NEUTRAL, linestyle="--", linewidth=0.8,
                     label="threshold")  # fmt: skip
    lowest, highest = finite.limits_of(flat[shown])
    if lowest < -LINEAR_TO:
        _show_far_below(axes, lowest, highest)
    axes.set(
        xlabel=units.time_label,
        ylabel="membrane potential" + (" (thresholds)" if v_thresh is not None else ""),
    )
    style.show_steps(axes, times)
    remark = f"{len(shown)} of {style.thousands(len(flat))} neurons"
    style.head(axes, label, remark if len(shown) < len(flat) else "")
    finite.note_rest(axes, flat[shown])
    if show_legend:
        style.legend_below(figure, axes, title="class" if names else "neuron")
    return figure


def _show_far_below(axes: Axes, lowest: float, highest: float) -> None:
    """Let the vertical axis be logarithmic far from 0, with a tick for each power that has room."""
    axes.set_yscale("symlog", linthresh=LINEAR_TO / 2, linscale=2)
    near = [1, 0, -1, *(() if lowest < -10 else (-3,))]
    powers = range(1, 7)
    largest = max(-lowest, highest)
    if largest > 10.0 ** powers[-1]:  # as where a network diverges
        near, every = [0], math.ceil(math.log10(largest) / 4)
        powers = range(every, 4 * every + 1, every)
    far = [sign * 10.0**power for sign in (1, -1) for power in powers]
    axes.yaxis.set_major_locator(FixedLocator([*near, *far]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _looks(
    neurons: Sequence[int], *, predicted: int | None, true: int | None, steps: int
) -> dict[int, dict[str, Any]]:
    """Return the look of each neuron: classes that matter are wide, in colours of their own."""
    wide, thin = (2.0, 0.9) if steps <= MANY_STEPS else (1.2, 0.5)
    special = {true: style.ANALOG, predicted: style.SPIKING}
    others = [neuron for neuron in neurons if neuron not in special]
    free = style.PALETTE[2:] if len(others) < len(neurons) else style.PALETTE
    looks = {n: {"color": free[i % len(free)], "linewidth": thin} for i, n in enumerate(others)}
    kept = {n: {"color": special[n], "linewidth": wide} for n in neurons if n in special}
    return {**looks, **kept}


def find_different(mem_l_t: Array, most: int, *, always: Sequence[int] = ()) -> list[int]:
    """Return neurons whose potentials differ as much as possible, in the layer's order.

    Each is the one that is farthest from those chosen before; the first, if none is given, the one
    whose potential changes most. Potentials far below 0 count as one, which are never decisive.

    Parameters
    ----------
    always
        Neurons that are chosen in any case.
    """
    seen_l_t = np.maximum(np.nan_to_num(finite.shown(mem_l_t)), -LINEAR_TO)
    chosen = list(always) or [int(seen_l_t.std(axis=1).argmax())]
    apart_l = np.full(len(seen_l_t), np.inf)
    for neuron in chosen:
        apart_l = np.minimum(apart_l, ((seen_l_t - seen_l_t[neuron]) ** 2).sum(axis=1))
    while len(chosen) < min(most, len(seen_l_t)):
        apart_l[chosen] = -1
        chosen.append(int(apart_l.argmax()))
        apart_l = np.minimum(apart_l, ((seen_l_t - seen_l_t[chosen[-1]]) ** 2).sum(axis=1))
    return sorted(chosen)


def find_by_activity(spikes_l: Array, most: int) -> list[int]:
    """Return neurons from the quietest that spikes to the busiest, and a silent one, in order.

    Parameters
    ----------
    spikes_l
        How often each neuron spiked; at least one did.
    most
        Largest number of neurons.
    """
    silent, active = np.flatnonzero(spikes_l == 0), np.flatnonzero(spikes_l)
    chosen = [int(silent[len(silent) // 2])] if len(silent) and most > 1 else []
    counts = spikes_l[active]
    # Evenly over numbers of spikes, not over neurons, most of which are often alike.
    for target in np.linspace(counts.max(), counts.min(), min(most - len(chosen), len(active))):
        nearest = int(np.abs(spikes_l[active] - target).argmin())
        chosen.append(int(active[nearest]))
        active = np.delete(active, nearest)
    return sorted(chosen)


@style.styled
def plot_spikecount_vs_time(spikes_n_b_t: Mapping[str, Array], *, units: Units = STEPS) -> Figure:
    """Draw how many spikes a layer has fired up to each step: mean over samples, and most samples.

    Parameters
    ----------
    spikes_n_b_t
        Layer label to spikes of all its neurons together, per sample and step; `spikes_per_step`
        makes it of spike trains.
    """
    figure, axes = style.one_panel()
    for (label, spikes_b_t), look in zip(
        spikes_n_b_t.items(), style.curves(len(spikes_n_b_t)), strict=True
    ):
        draw_cumulative(axes, spikes_b_t, label=label, look=look, units=units)
    samples, steps = next(iter(spikes_n_b_t.values())).shape
    axes.set(xlabel=units.time_label, ylabel="spikes so far (per sample)")
    # Limits first: some versions of matplotlib warn of an axis that is linear only.
    most = max(float(np.sum(spikes_b_t, axis=1).max()) for spikes_b_t in spikes_n_b_t.values())
    axes.set_ylim(0, max(1.5 * most, 2))
    axes.set_yscale("symlog", linthresh=1, linscale=0.5)
    axes.yaxis.set_major_formatter(EngFormatter(sep="\u202f"))
    style.show_steps(axes, units.times(steps))
    style.head(axes, means(samples))
    style.legend_below(figure, axes)
    return figure


def means(samples: int) -> str:
    """Return what a curve with a band shows, as `draw_cumulative` draws it."""
    if samples == 1:
        return "1 sample"
    return f"means of {style.count(samples, 'sample')}; bands: 5 % to 95 % of them"


@style.styled
def plot_events(spiketrains_l_t: Array, *, label: str, units: Units = STEPS) -> Figure:
    """Draw the spikes of a layer as events: their addresses over time, coloured by polarity.

    Event cameras and event-driven simulators name a neuron by its address. There is a panel for
    each axis of the layer: row, column and map of an image, position and map of a sequence. A
    larger dot stands for more events with this part of the address in a step.

    Parameters
    ----------
    spiketrains_l_t
        Spikes of one sample, in the layer's shape, channels last; time is the last axis. Numbers of
        spikes if a neuron may spike several times in a step, negative ones of negative spikes.
    label
        The layer's label.
    """
    trains = np.asarray(spiketrains_l_t)
    shape = trains.shape[:-1]
    names = ADDRESSES.get(len(shape), tuple(f"axis {i}" for i in range(len(shape))))
    shown = [axis for axis, size in enumerate(shape) if size > 1] or [len(shape) - 1]
    figure = style.new_figure(height=1.0 + 1.0 * len(shown))
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    times = units.times(trains.shape[-1])
    for axes, axis in zip(panels, shown, strict=True):
        style.tidy(axes)
        apart = min(1.3 * PANEL_POINTS[0] / len(times), 1.6 * PANEL_POINTS[1] / shape[axis])
        largest = float(np.clip(apart, 1.0, LARGEST_DOT))
        for sign, colour in ((1, style.SPIKING), (-1, style.ANALOG)):
            others = tuple(other for other in range(len(shape)) if other != axis)
            number = np.maximum(sign * trains, 0).sum(axis=others, dtype=np.int64)
            place, step = np.nonzero(number)
            if sign == 1 or len(place):
                area = largest**2 * number[place, step] / max(number.max(), 1)
                axes.scatter(times[step], place, s=area, color=colour, linewidths=0,
                             rasterized=True)  # fmt: skip
        axes.set_ylabel(f"{names[axis]} (index)")
        _number_neurons(axes, shape[axis])
    panels[-1].set(xlabel=units.time_label)
    style.show_steps(panels[-1], times, margin=1)
    remarks = ["orange: −1"] if (trains < 0).any() else []
    remarks.append(style.count(float(np.abs(trains).sum()), "event"))
    style.head(panels[0], label, ", ".join(remarks))
    return figure


def count_spikes(spiketrains_b_l_t: Array) -> Int64[Array, "b t"]:
    """Count the neurons of a layer that spike in each step."""
    samples, steps = len(spiketrains_b_l_t), spiketrains_b_l_t.shape[-1]
    flat = spiketrains_b_l_t.reshape(samples, -1, steps)
    total: Array = (flat != 0).sum(axis=1, dtype=np.int32).astype(np.int64)
    return total


def spikes_per_step(spiketrains_n_b_l_t: Mapping[str, Array]) -> dict[str, Int64[Array, "b t"]]:
    """Return the spikes of all neurons of a layer together, by label."""
    return {label: count_spikes(trains) for label, trains in spiketrains_n_b_l_t.items()}


def draw_cumulative(
    axes: Axes, values_b_t: Array, *, label: str, look: Mapping[str, Any], units: Units
) -> None:
    """Draw the mean running sum over samples, with a band that holds 90 % of them."""
    total_b_t = np.asarray(values_b_t).cumsum(axis=1, dtype=np.float64)
    times = units.times(total_b_t.shape[1])
    low_t, high_t = np.percentile(total_b_t, (5, 95), axis=0)
    axes.plot(times, total_b_t.mean(axis=0), label=label, **look)
    axes.fill_between(times, low_t, high_t, color=look["color"], alpha=0.2, linewidth=0)


def draw_raster(
    axes: Axes,
    spiketrains_l_t: Array,
    *,
    label: str,
    units: Units,
    max_neurons: int = MOST_NEURONS,
) -> None:
    """Draw a raster into a panel."""
    trains = np.asarray(spiketrains_l_t).reshape(-1, spiketrains_l_t.shape[-1])
    neurons, steps = trains.shape
    shown = style.evenly(neurons, max_neurons)
    rows, columns = np.nonzero(trains[shown])
    signs = trains[shown[rows], columns]
    times = units.times(steps)
    # A mark as high as a row, within what can be seen and told apart (points).
    size = float(np.clip(90 / len(shown), 0.8, 8))
    for sign, colour in ((1, style.SPIKING), (-1, style.ANALOG)):
        chosen = signs == sign
        if sign == 1 or chosen.any():
            axes.plot(times[columns[chosen]], shown[rows[chosen]], "|", color=colour,
                      markersize=size, markeredgewidth=min(0.8, size), rasterized=True)  # fmt: skip
    axes.set(xlabel=units.time_label, ylabel="neuron (index)")
    style.show_steps(axes, times, margin=1)
    _number_neurons(axes, neurons)
    if not len(rows):
        axes.text(0.5, 0.5, "no spikes", transform=axes.transAxes, ha="center", va="center",
                  color=style.NEUTRAL)  # fmt: skip
    remarks = ["orange: −1"] if (signs < 0).any() else []
    if len(shown) < neurons:
        remarks.append(f"{len(shown)} of {style.thousands(neurons)} neurons")
    style.head(axes, label, ", ".join(remarks))


def _number_neurons(axes: Axes, neurons: int) -> None:
    """Let the vertical axis hold all neurons, each with its number if they are few."""
    axes.set_ylim(-0.5, neurons - 0.5)
    if neurons <= MOST_NAMED:
        axes.set_yticks(np.arange(neurons))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))

"""Spikes and membrane potentials in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter

from snn_core.typing import Array, Int64
from snn_plot import style
from snn_plot.units import STEPS, Units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NEURONS = 400
"""Neurons shown in a raster: about as many rows as a column of print resolves."""

LINEAR_TO = 4.0
"""Thresholds below zero from which on the axis is logarithmic, so that the firing neurons show."""

LARGEST_DOT = 14.0
"""Area of the largest dot of a panel with events, in square points."""

ADDRESSES = {1: ("neuron",), 2: ("position", "map"), 3: ("row", "column", "map")}
"""Names of the parts of an address, by the number of axes."""

MOST_POTENTIALS = 8
"""Neurons whose potentials are drawn; more lines cannot be followed."""


@style.styled
def plot_spiketrains(
    spiketrains_l_t: Array,
    *,
    label: str,
    units: Units = STEPS,
    max_neurons: int = MOST_NEURONS,
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
    """
    figure, axes = style.one_panel()
    draw_raster(axes, spiketrains_l_t, label=label, units=units, max_neurons=max_neurons)
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
) -> Figure:
    """Draw the membrane potentials of a layer, for a large one of evenly spaced neurons.

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
    """
    flat = np.asarray(mem_l_t).reshape(-1, mem_l_t.shape[-1])
    shown = style.evenly(len(flat), max_neurons)
    times = units.times(flat.shape[1])
    figure, axes = style.one_panel()
    for neuron, line_colour in zip(shown, style.shades(len(shown)), strict=True):
        axes.plot(times, flat[neuron], color=line_colour, label=str(neuron), linewidth=0.8)
    if v_thresh is not None:
        axes.axhline(v_thresh, color=style.NEUTRAL, linestyle="--", linewidth=0.8,
                     label="threshold")  # fmt: skip
    if flat[shown].min() < -LINEAR_TO:
        axes.set_yscale("symlog", linthresh=LINEAR_TO / 2, linscale=2)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set(xlabel=units.time_label, ylabel="membrane potential (thresholds)")
    axes.set_xlim(times[0] - units.step, times[-1])
    axes.set_title(label, loc="left")
    if len(shown) < len(flat):
        style.note(axes, f"{len(shown)} of {style.thousands(len(flat))} neurons")
    if show_legend:
        figure.legend(title="neuron", loc="outside right center", title_fontsize=6)
    return figure


@style.styled
def plot_spikecount_vs_time(spikes_n_b_t: Mapping[str, Array], *, units: Units = STEPS) -> Figure:
    """Draw how many spikes a layer has fired up to each step: mean over samples, and most samples.

    Parameters
    ----------
    spikes_n_b_t
        Layer label to spikes of all its neurons together, per sample and step; `spikes_per_step`
        makes it of spike trains.
    """
    figure, axes = style.one_panel(height=2.8)
    for (label, spikes_b_t), line_colour in zip(
        spikes_n_b_t.items(), style.shades(len(spikes_n_b_t)), strict=True
    ):
        draw_cumulative(axes, spikes_b_t, label=label, line_colour=line_colour, units=units)
    samples = len(next(iter(spikes_n_b_t.values())))
    axes.set(xlabel=units.time_label, ylabel="spikes so far (per sample)")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.set_title(f"mean of {samples} samples; band: 5 % to 95 % of them", loc="left")
    style.legend_below(figure, axes)
    return figure


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
        for sign, colour in ((1, style.SPIKING), (-1, style.ANALOG)):
            others = tuple(other for other in range(len(shape)) if other != axis)
            number = np.maximum(sign * trains, 0).sum(axis=others, dtype=np.int64)
            place, step = np.nonzero(number)
            if sign == 1 or len(place):
                area = LARGEST_DOT * number[place, step] / max(number.max(), 1)
                axes.scatter(times[step], place, s=area, color=colour, linewidths=0,
                             rasterized=True)  # fmt: skip
        axes.set(ylabel=f"{names[axis]} (index)", ylim=(-0.5, shape[axis] - 0.5))
        if shape[axis] <= 12:
            axes.set_yticks(np.arange(shape[axis]))
    panels[-1].set(xlabel=units.time_label)
    panels[-1].set_xlim(times[0] - units.step, times[-1] + units.step)
    panels[0].set_title(label, loc="left")
    remarks = ["orange: −1"] if (trains < 0).any() else []
    remarks.append(f"{style.thousands(float(np.abs(trains).sum()))} events")
    style.note(panels[0], ", ".join(remarks))
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
    axes: Axes, values_b_t: Array, *, label: str, line_colour: str, units: Units
) -> None:
    """Draw the mean running sum over samples, with a band that holds 90 % of them."""
    total_b_t = np.asarray(values_b_t).cumsum(axis=1, dtype=np.float64)
    times = units.times(total_b_t.shape[1])
    low_t, high_t = np.percentile(total_b_t, (5, 95), axis=0)
    axes.plot(times, total_b_t.mean(axis=0), color=line_colour, label=label)
    axes.fill_between(times, low_t, high_t, color=line_colour, alpha=0.2, linewidth=0)


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
    axes.set_xlim(times[0] - units.step, times[-1] + units.step)
    axes.set_ylim(-0.5, neurons - 0.5)
    if neurons <= 12:
        axes.set_yticks(np.arange(neurons))
    axes.set_title(label, loc="left")
    remarks = ["orange: −1"] if (signs < 0).any() else []
    if len(shown) < neurons:
        remarks.append(f"{len(shown)} of {style.thousands(neurons)} neurons")
    if remarks:
        style.note(axes, ", ".join(remarks))

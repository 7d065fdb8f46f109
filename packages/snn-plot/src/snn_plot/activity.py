"""Pictures of layers: each neuron a cell whose colour tells its rate or activation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.typing import Array
from snn_plot import style
from snn_plot.units import STEPS, Units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MOST_MAPS = 64
"""Feature maps shown of one layer."""

MOST_IN_A_LINE = 32
"""Neurons of a layer without axes that are drawn in one line; more are wrapped."""


@style.styled
def plot_layer_activity(
    activity_l: Array,
    *,
    label: str,
    quantity: str = "rate (spikes/step)",
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw the activity of a layer: a line or a block of neurons, or its feature maps side by side.

    Parameters
    ----------
    activity_l
        One number per neuron, in the layer's shape, channels last.
    label
        The layer's label.
    quantity
        What the numbers are, with their unit.
    limits
        Values of the ends of the colour map; the smallest and largest if not given.

    Raises
    ------
    DataError
        If the layer has no neurons or more than three axes.
    """
    figure, axes = style.one_panel()
    image = draw_activity(axes, activity_l, label=label, limits=limits)
    style.add_colour_bar(image, [axes], quantity)
    return figure


@style.styled
def plot_activations(
    activations_n_l: Mapping[str, Array], *, quantity: str = "activation (spikes/step)"
) -> Figure:
    """Draw the activations of all layers of a network for one sample on one scale.

    Parameters
    ----------
    activations_n_l
        Layer label to activations of one sample, for example from
        `snn_core.evaluation.forward.activations`.
    quantity
        What the numbers are, with their unit.
    """
    figure, panels = style.small_multiples(len(activations_n_l), panel_height=1.7)
    limits = common_limits(list(activations_n_l.values()))
    images = [
        draw_activity(axes, a_l, label=label, limits=limits)
        for axes, (label, a_l) in zip(panels, activations_n_l.items(), strict=True)
    ]
    style.add_colour_bar(images[0], panels, quantity)
    return figure


@style.styled
def plot_activity_frames(
    spiketrains_l_t: Array, *, label: str, units: Units = STEPS, frames: int = 8
) -> Figure:
    """Draw how the activity of a layer changes: a picture for each part of the time, on one scale.

    Of an image, the mean over its maps is shown.

    Parameters
    ----------
    spiketrains_l_t
        Spikes of one sample, in the layer's shape, channels last; time is the last axis.
    label
        The layer's label.
    frames
        Number of pictures; fewer if there are fewer steps.

    Raises
    ------
    DataError
        If the layer has no neurons or more than three axes.
    """
    trains = np.asarray(spiketrains_l_t, np.float64)
    if trains.ndim == 4:
        trains = trains.mean(axis=2, keepdims=True)
    parts = np.array_split(np.arange(trains.shape[-1]), min(frames, trains.shape[-1]))
    rates = [units.rates(trains[..., part].mean(axis=-1)) for part in parts]
    limits = common_limits([*rates, np.zeros(1)])
    wide = trains.ndim == 2  # a line of neurons
    figure, panels = style.small_multiples(
        len(parts), columns=2 if wide else 4, panel_height=0.7 if wide else 1.1
    )
    times = units.times(trains.shape[-1])
    images = []
    for axes, part, rate_l in zip(panels, parts, rates, strict=True):
        between = f"{times[part[0]] - units.step:g}–{times[part[-1]]:g}"
        images.append(draw_activity(axes, rate_l, label=between, limits=limits))
        axes.set_xlabel("")
    figure.suptitle(f"{label}, {units.time_label}")
    style.add_colour_bar(images[0], panels, f"rate ({units.firing_rate})", below=True)
    return figure


@style.styled
def plot_activations_minus_rates(
    activations_l: Array, rates_l: Array, *, label: str, units: Units = STEPS
) -> Figure:
    """Draw by how much each neuron's rate misses its activation: blue too low, red too high.

    Both are in spikes per step and are compared as they are: scaling each to its own largest value
    would hide that a layer fires too little.

    Parameters
    ----------
    activations_l, rates_l
        Activations and rates of one sample, in the layer's shape.
    """
    figure, axes = style.one_panel()
    image = draw_difference(axes, activations_l, rates_l, label=label, units=units)
    style.add_colour_bar(image, [axes], f"rate − activation ({units.rate})")
    return figure


@style.styled
def plot_input_image(
    x_l: Array, *, label: str | int | None = None, decided: str | int | None = None
) -> Figure:
    """Draw a sample: grey, in colours if it has three channels, otherwise channel by channel.

    Parameters
    ----------
    x_l
        The sample, channels last.
    label, decided
        Its class and what the network took it for; for the title.
    """
    x = np.asarray(x_l, np.float64)
    said = [f"class {label}"] if label is not None else []
    said += [f"decided {decided}"] if decided is not None else []
    figure, axes = style.one_panel()
    if x.ndim == 3 and x.shape[-1] == 3:
        low, high = min(0.0, float(x.min())), max(1.0, float(x.max()))
        axes.imshow((x - low) / (high - low), interpolation="nearest")
        _remove_ticks(axes)
        axes.set_title(", ".join(said) or "input")
        return figure
    image = draw_activity(axes, x, label=", ".join(said) or "input", colours="gray")
    style.add_colour_bar(image, [axes], "input value (1)")
    return figure


def draw_difference(
    axes: Axes, activations_l: Array, rates_l: Array, *, label: str, units: Units
) -> AxesImage:
    """Draw rates minus activations with zero in the middle of the colour map."""
    difference_l = units.rates(rates_l) - units.rates(activations_l)
    largest = float(np.abs(difference_l).max()) or 1.0
    limits = (-largest, largest)
    return draw_activity(axes, difference_l, label=label, limits=limits, colours=style.DIVERGING)


def draw_activity(
    axes: Axes,
    activity_l: Array,
    *,
    label: str,
    limits: tuple[float, float] | None = None,
    colours: str = style.SEQUENTIAL,
) -> AxesImage:
    """Draw a layer into a panel."""
    picture, remark = arrange(np.asarray(activity_l, np.float64))
    low, high = limits or (float(np.nanmin(picture)), float(np.nanmax(picture)))
    image = axes.imshow(
        picture,
        vmin=low,
        vmax=high if high > low else low + 1,
        cmap=style.grey_under(colours),
        interpolation="nearest",
    )
    _remove_ticks(axes)
    style.name_panel(axes, label, loc="center")
    if remark:
        axes.set_xlabel(remark, fontsize=6, color=style.NEUTRAL)
    return image


def arrange(activity_l: Array) -> tuple[Array, str]:
    """Arrange a layer as one picture, NaN where there is no neuron, and say how it is arranged.

    Raises
    ------
    DataError
        If the layer has no neurons or more than three axes.
    """
    if activity_l.size == 0 or activity_l.ndim > 3:
        raise DataError(
            f"Found an activity of shape {activity_l.shape}; expected neurons along one, two or "
            f"three axes, one sample, channels last."
        )
    if activity_l.ndim <= 1:
        return _wrap(activity_l.reshape(-1))
    if activity_l.ndim == 2:
        rows, columns = activity_l.shape
        # Positions along the longer side of the picture.
        turned = activity_l if columns >= rows else activity_l.T
        return turned, "position × channel" if columns < rows else "channel × position"
    return _tile(activity_l)


def _wrap(activity_l: Array) -> tuple[Array, str]:
    neurons = len(activity_l)
    if neurons <= MOST_IN_A_LINE:
        return activity_l[None], f"neurons 0–{neurons - 1}, left to right"
    columns = math.ceil(math.sqrt(neurons * 1.5))
    rows = math.ceil(neurons / columns)
    picture = np.full(rows * columns, np.nan)
    picture[:neurons] = activity_l
    return picture.reshape(rows, columns), f"neurons 0–{neurons - 1}, row by row"


def _tile(activity_h_w_c: Array) -> tuple[Array, str]:
    height, width, channels = activity_h_w_c.shape
    shown = style.evenly(channels, MOST_MAPS)
    if height == width == 1:
        return _wrap(activity_h_w_c.reshape(-1))
    if channels == 1:
        return activity_h_w_c[..., 0], ""
    columns = math.ceil(math.sqrt(len(shown) * 1.5 * height / width))
    rows = math.ceil(len(shown) / columns)
    gap = max(1, round(max(height, width) / 16))
    picture = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for i, channel in enumerate(shown):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        picture[top : top + height, left : left + width] = activity_h_w_c[..., channel]
    remark = f"{channels} feature maps, row by row"
    if len(shown) < channels:
        remark = f"{len(shown)} of {channels} feature maps, evenly chosen"
    return picture, remark


def _remove_ticks(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def common_limits(arrays: Sequence[Array]) -> tuple[float, float]:
    """Return the smallest and largest value of several arrays."""
    return min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays)

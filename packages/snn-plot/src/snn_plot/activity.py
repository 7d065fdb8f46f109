"""Pictures of layers: each neuron a cell whose colour tells its rate or activation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.typing import Array, Float64
from snn_plot import finite, style
from snn_plot.names import fit, fit_all, fit_classes, letters
from snn_plot.units import STEPS, Units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MOST_MAPS = 64
"""Feature maps shown of one layer."""

MOST_NAMED = 20
"""Outputs of which each has its tick."""

MOST_BARS = 1000
"""Outputs that are drawn as bars; more are lines."""

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
    figure, axes = _one_picture(activity_l)
    image = draw_activity(axes, activity_l, limits=limits)
    style.head(axes, label)
    _add_bar(figure, image, axes, quantity)
    return figure


@style.styled
def plot_activations(
    activations_n_l: Mapping[str, Array],
    *,
    quantity: str = "activation (spikes/step)",
    output: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the activations of all layers of a network for one sample on one scale.

    Parameters
    ----------
    activations_n_l
        Layer label to activations of one sample, for example from
        `snn_core.evaluation.forward.activations`.
    quantity
        What the numbers are, with their unit.
    output
        Label of the output, whose numbers are scores: it has an axis of its own.
    class_names
        What each output stands for; their numbers if not given.
    """
    maps = {name: np.asarray(a) for name, a in activations_n_l.items() if name != output}
    scores = [np.ravel(a) for name, a in activations_n_l.items() if name == output]
    columns = min(max(len(maps), 1), 2)
    shapes = [shape_of(a) for a in maps.values()]
    heights = [_height(shapes[i : i + 2], columns) for i in range(0, len(shapes), columns)]
    figure = style.new_figure(height=sum(heights) + 0.5 * bool(maps) + 1.2 * len(scores) + 0.1)
    grid = figure.add_gridspec(len(heights) + len(scores), columns,
                               height_ratios=[*heights, *([1.2] * len(scores))])  # fmt: skip
    panels = [style.tidy(figure.add_subplot(grid[divmod(i, columns)])) for i in range(len(maps))]
    if maps:
        limits = common_limits(list(maps.values()))
        images = [
            draw_activity(axes, a_l, limits=limits)
            for axes, a_l in zip(panels, maps.values(), strict=True)
        ]
        for axes, label in zip(panels, fit_all(maps, style.ROOM_SMALL), strict=True):
            style.name_panel(axes, label)
        style.add_colour_bar(images[0], panels, quantity, below=True)
    for values in scores:
        axes = style.tidy(figure.add_subplot(grid[len(heights), :]))
        if draw_scores(axes, values, label=str(output), names=class_names):
            style.grow(figure, 0.5)
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
    columns = min(2 if trains.ndim == 2 else 4, len(parts))  # a line of neurons, or an image
    height = _height([shape_of(rates[0])], columns, remarks=False)
    rows = math.ceil(len(parts) / columns)
    figure, panels = style.small_multiples(len(parts), columns=columns, row_heights=[height] * rows)
    style.grow(figure, 0.45)
    times = units.times(trains.shape[-1])
    images = []
    for axes, part, rate_l in zip(panels, parts, rates, strict=True):
        between = f"{times[part[0]] - units.step:g}–{times[part[-1]]:g}"
        images.append(draw_activity(axes, rate_l, limits=limits))
        style.name_panel(axes, between)
        axes.set_xlabel("")
    style.name_figure(figure, f"{fit(label, 40)}, {units.time_label}")
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
    figure, axes = _one_picture(activations_l)
    image = draw_difference(axes, activations_l, rates_l, units=units)
    style.head(axes, label)
    _add_bar(figure, image, axes, units.named("rate − activation"))
    return figure


@style.styled
def plot_input_image(
    x_l: Array, *, label: str | int | None = None, decided: str | int | None = None
) -> Figure:
    """Draw a sample: grey, in colours if it has three channels, otherwise channel by channel.

    The smallest value is the darkest and the largest the brightest, whatever they are.

    Parameters
    ----------
    x_l
        The sample, channels last.
    label, decided
        Its class and what the network took it for; for the title.
    """
    x = np.asarray(x_l, np.float64)
    said = [f"class {label}"] if label is not None else []
    said += [f"predicted {decided}"] if decided is not None else []
    title = ", ".join(said) or "input"
    figure, axes = _one_picture(x[..., 0] if is_coloured(x) else x)
    if is_coloured(x):
        low, high = finite.limits_of(x)
        axes.imshow(as_colours(x), interpolation="nearest")
        _remove_ticks(axes)
        style.head(axes, title, f"values {low:.3g} to {high:.3g}")
        return figure
    image = draw_activity(axes, x, colours="gray")
    style.head(axes, title)
    _add_bar(figure, image, axes, "input value")
    return figure


def is_coloured(x_l: Array) -> bool:
    """Return whether a sample is an image with three channels, shown as red, green and blue."""
    return x_l.ndim == 3 and x_l.shape[-1] == 3


def as_colours(x_l: Array) -> Float64[Array, "h w 3"]:
    """Return an image with three channels from 0 to 1: its smallest and its largest value."""
    low, high = finite.limits_of(x_l)
    scaled: Array = (np.nan_to_num(finite.shown(x_l), nan=low) - low) / ((high - low) or 1)
    return scaled


def draw_scores(
    axes: Axes, scores_o: Array, *, label: str, names: Sequence[str] | None = None
) -> bool:
    """Draw the numbers of an output as bars, the largest in a colour of its own.

    Returns
    -------
    Whether the names are turned, for which there must be room.
    """
    places = np.arange(len(scores_o))
    shades = np.where(places == np.argmax(scores_o), style.SPIKING, "#9A9A9A")
    if len(places) > MOST_BARS:  # each of which takes a while
        axes.vlines(places, 0, finite.shown(scores_o), colors=list(shades), linewidth=0.8)
    else:
        axes.bar(places, finite.shown(scores_o), color=list(shades), width=0.8)
    axes.axhline(0, color=style.NEUTRAL, linewidth=0.6)
    known = fit_classes(names, len(scores_o))
    shown = style.evenly(len(scores_o), MOST_NAMED)
    turned = sum(letters(known[i]) + 1 for i in shown) > style.ROOM
    axes.set_xticks(shown, [known[i] for i in shown], rotation=90 if turned else 0)
    axes.set(xlabel="class" if names else "neuron (index)", ylabel="output")
    axes.set_xlim(-0.6, len(scores_o) - 0.4)
    style.head(axes, label)
    return turned


def _one_picture(activity_l: Array) -> tuple[Figure, Axes]:
    """Return a figure as high as the picture of a layer is beside a colour bar."""
    rows, columns = shape_of(activity_l)
    height = float(np.clip(2.8 * rows / columns, 0.5, 2.8))
    return style.one_panel(height=height + 0.45)


def _add_bar(figure: Figure, image: AxesImage, axes: Axes, label: str) -> None:
    """Add a colour bar beside a picture, or below a flat one, beside which there is no room."""
    rows, columns = image.get_array().shape  # type: ignore[union-attr]
    flat = rows / columns < 0.6
    if flat:
        style.grow(figure, 0.35)
    style.add_colour_bar(image, [axes], label, below=flat)


def _height(shapes: Sequence[tuple[int, int]], columns: int, *, remarks: bool = True) -> float:
    """Return the height in inches of a row of pictures with a label above each."""
    width = 3.3 / columns
    tallest = max(rows / columns for rows, columns in shapes)
    return float(np.clip(width * tallest, 0.12, 1.9)) + (0.34 if remarks else 0.2)


def shape_of(activity_l: Array) -> tuple[int, int]:
    """Return rows and columns of the picture of a layer."""
    rows, columns = arrange(np.asarray(activity_l, np.float64))[0].shape
    return rows, columns


def draw_difference(axes: Axes, activations_l: Array, rates_l: Array, *, units: Units) -> AxesImage:
    """Draw rates minus activations with zero in the middle of the colour map."""
    difference_l = units.rates(rates_l) - units.rates(activations_l)
    largest = finite.limits_of(np.abs(difference_l))[1] or 1.0
    limits = (-largest, largest)
    return draw_activity(axes, difference_l, limits=limits, colours=style.DIVERGING)


def draw_activity(
    axes: Axes,
    activity_l: Array,
    *,
    limits: tuple[float, float] | None = None,
    colours: str = style.SEQUENTIAL,
) -> AxesImage:
    """Draw a layer into a panel."""
    picture, remark = arrange(finite.shown(activity_l))
    low, high = limits or finite.limits_of(picture)
    image = axes.imshow(
        picture,
        vmin=low,
        vmax=high if high > low else low + 1,
        cmap=style.grey_under(colours),
        interpolation="nearest",
    )
    _remove_ticks(axes)
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
    columns = _columns(len(shown), height / width)
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


def _columns(number: int, ratio: float) -> int:
    """Return in how many columns tiles make a picture of about 3 by 2 with few empty places.

    Parameters
    ----------
    ratio
        Height of a tile by its width.
    """

    def flaw(columns: int) -> float:
        rows = math.ceil(number / columns)
        shape = columns / (rows * ratio)
        return abs(math.log(shape / 1.5)) + 4 * (rows * columns / number - 1)

    return min(range(1, number + 1), key=flaw)


def _remove_ticks(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def common_limits(arrays: Sequence[Array]) -> tuple[float, float]:
    """Return the smallest and largest value of several arrays."""
    lows, highs = zip(*map(finite.limits_of, arrays), strict=True)
    return min(lows), max(highs)

"""Histograms: rates, weights, biases, activations before and after scaling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.ir import Network, Weighted
from snn_core.typing import Array, Float64
from snn_plot import style
from snn_plot.finite import is_shown, limits_of, note_rest
from snn_plot.scales import show_powers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NUMBERED = 9
"""Possible values of which each has its tick."""

MOST_BINS = 130
"""Bins of possible values: as many bars as can be told apart in a column of print."""

BINS = 50
"""Bins of numbers that can be any; fewer where there are few numbers."""


@style.styled
def plot_hist(
    h: Mapping[str, Array],
    *,
    title: str = "",
    layer_label: str = "",
    scale_fac: float | None = None,
    quantity: str = "value",
    log_counts: bool = False,
    levels: Array | None = None,
) -> Figure:
    """Draw the distributions of one or more data sets over common bins.

    Parameters
    ----------
    h
        Name to numbers.
    title, layer_label
        What is shown, and of which layer.
    scale_fac
        The value that normalization divided by; marked and named.
    quantity
        What the numbers are, with their unit.
    log_counts
        Whether the axis of shares is logarithmic.
    levels
        The numbers that there can be, rising, such as the T + 1 rates of T steps: each has a bin.

    Raises
    ------
    DataError
        If there are no numbers.
    """
    figure, axes = style.one_panel()
    draw_histogram(axes, h, quantity=quantity, levels=levels, log=log_counts)
    if scale_fac is not None:
        axes.axvline(scale_fac, color="black", linestyle=":", linewidth=0.9,
                     label=f"scale {scale_fac:.3g}")  # fmt: skip
    style.head(axes, ": ".join(part for part in (layer_label, title) if part))
    style.legend_below(figure, axes)
    return figure


def plot_activ_hist(h: Mapping[str, Array], **options: Any) -> Figure:
    """Draw the distributions of activations other than 0, of which the legend tells the share.

    Parameters
    ----------
    h
        Name to activations.
    options
        As for `plot_hist`.
    """
    flat = {name: np.ravel(values) for name, values in h.items()}
    active = {
        f"{name} ({np.mean(values == 0):.0%} are 0)": values[values != 0]
        for name, values in flat.items()
        if values.any()
    }
    # Where nothing is active, that is what there is to see.
    active = active or {f"{name} (all are 0)": values for name, values in flat.items()}
    options = {"title": "activations", "quantity": "activation", "log_counts": True, **options}
    return plot_hist(active, **options)


def plot_max_activ_hist(h: Mapping[str, Array], **options: Any) -> Figure:
    """Draw the distributions of the largest activation of each sample.

    Parameters
    ----------
    h
        Name to one number per sample.
    options
        As for `plot_hist`.
    """
    options = {"quantity": "largest activation per sample", **options}
    return plot_hist(h, **options)


@style.styled
def plot_hist_combined(
    data: Mapping[str, Array], *, quantity: str = "value", levels: Array | None = None
) -> Figure:
    """Draw the distributions of many data sets as lines in one panel.

    Parameters
    ----------
    data
        Name to numbers, for example a layer's label to its rates.
    quantity
        What the numbers are, with their unit.
    levels
        The numbers that there can be, as for `plot_hist`.

    Raises
    ------
    DataError
        If there are no numbers.
    """
    figure, axes = style.one_panel(height=2.8)
    draw_histogram(axes, data, quantity=quantity, levels=levels, filled=False, log=True)
    style.legend_below(figure, axes)
    return figure


@style.styled
def plot_weight_distribution(network: Network) -> Figure:
    """Draw the distribution of the weights of every weighted layer of a network.

    Raises
    ------
    DataError
        If no layer has weights.
    """
    layers = [layer for layer in network if isinstance(layer, Weighted)]
    if not layers:
        raise DataError("The network has no layer with weights.")
    figure, panels = style.small_multiples(len(layers), panel_height=1.5)
    for axes, layer in zip(panels, layers, strict=True):
        draw_histogram(axes, {"weights": np.ravel(layer.weight)}, quantity="")
        style.name_panel(axes, layer.name)
        axes.set_ylabel("")
    figure.supxlabel("weight (thresholds per spike)", fontsize=7)
    figure.supylabel("share of the weights (%)", fontsize=7)
    return figure


@style.styled
def plot_parameter_histogram(
    weights: Array, biases: Array | None, *, label: str, bins: int = 32
) -> Figure:
    """Draw the distributions of a layer's weights and biases.

    Parameters
    ----------
    weights
        Of any shape.
    biases
        None, or one per output.
    label
        The layer's label.
    bins
        Largest number of bins; fewer where there are few values.
    """
    parts = [("weight (thresholds per spike)", np.ravel(weights), style.SPIKING)]
    if biases is not None and np.size(biases):
        parts.append(("bias (thresholds per ms)", np.ravel(biases), style.ANALOG))
    figure, panels = style.small_multiples(len(parts), columns=len(parts), panel_height=1.8)
    for axes, (quantity, values, bar_colour) in zip(panels, parts, strict=True):
        draw_histogram(axes, {quantity: values}, quantity=quantity, bins=bins,
                       colour=bar_colour)  # fmt: skip
        axes.set_title(f"{style.thousands(len(values))} values", loc="right")
        axes.set_ylabel("")
    panels[0].set_ylabel("share of the values (%)")
    style.name_figure(figure, label)
    return figure


def draw_histogram(
    axes: Axes,
    data: Mapping[str, Array],
    *,
    quantity: str,
    levels: Array | None = None,
    filled: bool = True,
    log: bool = False,
    bins: int = BINS,
    colour: str | None = None,
) -> None:
    """Draw histograms over common bins into a panel, each as shares of its own number of values.

    The first is filled, unless told otherwise; the others are outlines, which hide nothing.
    """
    whole = {name: np.ravel(values).astype(np.float64) for name, values in data.items()}
    flat = {name: values[is_shown(values)] for name, values in whole.items()}
    if not any(len(values) for values in whole.values()):
        raise DataError(f"Found no numbers in {list(data)}; expected at least one.")
    together = np.concatenate(list(flat.values()))
    edges = bins_of(together, bins) if levels is None else bins_around(levels, together)
    shares = []
    for index, ((name, values), look) in enumerate(
        zip(flat.items(), style.curves(len(flat)), strict=True)
    ):
        share = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        fill = filled and index == 0
        shade = colour or look["color"]
        axes.stairs(share, edges, label=name, color=shade, fill=fill, alpha=0.45 if fill else 1,
                    linewidth=look["linewidth"] * 0.8, linestyle=look["linestyle"])  # fmt: skip
        shares.append(share[share > 0])
    axes.set(xlabel=quantity, ylabel="share of the values (%)")
    # Where nothing can be shown, the panel says so.
    occupied = edges[np.flatnonzero(np.histogram(together, edges)[0])] if len(together) else edges
    width = edges[1] - edges[0]
    axes.set_xlim(occupied[0] - width, occupied[-1] + 2 * width)
    if levels is not None and len(levels) <= MOST_NUMBERED:
        shown = [level for level in levels if level <= occupied[-1] + width]
        axes.set_xticks(shown, [f"{level:.3g}" for level in shown])
    if log:
        show_powers(axes, np.concatenate(shares), from_zero=True)
    note_rest(axes, np.concatenate(list(whole.values())))


def bins_of(values: Array, most: int) -> Float64[Array, "edges"]:
    """Return the edges of equal bins, about twice the cube root of the number of values (Rice)."""
    number = min(most, max(5, math.ceil(2 * len(values) ** (1 / 3))))
    edges: Array = np.histogram_bin_edges(values[is_shown(values)], number)
    return edges


def bins_around(levels: Array, values: Array) -> Float64[Array, "edges"]:
    """Return the edges of bins of which each holds one of the numbers that there can be.

    An edge is halfway between two of them. Beyond `MOST_BINS` numbers, each bin holds several, the
    same number of them in each, but for the first, which is often that of silent neurons. Values
    outside, such as activations that no rate reaches, have bins as wide as the outermost, in whole
    multiples if those were too many.

    Parameters
    ----------
    levels
        Rising numbers; one at least.
    values
        What the bins have to hold.
    """
    known = np.asarray(levels, np.float64)
    if len(known) == 1:
        known = np.append(known, known[0] + 1)
    between = (known[1:] + known[:-1]) / 2
    several = math.ceil(len(known) / MOST_BINS)
    edges = np.concatenate([
        # As wide as the next one, so that it can be seen.
        [between[0] - several * (known[1] - known[0])],
        between[::several],
        [1.5 * known[-1] - 0.5 * known[-2]],
    ])  # fmt: skip
    low, high = limits_of(np.append(values, known[0]))
    below = _further(edges[0] - low, edges[1] - edges[0], len(known))
    above = _further(high - edges[-1], edges[-1] - edges[-2], len(known))
    return np.concatenate([edges[0] - below[::-1], edges, edges[-1] + above])


def _further(missing: float, width: float, most: int) -> Float64[Array, "edges"]:
    """Return distances of further edges that cover what is missing."""
    width *= max(1, math.ceil(missing / width / max(most, 10)))
    return width * np.arange(1, math.ceil(max(missing, 0) / width) + 1)

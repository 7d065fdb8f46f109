"""Histograms: weights, biases, activations before and after scaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.ir import Network, Weighted
from snn_core.typing import Array
from snn_plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 50


@style.styled
def plot_hist(
    h: Mapping[str, Array],
    *,
    title: str = "",
    layer_label: str = "",
    scale_fac: float | None = None,
    quantity: str = "value (1)",
    log_counts: bool = False,
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

    Raises
    ------
    DataError
        If there are no numbers.
    """
    figure, axes = style.one_panel()
    draw_histogram(axes, h, quantity=quantity, filled=len(h) <= 2)
    if log_counts:
        axes.set_yscale("log")
    if scale_fac is not None:
        axes.axvline(scale_fac, color="black", linestyle=":", linewidth=0.9,
                     label=f"scale {scale_fac:.3g}")  # fmt: skip
    axes.set_title(": ".join(part for part in (layer_label, title) if part), loc="left")
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
    active = {}
    for name, values in h.items():
        flat = np.ravel(values)
        shown = flat[flat != 0]
        if len(shown):
            active[f"{name} ({1 - len(shown) / len(flat):.0%} are 0)"] = shown
    options = {"title": "activations", "quantity": "activation (1)", "log_counts": True, **options}
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
    options = {
        "title": "largest activation of each sample",
        "quantity": "activation (1)",
        **options,
    }
    return plot_hist(h, **options)


@style.styled
def plot_hist_combined(data: Mapping[str, Array], *, quantity: str = "value (1)") -> Figure:
    """Draw the distributions of many data sets as lines in one panel.

    Parameters
    ----------
    data
        Name to numbers, for example a layer's label to its rates.
    quantity
        What the numbers are, with their unit.

    Raises
    ------
    DataError
        If there are no numbers.
    """
    figure, axes = style.one_panel(height=2.8)
    draw_histogram(axes, data, quantity=quantity, filled=False)
    axes.set_yscale("log")
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
        draw_histogram(axes, {"weights": np.ravel(layer.weight)}, quantity="", filled=True)
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
        Number of bins.
    """
    parts = [("weight (thresholds per spike)", np.ravel(weights), style.SPIKING)]
    if biases is not None and np.size(biases):
        parts.append(("bias (thresholds per ms)", np.ravel(biases), style.ANALOG))
    figure, panels = style.small_multiples(len(parts), columns=len(parts), panel_height=1.8)
    for axes, (quantity, values, bar_colour) in zip(panels, parts, strict=True):
        draw_histogram(axes, {quantity: values}, quantity=quantity, filled=True, bins=bins,
                       colours=[bar_colour])  # fmt: skip
        axes.set_title(f"{style.thousands(len(values))} values", loc="right")
        axes.set_ylabel("")
    panels[0].set_ylabel("share of the values (%)")
    figure.suptitle(label)
    return figure


def draw_histogram(
    axes: Axes,
    data: Mapping[str, Array],
    *,
    quantity: str,
    filled: bool,
    bins: int = BINS,
    colours: list[Any] | None = None,
) -> None:
    """Draw histograms over common bins into a panel, each as shares of its own number of values."""
    flat = {name: np.ravel(values).astype(np.float64) for name, values in data.items()}
    flat = {name: values[np.isfinite(values)] for name, values in flat.items()}
    if not any(len(values) for values in flat.values()):
        raise DataError(f"Found no numbers in {list(data)}; expected at least one.")
    edges = np.histogram_bin_edges(np.concatenate(list(flat.values())), bins)
    shades = colours or style.shades(len(flat))
    for (name, values), shade in zip(flat.items(), shades, strict=True):
        share = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        axes.stairs(share, edges, label=name, color=shade, alpha=0.5 if filled else 1, fill=filled)
    axes.set(xlabel=quantity, ylabel="share of the values (%)")

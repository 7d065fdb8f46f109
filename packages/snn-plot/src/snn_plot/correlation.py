"""Correlation of firing rates with activations: coefficients and scatter plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from snn_core.errors import DataError
from snn_core.typing import Array, Float64
from snn_plot import finite, style
from snn_plot.names import fit_all
from snn_plot.units import STEPS, Units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DOTS = 5000
"""Neurons drawn in one scatter plot."""

ROOM_LAYER = 27
"""Letters of a layer at an axis."""


@style.styled
def plot_layer_correlation(
    rates: Array,
    activations: Array,
    *,
    label: str,
    units: Units = STEPS,
    same_limits: bool = True,
) -> Figure:
    """Draw each neuron's rate over its activation, and the line on which both are equal.

    Parameters
    ----------
    rates, activations
        Arrays of one shape, in spikes per step.
    label
        The layer's label.
    same_limits
        Whether both axes have the same limits.

    Raises
    ------
    DataError
        If the shapes differ.
    """
    figure, axes = style.one_panel(height=3.0)
    draw_correlation(
        axes, rates, activations, label=label, units=units, same_limits=same_limits, detailed=True
    )
    return figure


@style.styled
def plot_network_correlations(
    rates_n: Mapping[str, Array], activations_n: Mapping[str, Array], *, units: Units = STEPS
) -> Figure:
    """Draw `plot_layer_correlation` of every layer that is in both mappings.

    Parameters
    ----------
    rates_n, activations_n
        Layer label to numbers in spikes per step.

    Raises
    ------
    DataError
        If no layer is in both, or the shapes of one differ.
    """
    labels = [label for label in rates_n if label in activations_n]
    if not labels:
        raise DataError(
            f"Rates of {list(rates_n)} and activations of {list(activations_n)}: expected a layer "
            f"that is in both."
        )
    figure, panels = style.small_multiples(len(labels), panel_height=1.75)
    for axes, label in zip(panels, labels, strict=True):
        draw_correlation(axes, rates_n[label], activations_n[label], label=label, units=units)
    for axes in panels:
        axes.set(xlabel="", ylabel="")
    figure.supxlabel(units.named("activation"), fontsize=7)
    figure.supylabel(units.named("rate"), fontsize=7)
    return figure


@style.styled
def plot_correlations(a: Array, b: Array, *, label_a: str = "a", label_b: str = "b") -> Figure:
    """Draw any two arrays of one shape against each other, with their correlation.

    Parameters
    ----------
    label_a, label_b
        What they are, with their units.
    """
    figure, axes = style.one_panel(height=3.0)
    a, b = _same_shape(a, b)
    r = _scatter(axes, a, b)
    axes.set(xlabel=label_a, ylabel=label_b)
    style.head(axes, _r(r))
    return figure


@style.styled
def plot_pearson_coefficients(pearson_n_b: Mapping[str, Array]) -> Figure:
    """Draw the correlation of rates and activations of every layer over all samples.

    Parameters
    ----------
    pearson_n_b
        Layer label to one coefficient per sample (see `pearson_b`); NaN where it is
        not defined.
    """
    labels = list(pearson_n_b)
    figure, axes = style.one_panel(height=0.9 + 0.28 * len(labels))
    worst, samples = np.inf, 0
    for row, r_b in enumerate(pearson_n_b.values()):
        known = np.asarray(r_b)[~np.isnan(r_b)]
        if not len(known):
            axes.annotate("not defined", (0.5, row),
                          xycoords=("axes fraction", "data"), ha="center",
                          va="center", color=style.NEUTRAL)  # fmt: skip
            continue
        low, first, median, third, high = np.percentile(known, (5, 25, 50, 75, 95))
        axes.plot((low, high), (row, row), color=style.SPIKING, linewidth=0.8)
        axes.plot((first, third), (row, row), color=style.SPIKING, linewidth=4, alpha=0.5,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot(median, row, "o", color=style.SPIKING, markersize=4)
        worst, samples = min(worst, low), max(samples, len(known))
    axes.set_yticks(range(len(labels)), fit_all(labels, ROOM_LAYER))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    worst = 0.0 if np.isinf(worst) else worst
    axes.set_xlim(worst - 0.05 * (1 - worst) - 1e-3, 1 + 0.05 * (1 - worst) + 1e-3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("Pearson's r of rates and activations")
    style.name_figure(
        figure, f"median, quartiles, 5 % and 95 % of {style.count(samples, 'sample')}"
    )
    return figure


def pearson_b(
    rates_b_l: Array, activations_b_l: Array, *, saturation: float = np.inf, keep_silent: bool
) -> Float64[Array, "b"]:
    """Return Pearson's correlation coefficient of rates and activations, sample by sample.

    Parameters
    ----------
    rates_b_l, activations_b_l
        Two arrays of one shape, in one unit, samples first.
    saturation
        Largest possible rate; neurons whose activation reaches it are left out, since no rate can
        follow.
    keep_silent
        Whether neurons count that are silent in both networks. In a hidden layer most are, and
        would make any two networks look alike.

    Returns
    -------
    One coefficient per sample, NaN where fewer than two neurons are left or one side is constant.
    """
    samples = len(rates_b_l)
    a = np.asarray(rates_b_l, np.float64).reshape(samples, -1)
    b = np.asarray(activations_b_l, np.float64).reshape(samples, -1)
    kept = (b < saturation) & finite.is_shown(a) & finite.is_shown(b)
    if not keep_silent:
        kept &= (a > 0) | (b > 0)
    number = np.maximum(kept.sum(axis=1), 1)
    a, b = np.where(kept, a, 0), np.where(kept, b, 0)
    a = np.where(kept, a - (a.sum(axis=1) / number)[:, None], 0)
    b = np.where(kept, b - (b.sum(axis=1) / number)[:, None], 0)
    spread = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        # A spread of rounding errors alone is none.
        r: Array = np.where(spread > 1e-12, (a * b).sum(axis=1) / spread, np.nan)
    return np.clip(r, -1, 1)


def pearson(a: Array, b: Array) -> float:
    """Return Pearson's correlation of two arrays of one shape; NaN if one is constant."""
    return float(pearson_b(np.ravel(a)[None], np.ravel(b)[None], keep_silent=True)[0])


def draw_correlation(
    axes: Axes,
    rates: Array,
    activations: Array,
    *,
    label: str,
    units: Units,
    same_limits: bool = True,
    detailed: bool = False,
) -> None:
    """Draw rates over activations into a panel."""
    rates, activations = _same_shape(rates, activations)
    rest = np.stack([rates, activations])
    rates, activations = rest[:, finite.is_shown(rest).all(axis=0)]
    saturated = float((activations >= 1).sum() / max(activations.size, 1))  # none fires twice
    rates, activations = units.rates(rates), units.rates(activations)
    r = _scatter(axes, activations, rates)
    low, high = finite.limits_of(np.append(activations, 0))
    high = 1.04 * (max(high, finite.limits_of(rates)[1]) or 1)
    if same_limits:
        low = min(low, finite.limits_of(rates)[0])
        axes.set(xlim=(low - 0.02 * high, high), ylim=(low - 0.02 * high, high))
    axes.axline((0, 0), slope=1, color=style.NEUTRAL, linestyle="--", linewidth=0.7)
    axes.set(xlabel=units.named("activation"), ylabel=units.named("rate"))
    text = _r(r)
    if detailed and saturated:
        text += f"\n{saturated:.2%} saturated"
    axes.text(0.04, 0.97, text, transform=axes.transAxes, va="top", fontsize=6)
    finite.note_rest(axes, rest)
    if not detailed:
        style.name_panel(axes, label)
        return
    few = rates.size > MOST_DOTS
    of = f"{style.thousands(MOST_DOTS)} of {style.thousands(rates.size)} neurons"
    style.head(axes, label, of if few else "")


def _scatter(axes: Axes, x: Array, y: Array) -> float:
    """Draw dots, some of many; return the correlation of all."""
    shown = style.evenly(x.size, MOST_DOTS)
    alpha = float(np.clip(60 / np.sqrt(len(shown) + 1), 0.15, 0.8))
    axes.plot(x[shown], y[shown], "o", color=style.SPIKING, alpha=alpha, markersize=1.8,
              markeredgewidth=0, rasterized=True)  # fmt: skip
    return pearson(x, y)


def _same_shape(a: Array, b: Array) -> tuple[Array, Array]:
    if np.shape(a) != np.shape(b):
        raise DataError(f"Found shapes {np.shape(a)} and {np.shape(b)}; expected one shape.")
    return np.ravel(a), np.ravel(b)


def _r(r: float) -> str:
    return "r not defined" if np.isnan(r) else f"r = {r:.4f}"

"""Summary of one layer in one figure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.figure import Figure, SubFigure

from snn_core.errors import DataError
from snn_core.typing import Array
from snn_plot import style
from snn_plot.activity import common_limits, draw_activity, draw_difference, shape_of
from snn_plot.correlation import draw_correlation
from snn_plot.recorded import LayerView
from snn_plot.spikes import draw_raster
from snn_plot.units import STEPS, Units
from snn_plot.weights import draw_histogram

ROW = 1.55
"""Height of a row of panels in inches, labels included."""


@style.styled
def plot_layer_summaries(
    layer: LayerView, *, units: Units = STEPS, levels: Array | None = None
) -> Figure:
    """Draw a summary of one layer: activations, rates, their difference, correlation, spikes.

    Parameters
    ----------
    layer
        The layer; panels for what was not recorded are left out.
    levels
        The rates that there can be, rising, as for `plot_hist`.

    Raises
    ------
    DataError
        If nothing was recorded of it.
    """
    rates, wanted, trains = layer.rates_l, layer.activations_l, layer.spiketrains_l_t
    pictured = rates if wanted is None else wanted
    if pictured is None and trains is None:
        raise DataError(f"Nothing was recorded of {layer.name}; run again with --record spikes.")
    rows: list[tuple[float, Callable[[SubFigure], None]]] = []
    if pictured is not None:
        height, width = shape_of(pictured)
        tall = float(np.clip(height / width, 0.1, 1.5)) + 0.6
        rows.append((tall, partial(_draw_pictures, rates=rates, wanted=wanted, units=units)))
    if rates is not None:
        draw = partial(_draw_rates, rates=rates, wanted=wanted, units=units, levels=levels)
        rows.append((ROW, draw))
    if trains is not None:
        rows.append((ROW, partial(_draw_trains, trains=trains, units=units)))
    heights = [height for height, _ in rows]
    figure = style.new_figure(height=sum(heights) + 0.2)
    # The first part is room below the name, which subfigures do not leave.
    parts = figure.subfigures(len(rows) + 1, 1, height_ratios=[0.1, *heights], squeeze=False)
    for part, (_, make) in zip(parts[1:, 0], rows, strict=True):
        make(part)
    style.name_figure(figure, layer.name)
    return figure


def _draw_rates(
    part: SubFigure, *, rates: Array, wanted: Array | None, units: Units, levels: Array | None
) -> None:
    """Draw rates over activations, if there are any, and their histogram."""
    panels = [
        style.tidy(axes) for axes in part.subplots(1, 1 if wanted is None else 2, squeeze=False)[0]
    ]
    if wanted is not None:
        draw_correlation(panels[0], rates, wanted, label="", units=units)
    draw_histogram(panels[-1], {"rate": units.rates(rates)}, quantity=units.named("rate"),
                   levels=levels, log=True)  # fmt: skip
    panels[-1].set_ylabel("share (% of neurons)")


def _draw_trains(part: SubFigure, *, trains: Array, units: Units) -> None:
    draw_raster(style.tidy(part.add_subplot()), trains, label="", units=units)


def _draw_pictures(
    part: SubFigure, *, rates: Array | None, wanted: Array | None, units: Units
) -> None:
    """Draw activations and rates on one scale, and their difference; what is missing stays free."""
    shown = {"activation": wanted, "rate": rates}
    known = {what: units.rates(values) for what, values in shown.items() if values is not None}
    limits = common_limits(list(known.values()))
    panels = part.subplots(1, 3)
    unit = units.rate if units.has_rates else ""
    for axes, (what, values) in zip(panels, known.items(), strict=False):
        image = draw_activity(style.tidy(axes), values, limits=limits)
        style.name_panel(axes, what)
        style.add_colour_bar(image, [axes], unit, below=True)
    if rates is not None and wanted is not None:
        image = draw_difference(style.tidy(panels[2]), wanted, rates, units=units)
        style.name_panel(panels[2], "rate − activation")
        style.add_colour_bar(image, [panels[2]], unit, below=True)
    for axes in panels:
        axes.set_xlabel("")
        axes.set_visible(bool(axes.images))

"""Summary of one layer in one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.typing import Array
from snn_plot import style
from snn_plot.activity import common_limits, draw_activity, draw_difference
from snn_plot.correlation import draw_correlation
from snn_plot.recorded import LayerView
from snn_plot.spikes import draw_raster
from snn_plot.units import STEPS, Units
from snn_plot.weights import draw_histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@style.styled
def plot_layer_summaries(layer: LayerView, *, units: Units = STEPS) -> Figure:
    """Draw a summary of one layer: activations, rates, their difference, correlation, spikes.

    Parameters
    ----------
    layer
        The layer; panels for what was not recorded are left out.

    Raises
    ------
    DataError
        If nothing was recorded of it.
    """
    panels = list(_summary(layer, units))
    if not panels:
        raise DataError(f"Nothing was recorded of {layer.name}; run again with --record spikes.")
    figure, axes_n = style.small_multiples(len(panels), panel_height=1.9)
    for axes, draw in zip(axes_n, panels, strict=True):
        draw(axes)
    figure.suptitle(layer.name)
    return figure


def _summary(layer: LayerView, units: Units) -> Iterator[Callable[..., object]]:
    rates, wanted = layer.rates_l, layer.activations_l
    both = [units.rates(a) for a in (wanted, rates) if a is not None]
    limits = common_limits(both) if both else (0.0, 1.0)
    for values, what in ((wanted, "activation"), (rates, "rate")):
        if values is not None:
            label = f"{what} ({units.rate})"
            yield partial(_draw_image, activity_l=units.rates(values), label=label, limits=limits)
    if rates is not None and wanted is not None:
        said = f"rate − activation ({units.rate})"
        yield partial(_draw_error, activations_l=wanted, rates_l=rates, label=said, units=units)
        yield partial(draw_correlation, rates=rates, activations=wanted, label="", units=units)
    if layer.spiketrains_l_t is not None:
        yield partial(draw_raster, spiketrains_l_t=layer.spiketrains_l_t, label="", units=units)
    if rates is not None:
        data = {"rate": units.rates(rates)}
        yield partial(draw_histogram, data=data, quantity=f"rate ({units.rate})", filled=True)


def _draw_image(axes: Axes, *, activity_l: Array, label: str, limits: tuple[float, float]) -> None:
    image = draw_activity(axes, activity_l, label="", limits=limits)
    axes.set_xlabel("")
    style.add_colour_bar(image, [axes], label, below=True)


def _draw_error(
    axes: Axes, *, activations_l: Array, rates_l: Array, label: str, units: Units
) -> None:
    image = draw_difference(axes, activations_l, rates_l, label="", units=units)
    axes.set_xlabel("")
    style.add_colour_bar(image, [axes], label, below=True)

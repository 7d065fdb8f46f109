"""Style of all figures: size, letters, colours, and panels that fit a printed column.

No function here or elsewhere in this package touches ``pyplot``: a figure belongs to its caller,
who saves it with ``figure.savefig(path)``, and no global setting is left changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from snn_core.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage

COLUMN_WIDTH = 3.5
"""Width of one printed column in inches."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind people tell apart (M. Okabe and K. Ito, Color universal design,
2008), without the yellow, which is too light for lines on white."""

SPIKING, ANALOG, NEUTRAL = PALETTE[0], PALETTE[1], "#666666"
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"

LONG_LABEL = 20
"""Letters from which on a label is written smaller."""

_LETTERS = 7.0
# Names differ from version to version of matplotlib, and so do the types of this mapping.
_RC: Any = {
    "font.size": _LETTERS,
    "axes.titlesize": _LETTERS,
    "axes.labelsize": _LETTERS,
    "xtick.labelsize": _LETTERS - 1,
    "ytick.labelsize": _LETTERS - 1,
    "legend.fontsize": _LETTERS - 1,
    "legend.frameon": False,
    "figure.titlesize": _LETTERS + 1,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "patch.linewidth": 0.6,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),  # type: ignore[attr-defined]
    "text.parse_math": False,  # names of layers and classes are text
    "figure.dpi": 200,
    "savefig.dpi": "figure",
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}

Plot = TypeVar("Plot", bound=Callable[..., Figure])


def styled(plot: Plot) -> Plot:
    """Let a plotting function draw in this style, whatever the caller's settings are."""

    @wraps(plot)
    def draw(*arguments: Any, **options: Any) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_RC)
            figure = plot(*arguments, **options)
            _show_powers(figure)
            return figure

    return draw  # type: ignore[return-value]


def _show_powers(figure: Figure) -> None:
    """Let the numbers of logarithmic axes be formulas, which no other text is."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() in ("log", "symlog"):
                for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                    tick.label1.set_parse_math(True)


def new_figure(*, height: float = 2.4, width: float = COLUMN_WIDTH) -> Figure:
    """Return an empty figure whose labels are never cut; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def one_panel(*, height: float = 2.4, width: float = COLUMN_WIDTH) -> tuple[Figure, Axes]:
    """Return a figure with one panel."""
    figure = new_figure(height=height, width=width)
    return figure, tidy(figure.add_subplot())


def small_multiples(
    number: int, *, columns: int = 2, panel_height: float = 1.6
) -> tuple[Figure, list[Axes]]:
    """Return a figure of one column's width with many panels, row by row."""
    columns = min(columns, number)
    rows = math.ceil(number / columns)
    figure = new_figure(height=max(2.2, panel_height * rows + 0.3))
    grid = figure.add_gridspec(rows, columns)
    panels = [tidy(figure.add_subplot(grid[divmod(i, columns)])) for i in range(number)]
    return figure, panels


def tidy(axes: Axes) -> Axes:
    """Take the box off a panel and make its ticks fit the letters.

    Ticks are made when a figure is drawn, after `styled` has ended, so they are set here.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=_LETTERS - 1, width=0.6, length=2.5, pad=2)
    axes.tick_params(which="minor", width=0.4, length=1.5)
    axes.ticklabel_format(useOffset=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.offsetText.set_fontsize(_LETTERS - 1)
    return axes


def name_panel(axes: Axes, label: str, *, loc: Literal["left", "center"] = "left") -> None:
    """Write a layer's label above a panel, smaller if it is long, so that it fits half a column."""
    axes.set_title(label, loc=loc, fontsize=_LETTERS if len(label) <= LONG_LABEL else 5.5)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Put a panel's legend below the figure, which grows if there is much to name."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels), default=0) <= LONG_LABEL + 5 else 1
    rows = math.ceil(len(labels) / columns)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.13 * max(0, rows - 3))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def colour(index: int) -> str:
    """Return the colour of the ``index``-th of several things."""
    return PALETTE[index % len(PALETTE)]


def shades(number: int) -> list[Any]:
    """Return colours for a series such as layers: apart from each other, none too light."""
    if number <= len(PALETTE):
        return list(PALETTE[:number])
    return list(mpl.colormaps[SEQUENTIAL](np.linspace(0, 0.9, number)))


def grey_under(name: str = SEQUENTIAL) -> Colormap:
    """Return a colour map that leaves missing cells light grey."""
    return mpl.colormaps[name].with_extremes(bad="#E6E6E6")


def add_colour_bar(
    image: AxesImage, axes: Sequence[Axes], label: str, *, below: bool = False
) -> None:
    """Put a labelled colour bar beside panels, or below."""
    figure = axes[0].figure
    place = "bottom" if below else "right"
    bar = figure.colorbar(
        image, ax=list(axes), location=place, shrink=0.85, aspect=15 if below else 25, pad=0.02
    )
    bar.ax.tick_params(labelsize=_LETTERS - 1, width=0.6, length=2)
    bar.outline.set_linewidth(0.6)
    bar.set_label(label)


def note(axes: Axes, text: str) -> None:
    """Write a remark in small grey letters above a panel, at its right end."""
    axes.annotate(
        text,
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 2),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=_LETTERS - 1,
        color=NEUTRAL,
    )


def evenly(number: int, most: int) -> Array:
    """Return at most ``most`` of the indices 0 ... ``number`` - 1, evenly spaced."""
    if number <= most:
        return np.arange(number)
    return np.linspace(0, number - 1, most).round().astype(np.int64)


def thousands(number: float) -> str:
    """Return an integer with thin gaps between groups of digits."""
    return f"{number:,.0f}".replace(",", "\u202f")

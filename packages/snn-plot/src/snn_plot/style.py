"""Style of all figures: size, letters, colours, and panels that fit a printed column.

No function here or elsewhere in this package touches ``pyplot``: a figure belongs to its caller,
who saves it with ``figure.savefig(path)``, and no global setting is left changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import MaxNLocator

from snn_core.typing import Array
from snn_plot.names import fit, fit_all, letters

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

FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Hiragino Sans",
         "PingFang SC", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS")  # fmt: skip
"""Fonts for letters that matplotlib's own has not; those that are installed are used."""

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
"""Kinds of lines that tell apart more curves than there are colours."""

GAPS: tuple[Any, ...] = ("-", (0, (5, 1)), (0, (3, 1)), (0, (2, 1)), (0, (5, 1, 1, 1)))
"""Kinds of lines with gaps in which others are seen."""

ROOM = 52
"""Letters of the usual size that fit above a panel as wide as a column."""

ROOM_SMALL = 30
"""Letters of the small size that fit above a panel of half a column."""

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
    "svg.hashsalt": "snn-plot",  # names of parts that are the same each time
    "figure.facecolor": "white",
    "axes.facecolor": "white",
}

Plot = TypeVar("Plot", bound=Callable[..., Figure])


@contextmanager
def drawn_in_style() -> Iterator[None]:
    """Draw in this style, whatever the caller's settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_RC, "font.family": _fonts()})
        yield


def styled(plot: Plot) -> Plot:
    """Let a plotting function draw in this style, whatever the caller's settings are."""

    @wraps(plot)
    def draw(*arguments: Any, **options: Any) -> Figure:
        with drawn_in_style():
            return plot(*arguments, **options)

    return draw  # type: ignore[return-value]


@cache
def _fonts() -> list[str]:
    """Return matplotlib's own font and those that follow where it lacks a letter."""
    known = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(font for font in FONTS if font in known)]


def new_figure(*, height: float = 2.4, width: float = COLUMN_WIDTH) -> Figure:
    """Return an empty figure whose labels are never cut; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def one_panel(*, height: float = 2.4, width: float = COLUMN_WIDTH) -> tuple[Figure, Axes]:
    """Return a figure with one panel."""
    figure = new_figure(height=height, width=width)
    return figure, tidy(figure.add_subplot())


def grow(figure: Figure, inches: float) -> None:
    """Make a figure higher."""
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + inches)


def small_multiples(
    number: int,
    *,
    columns: int = 2,
    panel_height: float = 1.6,
    row_heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of one column's width with many panels, row by row.

    Parameters
    ----------
    panel_height, row_heights
        Inches, labels included: of each row, or of all rows alike.
    """
    columns = min(columns, number)
    rows = math.ceil(number / columns)
    heights = list(row_heights or [panel_height] * rows)
    figure = new_figure(height=max(1.2 if row_heights else 2.2, sum(heights) + 0.3))
    grid = figure.add_gridspec(rows, columns, height_ratios=heights)
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


def head(axes: Axes, title: str, remark: str = "") -> None:
    """Write a title above the left end of a panel, and a remark in grey at its right end.

    A title that is too long for both is cut in its middle.
    """
    taken = letters(remark) + 2 if remark else 0
    axes.set_title(fit(title, max(ROOM - taken, 12)), loc="left")
    if remark:
        note(axes, remark)


def name_panel(axes: Axes, label: str) -> None:
    """Write a layer's label above a panel of half a column, smaller or cut if it is long."""
    small = letters(label) > ROOM_SMALL * 2 // 3
    axes.set_title(fit(label, ROOM_SMALL), loc="left", fontsize=5.5 if small else _LETTERS)


def name_figure(figure: Figure, name: str) -> None:
    """Write what all panels of a figure are of above them."""
    figure.set_label(name)
    figure.suptitle(fit(name, ROOM + 8), x=0.01, ha="left", fontsize=_LETTERS)


def name_subject(figure: Figure, subject: str) -> None:
    """Write on the uppermost line, in grey, what a figure is of: the run, and the sample."""
    name = str(figure.get_label())
    grow(figure, 0.14)
    lines = [fit(name, ROOM + 8)] if name else []
    with drawn_in_style():
        figure.suptitle(
            "\n".join([subject, *lines]), x=0.01, ha="left", fontsize=_LETTERS - 1, color=NEUTRAL
        )


def legend_below(figure: Figure, axes: Axes, *, title: str | None = None) -> None:
    """Put a panel's legend below the figure, which grows if there is much to name."""
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(letters, labels), default=0)
    columns = 3 if longest <= 14 and len(labels) > 2 else 2 if longest <= 26 else 1
    rows = math.ceil(len(labels) / columns)
    grow(figure, 0.13 * max(0, rows - 1))
    figure.legend(
        handles, fit_all(labels, ROOM + 4), loc="outside lower center", ncols=columns, title=title,
        title_fontsize=_LETTERS - 1,
    )  # fmt: skip


def colour(index: int) -> str:
    """Return the colour of the ``index``-th of several things."""
    return PALETTE[index % len(PALETTE)]


def shades(number: int) -> list[Any]:
    """Return colours for a series such as layers: apart from each other, none too light."""
    if number <= len(PALETTE) * len(DASHES):
        return [colour(index) for index in range(number)]
    return list(mpl.colormaps[SEQUENTIAL](np.linspace(0, 0.9, number)))


def curves(number: int, *, dashed: bool = False) -> list[dict[str, Any]]:
    """Return the looks of curves that are told apart even where they coincide.

    The first are the widest and lie below, so each shows at the sides of the next; more than there
    are colours have other dashes.

    Parameters
    ----------
    dashed
        Whether all but the first are dashed, so that those below show in the gaps, too.
    """
    kinds = GAPS if dashed else DASHES
    every = 1 if dashed else len(PALETTE)
    widths = np.linspace(min(1.0 + 0.5 * (number - 1), 3.0), 1.0, number)
    return [
        {"color": shade, "linewidth": float(width), "linestyle": kinds[index // every % len(kinds)]}
        for index, (shade, width) in enumerate(zip(shades(number), widths, strict=True))
    ]


def dashes(index: int, number: int) -> Any:
    """Return the dashes of one of several straight lines, which take turns where they coincide."""
    drawn = 6 / max(number, 2)
    return index * drawn, (drawn, 6 - drawn)


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
    width = axes[0].get_position().width
    if below and len(axes) == 1 and width < 0.4:
        bar.ax.xaxis.set_major_locator(MaxNLocator(nbins=3 if width > 0.3 else 2))
    bar.ax.tick_params(labelsize=_LETTERS - 1, width=0.6, length=2)
    bar.outline.set_linewidth(0.6)
    bar.set_label(label)


def note(axes: Axes, text: str) -> None:
    """Write a remark in small grey letters above a panel, at its right end."""
    axes.annotate(
        text,
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 6),
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


def show_steps(axes: Axes, times: Array, *, margin: float = 0) -> None:
    """Let the horizontal axis begin at 0 and end with the last step; a single step is a dot.

    Parameters
    ----------
    margin
        Room beyond the last step, in steps.
    """
    step = times[0]
    axes.set_xlim(0, times[-1] + step * (margin if len(times) > 1 else 1))
    whole = bool(step == round(step))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=whole, steps=[1, 2, 5, 10]))
    for line in axes.get_lines():
        if len(times) == 1 == np.size(line.get_xdata()):
            line.set(marker="o", markersize=3)


def count(number: float, what: str) -> str:
    """Return a number of things, in the singular or the plural."""
    return f"{thousands(number)} {what}" + ("" if number == 1 else "s")


def thousands(number: float) -> str:
    """Return an integer with thin gaps between groups of digits."""
    return f"{number:,.0f}".replace(",", "\u202f")

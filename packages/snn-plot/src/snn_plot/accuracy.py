"""Decisions: errors over time, confusions, sweeps and training, with intervals for shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from snn_core.errors import DataError
from snn_core.simulation.statistics import wilson_interval
from snn_core.typing import Array, Int64
from snn_plot import style
from snn_plot.names import fit_classes, letters
from snn_plot.scales import number_powers, show_errors, show_shares
from snn_plot.units import STEPS, Units

MOST_NUMBERS, MOST_CLASSES = 15, 30
"""Classes up to which a confusion matrix has numbers in its cells, and a tick for each class."""

MOST_SHOWN = 1000
"""Classes of a confusion matrix; of more, those that are confused most."""


@style.styled
def plot_error_vs_time(
    top1err_b_t: Array,
    top5err_b_t: Array | None = None,
    *,
    top1err_ann: float | None = None,
    top5err_ann: float | None = None,
    k: int = 5,
    units: Units = STEPS,
) -> Figure:
    """Draw the share of wrong decisions after each step, over all samples.

    Parameters
    ----------
    top1err_b_t
        Whether a sample is decided wrongly after a step.
    top5err_b_t
        Whether its class is missing among the ``k`` best.
    top1err_ann, top5err_ann
        Shares of errors of the analog network.
    k
        The number of best classes, for the legend.
    """
    figure, axes = style.one_panel()
    samples, steps = top1err_b_t.shape
    times = units.times(steps)
    kinds = [("wrong", top1err_b_t, top1err_ann, style.SPIKING)]
    if top5err_b_t is not None:
        kinds.append((f"not among {k} best", top5err_b_t, top5err_ann, style.PALETTE[2]))
    seen: list[float] = []
    widths = [look["linewidth"] for look in style.curves(len(kinds))]
    for width, (name, errors_b_t, _, shade) in zip(widths, kinds, strict=True):
        share_t = np.asarray(errors_b_t, np.float64).mean(axis=0)
        low_t, high_t = wilson_interval(share_t, samples)
        axes.plot(times, 100 * share_t, color=shade, label=name, linewidth=width)
        axes.fill_between(times, 100 * low_t, 100 * high_t, color=shade, alpha=0.15, linewidth=0)
        seen += [float(share_t.min()), float(share_t.max())]
    for index, (_, _, analog, shade) in enumerate(kinds):
        if analog is not None:
            axes.axhline(100 * analog, color=shade, linestyle=style.dashes(index, len(kinds)),
                         linewidth=1.2, label=f"analog: {100 * analog:.3g} %")  # fmt: skip
            seen.append(analog)
    axes.set(xlabel=units.time_label, ylabel="error (% of samples)")
    show_errors(axes, lowest=100 * min(seen), highest=100 * max(seen), samples=samples)
    style.show_steps(axes, times)
    style.head(axes, f"{style.count(samples, 'sample')}, bands: 95 % Wilson intervals")
    style.legend_below(figure, axes)
    return figure


@style.styled
def plot_confusion_matrix(
    y_test: Array, y_pred: Array, *, class_labels: Sequence[str] | None = None
) -> Figure:
    """Draw how often each class was decided as each class, in per cent of the true class.

    Parameters
    ----------
    y_test, y_pred
        True and predicted classes; -1 means that there was no decision.
    class_labels
        Names of the classes; their numbers if not given.

    Raises
    ------
    DataError
        If the lengths differ, there are no samples, or names are missing.
    """
    found = confusion(y_test, y_pred)
    counts, classes = found.counts, len(found.counts)
    if class_labels is not None and len(class_labels) < found.number:
        raise DataError(f"Found {len(class_labels)} names for {found.number} classes.")
    names = [class_labels[i] if class_labels else str(i) for i in found.classes_c]
    names = fit_classes([*names, "none"] if found.undecided else names, classes)
    totals = found.totals_c[:, None]
    share = np.where(totals > 0, 100 * counts / np.maximum(totals, 1), np.nan)
    figure, axes = style.one_panel(height=3.2)
    image = axes.imshow(share, cmap=style.grey_under("Blues"), vmin=0, vmax=100, aspect="auto",
                        interpolation="nearest")  # fmt: skip
    long = max(map(letters, names)) > 4
    if long:
        style.grow(figure, 0.4)
    shown = style.evenly(classes, MOST_CLASSES * 2 // 3 if long else MOST_CLASSES)
    across = [*shown, classes] if found.undecided else shown
    turned = 90 if long or len(across) > MOST_NUMBERS else 0
    axes.set_xticks(across, [names[i] for i in across], rotation=turned)
    axes.set_yticks(shown, [names[i] for i in shown])
    if classes <= MOST_NUMBERS:
        for i, j in zip(*np.nonzero(counts), strict=True):
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=6,
                      color="white" if share[i, j] > 60 else "black")  # fmt: skip
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class")
    said = f"{style.count(len(y_test), 'sample')}, {found.correct:.2%} correct"
    style.head(axes, said, found.remark)
    style.add_colour_bar(image, [axes], "share of the true class (%)")
    return figure


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often each class was decided as each class.

    Parameters
    ----------
    classes_c
        The classes that are shown, rising.
    counts
        Samples by true and decided class; a last column counts undecided ones, if there are any.
    totals_c
        All samples of each class, also those that were taken for a class that is not shown.
    number
        Number of all classes.
    undecided
        Whether there are undecided samples.
    correct
        Share of all samples that were decided rightly.
    """

    classes_c: Int64[Array, "c"]
    counts: Int64[Array, "c _"]
    totals_c: Int64[Array, "c"]
    number: int
    undecided: bool
    correct: float

    @property
    def remark(self) -> str:
        """What is not shown, in a few words."""
        shown = len(self.classes_c)
        if shown == self.number:
            return ""
        most = "those confused most" if shown == MOST_SHOWN else "those that occur"
        return f"{shown} of {style.thousands(self.number)} classes: {most}"


def confusion(y_test: Array, y_pred: Array) -> Confusion:
    """Count how often each class was decided as each; see `plot_confusion_matrix`.

    Raises
    ------
    DataError
        If the lengths differ or there are no samples.
    """
    true_b, decided_b = np.asarray(y_test, np.int64), np.asarray(y_pred, np.int64)
    if true_b.shape != decided_b.shape or true_b.ndim != 1 or not len(true_b):
        raise DataError(
            f"Found {true_b.shape} true and {decided_b.shape} predicted classes; expected the same "
            f"number, at least one."
        )
    number = int(max(true_b.max(), decided_b.max())) + 1
    is_few = number <= MOST_SHOWN
    classes_c = np.arange(number) if is_few else _most_confused(true_b, decided_b)
    is_undecided_b = decided_b < 0
    undecided, shown = bool(is_undecided_b.any()), len(classes_c)
    row_b = np.searchsorted(classes_c, true_b)
    column_b = np.where(is_undecided_b, shown, np.searchsorted(classes_c, decided_b))
    has_row_b = np.isin(true_b, classes_c)
    kept_b = has_row_b & (is_undecided_b | np.isin(decided_b, classes_c))
    counts = np.zeros((shown, shown + undecided), np.int64)
    np.add.at(counts, (row_b[kept_b], column_b[kept_b]), 1)
    return Confusion(
        classes_c=classes_c,
        counts=counts,
        totals_c=np.bincount(row_b[has_row_b], minlength=shown),
        number=number,
        undecided=undecided,
        correct=float((true_b == decided_b).mean()),
    )


def _most_confused(true_b: Array, decided_b: Array) -> Int64[Array, "c"]:
    """Return the classes with most wrong decisions, true or decided; then those of most samples."""
    known_b = decided_b >= 0
    both = np.concatenate([true_b, decided_b[known_b]])
    is_wrong_b = true_b != decided_b
    found_c, place = np.unique(both, return_inverse=True)
    wrong_c = np.bincount(place, weights=np.concatenate([is_wrong_b, is_wrong_b[known_b]]))
    order = np.lexsort((found_c, -np.bincount(place), -wrong_c))
    chosen_c: Int64[Array, "c"] = np.sort(found_c[order[:MOST_SHOWN]])
    return chosen_c


@style.styled
def plot_param_sweep(
    results: Sequence[float],
    n: int,
    params: Sequence[float],
    *,
    param_name: str,
    log_scale: bool = False,
    evenly: bool = False,
) -> Figure:
    """Draw accuracy over the values of a parameter, with 95 % Wilson intervals.

    Parameters
    ----------
    results
        Share of correct decisions of each experiment, from 0 to 1.
    n
        Number of samples in each.
    params
        The parameter's value in each.
    param_name
        What the parameter is called, with its unit.
    log_scale
        Whether its axis is logarithmic.
    evenly
        Whether the values stand at equal distances: for those that crowd, such as 99, 99.9, 99.99.

    Raises
    ------
    DataError
        If the numbers of results and values differ or there are none.
    """
    if len(results) != len(params) or not len(results):
        raise DataError(f"Found {len(results)} results for {len(params)} values; expected equal.")
    share = np.asarray(results, np.float64)
    low, high = wilson_interval(share, n)
    figure, axes = style.one_panel()
    places = np.arange(len(params)) if evenly else np.asarray(params)
    axes.errorbar(places, 100 * share, yerr=100 * np.abs(np.stack([share - low, high - share])),
                  fmt="o-", color=style.SPIKING, markersize=3, capsize=2)  # fmt: skip
    if evenly:
        axes.set_xticks(places, [f"{value:g}" for value in params])
    elif log_scale:
        axes.set_xscale("log")
        number_powers(axes.xaxis, wide=max(params) / min(params) > 50)
    axes.set(xlabel=param_name, ylabel="accuracy (% of samples)")
    show_shares(axes, lowest=100 * low.min(), highest=100 * share.max(), samples=n)
    style.head(axes, f"{style.count(n, 'sample')} each, bars: 95 % Wilson intervals")
    return figure


@style.styled
def plot_history(history: Any) -> Figure:
    """Draw loss and accuracy over the epochs of training.

    Parameters
    ----------
    history
        A mapping with any of ``loss``, ``val_loss``, ``accuracy`` (or ``acc``) and
        ``val_accuracy``, one value per epoch; or an object that has it as ``history``, as Keras
        returns.

    Raises
    ------
    DataError
        If it has none of these.
    """
    values: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    panels = [
        ("loss", 1.0, ("loss",)),
        ("accuracy (%)", 100.0, ("accuracy", "acc", "categorical_accuracy")),
    ]
    found = [
        (what, factor, name)
        for what, factor, names in panels
        for name in names
        if name in values or f"val_{name}" in values
    ]
    if not found:
        raise DataError(f"Found {sorted(values)}; expected loss or accuracy of each epoch.")
    figure, axes_n = style.small_multiples(len(found), columns=len(found), panel_height=1.9)
    for axes, (what, factor, name) in zip(axes_n, found, strict=True):
        for key, line, said in ((name, "o-", "training"), (f"val_{name}", "s--", "validation")):
            if key in values:
                epochs = np.arange(1, len(values[key]) + 1)
                axes.plot(epochs, factor * np.asarray(values[key]), line, markersize=2, label=said)
        axes.set(xlabel="epoch", ylabel=what)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    style.legend_below(figure, axes_n[-1])
    return figure

"""Probes: measurements of a chip or a meter, read from a small table and drawn.

A probe file is CSV with one line of names, or ``.npz`` with one array per name. Each name ends with
its unit: ``spiking_ms``, ``total_mw``, ``synapses_uj``. One column tells the time: ``step``
(number of the step, from 1), ``sample`` (number of the sample) or ``time_ms`` (also ``time_s``,
``time_us``); there may be any number of others. Lines that start with ``#`` are comments. Known
units are s, ms, us (time), w, mw, uw (power), j, mj, uj, nj (energy), v, mv (voltage); a column
that ends with none of them is a bare number.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.files import as_path
from snn_core.reading import read_npz, spend, while_reading
from snn_core.typing import Array, Float64, PathLikeStr
from snn_plot import style
from snn_plot.names import fit_all

UNITS: Mapping[str, tuple[str, str, float]] = {
    "s": ("time", "s", 1.0),
    "ms": ("time", "ms", 1e-3),
    "us": ("time", "µs", 1e-6),
    "w": ("power", "W", 1.0),
    "mw": ("power", "mW", 1e-3),
    "uw": ("power", "µW", 1e-6),
    "j": ("energy", "J", 1.0),
    "mj": ("energy", "mJ", 1e-3),
    "uj": ("energy", "µJ", 1e-6),
    "nj": ("energy", "nJ", 1e-9),
    "v": ("voltage", "V", 1.0),
    "mv": ("voltage", "mV", 1e-3),
}
"""Suffix of a name to the kind of quantity, the unit's sign and its size in SI units."""

COUNTED: Mapping[str, str] = {"step": "time (steps)", "sample": "sample (index)"}
"""Columns that count rows, with the label of the axis."""

ROOM_NAME = 20
"""Letters of a column's name above a panel."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A table of measurements over time.

    Parameters
    ----------
    name
        Where it comes from, for titles and messages.
    time_t
        Number of the step or sample, or time.
    time_name
        Name of that column: ``step``, ``sample`` or ``time_ms``.
    values
        Name with unit suffix to one number per time.
    """

    name: str
    time_t: Float64[Array, "t"]
    time_name: str
    values: Mapping[str, Float64[Array, "t"]]

    @property
    def time_label(self) -> str:
        """Label of the time axis."""
        return COUNTED.get(self.time_name) or f"time ({unit(self.time_name)[1]})"

    @property
    def intervals_s(self) -> Float64[Array, "t"] | None:
        """Seconds that each measurement stands for; ``None`` if rows are counted."""
        if self.time_name in COUNTED or len(self.time_t) < 2:
            return None
        apart = np.diff(self.time_t)
        return np.concatenate([apart[:1], apart]) * UNITS[_suffix(self.time_name)][2]

    def of_kind(self, kind: str) -> dict[str, Float64[Array, "t"]]:
        """Return the columns of one kind of quantity in SI units, by name without unit.

        Raises
        ------
        DataError
            If there is none.
        """
        found = {
            name[: -len(_suffix(name)) - 1].replace("_", " "): a * UNITS[_suffix(name)][2]
            for name, a in self.values.items()
            if unit(name)[0] == kind
        }
        if not found:
            known = ", ".join(key for key, value in UNITS.items() if value[0] == kind)
            raise DataError(
                f"{self.name} has the columns {', '.join(self.values)}; expected {kind}, with a "
                f"name that ends with one of the units {known}."
            )
        return found


def unit(name: str) -> tuple[str, str]:
    """Return the kind of quantity and the unit of a column."""
    kind, sign, _ = UNITS.get(_suffix(name), ("number", "", 1.0))
    return kind, sign


def _suffix(name: str) -> str:
    return name.lower().rpartition("_")[2] if "_" in name else ""


def read_probe(path: PathLikeStr) -> Probe:
    """Read a probe file.

    Raises
    ------
    DataError
        If it is missing or does not hold what the module describes.
    """
    file = as_path(path)
    said = "cannot be read as a probe"
    with while_reading(file, error=DataError, advice=_ADVICE, said=said):
        columns = _columns_npz(file) if file.suffix == ".npz" else _read_csv(file)
    times = [name for name in columns if name in COUNTED or name.startswith("time_")]
    times = [name for name in times if name in COUNTED or unit(name)[0] == "time"]
    lengths = {len(values) for values in columns.values()}
    if len(times) != 1 or len(columns) < 2 or len(lengths) != 1 or lengths == {0}:
        raise DataError(f"{file} has the columns {', '.join(columns) or 'none'}; {_ADVICE}.")
    time_t = columns.pop(times[0])
    if (np.diff(time_t) <= 0).any():
        raise DataError(f"{file}: the column {times[0]} does not grow from row to row.")
    return Probe(name=file.name, time_t=time_t, time_name=times[0], values=columns)


_ADVICE = "expected rows of numbers under names such as time_ms,total_mw or step,spiking_ms"


_PER_BYTE = 40
"""Memory that a byte of a table takes at most: a text for each number of a letter and a comma."""


def _read_csv(file: Path) -> dict[str, Array]:
    spend(_PER_BYTE * file.stat().st_size, "the table")
    with file.open(encoding="utf-8", newline="") as text:
        rows = [row for row in csv.reader(text) if row and not row[0].startswith("#")]
    if not rows:
        raise ValueError("it is empty")
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names) or any(len(row) != len(names) for row in rows[1:]):
        raise ValueError("names repeat, or a row has another number of columns")
    table = np.array(rows[1:], np.float64).reshape(-1, len(names))
    return _finite(dict(zip(names, table.T, strict=True)))


def _columns_npz(file: Path) -> dict[str, Array]:
    arrays = read_npz(file)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ValueError(f"the column {name} holds {array.dtype}")
    return _finite({name: np.asarray(array, np.float64).ravel() for name, array in arrays.items()})


def _finite(columns: dict[str, Array]) -> dict[str, Array]:
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise ValueError(f"the column {name} holds values that are not finite")
    return columns


@style.styled
def plot_probe(probe: Probe) -> Figure:
    """Draw every column of a probe over time; columns of one unit share a panel."""
    by_unit: dict[tuple[str, str], list[str]] = {}
    for name in probe.values:
        by_unit.setdefault(unit(name), []).append(name)
    figure, panels = style.small_multiples(len(by_unit), columns=1, panel_height=1.6)
    for axes, ((kind, sign), names) in zip(panels, by_unit.items(), strict=True):
        said = [name if kind == "number" else name[: -len(_suffix(name)) - 1] for name in names]
        shown = fit_all([text.replace("_", " ") for text in said], ROOM_NAME)
        for name, text, look in zip(names, shown, style.curves(len(names)), strict=True):
            axes.plot(probe.time_t, probe.values[name], label=text, **look)
        axes.set_ylabel("number" if kind == "number" else f"{kind} ({sign})")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
        axes.margins(x=0)
    panels[-1].set_xlabel(probe.time_label)
    style.name_figure(figure, probe.name)
    return figure


@style.styled
def plot_execution_time_probe(probe: Probe) -> Figure:
    """Draw how long the chip took for each step, its phases on top of each other.

    Parameters
    ----------
    probe
        With a column of time for each phase, for example ``spiking_us`` and ``management_us``.
    """
    phases = probe.of_kind("time")
    total = sum(phases.values())
    factor, sign = _prefix(float(np.max(total)), "s")
    figure, axes = style.one_panel()
    shares = {name: a.sum() / max(float(np.sum(total)), 1e-300) for name, a in phases.items()}
    axes.stackplot(
        probe.time_t,
        *(a / factor for a in phases.values()),
        labels=[f"{name} ({shares[name]:.0%})" for name in phases],
        colors=style.shades(len(phases)),
        linewidth=0,
    )
    each = probe.time_name if probe.time_name in COUNTED else "row"
    axes.set(xlabel=probe.time_label, ylabel=f"execution time per {each} ({sign})")
    axes.margins(x=0)
    mean, mean_sign = _prefix(float(np.mean(total)), "s")
    said = f"mean {np.mean(total) / mean:.3g} {mean_sign}"
    axes.axhline(float(np.mean(total)) / factor, color="black", linestyle=":", label=said)
    style.head(axes, probe.name, said)
    style.legend_below(figure, axes)
    return figure


@style.styled
def plot_energy_probe(probe: Probe) -> Figure:
    """Draw the energy used up to each time.

    Parameters
    ----------
    probe
        With columns of energy, each row what was used since the row before.
    """
    figure, axes = style.one_panel()
    parts = {name: a.cumsum() for name, a in probe.of_kind("energy").items()}
    total = float(sum(a[-1] for a in parts.values()))
    factor, sign = _prefix(total, "J")
    for (name, values), look in zip(parts.items(), style.curves(len(parts)), strict=True):
        said = f"{name}: {values[-1] / factor:.3g} {sign}"
        axes.plot(probe.time_t, values / factor, label=said, **look)
    axes.set(xlabel=probe.time_label, ylabel=f"energy so far ({sign})")
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    style.head(axes, probe.name, f"together {total / factor:.3g} {sign}")
    style.legend_below(figure, axes)
    return figure


@style.styled
def plot_power_probe(probe: Probe) -> Figure:
    """Draw power over time, with each column's mean over time.

    Parameters
    ----------
    probe
        With columns of power.
    """
    columns = probe.of_kind("power")
    factor, sign = _prefix(max(float(a.max()) for a in columns.values()), "W")
    weights = probe.intervals_s
    figure, axes = style.one_panel()
    looks = style.curves(len(columns))
    for index, ((name, values), look) in enumerate(zip(columns.items(), looks, strict=True)):
        mean = float(np.average(values, weights=weights)) / factor
        axes.plot(probe.time_t, values / factor, label=f"{name}: mean {mean:.3g} {sign}", **look)
        axes.axhline(mean, color=look["color"], linestyle=style.dashes(index, len(looks)),
                     linewidth=0.8)  # fmt: skip
    axes.set(xlabel=probe.time_label, ylabel=f"power ({sign})")
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    style.head(axes, probe.name, "dashed: means")
    style.legend_below(figure, axes)
    return figure


def total_energy_j(probe: Probe) -> float:
    """Return the energy of a probe: measured, or power times time.

    Raises
    ------
    DataError
        If it has neither energy nor power over a time in seconds.
    """
    if any(unit(name)[0] == "energy" for name in probe.values):
        return float(sum(a.sum() for a in probe.of_kind("energy").values()))
    columns = probe.of_kind("power")
    seconds = probe.intervals_s
    if seconds is None:
        raise DataError(f"{probe.name} has power per step; energy needs a column time_ms.")
    total = columns.get("total", sum(columns.values()))
    return float((np.asarray(total) * seconds).sum())


def _prefix(largest: float, base: str) -> tuple[float, str]:
    """Return the unit in which a number is between 1 and 1000, and its size in the base unit."""
    for size, sign in ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if largest >= size:
            return size, f"{sign}{base}"
    return 1.0, base

"""Attributes of MegaSim's modules: the name of each, its meaning and its range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from snn_core.errors import DataError

LARGEST = 2147483646
"""Largest magnitude of any number in the files; the ancestor's ``INT32_MAX``."""

MOST_NEURONS = 2**24
"""Neurons of a module: more would take hundreds of megabytes."""


@dataclass(frozen=True)
class Attribute:
    """A number of a module.

    Parameters
    ----------
    low, high
        Smallest and largest value.
    meaning
        What it does in the engine.
    """

    low: int
    high: int
    meaning: str


_DELAY = (0, LARGEST)
_FLAG = (0, 1)
_ANY = (-LARGEST, LARGEST)
_PLACE = (-32768, 32767)
_SIZE = (1, 32768)

ATTRIBUTES: Mapping[str, Attribute] = {
    "n_in_ports": Attribute(1, 65535, "number of input ports"),
    "n_out_ports": Attribute(1, 1, "number of output ports"),
    "delay_to_process": Attribute(*_DELAY, "time that the module is busy with an event"),
    "delay_to_ack": Attribute(*_DELAY, "time from taking an event to acknowledging it; 0: a link "
                              "without handshake"),
    "fifo_depth": Attribute(0, 65535, "events that can wait at the input, already acknowledged"),
    "n_repeat": Attribute(1, 65535, "how many times each output event is sent"),
    "delay_to_repeat": Attribute(*_DELAY, "time between two of these"),
    "Nx_array": Attribute(*_SIZE, "columns of neurons"),
    "Ny_array": Attribute(*_SIZE, "rows of neurons"),
    "population_size": Attribute(1, MOST_NEURONS, "neurons of a fully connected module"),
    "Xmin": Attribute(*_PLACE, "address of the first column"),
    "Ymin": Attribute(*_PLACE, "address of the first row"),
    "THplus": Attribute(0, LARGEST, "positive threshold"),
    "THplusInfo": Attribute(*_FLAG, "whether the positive threshold makes spikes"),
    "THminus": Attribute(-LARGEST, 0, "negative threshold"),
    "THminusInfo": Attribute(*_FLAG, "whether the negative threshold makes negative spikes"),
    "Reset_to_reminder": Attribute(*_FLAG, "1: a spike subtracts the threshold, 0: it sets the "
                                   "potential to MembReset"),
    "MembReset": Attribute(*_ANY, "resting potential, also before the first event"),
    "TLplus": Attribute(*_DELAY, "leak per time unit of potentials above MembReset"),
    "TLminus": Attribute(*_DELAY, "leak per time unit of potentials below MembReset"),
    "Tmin": Attribute(*_DELAY, "least time between two spikes of a neuron"),
    "T_Refract": Attribute(*_DELAY, "time after a spike in which a neuron takes no input"),
    "crop_xmin": Attribute(*_ANY, "first column whose spikes are sent"),
    "crop_xmax": Attribute(*_ANY, "last column whose spikes are sent"),
    "crop_ymin": Attribute(*_ANY, "first row whose spikes are sent"),
    "crop_ymax": Attribute(*_ANY, "last row whose spikes are sent"),
    "xshift_pre": Attribute(*_PLACE, "added to the column before it is divided"),
    "yshift_pre": Attribute(*_PLACE, "added to the row before it is divided"),
    "x_subsmp": Attribute(*_SIZE, "divisor of the column, rounded down"),
    "y_subsmp": Attribute(*_SIZE, "divisor of the row, rounded down"),
    "xshift_pos": Attribute(*_PLACE, "added to the column after it was divided"),
    "yshift_pos": Attribute(*_PLACE, "added to the row after it was divided"),
    "rectify": Attribute(*_FLAG, "whether all spikes are sent with positive sign"),
    "Nx_kernel": Attribute(1, 65536, "columns of a port's kernel"),
    "Ny_kernel": Attribute(1, 65536, "rows of a port's kernel"),
    "Dx": Attribute(-65536, 65535, "column of the kernel's first column, from that of the event"),
    "Dy": Attribute(-65536, 65535, "row of the kernel's first row, from that of the event"),
    "Nx_array_pre": Attribute(1, MOST_NEURONS, "columns of the population before a port"),
    "Ny_array_pre": Attribute(1, MOST_NEURONS, "rows of the population before a port"),
    "time_busy_initial": Attribute(*_DELAY, "time until which a module is busy at the start"),
    "Tmax": Attribute(*_DELAY, "time after which nothing happens"),
}  # fmt: skip
"""Every attribute by its name in the files."""

HEADER = (
    "n_in_ports",
    "n_out_ports",
    "delay_to_process",
    "delay_to_ack",
    "fifo_depth",
    "n_repeat",
    "delay_to_repeat",
)
NEURONS = (
    "Xmin",
    "Ymin",
    "THplus",
    "THplusInfo",
    "THminus",
    "THminusInfo",
    "Reset_to_reminder",
    "MembReset",
    "TLplus",
    "TLminus",
    "Tmin",
    "T_Refract",
)
OUTPUT = (
    "crop_xmin",
    "crop_xmax",
    "crop_ymin",
    "crop_ymax",
    "xshift_pre",
    "yshift_pre",
    "x_subsmp",
    "y_subsmp",
    "xshift_pos",
    "yshift_pos",
    "rectify",
)


def range_problem(name: str, value: int) -> str | None:
    """Return what is wrong with the value of an attribute, or ``None``."""
    known = ATTRIBUTES[name]
    if known.low <= value <= known.high:
        return None
    expected = (
        f"{known.low}" if known.low == known.high else f"a number from {known.low} to {known.high}"
    )
    return f"{name} is {value}; expected {expected} ({known.meaning})"


def require_ranges(values: Any, names: Iterable[str]) -> None:
    """Raise a `DataError` unless all these attributes of an object are in their ranges."""
    problems = [range_problem(name, getattr(values, name)) for name in names]
    found = [problem for problem in problems if problem]
    if found:
        raise DataError(f"{'; '.join(found)}.")

"""Modules of MegaSim: one class for each kind, with the attributes that its parameter file holds.

Kernels are kept as their file has them: rows from the bottom to the top, see `Kernel`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import numpy as np

from snn_core.errors import DataError
from snn_core.typing import Array, Int64
from snn_megasim.files.attributes import (
    HEADER,
    LARGEST,
    MOST_NEURONS,
    NEURONS,
    OUTPUT,
    require_ranges,
)

# Names of attributes are those of the files, so that users find them there.


@dataclass(frozen=True, kw_only=True)
class Link:
    """How a module takes events and sends them; times in time units.

    `ATTRIBUTES` states meaning and range of each field, here and in the classes below.
    """

    n_out_ports: int = 1
    delay_to_process: int = 0
    delay_to_ack: int = 0
    fifo_depth: int = 0
    n_repeat: int = 1
    delay_to_repeat: int = 15

    def __post_init__(self) -> None:
        require_ranges(self, HEADER[1:])


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """What the neurons of a module do."""

    Xmin: int = 0
    Ymin: int = 0
    THplus: int = 0
    THplusInfo: int = 1
    THminus: int = -LARGEST
    THminusInfo: int = 0
    Reset_to_reminder: int = 0
    MembReset: int = 0
    TLplus: int = 0
    TLminus: int = 0
    Tmin: int = 0
    T_Refract: int = 0

    def __post_init__(self) -> None:
        require_ranges(self, NEURONS)


@dataclass(frozen=True, kw_only=True)
class Output:
    """Which spikes a module sends, and with which addresses."""

    crop_xmin: int
    crop_xmax: int
    crop_ymin: int
    crop_ymax: int
    xshift_pre: int = 0
    yshift_pre: int = 0
    x_subsmp: int = 1
    y_subsmp: int = 1
    xshift_pos: int = 0
    yshift_pos: int = 0
    rectify: int = 0

    def __post_init__(self) -> None:
        require_ranges(self, OUTPUT)


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernel:
    """Weights of a port of a convolution.

    An event at column x and row y adds the entry of column c and row r, times its sign, to the
    neuron at column ``x + Dx + c`` and row ``y + Dy + (Ny_kernel - 1 - r)``.

    Parameters
    ----------
    weights_rc
        The rows as they stand in the file.
    """

    Dx: int = 0
    Dy: int = 0
    weights_rc: Int64[Array, "r c"]

    def __post_init__(self) -> None:
        _require_weights(self.weights_rc)
        require_ranges(self, ("Nx_kernel", "Ny_kernel", "Dx", "Dy"))

    @property
    def Nx_kernel(self) -> int:  # noqa: N802 - a name of the files
        """Number of columns."""
        return int(self.weights_rc.shape[1])

    @property
    def Ny_kernel(self) -> int:  # noqa: N802 - a name of the files
        """Number of rows."""
        return int(self.weights_rc.shape[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrix:
    """Weights of a port of a fully connected module.

    An event at column x and row y adds row ``y * Nx_array_pre + x``, times its sign, to the
    neurons.

    Parameters
    ----------
    weights_io
        One row for each address, one column for each neuron.
    """

    Nx_array_pre: int
    Ny_array_pre: int = 1
    weights_io: Int64[Array, "i o"]

    def __post_init__(self) -> None:
        require_ranges(self, ("Nx_array_pre", "Ny_array_pre"))
        _require_weights(self.weights_io)
        if len(self.weights_io) != self.Nx_array_pre * self.Ny_array_pre:
            raise DataError(
                f"A port has {len(self.weights_io)} rows of weights; expected Nx_array_pre · "
                f"Ny_array_pre = {self.Nx_array_pre * self.Ny_array_pre}."
            )


def _require_weights(weights: Array) -> None:
    if weights.ndim != 2 or not weights.size or np.abs(weights).max() > LARGEST:
        raise DataError(
            f"Found weights of shape {weights.shape}, the largest {np.abs(weights).max(initial=0)};"
            f" expected rows of integers of at most ±{LARGEST}."
        )


def _require_size(columns: int, rows: int) -> None:
    if columns * rows > MOST_NEURONS:
        raise DataError(f"A module has {columns * rows} neurons; expected at most {MOST_NEURONS}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """Array of neurons with a kernel for each port: ``module_conv`` and ``module_conv_NPP``."""

    link: Link = field(default_factory=Link)
    Nx_array: int
    Ny_array: int
    neurons: Neurons
    ports: tuple[Kernel, ...]
    output: Output

    names: ClassVar[tuple[str, ...]] = ("module_conv", "module_conv_NPP")

    def __post_init__(self) -> None:
        require_ranges(self, ("Nx_array", "Ny_array"))
        _require_size(self.Nx_array, self.Ny_array)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of neurons."""
        return self.Ny_array, self.Nx_array


@dataclass(frozen=True, kw_only=True, eq=False)
class FullyConnected:
    """Row of neurons with a matrix for each port, also with a softmax in place of thresholds.

    It is ``module_fully_connected``, ``module_fully_connected_NPP`` and ``module_softmax``.
    """

    link: Link = field(default_factory=Link)
    population_size: int
    Ny_array: int = 1
    neurons: Neurons
    ports: tuple[Matrix, ...]
    output: Output

    names: ClassVar[tuple[str, ...]] = (
        "module_fully_connected",
        "module_fully_connected_NPP",
        "module_softmax",
    )

    def __post_init__(self) -> None:
        require_ranges(self, ("population_size", "Ny_array"))
        _require_size(self.population_size, self.Ny_array)
        for port in self.ports:
            if port.weights_io.shape[1] != self.population_size * self.Ny_array:
                raise DataError(
                    f"A port has {port.weights_io.shape[1]} columns of weights; expected "
                    f"population_size · Ny_array = {self.population_size * self.Ny_array}."
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of neurons."""
        return self.Ny_array, self.population_size


@dataclass(frozen=True, kw_only=True, eq=False)
class Flatten:
    """Sends the events of several maps on as those of one row: ``module_flatten``.

    The address of an event is the number of cells of all ports before its own, plus
    ``y * Nx_array + x``.

    Parameters
    ----------
    sizes
        Columns and rows of each port.
    """

    link: Link = field(default_factory=Link)
    sizes: tuple[tuple[int, int], ...]

    names: ClassVar[tuple[str, ...]] = ("module_flatten",)

    @property
    def ports(self) -> tuple[tuple[int, int], ...]:
        """One entry for each port."""
        return self.sizes


Module: TypeAlias = Convolution | FullyConnected | Flatten

KINDS: dict[str, type[Convolution] | type[FullyConnected] | type[Flatten]] = {
    name: kind for kind in (Convolution, FullyConnected, Flatten) for name in kind.names
}
"""Class by the name of a module in a schematic."""

RESETTABLE = frozenset({"module_conv_NPP", "module_fully_connected_NPP", "module_softmax"})
"""Modules that know the event that resets all neurons."""


def sent_range(module: Module) -> tuple[int, int, int, int]:
    """Return the smallest and largest column, and row, that a module can send events from."""
    if isinstance(module, Flatten):
        return 0, sum(columns * rows for columns, rows in module.sizes) - 1, 0, 0
    out, (rows, columns) = module.output, module.shape
    first_x, first_y = module.neurons.Xmin, module.neurons.Ymin
    x = _sent(first_x, columns, out.crop_xmin, out.crop_xmax)
    y = _sent(first_y, rows, out.crop_ymin, out.crop_ymax)
    return (
        (x[0] + out.xshift_pre) // out.x_subsmp + out.xshift_pos,
        (x[1] + out.xshift_pre) // out.x_subsmp + out.xshift_pos,
        (y[0] + out.yshift_pre) // out.y_subsmp + out.yshift_pos,
        (y[1] + out.yshift_pre) // out.y_subsmp + out.yshift_pos,
    )


def _sent(first: int, size: int, low: int, high: int) -> tuple[int, int]:
    return max(first, low), min(first + size - 1, high)

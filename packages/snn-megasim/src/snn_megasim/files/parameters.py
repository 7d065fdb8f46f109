"""Parameter files (``.prm``): the attributes and weights of one module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from snn_core.errors import DataError
from snn_core.typing import Array
from snn_megasim.files.attributes import HEADER, MOST_NEURONS, NEURONS, OUTPUT
from snn_megasim.files.lines import Lines
from snn_megasim.files.modules import (
    KINDS,
    Convolution,
    Flatten,
    FullyConnected,
    Kernel,
    Link,
    Matrix,
    Module,
    Neurons,
    Output,
)

Made = TypeVar("Made")


def parse_parameters(lines: Lines, module: str) -> Module:
    """Return the module that a file describes, given its name in the schematic.

    Raises
    ------
    MegaSimFileError
        Names the file and the line.
    """
    kind = KINDS[module]
    lines.expect(".integers")
    number = lines.number
    header = _attributes(lines, HEADER)
    ports = header.pop("n_in_ports")
    if kind is Flatten:
        made: Any = _parse_flatten(lines, ports)
    elif kind is Convolution:
        made = _parse_convolution(lines, ports)
    else:
        made = _parse_fully_connected(lines, ports)
    lines.expect(".floats")
    lines.finish()
    found: Module = _made(lines, number, lambda: made(link=Link(**header)))
    return found


def _attributes(lines: Lines, names: Sequence[str]) -> dict[str, int]:
    return {name: lines.attribute(name) for name in names}


def _made(lines: Lines, number: int, make: Callable[[], Made]) -> Made:
    """Return what a function makes; what it says is wrong is wrong at a line."""
    try:
        return make()
    except DataError as error:
        raise lines.error(str(error).rstrip("."), number=number) from error


def _weights(lines: Lines, *, rows: int, columns: int) -> Array:
    """Read rows of weights; nothing is allocated before they are there."""
    read = [np.array(lines.row(columns, "a row of weights"), np.int64) for _ in range(rows)]
    return np.stack(read)


def _parse_flatten(lines: Lines, ports: int) -> Callable[..., Flatten]:
    sizes = tuple((lines.attribute("Nx_array"), lines.attribute("Ny_array")) for _ in range(ports))
    if sum(columns * rows for columns, rows in sizes) > MOST_NEURONS:
        raise lines.error(f"all ports together have more than {MOST_NEURONS} cells")
    return lambda link: Flatten(link=link, sizes=sizes)


def _parse_convolution(lines: Lines, ports: int) -> Callable[..., Convolution]:
    size = _attributes(lines, ("Nx_array", "Ny_array"))
    neurons = _attributes(lines, NEURONS)
    kernels = []
    for _ in range(ports):
        number = lines.number
        place = _attributes(lines, ("Nx_kernel", "Ny_kernel", "Dx", "Dy"))
        columns, rows = place.pop("Nx_kernel"), place.pop("Ny_kernel")
        _require_sane(lines, rows, columns, number=number)
        kernels.append((place, _weights(lines, rows=rows, columns=columns)))
    output = _attributes(lines, OUTPUT)
    return lambda link: Convolution(
        link=link,
        **size,
        neurons=Neurons(**neurons),
        ports=tuple(Kernel(**place, weights_rc=weights) for place, weights in kernels),
        output=Output(**output),
    )


def _parse_fully_connected(lines: Lines, ports: int) -> Callable[..., FullyConnected]:
    number = lines.number
    size = _attributes(lines, ("population_size", "Ny_array"))
    columns = size["population_size"] * size["Ny_array"]
    _require_sane(lines, 1, columns, number=number)
    neurons = _attributes(lines, NEURONS)
    matrices = []
    for _ in range(ports):
        number = lines.number
        before = _attributes(lines, ("Nx_array_pre", "Ny_array_pre"))
        rows = before["Nx_array_pre"] * before["Ny_array_pre"]
        _require_sane(lines, rows, columns, number=number)
        matrices.append((before, _weights(lines, rows=rows, columns=columns)))
    output = _attributes(lines, OUTPUT)
    return lambda link: FullyConnected(
        link=link,
        **size,
        neurons=Neurons(**neurons),
        ports=tuple(Matrix(**before, weights_io=weights) for before, weights in matrices),
        output=Output(**output),
    )


def _require_sane(lines: Lines, rows: int, columns: int, *, number: int) -> None:
    """Raise unless so many rows and columns can be read at all."""
    if rows < 1 or columns < 1:
        raise lines.error(f"{rows} rows of {columns} weights cannot be read", number=number)


def format_parameters(module: Module) -> str:
    """Return the text of a parameter file."""
    return "\n".join([".integers", *_format(module), ".floats", ""])


def _format(module: Module) -> Iterator[str]:
    yield f"n_in_ports {len(module.ports)}"
    yield from _format_attributes(module.link, HEADER[1:])
    if isinstance(module, Flatten):
        for columns, rows in module.sizes:
            yield f"Nx_array {columns}"
            yield f"Ny_array {rows}"
        return
    size = "Nx_array" if isinstance(module, Convolution) else "population_size"
    yield from _format_attributes(module, (size, "Ny_array"))
    yield from _format_attributes(module.neurons, NEURONS)
    for port in module.ports:
        if isinstance(port, Kernel):
            yield from _format_attributes(port, ("Nx_kernel", "Ny_kernel", "Dx", "Dy"))
            yield from _format_rows(port.weights_rc)
        else:
            yield from _format_attributes(port, ("Nx_array_pre", "Ny_array_pre"))
            yield from _format_rows(port.weights_io)
    yield from _format_attributes(module.output, OUTPUT)


def _format_attributes(values: object, names: Sequence[str]) -> Iterator[str]:
    return (f"{name} {getattr(values, name)}" for name in names)


def _format_rows(weights: Array) -> Iterator[str]:
    return (" ".join(map(str, row)) for row in weights.tolist())

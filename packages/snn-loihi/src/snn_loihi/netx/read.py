"""Reading of files that were exported."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.files import as_path
from snn_core.reading import count_values, hdf5, spend, while_reading
from snn_core.typing import Array, PathLikeStr, Shape
from snn_loihi.netx.layout import FORMAT, Stored, inside, inside_order, outside_cells


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredSynapses:
    """Synapses from one source; `pre` and `post` number cells row-major, channels last."""

    source: str
    pre: Array
    post: Array
    weight: Array
    exponent: int
    delay: int


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredLayer:
    """A population as it was read back, images in the order of this package.

    It fires where a membrane is above 64 times the threshold's mantissa; without mantissas it
    doesn't. With `host_current` there is no bias: the host writes it with the input.
    """

    name: str
    kind: str
    shape: Shape
    threshold_mantissa: Array
    bias: Array
    bias_exponent: int
    start: Array
    first_step: int
    reset: str
    host_current: bool
    kernel_hwio: Array | None
    synapses: tuple[StoredSynapses, ...]


def read(path: PathLikeStr) -> tuple[StoredLayer, ...]:
    """Read the populations of a file that `export` wrote, the input left out.

    Raises
    ------
    ArtifactError
        If it is none, damaged, or newer than this version.
    """
    advice, said = "export it again", "does not hold a network that snn-loihi exported"
    path = as_path(path, error=ArtifactError)
    with (
        while_reading(path, error=ArtifactError, advice=advice, said=said),
        hdf5.open_hdf5(path) as file,
    ):
        if int(file.attrs["format"]) != FORMAT:
            raise ArtifactError(
                f"{path} has format {file.attrs['format']}; this version reads {FORMAT}. "
                f"Update snn-loihi, or export the network again."
            )
        parent = Stored(hdf5.child(file, "layer" if file.attrs["netx"] else "population"))
        groups = [parent.group(name) for name in sorted(parent, key=int)]
        shapes = {group.word("name"): _shape(group) for group in groups}
        return tuple(_stored(group, shapes) for group in groups if "neuron" in group)


def _shape(group: Stored) -> Shape:
    """Return the shape of a layer in the order of this package."""
    sizes = group.values("cells" if "cells" in group else "shape")
    shape = inside(tuple(int(n) for n in sizes))
    number = count_values(shape)
    if min(shape) < 1:
        raise ValueError(f"found the shape {shape}")
    spend(_PER_CELL * number, "the cells of a layer")
    return shape


_PER_CELL = 32
"""Bytes that numbering a layer's cells takes, and its state."""


def _stored(group: Stored, shapes: dict[str, Shape]) -> StoredLayer:
    kind, shape = group.word("type"), _shape(group)
    kernel = group.values("weight").transpose(2, 3, 1, 0) if kind == "conv" else None
    fires = bool(group.number("fires"))
    start = inside_order(group.values("vStart"), shape)
    bias = inside_order(group.values("bias"), shape) if "bias" in group else np.zeros_like(start)
    mantissa = group.group("neuron").values("vThMant") if fires else np.array([])
    if start.shape != shape or bias.shape != shape or mantissa.size not in (0, 1, shape[-1]):
        raise ValueError(f"a state does not fit to the shape {shape}")
    return StoredLayer(
        name=group.word("name"),
        kind=kind,
        shape=shape,
        threshold_mantissa=np.atleast_1d(mantissa),
        bias=bias,
        bias_exponent=group.number("biasExp"),
        start=start,
        first_step=group.number("firstStep"),
        reset=group.word("resetMode"),
        host_current=bool(group.number("hostCurrent")),
        kernel_hwio=kernel,
        synapses=tuple(_stored_parts(group, kind, shapes)),
    )


def _stored_parts(group: Stored, kind: str, shapes: dict[str, Shape]) -> Iterator[StoredSynapses]:
    if kind == "dense":
        matrix, source = group.values("weight"), group.word("sources")
        spend(_PER_SYNAPSE * matrix.size, "the synapses of a layer")
        rows, columns = np.nonzero(matrix)
        yield StoredSynapses(
            source=source,
            pre=outside_cells(shapes[source])[columns],
            post=outside_cells(_shape(group))[rows],
            weight=matrix[rows, columns],
            exponent=group.number("weightExp"),
            delay=group.number("delay") if "delay" in group else 1,
        )
    if "synapses" not in group:
        return
    lists = group.group("synapses")
    for part in (lists.group(number) for number in sorted(lists, key=int)):
        source, weight = part.word("source"), part.values("weight")
        yield StoredSynapses(
            source=source,
            pre=_places(part.values("pre"), shapes[source], weight),
            post=_places(part.values("post"), _shape(group), weight),
            weight=weight,
            exponent=part.number("weightExp"),
            delay=part.number("delay"),
        )


def _places(cells: Array, shape: Shape, weight: Array) -> Array:
    """Return a cell for each weight; all have to exist."""
    if cells.ndim != 1 or cells.shape != weight.shape:
        raise ValueError(f"{weight.shape} weights have {cells.shape} cells")
    if cells.size and not 0 <= cells.min() <= cells.max() < math.prod(shape):
        raise ValueError(f"synapses name cells outside the shape {shape}")
    return cells


_PER_SYNAPSE = 40
"""Bytes that a synapse of a full matrix takes in a list: its places, its cells and its weight."""

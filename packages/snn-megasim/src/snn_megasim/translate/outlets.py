"""Where the cells of a layer are found among nodes and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from snn_core.ir import Concatenate, Network, ZeroPadding2D
from snn_core.ir.shapes import count
from snn_core.ir.ways import layers_between
from snn_core.typing import Array, Int, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlet:
    """A node that carries spikes of some cells of a layer.

    Parameters
    ----------
    node
        Its name.
    cells_yx
        Cell of each address: index in the flattened layer, row-major, channels last.
    rows, columns
        Where the neurons of these cells lie in the module.
    """

    node: str
    cells_yx: Int[Array, "y x"]
    rows: slice = field(default_factory=lambda: slice(None))
    columns: slice = field(default_factory=lambda: slice(None))


@dataclass(frozen=True, kw_only=True)
class Map:
    """One channel of an image as a layer reads it: a node, moved by some rows and columns."""

    node: str
    dy: int = 0
    dx: int = 0


def image_size(shape: Shape) -> tuple[int, int, int] | None:
    """Return height, width and channels of a layer's shape, ``None`` if it is no image."""
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    return None


def image_cells(shape: Shape) -> list[Int[Array, "y x"]]:
    """Return the cells of each channel of an image; one row of all cells of anything else."""
    size = image_size(shape)
    if size is None:
        return [np.arange(count(shape)).reshape(1, -1)]
    cells_yxc = np.arange(count(shape)).reshape(size)
    return [cells_yxc[..., channel] for channel in range(size[2])]


def maps_of(
    network: Network, name: str, images: Mapping[str, tuple[Map, ...]]
) -> tuple[Map, ...] | None:
    """Return the channels of a layer's output as maps, ``None`` where they are none.

    Parameters
    ----------
    images
        Maps of the populations whose modules are arrays.
    """
    found = dict(images)
    for layer in layers_between(network, [name]):
        before = [found.get(source, ()) for source in layer.inputs]
        if not all(before):
            return None
        if isinstance(layer, ZeroPadding2D):
            (top, _), (left, _) = layer.padding
            moved = (replace(one, dy=one.dy + top, dx=one.dx + left) for one in before[0])
            found[layer.name] = tuple(moved)
        elif isinstance(layer, Concatenate) and layer.axis == len(layer.output_shape) - 1:
            found[layer.name] = tuple(one for maps in before for one in maps)
        else:
            return None
    return found.get(name)

"""Reading of files that were exported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.typing import Array, PathLikeStr, Shape
from snn_loihi.netx.layout import FORMAT, inside, inside_order, outside_cells, read_word


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
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if int(file.attrs["format"]) != FORMAT:
                raise ArtifactError(
                    f"{path} has format {file.attrs['format']}; this version reads {FORMAT}. "
                    f"Update snn-loihi, or export the network again."
                )
            parent = file["layer" if file.attrs["netx"] else "population"]
            groups = [parent[name] for name in sorted(parent, key=int)]
            shapes = {read_word(group["name"]): _shape(group) for group in groups}
            return tuple(_stored(group, shapes) for group in groups if "neuron" in group)
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ArtifactError(
            f"{path} does not hold a network that snn-loihi exported ({error}); export it again."
        ) from error


def _shape(group: Any) -> Shape:
    """Return the shape of a layer in the order of this package."""
    return inside(tuple(int(n) for n in group["cells" if "cells" in group else "shape"]))


def _stored(group: Any, shapes: dict[str, Shape]) -> StoredLayer:
    kind, shape = read_word(group["type"]), _shape(group)
    kernel = np.array(group["weight"]).transpose(2, 3, 1, 0) if kind == "conv" else None
    fires = bool(group["fires"][()])
    start = inside_order(np.array(group["vStart"]), shape)
    bias = inside_order(np.array(group["bias"]), shape) if "bias" in group else np.zeros_like(start)
    return StoredLayer(
        name=read_word(group["name"]),
        kind=kind,
        shape=shape,
        threshold_mantissa=np.atleast_1d(group["neuron/vThMant"]) if fires else np.array([]),
        bias=bias,
        bias_exponent=int(group["biasExp"][()]),
        start=start,
        first_step=int(group["firstStep"][()]),
        reset=read_word(group["resetMode"]),
        host_current=bool(group["hostCurrent"][()]),
        kernel_hwio=kernel,
        synapses=tuple(_stored_parts(group, kind, shapes)),
    )


def _stored_parts(group: Any, kind: str, shapes: dict[str, Shape]) -> Iterator[StoredSynapses]:
    if kind == "dense":
        matrix, source = np.array(group["weight"]), group["sources"][0].decode()
        rows, columns = np.nonzero(matrix)
        yield StoredSynapses(
            source=source,
            pre=outside_cells(shapes[source])[columns],
            post=outside_cells(_shape(group))[rows],
            weight=matrix[rows, columns],
            exponent=int(group["weightExp"][()]),
            delay=int(group["delay"][()]) if "delay" in group else 1,
        )
    for number in sorted(group.get("synapses", {}), key=int):
        part = group[f"synapses/{number}"]
        yield StoredSynapses(
            source=read_word(part["source"]),
            pre=np.array(part["pre"]),
            post=np.array(part["post"]),
            weight=np.array(part["weight"]),
            exponent=int(part["weightExp"][()]),
            delay=int(part["delay"][()]),
        )

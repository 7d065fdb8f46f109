"""A network as tables of cells and synapses, for simulators that are fed with such, and their file.

Populations are numbered cells with a role; connections are lists of synapses. A kernel whose
weights occur at many synapses is kept once, and each synapse holds a 16-bit index into it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.files import FileKind, atomic_write
from snn_core.ir.connectivity import Synapses
from snn_core.reading import open_archive, parse_json, read_npz, while_reading
from snn_core.typing import Array, Float32, Int, Int32

FORMAT = 1
NEURONS, INTEGRATORS, CELLS, POOL = "neurons", "integrators", "cells", "pool"
"""Roles: spiking; without threshold (output that is read off or draws its spikes); inputs of max
pooling; neurons of max pooling."""

_CELLS = "/cells"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Population:
    """Cells of one kind.

    Parameters
    ----------
    name
        Name of the layer; that of its inputs' population for a max-pooling layer's cells.
    role
        One of the roles above.
    current_l
        Constant input per ms of each cell; for max pooling the scale of its channel.
    threshold_l, start_l
        Threshold and first potential of each cell.
    window_l_k
        For max pooling: which cells each neuron reads; one behind the last stands for none.
    method
        For max pooling: how the maximum is found.
    sign_l
        For max pooling with minima: 1 for neurons that take the maximum, -1 for the others.
    """

    name: str
    role: str
    current_l: Float32[Array, "l"]
    threshold_l: Float32[Array, "l"]
    start_l: Float32[Array, "l"]
    window_l_k: Int[Array, "l k"] | None = None
    method: str = ""
    sign_l: Float32[Array, "l"] | None = None

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.current_l)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Connection:
    """Synapses from one population, or the input, into another.

    Parameters
    ----------
    source, target
        Names of the populations.
    shape
        Number of source and target cells.
    pre, post
        Source and target cell of each synapse.
    weight
        Weight of each synapse, or the kernel's weights if ``index`` is given.
    index
        Place of each synapse's weight in the kernel.
    """

    source: str
    target: str
    shape: tuple[int, int]
    pre: Int32[Array, "s"]
    post: Int32[Array, "s"]
    weight: Float32[Array, "w"]
    index: Int[Array, "s"] | None = None

    @classmethod
    def of(cls, source: str, target: str, synapses: Synapses, kernel: Array | None) -> Connection:
        """Return the connection for some synapses, sharing weights where that saves memory."""
        index, weight = synapses.kernel_index, synapses.weight
        shares = index is not None and kernel is not None and kernel.size < len(synapses)
        if shares and kernel is not None and kernel.size <= np.iinfo(np.int16).max:
            weight, index = kernel.reshape(-1), index.astype(np.int16)  # type: ignore[union-attr]
        else:
            index = None
        pre, post, order = _by_source(synapses)
        return cls(
            source=source,
            target=target,
            shape=synapses.shape,
            pre=pre,
            post=post,
            weight=np.asarray(weight if index is not None else weight[order], np.float32),
            index=None if index is None else index[order],
        )

    def __len__(self) -> int:
        """Return the number of synapses."""
        return len(self.pre)

    @property
    def weight_s(self) -> Float32[Array, "s"]:
        """Weight of each synapse."""
        return self.weight if self.index is None else self.weight[self.index]

    def drive(self, x_b_i: Float32[Array, "b i"]) -> Float32[Array, "b o"]:
        """Return the weighted sums of analog inputs."""
        from scipy.sparse import csr_matrix

        matrix = csr_matrix((self.weight_s, (self.pre, self.post)), shape=self.shape)
        summed: Array = x_b_i @ matrix
        return summed


@dataclass(slots=True, eq=False)
class Tables:
    """All populations in the order of their updates, and all connections.

    Parameters
    ----------
    input_name, input_size
        Name and number of cells of the input.
    """

    input_name: str
    input_size: int
    populations: list[Population] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    def into(self, name: str) -> Iterator[Connection]:
        """Yield the connections into a population."""
        return (item for item in self.connections if item.target == name)

    def save(self, path: Path, *, network_sha256: str, overwrite: bool = False) -> None:
        """Write all tables to an ``.npz`` file; with ``overwrite`` in place of another one.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        arrays: dict[str, Any] = {}
        head: dict[str, Any] = {
            "format": FORMAT,
            "network_sha256": network_sha256,
            "input": [self.input_name, self.input_size],
            "populations": [],
            "connections": [],
        }
        parts: dict[str, list[Any]] = {
            "populations": list(self.populations),
            "connections": list(self.connections),
        }
        for kind, items in parts.items():
            for number, item in enumerate(items):
                entry = {}
                for own in fields(item):
                    name, value = own.name, getattr(item, own.name)
                    if isinstance(value, np.ndarray):
                        arrays[f"{kind}_{number}_{name}"] = value
                    elif value is not None:
                        entry[name] = value
                head[kind].append(entry)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, head=np.array(json.dumps(head)), **arrays)
        with atomic_write(path, kind=FILE, overwrite=overwrite) as file:
            file.write(buffer.getbuffer())

    @classmethod
    def load(cls, path: Path, *, network_sha256: str) -> Tables:
        """Read tables back.

        Raises
        ------
        ArtifactError
            If the file is damaged, newer than this version, or belongs to another network.
        """
        advice = "save the network again"
        said = "does not hold the tables of a network"
        with while_reading(path, error=ArtifactError, advice=advice, said=said):
            arrays = read_npz(path)
            head = parse_json(str(arrays["head"]), "head")
            if int(head["format"]) > FORMAT:
                raise ArtifactError(
                    f"{path} has format {head['format']}; this version reads up to {FORMAT}. "
                    f"Update snn-core."
                )
            found = cls(str(head["input"][0]), int(head["input"][1]))
            found.populations = [
                Population(**entry, **_arrays(arrays, f"populations_{number}_"))
                for number, entry in enumerate(head["populations"])
            ]
            found.connections = [
                Connection(
                    **{**entry, "shape": tuple(entry["shape"])},
                    **_arrays(arrays, f"connections_{number}_"),
                )
                for number, entry in enumerate(head["connections"])
            ]
            if head["network_sha256"] != network_sha256:
                raise ArtifactError(
                    f"{path} belongs to another network than the .snn file beside it; save both "
                    f"again."
                )
            found.check(path)
        return found

    def check(self, path: Path) -> None:
        """Make sure that every synapse, weight and window exists.

        Raises
        ------
        ArtifactError
            Names the table.
        """
        sizes = {item.name: item.size for item in self.populations}
        sizes[self.input_name] = self.input_size
        for population in self.populations:
            _check_population(population, sizes, path)
        for item in self.connections:
            shape = (sizes.get(item.source), sizes.get(item.target))
            if None not in shape and item.shape != shape:
                raise ArtifactError(
                    f"{path}: synapses from {item.source!r} to {item.target!r} are said to connect "
                    f"{item.shape} cells; there are {shape}. Save the network again."
                )
            length = len(item.pre)
            places = [(item.pre, shape[0]), (item.post, shape[1])]
            if item.index is not None:
                places.append((item.index, len(item.weight)))
            elif len(item.weight) != length:
                raise ArtifactError(f"{path}: {length} synapses have {len(item.weight)} weights.")
            for cells, size in places:
                inside = size is not None and len(cells) == length
                if not inside or (length and (cells.min() < 0 or cells.max() >= size)):
                    raise ArtifactError(
                        f"{path}: synapses from {item.source!r} to {item.target!r} name cells or "
                        f"weights that do not exist; save the network again."
                    )


def is_tables(path: Path) -> bool:
    """Return whether a file holds the tables of a network, by the names of its arrays."""
    try:
        with while_reading(path, error=ArtifactError, advice=""), open_archive(path) as archive:
            return archive.namelist()[:1] == ["head.npy"]
    except ArtifactError:
        return False


FILE = FileKind("file of tables", is_tables)
"""What a file of tables may replace: another one."""


def _by_source(synapses: Synapses) -> tuple[Array, Array, Array | slice]:
    """Return sources and targets in the order of the sources, and that order.

    A spike then meets its synapses one beside the other, which halves the time to read them.
    """
    from scipy.sparse import csr_matrix

    if (synapses.pre[1:] >= synapses.pre[:-1]).all():  # products of relays are
        return synapses.pre.astype(np.int32), synapses.post.astype(np.int32), slice(None)
    # Counting the sources sorts faster than comparing them. Numbers start at 1 since this is a
    # sparse matrix.
    numbers = np.arange(1, len(synapses) + 1, dtype=np.int32)
    matrix = csr_matrix((numbers, (synapses.pre, synapses.post)), shape=synapses.shape)
    if matrix.nnz < len(synapses):  # added up: some cells are connected more than once
        order = np.lexsort((synapses.post, synapses.pre))
        return synapses.pre[order], synapses.post[order], order
    matrix.sort_indices()
    pre = np.repeat(np.arange(synapses.shape[0], dtype=np.int32), np.diff(matrix.indptr))
    return pre, matrix.indices.astype(np.int32, copy=False), matrix.data - 1


def cells_of(name: str) -> str:
    """Return the name of the population of a max-pooling layer's inputs."""
    return f"{name}{_CELLS}"


def layer_of(name: str) -> str:
    """Return the name of the layer that a population belongs to."""
    return name.removesuffix(_CELLS)


_FORMS = {
    "current_l": ("f4", 1), "threshold_l": ("f4", 1), "start_l": ("f4", 1), "sign_l": ("f4", 1),
    "window_l_k": ("i", 2), "pre": ("i4", 1), "post": ("i4", 1), "weight": ("f4", 1),
    "index": ("i", 1),
}  # fmt: skip
"""Type, or kind of type, and number of axes of each array."""


def _arrays(stored: Mapping[str, Array], prefix: str) -> dict[str, Any]:
    found = {
        name.removeprefix(prefix): values
        for name, values in stored.items()
        if name.startswith(prefix)
    }
    for name, values in found.items():
        kind, axes = _FORMS.get(name, ("unknown", 0))
        if not values.dtype.str[1:].startswith(kind) or values.ndim != axes:
            raise ValueError(f"{prefix}{name} holds {values.dtype} of shape {values.shape}")
    return found


def _check_population(item: Population, sizes: Mapping[str, int], path: Path) -> None:
    """Make sure that all arrays of a population have its size, and that its windows exist.

    Raises
    ------
    ArtifactError
        Names the population.
    """
    arrays = [item.threshold_l, item.start_l]
    arrays += [values for values in (item.window_l_k, item.sign_l) if values is not None]
    window, cells = item.window_l_k, sizes.get(cells_of(item.name), -1)
    outside = window is not None and window.size and not 0 <= window.min() <= window.max() <= cells
    known = (NEURONS, INTEGRATORS, CELLS, POOL)
    if item.role not in known or outside or any(len(values) != item.size for values in arrays):
        raise ArtifactError(
            f"{path}: the cells of {item.name!r} do not fit together; save the network again."
        )

"""Writing of a network that is in integers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.evaluation.operators import image_paddings
from snn_core.files import FileKind, as_path, atomic_write
from snn_core.ir import Conv2D
from snn_core.ir.timing import Timing
from snn_core.reading import hdf5, while_reading
from snn_core.typing import Array, PathLikeStr, Shape
from snn_loihi.discretize import ChipNetwork, Population
from snn_loihi.discretize.connection import Connection
from snn_loihi.netx.layout import (
    FORMAT,
    channels_first,
    outside,
    outside_cells,
    width_first,
    write_words,
)
from snn_loihi.netx.read import StoredSynapses
from snn_loihi.netx.words import (
    BIAS_EXPONENT,
    chain_problems,
    differences,
    is_coarse,
    kernel_of,
    late_layers,
)
from snn_loihi.ranges import THRESHOLD_MAX, UNIT

WRITER = "snn-loihi"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What became of a network in a file.

    Parameters
    ----------
    netx
        Whether NetX reads it.
    remarks
        What NetX computes differently, or why it cannot read the file.
    """

    netx: bool
    remarks: tuple[str, ...]


def _is_exported(path: Path) -> bool:
    """Return whether a file is one of those that `export` writes."""
    try:
        with (
            while_reading(path, error=ArtifactError, advice=""),
            hdf5.open_hdf5(path) as file,
        ):
            return bool(file.attrs.get("writer") == WRITER)
    except ArtifactError:
        return False


FILE = FileKind("exported network of snn-loihi", _is_exported)


def export(
    chip: ChipNetwork, timing: Timing, path: PathLikeStr, *, overwrite: bool = False
) -> Exported:
    """Write a network in integers.

    Parameters
    ----------
    chip
        The network.
    timing
        Delays and first steps, as `SNN.timing` holds them.
    path
        The file, ``.net`` or ``.h5``.
    overwrite
        Whether to replace an exported network that is there; other files never are.

    Returns
    -------
    Whether NetX reads it, and what it computes differently. The file holds that, too.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import h5py

    problems = chain_problems(chip)
    remarks = [*(problems or differences(chip)), *late_layers(chip)]
    found = Exported(netx=not problems, remarks=tuple(remarks))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["format"], file.attrs["writer"] = FORMAT, WRITER
        file.attrs["netx"], file.attrs["remarks"] = found.netx, list(found.remarks)
        file["simulation/Ts"], file["simulation/tSample"] = 1, chip.num_steps
        writer = _Writer(file, chip, timing, is_netx=found.netx)
        writer.write()
    with atomic_write(as_path(path), kind=FILE, overwrite=overwrite) as target:
        target.write(buffer.getbuffer())
    return found


class _Writer:
    """Writes the groups of a file one after the other."""

    def __init__(self, file: Any, chip: ChipNetwork, timing: Timing, *, is_netx: bool) -> None:
        self._file, self._chip, self._timing, self._is_netx = file, chip, timing, is_netx
        self._number = 0

    def write(self) -> None:
        """Write the input and all populations."""
        entry = self._chip.network.input
        is_current = self._chip.populations[0].current is not None
        if not (self._is_netx and is_current):
            group = self._group("input", entry.name)
            group["shape"] = outside(entry.output_shape)
        before = entry.output_shape
        for item in self._chip.populations:
            kind = self._kind(item, before)
            if self._is_netx and kind == "dense" and len(before) == 3:
                self._group("flatten", f"{item.name}/flatten")["shape"] = (int(np.prod(before)),)
            self._population(self._group(kind, item.name), item, kind)
            before = item.layer.output_shape if kind in ("conv", "input") else (1,)

    def _group(self, kind: str, name: str) -> Any:
        parent = "layer" if self._is_netx else "population"
        group = self._file.create_group(f"{parent}/{self._number}")
        self._number += 1
        write_words(group, type=kind, name=name)
        return group

    def _kind(self, item: Population, before: Shape) -> str:
        """Return the type of a layer; NetX has no convolutions of what full layers send."""
        if self._is_netx and item.current is not None:
            return "input"
        if kernel_of(item) is not None and (len(before) == 3 or not self._is_netx):
            return "conv"
        return "dense" if self._is_netx or _is_full(item) else "synapses"

    def _population(self, group: Any, item: Population, kind: str) -> None:
        shape = item.layer.output_shape
        write_words(group, resetMode=self._chip.reset)
        sources = [name for connection in item.connections for name in connection.sources]
        group["sources"] = np.array(sources, dtype="S")
        is_flat = kind == "dense" and self._is_netx
        group["shape"] = (int(np.prod(shape)),) if is_flat else outside(shape)
        group["cells"] = outside(shape)
        exponent = BIAS_EXPONENT if self._is_netx else item.bias_exponent
        moved = (lambda values: channels_first(values).reshape(-1)) if is_flat else width_first
        if item.current is None:  # the host's current holds them otherwise
            group["bias"] = moved(np.rint(item.bias_l / 2.0**exponent).astype(np.int32))
        group["biasExp"], group["firstStep"] = exponent, self._timing.first_step[item.name]
        group["hostCurrent"], group["fires"] = int(item.current is not None), int(item.fires)
        group["vStart"] = moved(_start(item, reset=self._chip.reset))
        neuron = group.create_group("neuron")
        write_words(neuron, type="CUBA")
        neuron["iDecay"], neuron["vDecay"], neuron["refDelay"] = 4096, 0, 1
        mantissa = _mantissa(item, reset=self._chip.reset)
        neuron["vThMant"] = mantissa[0] if self._is_netx else mantissa
        if kind != "input":
            self._synapses(group, item, kind)

    def _synapses(self, group: Any, item: Population, kind: str) -> None:
        if kind == "synapses":
            for number, found in enumerate(_lists(item, self._timing)):
                part = group.create_group(f"synapses/{number}")
                write_words(part, source=found.source)
                part["pre"], part["post"], part["weight"] = found.pre, found.post, found.weight
                part["weightExp"], part["delay"] = found.exponent, found.delay
            return
        (connection,) = item.connections
        # Without exponents, mantissas and exponents make whole numbers.
        factor = 2.0**connection.exponent if self._is_netx else 1.0
        group["weightExp"] = 0 if self._is_netx else connection.exponent
        if not self._is_netx:  # which takes it for steps beyond the first
            group["delay"] = self._timing.delay(connection.sources[0], item.name)
        if kind == "conv":
            _write_convolution(group, connection, factor=factor)
            return
        source = connection.network[connection.sources[0]].output_shape
        matrix = _matrix(item)
        rows, columns = (outside_cells(shape) for shape in (item.layer.output_shape, source))
        group["weight"] = np.rint(matrix[rows][:, columns] * factor).astype(np.int32)
        group["inFeatures"], group["outFeatures"] = matrix.shape[1], matrix.shape[0]


def _write_convolution(group: Any, connection: Connection, *, factor: float) -> None:
    layer = connection.layer
    assert isinstance(layer, Conv2D), "kernel_of says so"  # noqa: S101
    kernel = layer.weight_hwio.shape[:2]
    source = connection.network[connection.sources[0]].output_shape
    (top, _), (left, _) = image_paddings(layer, kernel, layer.dilation, source[:2])
    group["weight"] = np.rint(layer.weight_hwio.transpose(3, 2, 0, 1) * factor).astype(np.int32)
    group["inChannels"], group["outChannels"] = source[-1], layer.output_shape[-1]
    group["kernelSize"], group["stride"] = kernel, layer.strides
    group["padding"], group["dilation"] = (top, left), layer.dilation
    group["groups"] = layer.groups


def _mantissa(item: Population, *, reset: str) -> Array:
    """Return the mantissas above which neurons fire, one per channel or of all."""
    if not item.fires:
        return np.full(1, THRESHOLD_MAX, np.int32)
    mantissa = np.atleast_1d(item.threshold_c) / UNIT
    if (mantissa == mantissa[0]).all():
        mantissa = mantissa[:1]
    lower = 1 if reset == "hard" and is_coarse(item) else 0
    return np.rint(mantissa).astype(np.int32) - lower


def _start(item: Population, *, reset: str) -> Array:
    """Return the first membranes of neurons that fire above their threshold."""
    above = 1 if reset == "soft" and item.fires else 0
    start: Array = np.broadcast_to(item.start_c, item.layer.output_shape).astype(np.int32)
    return start + above


def _is_full(item: Population) -> bool:
    """Return whether most pairs of a population and its only source are connected."""
    if len(item.connections) != 1 or len(item.connections[0].sources) != 1:
        return False
    (synapses,) = item.connections[0].lists().values()
    return 2 * len(synapses) >= synapses.shape[0] * synapses.shape[1]


def _matrix(item: Population) -> Array:
    """Return the weights from the only source, a row per neuron."""
    (synapses,) = item.connections[0].lists().values()
    matrix: Array = synapses.to_csr().T.toarray()
    return matrix


def _lists(item: Population, timing: Timing) -> Iterator[StoredSynapses]:
    for connection in item.connections:
        for source, found in connection.lists().items():
            yield StoredSynapses(
                source=source,
                pre=found.pre.astype(np.int32),
                post=found.post.astype(np.int32),
                weight=found.weight.astype(np.int32),
                exponent=connection.exponent,
                delay=timing.delay(source, item.name),
            )

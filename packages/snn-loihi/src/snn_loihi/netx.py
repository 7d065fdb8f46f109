"""HDF5 files in the manner of lava-dl's NetX, for people who have the chip.

One group ``layer/N`` for each population, in order, and one for the input, with the datasets that
NetX reads: ``type`` (``input``, ``dense`` or ``conv``), ``shape``, ``weight``, ``bias``,
``delay`` and the group ``neuron`` (``type``, ``iDecay``, ``vDecay``, ``vThMant``, ``refDelay``).
Images are ``(width, height, channels)`` and kernels ``(outputs, inputs, width, height)``, as
there. Weights are mantissas.

What NetX has no words for stands beside it: ``sources`` names the layers that a layer reads from,
``weightExp`` and ``biasExp`` are exponents, ``vStart`` holds the first membranes, ``firstStep``
the step in which a layer begins, ``resetMode`` is ``soft`` or ``hard``. Layers that are neither
full nor a convolution of one layer, and those with several sources, have a group ``synapses/N``
for each source, with ``source``, ``pre``, ``post``, ``weight`` and ``delay`` (steps). Layers
whose input the host writes into biases have ``hostCurrent`` set.

A chip's neuron fires above the threshold, where this network does at the threshold: with soft
reset, ``vStart`` is 1 higher, which makes both the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.files import atomic_write
from snn_core.ir import Conv2D
from snn_core.ir.timing import Timing
from snn_core.typing import Array, PathLikeStr
from snn_loihi.discretize import ChipNetwork, Population
from snn_loihi.discretize.connection import Connection

FORMAT = 1


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
    """A layer as it was read back, images in the order of this package."""

    name: str
    kind: str
    shape: tuple[int, ...]
    threshold_mantissa: Array
    bias: Array
    bias_exponent: int
    start: Array
    first_step: int
    reset: str
    host_current: bool
    kernel_hwio: Array | None
    synapses: tuple[StoredSynapses, ...]


def export(chip: ChipNetwork, timing: Timing, path: PathLikeStr) -> None:
    """Write a network in integers.

    Parameters
    ----------
    chip
        The network.
    timing
        Delays and first steps, as `SNN.timing` holds them.
    path
        The file, ``.net`` or ``.h5``.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import io

    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["format"], file.attrs["writer"] = FORMAT, "snn-loihi"
        file["simulation/Ts"], file["simulation/tSample"] = 1, chip.num_steps
        entry = file.create_group("layer/0")
        _words(entry, type="input", name=chip.network.input.name)
        entry["shape"] = _outside(chip.network.input.output_shape)
        for number, item in enumerate(chip.populations, start=1):
            _write(file.create_group(f"layer/{number}"), item, chip, timing)
    with atomic_write(Path(path)) as target:
        target.write(buffer.getbuffer())


def _write(group: Any, item: Population, chip: ChipNetwork, timing: Timing) -> None:
    shape = item.layer.output_shape
    kept = _kernel(item)
    full = _full(item) if kept is None else None
    kind = "conv" if kept is not None else "dense" if full is not None else "synapses"
    sources = [name for connection in item.connections for name in connection.sources]
    _words(group, type=kind, name=item.name, resetMode=chip.reset)
    group["sources"] = np.array(sources, dtype="S")
    group["shape"] = _outside(shape)
    group["bias"] = _moved(np.rint(item.bias_l / 2.0**item.bias_exponent).astype(np.int32))
    group["biasExp"], group["firstStep"] = item.bias_exponent, timing.first_step[item.name]
    group["hostCurrent"] = int(item.current is not None)
    neuron = group.create_group("neuron")
    _words(neuron, type="CUBA")
    # All of the current is forgotten in each step, nothing of the membrane.
    neuron["iDecay"], neuron["vDecay"], neuron["refDelay"] = 4095, 0, 1
    mantissa = np.broadcast_to(item.threshold_c, shape[-1:]) / 64 if item.fires else np.array([])
    neuron["vThMant"] = np.rint(mantissa).astype(np.int32)
    above = 1 if chip.reset == "soft" and item.fires else 0
    start = np.broadcast_to(item.start_c, shape).astype(np.int32) + above
    group["vStart"] = _moved(start)
    if kept is not None:
        _write_convolution(group, *kept)
    elif full is not None:
        group["weight"] = full.astype(np.int32)
        group["inFeatures"], group["outFeatures"] = full.shape[1], full.shape[0]
    if kept is not None or full is not None:
        connection = item.connections[0]
        group["weightExp"] = connection.exponent
        group["delay"] = timing.delay(connection.sources[0], item.name)
        return
    for number, found in enumerate(_lists(item, timing)):
        part = group.create_group(f"synapses/{number}")
        _words(part, source=found.source)
        part["pre"], part["post"], part["weight"] = found.pre, found.post, found.weight
        part["weightExp"], part["delay"] = found.exponent, found.delay


def _write_convolution(group: Any, layer: Conv2D, connection: Connection) -> None:
    from snn_core.evaluation.operators import image_paddings

    kernel = layer.weight_hwio.shape[:2]
    source = connection.network[connection.sources[0]].output_shape
    (top, _), (left, _) = image_paddings(layer, kernel, layer.dilation, source[:2])
    group["weight"] = layer.weight_hwio.transpose(3, 2, 1, 0).astype(np.int32)
    group["inChannels"], group["outChannels"] = source[-1], layer.output_shape[-1]
    group["kernelSize"], group["stride"] = kernel[::-1], layer.strides[::-1]
    group["padding"], group["dilation"] = (left, top), layer.dilation[::-1]
    group["groups"] = layer.groups


def _kernel(item: Population) -> tuple[Conv2D, Connection] | None:
    """Return the convolution that a layer is, if NetX can describe it."""
    from snn_core.evaluation.operators import image_paddings

    if len(item.connections) != 1:
        return None
    (connection,) = item.connections
    layer = connection.layer
    if not isinstance(layer, Conv2D) or layer.inputs != connection.sources:
        return None
    source = connection.network[connection.sources[0]].output_shape
    paddings = image_paddings(layer, layer.weight_hwio.shape[:2], layer.dilation, source[:2])
    even = all(before == after for before, after in paddings)
    return (layer, connection) if even and connection.together == 1 else None


def _full(item: Population) -> Array | None:
    """Return the matrix of a layer that is fully connected with one other, a row per neuron."""
    if len(item.connections) != 1 or len(item.connections[0].sources) != 1:
        return None
    (synapses,) = item.connections[0].lists().values()
    if 2 * len(synapses) < synapses.shape[0] * synapses.shape[1]:
        return None
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


def _words(group: Any, **words: str) -> None:
    for name, word in words.items():
        group[name] = np.array([word.encode()])


def _outside(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an image with the width first."""
    return (shape[1], shape[0], shape[2]) if len(shape) == 3 else shape


def _moved(values: Array) -> Array:
    """Return an image with the width first, or back."""
    return values.swapaxes(0, 1) if values.ndim == 3 else values


def read(path: PathLikeStr) -> tuple[StoredLayer, ...]:
    """Read the layers of a file that `export` wrote, the input left out.

    Raises
    ------
    ArtifactError
        If it is none, damaged, or newer than this version.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if int(file.attrs["format"]) > FORMAT:
                raise ArtifactError(
                    f"{path} has format {file.attrs['format']}; this version reads up to {FORMAT}. "
                    f"Update snn-loihi."
                )
            numbers = sorted(int(name) for name in file["layer"])[1:]
            return tuple(_stored(file[f"layer/{number}"]) for number in numbers)
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ArtifactError(
            f"{path} does not hold a network that snn-loihi exported ({error}); export it again."
        ) from error


def _stored(group: Any) -> StoredLayer:
    kind, shape = _word(group["type"]), _outside(tuple(int(n) for n in group["shape"]))
    kernel = np.array(group["weight"]).transpose(3, 2, 1, 0) if kind == "conv" else None
    synapses = tuple(_stored_parts(group, kind))
    return StoredLayer(
        name=_word(group["name"]),
        kind=kind,
        shape=shape,
        threshold_mantissa=np.array(group["neuron/vThMant"]),
        bias=_moved(np.array(group["bias"])),
        bias_exponent=int(group["biasExp"][()]),
        start=_moved(np.array(group["vStart"])),
        first_step=int(group["firstStep"][()]),
        reset=_word(group["resetMode"]),
        host_current=bool(group["hostCurrent"][()]),
        kernel_hwio=kernel,
        synapses=synapses,
    )


def _stored_parts(group: Any, kind: str) -> Iterator[StoredSynapses]:
    if kind == "dense":
        matrix = np.array(group["weight"])
        post, pre = np.nonzero(matrix)
        yield StoredSynapses(
            source=group["sources"][0].decode(),
            pre=pre,
            post=post,
            weight=matrix[post, pre],
            exponent=int(group["weightExp"][()]),
            delay=int(group["delay"][()]),
        )
    for number in sorted(group.get("synapses", {}), key=int):
        part = group[f"synapses/{number}"]
        yield StoredSynapses(
            source=_word(part["source"]),
            pre=np.array(part["pre"]),
            post=np.array(part["post"]),
            weight=np.array(part["weight"]),
            exponent=int(part["weightExp"][()]),
            delay=int(part["delay"][()]),
        )


def _word(dataset: Any) -> str:
    word: str = dataset[0].decode()
    return word

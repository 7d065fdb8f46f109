"""Connections as lava's own processes: convolutions, full and sparse matrices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.sparse.process import Sparse

from snn_core.evaluation.operators import image_paddings
from snn_core.ir import Conv2D
from snn_core.ir.connectivity import Synapses
from snn_core.typing import Array
from snn_loihi.discretize.connection import Connection
from snn_loihi.lava.processes import Delay
from snn_loihi.ranges import WEIGHT_BITS, weight_limit

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FULL = 0.25
"""Part of all pairs that are connected from which on a full matrix takes less time."""

CONVOLVED = 64
"""Pairs of channels up to which lava's convolution, which takes them one by one, is the faster."""

MESSAGE_BITS = 24
"""Bits of what input sends, which may be several spikes or negative ones."""


def connect(
    connection: Connection,
    made: Mapping[str, Any],
    *,
    delay: Callable[[str], int],
    is_fixed: bool,
    counts: Collection[str],
) -> None:
    """Connect the processes of populations.

    Parameters
    ----------
    connection
        Synapses into a population.
    made
        Name to the process of each population, and of the input.
    delay
        Source to the steps that a spike takes to the target.
    is_fixed
        Whether weights are mantissas.
    counts
        Sources that send numbers of spikes.
    """
    target = made[connection.target.name]
    exponent = connection.exponent if is_fixed else 0
    kept = _as_convolution(connection)
    if kept is not None:
        (name,) = connection.sources
        bits = _bits(name, counts)
        process = _convolution(kept, connection, exponent=exponent, bits=bits, is_fixed=is_fixed)
        source = _delayed(made[name], steps=delay(name) - 1)
        shape = process.s_in.shape
        source.s_out.reshape(shape).connect(process.s_in)
        process.a_out.reshape(target.a_in.shape).connect(target.a_in)
        return
    for name, synapses in connection.lists().items():
        source = _delayed(made[name], steps=delay(name) - 1)
        for weights in _within_range(synapses) if is_fixed else [_weights(synapses)]:
            process = _matrix(weights, exponent=exponent, bits=_bits(name, counts))
            source.s_out.connect(process.s_in)
            process.a_out.connect(target.a_in)


def _bits(name: str, counts: Collection[str]) -> int:
    return MESSAGE_BITS if name in counts else 0


def _delayed(source: Any, *, steps: int) -> Any:
    """Return a process that sends what a source sends, some steps later."""
    if steps < 1:
        return source
    delay = Delay(shape=source.s_out.shape, steps=steps)
    source.s_out.connect(delay.s_in)
    return delay


def _weights(synapses: Synapses) -> csr_matrix:
    """Return synapses as a matrix with a row for each target."""
    return synapses.to_csr().T.tocsr().astype(np.float64)


def _within_range(synapses: Synapses) -> Iterator[csr_matrix]:
    """Yield matrices of mantissas that add up to the synapses.

    Two synapses between the same neurons, as behind a concatenation of a layer with itself, have
    been added up and may be larger than a mantissa.
    """
    rest = _weights(synapses).astype(np.int32)
    mixed = bool(rest.nnz) and rest.min() < 0 < rest.max()
    most = weight_limit(WEIGHT_BITS, mixed=mixed)
    while True:
        part = rest.copy()
        part.data = np.clip(rest.data, -most, most)
        yield part
        rest = (rest - part).tocsr()
        rest.eliminate_zeros()
        if not rest.nnz:
            return


def _matrix(weights: csr_matrix, *, exponent: int, bits: int) -> Any:
    """Return a matrix of synapses as a process."""
    options: dict[str, Any] = {"weight_exp": exponent, "num_message_bits": bits}
    if weights.nnz >= FULL * weights.shape[0] * weights.shape[1]:
        return Dense(weights=weights.toarray(), **options)
    return Sparse(weights=weights, **options)


def _as_convolution(connection: Connection) -> Conv2D | None:
    """Return the layer of a connection that lava's convolution can compute, or ``None``."""
    layer = connection.layer
    if not isinstance(layer, Conv2D) or connection.together > 1 or len(connection.sources) > 1:
        return None
    if layer.weight_hwio.shape[2] * layer.weight_hwio.shape[3] > CONVOLVED:
        return None
    source = connection.network[connection.sources[0]]
    if layer.inputs != connection.sources or len(source.output_shape) != 3:
        return None
    kernel = layer.weight_hwio.shape[:2]
    paddings = image_paddings(layer, kernel, layer.dilation, source.output_shape[:2])
    return layer if all(before == after for before, after in paddings) else None


def _convolution(
    layer: Conv2D, connection: Connection, *, exponent: int, bits: int, is_fixed: bool
) -> Any:
    """Return a convolution; rows are lava's first axis, so nothing is transposed."""
    source = connection.network[connection.sources[0]]
    kernel = layer.weight_hwio.shape[:2]
    paddings = image_paddings(layer, kernel, layer.dilation, source.output_shape[:2])
    # lava convolves, where networks correlate. Its model of whole numbers ignores the exponent;
    # mantissas hold what it would drop.
    weight_ohwi: Array = np.moveaxis(layer.weight_hwio[::-1, ::-1], -1, 0) * 2.0**exponent
    return Conv(
        weight=weight_ohwi.astype(np.int32) if is_fixed else weight_ohwi,
        input_shape=source.output_shape,
        padding=tuple(before for before, _ in paddings),
        stride=layer.strides,
        dilation=layer.dilation,
        groups=layer.groups,
        num_message_bits=bits,
    )

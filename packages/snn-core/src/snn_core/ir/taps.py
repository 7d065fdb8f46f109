"""Taps of kernels: the cells that a kernel connects along one axis.

A `Taps` table lists, for one axis, every triple (input cell, kernel tap, output cell) that a layer
connects. Rows and columns are independent, so two tables and a list of channel pairs describe all
synapses of a two-dimensional layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from snn_core.ir.shapes import resolve_padding, transposed_crop
from snn_core.typing import Array, Int, Pair

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """Table of the connected cells along one axis, with the tap that connects them.

    Parameters
    ----------
    inputs_e, taps_e, outputs_e
        Input cell, kernel tap and output cell of each entry.
    sizes
        Number of input cells, taps and output cells.
    """

    inputs_e: Int[Array, "e"]
    taps_e: Int[Array, "e"]
    outputs_e: Int[Array, "e"]
    sizes: tuple[int, int, int]

    def input_counts(self) -> csr_matrix:
        """Return how many output cells each input cell reaches through each tap."""
        from scipy.sparse import csr_matrix

        ones = np.ones(len(self.inputs_e), np.int64)
        return csr_matrix((ones, (self.inputs_e, self.taps_e)), shape=self.sizes[:2])


def correlation_taps(
    inputs: int,
    outputs: int,
    *,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    padding: str | Pair = "valid",
) -> Taps:
    """Return the triples of a correlation or pooling window."""
    before, _ = resolve_padding(padding, inputs, kernel=kernel, stride=stride, dilation=dilation)
    output, tap = _grid(outputs, kernel)
    cell = output * stride + tap * dilation - before
    return _keep_inside(cell, tap, output, cell, sizes=(inputs, kernel, outputs))


def transposed_taps(
    inputs: int,
    outputs: int,
    *,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    padding: str | Pair = "valid",
) -> Taps:
    """Return the triples of a transposed correlation."""
    before, _ = transposed_crop(padding, outputs, kernel=kernel, stride=stride, dilation=dilation)
    cell, tap = _grid(inputs, kernel)
    output = cell * stride + tap * dilation - before
    return _keep_inside(cell, tap, output, output, sizes=(inputs, kernel, outputs))


def repetition_taps(inputs: int, *, size: int) -> Taps:
    """Return the triples of an up-sampling that repeats each cell ``size`` times."""
    output = np.arange(inputs * size, dtype=np.int32)
    return Taps(output // size, np.zeros_like(output), output, (inputs, 1, inputs * size))


def _grid(first: int, second: int) -> tuple[Array, Array]:
    a, b = np.indices((first, second), dtype=np.int32)
    return a.reshape(-1), b.reshape(-1)


def _keep_inside(
    cell: Array, tap: Array, output: Array, bounded: Array, *, sizes: tuple[int, int, int]
) -> Taps:
    """Drop triples outside the image."""
    limit = sizes[2] if bounded is output else sizes[0]
    keep = (bounded >= 0) & (bounded < limit)
    return Taps(cell[keep], tap[keep], output[keep], sizes)

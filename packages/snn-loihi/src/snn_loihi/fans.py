"""Where the spikes of each cell go: runs of neighbouring neurons, and the weights behind each.

A kernel is stored once, in an order in which the weights towards neighbouring neurons lie side by
side. So a spike adds a few long rows of weights, whatever the kind of the layer is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from snn_core.ir import Add, Spiking
from snn_core.ir.connectivity import Synapses, pattern
from snn_core.ir.shapes import count
from snn_core.ir.taps import Taps
from snn_core.typing import Array, Int32, Int64, Shape
from snn_loihi.discretize.connection import Connection


@dataclass(frozen=True, kw_only=True, eq=False)
class Fan:
    """Synapses from the cells of an image, whose positions share weights.

    The cell of channel ``c`` at position ``p`` reaches, for each run ``r`` from ``first_p[p]`` to
    ``first_p[p + 1]``, as many neurons as ``length_r`` says, from ``target_r + first_out_c[c]`` on,
    by the weights from ``weight_r + c * stride`` on.

    Parameters
    ----------
    first_p
        First run of each position, one more than there are positions.
    target_r, weight_r, length_r
        First neuron and weight of each run, and the number of its neurons.
    first_out_c
        First output channel of each channel.
    stride
        Weights from one channel to the next.
    weights
        All weights.
    """

    first_p: Int32[Array, "p"]
    target_r: Int32[Array, "r"]
    weight_r: Int64[Array, "r"]
    length_r: Int32[Array, "r"]
    first_out_c: Int32[Array, "c"]
    stride: int
    weights: Array

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What `snn_loihi.loops.spread` takes of it, in order."""
        return (
            self.first_p, self.target_r, self.weight_r, self.length_r, self.first_out_c,
            self.stride, self.weights,
        )  # fmt: skip


def fans_of(connection: Connection) -> tuple[Fan, ...]:
    """Return the synapses of a connection from each inbound layer of its kernel, or its source."""
    layer = connection.layer
    if layer is None:
        assert connection.synapses is not None, "there is a kernel or a list"  # noqa: S101
        return (_of_list(connection.synapses),)
    shapes = [connection.network[name].output_shape for name in layer.inputs]
    if isinstance(layer, Add):
        pairs = zip(layer.weight_nc, shapes, strict=True)
        return tuple(_of_copies(np.asarray(weight_c), shape) for weight_c, shape in pairs)
    return (_of_kernel(layer, shapes[0]),)


def _of_list(synapses: Synapses) -> Fan:
    """Return a list of synapses; neighbouring targets of a cell make a run."""
    order = np.lexsort((synapses.post, synapses.pre))
    pre, post = np.asarray(synapses.pre)[order], np.asarray(synapses.post)[order]
    goes_on = (np.diff(pre) == 0) & (np.diff(post) == 1)
    begin = np.flatnonzero(np.concatenate([[True], ~goes_on])[: len(pre)])
    return _fan(
        pre[begin],
        positions=synapses.shape[0],
        target_r=post[begin],
        weight_r=begin,
        length_r=np.diff(begin, append=len(pre)),
        first_out_c=np.zeros(1),
        stride=0,
        weights=synapses.weight[order],
    )


def _of_copies(weight_c: Array, shape: Shape) -> Fan:
    """Return synapses between cells at the same place."""
    positions, channels = count(shape[:-1]), shape[-1]
    position_p = np.arange(positions)
    return _fan(
        position_p,
        positions=positions,
        target_r=position_p * channels,
        weight_r=np.zeros(positions),
        length_r=np.ones(positions),
        first_out_c=np.arange(channels),
        stride=1,
        weights=np.broadcast_to(weight_c, channels),
    )


def _of_kernel(layer: Spiking, shape: Shape) -> Fan:
    """Return the synapses of a layer with a kernel.

    Each channel reaches as many neighbouring channels of the output. Where it reaches all of them,
    neighbouring positions of the output make a run.
    """
    found = pattern(layer, shape)
    inputs, outputs = found.channels
    order = np.lexsort((found.channel_out, found.channel_in))
    place_c_o = found.kernel_place[order].reshape(inputs, -1)
    width, taps = place_c_o.shape[1], _side_by_side(found.columns)
    weights_k_l_c_o = found.kernel[:, taps][..., place_c_o]
    weights_k_c_l_o = np.moveaxis(weights_k_l_c_o, 1, 2)
    stride = len(taps) * width
    source, target, tap, length = _runs(found.columns, taps, joins=width == outputs)
    rows, columns = found.rows, found.columns
    position = rows.inputs_e[:, None] * columns.sizes[0] + source
    above = rows.taps_e[:, None].astype(np.int64) * inputs * stride  # the kernel's rows before
    return _fan(
        position.reshape(-1),
        positions=rows.sizes[0] * columns.sizes[0],
        target_r=(rows.outputs_e[:, None] * columns.sizes[2] + target).reshape(-1) * outputs,
        weight_r=(above + tap * width).reshape(-1),
        length_r=np.broadcast_to(length * width, position.shape).reshape(-1),
        first_out_c=found.channel_out[order][::width],
        stride=stride,
        weights=weights_k_c_l_o.reshape(-1),
    )


def _side_by_side(taps: Taps) -> Int64[Array, "k"]:
    """Return the taps so that those of a cell towards neighbouring cells follow each other."""
    order = np.lexsort((taps.outputs_e, taps.inputs_e))
    entries = np.stack([taps.inputs_e, taps.outputs_e, taps.taps_e], axis=1)[order].tolist()
    following = {
        tap: next_tap
        for (i, o, tap), (next_i, next_o, next_tap) in pairwise(entries)
        if (next_i, next_o) == (i, o + 1) and next_tap != tap  # up-sampling repeats its only tap
    }

    def chain(tap: int | None) -> Iterator[int]:
        while tap is not None:
            yield tap
            tap = following.get(tap)

    first = sorted(set(range(taps.sizes[1])) - set(following.values()))
    return np.array([tap for start in first for tap in chain(start)])


def _runs(taps: Taps, order: Array, *, joins: bool) -> tuple[Array, Array, Array, Array]:
    """Return input cell, first output cell, place of the first tap and length of each run."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    sort = np.lexsort((taps.outputs_e, taps.inputs_e))
    source, target, tap = taps.inputs_e[sort], taps.outputs_e[sort], place[taps.taps_e[sort]]
    goes_on = (np.diff(source) == 0) & (np.diff(target) == 1) & (np.diff(tap) == 1) & joins
    begin = np.flatnonzero(np.concatenate([[True], ~goes_on])[: len(sort)])
    return source[begin], target[begin], tap[begin], np.diff(begin, append=len(sort))


def _fan(
    position_r: Array, *, positions: int, target_r: Array, weight_r: Array, length_r: Array,
    first_out_c: Array, stride: int, weights: Array,
) -> Fan:  # fmt: skip
    """Return a fan, its runs sorted by the position that they belong to."""
    order = np.argsort(position_r, kind="stable")
    first_p = np.zeros(positions + 1, np.int32)
    np.cumsum(np.bincount(position_r, minlength=positions), out=first_p[1:])
    return Fan(
        first_p=first_p,
        target_r=target_r[order].astype(np.int32),
        weight_r=weight_r[order].astype(np.int64),
        length_r=length_r[order].astype(np.int32),
        first_out_c=first_out_c.astype(np.int32),
        stride=stride,
        weights=np.ascontiguousarray(weights),
    )

"""Synapses of layers: which cell is connected with which, and with what weight.

No other module decides this. Synapses are arrays of source, target and weight (COO), built by
broadcasting small tables over each other. A weight of exactly 0, in a pruned kernel for instance,
is no synapse. Cells are numbered in row-major order, channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import layers as ir
from snn_core.ir.layer import Layer
from snn_core.ir.shapes import axis_padding, count
from snn_core.ir.taps import Taps, correlation_taps, repetition_taps, transposed_taps
from snn_core.typing import Array, Float32, Int, Pair, Shape

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True, eq=False)
class Synapses:
    """Synapses between two layers.

    Parameters
    ----------
    pre, post
        Source and target cell of each synapse.
    weight
        Weight of each synapse.
    shape
        Number of source and target cells.
    kernel_index
        Place of each synapse's weight in the layer's flattened weight array, for simulators that
        store shared weights once; ``None`` where weights come from elsewhere.
    """

    pre: Int[Array, "s"]
    post: Int[Array, "s"]
    weight: Float32[Array, "s"]
    shape: Pair
    kernel_index: Int[Array, "s"] | None = None

    def __len__(self) -> int:
        """Return the number of synapses."""
        return len(self.weight)

    def to_csr(self) -> csr_matrix:
        """Return the weights as a sparse matrix, source cells as rows."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.weight, (self.pre, self.post)), shape=self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """Compact synapses of a layer: tables for rows, columns and channels, not multiplied out.

    Parameters
    ----------
    rows, columns
        Connected cells along both image axes.
    channel_in, channel_out
        Connected channels.
    kernel_place
        Place of each channel pair's weight within one kernel tap.
    kernel
        All weights, ``(row taps, column taps, weights of one tap)``.
    channels
        Number of input and output channels.
    """

    rows: Taps
    columns: Taps
    channel_in: Int[Array, "p"]
    channel_out: Int[Array, "p"]
    kernel_place: Int[Array, "p"]
    kernel: Float32[Array, "k l w"]
    channels: Pair

    def synapses(self) -> Synapses:
        """Multiply the tables out."""
        rows, columns = self.rows, self.columns
        pixel_in = rows.inputs_e[:, None] * columns.sizes[0] + columns.inputs_e
        pixel_out = rows.outputs_e[:, None] * columns.sizes[2] + columns.outputs_e
        tap = rows.taps_e[:, None] * columns.sizes[1] + columns.taps_e
        index = _combine_places(tap, self.kernel.shape[2], self.kernel_place)
        weight = self.kernel.reshape(-1)[index]
        made = Synapses(
            _combine_places(pixel_in, self.channels[0], self.channel_in),
            _combine_places(pixel_out, self.channels[1], self.channel_out),
            weight,
            (
                rows.sizes[0] * columns.sizes[0] * self.channels[0],
                rows.sizes[2] * columns.sizes[2] * self.channels[1],
            ),
            index,
        )
        return made if self.kernel.all() else _without_zeros(made)

    def fanout(self) -> Int[Array, "h w c"]:
        """Return the number of synapses that leave each input cell."""
        height, width = self.kernel.shape[:2]
        # One tap stands for all where they have the same weights, or none that is 0.
        is_even = not any(self.kernel.strides[:2]) or bool(self.kernel.all())
        height, width = (1, 1) if is_even else (height, width)
        live_k_l_c = np.zeros((height, width, self.channels[0]), np.int64)
        for tap in np.ndindex(height, width):
            live = self.kernel[tap][self.kernel_place] != 0
            live_k_l_c[tap] = np.bincount(self.channel_in[live], minlength=self.channels[0])
        rows_y_k, columns_x_l = self.rows.input_counts(), self.columns.input_counts()
        if is_even:
            rows_y, columns_x = (np.asarray(axis.sum(axis=1)) for axis in (rows_y_k, columns_x_l))
            even: Array = (rows_y * columns_x.T)[..., None] * live_k_l_c[0, 0]
            return even
        (y, _), (x, _), c = rows_y_k.shape, columns_x_l.shape, self.channels[0]
        if y * width <= x * height:  # the axis first that leaves less in between
            part = rows_y_k @ live_k_l_c.reshape(height, width * c)
            part_l_y_c = part.reshape(y, width, c).swapaxes(0, 1).reshape(width, y * c)
            reached = (columns_x_l @ part_l_y_c).reshape(x, y, c).swapaxes(0, 1)
        else:
            part = columns_x_l @ live_k_l_c.swapaxes(0, 1).reshape(width, height * c)
            part_k_x_c = part.reshape(x, height, c).swapaxes(0, 1).reshape(height, x * c)
            reached = (rows_y_k @ part_k_x_c).reshape(y, x, c)
        found: Array = np.ascontiguousarray(reached)
        return found


def _combine_places(pixel: Array, channels: int, channel: Array) -> Array:
    """Return ``pixel * channels + channel`` for all combinations, flat."""
    largest = (int(pixel.max(initial=0)) + 1) * channels
    dtype = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
    first: Array = pixel.reshape(-1, 1).astype(dtype)
    flat: Array = first * np.asarray(channels, dtype) + channel.astype(dtype)
    return flat.reshape(-1)


def _without_zeros(synapses: Synapses) -> Synapses:
    keep = synapses.weight != 0
    index = synapses.kernel_index
    return replace(
        synapses,
        pre=synapses.pre[keep],
        post=synapses.post[keep],
        weight=synapses.weight[keep],
        kernel_index=None if index is None else index[keep],
    )


# Layers with one image (or sequence, or vector) as input.


@singledispatch
def pattern(layer: Layer, shape: Shape) -> Pattern:
    """Return the synapses of a layer in compact form.

    Parameters
    ----------
    layer
        A layer with weights, pooling or up-sampling.
    shape
        Shape of its input.

    Raises
    ------
    UnsupportedError
        For a layer type without synapses of this form.
    """
    raise UnsupportedError(
        [f"{layer.name}: {layer.kind} layers have no synapses; run the structural passes first"],
        what="This network cannot be connected",
    )


@pattern.register
def build_dense(layer: ir.Dense, shape: Shape) -> Pattern:
    """Return the synapses of a fully connected layer, applied to each position of its input."""
    positions = count(shape[:-1])
    each = correlation_taps(positions, positions, kernel=1)
    inputs, outputs = layer.weight_io.shape
    i, o = (axis.reshape(-1) for axis in np.indices((inputs, outputs), dtype=np.int32))
    kernel = layer.weight_io.reshape(1, 1, -1)
    return Pattern(_one_cell(), each, i, o, i * outputs + o, kernel, (inputs, outputs))


@pattern.register
def build_1d_convolution(layer: ir.Conv1D, shape: Shape) -> Pattern:
    """Return the synapses of a 1-D convolution."""
    columns = correlation_taps(
        shape[0],
        layer.output_shape[0],
        kernel=layer.weight_wio.shape[0],
        stride=layer.strides,
        dilation=layer.dilation,
        padding=layer.padding,
    )
    return _connect_groups(_one_cell(), columns, layer.weight_wio[None], layer.groups)


@pattern.register
def build_convolution(layer: ir.Conv2D, shape: Shape) -> Pattern:
    """Return the synapses of a 2-D convolution."""
    rows, columns = _windows(layer, shape, layer.weight_hwio.shape[:2], layer.dilation)
    return _connect_groups(rows, columns, layer.weight_hwio, layer.groups)


@pattern.register
def build_depthwise_convolution(layer: ir.DepthwiseConv2D, shape: Shape) -> Pattern:
    """Return the synapses of a depthwise convolution."""
    kh, kw, channels, multiplier = layer.weight_hwcm.shape
    rows, columns = _windows(layer, shape, (kh, kw), layer.dilation)
    out = np.arange(channels * multiplier, dtype=np.int32)
    kernel = layer.weight_hwcm.reshape(kh, kw, -1)
    return Pattern(rows, columns, out // multiplier, out, out, kernel, (channels, len(out)))


@pattern.register
def build_transposed_convolution(layer: ir.Conv2DTranspose, shape: Shape) -> Pattern:
    """Return the synapses of a transposed convolution."""
    kh, kw, outputs, inputs = layer.weight_hwoi.shape
    rows, columns = (
        transposed_taps(
            shape[i],
            layer.output_shape[i],
            kernel=(kh, kw)[i],
            stride=layer.strides[i],
            dilation=layer.dilation[i],
            padding=axis_padding(layer.padding, i),
        )
        for i in range(2)
    )
    o, i = (axis.reshape(-1) for axis in np.indices((outputs, inputs), dtype=np.int32))
    kernel = layer.weight_hwoi.reshape(kh, kw, -1)
    return Pattern(rows, columns, i, o, o * inputs + i, kernel, (inputs, outputs))


@pattern.register
def build_up_sampling(layer: ir.UpSampling2D, shape: Shape) -> Pattern:
    """Return the synapses of an up-sampling layer."""
    rows, columns = (repetition_taps(shape[i], size=layer.size[i]) for i in range(2))
    return _connect_channels(rows, columns, layer.weight_c, shape[-1])


@pattern.register(ir.AveragePooling2D)
@pattern.register(ir.MaxPooling2D)
def build_pooling(layer: ir.AveragePooling2D | ir.MaxPooling2D, shape: Shape) -> Pattern:
    """Return the windows of a pooling layer; `synapses` divides averages by the window's cells."""
    rows, columns = _windows(layer, shape, layer.pool_size, (1, 1))
    return _connect_channels(rows, columns, layer.weight_c, shape[-1])


def _one_cell() -> Taps:
    return correlation_taps(1, 1, kernel=1)


def _windows(
    layer: ir.Windowed, shape: Shape, kernel: Sequence[int], dilation: Pair
) -> tuple[Taps, Taps]:
    rows, columns = (
        correlation_taps(
            shape[i],
            layer.output_shape[i],
            kernel=kernel[i],
            stride=layer.strides[i],
            dilation=dilation[i],
            padding=axis_padding(layer.padding, i),
        )
        for i in range(2)
    )
    return rows, columns


def _connect_groups(rows: Taps, columns: Taps, weight_hwio: Array, groups: int) -> Pattern:
    kh, kw, per_group, outputs = weight_hwio.shape
    i, o = (axis.reshape(-1) for axis in np.indices((per_group, outputs), dtype=np.int32))
    group = o // (outputs // groups)
    kernel = weight_hwio.reshape(kh, kw, -1)
    channels = (per_group * groups, outputs)
    return Pattern(rows, columns, group * per_group + i, o, i * outputs + o, kernel, channels)


def _connect_channels(rows: Taps, columns: Taps, weight_c: Array, channels: int) -> Pattern:
    """Connect each channel with itself, with the same weight at every tap."""
    each = np.arange(channels, dtype=np.int32)
    weights = np.broadcast_to(weight_c, (rows.sizes[1], columns.sizes[1], channels))
    return Pattern(rows, columns, each, each, each, weights, (channels, channels))


# All layers.


def synapses(layer: Layer, input_shapes: Sequence[Shape]) -> tuple[Synapses, ...]:
    """Return the synapses from each inbound layer into a layer.

    Layers that only rearrange values connect cells with weight 1. Max pooling connects each cell
    with the windows it lies in; what passes is decided during simulation.

    Parameters
    ----------
    layer
        Any layer but the input and the source dialect.
    input_shapes
        Shapes of its inbound layers, in order.
    """
    if isinstance(layer, ir.REARRANGING):
        maps = index_maps(layer, input_shapes)
        return tuple(
            _from_map(source, count(shape))
            for source, shape in zip(maps, input_shapes, strict=True)
        )
    if isinstance(layer, ir.Add):
        return tuple(
            _identity(np.asarray(weight_c), shape)
            for weight_c, shape in zip(layer.weight_nc, input_shapes, strict=True)
        )
    made = pattern(layer, input_shapes[0]).synapses()
    if isinstance(layer, ir.Weighted):
        return (made,)
    made = replace(made, kernel_index=None)
    if isinstance(layer, ir.AveragePooling2D):
        cells = np.bincount(made.post, minlength=made.shape[1]).astype(np.float32)
        made = replace(made, weight=made.weight / cells[made.post])
    return (made,)


def index_maps(layer: Layer, input_shapes: Sequence[Shape]) -> tuple[Int[Array, "l"], ...]:
    """Return for each inbound layer which of its cells every output cell copies, or -1."""
    cells = [np.arange(count(shape)).reshape(shape) for shape in input_shapes]
    if isinstance(layer, ir.ZeroPadding2D):
        padded = np.pad(cells[0], (*layer.padding, (0, 0)), constant_values=-1)
        return (padded.reshape(-1),)
    if isinstance(layer, ir.Concatenate):
        return tuple(
            np.concatenate(
                [own if k == i else np.full_like(own, -1) for k, own in enumerate(cells)],
                axis=layer.axis,
            ).reshape(-1)
            for i in range(len(cells))
        )
    return (cells[0].reshape(-1),)


def _from_map(source: Array, num_inputs: int) -> Synapses:
    (post,) = np.nonzero(source >= 0)
    weight = np.ones(len(post), np.float32)
    return Synapses(source[post], post, weight, (num_inputs, len(source)))


def _identity(weight_c: Array, shape: Shape) -> Synapses:
    cells = np.arange(count(shape))
    weight = np.broadcast_to(weight_c, shape).reshape(-1).astype(np.float32)
    return _without_zeros(Synapses(cells, cells, weight, (len(cells), len(cells))))


def fanout(layer: Layer, input_shapes: Sequence[Shape]) -> tuple[Int[Array, "*l"], ...]:
    """Return for each inbound layer how many synapses each of its cells sends into a layer.

    Equal to counting the sources of `synapses`, without building them.
    """
    if isinstance(layer, ir.REARRANGING):
        return tuple(np.ones(shape, np.int64) for shape in input_shapes)
    if isinstance(layer, ir.Add):
        return tuple(
            np.broadcast_to(weight_c != 0, shape).astype(np.int64)
            for weight_c, shape in zip(layer.weight_nc, input_shapes, strict=True)
        )
    return (pattern(layer, input_shapes[0]).fanout().reshape(input_shapes[0]),)

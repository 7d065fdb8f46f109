"""Drafts of modules: what they will be, before numbers become integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.ir import (
    Add,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    DepthwiseConv2D,
    Network,
    Spiking,
)
from snn_core.ir.projections import drive_bias
from snn_core.ir.shapes import axis_padding, count, resolve_padding, window
from snn_core.typing import Array, Bool, Float64, Pair
from snn_megasim.files import Output
from snn_megasim.translate.outlets import Map, Outlet, image_cells, image_size, maps_of


@dataclass(frozen=True, kw_only=True, eq=False)
class DraftPort:
    """What a port adds: a kernel, rows from top to bottom, at an offset; or a matrix's rows.

    Parameters
    ----------
    node
        Where its events come from.
    weights
        What an event adds.
    dy, dx
        Where the kernel lies, seen from the event.
    least, most
        Sums of negative and of positive events that an address can send in a step.
    is_summed
        Whether a step's input comes as one number, the rounded sum, rather than as events.
    """

    node: str
    weights: Float64[Array, "i o"]
    dy: int = 0
    dx: int = 0
    least: float = 0.0
    most: float = 1.0
    is_summed: bool = False

    def reach(self, factor: float, axis: int | None) -> tuple[Array | float, Array | float]:
        """Return how far a step's events raise and lower neurons at most, in integers."""
        weights = self.weights * factor
        if not self.is_summed:
            weights = np.rint(weights)
        positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
        up = np.sum(positive * self.most + negative * self.least, axis=axis)
        down = np.sum(negative * self.most + positive * self.least, axis=axis)
        if self.is_summed:  # rounded once, after a sum in another order
            return np.ceil(up) + 1, np.floor(down) - 1
        return up, down


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """A module to be.

    Parameters
    ----------
    outlet
        The node that it writes, and the cells of the layer.
    ports
        Ports for spikes.
    bias_yx, start_yx
        Input per ms and first potential of each neuron.
    live_yx
        Which neurons may spike. With a stride, those between the grid's may not.
    threshold
        Threshold of all of them.
    output
        How it sends.
    is_array
        Whether it is a convolution rather than fully connected.
    """

    outlet: Outlet
    ports: tuple[DraftPort, ...]
    bias_yx: Float64[Array, "y x"]
    start_yx: Float64[Array, "y x"]
    live_yx: Bool[Array, "y x"]
    threshold: float
    output: Output
    is_array: bool

    def reach(self, factor: float) -> tuple[Float64[Array, "y x"], Float64[Array, "y x"]]:
        """Return how far one step can raise and lower each neuron at most, in integers."""
        bias_yx = np.rint(self.bias_yx * factor)
        up_yx, down_yx = np.maximum(bias_yx, 0), np.minimum(bias_yx, 0)
        for port in self.ports:
            up, down = port.reach(factor, axis=None if self.is_array else 0)
            up_yx, down_yx = up_yx + up, down_yx + down
        return up_yx, down_yx


@dataclass(frozen=True)
class Grid:
    """Where the neurons of a strided convolution lie along one axis of an array.

    Output ``X`` is the neuron ``X * stride + offset``.
    """

    outputs: int
    stride: int
    offset: int
    size: int

    @property
    def places(self) -> slice:
        """The neurons of the outputs."""
        last = self.offset + (self.outputs - 1) * self.stride
        return slice(self.offset, last + 1, self.stride)


def draft_arrays(
    network: Network, layer: Spiking, *, name: str, images: Mapping[str, tuple[Map, ...]]
) -> list[Draft] | None:
    """Return the modules of a layer as arrays with kernels; ``None`` if they cannot hold it.

    Parameters
    ----------
    name
        Name of the layer in files.
    images
        Maps of the populations before it whose modules are arrays.
    """
    ports = _array_ports(network, layer, images)
    if ports is None:
        return None
    rows, columns, by_channel = ports
    is_dense = rows.stride == columns.stride == 1
    bias_yxc, start_yxc, threshold_c = _per_cell(network, layer)
    drafts = []
    for channel, cells_yx in enumerate(image_cells(layer.output_shape)):
        # Without stride, neurons that are cropped are like the others, as the ancestor wrote them.
        live_yx = np.full((rows.size, columns.size), is_dense)
        bias_yx = live_yx * bias_yxc[0, 0, channel]
        start_yx = live_yx * start_yxc[0, 0, channel]
        live_yx[rows.places, columns.places] = True
        bias_yx[rows.places, columns.places] = bias_yxc[..., channel]
        start_yx[rows.places, columns.places] = start_yxc[..., channel]
        outlet = Outlet(
            node=f"{name}_{channel}", cells_yx=cells_yx, rows=rows.places, columns=columns.places
        )
        drafts.append(
            Draft(
                outlet=outlet,
                ports=by_channel[channel],
                bias_yx=bias_yx,
                start_yx=start_yx,
                live_yx=live_yx,
                threshold=float(threshold_c[channel]),
                output=_grid_output(rows, columns),
                is_array=True,
            )
        )
    return drafts


def _grid_output(rows: Grid, columns: Grid) -> Output:
    return Output(
        crop_xmin=columns.offset,
        crop_xmax=columns.offset + columns.outputs * columns.stride - 1,
        crop_ymin=rows.offset,
        crop_ymax=rows.offset + rows.outputs * rows.stride - 1,
        xshift_pre=-columns.offset,
        yshift_pre=-rows.offset,
        x_subsmp=columns.stride,
        y_subsmp=rows.stride,
    )


def _per_cell(network: Network, layer: Spiking) -> tuple[Array, Array, Array]:
    """Return bias and first potential of each cell as images, and the threshold of channels."""
    size = image_size(layer.output_shape)
    assert size is not None, "only images have array modules"  # noqa: S101
    bias = drive_bias(network, layer).astype(np.float64)
    start = np.broadcast_to(layer.v_init * layer.threshold, layer.output_shape)
    threshold_c = np.broadcast_to(layer.threshold, layer.output_shape[-1:]).astype(np.float64)
    return bias.reshape(size), start.astype(np.float64).reshape(size), threshold_c


# Arrays.


def _array_ports(
    network: Network, layer: Spiking, images: Mapping[str, tuple[Map, ...]]
) -> tuple[Grid, Grid, list[tuple[DraftPort, ...]]] | None:
    """Return the grid of an array's neurons and the ports of each channel, if it is one."""
    sources = [maps_of(network, source, images) for source in layer.inputs]
    if any(maps is None for maps in sources):
        return None
    maps = [one for found in sources for one in found or ()]
    shape = image_size(network.input_shapes(layer.name)[0])
    if shape is None:
        return None
    if isinstance(layer, Add):
        return _add_ports(layer, shape, [found or () for found in sources])
    if isinstance(layer, AveragePooling2D):
        return _pool_ports(layer, shape, maps)
    if isinstance(layer, Conv2D):
        weight, groups = layer.weight_hwio, layer.groups
    elif isinstance(layer, Conv1D):
        weight, groups = layer.weight_wio[None], layer.groups
    elif isinstance(layer, DepthwiseConv2D):
        height, width, channels, each = layer.weight_hwcm.shape
        weight, groups = layer.weight_hwcm.reshape(height, width, 1, channels * each), channels
    else:
        return None
    return _convolution_ports(layer, shape, maps, np.asarray(weight, np.float64), groups)


def _pair(value: int | Pair) -> Pair:
    return value if isinstance(value, tuple) else (1, value)


def _convolution_ports(
    layer: Conv1D | Conv2D | DepthwiseConv2D,
    shape: tuple[int, int, int],
    maps: Sequence[Map],
    weight_hwio: Array,
    groups: int,
) -> tuple[Grid, Grid, list[tuple[DraftPort, ...]]]:
    strides, dilation = _pair(layer.strides), _pair(layer.dilation)
    size = image_size(layer.output_shape)
    assert size is not None, "convolutions make images"  # noqa: S101
    grids, before = [], []
    for axis in range(2):
        kernel = weight_hwio.shape[axis]
        padding = layer.padding if isinstance(layer, Conv1D) else axis_padding(layer.padding, axis)
        if isinstance(layer, Conv1D) and axis == 0:
            padding = "valid"
        pad, _ = resolve_padding(
            padding, shape[axis], kernel=kernel, stride=strides[axis], dilation=dilation[axis]
        )
        width = window(kernel, dilation[axis])
        offset = max(0, width // 2 - pad)
        grids.append(_grid(size[axis], strides[axis], offset, shape[axis]))
        before.append(pad + offset - (width - 1))
    per_group, outputs = weight_hwio.shape[2:]
    by_channel = []
    for channel in range(outputs):
        first = channel // (outputs // groups) * per_group
        by_channel.append(
            tuple(
                _kernel_port(maps[first + i], weight_hwio[..., i, channel], dilation, before)
                for i in range(per_group)
            )
        )
    return grids[0], grids[1], by_channel


def _grid(outputs: int, stride: int, offset: int, inputs: int) -> Grid:
    needed = offset + (outputs - 1) * stride + 1
    return Grid(outputs, stride, offset, max(inputs, needed))


def _kernel_port(source: Map, weight_hw: Array, dilation: Pair, before: Sequence[int]) -> DraftPort:
    """Return the port that adds a correlation's kernel, turned by half a turn, around events."""
    height, width = (window(weight_hw.shape[axis], dilation[axis]) for axis in range(2))
    dense = np.zeros((height, width))
    dense[:: dilation[0], :: dilation[1]] = weight_hw
    return DraftPort(
        node=source.node,
        weights=dense[::-1, ::-1],
        dy=source.dy + before[0],
        dx=source.dx + before[1],
    )


def _pool_ports(
    layer: AveragePooling2D, shape: tuple[int, int, int], maps: Sequence[Map]
) -> tuple[Grid, Grid, list[tuple[DraftPort, ...]]] | None:
    """Return the ports of average pooling; ``None`` if windows reach over the border.

    There the mean is over fewer cells, and a kernel is the same everywhere.
    """
    grids = []
    for axis in range(2):
        kernel, stride = layer.pool_size[axis], layer.strides[axis]
        pad, _ = resolve_padding(
            axis_padding(layer.padding, axis), shape[axis], kernel=kernel, stride=stride
        )
        outputs = layer.output_shape[axis]
        if pad or (outputs - 1) * stride + kernel > shape[axis]:
            return None
        grids.append(_grid(outputs, stride, 0, shape[axis]))
    scale_c = np.broadcast_to(layer.weight_c, shape[2:]).astype(np.float64)
    cells = count(layer.pool_size)
    before = [1 - kernel for kernel in layer.pool_size]
    by_channel: list[tuple[DraftPort, ...]] = [
        (_kernel_port(source, np.full(layer.pool_size, scale / cells), (1, 1), before),)
        for source, scale in zip(maps, scale_c, strict=True)
    ]
    return grids[0], grids[1], by_channel


def _add_ports(
    layer: Add, shape: tuple[int, int, int], sources: Sequence[Sequence[Map]]
) -> tuple[Grid, Grid, list[tuple[DraftPort, ...]]]:
    grids = [_grid(shape[axis], 1, 0, shape[axis]) for axis in range(2)]
    scales = [np.broadcast_to(row, shape[2:]).astype(np.float64) for row in layer.weight_nc]
    by_channel = [
        tuple(
            _kernel_port(maps[channel], np.full((1, 1), scale_c[channel]), (1, 1), (0, 0))
            for maps, scale_c in zip(sources, scales, strict=True)
        )
        for channel in range(shape[2])
    ]
    return grids[0], grids[1], by_channel

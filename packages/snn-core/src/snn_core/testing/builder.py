"""Builder of small networks of the intermediate representation, shapes and labels included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from snn_core.ir import (
    Add,
    AveragePooling2D,
    Concatenate,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    Layer,
    MaxPooling2D,
    Network,
    ReLU,
    Reshape,
    UpSampling2D,
    Weighted,
    ZeroPadding2D,
)
from snn_core.ir.layers import Padding2D
from snn_core.ir.shapes import axis_padding, count, label, output_size, transposed_output_size
from snn_core.typing import Array, Pair, Shape


class NetworkBuilder:
    """Builder of a network, layer by layer.

    Every method appends a layer that reads from the one before it and returns the builder::

        network = NetworkBuilder((8, 6, 2)).conv2d(kernel_hwio, strides=(2, 1)).flatten()
        network = network.dense(weight_io).build()

    Each accepts ``name`` (a label with index, kind and shape by default) and ``inputs`` (names of
    the layers to read from, for branches); those with neurons accept ``activation`` (`ReLU` by
    default), ``threshold`` and ``v_init``, and those with weights ``bias_o`` (zeros by default).

    Parameters
    ----------
    input_shape
        Shape of one sample, channels last.
    name
        Name of the input layer.
    """

    def __init__(self, input_shape: Shape, *, name: str | None = None) -> None:
        name = name or label(0, "Input", input_shape)
        self._layers: dict[str, Layer] = {name: Input(name=name, output_shape=input_shape)}

    @property
    def last(self) -> str:
        """Name of the layer appended last."""
        return next(reversed(self._layers))

    @property
    def shape(self) -> Shape:
        """Output shape of the layer appended last."""
        return self._layers[self.last].output_shape

    def build(self, *, readout: str = "counts") -> Network:
        """Return the network."""
        return Network(layers=tuple(self._layers.values()), readout=readout)

    def dense(self, weight_io: ArrayLike, **common: Any) -> NetworkBuilder:
        """Append a fully connected layer."""
        weight = np.asarray(weight_io)
        shape = (*self._shape(common)[:-1], weight.shape[1])
        return self._append(Dense, shape, weight_io=weight, **common)

    def conv1d(
        self,
        weight_wio: ArrayLike,
        *,
        strides: int = 1,
        padding: str | Pair = "valid",
        dilation: int = 1,
        groups: int = 1,
        **common: Any,
    ) -> NetworkBuilder:
        """Append a 1-D convolution."""
        weight = np.asarray(weight_wio)
        size = output_size(
            self._shape(common)[0],
            kernel=weight.shape[0],
            stride=strides,
            dilation=dilation,
            padding=padding,
        )
        common |= {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        return self._append(Conv1D, (size, weight.shape[2]), weight_wio=weight, **common)

    def conv2d(
        self,
        weight_hwio: ArrayLike,
        *,
        strides: Pair = (1, 1),
        padding: Padding2D = "valid",
        dilation: Pair = (1, 1),
        groups: int = 1,
        **common: Any,
    ) -> NetworkBuilder:
        """Append a 2-D convolution."""
        weight = np.asarray(weight_hwio)
        size = self._windows(common, weight.shape, strides, padding, dilation)
        common |= {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
        return self._append(Conv2D, (*size, weight.shape[3]), weight_hwio=weight, **common)

    def depthwise_conv2d(
        self,
        weight_hwcm: ArrayLike,
        *,
        strides: Pair = (1, 1),
        padding: Padding2D = "valid",
        dilation: Pair = (1, 1),
        **common: Any,
    ) -> NetworkBuilder:
        """Append a depthwise convolution."""
        weight = np.asarray(weight_hwcm)
        size = self._windows(common, weight.shape, strides, padding, dilation)
        common |= {"strides": strides, "padding": padding, "dilation": dilation}
        shape = (*size, weight.shape[2] * weight.shape[3])
        return self._append(DepthwiseConv2D, shape, weight_hwcm=weight, **common)

    def conv2d_transpose(
        self,
        weight_hwoi: ArrayLike,
        *,
        strides: Pair = (1, 1),
        padding: Padding2D = "valid",
        dilation: Pair = (1, 1),
        **common: Any,
    ) -> NetworkBuilder:
        """Append a transposed convolution."""
        weight = np.asarray(weight_hwoi)
        size = (
            transposed_output_size(
                self._shape(common)[axis],
                kernel=weight.shape[axis],
                stride=strides[axis],
                dilation=dilation[axis],
                padding=axis_padding(padding, axis),
            )
            for axis in range(2)
        )
        common |= {"strides": strides, "padding": padding, "dilation": dilation}
        return self._append(Conv2DTranspose, (*size, weight.shape[2]), weight_hwoi=weight, **common)

    def average_pooling(
        self,
        pool_size: Pair,
        *,
        strides: Pair | None = None,
        padding: Padding2D = "valid",
        **common: Any,
    ) -> NetworkBuilder:
        """Append average pooling; ``weight_c`` scales the channels."""
        return self._pooling(AveragePooling2D, pool_size, strides, padding, common)

    def max_pooling(
        self,
        pool_size: Pair,
        *,
        strides: Pair | None = None,
        padding: Padding2D = "valid",
        **common: Any,
    ) -> NetworkBuilder:
        """Append max pooling by ``method``; ``weight_c`` scales channels, ``sign_c`` turns them."""
        return self._pooling(MaxPooling2D, pool_size, strides, padding, common)

    def up_sampling(self, size: Pair, **common: Any) -> NetworkBuilder:
        """Append up-sampling; ``weight_c`` scales the channels."""
        h, w, c = self._shape(common)
        return self._append(UpSampling2D, (h * size[0], w * size[1], c), size=size, **common)

    def add(self, inputs: Sequence[str], *, weight_nc: ArrayLike, **common: Any) -> NetworkBuilder:
        """Append the sum of several layers, each scaled by one row of ``weight_nc``."""
        shape = self._layers[inputs[0]].output_shape
        common = {"activation": ReLU(), **common, "weight_nc": np.asarray(weight_nc)}
        return self._append(Add, shape, inputs=inputs, **common)

    def concatenate(
        self, inputs: Sequence[str], *, axis: int = -1, **common: Any
    ) -> NetworkBuilder:
        """Append the concatenation of several layers."""
        shape = list(self._layers[inputs[0]].output_shape)
        axis %= len(shape)
        shape[axis] = sum(self._layers[name].output_shape[axis] for name in inputs)
        return self._append(Concatenate, tuple(shape), inputs=inputs, axis=axis, **common)

    def flatten(self, **common: Any) -> NetworkBuilder:
        """Append a flattening layer."""
        return self._append(Flatten, (count(self._shape(common)),), **common)

    def reshape(self, shape: Shape, **common: Any) -> NetworkBuilder:
        """Append a reshaping layer."""
        return self._append(Reshape, shape, **common)

    def zero_padding(self, padding: tuple[Pair, Pair], **common: Any) -> NetworkBuilder:
        """Append a border of zeros."""
        h, w, c = self._shape(common)
        shape = (h + sum(padding[0]), w + sum(padding[1]), c)
        return self._append(ZeroPadding2D, shape, padding=padding, **common)

    def layer(self, kind: type[Layer], output_shape: Shape, **fields: Any) -> NetworkBuilder:
        """Append a layer of any other kind, with its fields as they are."""
        return self._append(kind, output_shape, **fields)

    def _shape(self, common: dict[str, Any]) -> Shape:
        """Return the shape of the layer that is read from."""
        source = (common.get("inputs") or [self.last])[0]
        return self._layers[source].output_shape

    def _windows(
        self,
        common: dict[str, Any],
        kernel: Sequence[int],
        strides: Pair,
        padding: Padding2D,
        dilation: Pair = (1, 1),
    ) -> Pair:
        """Return how many windows fit along the height and the width."""
        height, width = (
            output_size(
                self._shape(common)[axis],
                kernel=kernel[axis],
                stride=strides[axis],
                dilation=dilation[axis],
                padding=axis_padding(padding, axis),
            )
            for axis in range(2)
        )
        return height, width

    def _pooling(
        self,
        kind: type[Layer],
        pool_size: Pair,
        strides: Pair | None,
        padding: Padding2D,
        common: dict[str, Any],
    ) -> NetworkBuilder:
        strides = pool_size if strides is None else strides
        size = self._windows(common, pool_size, strides, padding)
        common |= {"pool_size": pool_size, "strides": strides, "padding": padding}
        return self._append(kind, (*size, self._shape(common)[-1]), **common)

    def _append(
        self,
        kind: type[Layer],
        shape: Shape,
        *,
        name: str | None = None,
        inputs: Sequence[str] | None = None,
        **fields: Any,
    ) -> NetworkBuilder:
        name = name or label(len(self._layers), kind.__name__, shape)
        inputs = (self.last,) if inputs is None else tuple(inputs)
        if issubclass(kind, Weighted):
            fields = {"activation": ReLU(), "bias_o": np.zeros(shape[-1], np.float32), **fields}
        arrays: dict[str, Array] = {
            key: np.asarray(value, np.float32)
            for key, value in fields.items()
            if key in ("bias_o", "threshold", "v_init", "weight_c", "sign_c")
        }
        self._layers[name] = kind(name=name, inputs=inputs, output_shape=shape, **(fields | arrays))
        return self

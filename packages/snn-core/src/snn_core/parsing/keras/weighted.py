"""Keras layers with weights: dense layers, convolutions and batch normalization."""

from __future__ import annotations

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.parsing.emit import affine, convolution
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import source_axis
from snn_core.parsing.keras.calls import Emitter, LayerCall
from snn_core.parsing.keras.config import is_whole


def _image(b: Builder, layer: LayerCall) -> View:
    """Return the only input, which the variables of a convolution must be built for."""
    layer.require_built(0 if layer.fields.channels_first() else layer.tensor().rank - 1)
    return layer.image(b)


def _connect(b: Builder, layer: LayerCall) -> View:
    x, units = layer.tensor(), layer.fields.integer("units")
    layer.require_built(x.rank - 1)
    values = layer.read(kernel=(x.shape[-1], units), bias=(units,))
    return affine.connect(
        b, layer.name, x, values["kernel"], values.get("bias"), activation=layer.activation
    )


def _convolve(b: Builder, layer: LayerCall) -> View:
    x = _image(b, layer)
    groups, filters = layer.fields.integer("groups", 1), layer.fields.integer("filters")
    channels = x.stored[-1]
    convolution.require_groups(groups, channels, filters)
    shape = (*layer.sizes("kernel_size"), channels // groups, filters)
    values = layer.read(kernel=shape, bias=(filters,))
    return convolution.convolve(
        b, layer.name, x, values["kernel"], values.get("bias"),
        layer.geometry(), groups=groups, activation=layer.activation,
    )  # fmt: skip


def _convolve_depthwise(b: Builder, layer: LayerCall) -> View:
    x = _image(b, layer)
    channels, multiplier = x.stored[-1], layer.fields.integer("depth_multiplier", 1)
    shape = (*layer.sizes("kernel_size"), channels, multiplier)
    values = layer.read(depthwise_kernel=shape, bias=(channels * multiplier,))
    return convolution.convolve_depthwise(
        b, layer.name, x, values["depthwise_kernel"], values.get("bias"),
        layer.geometry(), activation=layer.activation,
    )  # fmt: skip


def _convolve_separably(b: Builder, layer: LayerCall) -> View:
    """Emit a depthwise relay and a pointwise convolution that carries bias and activation."""
    x = _image(b, layer)
    channels, multiplier = x.stored[-1], layer.fields.integer("depth_multiplier", 1)
    filters, ones = layer.fields.integer("filters"), (1,) * layer.rank
    values = layer.read(
        depthwise_kernel=(*layer.sizes("kernel_size"), channels, multiplier),
        pointwise_kernel=(*ones, channels * multiplier, filters),
        bias=(filters,),
    )
    between = convolution.convolve_depthwise(
        b, f"{layer.name}/depthwise", x, values["depthwise_kernel"], None, layer.geometry()
    )
    return convolution.convolve(
        b, layer.name, between, values["pointwise_kernel"], values.get("bias"),
        Geometry(ones, "valid", ones), activation=layer.activation,
    )  # fmt: skip


def _convolve_transposed(b: Builder, layer: LayerCall) -> View:
    x, filters = _image(b, layer), layer.fields.integer("filters")
    shape = (*layer.sizes("kernel_size"), filters, x.stored[-1])
    values = layer.read(kernel=shape, bias=(filters,))
    return convolution.convolve_transposed(
        b, layer.name, x, values["kernel"], values.get("bias"),
        layer.geometry(), output_padding=_output_padding(layer), activation=layer.activation,
    )  # fmt: skip


def _output_padding(layer: LayerCall) -> tuple[int | None, ...]:
    value = layer.call.config.get("output_padding")
    if value is None or is_whole(value):
        return (value,) * layer.rank
    is_list = isinstance(value, (list, tuple)) and len(value) == layer.rank
    if not is_list or not all(map(is_whole, value)):
        raise ParseError(f"its output padding is {brief(value)}; expected {layer.rank} number(s).")
    return tuple(value)


def _normalize(b: Builder, layer: LayerCall) -> View:
    x, fields = layer.tensor(), layer.fields
    axis = fields.axis()
    if axis is None:
        reason = f"normalization over the axes {fields.values['axis']} is not supported; use one"
        raise UnsupportedError([reason])
    place = source_axis(axis, x.rank)
    layer.require_built(place)
    shape = (x.shape[place],)
    shapes = {"gamma": shape} if fields.flag("scale", default=True) else {}
    if fields.flag("center", default=True):
        shapes["beta"] = shape
    epsilon = fields.number("epsilon", 1e-3)
    values = layer.read(**shapes, moving_mean=shape, moving_variance=shape)
    return affine.normalize(
        b,
        layer.name,
        x,
        axis=place,
        gamma_c=values.get("gamma"),
        beta_c=values.get("beta"),
        mean_c=values["moving_mean"],
        variance_c=values["moving_variance"],
        epsilon=epsilon,
    )


_CONVOLUTIONS: dict[str, Emitter] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "SparseConv2D"), _convolve),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose"), _convolve_transposed),
    **dict.fromkeys(
        ("DepthwiseConv1D", "DepthwiseConv2D", "SparseDepthwiseConv2D"), _convolve_depthwise
    ),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _convolve_separably),
}

WITH_DATA_FORMAT = tuple(_CONVOLUTIONS)
"""Layers whose data format says which axis of their input holds channels."""

EMITTERS: dict[str, Emitter] = {
    **_CONVOLUTIONS,
    **dict.fromkeys(("Dense", "Sparse"), _connect),
    "BatchNormalization": _normalize,
}
"""Keras class names to the functions that emit their layers."""

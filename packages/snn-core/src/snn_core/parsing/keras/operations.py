"""Operations of ``keras.ops`` that reduce, pool or rearrange a tensor.

Their settings differ from those of the layers of the same purpose: axes count that of the samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.parsing.emit import images, pooling, reductions, walk
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry
from snn_core.parsing.emit.reductions import Reduction
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import source_axis
from snn_core.parsing.keras.calls import Emitter, LayerCall
from snn_core.parsing.keras.config import is_whole, read_numbers

_REDUCTIONS: dict[str, Reduction] = {"Amax": "max", "Max": "max", "Mean": "mean", "Sum": "sum"}


def _reduce(b: Builder, layer: LayerCall) -> View:
    if layer.call.config.get("initial") is not None:
        raise UnsupportedError(["a maximum with an initial value is not supported; use ReLU"])
    return reductions.reduce(
        b,
        layer.name,
        layer.tensor(),
        axes=[layer.shift(axis) for axis in layer.fields.axes()],
        keep=layer.fields.flag("keepdims", default=False),
        what=_REDUCTIONS[layer.kind],
    )


def _pool(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    rank = x.rank - 1
    kernel = layer.fields.sizes("pool_size", rank)
    geometry = Geometry(
        layer.fields.sizes("strides", rank, kernel),
        layer.padding(),
        (1,) * rank,
    )
    maximum = layer.kind == "MaxPool"
    return pooling.pool(b, layer.name, x, maximum=maximum, kernel=kernel, geometry=geometry)


def _squeeze(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    axes = [layer.shift(axis) for axis in layer.fields.axes()]
    axes = axes or [i for i, size in enumerate(x.shape) if size == 1]
    if any(x.shape[axis] != 1 for axis in axes):
        raise ParseError(f"it removes the axes {axes} of {x.shape}, which are no single cells.")
    return x.reshape(tuple(size for i, size in enumerate(x.shape) if i not in axes))


def _expand(b: Builder, layer: LayerCall) -> View:
    x, axes = layer.tensor(), layer.fields.axes()
    shape = list(x.shape)
    for axis in sorted(source_axis(axis, x.rank + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return x.reshape(tuple(shape))


def _transpose(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    return walk.transpose(x, layer.fields.axes("axes") or list(range(x.rank + 1))[::-1])


def _swap(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    axes = list(range(x.rank))
    first, second = (layer.shift(layer.fields.integer(key)) for key in ("axis1", "axis2"))
    axes[first], axes[second] = axes[second], axes[first]
    return x.transpose(axes)


def _pad(b: Builder, layer: LayerCall) -> View:
    x, pairs = layer.tensor(), read_numbers(layer.call.config.get("pad_width"), "padding")
    if pairs.shape != (x.rank + 1, 2):
        raise ParseError(f"its padding is {pairs.tolist()}; expected a pair for each axis.")
    mode = layer.fields.text("mode", "constant")
    return images.pad(b, layer.name, x, pairs.astype(int).tolist(), mode=mode)


def _take(b: Builder, layer: LayerCall) -> View:
    """Take a part of a tensor, as ``x[:, 1:3]`` does."""
    value = layer.call.constants.get(1)
    if len(layer.call.constants) != 1:
        raise UnsupportedError([f"it takes {len(layer.call.constants)} indices; expected one"])
    first, *rest = [_index(item) for item in (value if isinstance(value, list) else [value])]
    if first != slice(None):
        raise UnsupportedError(["it selects samples"])
    try:
        return layer.tensor().index(tuple(rest))
    except (IndexError, ValueError) as error:
        raise ParseError(f"its index {brief(value)} does not fit: {error}.") from error


def _index(item: Any) -> slice | int:
    if isinstance(item, Mapping) and item.get("class_name") == "__slice__":
        settings = item.get("config")
        parts = [
            settings.get(key) if isinstance(settings, Mapping) else settings
            for key in ("start", "stop", "step")
        ]
        if all(part is None or is_whole(part) for part in parts):
            return slice(*parts)
    if is_whole(item):
        return item
    raise UnsupportedError([f"the index {brief(item)} is not supported; use numbers and slices"])


EMITTERS: dict[str, Emitter] = {
    **dict.fromkeys(_REDUCTIONS, _reduce),
    **dict.fromkeys(("AveragePool", "MaxPool"), _pool),
    "ExpandDims": _expand,
    "GetItem": _take,
    "Pad": _pad,
    "Squeeze": _squeeze,
    "Swapaxes": _swap,
    "Transpose": _transpose,
}
"""Class names of operations to the functions that emit their layers."""

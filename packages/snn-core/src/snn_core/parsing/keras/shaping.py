"""Keras layers that rearrange, pool, pad or crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.ir import Flatten, GlobalAveragePooling2D, Reshape
from snn_core.ir.shapes import count
from snn_core.parsing.emit import images, pooling
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry
from snn_core.parsing.emit.views import View
from snn_core.parsing.keras.calls import Emitter, LayerCall
from snn_core.parsing.keras.config import is_whole
from snn_core.parsing.keras.graph import Call
from snn_core.typing import Pair, Shape


def _flatten(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    if layer.fields.channels_first():
        x = x.transpose([*range(1, x.rank), 0])  # as Keras itself moves the channels then
    return b.flatten(x, name=layer.name)


def _reshape(b: Builder, layer: LayerCall) -> View:
    x = layer.tensor()
    if "newshape" in layer.call.config:
        return x.reshape(_sample_shape(x, layer.call.config["newshape"]))
    target: Any = layer.call.config.get("target_shape")
    is_list = isinstance(target, (list, tuple)) and len(target) > 0
    if not is_list or not all(is_whole(n) and n >= -1 for n in target):
        raise ParseError(f"its target shape is {brief(target)}; expected numbers.")
    return b.reshape(x, x.reshape(tuple(target)).shape, name=layer.name)


def _sample_shape(x: View, target: Any) -> Shape:
    """Return what one sample gets of a shape that `keras.ops.reshape` gives to all of them."""
    first, *rest = target if isinstance(target, (list, tuple)) and target else (0,)
    if not all(is_whole(n) and n >= -1 for n in rest):
        raise ParseError(f"its new shape is {brief(target)}; expected numbers.")
    if first == -1 and -1 not in rest and count(tuple(rest)) != count(x.shape):
        raise UnsupportedError([f"it reshapes {x.shape} to {brief(target)}, which mixes samples"])
    if first not in (-1, None):
        raise UnsupportedError(
            [f"it fixes the number of samples ({brief(target)}); use -1 for them"]
        )
    return tuple(rest)


def _permute(b: Builder, layer: LayerCall) -> View:
    dims: Any = layer.call.config.get("dims")
    if not isinstance(dims, (list, tuple)) or not all(_is_size(n) for n in dims):
        raise ParseError(f"its dims are {brief(dims)}; expected numbers.")
    return layer.tensor().transpose([axis - 1 for axis in dims])


def _pool(b: Builder, layer: LayerCall) -> View:
    kernel = layer.sizes("pool_size", 2)
    return pooling.pool(
        b,
        layer.name,
        layer.image(b),
        maximum=layer.kind.startswith("Max"),
        kernel=kernel,
        geometry=Geometry(layer.sizes("strides", kernel), layer.padding(), (1,) * layer.rank),
    )


def _pool_globally(b: Builder, layer: LayerCall) -> View:
    x, keep = layer.image(b), layer.fields.flag("keepdims", default=False)
    channels = x.stored[-1]
    shape = (*(1,) * layer.rank, channels) if keep else (channels,)
    average = layer.kind.startswith("GlobalAverage")
    if average and layer.rank == 2:
        return b.add(GlobalAveragePooling2D, layer.name, x, shape)
    if layer.rank == 1:
        x = b.add(Reshape, f"{layer.name}/image", x, (1, *x.stored))
    if average:
        x = b.add(GlobalAveragePooling2D, f"{layer.name}/rows", x, (1, 1, channels))
    else:
        window = x.stored[:2]
        geometry = Geometry(window, "valid", (1, 1))
        x = pooling.pool(b, f"{layer.name}/pool", x, maximum=True, kernel=window, geometry=geometry)
    return b.add(Reshape if keep else Flatten, layer.name, x, shape)


def works_on_first_axis(call: Call) -> bool:
    """Return whether a layer for sequences works on their first axis in every model.

    Some have no data format: beside layers that are channels first, the first axis holds channels.
    """
    if call.kind == "ZeroPadding1D":  # it has one since Keras 3
        return call.config.get("data_format") is None
    return call.kind in ("Cropping1D", "UpSampling1D")


def _upsample(b: Builder, layer: LayerCall) -> View:
    factors = layer.sizes("size", 2)
    if b.channels_first and works_on_first_axis(layer.call):
        x = layer.sequence()
        x.require_room(count(x.shape) * factors[0])
        return x.along(0, np.repeat(np.arange(x.shape[0]), factors[0]))
    return images.upsample(b, layer.name, layer.image(b), factors)


def _zero_pad(b: Builder, layer: LayerCall) -> View:
    pairs = _pairs(layer, "padding")
    if b.channels_first and works_on_first_axis(layer.call):
        return images.pad(b, layer.name, layer.sequence(), [(0, 0), *pairs, (0, 0)])
    return images.zero_pad(b, layer.name, layer.image(b), pairs)


def _crop(b: Builder, layer: LayerCall) -> View:
    pairs = _pairs(layer, "cropping")
    if b.channels_first and works_on_first_axis(layer.call):
        x, ((before, after),) = layer.sequence(), pairs
        if before + after >= x.shape[0]:
            raise ParseError(f"it crops all of a sequence of shape {x.shape}.")
        return x.index(slice(before, x.shape[0] - after))
    return images.crop(b, layer.name, layer.image(b), pairs)


def _is_size(item: Any) -> bool:
    return is_whole(item) and item >= 0


def _pairs(layer: LayerCall, key: str) -> Sequence[Pair]:
    """Return cells before and after each axis, from one number, one per axis or a pair per axis."""
    value, rank = layer.call.config.get(key, 1), layer.rank
    per_axis = [value] * rank if _is_size(value) else value
    if rank == 1 and isinstance(value, (list, tuple)) and all(map(_is_size, value)):
        per_axis = [value]
    if isinstance(per_axis, (list, tuple)) and len(per_axis) == rank:
        pairs = [(item, item) if _is_size(item) else item for item in per_axis]
        if all(
            isinstance(pair, (list, tuple)) and len(pair) == 2 and all(map(_is_size, pair))
            for pair in pairs
        ):
            return [(before, after) for before, after in pairs]
    raise ParseError(f"its padding is {brief(value)}; expected numbers of zeros per side.")


_OF_IMAGES: dict[str, Emitter] = {
    **dict.fromkeys(
        ("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D"), _pool
    ),
    **dict.fromkeys(
        (
            "GlobalAveragePooling1D",
            "GlobalAveragePooling2D",
            "GlobalMaxPooling1D",
            "GlobalMaxPooling2D",
        ),
        _pool_globally,
    ),
    **dict.fromkeys(("Cropping1D", "Cropping2D"), _crop),
    **dict.fromkeys(("UpSampling1D", "UpSampling2D"), _upsample),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _zero_pad),
}

WITH_DATA_FORMAT = tuple(_OF_IMAGES)
"""Layers whose data format says which axis of their input holds channels."""

EMITTERS: dict[str, Emitter] = {
    **_OF_IMAGES,
    "Flatten": _flatten,
    "Permute": _permute,
    "Reshape": _reshape,
}
"""Keras class names to the functions that emit their layers."""

"""Up-sampling, padding and cropping of sequences and images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Conv2D, Linear, UpSampling2D, ZeroPadding2D
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import arrange_image
from snn_core.parsing.emit.views import Selection, View
from snn_core.reading import spend
from snn_core.typing import Array, Pair


def upsample(b: Builder, name: str, x: View, factors: Sequence[int]) -> View:
    """Emit nearest-neighbour up-sampling of a sequence or an image."""
    x = arrange_image(b, name, x, len(factors))
    if len(factors) == 1:
        return b.add_on_sequence(
            name, x, lambda image, rows: upsample(b, rows, image, [1, *factors])
        )
    height, width, channels = x.stored
    shape = (height * factors[0], width * factors[1], channels)
    return b.add(UpSampling2D, name, x, shape, size=tuple(factors), activation=Linear())


def pad(
    b: Builder,
    name: str,
    x: View,
    pads: Sequence[Pair],
    *,
    mode: str = "constant",
    value: Array | float = 0.0,
) -> View:
    """Emit zeros around a tensor where there are any; negative numbers crop.

    Parameters
    ----------
    pads
        Cells before and after each source axis, that of the samples first.
    mode, value
        What is put there; only a constant of 0 is supported.
    """
    if mode != "constant" or np.any(np.asarray(value) != 0):
        raise UnsupportedError([f"padding with {mode!r} or other values than 0 is not supported"])
    samples, *pads = pads
    if any(samples):
        raise UnsupportedError(["it pads the axis of the samples"])
    kept = tuple(
        slice(max(-before, 0), max(size - max(-after, 0), 0))
        for (before, after), size in zip(pads, x.shape, strict=True)
    )
    if kept != tuple(slice(0, size) for size in x.shape):
        x = x.index(kept)
    more = [(max(before, 0), max(after, 0)) for before, after in pads]
    if not np.any(more):
        return x
    if x.rank not in (2, 3):
        raise UnsupportedError([f"padding of a tensor of shape {x.shape} is not supported"])
    *image, channels = (more[axis] for axis in np.argsort(b.axes(x.rank)))
    return zero_pad(b, name, x, image, channels=channels)


def zero_pad(
    b: Builder, name: str, x: View, pads: Sequence[Pair], *, channels: Pair = (0, 0)
) -> View:
    """Emit zeros around a sequence or an image.

    Parameters
    ----------
    pads
        Cells before and after each image axis.
    channels
        Channels of zeros before and after those that there are.
    """
    x = arrange_image(b, name, x, len(pads))
    if len(pads) == 1:
        return b.add_on_sequence(
            name,
            x,
            lambda image, rows: zero_pad(b, rows, image, [(0, 0), *pads], channels=channels),
        )
    if any(channels):
        x = _pad_channels(b, f"{name}/channels" if np.any(pads) else name, x, channels)
        if not np.any(pads):
            return x
    (top, bottom), (left, right) = pads
    height, width, number = x.stored
    shape = (height + top + bottom, width + left + right, number)
    return b.add(ZeroPadding2D, name, x, shape, padding=((top, bottom), (left, right)))


def _pad_channels(b: Builder, name: str, x: View, pads: Pair) -> View:
    """Emit a relay that puts channels of zeros around those of an image."""
    (before, after), (height, width, channels) = pads, x.stored
    spend(4 * channels * (before + channels + after), f"The weights of {name!r}")
    weight_hwio = np.zeros((1, 1, channels, before + channels + after), np.float32)
    weight_hwio[0, 0, :, before : before + channels] = np.eye(channels)
    return b.add(
        Conv2D,
        name,
        x,
        (height, width, weight_hwio.shape[-1]),
        weight_hwio=weight_hwio,
        bias_o=np.zeros(weight_hwio.shape[-1], np.float32),
        activation=Linear(),
    )


def crop(b: Builder, name: str, x: View, cuts: Sequence[Pair]) -> View:
    """Emit a relay that keeps the inside of a sequence or an image.

    Parameters
    ----------
    cuts
        Cells that go before and after each image axis.
    """
    x = arrange_image(b, name, x, len(cuts))
    if len(cuts) == 1:
        return b.add_on_sequence(name, x, lambda image, rows: crop(b, rows, image, [(0, 0), *cuts]))
    (top, bottom), (left, right) = cuts
    height, width, channels = x.stored
    wanted = (height - top - bottom, width - left - right, channels)
    if min(wanted) < 1:
        raise ParseError(f"it crops all of an image of shape {x.shape}.")
    return b.pick(x, Selection((top, left), (1, 1), np.arange(channels)), wanted, name=name)

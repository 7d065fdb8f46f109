"""Convolutions: plain, grouped, depthwise and transposed, on sequences and images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from snn_core.errors import ParseError
from snn_core.ir import Activation, Conv1D, Conv2D, Conv2DTranspose, DepthwiseConv2D, Linear
from snn_core.ir.shapes import transposed_output_size
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry, arrange_image
from snn_core.parsing.emit.views import View
from snn_core.reading import spend
from snn_core.typing import Array

LINEAR = Linear()


def convolve(
    b: Builder,
    name: str,
    x: View,
    weight: Array,
    bias_o: Array | None,
    geometry: Geometry,
    *,
    groups: int = 1,
    activation: Activation = LINEAR,
    split_depthwise: bool = False,
) -> View:
    """Emit a correlation of a sequence or an image.

    Parameters
    ----------
    weight
        Shape ``(*kernel, inputs per group, outputs)``.
    bias_o
        One value per output channel, or none.
    groups
        Number of groups of channels that do not mix.
    split_depthwise
        Whether an image with one channel per group gets a depthwise layer; for sources that have
        no such layer of their own.
    """
    *kernel, per_group, outputs = weight.shape
    x = arrange_image(b, name, x, len(kernel))
    channels = x.stored[-1]
    require_groups(groups, channels, outputs)
    if per_group * groups != channels:
        raise _misfit_error(weight, groups, channels)
    if split_depthwise and len(kernel) == 2 and groups == channels > 1:
        weight_hwcm = weight.reshape(*kernel, channels, -1)
        return convolve_depthwise(b, name, x, weight_hwcm, bias_o, geometry, activation=activation)
    stored = (*geometry.output_sizes(x, kernel), outputs)
    layer, key = (Conv1D, "weight_wio") if len(kernel) == 1 else (Conv2D, "weight_hwio")
    fields = {key: weight, "bias_o": fill_bias(bias_o, outputs), **geometry.fields()}
    return b.add(layer, name, x, stored, groups=groups, activation=activation, **fields)


def convolve_depthwise(
    b: Builder,
    name: str,
    x: View,
    weight: Array,
    bias_o: Array | None,
    geometry: Geometry,
    *,
    activation: Activation = LINEAR,
) -> View:
    """Emit a correlation of each channel of a sequence or an image alone.

    Parameters
    ----------
    weight
        Shape ``(*kernel, channels, outputs per channel)``.
    """
    *kernel, channels, multiplier = weight.shape
    outputs = channels * multiplier
    if len(kernel) == 1:
        # One group per channel: output channel c * m + k, as the kernel's axes already lie.
        weight = weight.reshape(*kernel, 1, outputs)
        return convolve(
            b, name, x, weight, bias_o, geometry, groups=channels, activation=activation
        )
    x = arrange_image(b, name, x, len(kernel))
    stored = (*geometry.output_sizes(x, kernel), outputs)
    bias_o = fill_bias(bias_o, outputs)
    return b.add(
        DepthwiseConv2D, name, x, stored,
        weight_hwcm=weight, bias_o=bias_o, activation=activation, **geometry.fields(),
    )  # fmt: skip


def convolve_transposed(
    b: Builder,
    name: str,
    x: View,
    weight: Array,
    bias_o: Array | None,
    geometry: Geometry,
    *,
    output_padding: Sequence[int | None],
    groups: int = 1,
    activation: Activation = LINEAR,
) -> View:
    """Emit a transposed convolution; a sequence runs as an image of one row.

    Parameters
    ----------
    weight
        Shape ``(*kernel, outputs per group, inputs)``.
    geometry
        Its padding is cut from the full output.
    output_padding
        Cells that are added at the end of each image axis; ``None`` where the padding decides.
    """
    *kernel, per_group, inputs = weight.shape
    x = arrange_image(b, name, x, len(kernel))
    if inputs != x.stored[-1] or groups < 1 or inputs % groups:
        raise _misfit_error(weight, groups, x.stored[-1])
    if len(kernel) == 1:
        return b.add_on_sequence(
            name,
            x,
            lambda image, rows: convolve_transposed(
                b, rows, image, weight[None], bias_o, geometry.on_rows(),
                output_padding=[None, *output_padding], groups=groups, activation=activation,
            ),
        )  # fmt: skip
    fields = geometry.fields()
    if not isinstance(geometry.padding, str):
        # What is added at the end is cut less there.
        crops = [
            (before, after - (more or 0))
            for (before, after), more in zip(geometry.padding, output_padding, strict=True)
        ]
        geometry, output_padding = geometry.with_padding(crops), [None, None]
        fields["padding"] = tuple(geometry.along(i)["padding"] for i in range(2))
    rows, columns = (
        transposed_output_size(x.stored[i], kernel=kernel[i], output_padding=more,
                               **geometry.along(i))
        for i, more in enumerate(output_padding)
    )  # fmt: skip
    outputs = per_group * groups
    return b.add(
        Conv2DTranspose,
        name,
        x,
        (rows, columns, outputs),
        weight_hwoi=_ungroup(weight, groups),
        bias_o=fill_bias(bias_o, outputs),
        activation=activation,
        **fields,
    )


def _ungroup(weight_hwoi: Array, groups: int) -> Array:
    """Return the weights of all channel pairs, which are 0 between groups."""
    if groups == 1:
        return weight_hwoi
    *kernel, per_group, inputs = weight_hwoi.shape
    shape = (*kernel, per_group * groups, inputs)
    spend(weight_hwoi.itemsize * math.prod(shape), "The weights of all groups")
    full = np.zeros(shape, weight_hwoi.dtype)
    for group in range(groups):
        i = slice(group * inputs // groups, (group + 1) * inputs // groups)
        o = slice(group * per_group, (group + 1) * per_group)
        full[..., o, i] = weight_hwoi[..., i]
    return full


def require_groups(groups: int, channels: int, outputs: int) -> None:
    """Raise a `ParseError` unless channels and outputs of a convolution fill its groups."""
    if groups < 1 or outputs < 1 or channels % groups or outputs % groups:
        raise ParseError(
            f"it has {groups} group(s) for {channels} channels and {outputs} filters; both must be "
            f"multiples of the groups."
        )


def _misfit_error(weight: Array, groups: int, channels: int) -> ParseError:
    return ParseError(
        f"its weights have the shape {weight.shape} in {groups} group(s); it reads {channels} "
        f"channels."
    )


def fill_bias(bias_o: Array | None, outputs: int) -> Array:
    """Return the bias, or zeros where there is none."""
    if bias_o is None:
        return np.zeros(outputs, np.float32)
    if bias_o.shape != (outputs,):
        raise ParseError(f"its bias has the shape {bias_o.shape}; expected ({outputs},).")
    return bias_o

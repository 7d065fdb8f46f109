"""Layers of the intermediate representation: frozen, channels last, no batch axis.

Three families:

* layers that only rearrange values (`Input`, `Flatten`, `Reshape`, `ZeroPadding2D`, `Concatenate`);
* `Spiking` layers, which may have integrate-and-fire neurons: the `Weighted` ones, pooling,
  up-sampling and addition. One whose activation is `Linear` has no neurons and relays its sum,
  unless it is the network's output;
* the source dialect (`BatchNormalization`, `ActivationLayer`, `Dropout`, `GlobalAveragePooling2D`),
  which parsers may emit and the structural passes remove.

Arrays are float32 and read-only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
from pydantic import Field

from snn_core.errors import ParseError
from snn_core.ir.activations import Activation, Linear, ReLU
from snn_core.ir.layer import Cells, Layer, one_of
from snn_core.typing import Array, Float32

Axis: TypeAlias = Annotated[int, Field(ge=0)]
Room: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
Crop: TypeAlias = Annotated[int, Field(gt=-(2**31), lt=2**31)]
"""Cells before or after others; at the end, transposed convolutions may crop fewer than none."""

Padding1D: TypeAlias = Annotated[str, one_of("valid", "same", "causal")] | tuple[Room, Room]
Padding2D: TypeAlias = (
    Annotated[str, one_of("valid", "same")] | tuple[tuple[Room, Room], tuple[Room, Room]]
)
"""``"valid"``, ``"same"`` (as Keras pads) or explicit ``((top, bottom), (left, right))``."""
Cropping2D: TypeAlias = (
    Annotated[str, one_of("valid", "same")] | tuple[tuple[Room, Crop], tuple[Room, Crop]]
)

MAX_POOL_METHODS = ("fir_max", "avg_max", "exp_max", "pre_spike_max")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Input(Layer):
    """The one entry of a network; holds no neurons."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Flatten(Layer):
    """Row-major (channels last) flattening."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reshape(Layer):
    """Row-major reshape to ``output_shape``."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ZeroPadding2D(Layer):
    """Zeros around an image.

    Parameters
    ----------
    padding
        ``((top, bottom), (left, right))`` in pixels.
    """

    padding: tuple[tuple[Room, Room], tuple[Room, Room]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Concatenate(Layer):
    """Concatenation of all inbound layers along one axis.

    Parameters
    ----------
    axis
        Axis of ``output_shape`` (no batch axis), not negative.
    """

    axis: Axis


REARRANGING = (Flatten, Reshape, ZeroPadding2D, Concatenate)
"""Layers whose every output cell is a copy of one input cell, or 0."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spiking(Layer):
    """A layer that may hold integrate-and-fire neurons.

    Parameters
    ----------
    activation
        What the firing rate realises; `Linear` means that the layer has no neurons (a relay).
    threshold
        Firing threshold, shape ``()`` or ``(channels,)``.
    v_init
        Membrane potential before the first step, in units of the threshold, shape ``()`` or
        ``(channels,)``.
    bias_t_c
        Extra bias per ms of each step, from the first on, and channel (or of one for all);
        ``None`` for none. Nothing is added after its last step. Calibration corrects the errors of
        single steps with it; the analog network does not have it, nor does a relay.
    """

    activation: Activation = field(default_factory=ReLU)
    threshold: Float32[Array, "*c"] = field(default_factory=lambda: np.float32(1))  # type: ignore[arg-type,return-value]
    v_init: Float32[Array, "*c"] = field(default_factory=lambda: np.float32(0))  # type: ignore[arg-type,return-value]
    bias_t_c: Float32[Array, "t c"] | None = None

    def __post_init__(self) -> None:
        Layer.__post_init__(self)  # `super()` does not know classes with slots
        if self.bias_t_c is not None:
            channels = self.output_shape[-1]
            if self.bias_t_c.ndim != 2 or self.bias_t_c.shape[1] not in (1, channels):
                also = f" or (steps, {channels})" if channels > 1 else ""
                raise ParseError(
                    f"Layer {self.name!r} has a bias of shape {self.bias_t_c.shape} for single "
                    f"steps; expected (steps, 1){also}."
                )
            if not np.isfinite(self.bias_t_c).all():
                raise ParseError(
                    f"Layer {self.name!r} has a bias for single steps that is infinite or not a "
                    f"number; calibrate it again."
                )

    def bias_of_step(self, index: int) -> Float32[Array, "c"] | None:
        """Return the extra bias per ms of step ``index`` = 0, 1, ..., or ``None``."""
        if self.bias_t_c is None or index >= len(self.bias_t_c):
            return None
        bias_c: Array = self.bias_t_c[index]
        return bias_c


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Weighted(Spiking):
    """A layer with a weight array and a bias per output channel.

    Parameters
    ----------
    bias_o
        Bias per output channel (zeros where the source has none).
    """

    bias_o: Float32[Array, "o"]
    activation: Activation = field(default_factory=Linear)

    weight_name: ClassVar[str]

    @property
    def weight(self) -> Array:
        """The weight array, whatever its axes are called."""
        value: Array = getattr(self, self.weight_name)
        return value


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dense(Weighted):
    """Fully connected layer on the last axis of its input."""

    weight_io: Float32[Array, "i o"]

    weight_name: ClassVar[str] = "weight_io"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Conv1D(Weighted):
    """1-D correlation.

    Parameters
    ----------
    weight_wio
        Kernel; the input axis holds the channels of one group.
    padding
        ``"valid"``, ``"same"``, ``"causal"`` or explicit ``(before, after)``.
    """

    weight_wio: Float32[Array, "w i o"]
    strides: Cells = 1
    padding: Padding1D = "valid"
    dilation: Cells = 1
    groups: Cells = 1

    weight_name: ClassVar[str] = "weight_wio"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Conv2D(Weighted):
    """2-D correlation; the kernel's input axis holds the channels of one group."""

    weight_hwio: Float32[Array, "h w i o"]
    strides: tuple[Cells, Cells] = (1, 1)
    padding: Padding2D = "valid"
    dilation: tuple[Cells, Cells] = (1, 1)
    groups: Cells = 1

    weight_name: ClassVar[str] = "weight_hwio"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DepthwiseConv2D(Weighted):
    """Correlation of each channel with its own ``m`` kernels; output channel ``c * m + k``."""

    weight_hwcm: Float32[Array, "h w c m"]
    strides: tuple[Cells, Cells] = (1, 1)
    padding: Padding2D = "valid"
    dilation: tuple[Cells, Cells] = (1, 1)

    weight_name: ClassVar[str] = "weight_hwcm"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Conv2DTranspose(Weighted):
    """Transposed convolution: the gradient of `Conv2D` with the same geometry.

    The kernel's axes follow Keras: output channels before input channels. The output size is part
    of ``output_shape``; it settles which of the possible sizes is meant.
    """

    weight_hwoi: Float32[Array, "h w o i"]
    strides: tuple[Cells, Cells] = (1, 1)
    padding: Cropping2D = "valid"
    dilation: tuple[Cells, Cells] = (1, 1)

    weight_name: ClassVar[str] = "weight_hwoi"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class UpSampling2D(Spiking):
    """Nearest-neighbour repetition of rows and columns.

    ``weight_c`` scales each channel (1 before normalization).
    """

    size: tuple[Cells, Cells]
    weight_c: Float32[Array, "*c"] = field(default_factory=lambda: np.float32(1))  # type: ignore[arg-type,return-value]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AveragePooling2D(Spiking):
    """Mean over windows; cells outside the image do not count.

    ``weight_c`` scales each channel (1 before normalization). A window without cells inside has 0.
    """

    pool_size: tuple[Cells, Cells]
    strides: tuple[Cells, Cells]
    padding: Padding2D = "valid"
    weight_c: Float32[Array, "*c"] = field(default_factory=lambda: np.float32(1))  # type: ignore[arg-type,return-value]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MaxPooling2D(Spiking):
    """Maximum over windows, or minimum in some channels; cells outside the image do not count.

    A window without cells inside has 0.

    Parameters
    ----------
    sign_c
        1 for channels that take the maximum, -1 for those that take the minimum; ``None`` for
        maxima everywhere.
    method
        How the spiking layer finds the maximum: ``fir_max``, ``avg_max`` and ``exp_max`` gate
        spikes by a running rate, ``pre_spike_max`` passes on the increments of the maximum of the
        accumulated inputs.
    """

    pool_size: tuple[Cells, Cells]
    strides: tuple[Cells, Cells]
    padding: Padding2D = "valid"
    method: Annotated[str, one_of(*MAX_POOL_METHODS)] = "fir_max"
    weight_c: Float32[Array, "*c"] = field(default_factory=lambda: np.float32(1))  # type: ignore[arg-type,return-value]
    sign_c: Float32[Array, "c"] | None = None

    def __post_init__(self) -> None:
        Spiking.__post_init__(self)
        if self.sign_c is not None and (
            self.sign_c.shape != self.output_shape[-1:] or not (np.abs(self.sign_c) == 1).all()
        ):
            raise ParseError(
                f"Layer {self.name!r} has signs {self.sign_c.tolist()}; expected 1 (maximum) or -1 "
                f"(minimum) for each of its {self.output_shape[-1]} channels."
            )

    def upright(self, x_l: Any) -> Any:
        """Return values whose largest ones win: those of channels with minima negated.

        Negating is its own inverse, so the result of a comparison is turned back by it, too.
        """
        return x_l if self.sign_c is None else x_l * self.sign_c


Windowed: TypeAlias = Conv2D | DepthwiseConv2D | AveragePooling2D | MaxPooling2D
"""Layers that move a window over an image, with ``strides`` and ``padding``."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Add(Spiking):
    """Sum of all inbound layers.

    ``weight_nc`` holds one row per inbound layer: its scale, per channel or one for all (1 before
    normalization).
    """

    weight_nc: Float32[Array, "n *c"]
    activation: Activation = field(default_factory=Linear)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BatchNormalization(Layer):
    """Source dialect: ``gain_c * x + offset_c`` along one axis (not negative, no batch axis)."""

    gain_c: Float32[Array, "c"]
    offset_c: Float32[Array, "c"]
    axis: Axis

    source_dialect: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ActivationLayer(Layer):
    """Source dialect: an activation as a layer of its own."""

    activation: Activation

    source_dialect: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dropout(Layer):
    """Source dialect: any layer that does nothing at inference (dropout, noise, regularisers)."""

    source_dialect: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GlobalAveragePooling2D(Layer):
    """Source dialect: the mean over both image axes.

    The output is ``(channels,)``, or ``(1, 1, channels)`` where the source keeps the axes.
    """

    source_dialect: ClassVar[bool] = True


KINDS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Input,
        Flatten,
        Reshape,
        ZeroPadding2D,
        Concatenate,
        Dense,
        Conv1D,
        Conv2D,
        DepthwiseConv2D,
        Conv2DTranspose,
        UpSampling2D,
        AveragePooling2D,
        MaxPooling2D,
        Add,
        BatchNormalization,
        ActivationLayer,
        Dropout,
        GlobalAveragePooling2D,
    )
}
"""Every concrete layer type by name; the vocabulary of the artifact."""

"""`LayerCall`: a call of a Keras layer with its input tensors, settings and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.ir import Activation
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry, arrange_image
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import source_axis
from snn_core.parsing.keras.activations import activation_of
from snn_core.parsing.keras.config import PRUNED_CLASSES, Fields, is_whole, read_numbers
from snn_core.parsing.keras.graph import Call
from snn_core.parsing.keras.weights import WeightStore
from snn_core.typing import Array, Shape


@dataclass(frozen=True, slots=True)
class LayerCall:
    """Call of a Keras layer: input tensors, settings and weights.

    Parameters
    ----------
    call
        The layer and its settings.
    inputs
        What it reads.
    weights
        Where its weights are.
    """

    call: Call
    inputs: Sequence[View]
    weights: WeightStore

    @property
    def name(self) -> str:
        """Name of the layers it becomes."""
        return self.call.name

    @property
    def kind(self) -> str:
        """Class name of the layer."""
        return self.call.kind

    @property
    def fields(self) -> Fields:
        """Settings of the layer."""
        return Fields(self.call.config)

    @property
    def rank(self) -> int:
        """Number of image axes, from the class name."""
        return 1 if "1D" in self.kind else 2

    @property
    def activation(self) -> Activation:
        """The activation that is part of a layer with weights."""
        return activation_of(self.call.config.get("activation"))

    def constant(self) -> tuple[Array, bool]:
        """Return the only constant, and whether it comes before the tensor.

        Raises
        ------
        UnsupportedError
            If there are several.
        """
        found = self.call.constants
        if len(found) != 1:
            raise UnsupportedError([f"it is called with {len(found)} constants; expected 1"])
        ((place, value),) = found.items()
        return read_numbers(value, "constant"), place == 0

    def tensor(self) -> View:
        """Return the only input."""
        if len(self.inputs) != 1:
            raise ParseError(f"it has {len(self.inputs)} inputs; expected 1.")
        return self.inputs[0]

    def image(self, b: Builder) -> View:
        """Return the only input, which must be a sequence or an image, as it is stored."""
        return arrange_image(b, self.name, self.tensor(), self.rank)

    def sequence(self) -> View:
        """Return the only input, which must be a sequence, as the source has it."""
        x = self.tensor()
        if x.rank != 2:
            raise ParseError(
                f"its input has the shape {x.shape}; expected 2 axes (without samples)."
            )
        return x

    def shift(self, axis: int) -> int:
        """Return an axis of the only input without that of the samples."""
        return source_axis(axis, self.tensor().rank)

    def sizes(self, key: str, default: int | tuple[int, ...] = 1) -> tuple[int, ...]:
        """Return a setting with one positive number per image axis."""
        return self.fields.sizes(key, self.rank, default)

    def require_built(self, channels: int) -> None:
        """Make sure that the file builds the variables of the layer for this input.

        Layers that several tensors go through are built for the first one; what all of them share
        is the size of one axis.

        Parameters
        ----------
        channels
            That axis of the only input, without that of the samples.

        Raises
        ------
        ParseError
            If it has another size there, or what the layer is built for is no shape.
        """
        x, built = self.tensor(), self.call.built
        sizes = built.get("input_shape") if isinstance(built, Mapping) else built
        if sizes is None:
            return
        place = channels + 1 if channels < x.rank - 1 else -1
        if not isinstance(sizes, (list, tuple)) or len(sizes) < max(2, place + 1):
            raise ParseError(f"it is built for inputs of the shape {brief(sizes)}; expected sizes.")
        if sizes[place] != x.shape[channels] or not is_whole(sizes[place]):
            raise ParseError(
                f"it is built for inputs of the shape {brief(sizes)}, but gets {x.shape} (without "
                f"samples): save the model again."
            )

    def geometry(self) -> Geometry:
        """Return strides, padding and dilations of a convolution."""
        return Geometry(self.sizes("strides"), self.padding(), self.sizes("dilation_rate"))

    def padding(self) -> str:
        """Return how a layer for images or sequences pads them: some can pad only what is past."""
        found = self.fields.text("padding", "valid")
        if found == "causal" and self.kind not in ("Conv1D", "SeparableConv1D"):
            raise ParseError("its padding is 'causal', which it cannot be; save the model again.")
        return found

    def read(self, **shapes: Shape) -> dict[str, Array]:
        """Return the weights of the given shapes, without a bias where the layer has none.

        The pruned layers of the package keras_rewiring, ``Sparse`` and the like, also hold a mask
        of their kernel, which is applied to it.
        """
        wanted = dict(shapes)
        kernel = next(iter(shapes))
        if "bias" in wanted and not self.fields.flag("use_bias", default=True):
            del wanted["bias"]
        if self.kind in PRUNED_CLASSES:
            wanted["mask"] = shapes[kernel]
        values = self.weights.read(self.call.location, wanted) if wanted else {}
        if "mask" in values:
            values[kernel] = values[kernel] * values.pop("mask")
        return values


Emitter: TypeAlias = Callable[[Builder, LayerCall], View]
"""A function that emits the layers of one call and returns its output."""

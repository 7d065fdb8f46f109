"""The growing network while a Keras model is read: tensors, axis order and emitted layers.

The intermediate representation is channels last. For a channels-first source every tensor of rank
two or more is stored with its first axis moved to the end; the value of a flattened tensor then
sits at another place, which `Tensor.order` remembers until a dense layer reorders its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Activation, Input, Layer, Reshape, Softmax
from snn_core.parsing.keras.activations import activation_of
from snn_core.parsing.keras.config import PRUNED_CLASSES, Fields
from snn_core.parsing.keras.graph import Call
from snn_core.parsing.keras.weights import WeightStore
from snn_core.typing import Array, Pair, Shape


@dataclass(frozen=True, slots=True)
class Tensor:
    """The output of an emitted layer.

    Parameters
    ----------
    name
        The layer.
    shape
        Its output shape, channels last.
    order
        For a flattened channels-first tensor: at which place of this tensor each place of the
        source's tensor is found. ``None`` where they agree.
    """

    name: str
    shape: Shape
    order: Array | None = None


@dataclass(slots=True)
class Builder:
    """Emits the layers of one source layer after the other."""

    weights: WeightStore
    channels_first: bool
    layers: list[Layer] = field(default_factory=list)

    def start(self, shape: Shape) -> Tensor:
        """Emit the input; ``shape`` is in the source's axis order."""
        shape = self.stored_shape(shape)
        self.layers.append(Input(name="input", output_shape=shape))
        return Tensor("input", shape)

    def stored_shape(self, shape: Shape) -> Shape:
        """Return the channels-last form of a source shape."""
        return (*shape[1:], shape[0]) if self.channels_first and len(shape) > 1 else shape

    def axis(self, axis: int, rank: int) -> int:
        """Return the stored axis of a source axis, which counts the sample axis.

        Raises
        ------
        UnsupportedError
            If there is no such axis or it is the sample axis.
        """
        place = (axis + rank + 1 if axis < 0 else axis) - 1
        if not 0 <= place < rank:
            raise UnsupportedError([f"axis {axis} is not an axis of a sample with {rank} axes"])
        return (place - 1) % rank if self.channels_first else place

    def add(
        self,
        layer: type[Layer],
        call: Call,
        inputs: Tensor | list[Tensor],
        shape: Shape,
        *,
        part: str = "",
        order: Array | None = None,
        **settings: Any,
    ) -> Tensor:
        """Emit a layer.

        Parameters
        ----------
        layer
            Its type.
        call
            The source layer, whose name it gets.
        inputs
            What it reads.
        shape
            Its output shape, channels last.
        part
            Appended to the name, where one source layer becomes several.
        order
            See `Tensor.order`.
        settings
            The other fields of the layer.
        """
        inputs = [inputs] if isinstance(inputs, Tensor) else inputs
        name = f"{call.name}/{part}" if part else call.name
        self.layers.append(
            layer(
                name=name,
                inputs=tuple(item.name for item in inputs),
                output_shape=shape,
                **settings,
            )
        )
        return Tensor(name, shape, order)

    def read(self, call: Call, **shapes: Shape) -> dict[str, Array]:
        """Return a layer's weights; without a bias among them, zeros stand for it.

        The pruned layers of the package keras_rewiring, ``Sparse`` and the like, also hold a mask
        of their kernel, which is applied to it.
        """
        wanted = {name: shape for name, shape in shapes.items() if name != "bias"}
        kernel = next(iter(shapes))
        masked = call.kind in PRUNED_CLASSES
        if "bias" in shapes and Fields(call.config).flag("use_bias", default=True):
            wanted["bias"] = shapes["bias"]
        if masked:
            wanted["mask"] = shapes[kernel]
        values = self.weights.read(call.location, wanted) if wanted else {}
        if masked:
            values[kernel] = values[kernel] * values.pop("mask")
        if "bias" in shapes:
            values.setdefault("bias", np.zeros(shapes["bias"], np.float32))
        return values

    def activation(self, call: Call, rank: int) -> Activation:
        """Return the activation that is part of a weighted layer with ``rank`` output axes."""
        found = activation_of(call.config.get("activation"))
        if isinstance(found, Softmax) and self.channels_first and rank > 1:
            raise UnsupportedError(["softmax along an image axis is not supported"])
        return found

    def as_image(self, call: Call, tensor: Tensor) -> Tensor:
        """Emit a reshape of a sequence to an image of one row."""
        return self.add(Reshape, call, tensor, (1, *tensor.shape), part="image")


Emitter: TypeAlias = Callable[[Builder, Call, list[Tensor]], Tensor]
"""A function that emits the layers of one call and returns its output."""


def exactly(inputs: list[Tensor], number: int) -> list[Tensor]:
    """Return the inputs, or raise a `ParseError` unless there are ``number`` of them."""
    if len(inputs) != number:
        raise ParseError(f"it has {len(inputs)} inputs; expected {number}.")
    return inputs


def two_axes(sizes: tuple[int, ...]) -> Pair:
    """Return rows and columns; a sequence is an image of one row."""
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def require_rank(tensor: Tensor, rank: int) -> None:
    """Raise a `ParseError` unless a tensor has ``rank`` axes."""
    if len(tensor.shape) != rank:
        raise ParseError(
            f"its input has the shape {tensor.shape}; expected {rank} axes (without samples)."
        )


def require_plain_order(tensor: Tensor) -> None:
    """Raise an `UnsupportedError` for a flattened channels-first tensor."""
    if tensor.order is not None:
        reason = (
            "it reads a flattened channels_first tensor, which only Dense layers can; rebuild the "
            "model with data_format='channels_last'"
        )
        raise UnsupportedError([reason])

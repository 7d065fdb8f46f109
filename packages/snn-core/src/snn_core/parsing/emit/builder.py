"""`Builder`: emits the layers of a network and arranges the tensors that they read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import (
    Conv2D,
    DepthwiseConv2D,
    Flatten,
    Input,
    Layer,
    Linear,
    Reshape,
    UpSampling2D,
)
from snn_core.ir.shapes import count
from snn_core.parsing.emit.views import CHANNELS_LAST, Selection, View
from snn_core.reading import MOST_AXES, spend
from snn_core.typing import Array, Shape

MAX_PICKS = 2**28
"""Largest number of weights of a layer that picks channels, so that small files stay small."""


@dataclass(slots=True)
class Builder:
    """Builder of a network: emits layers, and arranges the tensors that they read.

    Parameters
    ----------
    channels_first
        Whether the source's layers for images and sequences read channels from the first axis.
    takes_uint8
        Whether the source declares that its samples are 8-bit integers.
    """

    channels_first: bool
    takes_uint8: bool = False
    layers: list[Layer] = field(default_factory=list)
    _used: dict[str, int] = field(default_factory=dict)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Return the stored axis of each source axis, as the source's layers have them."""
        return (rank - 1, *range(rank - 1)) if self.channels_first else tuple(range(rank))

    def start(self, shape: Shape, *, channels_first: bool) -> View:
        """Emit the input.

        Parameters
        ----------
        shape
            Of one sample, in the source's axis order.
        channels_first
            Whether the first axis of the samples holds channels.

        Raises
        ------
        UnsupportedError
            If samples of a channels-first source have more than three axes.
        ParseError
            If they have no cells.
        """
        rank = len(shape)
        if self.channels_first and rank not in CHANNELS_LAST:
            raise UnsupportedError(
                [f"the input has {rank} axes per sample; vectors, sequences and images have 1 to 3"]
            )
        axes = CHANNELS_LAST[rank] if channels_first else tuple(range(rank))
        stored = tuple(shape[axis] for axis in np.argsort(axes))
        _require_cells(stored, "The model's input")
        self.layers.append(Input(name=self._unique("input"), output_shape=stored))
        return View("input", stored, axes)

    def add(
        self,
        layer: type[Layer],
        name: str,
        inputs: View | list[View],
        stored: Shape,
        *,
        axes: tuple[int, ...] | None = None,
        **settings: Any,
    ) -> View:
        """Emit a layer and return its output.

        Parameters
        ----------
        layer
            Its type.
        name
            Its name; a number makes it unique where it is taken.
        inputs
            What it reads, arranged as it is stored.
        stored
            Its output shape, channels last.
        axes
            The stored axis of each source axis; as the source's layers have them by default.
        settings
            The other fields of the layer.

        Raises
        ------
        ParseError
            If the layer has no neurons, or an array of it no numbers.
        """
        _require_cells(stored, f"the layer {name!r}")
        for key, value in settings.items():
            if isinstance(value, np.ndarray):
                _require_cells(value.shape, f"{key} of the layer {name!r}")
        inputs = [inputs] if isinstance(inputs, View) else inputs
        name = self._unique(name)
        self.layers.append(
            layer(
                name=name,
                inputs=tuple(view.name for view in inputs),
                output_shape=stored,
                **settings,
            )
        )
        return View(name, stored, self.axes(len(stored)) if axes is None else axes)

    def add_elementwise(self, layer: type[Layer], name: str, x: View, **settings: Any) -> View:
        """Emit a layer that treats all values alike; the result is viewed as its input was."""
        return x.on(self.add(layer, name, x, x.stored, **settings).name)

    def add_on_sequence(self, name: str, x: View, emit: Callable[[View, str], View]) -> View:
        """Emit a layer for images that reads a sequence, as an image of one row.

        Parameters
        ----------
        emit
            Emits the layer from the image and the name that the layer gets.
        """
        x = self.arrange(x, name=name)
        y = emit(self.add(Reshape, f"{name}/image", x, (1, *x.stored)), f"{name}/rows")
        return self.add(Reshape, name, y, y.stored[1:])

    def arrange(self, x: View, axes: tuple[int, ...] | None = None, *, name: str) -> View:
        """Return a tensor so that its layer holds it with the given stored axes.

        Emits a reshape where the values already lie in the right order, and a selecting
        convolution without neurons where rows, columns or channels are picked out of an image.

        Parameters
        ----------
        axes
            The stored axis of each source axis; as the source's layers have them by default.

        Raises
        ------
        UnsupportedError
            If the values would have to be reordered across axes.
        """
        axes = self.axes(x.rank) if axes is None else axes
        if x.axes == axes:
            return x
        order = x.places().transpose(np.argsort(axes))
        if order.size == count(x.stored) and (order.reshape(-1) == np.arange(order.size)).all():
            return self._reshape(x, order.shape, axes, name=name)
        selected = self._select(x, order, name=name)
        if selected is None:
            reason = (
                f"its input of shape {x.shape} is stored as {x.stored} (channels last) and would "
                f"have to be reordered across axes; keep images and flattened values apart"
            )
            raise UnsupportedError([reason])
        if selected.stored == order.shape:
            return View(selected.name, order.shape, axes)
        return self._reshape(selected, order.shape, axes, name=name)

    def _reshape(self, x: View, stored: Shape, axes: tuple[int, ...], *, name: str) -> View:
        if len(stored) == 1:
            return self.add(Flatten, f"{name}/flatten", x, stored, axes=axes)
        return self.add(Reshape, f"{name}/reshape", x, stored, axes=axes)

    def settle(self, x: View, *, name: str) -> View:
        """Return a tensor that is at most a transposition of what its layer holds."""
        if x.axes is not None:
            return x
        if x.rank not in CHANNELS_LAST:
            raise UnsupportedError([f"a tensor with {x.rank} axes per sample is not supported"])
        return self.arrange(x, name=name)

    def flatten(self, x: View, *, name: str) -> View:
        """Emit a flattening; the result is viewed in the order that the source flattens in."""
        flat = self.add(Flatten, name, x, (count(x.stored),))
        return flat.index(x.places().reshape(-1))

    def store_as_vector(self, x: View, *, name: str) -> View:
        """Return a tensor of one source axis that its layer holds as a vector, in any order."""
        return x if len(x.stored) == 1 else self.flatten(x, name=f"{name}/flatten")

    def reshape(self, x: View, shape: Shape, *, name: str) -> View:
        """Emit a reshape of values that the source and the network hold in one order."""
        x = self.arrange(x, tuple(range(x.rank)), name=name)
        return self.add(Reshape, name, x, shape, axes=tuple(range(len(shape))))

    def _select(self, x: View, order: Array, *, name: str) -> View | None:
        """Emit a relay that picks rows, columns and channels; ``order`` is what is wanted."""
        stored = (1,) * (3 - len(x.stored)) + x.stored
        wanted = (1,) * (3 - order.ndim) + order.shape
        if len(wanted) > 3 or len(stored) > 3:
            return None
        found = Selection.of(order.reshape(wanted), stored)
        if found is None or stored[-1] * wanted[-1] > MAX_PICKS:
            return None
        if found.repeats != (1, 1):
            down, across = found.repeats
            once = View(x.name, x.stored, None, order.reshape(wanted)).index(
                (slice(None, None, down), slice(None, None, across))
            )
            x = self.arrange(once, (0, 1, 2), name=name)
            settings: dict[str, Any] = {"size": found.repeats, "activation": Linear()}
            return self.add(UpSampling2D, f"{name}/repeat", x, wanted, **settings)
        if stored != x.stored:
            x = self.add(Reshape, f"{name}/image", x, stored)
        return self.pick(x, found, wanted, name=f"{name}/select")

    def pick(self, x: View, found: Selection, wanted: Shape, *, name: str) -> View:
        """Emit a relay that picks rows, columns and channels of a stored image.

        Parameters
        ----------
        found
            The rows, columns and channels, none of them repeated.
        wanted
            Height, width and channels of the result.
        """
        height, width, channels = x.stored
        kernel = tuple(
            1 if start == 0 and (size - 1) // step + 1 == number else size - (number - 1) * step
            for start, step, size, number in zip(
                found.starts, found.steps, (height, width), wanted, strict=False
            )
        )
        spend(4 * count((*kernel, channels, len(found.channels))), f"The weights of {name!r}")
        picks = np.zeros((*kernel, channels, len(found.channels)), np.float32)
        picks[found.starts][found.channels, np.arange(len(found.channels))] = 1
        settings: dict[str, Any] = {"strides": found.steps, "activation": Linear()}
        settings |= {"bias_o": np.zeros(wanted[-1], np.float32)}
        if np.array_equal(found.channels, np.arange(channels)):
            weight_hwcm = picks.sum(axis=-1, keepdims=True)
            return self.add(DepthwiseConv2D, name, x, wanted, weight_hwcm=weight_hwcm, **settings)
        return self.add(Conv2D, name, x, wanted, weight_hwio=picks, **settings)

    def _unique(self, name: str) -> str:
        while (used := self._used.get(name, 0)) > 0:
            self._used[name] = used + 1
            name = f"{name}#{used + 1}"
        self._used[name] = 1
        return name


def _require_cells(shape: Shape, what: str) -> None:
    """Make sure that no axis of what a layer consists of has a size of 0, and of their number."""
    if len(shape) > MOST_AXES:
        raise ParseError(
            f"{what} has {len(shape)} axes; expected at most {MOST_AXES}: export the model again."
        )
    if min(shape, default=1) < 1:
        raise ParseError(
            f"{what} has the shape {tuple(shape)}, which holds nothing; expected sizes of at "
            f"least 1: export the model again."
        )

"""The growing network while a channels-first model is read, and the arrangement of its tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from snn_core.errors import UnsupportedError
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
from snn_core.typing import Array, Shape


@dataclass(slots=True)
class Builder:
    """Emits layers one after the other."""

    layers: list[Layer] = field(default_factory=list)
    _used: dict[str, int] = field(default_factory=dict)

    def start(self, shape: Shape, *, channels_first: bool) -> View:
        """Emit the input.

        Parameters
        ----------
        shape
            Of one sample, in the source's axis order.
        channels_first
            Whether the channels are the source's first axis.

        Raises
        ------
        UnsupportedError
            If samples have more than three axes.
        """
        rank = len(shape)
        if rank not in CHANNELS_LAST:
            raise UnsupportedError(
                [f"the input has {rank} axes per sample; vectors, sequences and images have 1 to 3"]
            )
        axes = CHANNELS_LAST[rank] if channels_first else tuple(range(rank))
        stored = [0] * rank
        for axis, size in zip(axes, shape, strict=True):
            stored[axis] = size
        self.layers.append(Input(name=self._unique("input"), output_shape=tuple(stored)))
        return View("input", tuple(stored), axes)

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
            The stored axis of each source axis; channels first by default.
        settings
            The other fields of the layer.
        """
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
        return View(name, stored, CHANNELS_LAST[len(stored)] if axes is None else axes)

    def elementwise(self, layer: type[Layer], name: str, x: View, **settings: Any) -> View:
        """Emit a layer that treats all values alike; the result is viewed as its input was."""
        return x.on(self.add(layer, name, x, x.stored, **settings).name)

    def arranged(self, x: View, axes: tuple[int, ...], *, name: str) -> View:
        """Return a tensor so that its layer holds it with the given stored axes.

        Emits a reshape where the values already lie in the right order, and a selecting
        convolution without neurons where rows, columns or channels are picked out of an image.

        Raises
        ------
        UnsupportedError
            If the values would have to be reordered across axes.
        """
        if x.axes == axes:
            return x
        back = np.argsort(axes)
        order = x.places().transpose(back)
        if order.size == count(x.stored) and (order.reshape(-1) == np.arange(order.size)).all():
            return self._reshaped(x, order.shape, axes, name=name)
        selected = self._selected(x, order, name=name)
        if selected is None:
            reason = (
                f"its input of shape {x.shape} is stored as {x.stored} (channels last) and would "
                f"have to be reordered across axes; keep images and flattened values apart"
            )
            raise UnsupportedError([reason])
        if selected.stored == order.shape:
            return View(selected.name, order.shape, axes)
        return self._reshaped(selected, order.shape, axes, name=name)

    def _reshaped(self, x: View, stored: Shape, axes: tuple[int, ...], *, name: str) -> View:
        if len(stored) == 1:
            return self.add(Flatten, f"{name}/flatten", x, stored, axes=axes)
        return self.add(Reshape, f"{name}/reshape", x, stored, axes=axes)

    def image(self, x: View, *, name: str) -> View:
        """Return a tensor of three source axes as an image, stored channels last."""
        return self.arranged(x, CHANNELS_LAST[3], name=name)

    def flat(self, x: View, *, name: str) -> View:
        """Return a tensor of one source axis as a vector, in whatever order."""
        if len(x.stored) == 1:
            return x
        return self.add(Flatten, f"{name}/flatten", x, (count(x.stored),)).indexed(x.places())

    def vector(self, x: View, *, name: str) -> View:
        """Return a tensor of one source axis as a vector in the source's order."""
        return self.arranged(x, (0,), name=name)

    def canonical(self, x: View, *, name: str) -> View:
        """Return a tensor as its layers would hold it by themselves."""
        if x.axes is not None:
            return x
        if x.rank not in CHANNELS_LAST:
            raise UnsupportedError([f"a tensor with {x.rank} axes per sample is not supported"])
        return self.arranged(x, CHANNELS_LAST[x.rank], name=name)

    def _selected(self, x: View, order: Array, *, name: str) -> View | None:
        """Emit a relay that picks rows, columns and channels; ``order`` is what is wanted."""
        height, width, channels = stored = (1,) * (3 - len(x.stored)) + x.stored
        wanted = (1,) * (3 - order.ndim) + order.shape
        if len(wanted) > 3 or len(stored) > 3:
            return None
        found = Selection.of(order.reshape(wanted), stored)
        if found is None:
            return None
        if found.repeats != (1, 1):
            down, across = found.repeats
            once = View(x.name, x.stored, None, order.reshape(wanted)).indexed(
                (slice(None, None, down), slice(None, None, across))
            )
            x = self.arranged(once, (0, 1, 2), name=name)
            settings: dict[str, Any] = {"size": found.repeats, "activation": Linear()}
            return self.add(UpSampling2D, f"{name}/repeat", x, wanted, **settings)
        sizes = (height, width)
        kernel = tuple(
            1 if start == 0 and (size - 1) // step + 1 == number else size - (number - 1) * step
            for start, step, size, number in zip(
                found.starts, found.steps, sizes, wanted, strict=False
            )
        )
        if stored != x.stored:
            x = self.add(Reshape, f"{name}/image", x, stored)
        picks = np.zeros((*kernel, channels, len(found.channels)), np.float32)
        picks[found.starts][found.channels, np.arange(len(found.channels))] = 1
        settings = {"strides": found.steps, "activation": Linear()}
        if np.array_equal(found.channels, np.arange(channels)):
            settings |= {"weight_hwcm": picks.sum(axis=-1, keepdims=True)}
            settings |= {"bias_o": np.zeros(channels, np.float32)}
            return self.add(DepthwiseConv2D, f"{name}/select", x, wanted, **settings)
        settings |= {"weight_hwio": picks, "bias_o": np.zeros(wanted[-1], np.float32)}
        return self.add(Conv2D, f"{name}/select", x, wanted, **settings)

    def _unique(self, name: str) -> str:
        self._used[name] = self._used.get(name, 0) + 1
        return name if self._used[name] == 1 else self._unique(f"{name}#{self._used[name]}")

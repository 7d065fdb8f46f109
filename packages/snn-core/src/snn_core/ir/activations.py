"""Activation functions of the intermediate representation.

Only functions that a spiking neuron can express exactly exist here; parsers refuse all others by
name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from snn_core.typing import Array, Float

# Not tuple[float, ...]: of such, checks of annotations look at a random item, and reading a model
# must draw no random numbers.
PerChannel: TypeAlias = float | tuple[Any, ...]
"""One number, or one for each channel (the last axis)."""


def per_channel(values_c: Float[Array, "*c"] | float) -> PerChannel:
    """Return values as a parameter of an activation: one number if they all agree."""
    flat = np.asarray(values_c, np.float64).reshape(-1)
    return float(flat[0]) if (flat == flat[0]).all() else tuple(flat.tolist())


@dataclass(frozen=True, slots=True)
class Activation:
    """Base class: a function of the summed input of a neuron."""

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Apply the function; softmax works along the last axis."""
        raise TypeError(
            f"{type(self).__name__} is a base class; apply an activation derived from it"
        )

    @property
    def is_linear(self) -> bool:
        """Whether the function returns its input."""
        return False

    @property
    def upper_bound(self) -> Float[Array, "*c"] | None:
        """Largest value of an activation that can be clipped, one or one per channel, or none."""
        return None

    def rescale(self, scale_c: Float[Array, "*c"] | float) -> Activation:
        """Return ``f(scale x) / scale`` as an activation: the same for values in other units."""
        return self


@dataclass(frozen=True, slots=True)
class Linear(Activation):
    """Identity. Hidden layers with it are relays: they have no neurons of their own."""

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Return the input."""
        return x

    @property
    def is_linear(self) -> bool:
        """Whether the function returns its input: yes."""
        return True


@dataclass(frozen=True, slots=True)
class ReLU(Activation):
    """``min(max(x, 0), max_value)``: the rate of an integrate-and-fire neuron.

    Parameters
    ----------
    max_value
        Upper bound, in units of the activation, for all channels or for each; ``None`` for none.
    """

    max_value: PerChannel | None = None

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Clip the input below at 0 and above at ``max_value``."""
        y = np.maximum(x, 0)
        return y if self.max_value is None else np.minimum(y, np.asarray(self.max_value, y.dtype))

    @property
    def upper_bound(self) -> Float[Array, "*c"] | None:
        """The bound ``max_value``."""
        return None if self.max_value is None else np.asarray(self.max_value)

    def rescale(self, scale_c: Float[Array, "*c"] | float) -> ReLU:
        """Return the function for values in other units, which may differ by channel."""
        bound = self.upper_bound
        return self if bound is None else ReLU(max_value=per_channel(bound / scale_c))


@dataclass(frozen=True, slots=True)
class QuantizedReLU(Activation):
    """``clip(step round(x / step), 0, max_value)``: a staircase, as fixed-point hardware has it.

    Halves are rounded to even. In the fixed-point format Qm.f the step is ``2**-f`` and the largest
    value ``2**m - 2**-f``.

    Parameters
    ----------
    step
        Height of a stair, in units of the activation, for all channels or for each.
    max_value
        Upper bound, in the same units.
    """

    step: PerChannel
    max_value: PerChannel

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Round to a multiple of the step and clip."""
        step, bound = np.asarray(self.step, x.dtype), np.asarray(self.max_value, x.dtype)
        y: Array = np.clip(np.round(x / step) * step, 0, bound)
        return y

    @property
    def upper_bound(self) -> Float[Array, "*c"]:
        """The bound ``max_value``."""
        return np.asarray(self.max_value)

    def rescale(self, scale_c: Float[Array, "*c"] | float) -> QuantizedReLU:
        """Return the function for values in other units, which may differ by channel."""
        return replace(
            self,
            step=per_channel(np.asarray(self.step) / scale_c),
            max_value=per_channel(self.upper_bound / scale_c),
        )


@dataclass(frozen=True, slots=True)
class Softmax(Activation):
    """Softmax along the last axis; only an output layer may have it."""

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Return the class probabilities."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        y: Array = e / e.sum(axis=-1, keepdims=True)
        return y


@dataclass(frozen=True, slots=True)
class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``; only an output layer may have it, read by its potential."""

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Return a number between 0 and 1 per value."""
        e = np.exp(-np.abs(x))  # which cannot overflow
        y: Array = np.where(x >= 0, 1, e) / (1 + e)
        return y.astype(x.dtype)


@dataclass(frozen=True, slots=True)
class BinarySigmoid(Activation):
    """1 for positive inputs, else 0: a neuron that spikes while its drive is positive.

    The hard sigmoid rounded to 0 or 1 (Courbariaux et al. 2016, "Binarized neural networks",
    section 1.1).
    """

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Return 0 or 1 per value."""
        return (x > 0).astype(x.dtype)


@dataclass(frozen=True, slots=True)
class BinaryTanh(Activation):
    """The sign of the input: +1, -1, and 0 at 0 (Courbariaux et al. 2016, section 1.1)."""

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Return -1, 0 or +1 per value."""
        return np.sign(x)


KINDS: dict[str, type[Activation]] = {
    kind.__name__: kind
    for kind in (Linear, ReLU, QuantizedReLU, Softmax, Sigmoid, BinarySigmoid, BinaryTanh)
}

OUTPUT_ONLY = (Softmax, Sigmoid)
"""Activations without neurons of their own: what the potentials of an output are turned into."""

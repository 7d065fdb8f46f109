"""Activation functions of the intermediate representation.

Only functions that a spiking neuron can express exactly exist here; parsers refuse all others by
name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snn_core.typing import Array, Float


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

    def rescale(self, scale: float) -> Activation:
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
        Upper bound, in units of the activation; ``None`` for none.
    """

    max_value: float | None = None

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Clip the input below at 0 and above at ``max_value``."""
        y = np.maximum(x, 0)
        return y if self.max_value is None else np.minimum(y, np.asarray(self.max_value, y.dtype))

    def rescale(self, scale: float) -> ReLU:
        """Return the function for values in other units."""
        return self if self.max_value is None else ReLU(max_value=self.max_value / scale)


@dataclass(frozen=True, slots=True)
class QuantizedReLU(Activation):
    """``clip(step round(x / step), 0, max_value)``: a staircase, as fixed-point hardware has it.

    Halves are rounded to even. In the fixed-point format Qm.f the step is ``2**-f`` and the largest
    value ``2**m - 2**-f``.

    Parameters
    ----------
    step
        Height of a stair, in units of the activation.
    max_value
        Upper bound, in the same units.
    """

    step: float
    max_value: float

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Round to a multiple of the step and clip."""
        step, bound = np.asarray(self.step, x.dtype), np.asarray(self.max_value, x.dtype)
        y: Array = np.clip(np.round(x / step) * step, 0, bound)
        return y

    def rescale(self, scale: float) -> QuantizedReLU:
        """Return the function for values in other units."""
        return replace(self, step=self.step / scale, max_value=self.max_value / scale)


@dataclass(frozen=True, slots=True)
class Softmax(Activation):
    """Softmax along the last axis; only an output layer may have it."""

    def __call__(self, x: Float[Array, "*a"]) -> Float[Array, "*a"]:
        """Return the class probabilities."""
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        y: Array = e / e.sum(axis=-1, keepdims=True)
        return y


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
    for kind in (Linear, ReLU, QuantizedReLU, Softmax, BinarySigmoid, BinaryTanh)
}

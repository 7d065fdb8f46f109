"""Rate code: integrate-and-fire neurons whose mean spike rate stands for an activation.

Rueckauer et al., "Conversion of continuous-valued deep networks to efficient event-driven networks
for image classification", Frontiers in Neuroscience 2017, section 2.1. The arithmetic is that of
`snn_core.neurons.arithmetic`, operation by operation, so spikes equal those of the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from snn_core.ir import Spiking
from snn_core.neurons.arithmetic import initial_potential
from snn_inisim.typing import Tensor

Advanced: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]
"""Potentials after the last step, spikes, number of spikes, potentials after each step."""

Scanned: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""State after the last step, what each step returned, states after each step."""

Step: TypeAlias = Callable[[Any, Tensor], tuple[Tensor, Tensor]]
"""Index of a step and potentials before it to potentials after it and spikes."""

UNROLLED = 5
"""Number of steps up to which the loop is unrolled.

XLA computes a few unrolled steps in one pass with several threads, in half the time of its loop;
beyond that the passes do not fit together. A chunk is that short when the batch is large.
"""


class IntegrateAndFire:
    """The neurons of one layer.

    Parameters
    ----------
    layer
        Its threshold, initial potential and shape.
    reset
        ``"subtraction"``, ``"zero"`` or ``"modulo"``; see
        `snn_core.neurons.arithmetic.reset_potential`.
    jit
        Compile the loop over the steps with XLA.
    """

    def __init__(self, layer: Spiking, *, reset: str, jit: bool) -> None:
        self._layer = layer
        self._reset = reset
        self._threshold_l = np.array(np.broadcast_to(layer.threshold, layer.output_shape))
        scan: Callable[..., Scanned] = self._scan
        self._compiled = tf.function(scan, jit_compile=True, autograph=False) if jit else scan

    def start(self, batch_size: int) -> Tensor:
        """Return the potentials before the first step."""
        return tf.constant(initial_potential(self._layer, batch_size))

    def step(self, v_b_l: Tensor, drive_b_l: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one step; return the new potentials and the spikes (float32)."""
        v_b_l = v_b_l + drive_b_l
        fired = v_b_l >= self._threshold_l
        return tf.where(fired, self._after_spike(v_b_l), v_b_l), tf.cast(fired, tf.float32)

    def _after_spike(self, v_b_l: Tensor) -> Tensor:
        # The result of a subtraction is selected rather than multiplied by the spike: a compiler
        # could fuse a product into the sum and round differently.
        if self._reset == "zero":
            return tf.zeros_like(v_b_l)
        if self._reset == "modulo":
            return tf.truncatemod(v_b_l, self._threshold_l)
        return v_b_l - self._threshold_l

    def advance(
        self, v_b_l: Tensor, drive_t_b_l: Tensor, *, num_steps: int, keep_potentials: bool
    ) -> Advanced:
        """Advance several steps.

        Parameters
        ----------
        v_b_l
            Potentials before the first of the steps.
        drive_t_b_l
            Summed input of each step; without the time axis if it is the same in all steps.
        num_steps
            Number of steps.
        keep_potentials
            Whether to return the potentials after each step; an empty tensor otherwise.
        """
        v_b_l, spikes_t_b_l, potentials_t_b_l = self._compiled(
            v_b_l, drive_t_b_l, num_steps=num_steps, keep_potentials=keep_potentials
        )
        return v_b_l, spikes_t_b_l, _count(spikes_t_b_l), potentials_t_b_l

    def _scan(
        self, v_b_l: Tensor, drive_t_b_l: Tensor, *, num_steps: int, keep_potentials: bool
    ) -> Scanned:
        varies = len(drive_t_b_l.shape) > len(v_b_l.shape)

        def step(t: Any, v: Tensor) -> tuple[Tensor, Tensor]:
            return self.step(v, drive_t_b_l[t] if varies else drive_t_b_l)

        return through_steps(step, v_b_l, num_steps, keep_potentials=keep_potentials)


def _count(spikes_t_b_l: Tensor) -> Tensor:
    """Return the number of spikes of each neuron.

    A product of matrices is exact, as the numbers are small, and takes half the time of a sum over
    the first axis, or of counting in the loop over the steps.
    """
    steps, *shape = spikes_t_b_l.shape
    ones = tf.ones((1, steps))
    return tf.reshape(ones @ tf.reshape(spikes_t_b_l, (steps, -1)), shape)


def through_steps(
    step: Step, v_b_l: Tensor, num_steps: int, *, keep_potentials: bool = False
) -> Scanned:
    """Go through several steps in order, collecting what each returns.

    Parameters
    ----------
    step
        What happens in a step.
    v_b_l
        State before the first step.
    num_steps
        Number of steps.
    keep_potentials
        Whether to return the state after each step; an empty tensor otherwise.
    """
    go = _unroll if num_steps <= UNROLLED else _loop
    return go(step, v_b_l, num_steps, keep_potentials=keep_potentials)


def _unroll(step: Step, v_b_l: Tensor, num_steps: int, *, keep_potentials: bool) -> Scanned:
    spikes_t, potentials_t = [], []
    for t in range(num_steps):
        v_b_l, spikes_b_l = step(t, v_b_l)
        spikes_t.append(spikes_b_l)
        potentials_t.append(v_b_l)
    kept = tf.stack(potentials_t) if keep_potentials else tf.zeros((0, *v_b_l.shape))
    return v_b_l, tf.stack(spikes_t), kept


def _loop(step: Step, v_b_l: Tensor, num_steps: int, *, keep_potentials: bool) -> Scanned:
    shape = v_b_l.shape
    spikes_t = tf.TensorArray(tf.float32, num_steps, element_shape=shape)
    kept = tf.TensorArray(tf.float32, num_steps if keep_potentials else 0, element_shape=shape)

    def body(t: Tensor, v: Tensor, spikes_t: Any, kept: Any) -> Any:
        v, spikes_b_l = step(t, v)
        kept = kept.write(t, v) if keep_potentials else kept
        return t + 1, v, spikes_t.write(t, spikes_b_l), kept

    start = (tf.constant(0), v_b_l, spikes_t, kept)
    _, v_b_l, spikes_t, kept = tf.while_loop(
        lambda t, *_: t < num_steps, body, start, maximum_iterations=num_steps
    )
    return v_b_l, spikes_t.stack(), kept.stack()


class Accumulator(IntegrateAndFire):
    """Neurons that integrate and never spike: an output whose potentials decide."""

    def step(self, v_b_l: Tensor, drive_b_l: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one step; return the new potentials and zeros."""
        v_b_l = v_b_l + drive_b_l
        return v_b_l, tf.zeros_like(v_b_l)

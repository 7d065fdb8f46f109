"""Time to first spike with corrective spikes: a neuron that fired too early takes it back.

Rueckauer and Liu, ISCAS 2018. The potential is never reset. Crossing the threshold upwards sends a
spike, which switches the neuron's current on; crossing it downwards sends a negative one, which
switches it off again.
"""

from __future__ import annotations

import tensorflow as tf

from snn_inisim.codes.temporal_mean_rate import Tensor
from snn_inisim.codes.ttfs import FirstSpike


class Corrective(FirstSpike):
    """A network whose neurons may withdraw their spikes."""

    def fire(self, name: str, state: dict[str, Tensor], drive: Tensor) -> dict[str, Tensor]:
        """Return the state of a population after a step."""
        v = state["v"] + drive + self._ramp[name]
        on = tf.cast(v >= self._threshold[name], tf.float32)
        return {"v": v, "on": on, "spikes": on - state["on"]}

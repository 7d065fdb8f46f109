"""Time to first spike with corrective spikes: a neuron that fired too early takes it back.

Rueckauer and Liu, ISCAS 2018. The potential is never reset. Crossing the threshold upwards sends a
spike, which switches the neuron's current on; crossing it downwards sends a negative one, which
switches it off again.
"""

from __future__ import annotations

import numpy as np

from snn_core.simulation.codes.ttfs import FirstSpike, State
from snn_core.typing import Array


class Corrective(FirstSpike):
    """A network whose neurons may withdraw their spikes."""

    def fire(self, name: str, state: State, drive: Array) -> State:
        """Return the state of a population after a step."""
        v = state["v"] + drive + self._ramp[name]
        counted, bound = self.within_bound(name, state, v)
        on = (counted >= self._threshold[name]).astype(np.float32)
        return {"v": v, "on": on, "spikes": on - state["on"], **bound}

"""PyNN's projections on NEURON, with one mechanism for the synapses of each.

NEURON makes connections one by one and sends a spike through its queue once for each. Here a spike
of a source is one event, which ``fan_out.mod`` hands on to all targets from arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyNN.neuron as sim
from neuron import h
from pyNN.connectors import Connector
from pyNN.neuron import projections as of_pynn

from snn_core.typing import Array


class Synapse:
    """A synapse as PyNN's projections expect it, made when it is asked for."""

    def __init__(self, projection: Projection, number: int) -> None:
        self._projection, self._number = projection, number
        self.presynaptic_index = int(projection.pre_s[number])
        self.postsynaptic_index = int(projection.post_s[number])

    @property
    def weight(self) -> float:
        """Weight."""
        return float(self._projection.weights[self._number])

    @weight.setter
    def weight(self, value: float) -> None:
        self._projection.weights[self._number] = value

    @property
    def delay(self) -> float:
        """Delay in ms; all synapses of a source have the same."""
        return float(self._projection.net_cons[self.presynaptic_index].delay)

    def as_tuple(self, *names: str) -> tuple[float, ...]:
        """Return some attributes."""
        return tuple(getattr(self, name) for name in names)


class Projection(sim.Projection):
    """A projection whose synapses are arrays.

    Attributes
    ----------
    pre_s, post_s
        Source and target of each synapse, in the order of the sources.
    weights
        Weights of the synapses, as a vector of NEURON; changing it changes the synapses.
    net_cons
        NEURON's connection from each source that has synapses to the mechanism with all of them.
    """

    pre_s: Array
    post_s: Array
    weights: Any
    net_cons: dict[int, Any]

    @property
    def connections(self) -> Iterator[Synapse]:
        """All synapses."""
        return (Synapse(self, number) for number in range(len(self)))

    def __len__(self) -> int:
        """Return the number of synapses."""
        return len(self.pre_s)

    def _set_attributes(self, parameter_space: Any) -> None:
        # Called by PyNN's `set`.
        parameter_space.evaluate()
        for name, value in parameter_space.items():
            value_pre_post = np.broadcast_to(value, self.shape)
            for synapse in self.connections:
                index = synapse.presynaptic_index, synapse.postsynaptic_index
                setattr(synapse, name, value_pre_post[index])

    def connect(self, pre: Array, post: Array, weight: Array, delay_ms: float) -> None:
        """Make all synapses.

        Parameters
        ----------
        pre, post, weight
            Source, target and weight of each synapse.
        delay_ms
            Delay of all synapses.
        """
        order = np.argsort(pre, kind="stable")
        self.pre_s, self.post_s = pre[order], post[order]
        self.weights = h.Vector(weight[order])
        starts = np.searchsorted(self.pre_s, np.arange(self.pre.size + 1))
        self._fan_out = h.SnnFanOut()
        for cell in self.post.all_cells:
            self._fan_out.add_cell(getattr(cell._cell, self.receptor_type))
        self._fan_out.set_synapses(h.Vector(starts), h.Vector(self.post_s), self.weights)
        make = sim.simulator.state.parallel_context.gid_connect
        self.net_cons = {}
        for number in np.unique(self.pre_s).tolist():
            net_con = make(int(self.pre.all_cells[number]), self._fan_out)
            net_con.delay, net_con.weight[0] = delay_ms, number
            self.net_cons[number] = net_con


class TableConnector(Connector):
    """Connects cells from arrays.

    Parameters
    ----------
    pre, post, weight
        Source, target and weight of each synapse.
    delay_ms
        Delay of all synapses.
    """

    def __init__(self, pre: Array, post: Array, weight: Array, delay_ms: float) -> None:
        super().__init__(safe=False)
        self._synapses = pre, post, weight, delay_ms

    def connect(self, projection: Projection) -> None:
        """Make the synapses of a projection."""
        projection.connect(*self._synapses)


def forget_projections() -> None:
    """Let go of the projections of earlier networks, all of which PyNN keeps."""
    of_pynn._projections.clear()

"""PyNN's objects of NEST, made with few calls of NEST each.

PyNN asks NEST about each cell and connects each neuron apart, which takes most of the time in which
a network is built; ``NodeCollection.set`` asks each node whether it is local, which takes 20 times
as long as setting it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nest
import numpy as np
import pyNN.nest as sim
from pyNN.connectors import Connector
from pyNN.nest import simulator

from snn_core.typing import Array
from snn_pynn.nest import cells


class Cell(simulator.ID):
    """A cell's number, which finds its node when it is asked for."""

    @property
    def node_collection(self) -> Any:
        """NEST's node."""
        return nest.NodeCollection([int(self)])


class Population(sim.Population):
    """A population of neurons of one process.

    Parameters
    ----------
    threshold
        Threshold of each neuron.
    reset
        What a spike does to the potential.
    label
        Name of the population.
    """

    def __init__(self, threshold: Array, reset: str, label: str) -> None:
        self._threshold = threshold
        super().__init__(len(threshold), cells.integrate_and_fire(reset)(), label=label)

    def _create_cells(self) -> None:
        self.node_collection = nest.Create(self.celltype.nest_model, self.size)
        set_all(self.node_collection, **self.celltype.default_parameters)
        set_each(self.node_collection, "V_th", self._threshold)
        first = self.node_collection[0].global_id
        self._mask_local = np.ones(self.size, bool)
        # A class for all cells knows their population; telling each cell takes 10 us.
        kind = type("Cell", (Cell,), {"parent": self})
        self.all_cells = np.array([kind(first + number) for number in range(self.size)], object)

    def _set_initial_value_array(self, variable: str, value: Any) -> None:
        set_each(self.node_collection, variable, np.broadcast_to(value.evaluate(), self.size))


class TableConnector(Connector):
    """Connects cells from arrays, in one call of NEST; PyNN's own need one for each neuron.

    Parameters
    ----------
    pre, post, weight
        Source, target and weight of each synapse; the weight in NEST's unit.
    delay_ms
        Delay of all synapses.
    """

    def __init__(self, pre: Array, post: Array, weight: Array, delay_ms: float) -> None:
        super().__init__(safe=False)
        self._pre, self._post, self._weight, self._delay_ms = pre, post, weight, delay_ms

    def connect(self, projection: Any) -> None:
        """Make the synapses of a projection."""
        sources = int(projection.pre.first_id) + self._pre.astype(np.int64)
        targets = int(projection.post.first_id) + self._post.astype(np.int64)
        nest.Connect(
            sources,
            targets,
            "one_to_one",
            {
                "synapse_model": projection.nest_synapse_model,
                "synapse_label": projection.nest_synapse_label,
                "weight": self._weight,
                "delay": np.full(len(self._weight), self._delay_ms),
            },
        )
        projection._sources.update(np.unique(sources).tolist())
        sim.simulator.state.stale_connection_cache = True


def sort_synapses() -> None:
    """Have NEST sort its synapses now, rather than when it next simulates."""
    # PyNN would connect sources with their relays in the first run.
    for population in sim.simulator.state.populations:
        if population._deferred_parrot_connections:
            population._connect_parrot_neurons()
    nest.Prepare()
    nest.Cleanup()


class Synapses:
    """The weights of a projection's synapses, ordered by source and target.

    NEST knows a synapse by its place, and sorts all of them when it simulates after some were made:
    what was found before then are others afterwards. Here they are found again whenever their
    number has changed.

    Parameters
    ----------
    projection
        PyNN's projection.
    """

    def __init__(self, projection: Any) -> None:
        self._projection = projection
        self._synapses_in_all = -1

    def weights(self) -> Array:
        """Return the weight of each synapse."""
        self._find()
        weight_s: Array = np.array(self._found.weight, ndmin=1)[self._order_s]
        return weight_s

    def set_weights(self, weight_s: Array) -> None:
        """Set the weight of each synapse."""
        self._find()
        in_nests_order = np.empty_like(weight_s)
        in_nests_order[self._order_s] = weight_s
        set_each(self._found, "weight", in_nests_order)

    def _find(self) -> None:
        if self._synapses_in_all == nest.num_connections:
            return
        sort_synapses()
        # PyNN's `nest_connections` may be from before.
        self._found = nest.GetConnections(
            nest.NodeCollection(sorted(self._projection._sources)),
            synapse_label=self._projection.nest_synapse_label,
        )
        self._order_s = np.lexsort((list(self._found.targets()), list(self._found.sources())))
        self._synapses_in_all = nest.num_connections


class Drive:
    """A source that spikes in every step of a population, onto all of its neurons.

    Parameters
    ----------
    population
        PyNN's population.
    dt_ms
        Length of a step.
    """

    def __init__(self, population: Any, dt_ms: float) -> None:
        self._dt_ms, self._population = dt_ms, population
        self.source = sim.Population(1, sim.SpikeSourceArray(), label=f"{population.label}_drive")
        everyone = np.arange(population.size)
        self.projection = sim.Projection(
            self.source,
            population,
            TableConnector(np.zeros_like(everyone), everyone, np.zeros(population.size), dt_ms),
            cells.PlainSynapse(delay=dt_ms),
            label=f"{self.source.label}→{population.label}",
        )
        self._synapses = Synapses(self.projection)
        self._weight_l: Array | None = None

    def send(self, weight_l: Array, *, first_step: int, steps: int) -> None:
        """Send each neuron what it receives, in every step from the first one on.

        Parameters
        ----------
        weight_l
            What each neuron receives.
        first_step
            Stamp of the first step.
        steps
            Number of steps.
        """
        if self._weight_l is None or not np.array_equal(weight_l, self._weight_l):
            self._synapses.set_weights(weight_l)
            self._weight_l = weight_l
        # One step earlier through the synapse, and another one through the relay.
        times = (first_step - 2 + np.arange(steps)) * self._dt_ms
        set_all(self.source.node_collection_source, spike_times=times)


def holds(population: Any) -> bool:
    """Return whether NEST still holds a population."""
    return any(item is population for item in sim.simulator.state.populations)


def set_all(items: Any, **values: Any) -> None:
    """Give nodes or synapses the same values."""
    kernel = nest.ll_api.nestkernel
    if isinstance(items, nest.SynapseCollection):
        kernel.llapi_set_connection_status(items._datum, values)
    else:
        kernel.llapi_set_nc_status(items._datum, [values])


def set_each(items: Any, name: str, values: Sequence[Any] | Array) -> None:
    """Give each node or synapse a value of its own."""
    if isinstance(values, np.ndarray):
        if (values == values[0]).all():
            set_all(items, **{name: float(values[0])})
            return
        values = values.tolist()
    kernel = nest.ll_api.nestkernel
    is_synapses = isinstance(items, nest.SynapseCollection)
    setter = kernel.llapi_set_connection_status if is_synapses else kernel.llapi_set_nc_status
    setter(items._datum, [{name: value} for value in values])

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

SYNAPSE_MODEL = "static_synapse"
"""NEST's synapses between neurons."""

ANY_LABEL = -1
"""What NEST takes for no label when synapses are looked for."""


class Cell(simulator.ID):
    """A cell's number, which finds its node when it is asked for."""

    @property
    def node_collection(self) -> Any:
        """NEST's node."""
        return nest.NodeCollection([int(self)])


class Cells(sim.Population):
    """A population whose cells are made all at once."""

    def _create_cells(self) -> None:
        self.node_collection = nest.Create(self.celltype.nest_model, self.size)
        first = self.node_collection[0].global_id
        self._mask_local = np.ones(self.size, bool)
        # A class for all cells knows their population; telling each cell takes 10 us.
        kind = type("Cell", (Cell,), {"parent": self})
        self.all_cells = np.array([kind(first + number) for number in range(self.size)], object)


class Population(Cells):
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
        super()._create_cells()
        set_all(self.node_collection, **self.celltype.default_parameters)
        set_each(self.node_collection, "V_th", self._threshold)

    def _set_initial_value_array(self, variable: str, value: Any) -> None:
        set_each(self.node_collection, variable, np.broadcast_to(value.evaluate(), self.size))


class Sources(Cells):
    """A population of spike sources that are neurons to NEST, rather than devices as PyNN's are.

    Devices send through a relay each, and NEST makes room for 1024 synapses for each of them.

    Parameters
    ----------
    size
        Number of sources.
    label
        Name of the population.
    """

    def __init__(self, size: int, label: str) -> None:
        super().__init__(size, sim.native_cell_type("spike_train_injector")(), label=label)

    def _create_cells(self) -> None:
        super()._create_cells()
        # Times that are no multiples of the step in binary belong to the nearest step.
        set_all(self.node_collection, precise_times=False, allow_offgrid_times=True)

    def send(self, times_ms: Sequence[Sequence[float]]) -> None:
        """Let each source spike at some times."""
        set_each(self.node_collection, "spike_times", times_ms)

    def silence(self) -> None:
        """Let no source spike."""
        set_all(self.node_collection, spike_times=[])


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
        label = {"synapse_label": projection.nest_synapse_label}
        nest.Connect(
            sources,
            targets,
            "one_to_one",
            {
                "synapse_model": projection.nest_synapse_model,
                **({} if isinstance(projection, Projection) else label),
                "weight": self._weight,
                "delay": np.full(len(self._weight), self._delay_ms),
            },
        )
        projection._sources.update(np.unique(sources).tolist())
        sim.simulator.state.stale_connection_cache = True


class Synapse(cells.PlainSynapse):
    """NEST's synapse without the label that PyNN gives synapses, which makes spikes take longer."""

    def _get_nest_synapse_model(self) -> str:
        return SYNAPSE_MODEL


class Projection(sim.Projection):
    """The only projection between two populations, whose synapses need no label to be found.

    Parameters
    ----------
    pre, post
        PyNN's populations.
    connector
        The synapses.
    label
        Name of the projection.
    """

    _connections: Any

    def __init__(self, pre: Any, post: Any, connector: TableConnector, label: str) -> None:
        super().__init__(pre, post, connector, Synapse(), label=label)
        self.nest_synapse_label = ANY_LABEL

    def find(self) -> Any:
        """Return NEST's synapses."""
        return nest.GetConnections(
            nest.NodeCollection(sorted(self._sources)),
            self.post.node_collection,
            self.nest_synapse_model,
        )

    @property
    def nest_connections(self) -> Any:
        """NEST's synapses, as PyNN keeps them."""
        state = sim.simulator.state
        if self._connections is None or state.stale_connection_cache:
            self._connections = self.find()
            state.stale_connection_cache = False
        return self._connections

    def __len__(self) -> int:
        return len(self.nest_connections)


def sort_synapses() -> None:
    """Have NEST sort its synapses now, rather than when it next simulates."""
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
        self._found = self._projection.find()
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
        self.source = Sources(1, f"{population.label}_drive")
        everyone = np.arange(population.size)
        self.projection = Projection(
            self.source,
            population,
            TableConnector(np.zeros_like(everyone), everyone, np.zeros(population.size), dt_ms),
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
        # One step earlier through the synapse.
        self.source.send([((first_step - 1 + np.arange(steps)) * self._dt_ms).tolist()])


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

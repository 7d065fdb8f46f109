"""Base class for simulators that get a network as tables and return spikes as events."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from snn_core import artifact
from snn_core.errors import ContractError
from snn_core.files import as_path, require_writable
from snn_core.ir import Layer, MaxPooling2D, Network, Spiking, Weighted
from snn_core.ir.connectivity import Synapses, fanout
from snn_core.ir.shapes import count
from snn_core.recording.recorder import Recorder
from snn_core.simulation.capabilities import draws_softmax, only_integrates
from snn_core.simulation.signal import InputSignal, draw_softmax
from snn_core.simulation.synapses import build
from snn_core.simulation.synapses.base import SynapseListSNN
from snn_core.simulation.synapses.currents import parts
from snn_core.simulation.synapses.handover import Draw, Found, HandOver
from snn_core.simulation.synapses.memory import Footprint
from snn_core.simulation.synapses.tables import FILE, Connection, Tables, layer_of
from snn_core.typing import Array, Float32, PathLikeStr, Shape

Tabled = TypeVar("Tabled", bound="SynapseTableSNN")


class SynapseTableSNN(SynapseListSNN):
    """Keeps populations and connections in tables; simulates a batch in parts, as events.

    A simulator builds its network from ``self.tables`` in `compile` and simulates some samples in
    `run_part`. A layer of max pooling has two populations: its inputs with their running rates, and
    its neurons, which read windows of these. Under constant current, connections from the input
    carry no spikes (`is_current`); `snn_core.simulation.synapses.currents` adds them up.
    """

    name: ClassVar[str]
    """Name under which the class is registered: that of its options, and of its files' ending."""

    footprint: ClassVar[Footprint] = Footprint(synapse_bytes=40, cell_bytes=100)

    _tables: Tables | None = None

    def __init__(self, network: Network, *arguments: Any, **keywords: Any) -> None:
        if not getattr(self, "name", ""):
            raise ContractError(
                f"{type(self).__name__} has no `name`; expected the one under which it is "
                f"registered, as a class variable."
            )
        super().__init__(network, *arguments, **keywords)

    def problems(self, network: Network) -> list[str]:
        """Return everything about a network and the settings that cannot be simulated."""
        found = super().problems(network)
        if draws_softmax(network) and self.settings.cell.tau_refrac > 0:
            # The spikes are drawn once all potentials are known.
            found.append(
                f"{network.output.name}: stochastic softmax spikes do not go with cell.tau_refrac; "
                f"convert with softmax_to_relu or the membrane read-out"
            )
        return found

    # Building.

    @property
    def tables(self) -> Tables:
        """The network as tables."""
        if self._tables is None:
            self.setup_layers(self.network.input.output_shape)
        assert self._tables is not None, "add_input_layer makes them"  # noqa: S101
        return self._tables

    def setup_layers(self, input_shape: Shape) -> None:
        """Make the tables of the network, unless they have been loaded."""
        if self._tables is None:
            super().setup_layers(input_shape)

    def add_input_layer(self, input_shape: Shape) -> None:
        """Start the tables of the network."""
        self._tables = Tables(self.network.input.name, count(input_shape))

    def build_layer(self, layer: Layer) -> None:
        """Add what a layer consists of; max pooling has a population of inputs of its own."""
        if not isinstance(layer, MaxPooling2D):
            super().build_layer(layer)
            return
        cells, connections = build.pooling_cells(self.network, layer)
        self.tables.connections += connections
        self.tables.populations += [cells, build.pooling_neurons(self.network, layer)]

    def add_population(self, layer: Spiking, bias_l: Float32[Array, "*l"]) -> None:
        """Add the neurons of a layer."""
        if isinstance(layer, Weighted):
            # Before they are listed: they may be hundreds of millions.
            fanout_l = fanout(layer, self.network.input_shapes(layer.name))[0]
            is_current = self.is_constant and list(layer.inputs) == [self.network.input.name]
            self.check_memory(further=0 if is_current else int(fanout_l.sum()))
        self.tables.populations.append(build.neurons(self.network, layer, bias_l))

    def connect(self, source: str, layer: Spiking, synapses: Synapses) -> None:
        """Keep the synapses between two populations."""
        kernel = layer.weight if isinstance(layer, Weighted) else None
        self.tables.connections.append(Connection.of(source, layer.name, synapses, kernel))

    @property
    def is_constant(self) -> bool:
        """Whether the input is a current rather than spikes."""
        return self.settings.input.encoding == "constant"

    def is_current(self, connection: Connection) -> bool:
        """Return whether a connection carries a constant current, which has no spikes."""
        return self.is_constant and connection.source == self.tables.input_name

    def delay(self, connection: Connection) -> int:
        """Return the steps that a spike takes through a connection."""
        return self.timing.delay(layer_of(connection.source), layer_of(connection.target))

    @property
    def num_synapses(self) -> int:
        """Number of synapses that transmit spikes."""
        return sum(len(item) for item in self.tables.connections if not self.is_current(item))

    @property
    def num_cells(self) -> int:
        """Number of cells, the input included."""
        return self.tables.input_size + sum(item.size for item in self.tables.populations)

    # Memory.

    @property
    def memory_limit_mb(self) -> float:
        """Memory above which a network is refused: the option of that name, if there is one."""
        return float(getattr(self.options, "memory_limit_mb", "inf"))

    @property
    def copies(self) -> int:
        """Number of copies of the network that are built side by side."""
        return 1

    def check_memory(self, *, further: int = 0) -> None:
        """Refuse a network without room, given the number of synapses that are yet to be listed.

        Raises
        ------
        SimulationError
            Says how much memory it needs.
        """
        self.footprint.check(
            synapses=self.num_synapses + further,
            cells=self.num_cells,
            copies=self.copies,
            limit_mb=self.memory_limit_mb,
            simulator=self.name,
        )

    # Simulating.

    @property
    def part_size(self) -> int:
        """Largest number of samples that `run_part` simulates at once."""
        return self.batch_size

    @abstractmethod
    def run_part(self, signal: InputSignal) -> Found:
        """Simulate some samples, each from the initial state on.

        Steps are counted from each population's first one (`AbstractSNN.timing`).
        """

    @property
    def membranes(self) -> tuple[str, ...]:
        """Names of the populations whose potentials `run_part` returns."""
        names = set()
        if "mem" in self.settings.output.log_vars:
            names = {layer.name for layer in self.network.spiking_layers}
        if only_integrates(self.network, self.network.output):
            names.add(self.network.output.name)
        return tuple(sorted(names))

    def reset(self) -> None:
        """Nothing is left to do: every sample starts from the initial state."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch, part by part."""
        hand = HandOver(recorder, self.tables)
        if self.is_constant:
            hand.current(signal)
        for part in parts(signal, self.part_size):
            self.checkpoint()
            hand.part(part, self.run_part(part))
        hand.finish(draw=self._drawing(signal))

    def _drawing(self, signal: InputSignal) -> Draw | None:
        """Return the function that draws a softmax output's spikes, if it has one."""
        if not self.draws_softmax:
            return None
        return partial(draw_softmax, uniforms_t_b_o=self.output_uniforms(signal))

    # Saving.

    def save(self, path: PathLikeStr, filename: str, *, overwrite: bool = False) -> None:
        """Write the network with the settings to ``filename.snn`` and its tables beside it.

        The tables, ``filename.NAME.npz`` with the simulator's name, hold source, target and weight
        of every synapse and the state of every cell. `load` builds the network from them.
        """
        options = {self.name: self.options.model_dump()}
        settings = self.settings.updated({"options": options})
        network = self.network.replace(settings=settings)
        tables = self._file(path, filename)
        require_writable(tables, kind=FILE, overwrite=overwrite)
        artifact.save(network, as_path(path) / f"{filename}.snn", overwrite=overwrite)
        self.tables.save(
            tables, network_sha256=artifact.fingerprint(self.network), overwrite=overwrite
        )

    def load(self, path: PathLikeStr, filename: str) -> None:
        """Take a saved network; its tables, too, if they lie beside it.

        Raises
        ------
        ArtifactError
            If a file is damaged, or the tables are those of another network.
        """
        super().load(path, filename)
        self._tables = None
        file = self._file(path, filename)
        if file.exists():
            self._tables = Tables.load(file, network_sha256=artifact.fingerprint(self.network))
            self.check_memory()

    @classmethod
    def saved(
        cls: type[Tabled], path: PathLikeStr, filename: str, *, seed: int | None = None
    ) -> Tabled:
        """Return a saved network with the settings and options it was saved with."""
        network = artifact.load(as_path(path) / f"{filename}.snn")
        options = cls.options_type.of_section(network.settings_for().options, cls.name)
        snn = cls(network, options=options, seed=seed)
        snn.load(path, filename)
        return snn

    def _file(self, path: PathLikeStr, filename: str) -> Path:
        return as_path(path) / f"{filename}.{self.name}.npz"

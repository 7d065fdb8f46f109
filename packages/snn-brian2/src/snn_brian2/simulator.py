"""Brian2: its side of the contract of snn-core."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from snn_brian2 import equations
from snn_brian2.engine import Engine, RuntimeEngine, StandaloneEngine, parts, rounds_per_run
from snn_brian2.groups import Objects, Plan
from snn_brian2.memory import check_memory, copies_of
from snn_brian2.options import Brian2Options
from snn_brian2.recorded import HandOver, joined
from snn_brian2.tables import (
    CELLS,
    INTEGRATORS,
    NEURONS,
    POOL,
    Connection,
    Population,
    Tables,
    cells_of,
)
from snn_brian2.targets import Choice, choose, import_brian2
from snn_core import artifact
from snn_core.evaluation.operators import pool_windows
from snn_core.ir import Flatten, Layer, MaxPooling2D, Network, Spiking, Weighted
from snn_core.ir.connectivity import Synapses, fanout
from snn_core.ir.projections import drive_bias, projections_of
from snn_core.ir.shapes import count
from snn_core.neurons.arithmetic import decay_per_step, refractory_steps
from snn_core.recording.recorder import Recorder
from snn_core.simulation.capabilities import ANY, draws_softmax
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.original_names import OriginalNames
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.base import SynapseListSNN
from snn_core.typing import Array, Float32, PathLikeStr, Shape

logger = logging.getLogger(__name__)

NAME = "brian2"


class SNN(OriginalNames, SynapseListSNN):
    """A converted network on Brian2.

    Without delay, and on networks whose sums do not round, its spikes are those of the reference
    simulator, on each of Brian2's targets.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        max_pool_methods=frozenset({"fir_max", "avg_max", "exp_max", "pre_spike_max"}),
        softmax=True,
        settings={
            "input.encoding": {"constant", "poisson", "regular", "events"},
            "cell.leak": ANY,
            "cell.tau_m": ANY,
            "cell.tau_refrac": ANY,
        },
    )
    options_type: ClassVar[type[Any]] = Brian2Options

    eqs: ClassVar[str] = equations.NEURONS
    threshold: ClassVar[str] = equations.THRESHOLD

    _tables: Tables | None = None
    _engine: Engine | None = None

    # Under the names of snn_toolbox.

    @property
    def v_reset(self) -> str:
        """What a spike does to the potential, in Brian2's notation."""
        return equations.RESETS[self.settings.cell.reset]

    @property
    def layers(self) -> list[Any]:
        """Brian2's `NeuronGroup` of each population, the input first where it spikes."""
        return list(self._objects.groups.values())

    @property
    def connections(self) -> list[Any]:
        """Brian2's `Synapses`."""
        return self._objects.connections

    @property
    def spikemonitors(self) -> list[Any]:
        """Brian2's monitors of spikes in the last run, for each population with a threshold."""
        return list(self._objects.spikemonitors.values())

    @property
    def statemonitors(self) -> list[Any]:
        """Brian2's monitors of potentials in the last run, where those are recorded."""
        return list(self._objects.statemonitors.values())

    @property
    def snn(self) -> Any:
        """Brian2's `Network`."""
        return self._objects.network

    @property
    def _objects(self) -> Objects:
        self.build()
        return self._built.objects

    @property
    def _built(self) -> Engine:
        assert self._engine is not None, "build() comes first"  # noqa: S101
        return self._engine

    @property
    def target(self) -> Choice:
        """Brian2's runtime target that is in use, and why."""
        self.build()
        return self._choice

    @property
    def details(self) -> dict[str, str]:
        """Brian2's runtime target and why, and how many samples are simulated side by side."""
        return {
            **super().details,
            "target": f"{self.target.target}, {self.target.reason}",
            "copies": str(self._built.plan.copies),
        }

    @property
    def delay_steps(self) -> int:
        """Fewest steps that a spike takes to the next population, from the option ``delay``."""
        steps: int = self.options.delay_steps(self.settings.simulation.dt)
        return steps

    # Building.

    def problems(self, network: Network) -> list[str]:
        """Return everything about a network and the settings that cannot be simulated."""
        found = super().problems(network)
        if draws_softmax(network) and self.settings.cell.tau_refrac > 0:
            # The spikes are drawn from the potentials that Brian2 recorded.
            found.append(
                f"{network.output.name}: stochastic softmax spikes do not go with cell.tau_refrac; "
                f"convert with softmax_to_relu or the membrane read-out"
            )
        return found

    def setup_layers(self, input_shape: Shape) -> None:
        """Make the tables of the network, unless they have been loaded."""
        if self._tables is None:
            super().setup_layers(input_shape)

    def add_input_layer(self, input_shape: Shape) -> None:
        """Start the tables of the network."""
        self._tables = Tables(self.network.input.name, count(input_shape))

    def _made(self) -> Tables:
        assert self._tables is not None, "add_input_layer comes first"  # noqa: S101
        return self._tables

    def add_population(self, layer: Spiking, bias_l: Float32[Array, "*l"]) -> None:
        """Add the neurons of a layer."""
        if isinstance(layer, Weighted):
            # Before they are listed: they may be hundreds of millions.
            fanout_l = fanout(layer, self.network.input_shapes(layer.name))[0]
            is_current = self._is_constant and list(layer.inputs) == [self.network.input.name]
            self._check_memory(further=0 if is_current else int(fanout_l.sum()))
        self._add(layer, current_l=bias_l.reshape(-1))

    def _add(self, layer: Spiking, *, current_l: Array, **pool: Any) -> None:
        only_sums = layer is self.network.output and (
            self.network.readout == "membrane" or self.draws_softmax
        )
        shape, flat = layer.output_shape, (count(layer.output_shape),)
        threshold_l = np.broadcast_to(layer.threshold, shape).reshape(flat)
        start_l = np.broadcast_to(layer.v_init * layer.threshold, shape).reshape(flat)
        self._made().populations.append(
            Population(
                name=layer.name,
                role=INTEGRATORS if only_sums else POOL if pool else NEURONS,
                current_l=current_l,
                threshold_l=threshold_l,
                start_l=start_l,
                **pool,
            )
        )

    def connect(self, source: str, layer: Spiking, synapses: Synapses) -> None:
        """Keep the synapses between two populations."""
        kernel = layer.weight if isinstance(layer, Weighted) else None
        self._made().connections.append(Connection.of(source, layer.name, synapses, kernel))

    def build_layer(self, layer: Layer) -> None:
        """Add a layer; max pooling has a population of inputs of its own."""
        if not isinstance(layer, MaxPooling2D):
            super().build_layer(layer)
            return
        (shape,) = self.network.input_shapes(layer.name)
        size = count(shape)
        # A flattening layer in its place copies what it reads: relays before it are traced back.
        inputs = Flatten(name=layer.name, inputs=layer.inputs, output_shape=(size,))
        name = cells_of(layer.name)
        zeros = np.zeros(size, np.float32)
        self._made().populations.append(
            Population(
                name=name,
                role=CELLS,
                current_l=drive_bias(self.network, inputs),
                threshold_l=zeros,
                start_l=zeros,
                method=layer.method,
            )
        )
        for projection in projections_of(self.network, inputs):
            connection = Connection.of(projection.source, name, projection.synapses, None)
            self._made().connections.append(connection)
        cells_b_hwc = np.arange(size, dtype=np.float64).reshape(1, *shape)
        window = pool_windows(cells_b_hwc, layer, fill=size)[0]
        scale = np.broadcast_to(layer.weight_c, layer.output_shape).reshape(-1)
        self._add(
            layer,
            current_l=scale,
            window_l_k=window.reshape(len(scale), -1).astype(np.int32),
            method=layer.method,
        )

    def _check_memory(self, *, further: int = 0) -> None:
        """Refuse a network without room, given the number of synapses that are yet to be listed."""
        check_memory(
            synapses=self._num_synapses + further,
            cells=self._num_cells,
            copies=self._copies("numpy"),
            limit_mb=self.options.memory_limit_mb,
        )

    @property
    def _num_synapses(self) -> int:
        """Number of synapses of one copy that transmit spikes."""
        tables = self._made()
        return sum(
            len(item)
            for item in tables.connections
            if not (self._is_constant and item.source == tables.input_name)
        )

    @property
    def _num_cells(self) -> int:
        """Number of cells of one copy, the input included."""
        tables = self._made()
        return tables.input_size + sum(item.size for item in tables.populations)

    @property
    def _is_constant(self) -> bool:
        return self.settings.input.encoding == "constant"

    def _copies(self, target: str) -> int:
        # A compiled program loses nothing by simulating one sample after the other.
        wanted = self.options.copies or (1 if target == "cpp_standalone" else 0)
        return copies_of(
            wanted,
            synapses=self._num_synapses,
            cells=self._num_cells,
            batch_size=self.batch_size,
            limit_mb=self.options.memory_limit_mb,
        )

    def compile(self) -> None:
        """Choose the target and hand the network to Brian2."""
        import_brian2()
        self._check_memory()
        samples = self.expected_samples or self.settings.simulation.num_to_test or self.batch_size
        self._choice = choose(
            self.options.target,
            synapses=self._num_synapses,
            steps=self.settings.num_steps,
            samples=samples,
        )
        logger.info("target %s: %s", self._choice.target, self._choice.reason)
        self._engine = None  # the old network's memory is needed for the new one
        self._engine = self._new_engine(self._choice.target)

    def _new_engine(self, target: str) -> Engine:
        tables, plan = self._made(), self._plan(target)
        rounds = rounds_per_run(tables, plan, batch_size=self.batch_size)
        cache = self.options.cache_folder()
        if target != "cpp_standalone":
            return RuntimeEngine(
                tables, plan, rounds=rounds, target=target, cache=cache, checkpoint=self.checkpoint
            )
        what = f"{self._network_sha256()} {plan} {rounds}"
        key = hashlib.sha256(what.encode()).hexdigest()[:16]
        return StandaloneEngine(tables, plan, rounds=rounds, cache=cache, key=key)

    def _plan(self, target: str) -> Plan:
        output, cell, dt = self.network.output, self.settings.cell, self.settings.simulation.dt
        rest_steps = refractory_steps(self.settings)
        decay = decay_per_step(self.settings)
        names = set()
        if "mem" in self.settings.output.log_vars:
            names = {layer.name for layer in self.network.spiking_layers}
        if self.network.readout == "membrane" or self.draws_softmax:
            names.add(output.name)
        return Plan(
            dt_ms=dt,
            steps=self.settings.num_steps,
            timing=self.timing,
            copies=self._copies(target),
            cell=equations.Cell(
                reset=cell.reset,
                decays=decay is not None,
                leaks=cell.leak > 0,
                rests=rest_steps > 0,
            ),
            decay=1.0 if decay is None else float(decay),
            leak=cell.leak * dt,
            rest_steps=rest_steps,
            is_constant=self._is_constant,
            membranes=tuple(sorted(names)),
        )

    # Simulating.

    def reset(self) -> None:
        """Nothing is left to do: every sample starts from the initial state by itself."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate one batch."""
        engine, found, sizes = self._built, [], []
        for part in parts(signal, engine.rounds * engine.plan.copies):
            self.checkpoint()
            found.append(engine.run(part))
            sizes.append(len(part.x_b_l))
        for step, x_t_b_l in enumerate(signal.chunks(1)):
            recorder.input(step, x_t_b_l, spiking=not signal.is_constant)
        HandOver(
            recorder,
            engine.tables,
            batch_size=len(signal.x_b_l),
            num_steps=signal.num_steps,
            fanout_of=self.connectivity.fanout_of,
        ).everything(joined(found, sizes), draw=self._drawing(signal))

    def _drawing(self, signal: InputSignal) -> Any:
        """Return the function that draws a softmax output's spikes, if it has one."""
        if not self.draws_softmax:
            return None
        uniforms_t_b_o = self.output_uniforms(signal)

        def draw(layer: Any, v_t_b_l: Array) -> Array:
            probability = layer.activation(v_t_b_l.reshape(*v_t_b_l.shape[:2], -1))
            drawn: Array = uniforms_t_b_o <= probability.reshape(uniforms_t_b_o.shape)
            return drawn.reshape(v_t_b_l.shape)

        return draw

    # Saving.

    def save(self, path: PathLikeStr, filename: str) -> None:
        """Write the network with the settings to ``filename.snn`` and its tables beside it.

        The tables, ``filename.brian2.npz``, hold source, target and weight of every synapse and the
        state of every cell. `load` builds the network from them.
        """
        if self._tables is None:
            self.setup_layers(self.network.input.output_shape)
        options = {NAME: asdict(self.options)}
        settings = self.settings.updated({"options": options})
        artifact.save(self.network, Path(path) / f"{filename}.snn", settings=settings)
        tables_path = Path(path) / f"{filename}.brian2.npz"
        self._made().save(tables_path, network_sha256=self._network_sha256())

    def load(self, path: PathLikeStr, filename: str) -> None:
        """Take a saved network; its tables, too, if they lie beside it.

        Raises
        ------
        ArtifactError
            If a file is damaged, or the tables are those of another network.
        """
        super().load(path, filename)
        self._tables = self._engine = None
        tables = Path(path) / f"{filename}.brian2.npz"
        if tables.exists():
            self._tables = Tables.load(tables, network_sha256=self._network_sha256())
            self._check_memory()

    @classmethod
    def saved(cls, path: PathLikeStr, filename: str, *, seed: int | None = None) -> SNN:
        """Return a saved network with the settings and options it was saved with."""
        stored = artifact.load_artifact(Path(path) / f"{filename}.snn")
        options = cls.parse_options(stored.settings.options.get(NAME, {}))
        snn = cls(stored.network, stored.settings, options, seed=seed)
        snn.load(path, filename)
        return snn

    def _network_sha256(self) -> str:
        return hashlib.sha256(artifact.dumps(self.network)).hexdigest()

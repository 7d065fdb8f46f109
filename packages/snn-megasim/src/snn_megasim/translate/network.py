"""From a network to a netlist: modules layer by layer, and sources of control events."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import Flatten as FlattenLayer
from snn_core.ir import Network, Spiking
from snn_core.ir.connectivity import Synapses
from snn_core.ir.projections import projections_of
from snn_core.simulation.capabilities import only_integrates
from snn_core.typing import Array
from snn_megasim.files import (
    Convolution,
    EventList,
    Flatten,
    FullyConnected,
    Instance,
    Matrix,
    Module,
    Netlist,
    Neurons,
    Schematic,
    Source,
    State,
)
from snn_megasim.files.attributes import LARGEST
from snn_megasim.translate.currents import square_kernel
from snn_megasim.translate.drafts import Draft, draft_arrays
from snn_megasim.translate.integers import Scale, choose_scale
from snn_megasim.translate.matrices import draft_matrices, matrix_problem, populations_before
from snn_megasim.translate.outlets import Map, Outlet, image_cells
from snn_megasim.translate.schedule import SPIKES_PER_STEP, Schedule
from snn_megasim.translate.translation import (
    BIAS,
    INITIAL,
    INPUT,
    OWN,
    RESETS,
    Population,
    Translation,
    stimulus_file,
    update_node,
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a translation has to do.

    Parameters
    ----------
    num_steps, dt_ms
        Steps of a sample and length of one in ms.
    reset
        ``"subtraction"`` or ``"zero"``.
    input_unit
        Value of an input spike.
    clocked
        Whether layers spike on a clock.
    batched
        Whether samples follow each other in one run, with resets between them.
    scaling_factor
        What stands for 1 in the files; 0 chooses it for each layer.
    constant
        Whether the input is a current rather than spikes.
    input_range
        Least and largest input of a cell in a step, 0 included: a current, or a sum of spikes.
    """

    num_steps: int
    dt_ms: float = 1.0
    reset: str = "subtraction"
    input_unit: float = 1.0
    clocked: bool = True
    batched: bool = True
    scaling_factor: int = 0
    constant: bool = False
    input_range: tuple[float, float] = (0.0, 1.0)


def translate(network: Network, request: Request) -> Translation:
    """Return a network as a netlist.

    Raises
    ------
    UnsupportedError
        Names every layer that does not fit.
    """
    return _Translator(network, request).translate()


@dataclass(eq=False)
class _Translator:
    """Makes modules layer by layer."""

    network: Network
    request: Request
    names: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    populations: dict[str, Population] = field(default_factory=dict)
    images: dict[str, tuple[Map, ...]] = field(default_factory=dict)
    rows_of: dict[str, tuple[str, Array]] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    modules: dict[str, Module] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    controls: set[str] = field(default_factory=set)
    input_nodes: tuple[str, ...] = ()

    def translate(self) -> Translation:
        self._add_input()
        for layer in self.network.spiking_layers:
            self._add_layer(layer)
        if self.problems:
            raise UnsupportedError(self.problems, what="MegaSim cannot hold this network")
        depth = max(population.depth for population in self.populations.values())
        schedule = Schedule(
            num_steps=self.request.num_steps,
            depth=depth,
            clocked=self.request.clocked,
            prepares=INITIAL in self.controls,
        )
        return Translation(
            netlist=self._netlist(schedule),
            input_name=self.network.input.name,
            populations=self.populations,
            schedule=schedule,
            currents=self._currents(),
        )

    def _currents(self) -> dict[str, Synapses]:
        if not self.request.constant:
            return {}
        name = self.network.input.name
        return {
            layer.name: projection.synapses
            for layer in self.network.spiking_layers
            for projection in projections_of(self.network, layer)
            if projection.source == name
        }

    def _netlist(self, schedule: Schedule) -> Netlist:
        nodes = [] if self.request.constant else list(self.input_nodes)
        depths = sorted(population.depth for population in self.populations.values())
        controls = [BIAS, *dict.fromkeys(map(update_node, depths)), INITIAL]
        nodes += [node for node in controls if node in self.controls]
        nodes += [RESETS] if self.request.batched else []
        sources = tuple(Source(node=node, file=stimulus_file(node)) for node in nodes)
        return Netlist(
            schematic=Schematic(
                sources=sources,
                instances=tuple(self.instances),
                t_max=LARGEST if self.request.batched else schedule.reset,
            ),
            modules=self.modules,
            states=self.states,
            stimuli={source.file: EventList.of([]) for source in sources},
        )

    def _add_input(self) -> None:
        shape = self.network.input.output_shape
        cells = image_cells(shape)
        nodes = [INPUT] if len(cells) == 1 else [f"{INPUT}_{i}" for i in range(len(cells))]
        self.names |= {*nodes, BIAS, INITIAL, RESETS}
        self.input_nodes = tuple(nodes)
        outlets = tuple(Outlet(node=n, cells_yx=c) for n, c in zip(nodes, cells, strict=True))
        name = self.network.input.name
        self.populations[name] = Population(outlets=outlets, depth=0, scale=Scale(1, 0))
        if len(shape) > 1:
            self.images[name] = tuple(Map(node=node) for node in nodes)

    def _name(self, name: str, nodes: int = 0) -> str:
        """Return a name for files that is not taken, nor are those of its nodes."""
        plain = re.sub(r"[^A-Za-z0-9_.+-]", "_", name)
        if plain.startswith(OWN) or not re.match(r"[A-Za-z0-9_]", plain):
            plain = f"_{plain}"
        found, number = plain, 1
        while (taken := {found, *(f"{found}_{node}" for node in range(nodes))}) & self.names:
            number += 1
            found = f"{plain}.{number}"
        self.names |= taken
        return found

    def _add_layer(self, layer: Spiking) -> None:
        reads_only = only_integrates(self.network, layer)
        sources = populations_before(self.network, layer)
        depth = 1 + max(self.populations[source].depth for source in sources)
        name = self._name(layer.name, nodes=layer.output_shape[-1])
        drafts = self._drafts(layer, name, sources)
        if drafts is None:
            scale = Scale(1, 0)
            self.populations[layer.name] = Population(outlets=(), depth=depth, scale=scale)
            return
        drafts = [self._with_units(draft) for draft in drafts]
        scale, problem = choose_scale(
            drafts,
            num_steps=self.request.num_steps,
            clocked=self.request.clocked and not reads_only,
            wanted=self.request.scaling_factor,
            spikes=not reads_only,
        )
        if problem:
            self.problems.append(f"{layer.name}: {problem}")
        self.populations[layer.name] = Population(
            outlets=tuple(draft.outlet for draft in drafts),
            depth=depth,
            scale=scale,
            reads_only=reads_only,
            has_idle=not all(draft.live_yx.all() for draft in drafts),
        )
        if all(draft.is_array for draft in drafts):
            self.images[layer.name] = tuple(Map(node=draft.outlet.node) for draft in drafts)
        if self.problems:
            return
        for draft in drafts:
            self._add_module(draft, name, self.populations[layer.name])

    def _drafts(self, layer: Spiking, name: str, sources: set[str]) -> list[Draft] | None:
        """Return the drafts of a layer; ``None`` after noting why there are none."""
        if not all(self.populations[source].outlets for source in sources):
            return None  # what is before it has a problem
        found = draft_arrays(self.network, layer, name=name, images=self.images)
        if found is not None:
            return found
        problem = matrix_problem(self.network, layer)
        if problem:
            self.problems.append(f"{layer.name}: {problem}")
            return None
        for source in sorted(sources):
            self._make_row(source, layer)
        return draft_matrices(self.network, layer, name=name, rows_of=self.rows_of)

    def _with_units(self, draft: Draft) -> Draft:
        """Return a draft with the value of input spikes in its weights, and biases per step."""
        inputs, request = self._input_like(), self.request
        ports = tuple(
            replace(
                port,
                weights=port.weights * request.input_unit,
                least=request.input_range[0],
                most=request.input_range[1],
                is_summed=request.constant,
            )
            if port.node in inputs
            else replace(port, most=1 if request.clocked else SPIKES_PER_STEP)
            for port in draft.ports
        )
        return replace(draft, ports=ports, bias_yx=draft.bias_yx * request.dt_ms)

    def _input_like(self) -> set[str]:
        """Return the nodes that carry the input: as maps, and as one row."""
        row = self.rows_of.get(self.network.input.name)
        return {*self.input_nodes, *([row[0]] if row else [])}

    def _make_row(self, source: str, reader: Spiking) -> None:
        """Make sure that a population can be read as one row of cells."""
        if source in self.rows_of:
            return
        outlets = self.populations[source].outlets
        if len(outlets) == 1 and len(outlets[0].cells_yx) == 1:
            self.rows_of[source] = outlets[0].node, outlets[0].cells_yx[0]
            return
        cells = np.concatenate([outlet.cells_yx.reshape(-1) for outlet in outlets])
        if self.request.constant and source == self.network.input.name:
            self.rows_of[source] = INPUT, cells  # no module: its input comes as a current
            return
        direct = self.network[reader.inputs[0]]
        named = isinstance(direct, FlattenLayer) and direct.inputs == (source,)
        name = self._name(direct.name if named else f"{source}_flat")
        sizes = tuple((o.cells_yx.shape[1], o.cells_yx.shape[0]) for o in outlets)
        self._add(
            "module_flatten",
            tuple(outlet.node for outlet in outlets),
            name,
            name,
            Flatten(sizes=sizes),
        )
        self.rows_of[source] = name, cells

    def _add(
        self, module: str, inputs: tuple[str, ...], node: str, layer: str, content: Module
    ) -> None:
        files = f"{node}.prm", f"{layer}.stt"
        self.instances.append(
            Instance(module=module, inputs=inputs, output=node, parameters=files[0], state=files[1])
        )
        self.modules[files[0]] = content
        self.states[files[1]] = State()

    def _add_module(self, draft: Draft, name: str, population: Population) -> None:
        """Add the module of a draft with its ports of control."""
        scale, request = population.scale, self.request
        controls: list[tuple[str, Array]] = []
        if draft.bias_yx.any():
            controls.append((BIAS, scale.of(draft.bias_yx)))
        if request.clocked and not population.reads_only:
            room_yx = np.where(draft.live_yx, scale.room, 0)
            controls.append((update_node(population.depth), room_yx))
        start_yx = np.where(draft.live_yx, scale.of(draft.start_yx), -scale.room)
        if start_yx.any():
            controls.append((INITIAL, start_yx))
        self.controls |= {node for node, _ in controls}
        if request.batched:
            controls.append((RESETS, np.zeros((1, 1), np.int64)))
        ports = draft.ports
        if request.constant:
            ports = tuple(port for port in ports if port.node not in self._input_like())
        inputs = (*(port.node for port in ports), *(node for node, _ in controls))
        weights = [(scale.of(port.weights), port.dy, port.dx) for port in ports]
        suffix = "_NPP" if request.batched else ""
        neurons = self._neurons(draft, population)
        made: Module
        if draft.is_array:
            kernels = [square_kernel(*port) for port in weights]
            kernels += [square_kernel(values_yx) for _, values_yx in controls]
            rows, columns = draft.live_yx.shape
            made = Convolution(
                Nx_array=columns,
                Ny_array=rows,
                neurons=neurons,
                ports=tuple(kernels),
                output=draft.output,
            )
            kind = f"module_conv{suffix}"
        else:
            size = draft.live_yx.size
            matrices = [Matrix(Nx_array_pre=len(w), weights_io=w) for w, _, _ in weights]
            matrices += [
                Matrix(Nx_array_pre=1, weights_io=np.broadcast_to(values, (1, size)))
                for _, values in controls
            ]
            made = FullyConnected(
                population_size=size, neurons=neurons, ports=tuple(matrices), output=draft.output
            )
            kind = f"module_fully_connected{suffix}"
        self._add(kind, inputs, draft.outlet.node, name, made)

    def _neurons(self, draft: Draft, population: Population) -> Neurons:
        if population.reads_only:
            return Neurons(THplus=LARGEST, THplusInfo=0, Reset_to_reminder=1)
        return Neurons(
            THplus=int(population.scale.of(np.array(draft.threshold))),
            THplusInfo=1,
            Reset_to_reminder=int(self.request.reset == "subtraction"),
        )

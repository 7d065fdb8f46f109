"""What a network takes on SpiNNaker: mapped by sPyNNaker's own tool chain onto a virtual board.

Cores, chips, memory and router entries are sPyNNaker's. Times are estimates, from figures that
sPyNNaker plans with; nothing is executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import Network
from snn_core.settings import Settings
from snn_core.simulation.targets import TargetReport
from snn_spinnaker.isolated import job_folder, run_script
from snn_spinnaker.job import Job, describe_job
from snn_spinnaker.layout import BoardNetwork
from snn_spinnaker.options import SpinnakerOptions

SYNAPSES_PER_SECOND = 13e6
"""Synaptic events that a core processes (``SynapseDynamicsStatic.synapses_per_second``)."""

NATIVE_PER_SECOND = 15e6
"""The same for kernels, which sPyNNaker calls a guess (``LocalOnlyConvolution``)."""

NEURON_S = 1e-3 / 256
"""Time of updating a neuron, at most: sPyNNaker puts up to 256 on a core at ticks of 1 ms."""

TYPICAL = 0.1
"""Share of all neurons that spike in a tick, for the typical time."""

CORES_PER_BOARD = {5: 759, 3: 63}
"""Cores for a network: of 48 (or 4) chips, less the kernel's, a monitor each and one gatherer."""

COLUMNS = (
    "layer", "neurons", "synapses", "cores", "neurons/core", "synapses/core", "KB/core",
    "us/tick, typical", "us/tick, all spike",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LayerMapping:
    """What a layer takes; sizes are those of its fullest core.

    Parameters
    ----------
    typical_us, worst_us
        Estimated time of a tick if a tenth of all neurons spikes, and if all do.
    """

    name: str
    neurons: int
    synapses: int
    cores: int
    neurons_per_core: int
    synapses_per_core: int
    sdram_bytes: int
    typical_us: float
    worst_us: float


@dataclass(frozen=True, kw_only=True)
class BoardMapping:
    """What a network takes.

    Parameters
    ----------
    chips, boards
        Those with a core of the network.
    router_entries
        Entries of the fullest router, before compression.
    sdram_bytes
        Memory on the fullest chip, what sPyNNaker itself needs included.
    budget_us
        Real time of a tick.
    """

    layers: tuple[LayerMapping, ...]
    boards: int
    chips: int
    cores: int
    router_entries: int
    router_limit: int
    sdram_bytes: int
    sdram_limit: int
    budget_us: float
    populations: int

    @property
    def bottleneck(self) -> LayerMapping:
        """The layer whose fullest core takes longest."""
        return max(self.layers, key=lambda layer: layer.worst_us)

    @property
    def slow_down(self) -> int:
        """Factor against real time with which every tick is long enough, by the estimate."""
        return max(1, math.ceil(self.bottleneck.worst_us / self.budget_us))

    def lines(self) -> list[str]:
        """Return it in sentences."""
        slowest, boards = self.bottleneck, plural(self.boards, "board")
        placed = (
            f"mapped by sPyNNaker on a virtual board, nothing was executed: "
            f"{plural(self.cores, 'core')} on {plural(self.chips, 'chip')} of {boards}"
        )
        memory = (
            f"router: at most {self.router_entries} of {self.router_limit} entries; SDRAM: at most "
            f"{self.sdram_bytes / 2**20:.1f} of {self.sdram_limit / 2**20:.0f} MB of a chip"
        )
        time = (
            f"estimate: {slowest.name} is the bottleneck, {slowest.typical_us:.0f} us per tick if "
            f"a tenth of its sources spike, {slowest.worst_us:.0f} us if all do, of "
            f"{self.budget_us:.0f} us in real time: time_scale_factor {self.slow_down} is safe"
        )
        return [placed, memory, time]

    def to_json(self) -> dict[str, Any]:
        """Return it in plain values."""
        return {
            **asdict(self),
            "bottleneck": self.bottleneck.name,
            "slow_down": self.slow_down,
            "times": "estimated",
        }


def plural(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}{'s' * (number != 1)}"


def require_room(network: BoardNetwork, options: SpinnakerOptions) -> None:
    """Refuse a network that needs more cores than the boards have, before it is mapped.

    Raises
    ------
    UnsupportedError
        With the numbers, and the layer that takes most.
    """
    per_core = options.number_of_neurons_per_core
    needed = {item.name: -(-item.size // per_core) for item in network.populations}
    room = CORES_PER_BOARD[options.version] * options.boards
    total = sum(needed.values())
    if total > room:
        most = max(needed, key=lambda name: needed[name])
        boards = -(-total // CORES_PER_BOARD[options.version])
        problem = (
            f"{total} cores are needed at {per_core} neurons per core, "
            f"{plural(options.boards, 'board')} of version {options.version} offer {room}; {most} "
            f"takes {needed[most]} of them. Set spinnaker.boards = {boards}, or raise "
            f"spinnaker.number_of_neurons_per_core (at most 256)"
        )
        raise UnsupportedError([problem], what="This network does not fit on the machine")


def safe_slow_down(network: BoardNetwork, options: SpinnakerOptions) -> int:
    """Return the factor against real time with which every tick is long enough, by the estimate.

    Cores are filled in the order of the neurons, without asking sPyNNaker.
    """
    worst_us = 0.0
    for item in network.populations:
        per_core = min(options.number_of_neurons_per_core, item.size)
        fan_in_l = np.zeros(-(-item.size // per_core) * per_core)
        for part in item.projections:
            fan_in_l[: item.size] += np.bincount(part.post, minlength=item.size)
        synapses = fan_in_l.reshape(-1, per_core).sum(axis=1).max()
        worst_us = max(worst_us, 1e6 * (per_core * NEURON_S + synapses / SYNAPSES_PER_SECOND))
    return max(1, math.ceil(worst_us / (1000 * network.dt_ms)))


def map_network(network: BoardNetwork, options: SpinnakerOptions) -> BoardMapping:
    """Map a network, with lists of synapses.

    Raises
    ------
    UnsupportedError
        If it needs more cores than the boards have.
    SimulatorImportError, SimulationError
        If sPyNNaker is not installed, or fails.
    """
    require_room(network, options)
    return map_job(describe_job(network, options), options)


def map_job(job: Job, options: SpinnakerOptions) -> BoardMapping:
    """Map what a description says, and read sPyNNaker's result back."""
    with job_folder(job, options, virtual=True) as folder:
        run_script(folder, "map", options)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return _read(job, report)


def _read(job: Job, report: Mapping[str, Any]) -> BoardMapping:
    description = job[0]
    neurons = [item for item in description["populations"] if item["model"] != "source"]
    own = [core for core in report["cores"] if core["population"] is not None]
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in neurons:
        groups.setdefault(item.get("layer", item["label"]), []).append(item)
    layers = tuple(_layer(name, items, job, own) for name, items in groups.items())
    memory: dict[tuple[int, int], int] = {}
    for core in report["cores"]:
        place = (core["chip"][0], core["chip"][1])
        memory[place] = memory.get(place, 0) + core["sdram_bytes"]
    return BoardMapping(
        layers=layers,
        boards=len({tuple(core["board"]) for core in own}),
        chips=len({tuple(core["chip"]) for core in own}),
        cores=len(own),
        router_entries=max(report["router_entries"].values(), default=0),
        router_limit=report["router_entries_limit"],
        sdram_bytes=max(memory.values(), default=0),
        sdram_limit=report["sdram_bytes_per_chip"],
        budget_us=1000 * description["dt_ms"],
        populations=len(description["populations"]),
    )


def _layer(
    name: str,
    items: Sequence[Mapping[str, Any]],
    job: Job,
    cores: Sequence[Mapping[str, Any]],
) -> LayerMapping:
    """Return what the populations of a layer take."""
    loads: list[tuple[int, float, Mapping[str, Any]]] = []
    total, per_second = 0, SYNAPSES_PER_SECOND
    for item in items:
        into = [part for part in job[0]["projections"] if part["target"] == item["label"]]
        fan_in_l = np.zeros(item["size"])
        for part in into:
            if part["kind"] == "list":
                fan_in_l += np.bincount(job[1][f"{part['key']}/post"], minlength=item["size"])
            else:
                fan_in_l += part["synapses"] / item["size"]
                per_second = NATIVE_PER_SECOND
        total += round(float(fan_in_l.sum()))
        loads += [
            (len(core["atoms"]), float(fan_in_l[core["atoms"]].sum()), core)
            for core in cores
            if core["population"] == item["label"]
        ]
    seconds = [(n * NEURON_S, synapses / per_second) for n, synapses, _ in loads]
    return LayerMapping(
        name=name,
        neurons=sum(item["size"] for item in items),
        synapses=total,
        cores=len(loads),
        neurons_per_core=max(n for n, _, _ in loads),
        synapses_per_core=round(max(synapses for _, synapses, _ in loads)),
        sdram_bytes=max(core["sdram_bytes"] for _, _, core in loads),
        typical_us=round(1e6 * max(n + TYPICAL * s for n, s in seconds), 1),
        worst_us=round(1e6 * max(n + s for n, s in seconds), 1),
    )


def describe(network: Network, settings: Settings) -> TargetReport:
    """Describe a network on SpiNNaker, for ``snn inspect --target spinnaker``.

    Raises
    ------
    UnsupportedError
        If the network cannot be simulated, or needs more cores than the boards have.
    """
    from snn_spinnaker.native import describe_native
    from snn_spinnaker.simulator import SNN  # which maps networks itself

    given = settings.options.get("spinnaker", {})
    options = SpinnakerOptions(**{**given, "engine": "emulator"})
    snn = SNN(network, settings, options)
    mapped = map_network(snn.board, options)
    lines, data = mapped.lines(), {"target": "spinnaker", **mapped.to_json()}
    if options.native_convolution:
        native_lines, data["native_convolution"] = describe_native(snn, mapped)
        lines += native_lines
    return TargetReport(
        columns=COLUMNS, rows=[_row(layer) for layer in mapped.layers], lines=lines, data=data
    )


def _row(layer: LayerMapping) -> list[str]:
    return [
        layer.name,
        str(layer.neurons),
        str(layer.synapses),
        str(layer.cores),
        str(layer.neurons_per_core),
        str(layer.synapses_per_core),
        f"{layer.sdram_bytes / 1024:.0f}",
        f"{layer.typical_us:.0f}",
        f"{layer.worst_us:.0f}",
    ]

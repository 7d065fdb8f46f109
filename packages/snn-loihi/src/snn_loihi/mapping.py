"""Mapping: cores and chips that a network takes, layer by layer, and which limit binds.

Neurons of a population lie on its cores in their order, the same number on each. Synapses are
stored on the core of their target, every one of them: chips can share kernels, which saves memory
that is not counted here. Both are estimates of what a compiler would do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from snn_core.ir import Network
from snn_core.ir.connectivity import Synapses
from snn_core.ir.shapes import count
from snn_core.settings import Settings
from snn_core.simulation.targets import TargetReport
from snn_core.typing import Array
from snn_loihi.discretize import ChipNetwork, Population, summary
from snn_loihi.limits import INDEX_BITS, LOIHI1, LOIHI2, Limits
from snn_loihi.options import LoihiOptions
from snn_loihi.ranges import WEIGHT_BITS

COLUMNS = (
    "layer",
    "neurons",
    "synapses",
    "cores",
    "neurons/core",
    "KB/core",
    "axons in",
    "axons out",
    "bound by",
)


@dataclass(frozen=True, kw_only=True)
class LayerMapping:
    """What a population takes; sizes are those of its fullest core.

    Parameters
    ----------
    compartments
        Compartments on a core.
    memory_bytes
        Synapses and states on a core.
    axons_in
        Different source neurons whose spikes reach a core.
    axons_out
        Pairs of a neuron on a core and a core that it reaches.
    bound_by
        The limit that decides the number of cores.
    fits
        Whether any number of cores would do.
    """

    name: str
    neurons: int
    synapses: int
    cores: int
    compartments: int
    memory_bytes: int
    axons_in: int
    axons_out: int
    bound_by: str
    fits: bool

    def used(self, limits: Limits) -> dict[str, float]:
        """Return which part of each limit is used."""
        found = {
            "compartments": self.compartments / limits.compartments,
            "memory": self.memory_bytes / limits.memory_bytes,
        }
        if limits.axons_in is not None:
            found["axons in"] = self.axons_in / limits.axons_in
        if limits.axons_out is not None:
            found["axons out"] = self.axons_out / limits.axons_out
        return found


@dataclass(frozen=True, kw_only=True)
class ChipMapping:
    """What a network takes on a chip."""

    limits: Limits
    layers: tuple[LayerMapping, ...]

    @property
    def cores(self) -> int:
        """Number of cores."""
        return sum(layer.cores for layer in self.layers)

    @property
    def chips(self) -> int:
        """Number of chips."""
        return -(-self.cores // self.limits.cores)

    @property
    def fits(self) -> bool:
        """Whether all layers can be mapped, and one chip is enough."""
        return self.chips <= 1 and all(layer.fits for layer in self.layers)

    def problems(self) -> list[str]:
        """Return why the network does not fit on one chip."""
        found = [
            f"{layer.name}: {layer.bound_by} exceed a core of {self.limits.name} even with one "
            f"neuron per core; split the layer"
            for layer in self.layers
            if not layer.fits
        ]
        if not found and self.chips > 1:
            largest = max(self.layers, key=lambda layer: layer.cores)
            found.append(
                f"{self.cores} cores are needed, {self.limits.name} has {self.limits.cores}; "
                f"{largest.name} takes {largest.cores} of them, bound by {largest.bound_by}"
            )
        return found


def map_network(chip: ChipNetwork, limits: Limits) -> ChipMapping:
    """Return what a network takes on a chip.

    Parameters
    ----------
    chip
        The network in integers.
    limits
        Sizes of cores.
    """
    lists = {item.name: _lists(item) for item in chip.populations}
    layers = {
        item.name: _fitting(item, lists[item.name], limits, soft=chip.reset == "soft")
        for item in chip.populations
    }
    if limits.axons_out is not None:
        while True:
            counted = {name: _axons_out(name, layers, lists) for name in layers}
            layers = {n: replace(item, axons_out=counted[n]) for n, item in layers.items()}
            over = [n for n in layers if layers[n].axons_out > limits.axons_out]
            over = [n for n in over if layers[n].cores < layers[n].neurons]
            if not over:
                break
            for name in over:
                layers[name] = _sized(
                    _population(chip, name),
                    lists[name],
                    limits,
                    cores=layers[name].cores + 1,
                    soft=chip.reset == "soft",
                    bound_by="axons out",
                )
    return ChipMapping(limits=limits, layers=tuple(layers.values()))


def _population(chip: ChipNetwork, name: str) -> Population:
    """Return a population by name."""
    return next(item for item in chip.populations if item.name == name)


def _lists(item: Population) -> list[tuple[str, Synapses, bool]]:
    """Return source, synapses and whether all pairs are connected, of each connection."""
    found = []
    for connection in item.connections:
        for source, synapses in connection.lists().items():
            full = len(synapses) == synapses.shape[0] * synapses.shape[1]
            found.append((source, synapses, full))
    return found


def _fitting(
    item: Population, lists: list[tuple[str, Synapses, bool]], limits: Limits, *, soft: bool
) -> LayerMapping:
    """Return the population on the fewest cores that have room for it."""
    cores, bound = 1, ""
    while True:
        made = _sized(item, lists, limits, cores=cores, soft=soft)
        used = {name: part for name, part in made.used(limits).items() if name != "axons out"}
        worst = max(used, key=lambda name: used[name])
        if used[worst] <= 1:
            return replace(made, bound_by=bound) if bound else made
        bound = worst
        if cores >= made.neurons:
            return replace(made, bound_by=worst, fits=False)
        # Compartments and memory shrink with the number of cores, input axons hardly.
        wanted = int(np.ceil(cores * used[worst])) if worst != "axons in" else cores + 1
        cores = min(max(cores + 1, wanted), made.neurons)


def _sized(
    item: Population,
    lists: list[tuple[str, Synapses, bool]],
    limits: Limits,
    *,
    cores: int,
    soft: bool,
    bound_by: str = "",
) -> LayerMapping:
    """Return the population on a number of cores."""
    neurons = count(item.layer.output_shape)
    each = -(-neurons // cores)
    per_neuron = limits.soft_reset_compartments if soft and item.fires else 1
    bits, axons, total = np.zeros(cores), np.zeros(cores, np.int64), 0
    for _, synapses, full in lists:
        core = synapses.post // each
        size = WEIGHT_BITS + (0 if full else INDEX_BITS)
        bits += np.bincount(core, minlength=cores) * size
        axons += _different(core, synapses.pre, synapses.shape[0], cores)
        total += len(synapses)
    made = LayerMapping(
        name=item.name,
        neurons=neurons,
        synapses=total,
        cores=-(-neurons // each),
        compartments=each * per_neuron,
        memory_bytes=int(np.ceil(bits.max(initial=0) / 8)) + each * limits.state_bytes,
        axons_in=int(axons.max(initial=0)),
        axons_out=0,
        bound_by=bound_by,
        fits=True,
    )
    if bound_by:
        return made
    used = made.used(limits)
    return replace(made, bound_by=max(used, key=lambda name: used[name]))


def _different(core: Array, pre: Array, num_pre: int, cores: int) -> Array:
    """Return for each core how many different neurons its synapses come from."""
    pairs = np.unique(core.astype(np.int64) * num_pre + pre)
    return np.bincount(pairs // num_pre, minlength=cores)


def _axons_out(
    name: str,
    layers: Mapping[str, LayerMapping],
    lists: Mapping[str, list[tuple[str, Synapses, bool]]],
) -> int:
    """Return the edges that leave the fullest core of a population."""
    own = layers[name]
    each = -(-own.neurons // own.cores)
    edges = np.zeros(own.cores, np.int64)
    for target, found in lists.items():
        size = -(-layers[target].neurons // layers[target].cores)
        for source, synapses, _ in found:
            if source == name:
                pairs = np.unique(
                    synapses.pre.astype(np.int64) * layers[target].cores + synapses.post // size
                )
                sender = pairs // layers[target].cores // each
                edges += np.bincount(sender, minlength=own.cores)
    return int(edges.max(initial=0))


def describe(network: Network, settings: Settings, limits: Limits) -> TargetReport:
    """Describe a network on a chip, for ``snn inspect --target``.

    Raises
    ------
    UnsupportedError
        If the chip has no neurons for it, or it does not fit into the integers.
    """
    from snn_loihi.simulator import SNN  # which maps networks itself

    given = {**settings.options.get("loihi", {}), "target": limits.name}
    options = LoihiOptions(**{**given, "validate_partitions": False})
    chip = SNN(network, settings, options).chip
    mapped = map_network(chip, limits)
    rows = [_row(layer, limits) for layer in mapped.layers]
    problems = mapped.problems()
    chips = "chip" if mapped.chips == 1 else "chips"
    lines = [
        f"{limits.name}: {mapped.cores} of {limits.cores} cores per chip, {mapped.chips} {chips}",
        *problems,
        summary(chip.losses),
    ]
    data: dict[str, Any] = {
        "target": limits.name,
        "cores": mapped.cores,
        "chips": mapped.chips,
        "fits": mapped.fits,
        "problems": problems,
        "limits": asdict(limits),
        "layers": [
            {
                **asdict(layer),
                "used": layer.used(limits),
                "rounding": chip.losses[layer.name].to_json() if chip.losses else None,
            }
            for layer in mapped.layers
        ],
    }
    return TargetReport(columns=COLUMNS, rows=rows, lines=lines, data=data)


def describe_loihi1(network: Network, settings: Settings) -> TargetReport:
    """Describe a network on Loihi 1."""
    return describe(network, settings, LOIHI1)


def describe_loihi2(network: Network, settings: Settings) -> TargetReport:
    """Describe a network on Loihi 2."""
    return describe(network, settings, LOIHI2)


def _row(layer: LayerMapping, limits: Limits) -> list[str]:
    share = layer.used(limits)[layer.bound_by]
    return [
        layer.name,
        str(layer.neurons),
        str(layer.synapses),
        str(layer.cores),
        str(-(-layer.neurons // layer.cores)),
        f"{layer.memory_bytes / 1024:.1f}",
        str(layer.axons_in),
        str(layer.axons_out) if limits.axons_out is not None else "",
        f"{layer.bound_by} ({share:.0%})",
    ]

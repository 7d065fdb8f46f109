"""Mapping: cores and chips that a network takes, layer by layer, and which limit binds.

Neurons of a population lie on its cores in their order, the same number on each. Synapses are
stored on the core of their target, every one of them: chips can share kernels, which saves memory
that is not counted here. The list of each input axon is a full one, with weights for all neurons of
the core, or names the targets of its synapses, whichever is smaller, and fills whole words. Both
are estimates of what a compiler would do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from snn_loihi.limits import LOIHI1, LOIHI2, Limits
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
    per_neuron
        Compartments of a neuron.
    compartments
        Compartments on a core.
    memory_bytes
        Synapses and states on a core.
    thresholds
        Different thresholds on a core.
    axons_in
        Different source neurons whose spikes reach a core.
    axons_out
        Pairs of a neuron on a core and a core that it reaches.
    edges
        The same for all cores together.
    synapses_from
        Number of synapses from each source.
    bound_by
        The limit that decides the number of cores.
    fits
        Whether any number of cores would do.
    """

    name: str
    neurons: int
    synapses: int
    cores: int
    per_neuron: int
    compartments: int
    memory_bytes: int
    thresholds: int
    axons_in: int
    axons_out: int
    edges: int
    synapses_from: Mapping[str, int]
    bound_by: str
    fits: bool

    def used(self, limits: Limits) -> dict[str, float]:
        """Return which part of each limit is used."""
        found = {
            "compartments": self.compartments / limits.compartments,
            "memory": self.memory_bytes / limits.memory_bytes,
        }
        if limits.thresholds is not None:
            found["thresholds"] = self.thresholds / limits.thresholds
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
    sizes = [_Sizes.of(item, limits, soft=chip.reset == "soft") for item in chip.populations]
    layers = {item.name: _fitting(item, limits) for item in sizes}
    while True:
        edges = {item.name: _edges(item, layers, sizes) for item in sizes}
        layers = {
            name: replace(
                layer, axons_out=int(edges[name].max(initial=0)), edges=int(edges[name].sum())
            )
            for name, layer in layers.items()
        }
        over = [item for item in sizes if _sends_too_much(layers[item.name], limits)]
        if not over:
            return ChipMapping(limits=limits, layers=tuple(layers.values()))
        for item in over:
            cores = layers[item.name].cores + 1
            layers[item.name] = _sized(item, limits, cores=cores, bound_by="axons out")


def _sends_too_much(layer: LayerMapping, limits: Limits) -> bool:
    """Return whether a population is to be spread over more cores because of its edges."""
    too_much = limits.axons_out is not None and layer.axons_out > limits.axons_out
    return too_much and layer.cores < layer.neurons


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """What a population consists of."""

    name: str
    neurons: int
    per_neuron: int
    thresholds: int
    synapses: Sequence[tuple[str, Synapses]]

    @classmethod
    def of(cls, item: Population, limits: Limits, *, soft: bool) -> _Sizes:
        return cls(
            name=item.name,
            neurons=count(item.layer.output_shape),
            per_neuron=limits.soft_reset_compartments if soft and item.fires else 1,
            thresholds=len(np.unique(item.threshold_c)) if item.fires else 0,
            synapses=[pair for part in item.connections for pair in part.lists().items()],
        )


def _fitting(item: _Sizes, limits: Limits) -> LayerMapping:
    """Return the population on the fewest cores that have room for it."""
    cores, bound = 1, ""
    while True:
        made = _sized(item, limits, cores=cores)
        used = made.used(limits)
        used.pop("axons out", None)
        worst = max(used, key=lambda name: used[name])
        if used[worst] <= 1:
            return replace(made, bound_by=bound) if bound else made
        bound = worst
        if cores >= made.neurons:
            return replace(made, bound_by=worst, fits=False)
        # Compartments, memory and thresholds shrink with the number of cores, input axons hardly.
        wanted = int(np.ceil(cores * used[worst])) if worst != "axons in" else cores + 1
        cores = min(max(cores + 1, wanted), made.neurons)


def _sized(item: _Sizes, limits: Limits, *, cores: int, bound_by: str = "") -> LayerMapping:
    """Return the population on a number of cores."""
    each = -(-item.neurons // cores)
    # The synapses by which neurons reset themselves.
    own = each * (item.per_neuron - 1)
    bits, axons = np.full(cores, own * limits.word_bits), np.full(cores, own)
    for _, synapses in item.synapses:
        reached, numbers = _lists(synapses, each)
        sparse = numbers * (WEIGHT_BITS + limits.index_bits)
        words = -(-np.minimum(sparse, each * WEIGHT_BITS) // limits.word_bits)
        bits += np.bincount(reached, weights=words, minlength=cores).astype(int) * limits.word_bits
        axons += np.bincount(reached, minlength=cores)
    made = LayerMapping(
        name=item.name,
        neurons=item.neurons,
        synapses=sum(len(synapses) for _, synapses in item.synapses),
        cores=-(-item.neurons // each),
        per_neuron=item.per_neuron,
        compartments=each * item.per_neuron,
        memory_bytes=int(bits.max(initial=0)) // 8 + each * limits.state_bytes,
        # Channels lie side by side, so that neighbours have different thresholds.
        thresholds=min(item.thresholds, each),
        axons_in=int(axons.max(initial=0)),
        axons_out=0,
        edges=0,
        synapses_from={name: len(synapses) for name, synapses in item.synapses},
        bound_by=bound_by,
        fits=True,
    )
    if bound_by:
        return made
    used = made.used(limits)
    return replace(made, bound_by=max(used, key=lambda name: used[name]))


def _lists(synapses: Synapses, each: int) -> tuple[Array, Array]:
    """Return core and number of synapses of the list of every input axon that there is.

    Parameters
    ----------
    each
        Neurons per core.
    """
    core = synapses.post.astype(np.int64) // each
    pairs, numbers = np.unique(core * synapses.shape[0] + synapses.pre, return_counts=True)
    return pairs // synapses.shape[0], numbers


def _edges(item: _Sizes, layers: Mapping[str, LayerMapping], sizes: Sequence[_Sizes]) -> Array:
    """Return the edges that leave each core of a population."""
    own = layers[item.name]
    each = -(-own.neurons // own.cores)
    held = np.minimum(own.neurons - np.arange(own.cores) * each, each)
    edges = held * (own.per_neuron - 1)
    for target in sizes:
        to = layers[target.name]
        for source, synapses in target.synapses:
            if source == item.name:
                core = synapses.post // -(-to.neurons // to.cores)
                pairs = np.unique(synapses.pre.astype(np.int64) * to.cores + core)
                edges = edges + np.bincount(pairs // to.cores // each, minlength=own.cores)
    return edges


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

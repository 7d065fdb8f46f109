"""Convolutions as kernels on the board, instead of lists of synapses.

sPyNNaker's ``ConvolutionConnector`` and ``PoolDenseConnector`` keep a kernel in a core's own
memory and compute which neurons a spike reaches. They know images of one channel, so a layer
becomes a population for each channel, with a projection from each channel of the layer before.
Their neuron is ``IF_curr_exp``; no other binary ships with sPyNNaker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from snn_core.errors import SNNError
from snn_core.ir import AveragePooling2D, Conv2D, Dense, Flatten, Layer, Network, Spiking
from snn_core.ir.ways import is_population
from snn_core.typing import Array
from snn_spinnaker.job import Job, columns_of, described, head
from snn_spinnaker.layout import BoardNetwork, BoardPopulation
from snn_spinnaker.scaling import RECEPTORS

if TYPE_CHECKING:
    from snn_spinnaker.mapping import BoardMapping
    from snn_spinnaker.simulator import SNN

SIDE = 16
"""Largest side of the part of an image on one core: 256 neurons."""


class NotNative(Exception):  # noqa: N818 - not an error of a user's
    """A layer cannot be mapped as a kernel; the text says why."""


def describe_native(snn: SNN, listed: BoardMapping) -> tuple[list[str], dict[str, Any]]:
    """Map a network with kernels, and compare it with lists of synapses.

    Returns
    -------
    Sentences, and the same in plain values. Where kernels are not possible, they say why.
    """
    from snn_spinnaker.mapping import map_job

    try:
        job = native_job(snn)
        mapped = map_job(job, snn.options)
    except (NotNative, SNNError) as error:
        return [f"native convolution: not possible, {error}"], {
            "possible": False,
            "why": str(error),
        }
    memory = [_memory(item) for item in (listed, mapped)]
    kinds = [part["kind"] for part in job[0]["projections"]]
    line = (
        f"native convolution, with IF_curr_exp: {mapped.cores} cores instead of {listed.cores}, "
        f"{memory[1] / 1024:.0f} KB of SDRAM for the network instead of {memory[0] / 1024:.0f}, "
        f"{mapped.router_entries} router entries instead of {listed.router_entries}, in "
        f"{len(kinds)} projections between {mapped.populations} populations; estimate: "
        f"{mapped.bottleneck.name} takes {mapped.bottleneck.worst_us:.0f} us per tick if all "
        f"sources spike, with lists {listed.bottleneck.name} {listed.bottleneck.worst_us:.0f} us"
    )
    data = {
        "possible": True,
        "saved_cores": listed.cores - mapped.cores,
        "saved_sdram_bytes": memory[0] - memory[1],
        **mapped.to_json(),
    }
    return [line], data


def _memory(mapped: BoardMapping) -> int:
    """Return the SDRAM that a network takes, about: each core as the layer's fullest."""
    return sum(layer.sdram_bytes * layer.cores for layer in mapped.layers)


def native_job(snn: SNN) -> Job:
    """Return what sPyNNaker is to build, with kernels for convolutions.

    Raises
    ------
    NotNative
        If a layer cannot be a kernel.
    """
    network = snn.network
    paths = {layer.name: _path(network, layer) for layer in _populations(network)}
    # Its thresholds, if they were to be calibrated, are by now.
    options = snn.options.model_copy(update={"neuron_model": "IF_curr_exp", "x_norm": ""})
    board = type(snn)(network, snn.settings, options).board
    maker = _Maker(network, board, snn)
    for layer in _populations(network):
        maker.add(layer, *paths[layer.name])
    description = head(board, options) | {
        "populations": maker.populations, "projections": maker.projections
    }  # fmt: skip
    return description, maker.arrays


def _populations(network: Network) -> Iterator[Spiking]:
    return (layer for layer in network.spiking_layers if network.has_neurons(layer))


def _path(network: Network, layer: Layer) -> tuple[str, AveragePooling2D | None]:
    """Return the population that a layer reads from, and the pooling on the way.

    Raises
    ------
    NotNative
        If it is no kernel.
    """
    if isinstance(layer, Conv2D):
        side = layer.weight_hwio.shape[:2]
        pad = layer.padding
        reasons = {
            "kernels that are no squares": side[0] != side[1],
            "groups": layer.groups != 1,
            "dilation": layer.dilation != (1, 1),
            "images that are no squares": layer.output_shape[0] != layer.output_shape[1],
            "even kernels with padding": pad == "same" and side[0] % 2 == 0,
            "an image that does not divide into parts of a core": part_side(layer.output_shape[0])
            < 4
            and layer.output_shape[0] > SIDE,
            "unequal padding": not isinstance(pad, str) and len({n for p in pad for n in p}) > 1,
        }
        found = [what for what, applies in reasons.items() if applies]
        if found:
            raise NotNative(f"{layer.name} has {', '.join(found)}")
    elif not isinstance(layer, Dense):
        raise NotNative(f"{layer.name} is a {layer.kind} layer with neurons")
    pooling = None
    (inbound,) = network.inbound(layer.name)
    while not is_population(network, inbound):
        if isinstance(inbound, AveragePooling2D) and pooling is None:
            pooling = _pooled(network, inbound)
        elif not isinstance(inbound, Flatten):
            raise NotNative(f"{inbound.name}, a {inbound.kind} layer, lies on the way")
        (inbound,) = network.inbound(inbound.name)
    return inbound.name, pooling


def _pooled(network: Network, layer: AveragePooling2D) -> AveragePooling2D:
    (shape,) = network.input_shapes(layer.name)
    square = layer.pool_size[0] == layer.pool_size[1]
    whole = all(n % k == 0 for n, k in zip(shape[:2], layer.pool_size, strict=True))
    if layer.strides != layer.pool_size or not square or not whole:
        raise NotNative(f"the windows of {layer.name} overlap, are cut off or are no squares")
    return layer


def part_side(side: int) -> int:
    """Return the side of the part of an image on a core, into which the image has to divide."""
    return max(n for n in range(1, min(side, SIDE) + 1) if side % n == 0)


def _area(pooling: AveragePooling2D | None) -> int:
    """Return how many cells there are for each that a kernel sees."""
    return 1 if pooling is None else pooling.pool_size[0] * pooling.pool_size[1]


class _Maker:
    """Describes populations and projections channel by channel."""

    def __init__(self, network: Network, board: BoardNetwork, snn: SNN) -> None:
        self.network, self.board, self.snn = network, board, snn
        self.populations: list[dict[str, Any]] = []
        self.projections: list[dict[str, Any]] = []
        self.arrays: dict[str, Array] = {}
        self._is_current = not board.sources

    def add(self, layer: Spiking, source: str, pooling: AveragePooling2D | None) -> None:
        """Add the populations of a layer and what projects to them."""
        item = self.board[layer.name]
        is_input = source == self.network.input.name
        if is_input and not self._is_current and not self.populations:
            self._sources()
        if isinstance(layer, Conv2D):
            self._images(layer, item)
        else:
            self.populations.append(described(item, self.snn.options) | {"layer": layer.name})
            self.arrays.update(columns_of(item))
        if is_input and self._is_current:
            return
        wait = max((part.delay_steps for part in item.projections), default=1) * self.board.dt_ms
        if isinstance(layer, Conv2D):
            self._kernels(layer, item, source, pooling, wait)
        elif isinstance(layer, Dense):
            self._dense(layer, item, source, pooling, wait)

    def _sources(self) -> None:
        shape = self.network.input.output_shape
        if len(shape) != 3 or shape[0] != shape[1]:
            raise NotNative("the input is no square image")
        for channel in range(shape[2]):
            self.populations.append(
                {
                    "label": f"{self.network.input.name}/{channel}",
                    "size": shape[0] * shape[1],
                    "model": "source",
                    "grid": list(shape[:2]),
                    "neurons_per_core": [part_side(shape[1]), part_side(shape[0])],
                }
            )

    def _images(self, layer: Conv2D, item: BoardPopulation) -> None:
        """Add a population for each channel."""
        height, width, channels = layer.output_shape
        for channel in range(channels):
            part = replace(
                item,
                name=f"{layer.name}/{channel}",
                threshold_l=item.threshold_l[channel::channels],
                start_l=item.start_l[channel::channels],
                offset_l=item.offset_l[channel::channels],
                projections=(),
            )
            entry = described(part, self.snn.options)
            entry |= {
                "grid": [height, width],
                "neurons_per_core": [part_side(width), part_side(height)],
                "layer": layer.name,
            }
            self.populations.append(entry)
            self.arrays.update(columns_of(part))

    def _kernels(
        self, layer: Conv2D, item: BoardPopulation, source: str,
        pooling: AveragePooling2D | None, wait_ms: float,
    ) -> None:  # fmt: skip
        kernel = layer.weight_hwio.astype(np.float64) * self._factor(item, source)
        side = kernel.shape[0]
        padding = layer.padding
        pad = (side // 2 if padding == "same" else 0) if isinstance(padding, str) else padding[0][0]
        arguments: dict[str, Any] = {"strides": list(layer.strides), "padding": [pad, pad]}
        reached = side**2 * layer.output_shape[0] * layer.output_shape[1] * _area(pooling)
        if pooling is not None:
            kernel = kernel * np.broadcast_to(pooling.weight_c, kernel.shape[2])[:, None]
            arguments |= {"pool_shape": list(pooling.pool_size)}
        for i in range(kernel.shape[2]):
            for o in range(kernel.shape[3]):
                self._project(
                    f"{source}/{i}", f"{layer.name}/{o}", "convolution", kernel[:, :, i, o],
                    arguments, wait_ms, reached,
                )  # fmt: skip

    def _dense(
        self, layer: Dense, item: BoardPopulation, source: str,
        pooling: AveragePooling2D | None, wait_ms: float,
    ) -> None:  # fmt: skip
        before = self.network[source].output_shape
        if len(before) != 3:
            self._lists(item, wait_ms)
            return
        weight = layer.weight_io.astype(np.float64) * self._factor(item, source)
        cells = [n // (pooling.pool_size[0] if pooling else 1) for n in before[:2]]
        weight = weight.reshape(*cells, before[2], -1)
        arguments: dict[str, Any] = {}
        if pooling is not None:
            arguments["pool_shape"] = list(pooling.pool_size)
            scale_c = np.broadcast_to(pooling.weight_c, before[2])
            weight = weight * scale_c[:, None]
        for c in range(before[2]):
            part = weight[:, :, c]
            # PoolDenseConnector takes the width first, as its populations do.
            values = np.ascontiguousarray(part.transpose(1, 0, 2))
            self._project(
                f"{source}/{c}", layer.name, "dense", values, arguments, wait_ms,
                part.size * _area(pooling),
            )  # fmt: skip

    def _lists(self, item: BoardPopulation, wait_ms: float) -> None:
        """Connect two layers that are no images, synapse by synapse."""
        for part in item.projections:
            key = f"p{len(self.projections)}"
            self.projections.append(
                {
                    "source": part.source, "target": part.target, "kind": "list", "key": key,
                    "receptor": RECEPTORS[part.receptor], "delay_ms": wait_ms,
                    "synapses": len(part.pre),
                }
            )  # fmt: skip
            self.arrays |= {f"{key}/pre": part.pre, f"{key}/post": part.post}
            self.arrays[f"{key}/w"] = part.weight

    def _factor(self, item: BoardPopulation, source: str) -> float:
        unit = self.board.input_unit if source == self.network.input.name else 1.0
        return item.cell.weight_factor * unit

    def _project(
        self, source: str, target: str, kind: str, values: Array, arguments: dict[str, Any],
        wait_ms: float, synapses: int,
    ) -> None:  # fmt: skip
        key = f"p{len(self.projections)}"
        self.arrays[key] = values
        self.projections.append(
            {
                "source": source, "target": target, "kind": kind, "key": key,
                "arguments": arguments, "delay_ms": wait_ms, "synapses": synapses,
            }
        )  # fmt: skip

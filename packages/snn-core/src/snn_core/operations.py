"""Numbers of neurons, synapses and operations, all counted from the actual connectivity.

An operation is a multiplication, an addition or a state update. The analog network costs two per
synapse of a weighted layer (multiply and add), one per biased neuron and one per further summand of
an addition; pooling and up-sampling are free. In the spiking network each spike costs one addition
per synapse that leaves its neuron, and each neuron with a bias one update per step (Rueckauer et
al. 2017, section 2.4). Counts are per step, not cumulative, and not scaled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from snn_core.codes import code_of
from snn_core.evaluation.operators import weighted_sum
from snn_core.ir import Add, Layer, Network, Spiking, Weighted
from snn_core.ir.connectivity import fanout
from snn_core.ir.links import linked_cells
from snn_core.ir.projections import copied_cells, drive_bias, projections_of
from snn_core.ir.shapes import count
from snn_core.ir.ways import layers_between
from snn_core.reading import spend
from snn_core.settings import Settings
from snn_core.typing import Array, Int, Int64

BYTES_PER_SYNAPSE = 48
"""What a synapse takes while it is listed and multiplied by others: both forms of two matrices."""


@dataclass(frozen=True, kw_only=True)
class ConnectivityStatistics:
    """Numbers of neurons and synapses; every list starts with the input.

    Parameters
    ----------
    names
        The input, then every layer with neurons in topological order.
    num_neurons
        Number of cells or neurons.
    num_neurons_with_bias
        Number of neurons that receive a constant input.
    fanin
        Largest number of synapses onto one neuron.
    fanout
        Number of synapses that leave each neuron, into all populations, shaped like the layer.
    """

    names: list[str]
    num_neurons: list[int]
    num_neurons_with_bias: list[int]
    fanin: list[int]
    fanout: list[Int64[Array, "..."]]

    @property
    def fanout_of(self) -> Mapping[str, Array]:
        """Fan-out by layer name."""
        return MappingProxyType(dict(zip(self.names, self.fanout, strict=True)))

    @property
    def num_synapses(self) -> int:
        """Total number of synapses."""
        return int(sum(part.sum() for part in self.fanout))


def connectivity_statistics(network: Network, *, limited: bool = False) -> ConnectivityStatistics:
    """Count neurons and synapses of a network.

    Layers between populations do not show: fan-out counts the synapses after multiplying relays
    into them.

    Parameters
    ----------
    network
        The network.
    limited
        Whether what is listed to count synapses has to fit into the memory that reading a file may
        take; for networks that nothing will simulate.

    Raises
    ------
    BudgetExceededError
        If it does not; names the layer. `snn_core.reading.limit_memory` makes it one of a file.
    """
    populations: list[Layer] = [network.input, *network.spiking_layers]
    fanout_of = {layer.name: np.zeros(layer.output_shape, np.int64) for layer in populations}
    fanin = [0]
    for layer in network.spiking_layers:
        sent, largest = _synapse_counts(network, layer, limited=limited)
        fanin.append(largest)
        for name, counts in sent.items():
            fanout_of[name] += counts
    return ConnectivityStatistics(
        names=[layer.name for layer in populations],
        num_neurons=[count(layer.output_shape) for layer in populations],
        num_neurons_with_bias=[0, *(biased_neurons(network, n) for n in network.spiking_layers)],
        fanin=fanin,
        fanout=list(fanout_of.values()),
    )


def _synapse_counts(
    network: Network, layer: Spiking, *, limited: bool
) -> tuple[dict[str, Array], int]:
    """Return how many synapses each source cell sends to a layer, and the largest fan-in."""
    copies = [copied_cells(network, name) for name in layer.inputs]
    if isinstance(layer, Weighted):
        if copies[0] is not None:
            return _counts_without_relays(network, layer, copies[0])
        linked = linked_cells(network, layer.inputs[0])
        if linked is not None:
            return _counts_of_linked(network, layer, linked)
    if limited:
        _require_countable(network, layer)
    sent: dict[str, Array] = {}
    received = np.zeros(count(layer.output_shape), np.int64)
    for projection in projections_of(network, layer):
        shape = network[projection.source].output_shape
        part = projection.synapses
        sent[projection.source] = np.bincount(part.pre, minlength=part.shape[0]).reshape(shape)
        received += np.bincount(part.post, minlength=len(received))
    return sent, int(received.max(initial=0))


def _counts_without_relays(
    network: Network, layer: Weighted, copies: Mapping[str, Array]
) -> tuple[dict[str, Array], int]:
    """Count without listing the synapses, which may be hundreds of millions."""
    (shape,) = network.input_shapes(layer.name)
    leaving = fanout(layer, [shape])[0].reshape(-1)
    sent: dict[str, Array] = {}
    filled = np.zeros(count(shape))
    for name, cells in copies.items():
        real = cells >= 0
        source = network[name].output_shape
        total = np.bincount(cells[real], weights=leaving[real], minlength=count(source))
        sent[name] = total.astype(np.int64).reshape(source)
        filled[real] = 1
    return sent, _largest_fanin(layer, filled.reshape(shape))


def _counts_of_linked(
    network: Network, layer: Weighted, linked: Mapping[str, Array]
) -> tuple[dict[str, Array], int]:
    """Count where relays lie before a layer that pass each cell on to one cell."""
    (shape,) = network.input_shapes(layer.name)
    leaving = fanout(layer, [shape])[0].reshape(-1)
    sent: dict[str, Array] = {}
    filled = np.zeros(count(shape))
    for name, cells in linked.items():
        real = cells >= 0
        sent[name] = np.where(real, leaving[cells], 0).reshape(network[name].output_shape)
        filled += np.bincount(cells[real], minlength=len(filled))
    return sent, _largest_fanin(layer, filled.reshape(shape))


def _largest_fanin(layer: Weighted, filled_l: Array) -> int:
    """Return the most synapses onto a neuron, given how many cells stand behind each input."""
    ones: dict[str, Any] = {layer.weight_name: (layer.weight != 0).astype(np.float32)}
    is_exact = filled_l.sum() < 2**24  # beyond, float32 does not hold all whole numbers
    filled_b_l = filled_l[None].astype(np.float32 if is_exact else np.float64)
    received = weighted_sum(replace(layer, **ones), [filled_b_l])
    return int(received.max(initial=0))


def _require_countable(network: Network, layer: Spiking) -> None:
    """Make sure that the synapses that are listed to count those of a layer fit into memory."""
    for each in (*layers_between(network, layer.inputs), layer):
        leaving = fanout(each, network.input_shapes(each.name))
        number = sum(int(part.sum()) for part in leaving)
        what = f"Counting the {number} synapses of layer {each.name!r}"
        spend(BYTES_PER_SYNAPSE * number, what, kept=False)


def biased_neurons(network: Network, layer: Layer) -> int:
    """Return how many neurons of a layer receive a bias, in every step or in some."""
    is_biased = drive_bias(network, layer) != 0
    if isinstance(layer, Spiking) and layer.bias_t_c is not None:
        is_biased = is_biased | layer.bias_t_c.any(axis=0)
    return int(np.count_nonzero(is_biased))


def ann_operations(network: Network) -> int:
    """Return the operations of one forward pass of the analog network."""
    return sum(layer_operations(network, layer) for layer in network.layers)


def layer_operations(network: Network, layer: Layer) -> int:
    """Return the operations of one layer of the analog network."""
    if isinstance(layer, Add):
        return (len(layer.inputs) - 1) * count(layer.output_shape)
    if not isinstance(layer, Weighted):
        return 0
    synapses = sum(int(part.sum()) for part in fanout(layer, network.input_shapes(layer.name)))
    positions = count(layer.output_shape[:-1])
    return 2 * synapses + positions * int(np.count_nonzero(layer.bias_o))


def neuron_operations(
    statistics: ConnectivityStatistics,
    *,
    num_steps: int,
    encoding: str = "constant",
    leaking: bool = False,
) -> Int64[Array, "t"]:
    """Return the state updates of each step.

    Every neuron with a bias or a leak is updated once per step. Under constant current the sums of
    the layers that read the input, multiplications included, are computed once, in the first step.

    Parameters
    ----------
    num_steps
        Number of steps.
    encoding
        Input encoding; see `snn_core.settings.InputSettings`.
    leaking
        Whether all neurons leak, those without a bias, too.
    """
    updated = statistics.num_neurons[1:] if leaking else statistics.num_neurons_with_bias
    operations_t = np.full(num_steps, sum(updated), np.int64)
    if encoding == "constant":
        operations_t[:1] += _input_operations(statistics)
    return operations_t


def _input_operations(statistics: ConnectivityStatistics) -> int:
    """Return the operations of multiplying the input by its weights and adding that up."""
    return 2 * int(statistics.fanout[0].sum())


def code_operations(
    statistics: ConnectivityStatistics, network: Network, settings: Settings, output_b_c_t: Array
) -> Int64[Array, "b t"]:
    """Return the state updates of each sample and step under the spike code of the settings.

    `SpikeCode.neuron_updates` says which neurons each code updates. A constant input is multiplied
    and added up once, in the first step, unless it enters as spikes.

    Parameters
    ----------
    output_b_c_t
        Output spikes or potentials.
    """
    code = code_of(settings)
    num_biased = sum(statistics.num_neurons_with_bias)
    updates = code.neuron_updates(network, output_b_c_t, num_biased=num_biased)
    operations_b_t = np.zeros((len(output_b_c_t), settings.num_steps), np.int64) + updates
    if settings.input.encoding == "constant" and not code.has_input_spikes:
        operations_b_t[:, :1] += _input_operations(statistics)
    return operations_b_t


def get_layer_synaptic_operations(
    spiketrains_b_l: Int[Array, "b *l"], fanout: int | Int[Array, "*l"]
) -> Int64[Array, "b"]:
    """Return the synaptic operations that the spikes of one layer cause, per sample.

    Parameters
    ----------
    spiketrains_b_l
        Spikes of one step: whole numbers of spikes of either sign, or floating values, each of
        which is one spike if it is not 0.
    fanout
        Number of outgoing synapses, one for all neurons or one each.
    """
    spikes = np.asarray(spiketrains_b_l)
    number = np.abs(spikes.astype(np.int64)) if spikes.dtype.kind in "iu" else spikes != 0
    per_cell = number * np.asarray(fanout, np.int64)
    total: Array = per_cell.reshape(len(number), -1).sum(axis=1)
    return total


def get_ann_ops(
    num_neurons: Sequence[int], num_neurons_with_bias: Sequence[int], fanin: Sequence[int]
) -> int:
    """Return the operations of a network whose neurons of a layer all have the same fan-in.

    ``2 * sum(neurons * fanin) + biased neurons``; `ann_operations` also knows image borders.
    """
    synapses = sum(n * f for n, f in zip(num_neurons, fanin, strict=True))
    return 2 * synapses + sum(num_neurons_with_bias)


def estimate_snn_ops(
    activations_n_b_l: Sequence[Array], fanouts_n: Sequence[int | Array], num_timesteps: int
) -> int:
    """Estimate synaptic operations from activations: ``int(a T)`` spikes per neuron.

    Parameters
    ----------
    activations_n_b_l
        Activations of each layer, in units of the largest rate.
    fanouts_n
        Number of outgoing synapses per layer.
    num_timesteps
        Number of steps T.

    Returns
    -------
    Mean over samples, rounded down.
    """
    total = sum(
        ((np.asarray(a_b_l) * num_timesteps).astype(np.int64) * np.asarray(fan)).sum() / len(a_b_l)
        for a_b_l, fan in zip(activations_n_b_l, fanouts_n, strict=True)
    )
    return int(total)


_UNITS = ((1e12, "TOps"), (1e9, "GOps"), (1e6, "MOps"), (1e3, "kOps"))


def format_operations(operations: float) -> str:
    """Return a number of operations with its unit, for example ``52.0 kOps``."""
    for size, unit in _UNITS:
        if operations >= size:
            return f"{operations / size:.1f} {unit}"
    return f"{operations:.0f} Ops"

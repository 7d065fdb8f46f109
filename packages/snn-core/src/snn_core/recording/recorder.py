"""What a simulator records of one batch: collected chunk by chunk, kept small.

A `Recorder` takes spikes, membrane potentials and input in chunks of steps with the time axis
first, the order in which simulators produce them. Spike trains are kept as bits, 1/32 of float32,
or as events where that is less. Counts and operations are summed up on the way, so they cost no
memory in time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from snn_core.errors import SimulationError
from snn_core.ir import Network
from snn_core.recording.spike_trains import CompactSpikes, compact, joined_in_time
from snn_core.typing import Array, Bool, Float32, Int, Int8, Int32, Int64, Shape


class SpikeTrains(Mapping[str, Array]):
    """Spike trains of several layers: name to int8 array of shape ``(b, *l, t)`` in {-1, 0, 1}.

    Stored as bits or events, whichever is smaller, and made dense on access.
    """

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        self._parts: dict[str, list[tuple[int, CompactSpikes]]] = {}
        self._whole: dict[str, CompactSpikes] = {}

    def write(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        """Store the spikes of some steps of a layer."""
        self._whole.pop(name, None)
        self._parts.setdefault(name, []).append((start, compact(spikes_t_b_l)))

    def compact(self, name: str) -> CompactSpikes:
        """Return the spike trains of a layer as they are stored, as one piece."""
        if name in self._whole:
            return self._whole[name]
        parts = sorted(self._parts[name], key=lambda part: part[0])
        pieces, step = [], 0
        shape = parts[0][1].shape_t_b_l[1:]
        for start, spikes in parts:
            if start > step:
                pieces.append(_silence((start - step, *shape)))
            pieces.append(spikes)
            step = start + spikes.shape_t_b_l[0]
        if step < self._num_steps:
            pieces.append(_silence((self._num_steps - step, *shape)))
        self._whole[name] = pieces[0] if len(pieces) == 1 else joined_in_time(pieces)
        self._parts[name] = [(0, self._whole[name])]
        return self._whole[name]

    def __getitem__(self, name: str) -> Int8[Array, "b *l t"]:
        """Return the spike trains of a layer."""
        return np.moveaxis(self.compact(name).dense(), 0, -1)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the layer names."""
        return iter(self._parts)

    def __len__(self) -> int:
        """Return the number of recorded layers."""
        return len(self._parts)

    @property
    def nbytes(self) -> int:
        """Size of what is stored."""
        return sum(spikes.nbytes for parts in self._parts.values() for _, spikes in parts)


def _silence(shape_t_b_l: Shape) -> CompactSpikes:
    return compact(np.broadcast_to(np.zeros((), np.int8), shape_t_b_l), form="events")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Everything recorded of one batch.

    Parameters
    ----------
    output_b_l_t
        Output spikes (int8) or, under the membrane read-out, output potentials (float32) in units
        of the threshold, after each step.
    spikecounts_n_b_l
        Spikes of every neuron over the run, for each layer with neurons; negative ones count -1.
    synaptic_operations_n_b_t
        Synaptic operations per step that spikes of each population caused, the input first.
    spiketrains_n_b_l_t
        Spike trains; empty unless asked for.
    mem_n_b_l_t
        Membrane potentials after each step in units of the threshold; empty unless asked for.
    input_b_l_t
        Input values of each step; ``None`` unless asked for.
    num_active_steps_b
        Number of steps after which each sample was stopped; ``None`` if none was. From then on
        nothing is recorded of it, and potentials stay what they were.
    negative_spikes_n_b
        Number of negative spikes of each layer that has any.
    """

    output_b_l_t: Array
    spikecounts_n_b_l: Mapping[str, Int32[Array, "b ..."]]
    synaptic_operations_n_b_t: Mapping[str, Int64[Array, "b t"]]
    spiketrains_n_b_l_t: Mapping[str, Array] = field(default_factory=dict)
    mem_n_b_l_t: Mapping[str, Float32[Array, "b ... t"]] = field(default_factory=dict)
    input_b_l_t: Float32[Array, "b ... t"] | None = None
    num_active_steps_b: Int64[Array, "b"] | None = None
    negative_spikes_n_b: Mapping[str, Int64[Array, "b"]] = field(default_factory=dict)

    @property
    def num_spikes_n_b(self) -> dict[str, Int64[Array, "b"]]:
        """Number of spikes of each layer with neurons, whatever their sign."""
        return {
            name: counts.reshape(len(counts), -1).sum(axis=1, dtype=np.int64)
            + 2 * self.negative_spikes_n_b.get(name, np.int64(0))
            for name, counts in self.spikecounts_n_b_l.items()
        }

    @property
    def is_active_b_t(self) -> Bool[Array, "b t"]:
        """Whether each sample is still simulated in each step."""
        samples, steps = len(self.output_b_l_t), self.output_b_l_t.shape[-1]
        if self.num_active_steps_b is None:
            return np.ones((samples, steps), bool)
        active: Array = np.arange(steps) < self.num_active_steps_b[:, None]
        return active

    @property
    def synaptic_operations_b_t(self) -> Int64[Array, "b t"]:
        """Synaptic operations per step, all populations together."""
        parts = list(self.synaptic_operations_n_b_t.values())
        samples, steps = len(self.output_b_l_t), self.output_b_l_t.shape[-1]
        return sum(parts, start=np.zeros((samples, steps), np.int64))


def joined(recordings: Sequence[Recording], order: Int64[Array, "b"]) -> Recording:
    """Return several recordings of the same network as one.

    Parameters
    ----------
    recordings
        The recordings.
    order
        Which of all their samples, counted on from one recording to the next, come in which order.
    """

    def taken(parts: Sequence[Array]) -> Array:
        result: Array = np.concatenate(parts)[order]
        return result

    def by_name(mappings: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        return {name: taken([mapping[name] for mapping in mappings]) for name in mappings[0]}

    first = recordings[0]
    spiketrains = SpikeTrains(first.output_b_l_t.shape[-1])
    for name in first.spiketrains_n_b_l_t:
        dense_b_l_t = taken([part.spiketrains_n_b_l_t[name] for part in recordings])
        spiketrains.write(name, 0, np.moveaxis(dense_b_l_t, -1, 0))
    inputs = [part.input_b_l_t for part in recordings if part.input_b_l_t is not None]
    return Recording(
        output_b_l_t=taken([part.output_b_l_t for part in recordings]),
        spikecounts_n_b_l=by_name([part.spikecounts_n_b_l for part in recordings]),
        synaptic_operations_n_b_t=by_name([part.synaptic_operations_n_b_t for part in recordings]),
        spiketrains_n_b_l_t=spiketrains,
        mem_n_b_l_t=by_name([part.mem_n_b_l_t for part in recordings]),
        input_b_l_t=taken(inputs) if inputs else None,
        negative_spikes_n_b={
            name: taken(
                [
                    part.negative_spikes_n_b.get(name, np.zeros(len(part.output_b_l_t), np.int64))
                    for part in recordings
                ]
            )
            for name in {name for part in recordings for name in part.negative_spikes_n_b}
        },
    )


class Recorder:
    """Collects a `Recording`.

    Parameters
    ----------
    network
        The simulated network.
    batch_size, num_steps
        Size of the recording.
    record
        Names out of ``spiketrains``, ``mem``, ``input``.
    fanout_n_l
        Population (layer with neurons, or the input) to the number of synapses that leave each of
        its cells.
    num_active_steps_b
        Number of steps after which each sample is stopped; ``None`` if none is.
    """

    def __init__(
        self,
        network: Network,
        *,
        batch_size: int,
        num_steps: int,
        record: Collection[str] = (),
        fanout_n_l: Mapping[str, Int[Array, "*l"]] | None = None,
        num_active_steps_b: Int64[Array, "b"] | None = None,
    ) -> None:
        self._num_active_steps_b = num_active_steps_b
        self.network = network
        self.batch_size = batch_size
        self.num_steps = num_steps
        self.record = frozenset(record)
        self._fanout_n_l = fanout_n_l or {}
        self._output_name = network.output.name
        self._spiketrains = SpikeTrains(num_steps)
        self._mem: dict[str, Array] = {}
        self._input: Array | None = None
        self._output: Array | None = None
        self._operations: dict[str, Array] = {}
        self._negative: dict[str, Array] = {}
        self._counts: dict[str, Array] = {
            layer.name: np.zeros((batch_size, *layer.output_shape), np.int32)
            for layer in network.spiking_layers
        }

    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        """Take the spikes of some steps of a layer with neurons.

        Parameters
        ----------
        name
            Layer name.
        start
            First step of the chunk, counted from 0.
        spikes_t_b_l
            Values in {-1, 0, 1} of any dtype, shape ``(steps, samples, *layer)``.
        """
        self._check(name, start, spikes_t_b_l)
        spikes_t_b_l = self._of_active(start, spikes_t_b_l)
        self._counts[name] += spikes_t_b_l.sum(axis=0, dtype=np.int32)
        self._count_negative(name, spikes_t_b_l)
        self._count_operations(name, start, spikes_t_b_l)
        if "spiketrains" in self.record:
            self._spiketrains.write(name, start, spikes_t_b_l)
        if name == self._output_name and self.network.readout == "counts":
            self._put_output(start, spikes_t_b_l, np.int8)

    def wants_spikes(self, name: str) -> bool:
        """Return whether the spikes of each step are needed; otherwise `totals` is enough."""
        is_readout = name == self._output_name and self.network.readout == "counts"
        return is_readout or "spiketrains" in self.record or self._num_active_steps_b is not None

    def totals(
        self,
        name: str,
        start: int,
        *,
        spikecounts_b_l: Array,
        operations_t_b: Int64[Array, "t b"] | None,
    ) -> None:
        """Take sums over the spikes of some steps from a simulator that adds them up itself.

        Parameters
        ----------
        name
            Layer name.
        start
            First step, counted from 0.
        spikecounts_b_l
            Spikes of each neuron in these steps.
        operations_t_b
            Synaptic operations of each step; ``None`` if no synapses leave the layer.
        """
        self._counts[name] += spikecounts_b_l.astype(np.int32)
        if operations_t_b is not None:
            self._put_operations(name, start, operations_t_b)

    def membrane(self, name: str, start: int, mem_t_b_l: Float32[Array, "t b *l"]) -> None:
        """Take membrane potentials of some steps, in units of the threshold."""
        self._check(name, start, mem_t_b_l)
        if "mem" in self.record:
            shape = (*mem_t_b_l.shape[1:], self.num_steps)
            mem = self._mem.setdefault(name, np.zeros(shape, np.float32))
            mem[..., start : start + len(mem_t_b_l)] = np.moveaxis(mem_t_b_l, 0, -1)
        if name == self._output_name and self.network.readout == "membrane":
            self._put_output(start, mem_t_b_l, np.float32)

    def wants_membrane(self, name: str) -> bool:
        """Return whether the membrane potentials of a layer are needed."""
        is_readout = name == self._output_name and self.network.readout == "membrane"
        return is_readout or "mem" in self.record

    def input(self, start: int, input_t_b_l: Float32[Array, "t b *l"], *, spiking: bool) -> None:
        """Take the input of some steps; spikes of it count as synaptic operations."""
        input_t_b_l = self._of_active(start, input_t_b_l)
        if spiking:
            self._count_operations(self.network.input.name, start, input_t_b_l)
        if "input" in self.record:
            if self._input is None:
                self._input = np.zeros((*input_t_b_l.shape[1:], self.num_steps), np.float32)
            self._input[..., start : start + len(input_t_b_l)] = np.moveaxis(input_t_b_l, 0, -1)

    def finish(self) -> Recording:
        """Return the recording.

        Raises
        ------
        SimulationError
            If the output layer was never recorded.
        """
        if self._output is None:
            what = "spikes" if self.network.readout == "counts" else "membrane potentials"
            raise SimulationError(
                f"The simulator recorded no {what} of the output layer {self._output_name!r}, "
                f"which the {self.network.readout} read-out needs."
            )
        potentials = [*self._mem.values()]
        if self.network.readout == "membrane":
            potentials.append(self._output)
        for values_b_l_t in potentials:
            self._hold(values_b_l_t)
        return Recording(
            output_b_l_t=self._output,
            spikecounts_n_b_l=self._counts,
            synaptic_operations_n_b_t=self._operations,
            spiketrains_n_b_l_t=self._spiketrains,
            mem_n_b_l_t=self._mem,
            input_b_l_t=self._input,
            num_active_steps_b=self._num_active_steps_b,
            negative_spikes_n_b=self._negative,
        )

    def _count_negative(self, name: str, spikes_t_b_l: Array) -> None:
        if spikes_t_b_l.dtype.kind in "bu":
            return
        negative = spikes_t_b_l < 0
        if negative.any():
            before = self._negative.setdefault(name, np.zeros(self.batch_size, np.int64))
            before += negative.reshape(*negative.shape[:2], -1).sum(axis=(0, 2))

    def _of_active(self, start: int, values_t_b_l: Array) -> Array:
        """Return values with zeros where a sample is stopped."""
        if self._num_active_steps_b is None:
            return values_t_b_l
        steps = np.arange(start, start + len(values_t_b_l))
        active_t_b = steps[:, None] < self._num_active_steps_b
        shape = (*active_t_b.shape, *[1] * (values_t_b_l.ndim - 2))
        return np.where(active_t_b.reshape(shape), values_t_b_l, np.zeros((), values_t_b_l.dtype))

    def _hold(self, potentials_b_l_t: Array) -> None:
        """Let the potentials of a stopped sample stay what they were; 0 if it never began."""
        if self._num_active_steps_b is None:
            return
        for b, steps in enumerate(self._num_active_steps_b):
            last = potentials_b_l_t[b, ..., steps - 1 : steps] if steps else 0
            potentials_b_l_t[b, ..., steps:] = last

    def _check(self, name: str, start: int, values_t_b_l: Array) -> None:
        expected = (self.batch_size, *self.network[name].output_shape)
        stop = start + len(values_t_b_l)
        if values_t_b_l.shape[1:] != expected or start < 0 or stop > self.num_steps:
            raise SimulationError(
                f"The simulator recorded steps {start}..{stop} of shape {values_t_b_l.shape[1:]} "
                f"for layer {name!r}; expected steps in 0..{self.num_steps}, shape {expected}."
            )

    def _put_output(self, start: int, values_t_b_l: Array, dtype: type) -> None:
        if self._output is None:
            self._output = np.zeros((*values_t_b_l.shape[1:], self.num_steps), dtype)
        self._output[..., start : start + len(values_t_b_l)] = np.moveaxis(values_t_b_l, 0, -1)

    def _count_operations(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        fanout_l = self._fanout_n_l.get(name)
        if fanout_l is None:
            return
        steps = len(spikes_t_b_l)
        # float64 sums are exact up to 2**53 operations per step.
        active_n_l = (spikes_t_b_l != 0).reshape(steps * self.batch_size, -1)
        operations = active_n_l @ fanout_l.reshape(-1).astype(np.float64)
        self._put_operations(name, start, operations.reshape(steps, self.batch_size))

    def _put_operations(self, name: str, start: int, operations_t_b: Array) -> None:
        total = self._operations.setdefault(
            name, np.zeros((self.batch_size, self.num_steps), np.int64)
        )
        total[:, start : start + len(operations_t_b)] = operations_t_b.T

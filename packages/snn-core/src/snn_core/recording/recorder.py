"""Collects what a simulator records of one batch, piece by piece.

A `Recorder` takes spikes and input in chunks of steps with the time axis first, or as lists of
events in any order, and membrane potentials in chunks. Spike trains are kept as bits, 1/32 of
float32, or as events where that is less. Counts and operations are summed up on the way, so they
cost no memory in time.

A step is always a layer's own: where spikes take time from layer to layer, each counts from its own
first step on (`snn_core.ir.timing`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from snn_core.errors import SimulationError
from snn_core.ir import Network
from snn_core.recording.log import Log
from snn_core.recording.recording import Recording
from snn_core.recording.spike_trains import (
    CompactSpikes,
    Events,
    assembled,
    compact,
    of_events,
)
from snn_core.typing import Array, Float32, Int, Int64, Shaped


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
        self._trains: dict[str, list[tuple[int, CompactSpikes]]] = {}
        self._mem: dict[str, Array] = {}
        self._input: Array | None = None
        self._potentials: Array | None = None
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
            Shape ``(steps, samples, *layer)``. Whole numbers are numbers of spikes, negative ones
            of negative spikes; floating values are what a single spike carries, if not 0.
        """
        self._check(name, start, spikes_t_b_l)
        spikes_t_b_l = self._of_active(start, spikes_t_b_l)
        if spikes_t_b_l.dtype.kind == "f":
            spikes_t_b_l = np.sign(spikes_t_b_l).astype(np.int8)
        self._counts[name] += spikes_t_b_l.sum(axis=0, dtype=np.int32)
        self._count_negative(name, spikes_t_b_l)
        self._count_operations(name, start, spikes_t_b_l)
        if self._keeps(name):
            self._trains.setdefault(name, []).append((start, compact(spikes_t_b_l)))

    def events(
        self,
        name: str,
        sample_e: Shaped[Array, "e"],
        step_e: Shaped[Array, "e"],
        cell_e: Shaped[Array, "e"],
        sign_e: Int[Array, "e"] | None = None,
    ) -> None:
        """Take spikes of a layer with neurons as a list, in any order.

        It may be called repeatedly, with other samples or steps each time. A cell that is listed
        repeatedly in a step spikes as many times.

        Parameters
        ----------
        name
            Layer name.
        sample_e, step_e
            Sample of the batch and step of each spike, counted from 0.
        cell_e
            Index of its neuron in the flattened layer: row-major, channels last.
        sign_e
            1 or -1 for each; all are positive if not given.

        Raises
        ------
        SimulationError
            If a sample, step or cell does not exist, a sign is no sign, or a neuron spikes with
            both signs in a step.
        """
        events = self._checked(name, Events(sample_e, step_e, cell_e, sign_e))
        if sign_e is not None and (np.abs(sign_e) != 1).any():
            raise SimulationError(
                f"The simulator recorded signs other than 1 and -1 for layer {name!r}; list a cell "
                f"repeatedly where it spikes more than once in a step."
            )
        self._check_signs(name, events)
        shape_b_l = self._counts[name].shape
        place_e = _flat(events.sample_e, self._counts[name][0].size, events.cell_e)
        # float64 sums are exact up to 2**53.
        counts = np.bincount(place_e, weights=events.value_e, minlength=self._counts[name].size)
        self._counts[name] += counts.astype(np.int32).reshape(shape_b_l)
        if events.value_e is not None and (events.value_e < 0).any():
            negative_b = np.bincount(events.sample_e[events.value_e < 0], minlength=shape_b_l[0])
            self._add_negative(name, negative_b)
        self._count_event_operations(name, events)
        if self._keeps(name):
            shape = (self.num_steps, *shape_b_l)
            trains = of_events(shape, events.step_e, place_e, events.value_e)
            self._trains.setdefault(name, []).append((0, trains))

    def wants_spikes(self, name: str) -> bool:
        """Return whether the spikes of each step are needed; otherwise `totals` is enough."""
        return self._keeps(name) or self._num_active_steps_b is not None

    def _keeps(self, name: str) -> bool:
        """Return whether spike trains of a layer are kept, to be read off or for the result."""
        is_readout = name == self._output_name and self.network.readout == "counts"
        return is_readout or "spiketrains" in self.record

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
            stop = start + len(operations_t_b)
            self._operations_of(name)[:, start:stop] = operations_t_b.T

    def membrane(self, name: str, start: int, mem_t_b_l: Float32[Array, "t b *l"]) -> None:
        """Take membrane potentials of some steps, in units of the threshold."""
        self._check(name, start, mem_t_b_l)
        if "mem" in self.record:
            shape = (*mem_t_b_l.shape[1:], self.num_steps)
            mem = self._mem.setdefault(name, np.zeros(shape, np.float32))
            mem[..., start : start + len(mem_t_b_l)] = np.moveaxis(mem_t_b_l, 0, -1)
        if name == self._output_name and self.network.readout == "membrane":
            if self._potentials is None:
                shape = (*mem_t_b_l.shape[1:], self.num_steps)
                self._potentials = np.zeros(shape, np.float32)
            self._potentials[..., start : start + len(mem_t_b_l)] = np.moveaxis(mem_t_b_l, 0, -1)

    def wants_membrane(self, name: str) -> bool:
        """Return whether the membrane potentials of a layer are needed."""
        is_readout = name == self._output_name and self.network.readout == "membrane"
        return is_readout or "mem" in self.record

    def input(self, start: int, input_t_b_l: Float32[Array, "t b *l"], *, spiking: bool) -> None:
        """Take the input of some steps; spikes of it count as synaptic operations."""
        input_t_b_l = self._of_active(start, input_t_b_l)
        if spiking:
            self._count_operations(self.network.input.name, start, input_t_b_l != 0)
        if "input" in self.record:
            part = slice(start, start + len(input_t_b_l))
            self._recorded_input()[..., part] = np.moveaxis(input_t_b_l, 0, -1)

    def input_events(
        self,
        sample_e: Shaped[Array, "e"],
        step_e: Shaped[Array, "e"],
        cell_e: Shaped[Array, "e"],
        value_e: Float32[Array, "e"] | None = None,
    ) -> None:
        """Take input spikes as a list, as `InputSignal.events` returns them; they cost operations.

        Without values, all carry 1. What a cell carries that is listed repeatedly in a step adds
        up; a value of 0 is no spike.

        Raises
        ------
        SimulationError
            If a sample, step or cell does not exist.
        """
        name = self.network.input.name
        events = self._checked(name, Events(sample_e, step_e, cell_e, value_e))
        if events.value_e is not None and not events.value_e.all():
            events = events.taken(events.value_e != 0)
        self._count_event_operations(name, events)
        if "input" in self.record:
            flat_b_i_t = self._recorded_input().reshape(self.batch_size, -1, self.num_steps)
            carried = np.float32(1) if events.value_e is None else events.value_e
            np.add.at(flat_b_i_t, (events.sample_e, events.cell_e, events.step_e), carried)

    def _recorded_input(self) -> Array:
        if self._input is None:
            shape = (self.batch_size, *self.network.input.output_shape, self.num_steps)
            self._input = np.zeros(shape, np.float32)
        return self._input

    def finish(self) -> Recording:
        """Return the recording.

        Raises
        ------
        SimulationError
            If the output layer was never recorded.
        """
        is_counted = self.network.readout == "counts"
        if self._output_name not in self._trains if is_counted else self._potentials is None:
            what = "spikes" if is_counted else "membrane potentials"
            raise SimulationError(
                f"The simulator recorded no {what} of the output layer {self._output_name!r}, "
                f"which the {self.network.readout} read-out needs."
            )
        trains = {name: assembled(parts, self.num_steps) for name, parts in self._trains.items()}
        if is_counted:
            output = np.ascontiguousarray(np.moveaxis(trains[self._output_name].dense(), 0, -1))
        else:
            output = np.asarray(self._potentials)
            self._hold(output)
        for mem_b_l_t in self._mem.values():
            self._hold(mem_b_l_t)
        return Recording(
            output_b_l_t=output,
            spikecounts_n_b_l=self._counts,
            synaptic_operations_n_b_t=self._operations,
            spiketrains_n_b_l_t=Log(trains if "spiketrains" in self.record else {}),
            mem_n_b_l_t=self._mem,
            input_b_l_t=self._input,
            num_active_steps_b=self._num_active_steps_b,
            negative_spikes_n_b=self._negative,
        )

    def _count_negative(self, name: str, spikes_t_b_l: Array) -> None:
        if spikes_t_b_l.dtype.kind in "bu" or not (spikes_t_b_l < 0).any():
            return
        negative = np.minimum(spikes_t_b_l, 0).reshape(*spikes_t_b_l.shape[:2], -1)
        self._add_negative(name, -negative.sum(axis=(0, 2), dtype=np.int64))

    def _add_negative(self, name: str, number_b: Int64[Array, "b"]) -> None:
        before = self._negative.setdefault(name, np.zeros(self.batch_size, np.int64))
        before += number_b

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

    def _checked(self, name: str, events: Events) -> Events:
        """Return events without those of stopped samples, once all are known to exist."""
        # An empty list is one of floating numbers for NumPy.
        sample_e, step_e, cell_e = (
            np.asarray(part_e) if len(part_e) else np.zeros(0, np.int64) for part_e in events[:3]
        )
        events = Events(sample_e, step_e, cell_e, events.value_e)
        size = int(np.prod(self.network[name].output_shape))
        limits = {"sample": self.batch_size, "step": self.num_steps, "cell": size}
        for (what, limit), part_e in zip(limits.items(), events[:3], strict=True):
            if len(part_e) and not 0 <= part_e.min() <= part_e.max() < limit:
                raise SimulationError(
                    f"The simulator recorded spikes of layer {name!r} with {what} "
                    f"{part_e.min()} to {part_e.max()}; expected 0 to {limit - 1}."
                )
        if self._num_active_steps_b is None:
            return events
        return events.taken(events.step_e < self._num_active_steps_b[events.sample_e])

    def _check_signs(self, name: str, events: Events) -> None:
        """Raise if a neuron spikes positively and negatively in the same step."""
        if events.value_e is None or not (events.value_e < 0).any():
            return
        cell_e = _flat(events.sample_e, self._counts[name][0].size, events.cell_e)
        place_e = _flat(cell_e, self.num_steps, events.step_e)
        is_negative_e = events.value_e < 0
        if len(np.intersect1d(place_e[is_negative_e], place_e[~is_negative_e])):
            raise SimulationError(
                f"The simulator recorded a positive and a negative spike of one neuron of layer "
                f"{name!r} in the same step; expected spikes of one sign."
            )

    def _count_operations(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        fanout_l = self._fanout_n_l.get(name)
        if fanout_l is None:
            return
        total = self._operations_of(name)
        if not fanout_l.any():  # as of the output
            return
        steps = len(spikes_t_b_l)
        # float64 sums are exact up to 2**53 operations per step.
        number_n_l = spikes_t_b_l.reshape(steps * self.batch_size, -1).astype(np.float64)
        operations = np.abs(number_n_l, out=number_n_l) @ fanout_l.reshape(-1).astype(np.float64)
        operations_t_b = operations.reshape(steps, self.batch_size).astype(np.int64)
        total[:, start : start + steps] += operations_t_b.T

    def _count_event_operations(self, name: str, events: Events) -> None:
        fanout_l = self._fanout_n_l.get(name)
        if fanout_l is None:
            return
        place_e = _flat(events.sample_e, self.num_steps, events.step_e)
        each_e = fanout_l.reshape(-1)[events.cell_e].astype(np.float64)
        total = self._operations_of(name)
        sent = np.bincount(place_e, weights=each_e, minlength=total.size)
        total += sent.astype(np.int64).reshape(total.shape)

    def _operations_of(self, name: str) -> Int64[Array, "b t"]:
        """Return the operations that the spikes of a population have caused so far."""
        empty = np.zeros((self.batch_size, self.num_steps), np.int64)
        return self._operations.setdefault(name, empty)


def _flat(row_e: Array, length: int, column_e: Array) -> Int64[Array, "e"]:
    """Return the places of some elements in a flattened matrix with rows of a length."""
    place_e: Int64[Array, "e"] = row_e.astype(np.int64)
    place_e *= length
    # Nothing is lost: numbers of cells and steps fit, whatever integers hold them.
    np.add(place_e, column_e, out=place_e, casting="unsafe")
    return place_e

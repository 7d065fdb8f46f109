"""Spikes of some samples and steps, as bits and as lists, and what is computed from them.

See `snn_inisim.event.kernels` for how spikes are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from snn_core.typing import Array, Float32, Int32, Int64
from snn_inisim.event import kernels
from snn_inisim.event.plan import EventNetwork, Population
from snn_inisim.event.reads import Reader
from snn_inisim.event.vector import LANES, NONE, PLACES


class Frames:
    """Frames of a network that are not in use: the system takes long to hand out memory.

    Parameters
    ----------
    plan
        The network.
    """

    def __init__(self, plan: EventNetwork) -> None:
        self._plan = plan
        self._free: dict[tuple[int, int], list[Frame]] = {}

    @contextmanager
    def lend(self, number: int, num_steps: int) -> Iterator[Frame]:
        """Lend a frame for some samples and steps."""
        free = self._free.setdefault((number, num_steps), [])
        frame = free.pop() if free else Frame(self._plan, number=number, num_steps=num_steps)
        yield frame
        free.append(frame)


class Frame:
    """Spikes of all populations; each is written before it is read.

    Parameters
    ----------
    plan
        The network.
    number, num_steps
        Number of samples and of steps.
    """

    def __init__(self, plan: EventNetwork, *, number: int, num_steps: int) -> None:
        self.number, self.num_steps = number, num_steps
        self._bits_b = np.zeros((number, plan.words * num_steps), np.uint64)
        self._begin_b_t_p = np.empty((number, num_steps, plan.positions), np.int32)
        # Lists have room for a spike of every neuron; pages that are not written take no memory.
        self._index_b_e = np.empty((number, plan.neurons * num_steps + LANES), np.int32)
        self._listed_n = np.empty(plan.longest * num_steps + LANES, np.int64)

    # Spikes.

    def write(self, to: Population, spikes_t_b_l: Float32[Array, "t b *l"]) -> None:
        """Write spikes that were found elsewhere: all values other than 0."""
        shape = (self.num_steps, self.number, to.positions, to.layer.output_shape[-1])
        spikes_t_b_o_c = np.ascontiguousarray(spikes_t_b_l).reshape(shape)
        kernels.pack(spikes_t_b_o_c, self._bits_b, to.place, to.words)

    def read(self, to: Population) -> Float32[Array, "t b *l"]:
        """Return the spikes of a population."""
        shape = (self.num_steps, self.number, to.positions, to.layer.output_shape[-1])
        spikes_t_b_o_c = np.zeros(shape, np.float32)
        kernels.unpack(self._bits_b, to.place, to.words, spikes_t_b_o_c)
        return spikes_t_b_o_c.reshape(*shape[:2], *to.layer.output_shape)

    def list_spikes(self, to: Population) -> None:
        """List the spikes of a population for those that read them; populations go in order."""
        kernels.list_spikes(
            self._bits_b, to.place, to.words, to.positions, to.layer.output_shape[-1], PLACES,
            self._begin_b_t_p, self._index_b_e, to.first,
        )  # fmt: skip

    def operations(self, to: Population) -> Int64[Array, "t b"]:
        """Return how many synapses the spikes of a population reach in each step."""
        operations_t_b = np.empty((self.num_steps, self.number), np.int64)
        kernels.count_operations(
            self._begin_b_t_p, self._index_b_e, to.first, to.fanout_l, to.positions, operations_t_b
        )  # fmt: skip
        return operations_t_b

    # Sums and neurons.

    def add_up(self, reader: Reader) -> Float32[Array, "b o t c"]:
        """Return what a reader adds up in each step."""
        positions, channels = len(reader.first_o) - 1, reader.rows.shape[1]
        found = np.empty((self.number, positions, self.num_steps, channels), np.float32)
        unused = np.zeros((self.number, positions, 0), np.float32)
        kernels.weighted(selects=reader.selects, reset=NONE)(
            self._begin_b_t_p, self._index_b_e, self._bits_b, self._listed_n,
            reader.first_o, reader.entries_k_3, reader.rows, reader.bias_c,
            unused[0, 0], unused, unused.astype(np.int32),
            found.reshape(self.number, -1), 0, channels,
        )  # fmt: skip
        return found

    def fire(
        self, to: Population, reader: Reader, v_b_o_c: Float32[Array, "b o c"], *, reset: str
    ) -> Int32[Array, "b o c"]:
        """Let neurons integrate what a reader adds up; return the numbers of their spikes.

        Parameters
        ----------
        to
            The neurons.
        reader
            What they read.
        v_b_o_c
            Potentials, which are updated.
        """
        counts_b_o_c = np.zeros(v_b_o_c.shape, np.int32)
        kernels.weighted(selects=reader.selects, reset=kernels.RESETS[reset])(
            self._begin_b_t_p, self._index_b_e, self._bits_b, self._listed_n,
            reader.first_o, reader.entries_k_3, reader.rows, reader.bias_c,
            to.threshold_c, v_b_o_c, counts_b_o_c, self._bits_b, to.place, to.words,
        )  # fmt: skip
        return counts_b_o_c

    def fire_by(
        self,
        to: Population,
        sums_b_o_t_c: Float32[Array, "b o t c"],
        v_b_o_c: Float32[Array, "b o c"],
        *,
        reset: str,
    ) -> Int32[Array, "b o c"]:
        """Let neurons integrate sums that are given; return the numbers of their spikes.

        Sums of a single step are those of all steps.
        """
        counts_b_o_c = np.zeros(v_b_o_c.shape, np.int32)
        kernels.neurons(reset=kernels.RESETS[reset])(
            sums_b_o_t_c, self.num_steps, to.threshold_c, v_b_o_c, counts_b_o_c, self._bits_b,
            to.place, to.words,
        )  # fmt: skip
        return counts_b_o_c

"""Spikes of some samples and steps, as bits and as lists, and what is computed from them.

See `snn_inisim.event.kernels` for how spikes are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from snn_core.typing import Array, Float32, Int32, Int64
from snn_inisim.event import kernels
from snn_inisim.event.gather import gather
from snn_inisim.event.kernels import RESETS
from snn_inisim.event.layout import aligned
from snn_inisim.event.plan import EventNetwork
from snn_inisim.event.population import Population
from snn_inisim.event.reads import Gatherer, Reader, Selector
from snn_inisim.event.tally import Tally
from snn_inisim.event.vector import LANES, NONE, PLACES

BUSY = 20
"""Rows of a group that are added up in a step, on average, from which on groups pay."""

KEPT = 4
"""Sizes of frames that are kept: one batch needs those of whole and last parts and chunks."""


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
        if (number, num_steps) not in self._free and len(self._free) >= KEPT:
            self._free.clear()
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
        self._listed_n = np.empty(0, np.int32)

    # Spikes.

    def write(self, to: Population, spikes_t_b_l: Float32[Array, "t b *l"]) -> None:
        """Write spikes that were found elsewhere: all values other than 0."""
        shape = (self.num_steps, self.number, to.positions, to.shape[-1])
        spikes_t_b_o_c = np.ascontiguousarray(spikes_t_b_l).reshape(shape)
        kernels.pack(spikes_t_b_o_c, self._bits_b, to.place, to.words)

    def read(self, to: Population) -> Float32[Array, "t b *l"]:
        """Return the spikes of a population."""
        shape = (self.num_steps, self.number, to.positions, to.shape[-1])
        spikes_t_b_o_c = np.zeros(shape, np.float32)
        kernels.unpack(self._bits_b, to.place, to.words, spikes_t_b_o_c)
        return spikes_t_b_o_c.reshape(*shape[:2], *to.shape)

    def list_spikes(self, to: Population) -> None:
        """List the spikes of a population for those that read them; populations go in order."""
        kernels.list_spikes(
            self._bits_b, to.place, to.words, to.positions, to.shape[-1], PLACES,
            self._begin_b_t_p, self._index_b_e, to.first,
        )  # fmt: skip

    def tally(self, tally: Tally) -> None:
        """Count spikes, and list the digits of their numbers like spikes."""
        to = tally.to
        kernels.tally(
            self._bits_b, self.num_steps, tally.first_o, tally.place_e, to.words, to.place,
            tally.digits,
        )  # fmt: skip
        self.list_spikes(to)

    def operations(self, to: Population) -> Int64[Array, "t b"]:
        """Return how many synapses the spikes of a population reach in each step."""
        operations_t_b = np.empty((self.num_steps, self.number), np.int64)
        kernels.count_operations(
            self._begin_b_t_p, self._index_b_e, to.first, to.fanout_l, to.positions, operations_t_b
        )  # fmt: skip
        return operations_t_b

    # Sums and neurons.

    def add_up(self, reader: Reader, *, is_busy: bool) -> Float32[Array, "b o t c"]:
        """Return what a reader adds up in each step."""
        channels = len(reader.bias_c)
        shape = (self.number, reader.positions, self.num_steps, channels)
        found = aligned(shape)
        nothing = np.zeros((*shape[:2], 0), np.float32)
        target = found.reshape(self.number, -1), 0, channels
        neurons = nothing[0, 0], nothing, nothing.astype(np.int32)
        self._read(reader, NONE, *neurons, target, is_busy=is_busy)
        return found

    def fire(
        self,
        to: Population,
        reader: Reader,
        v_b_o_c: Float32[Array, "b o c"],
        *,
        reset: str,
        is_busy: bool,
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
        is_busy
            Whether groups of rows are added up one after the other; see `busy_rate`.
        """
        counts_b_o_c = np.zeros(v_b_o_c.shape, np.int32)
        neurons = to.threshold_c, v_b_o_c, counts_b_o_c
        target = self._bits_b, to.place, to.words
        self._read(reader, RESETS[reset], *neurons, target, is_busy=is_busy)
        return counts_b_o_c

    def _read(
        self,
        reader: Reader,
        reset: int,
        threshold_c: Array,
        v_b_o_c: Array,
        counts_b_o_c: Array,
        target: tuple[Array, int, int],
        *,
        is_busy: bool,
    ) -> None:
        """Run the kernel of a reader."""
        if isinstance(reader, Selector):
            kernels.select(
                self._bits_b, self.num_steps, reader.first_o, reader.entries_k_3, reader.rows,
                reader.bias_c, reset, threshold_c, v_b_o_c, counts_b_o_c, *target,
            )  # fmt: skip
            return
        groups = reader.groups if is_busy else reader.whole
        gather(
            self._begin_b_t_p, self._index_b_e, self._lists(reader), groups.first_o, groups.first_g,
            reader.entries_k_3, reader.rows_n_r_c, reader.bias_c, reset, threshold_c, v_b_o_c,
            counts_b_o_c, *target,
        )  # fmt: skip

    def _lists(self, reader: Gatherer) -> Int32[Array, "q n"]:
        """Return memory for the lists of the positions that are computed together."""
        tile, room = reader.tile(self.num_steps), reader.room(self.num_steps)
        if self._listed_n.size < tile * room:
            self._listed_n = np.empty(tile * room, np.int32)
        return self._listed_n[: tile * room].reshape(tile, room)

    def busy_rate(self, reader: Reader) -> float | None:
        """Return which share of a reader's inputs spikes in a step, if groups of rows then pay."""
        if isinstance(reader, Selector) or reader.groups.most == 1:
            return None
        listed = sum(inputs * self._rate(to) for to, inputs in reader.sources)
        if listed < BUSY * reader.groups.most:
            return None
        return listed / sum(inputs for _, inputs in reader.sources)

    def _rate(self, to: Population) -> float:
        """Return the mean number of spikes of a neuron in a step."""
        first_b = self._begin_b_t_p[:, 0, to.first]
        last_b = self._begin_b_t_p[:, -1, to.first + to.positions]
        return float((last_b - first_b).mean()) / (self.num_steps * len(to.fanout_l))

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
        kernels.fire(
            sums_b_o_t_c, self.num_steps, RESETS[reset], to.threshold_c, v_b_o_c, counts_b_o_c,
            self._bits_b, to.place, to.words,
        )  # fmt: skip
        return counts_b_o_c

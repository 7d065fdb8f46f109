"""From what Brian2's monitors hold to the recorder of snn-core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from snn_brian2.engine import Found, Spikes
from snn_brian2.tables import CELLS, INTEGRATORS, Tables
from snn_core.ir import Network
from snn_core.recording.recorder import Recorder
from snn_core.typing import Array, Float32, Int64

DENSE_BYTES = 64_000_000
"""Size of the dense arrays in which spikes are handed over."""


def joined(found: Sequence[Found], sizes: Sequence[int]) -> Found:
    """Return several runs of so many samples each as one."""
    if len(found) == 1:
        return found[0]
    first = np.cumsum([0, *sizes[:-1]])
    spikes = {
        name: Spikes(
            sample=np.concatenate(
                [part.spikes[name].sample + start for part, start in zip(found, first, strict=True)]
            ),
            step=np.concatenate([part.spikes[name].step for part in found]),
            cell=np.concatenate([part.spikes[name].cell for part in found]),
        )
        for name in found[0].spikes
    }
    membranes = {
        name: np.concatenate([part.membranes_t_b_l[name] for part in found], axis=1)
        for name in found[0].membranes_t_b_l
    }
    return Found(spikes=spikes, membranes_t_b_l=membranes)


class HandOver:
    """Hands the recording of a batch to a recorder.

    Parameters
    ----------
    recorder
        Takes it.
    tables
        The populations.
    batch_size, num_steps
        Size of the recording.
    fanout_of
        Population to the number of synapses that leave each of its cells.
    """

    def __init__(
        self, recorder: Recorder, tables: Tables, *, batch_size: int, num_steps: int, fanout_of: Any
    ) -> None:
        self._recorder, self._tables = recorder, tables
        self._network: Network = recorder.network
        self._size = (num_steps, batch_size)
        self._fanout_of = fanout_of

    def everything(self, found: Found, *, draw: Callable[[Any, Array], Array] | None) -> None:
        """Hand over spikes and potentials of all populations.

        Parameters
        ----------
        found
            What was recorded.
        draw
            Draws the output's spikes from its potentials, if it is a softmax.
        """
        for population in self._tables.populations:
            if population.role == CELLS:
                continue
            name, layer = population.name, self._network[population.name]
            v_t_b_l = found.membranes_t_b_l.get(name)
            shaped = None
            if v_t_b_l is not None:
                shaped = v_t_b_l.reshape(*self._size, *layer.output_shape)
            if population.role != INTEGRATORS:
                self._spikes(name, found.spikes[name])
            elif draw is not None and shaped is not None:
                self._recorder.spikes(name, 0, draw(layer, shaped))
            else:
                none = np.broadcast_to(np.int8(0), (*self._size, *layer.output_shape))
                self._recorder.spikes(name, 0, none)
            if shaped is not None and self._recorder.wants_membrane(name):
                self._recorder.membrane(name, 0, shaped / layer.threshold)  # type: ignore[attr-defined]

    def _spikes(self, name: str, spikes: Spikes) -> None:
        shape = self._network[name].output_shape
        if self._recorder.wants_spikes(name):
            self._dense(name, spikes, shape)
            return
        steps, batch = self._size
        size = int(np.prod(shape))
        counts = np.bincount(_flat(spikes.sample, size, spikes.cell), minlength=batch * size)
        fanout_l = self._fanout_of.get(name)
        operations: Int64[Array, "t b"] | None = None
        if fanout_l is not None:
            sent = np.bincount(
                _flat(spikes.step, batch, spikes.sample),
                # float64 sums are exact up to 2**53 operations per step.
                weights=fanout_l.reshape(-1)[spikes.cell].astype(np.float64),
                minlength=steps * batch,
            )
            operations = sent.astype(np.int64).reshape(steps, batch)
        self._recorder.totals(
            name, 0, spikecounts_b_l=counts.reshape(batch, *shape), operations_t_b=operations
        )

    def _dense(self, name: str, spikes: Spikes, shape: tuple[int, ...]) -> None:
        """Hand over the spikes of some steps at a time as dense arrays."""
        steps, batch = self._size
        size = int(np.prod(shape))
        chunk = max(1, DENSE_BYTES // (batch * size))
        order = np.argsort(spikes.step, kind="stable")
        step, sample, cell = (values[order] for values in (spikes.step, spikes.sample, spikes.cell))
        for start in range(0, steps, chunk):
            stop = min(start + chunk, steps)
            part = slice(*np.searchsorted(step, [start, stop]))
            dense: Float32[Array, "t b l"] = np.zeros((stop - start, batch, size), np.int8)
            dense[step[part] - start, sample[part], cell[part]] = 1
            self._recorder.spikes(name, start, dense.reshape(-1, batch, *shape))


def _flat(row: Array, length: int, column: Array) -> Int64[Array, "n"]:
    """Return the places of some elements in a flattened matrix with rows of a length."""
    place: Int64[Array, "n"] = row.astype(np.int64)
    place *= length
    place += column
    return place

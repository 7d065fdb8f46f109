"""From traces of some samples at a time to a recorder, which takes whole batches."""

from __future__ import annotations

import numpy as np

from snn_core.recording.recorder import Recorder
from snn_core.typing import Array
from snn_loihi.discretize.population import ChipNetwork
from snn_loihi.emulator import Trace

FLOAT32_EXACT = 1 << 24


class Parts:
    """Collects the traces of a batch, part by part.

    Parameters
    ----------
    chip
        The network.
    recorder
        Takes the batch in the end.
    fanout_n_l
        Synapses that leave each cell, for counting operations.
    """

    def __init__(self, chip: ChipNetwork, recorder: Recorder, fanout_n_l: dict[str, Array]) -> None:
        self._chip, self._recorder = chip, recorder
        self._fanout = {name: _exact(fanout_l) for name, fanout_l in fanout_n_l.items()}
        size, steps = recorder.batch_size, chip.num_steps
        self._spikes: dict[str, Array] = {}
        self._counts: dict[str, Array] = {}
        self._operations: dict[str, Array] = {}
        self._membranes: dict[str, Array] = {}
        for item in chip.populations:
            shape = item.layer.output_shape
            if recorder.wants_spikes(item.name):
                self._spikes[item.name] = np.zeros((steps, size, *shape), bool)
            else:
                self._counts[item.name] = np.zeros((size, *shape), np.int32)
                self._operations[item.name] = np.zeros((steps, size), np.int64)
            if item.name in self.membranes:
                self._membranes[item.name] = np.zeros((steps, size, *shape), np.float64)

    @property
    def membranes(self) -> frozenset[str]:
        """Names of the populations whose membranes are wanted."""
        names = (item.name for item in self._chip.populations)
        return frozenset(name for name in names if self._recorder.wants_membrane(name))

    def take(self, name: str, trace: Trace, *, first: int) -> None:
        """Take what a population did for the samples from ``first`` on."""
        spikes_t_b_l = trace.spikes_t_b_l
        part = slice(first, first + spikes_t_b_l.shape[1])
        if name in self._spikes:
            self._spikes[name][:, part] = spikes_t_b_l
        else:
            self._counts[name][part] = spikes_t_b_l.sum(axis=0)
            fanout_l = self._fanout.get(name)
            if fanout_l is not None:
                rows = spikes_t_b_l.reshape(-1, len(fanout_l)).astype(fanout_l.dtype, copy=False)
                self._operations[name][:, part] = (rows @ fanout_l).reshape(len(spikes_t_b_l), -1)
        if name in self._membranes and trace.membrane_t_b_l is not None:
            self._membranes[name][:, part] = trace.membrane_t_b_l

    def finish(self) -> None:
        """Hand everything to the recorder."""
        for item in self._chip.populations:
            name = item.name
            if name in self._spikes:
                self._recorder.spikes(name, 0, self._spikes[name])
            else:
                operations = self._operations[name] if name in self._fanout else None
                self._recorder.totals(
                    name, 0, spikecounts_b_l=self._counts[name], operations_t_b=operations
                )
            if name in self._membranes:
                in_thresholds = self._membranes[name] / item.threshold_c.astype(np.float64)
                self._recorder.membrane(name, 0, in_thresholds.astype(np.float32))

    def output(self) -> dict[str, Array]:
        """Return spikes and membranes of the output in the chip's integers, time last."""
        name = self._chip.network.output.name
        found = {"spikes_b_l_t": self._spikes, "membrane_b_l_t": self._membranes}
        return {
            what: np.moveaxis(values[name], 0, -1)
            for what, values in found.items()
            if name in values
        }


def _exact(fanout_l: Array) -> Array:
    """Return fan-outs in a type in which their sum is exact."""
    flat = np.asarray(fanout_l).reshape(-1)
    return flat.astype(np.float32 if flat.sum() < FLOAT32_EXACT else np.float64)

"""From traces of some samples at a time to a recorder, which takes whole batches."""

from __future__ import annotations

import numpy as np

from snn_core.recording.recorder import Recorder
from snn_core.typing import Array
from snn_loihi import loops
from snn_loihi.discretize.population import ChipNetwork
from snn_loihi.emulator import Trace


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
        self._reached = frozenset(fanout_n_l)
        self._fanout: dict[str, Array] = {}
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
                self._operations[item.name] = np.zeros((size, steps), np.int64)
                fanout_l = fanout_n_l.get(item.name, np.zeros(shape))
                self._fanout[item.name] = np.asarray(fanout_l, np.int64).reshape(-1)
            if item.name in self.membranes:
                self._membranes[item.name] = np.zeros((steps, size, *shape), np.float64)

    @property
    def membranes(self) -> frozenset[str]:
        """Names of the populations whose membranes are wanted."""
        names = (item.name for item in self._chip.populations)
        return frozenset(name for name in names if self._recorder.wants_membrane(name))

    def take(self, name: str, trace: Trace, *, first: int) -> None:
        """Take what a population did for the samples from ``first`` on."""
        spikes_b_t_l = trace.spikes_b_t_l
        part = slice(first, first + len(spikes_b_t_l))
        if name in self._spikes:
            self._spikes[name][:, part] = spikes_b_t_l.swapaxes(0, 1)
        else:
            loops.count(
                spikes_b_t_l.reshape(*spikes_b_t_l.shape[:2], -1),
                self._fanout[name],
                self._counts[name][part].reshape(len(spikes_b_t_l), -1),
                self._operations[name][part],
            )
        if name in self._membranes and trace.membrane_b_t_l is not None:
            self._membranes[name][:, part] = trace.membrane_b_t_l.swapaxes(0, 1)

    def finish(self) -> None:
        """Hand everything to the recorder."""
        for item in self._chip.populations:
            name = item.name
            if name in self._spikes:
                self._recorder.spikes(name, 0, self._spikes[name])
            else:
                operations = self._operations[name].T if name in self._reached else None
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

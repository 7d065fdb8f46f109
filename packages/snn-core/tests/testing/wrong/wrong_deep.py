"""Wrong simulators: they are right about one population, and wrong about several of them."""

from __future__ import annotations

from typing import cast

import numpy as np
from wrong_running import Tampered, Tampering
from wrong_simulators import fails

from snn_core.ir import Network
from snn_core.recording.recorder import Recorder
from snn_core.typing import Array


def is_deep(network: Network) -> bool:
    """Return whether a network has more than one layer with neurons."""
    return len(network.spiking_layers) > 1


class _WithFreeHiddenSpikes(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        recorder = cast("Recorder", self._recorder)
        recorder.spikes(name, start, spikes_t_b_l)
        if name != recorder.network.output.name:
            steps, samples = spikes_t_b_l.shape[:2]
            recorder.totals(
                name,
                start,
                spikecounts_b_l=np.zeros(spikes_t_b_l.shape[1:], np.int32),
                operations_t_b=np.zeros((steps, samples), np.int64),
            )


@fails("test_deep_network")
class ForgetsHiddenOperations(Tampered):
    """Counts no operations for the spikes of hidden layers."""

    tampering = _WithFreeHiddenSpikes

"""Exact time to first spike: each layer spikes in a window of its own, earlier for more."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snn_core.codes.base import Scaling, SpikeCode
from snn_core.codes.windows import spike_windows
from snn_core.errors import SettingsError
from snn_core.ir import Network
from snn_core.ir.shapes import count
from snn_core.ir.ways import populations_behind
from snn_core.typing import Array, Float32, Int8, Int64


class ExactFirstSpike(SpikeCode):
    """The share of the layer's window that is left at its one spike."""

    name: ClassVar[str] = "ttfs_exact"
    steps_setting: ClassVar[str | None] = "window_steps"
    is_per_ms: ClassVar[bool] = False
    has_output_spikes: ClassVar[bool] = False
    rounds: ClassVar[bool] = True

    def num_steps(self, network: Network) -> int:
        """Return the steps of all windows; in continuous time each counts as one."""
        windows = spike_windows(network)[network.output.name] + 1
        return windows * max(1, self.settings.conversion.window_steps)

    @property
    def levels(self) -> int:
        """Number of steps of a window."""
        return self.settings.conversion.window_steps or super().levels

    @property
    def highest(self) -> float:
        """All of the window: the number of a spike at its beginning."""
        return 1.0

    @property
    def scaling(self) -> Scaling:
        """Scales with headroom in continuous time, whatever the method."""
        return super().scaling if self.settings.conversion.window_steps else "headroom"

    def neuron_updates(
        self, network: Network, output_b_c_t: Array, *, num_biased: int
    ) -> Int64[Array, "t"]:
        """Return the neurons that are in a window of their sources, or in their own."""
        windows = spike_windows(network)
        last = max(windows.values())
        updates_w = np.zeros(last + 1, np.int64)
        for layer in network.spiking_layers:
            active = {windows[name] for name in populations_behind(network, layer)}
            if layer is not network.output:
                active.add(windows[layer.name])
            for window in active:
                updates_w[window] += count(layer.output_shape)
        return np.repeat(updates_w, self.settings.num_steps // (last + 1))

    @classmethod
    def rates(
        cls, spikes_b_l_t: Int8[Array, "b *l t"], *, dt_ms: float, window_steps: int
    ) -> Float32[Array, "b *l"]:
        """Return the share of the window that is left at the spike."""
        if window_steps == 0:
            raise SettingsError(
                f"Found spike code {cls.name!r} with window_steps = 0; expected at least one step "
                f"(continuous times are not in spike trains)."
            )
        first = spikes_b_l_t.argmax(axis=-1)
        left = window_steps - first % window_steps
        fired = spikes_b_l_t.any(axis=-1)
        return np.where(fired, left / window_steps, 0).astype(np.float32)

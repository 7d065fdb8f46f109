"""Temporal mean rates: a number is the number of spikes per time."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snn_core.codes.base import SpikeCode
from snn_core.ir import Network
from snn_core.ir.shapes import count
from snn_core.typing import Array, Float32, Int, Int8


class MeanRate(SpikeCode):
    """Spikes per ms, of integrate-and-fire neurons."""

    name: ClassVar[str] = "temporal_mean_rate"
    is_rate: ClassVar[bool] = True

    @property
    def highest(self) -> float | None:
        """A spike in each step; none where a spike carries whatever the potential was."""
        return None if self.settings.cell.payloads else 1 / self.settings.simulation.dt

    def problems(self, network: Network) -> list[str]:
        """Return what cannot be counted: rates express whatever the neurons can."""
        return self.readout_problems(network)

    def neuron_updates(
        self, network: Network, output_b_c_t: Array, *, num_biased: int
    ) -> Int[Array, "t"]:
        """Return the neurons with a bias, or all of them if they leak."""
        cell = self.settings.cell
        if cell.leak > 0 or cell.tau_m is not None:
            num_biased = sum(count(layer.output_shape) for layer in network.spiking_layers)
        return np.full(self.settings.num_steps, num_biased)

    @classmethod
    def rates(
        cls, spikes_b_l_t: Int8[Array, "b *l t"], *, dt_ms: float, window_steps: int
    ) -> Float32[Array, "b *l"]:
        """Return spikes per ms."""
        # NumPy would sum in 64 bits, which takes half as long again.
        exact = np.int32 if spikes_b_l_t.dtype == np.int8 else None
        duration_ms = spikes_b_l_t.shape[-1] * dt_ms
        rates: Array = (spikes_b_l_t.sum(axis=-1, dtype=exact) / duration_ms).astype(np.float32)
        return rates

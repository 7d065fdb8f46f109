"""Time to first spike: a number is the inverse time of a spike, after which a current stays on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from snn_core.codes.base import Scaling, SpikeCode
from snn_core.ir import (
    Add,
    AveragePooling2D,
    Layer,
    MaxPooling2D,
    Network,
    Softmax,
    Spiking,
    UpSampling2D,
    Weighted,
)
from snn_core.ir.shapes import count
from snn_core.settings import Settings
from snn_core.typing import Array, Float32, Int, Int8


class FirstSpike(SpikeCode):
    """The inverse time to the first spike, per ms."""

    name: ClassVar[str] = "ttfs"
    spikes_decide: ClassVar[bool] = True
    # A current that begins at a spike leaves a potential that no longer tells when that was.
    tells_values: ClassVar[bool] = False

    @property
    def scaling(self) -> Scaling:
        """Scales for spike times if there is a ramp, whatever the method."""
        return "first_spikes" if self.settings.conversion.ttfs_ramp else super().scaling

    def problems(self, network: Network) -> list[str]:
        """Return what the code cannot do: a softmax has no spike times, sums come bit by bit."""
        found, output = super().problems(network), network.output
        found += [
            f"{layer.name}: max pooling of sums that may be negative does not go with the spike "
            f"code {self.name!r}, whose currents go on until the end; use 'temporal_mean_rate', "
            f"'temporal_pattern' or 'ttfs_exact'"
            for layer in network.layers
            if isinstance(layer, MaxPooling2D) and not network.has_neurons(layer)
        ]
        is_softmax = isinstance(output, Spiking) and isinstance(output.activation, Softmax)
        if is_softmax and network.readout == "counts":
            found.append(
                f"{output.name}: a softmax does not go with the spike code {self.name!r} and the "
                f"read-out 'counts'; convert with softmax_to_relu or readout = 'membrane'"
            )
        return found

    def neuron_updates(
        self, network: Network, output_b_c_t: Array, *, num_biased: int
    ) -> Int[Array, "b t"]:
        """Return all neurons until the sample is decided: currents stay on."""
        every = sum(count(layer.output_shape) for layer in network.spiking_layers)
        updates: Array = self.undecided(output_b_c_t, network) * every
        return updates

    @classmethod
    def scores(cls, spikes_b_c_t: Array) -> Float32[Array, "b c t"]:
        """Return the number of steps since the spike, so that the earliest one wins.

        A corrective spike stops the count.
        """
        scores: Array = super().scores(spikes_b_c_t).cumsum(axis=-1, dtype=np.float32)
        return scores

    @classmethod
    def rates(
        cls, spikes_b_l_t: Int8[Array, "b *l t"], *, dt_ms: float, window_steps: int
    ) -> Float32[Array, "b *l"]:
        """Return the inverse time to the first spike, per ms."""
        first = spikes_b_l_t.argmax(axis=-1) + 1
        return np.where(spikes_b_l_t.any(axis=-1), 1 / (first * dt_ms), 0).astype(np.float32)


class DynamicThreshold(FirstSpike):
    """The inverse time to the first spike, which waits for sources that may yet fire."""

    name: ClassVar[str] = "ttfs_dyn_thresh"


class Corrective(FirstSpike):
    """The inverse time to the last spike if it was not withdrawn, per ms."""

    name: ClassVar[str] = "ttfs_corrective"
    spikes_decide: ClassVar[bool] = False

    @classmethod
    def rates(
        cls, spikes_b_l_t: Int8[Array, "b *l t"], *, dt_ms: float, window_steps: int
    ) -> Float32[Array, "b *l"]:
        """Return the inverse time to the last spike, per ms, 0 if it withdrew the one before."""
        last = spikes_b_l_t.shape[-1] - (spikes_b_l_t[..., ::-1] != 0).argmax(axis=-1)
        stands = spikes_b_l_t.sum(axis=-1) > 0
        return np.where(stands, 1 / (last * dt_ms), 0).astype(np.float32)


def ramp_duration(settings: Settings) -> float:
    """Return the time in ms at which a neuron without input would fire: half a step too late."""
    return (settings.num_steps + 0.5) * settings.simulation.dt


def magnitudes(layer: Layer) -> Layer:
    """Return a layer with the magnitudes of its weights and without bias."""
    if isinstance(layer, Weighted):
        changes: dict[str, Any] = {
            layer.weight_name: np.abs(layer.weight),
            "bias_o": np.zeros_like(layer.bias_o),
        }
        return replace(layer, **changes)
    if isinstance(layer, Add):
        return replace(layer, weight_nc=np.abs(layer.weight_nc))
    if isinstance(layer, (AveragePooling2D, UpSampling2D)):
        return replace(layer, weight_c=np.abs(layer.weight_c))
    return layer

"""Wrong simulators: they are right about rates, and wrong about other spike codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from wrong_simulators import fails

from snn_core.ir import ReLU, Weighted
from snn_core.recording.recorder import Recorder
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Shape


@fails("test_spike_code")
class CodesWithoutBias(ReferenceSNN):
    """Neurons have a bias under the rate code only."""

    def setup_layers(self, input_shape: Shape) -> None:
        """Drop the bias."""
        if self.settings.conversion.spike_code != "temporal_mean_rate":
            layers = [layer for layer in self.network if isinstance(layer, Weighted)]
            unbiased = [replace(layer, bias_o=np.zeros_like(layer.bias_o)) for layer in layers]
            self.network = self.network.replace(*unbiased)
        super().setup_layers(input_shape)


@fails("test_bounds_and_minima")
class CodesWithoutBounds(ReferenceSNN):
    """Takes bounded activations for others."""

    def setup_layers(self, input_shape: Shape) -> None:
        """Drop the bounds."""
        if self.settings.conversion.spike_code != "temporal_mean_rate":
            bounded = [n for n in self.network.spiking_layers if isinstance(n.activation, ReLU)]
            self.network = self.network.replace(*[replace(n, activation=ReLU()) for n in bounded])
        super().setup_layers(input_shape)


@fails("test_spike_code_in_batches")
class CodesByBatch(ReferenceSNN):
    """Scales the samples of a batch by the largest value in it."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Scale and simulate."""
        if self.settings.conversion.spike_code != "temporal_mean_rate":
            largest = np.float32(2.0 ** np.round(np.log2(np.abs(signal.x_b_l).max())))
            signal = replace(signal, x_b_l=signal.x_b_l / largest)
        super().simulate(signal, recorder)

"""Scales and initial potentials for the time-to-first-spike codes with a ramp.

A neuron whose ramp alone would reach the threshold after the time D fires, with an activation a on
top, at ``t = D / (1 + a / lambda)``, so its current is on for the share ``f = 1 - t / D`` of the
run. Its targets read ``mu f`` for a. Here layer after layer is simulated on calibration data, with
what the layers before it really send: a line through the origin gives mu, and the lambda with the
smallest squared error ``sum (a - mu f)^2`` is taken. A small lambda wastes the run on late
spikes of small activations, and makes f saturate; a large one leaves few steps to tell activations
apart. Both enter the network without changing its function: mu is the scale of the layer, and
lambda sets the initial potential ``1 - lambda / mu``, since the ramp covers the rest.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from snn_core.codes.first_spike import magnitudes
from snn_core.codes.windows import passes_spikes_on
from snn_core.data.lazy import LazySamples
from snn_core.evaluation.forward import forward
from snn_core.evaluation.operators import drive
from snn_core.ir import Layer, Network, Spiking
from snn_core.settings import Settings
from snn_core.typing import Array, Float

SAMPLES = 50
"""Samples that are simulated; the error of a layer sums over thousands of neurons already."""
MOST_STEPS = 128
"""Steps of the simulation, if the run has more. Fewer steps than the run has would favour too small
a lambda, since a larger one needs more of them."""
ROWS = 500
"""Steps and samples that a layer adds up at once, so that memory stays bounded."""
CANDIDATES = 2.0 ** np.arange(-1, 5.5, 0.5)
"""Candidates for lambda, as multiples of the layer's largest activation."""

Trains: TypeAlias = dict[str, Array]
"""Layer name to values of shape ``(steps * samples, *layer)``."""


class _Calibration:
    """Layer-by-layer simulation of the calibration samples, and the scales found so far."""

    def __init__(self, network: Network, x_b_l: Array, settings: Settings) -> None:
        self.network = network
        self.code = settings.conversion.spike_code
        self.per_channel = settings.normalization.per_channel
        self.steps = min(settings.num_steps, MOST_STEPS)
        self.activations = forward(network, x_b_l)
        x_n_l = np.broadcast_to(x_b_l, (self.steps, *x_b_l.shape)).reshape(-1, *x_b_l.shape[1:])
        self.currents: Trains = {network.input.name: x_n_l}
        self.driven: Trains = {network.input.name: np.zeros_like(x_n_l)}
        self.scales: dict[str, Array] = {}
        self.v_init: dict[str, Array] = {}

    def add(self, layer: Layer) -> None:
        """Simulate one layer more."""
        received = _drive_in_parts(layer, [self.currents[name] for name in layer.inputs])
        has_flags = self.code == "ttfs_dyn_thresh"
        passes_on = passes_spikes_on(self.network, layer.name)
        flags = [self.driven[name] for name in layer.inputs] if has_flags else []
        if passes_on:  # which also depends on the cells that have fired
            flags = [flag + self.currents[n] for n, flag in zip(layer.inputs, flags, strict=False)]
        rise = _drive_in_parts(magnitudes(layer), flags) if has_flags else np.zeros(())
        if passes_on:
            rise = np.where(received > 0, np.float32(0), rise)
        if passes_on or not self.network.has_neurons(layer):
            self.currents[layer.name] = received
            if has_flags:
                self.driven[layer.name] = rise
            return
        if isinstance(layer, Spiking):
            self._choose(layer, received, rise)

    def _choose(self, layer: Spiking, received_n_l: Array, rise_n_l: Array) -> None:
        """Find the best lambda of a population and keep what it then sends."""
        a_b_l = np.maximum(self.activations[layer.name], 0)
        shape = (self.steps, *a_b_l.shape)
        received = received_n_l.reshape(shape)
        rise = np.broadcast_to(rise_n_l.reshape(shape) if rise_n_l.ndim else rise_n_l, shape)
        # Outputs are compared with each other, which scales of their own would distort.
        has_own_scales = self.per_channel and layer is not self.network.output
        axes = tuple(range(a_b_l.ndim - 1)) if has_own_scales else None
        best = np.inf
        largest = a_b_l.max(initial=0) or 1.0
        for candidate in CANDIDATES:
            scale = np.float32(candidate * largest)
            on = self._find_on_steps(received, rise, scale, layer.activation.upper_bound)
            f_b_l = on.sum(axis=0) / np.float32(self.steps + 0.5)
            power = (f_b_l**2).sum(axis=axes)
            mu = np.where(power > 0, (a_b_l * f_b_l).sum(axis=axes) / np.maximum(power, 1e-9), 0)
            # A silent channel sends nothing; any positive number does.
            mu = np.where(mu > 0, mu, scale).astype(np.float32)
            error = ((a_b_l - mu * f_b_l) ** 2).sum()
            if error < best:
                best = error
                self.scales[layer.name] = mu
                self.v_init[layer.name] = np.asarray(1 - scale / mu, np.float32)
                self.currents[layer.name] = (on * mu).reshape(received_n_l.shape)
                if self.code == "ttfs_dyn_thresh":
                    driven = (received > 0) & (on == 0)
                    self.driven[layer.name] = (driven * mu).reshape(received_n_l.shape)

    def _find_on_steps(
        self, received: Array, rise: Array, scale: np.float32, bound: Array | None
    ) -> Array:
        """Return in which steps the neurons' currents are on, 0 or 1 (t, b, l)."""
        duration = np.float32(self.steps + 0.5)
        # In units of lambda and the steps of this simulation.
        v = (received / scale + 1).cumsum(axis=0, dtype=np.float32)
        if bound is not None:  # no neuron fires before one that always received the bound
            step_t = np.arange(1, self.steps + 1, dtype=np.float32)
            most = step_t.reshape(-1, *[1] * (v.ndim - 1)) * (bound / scale + 1)
            v = np.minimum(v, most.astype(np.float32))
        threshold = np.asarray(duration)
        if self.code == "ttfs_dyn_thresh":
            threshold = duration + _raise_threshold(rise, scale)
        above = v >= threshold
        if self.code == "ttfs_corrective":
            return above.astype(np.float32)
        return np.maximum.accumulate(above, axis=0).astype(np.float32)


def _drive_in_parts(layer: Layer, inputs: list[Array]) -> Array:
    """Compute `drive`, some rows at a time."""
    starts = range(0, len(inputs[0]), ROWS)
    return np.concatenate([drive(layer, [x[i : i + ROWS] for x in inputs]) for i in starts])


def _raise_threshold(rise: Array, scale: np.float32) -> Array:
    """Compute the rise of the threshold in each step from the flags of the step before."""
    steps = len(rise)
    left = (steps - np.arange(1, steps)) / steps
    raised = np.zeros(rise.shape, np.float32)
    raised[1:] = rise[:-1] * left.reshape(-1, *[1] * (rise.ndim - 1)) / scale
    return raised


def first_spike_scales(
    network: Network, x_b_l: Float[Array | LazySamples, "b *l"], settings: Settings
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the scale mu and the initial potential of every population that spikes.

    Parameters
    ----------
    x_b_l
        Calibration samples; evenly spaced ones are used.
    settings
        Spike code, number of steps, and whether each channel has a scale of its own.

    Returns
    -------
    Layer name to the scale, and to the initial potential in units of the threshold, both of shape
    ``()`` or ``(channels,)``. The potential is negative where the ramp has more than one threshold
    to go.
    """
    picked = np.linspace(0, len(x_b_l) - 1, min(SAMPLES, len(x_b_l))).astype(int)
    state = _Calibration(network, x_b_l[picked], settings)
    spikes_in_output = network.readout == "counts"
    for layer in network.layers[1:]:
        if layer is not network.output or spikes_in_output:
            state.add(layer)
    return state.scales, state.v_init

"""How well the spikes of each layer stand for its activations, and what is lost on the way.

All figures are shares of a layer's activity, the sum of its activations over samples and neurons,
so that many nearly silent neurons do not hide the few that carry the signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from snn_core.codes import CODES, code_of, rates_of
from snn_core.codes.first_spike import FirstSpike
from snn_core.evaluation.forward import activations
from snn_core.ir import Network
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.typing import Array, Float, Float32

ROUNDING = 1e-4
"""Activations at a scale exceed it by rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerFit:
    """How well the spikes of a layer stand for its activations.

    Parameters
    ----------
    name
        The layer.
    error
        Sum of the differences between activations and what spikes stand for.
    clipped
        Activity above the largest number that spikes can stand for.
    silent
        Activity of neurons that never spike.
    largest
        Largest activation, as a share of the largest number that spikes can stand for.
    """

    name: str
    error: float
    clipped: float
    silent: float
    largest: float


def fit_layers(
    network: Network, settings: Settings, x_b_l: Float[Array, "b *l"], recording: Recording
) -> tuple[LayerFit, ...]:
    """Compare the spikes of all layers with the activations of the analog network.

    Parameters
    ----------
    recording
        Of the same samples; with spike trains, unless the spike code is that of mean rates.

    Returns
    -------
    One for each layer with neurons in topological order, the output left out. None where spike
    trains do not say what spikes stand for: in continuous time, and where thresholds change or
    spikes carry potentials.
    """
    is_continuous = (
        settings.conversion.spike_code == "ttfs_exact" and not settings.conversion.window_steps
    )
    if is_continuous or settings.cell.payloads or settings.normalization.online_normalization:
        return ()
    found = decode(settings, recording)
    hidden = [layer.name for layer in network.spiking_layers if layer is not network.output]
    expected = activations(network, x_b_l, layers=hidden)
    most = largest_value(settings)
    return tuple(_fit(name, found[name], expected[name], most) for name in hidden)


def decode(settings: Settings, recording: Recording) -> Mapping[str, Float32[Array, "b *l"]]:
    """Return what the spikes of each neuron stand for, in the units of its activation.

    Under first-spike codes with a ramp that is the share of the run in which its current is on,
    after each spike and until a negative one; see `snn_core.normalization.first_spike`.
    """
    code = CODES[settings.conversion.spike_code]
    if code.is_rate:
        duration_ms = settings.num_steps * settings.simulation.dt
        counts = recording.spikecounts_n_b_l
        return {name: n_b_l.astype(np.float32) / duration_ms for name, n_b_l in counts.items()}
    if issubclass(code, FirstSpike) and settings.conversion.ttfs_ramp:
        length = np.float32(settings.num_steps + 0.5)
        trains = recording.spiketrains_n_b_l_t
        return {name: s.cumsum(axis=-1).sum(axis=-1) / length for name, s in trains.items()}
    return rates_of(recording.spiketrains_n_b_l_t, settings)


def largest_value(settings: Settings) -> float:
    """Return the largest activation that spikes can stand for."""
    code = code_of(settings)
    if code.scaling == "first_spikes":
        return 1.0
    # Without a ramp, a first spike in the first step stands for the most.
    return code.highest or 1 / settings.simulation.dt


def _fit(name: str, found_b_l: Array, expected_b_l: Array, most: float) -> LayerFit:
    a_b_l = np.abs(expected_b_l).astype(np.float64)
    activity = float(a_b_l.sum()) or 1.0
    above_b_l = np.where(a_b_l > most * (1 + ROUNDING), a_b_l - most, 0)
    return LayerFit(
        name=name,
        error=float(np.abs(found_b_l - expected_b_l).sum()) / activity,
        clipped=float(above_b_l.sum()) / activity,
        silent=float(a_b_l[found_b_l == 0].sum()) / activity,
        largest=float(a_b_l.max(initial=0)) / most,
    )

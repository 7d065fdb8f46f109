"""Spike codes by name: the number of steps that each takes, and how its spike trains are read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from snn_core.codes.base import SpikeCode
from snn_core.codes.exact import ExactFirstSpike
from snn_core.codes.first_spike import Corrective, DynamicThreshold, FirstSpike
from snn_core.codes.mean_rate import MeanRate
from snn_core.codes.pattern import Pattern
from snn_core.errors import SettingsError
from snn_core.ir import Network
from snn_core.settings import Settings, Stage
from snn_core.settings.section import MOST_STEPS
from snn_core.typing import Array, Float32, Int8

_ALL: tuple[type[SpikeCode], ...] = (
    MeanRate,
    Pattern,
    FirstSpike,
    DynamicThreshold,
    Corrective,
    ExactFirstSpike,
)
CODES: Mapping[str, type[SpikeCode]] = MappingProxyType({code.name: code for code in _ALL})
"""Value of ``conversion.spike_code`` to the code."""


def code_of(settings: Settings) -> SpikeCode:
    """Return the spike code of settings."""
    return CODES[settings.conversion.spike_code](settings)


def set_duration(settings: Settings, network: Network) -> Settings:
    """Return settings whose duration is the one that the spike code takes.

    A pattern takes ``num_bits`` steps. The exact time-to-first-spike code takes ``window_steps``
    steps for each window, or one step for each window in continuous time. The other codes leave
    the duration to the settings.
    """
    code = code_of(settings)
    if code.steps_setting is None:
        return settings
    duration = code.num_steps(network) * settings.simulation.dt
    if duration == settings.simulation.duration:
        return settings
    return settings.updated({"simulation": {"duration": duration}})


def set_timesteps(
    settings: Settings, timesteps: int, *, stage: Stage, dt_ms: float | None = None
) -> Settings:
    """Return settings for a number of steps, the one meaning of ``timesteps`` everywhere.

    The simulation lasts that many steps (``simulation.duration``); a conversion also chooses its
    scales for them (``normalization.timesteps``).

    Parameters
    ----------
    dt_ms
        Length of a step, instead of the one in the settings.

    Raises
    ------
    SettingsError
        If it is no number of steps, or the spike code determines it.
    """
    found: object = timesteps  # which may come from anywhere
    if not isinstance(found, (int, np.integer)) or found < 1:
        raise SettingsError(
            f"Found timesteps = {timesteps!r}; expected a whole number of at least 1."
        )
    code = code_of(settings)
    if code.steps_setting is not None:
        raise SettingsError(
            f"Found a number of time steps; with conversion.spike_code = {code.name!r} it follows "
            f"from conversion.{code.steps_setting}. Set that instead."
        )
    dt_ms = settings.simulation.dt if dt_ms is None else dt_ms
    if timesteps > MOST_STEPS:
        raise SettingsError(f"Found more than {MOST_STEPS} time steps; expected fewer.")
    tree: dict[str, dict[str, Any]] = {
        "simulation": {"duration": timesteps * dt_ms, "dt": dt_ms},
    }
    if stage == "convert":
        tree["normalization"] = {"timesteps": timesteps}
    return settings.updated(tree)


def spiketrains_to_rates(
    spiketrains_b_l_t: Int8[Array, "b *l t"],
    *,
    spike_code: str,
    dt_ms: float = 1.0,
    window_steps: int = 1,
) -> Float32[Array, "b *l"]:
    """Return the number that each spike train stands for.

    Parameters
    ----------
    spiketrains_b_l_t
        Spikes in {-1, 0, 1}, the first step at index 0.
    spike_code
        How spikes stand for numbers:

        - ``temporal_mean_rate``: spikes per ms,
        - ``temporal_pattern``: the binary fraction,
        - ``ttfs``, ``ttfs_dyn_thresh``: the inverse time to the first spike, per ms,
        - ``ttfs_corrective``: the inverse time to the last spike if it was not withdrawn, per ms,
        - ``ttfs_exact``: the share of the layer's window that is left at the spike.
    dt_ms
        Length of a step.
    window_steps
        Steps of a window, for ``ttfs_exact``.

    Returns
    -------
    Rates per ms or, for the last code and patterns, values in [0, 1]; 0 for silent neurons.

    Raises
    ------
    SettingsError
        For an unknown code, or for continuous windows, whose spike times are not in the trains.
    """
    if spike_code not in CODES:
        raise SettingsError(f"Unknown spike code {spike_code!r}; known: {', '.join(CODES)}.")
    spikes = np.asarray(spiketrains_b_l_t)
    return CODES[spike_code].rates(spikes, dt_ms=dt_ms, window_steps=window_steps)


def spikecounts_to_rates(spikecounts_b_l_t: Array, *, dt_ms: float = 1.0) -> Float32[Array, "b *l"]:
    """Return rates in spikes per ms from cumulative spike counts of each step."""
    counts = np.asarray(spikecounts_b_l_t)
    rates: Array = (counts[..., -1] / (counts.shape[-1] * dt_ms)).astype(np.float32)
    return rates


def rates_of(
    spiketrains_n_b_l_t: Mapping[str, Array], settings: Settings
) -> dict[str, Float32[Array, "b *l"]]:
    """Return `spiketrains_to_rates` of every layer under the settings of a run."""
    return {
        name: spiketrains_to_rates(
            spikes,
            spike_code=settings.conversion.spike_code,
            dt_ms=settings.simulation.dt,
            window_steps=settings.conversion.window_steps,
        )
        for name, spikes in spiketrains_n_b_l_t.items()
    }

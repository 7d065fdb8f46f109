"""Conversion: from a trained network to one whose neurons spike at its activations' rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from snn_core.codes import (
    EXACT,
    FIRST_SPIKE,
    MEAN_RATE,
    PATTERN,
    code_problems,
    levels,
    passes_spikes_on,
    require_free_duration,
)
from snn_core.errors import DataError, SettingsError, UnsupportedError
from snn_core.evaluate import check_shape, predict
from snn_core.ir import Network
from snn_core.normalization import (
    apply_scales,
    first_spike_scales,
    largest_activations,
    mse_scales,
    percentile_scales,
)
from snn_core.parsing import parse
from snn_core.passes.spiking import (
    max_pool_method,
    max_to_average_pooling,
    relay_pools,
    set_v_init,
    softmax_to_relu,
    spiking_pools,
)
from snn_core.settings import Settings
from snn_core.typing import Array, Float

PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "seed": {
        "normalization": {"method": "percentile", "percentile": 99.9, "per_channel": False},
        "conversion": {
            "readout": "counts",
            "softmax_to_relu": True,
            "pool_spiking": True,
            "maxpool_type": "fir_max",
        },
        "cell": {"v_init": 0.0},
    },
    "fast": {
        "normalization": {"method": "mse", "per_channel": True},
        "conversion": {
            "readout": "membrane",
            "pool_spiking": False,
            "maxpool_type": "pre_spike_max",
        },
        "cell": {"v_init": 0.5},
        "simulation": {"duration": 32.0},
    },
}
"""Named sets of settings: ``seed`` behaves like the original, ``fast`` decides in few steps."""


def preset(name: str) -> Settings:
    """Return the settings of a preset.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise SettingsError(f"Unknown preset {name!r}; known: {', '.join(sorted(PRESETS))}.")
    return Settings.of(PRESETS[name])


def convert(
    source: Any,
    data: Float[Array, "b *l"],
    *,
    settings: Settings | None = None,
    timesteps: int | None = None,
) -> Network:
    """Convert a trained network into a spiking one.

    Parameters
    ----------
    source
        A model file, a model object or an already parsed `Network`.
    data
        Calibration samples, channels last, scaled as the network expects them. A few hundred
        typical ones do.
    settings
        How to convert; the preset ``fast`` if not given.
    timesteps
        Number of steps to convert for, instead of the one in the settings.

    Returns
    -------
    The converted network; ``history`` tells what was done to it.

    Raises
    ------
    ParseError, UnsupportedError
        If the source cannot be read or converted.
    DataError
        If the calibration data does not fit the network.
    """
    network = source if isinstance(source, Network) else parse(source)
    settings = preset("fast") if settings is None else settings
    if timesteps is not None:
        require_free_duration(settings)
        settings = settings.updated({"normalization": {"timesteps": timesteps}})
    x_b_l = _checked(network, data, settings)
    problems = code_problems(network.replace(readout=settings.conversion.readout), settings)
    if problems:
        raise UnsupportedError(problems, what="These settings do not go together")
    network = _lossy(network, x_b_l, settings).replace(readout=settings.conversion.readout)
    network = _realised(network, settings)
    network = _normalized(network, x_b_l, settings)
    code = settings.conversion.spike_code
    if code in (PATTERN, EXACT) or (code in FIRST_SPIKE and settings.conversion.ttfs_ramp):
        return network  # these round by themselves, or start where the calibration says
    return set_v_init(network, v_init=settings.cell.v_init)


def _checked(network: Network, data: Float[Array, "b *l"], settings: Settings) -> Array:
    """Return the calibration samples to use."""
    x_b_l = np.asarray(data, np.float32)[: settings.normalization.num_samples]
    check_shape(network, x_b_l)
    if not len(x_b_l):
        raise DataError("Found no calibration samples; expected at least one.")
    if not np.isfinite(x_b_l).all():
        raise DataError("Found NaN or infinite values in the calibration data; remove them first.")
    return x_b_l


def _lossy(network: Network, x_b_l: Array, settings: Settings) -> Network:
    """Apply the lossy passes that were asked for, and note the error that each one causes."""
    wanted: list[Callable[[Network], Network]] = []
    if settings.conversion.max2avg_pool:
        wanted.append(max_to_average_pooling)
    if settings.conversion.softmax_to_relu:
        wanted.append(softmax_to_relu)
    for lossy in wanted:
        changed = lossy(network)
        if changed is not network:
            before, after = predict(network, x_b_l), predict(changed, x_b_l)
            differ = (before.argmax(axis=-1) != after.argmax(axis=-1)).mean()
            cost = f"changes {differ:.2%} of the decisions on the calibration data"
            note = f"{changed.history[-1]}; {cost}"
            network = changed.replace(history=(*changed.history[:-1], note))
    return network


def _realised(network: Network, settings: Settings) -> Network:
    """Choose the spiking realisation of pooling layers."""
    if settings.conversion.spike_code == MEAN_RATE:
        # The other codes take the maximum of patterns, or the first of the spikes.
        network = max_pool_method(network, method=settings.conversion.maxpool_type)
    return spiking_pools(network) if settings.conversion.pool_spiking else relay_pools(network)


HEADROOM = 2.0
"""How far beyond the largest activation of the calibration data a window of continuous time
reaches. Resolution costs nothing there, so no sample has to be clipped."""


def _normalized(network: Network, x_b_l: Array, settings: Settings) -> Network:
    chosen = settings.normalization
    if settings.conversion.spike_code == EXACT and settings.conversion.window_steps == 0:
        return _with_headroom(network, x_b_l, settings)
    if settings.conversion.spike_code in FIRST_SPIKE and settings.conversion.ttfs_ramp:
        return _for_first_spikes(network, x_b_l, settings)
    scales: dict[str, Array] = {}
    what = "none"
    if chosen.method == "percentile":
        scales = percentile_scales(
            network,
            x_b_l,
            percentile=chosen.percentile,
            per_channel=chosen.per_channel,
            schedule=chosen.normalization_schedule,
        )
        what = f"percentile {chosen.percentile:g}"
    elif chosen.method == "mse":
        timesteps = levels(settings)
        scales = mse_scales(network, x_b_l, timesteps=timesteps, per_channel=chosen.per_channel)
        what = f"mse at {timesteps} steps"
    if settings.conversion.spike_code != MEAN_RATE:
        # A maximum of what its inputs send needs no scale of its own.
        scales = {n: s for n, s in scales.items() if not passes_spikes_on(network, n)}
    grain = "channel" if chosen.per_channel else "layer"
    note = f"normalize: {what}, one scale per {grain}, {len(x_b_l)} samples"
    scaled = apply_scales(network, scales, v_thresh=settings.cell.v_thresh)
    return scaled.replace(history=(*network.history, note))


def _with_headroom(network: Network, x_b_l: Array, settings: Settings) -> Network:
    """Scale layers by a multiple of their largest activation, whatever the method."""
    largest = largest_activations(network, x_b_l, per_channel=settings.normalization.per_channel)
    scales = {
        name: scale * np.float32(HEADROOM)
        for name, scale in largest.items()
        if not passes_spikes_on(network, name)
    }
    note = f"normalize: {HEADROOM:g} times the maximum, {len(x_b_l)} samples"
    scaled = apply_scales(network, scales, v_thresh=settings.cell.v_thresh)
    return scaled.replace(history=(*network.history, note))


def _for_first_spikes(network: Network, x_b_l: Array, settings: Settings) -> Network:
    """Scale layers for spike times with a ramp, whatever the method."""
    scales, v_init = first_spike_scales(network, x_b_l, settings)
    scaled = apply_scales(network, scales, v_thresh=settings.cell.v_thresh)
    started = [
        replace(layer, v_init=v_init[layer.name])
        for layer in scaled.spiking_layers
        if layer.name in v_init
    ]
    grain = "channel" if settings.normalization.per_channel else "layer"
    note = f"normalize: times of first spikes, one scale per {grain}, {len(x_b_l)} samples"
    return scaled.replace(*started, history=(*network.history, note))

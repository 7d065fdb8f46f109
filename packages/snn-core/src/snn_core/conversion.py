"""Conversion: from a trained network to one whose neurons spike at its activations' rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from snn_core.codes import code_of, set_timesteps
from snn_core.codes.windows import passes_spikes_on
from snn_core.data.lazy import LazySamples
from snn_core.errors import DataError, SettingsError, UnsupportedError
from snn_core.evaluation.forward import check_shape
from snn_core.files import explain_failures
from snn_core.ir import Network
from snn_core.normalization import (
    apply_scales,
    bound_scales,
    first_spike_scales,
    largest_activations,
    mse_scales,
    percentile_scales,
)
from snn_core.parsing import Parsed, read
from snn_core.parsing.exactness import Exactness, compare, require_exact
from snn_core.passes import Pass, run_structural
from snn_core.passes.cost import WORDS, cost
from snn_core.passes.precision import binarize_weights, quantize_weights
from snn_core.passes.spiking import (
    max_pool_method,
    max_to_average_pooling,
    relay_pools,
    set_v_init,
    softmax_to_relu,
    spiking_pools,
)
from snn_core.settings import Settings
from snn_core.typing import Array, Float, Shape

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


@explain_failures(
    memory="Calibrate with fewer samples (normalization.num_samples), or convert on a computer "
    "with more memory."
)
def convert(
    source: Any,
    data: Float[Array | LazySamples, "b *l"],
    *,
    settings: Settings | None = None,
    timesteps: int | None = None,
    input_shape: Shape | None = None,
    check: Literal["error", "warn", "off"] = "error",
) -> Network:
    """Convert a trained network into a spiking one.

    Parameters
    ----------
    source
        A model file, a model object, the name of one (``package.module:attribute``), what `read`
        returned for it, or a `Network`.
    data
        Calibration samples, channels last, scaled as the network expects them. A few hundred
        typical ones do. Those in files are read several times, some samples at a time.
    settings
        How to convert; the preset ``fast`` if not given.
    timesteps
        Number of steps to convert for, instead of the one in the settings.
    input_shape
        Shape of one sample in the source's axis order, where the source leaves it open.
    check
        What to do if the parsed network does not compute what the model computes, where its
        framework is installed: raise an error, warn, or not even look.

    Returns
    -------
    The converted network; ``history`` tells what was done to it.

    Raises
    ------
    ParseError, UnsupportedError
        If the source cannot be read or converted.
    DataError
        If the calibration data does not fit the network.

    Warns
    -----
    ExactnessWarning
        If ``check`` asks for it and the network differs from its source.
    """
    if not isinstance(source, (Network, Parsed)):
        source = read(source, input_shape=input_shape)
    settings = preset("fast") if settings is None else settings
    if timesteps is not None:
        settings = set_timesteps(settings, timesteps, stage="convert")
    network = source.network if isinstance(source, Parsed) else source
    x_b_l = _check_samples(network, data, settings)
    code = code_of(settings)
    problems = code.problems(network.replace(readout=settings.conversion.readout))
    if problems:
        raise UnsupportedError(problems, what="These settings do not go together")
    exactness = Exactness(reason="not asked for")
    if isinstance(source, Parsed) and check != "off":
        exactness = compare(source, x_b_l)
        require_exact(exactness, warn=check == "warn")
    network = _apply_lossy_passes(source, x_b_l, settings).replace(
        readout=settings.conversion.readout
    )
    network = _choose_pooling(network, settings)
    network = _normalize(network, x_b_l, settings)
    if isinstance(settings.cell.v_init, float) and code.uses_v_init:
        network = set_v_init(network, v_init=settings.cell.v_init)
    return network.replace(note=str(exactness)) if exactness.compared else network


def _check_samples(
    network: Network, data: Float[Array | LazySamples, "b *l"], settings: Settings
) -> Array | LazySamples:
    """Return the calibration samples to use."""
    number = settings.normalization.num_samples
    if isinstance(data, LazySamples):  # checked when they are read
        check_shape(network, data)
        return data if number is None else data.choose(np.arange(min(number, len(data))))
    x_b_l = np.asarray(data, np.float32)[:number]
    check_shape(network, x_b_l)
    if not len(x_b_l):
        raise DataError("Found no calibration samples; expected at least one.")
    if not np.isfinite(x_b_l).all():
        raise DataError("Found NaN or infinite values in the calibration data; remove them first.")
    return x_b_l


def _apply_lossy_passes(
    source: Parsed | Network, x_b_l: Array | LazySamples, settings: Settings
) -> Network:
    """Apply the lossy passes that were asked for, and note the error that each one causes.

    Those on weights change the source's own, before anything is merged into them.
    """
    network = source if isinstance(source, Network) else source.network
    dialect = source if isinstance(source, Network) else source.dialect
    for on_weights in _weight_passes(settings):
        changed = on_weights(dialect)
        if changed is not dialect:
            note, after = changed.history[-1], run_structural(changed)
            line = f"{note}; it {cost(network, after, x_b_l)}"
            dialect, network = (_rewrite_note(item, note, line) for item in (changed, after))
    wanted: list[Pass] = []
    if settings.conversion.max2avg_pool:
        wanted.append(max_to_average_pooling)
    if settings.conversion.softmax_to_relu:
        wanted.append(softmax_to_relu)
    for lossy in wanted:
        after = lossy(network)
        if after is not network:
            note = after.history[-1]
            network = _rewrite_note(after, note, f"{note}; it {cost(network, after, x_b_l)}")
    return network


def _rewrite_note(network: Network, note: str, line: str) -> Network:
    """Return a network with another line in its history."""
    return network.replace(history=tuple(line if old == note else old for old in network.history))


def costs(network: Network) -> list[str]:
    """Return what the lossy passes of a conversion did and cost, a line each."""
    return [line for line in network.history if WORDS in line]


def _weight_passes(settings: Settings) -> list[Pass]:
    wanted: list[Pass] = [binarize_weights] if settings.cell.binarize_weights else []
    form = settings.cell.quantize_weights
    if form:
        name = form if isinstance(form, str) else None
        wanted.append(lambda network: quantize_weights(network, form=name))
    return wanted


def _choose_pooling(network: Network, settings: Settings) -> Network:
    """Choose the spiking realisation of pooling layers."""
    if code_of(settings).is_rate:
        # The other codes take the maximum of patterns, or the first of the spikes.
        network = max_pool_method(network, method=settings.conversion.maxpool_type)
    return spiking_pools(network) if settings.conversion.pool_spiking else relay_pools(network)


HEADROOM = 2.0
"""How far beyond the largest activation of the calibration data a window of continuous time
reaches. Resolution costs nothing there, so no sample has to be clipped."""


def _normalize(network: Network, x_b_l: Array | LazySamples, settings: Settings) -> Network:
    chosen, code = settings.normalization, code_of(settings)
    if code.scaling == "headroom":
        return _scale_with_headroom(network, x_b_l, settings)
    if code.scaling == "first_spikes":
        return _scale_for_first_spikes(network, x_b_l, settings)
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
        timesteps = code.levels
        scales = mse_scales(network, x_b_l, timesteps=timesteps, per_channel=chosen.per_channel)
        what = f"mse at {timesteps} steps"
    if not code.is_rate:
        # A maximum of what its inputs send needs no scale of its own.
        scales = {n: s for n, s in scales.items() if not passes_spikes_on(network, n)}
    grain = "channel" if chosen.per_channel else "layer"
    note = f"normalize: {what}, one scale per {grain}, {len(x_b_l)} samples"
    scales = bound_scales(network, scales)
    scaled = apply_scales(network, scales, v_thresh=settings.cell.v_thresh)
    return scaled.replace(history=(*network.history, note))


def _scale_with_headroom(
    network: Network, x_b_l: Array | LazySamples, settings: Settings
) -> Network:
    """Scale layers by a multiple of their largest activation, whatever the method."""
    largest = largest_activations(network, x_b_l, per_channel=settings.normalization.per_channel)
    scales = {
        name: np.asarray(scale * np.float32(HEADROOM))
        for name, scale in largest.items()
        if not passes_spikes_on(network, name)
    }
    note = f"normalize: {HEADROOM:g} times the maximum, {len(x_b_l)} samples"
    scaled = apply_scales(network, scales, v_thresh=settings.cell.v_thresh)
    return scaled.replace(history=(*network.history, note))


def _scale_for_first_spikes(
    network: Network, x_b_l: Array | LazySamples, settings: Settings
) -> Network:
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

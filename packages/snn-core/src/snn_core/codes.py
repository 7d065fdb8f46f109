"""Spike codes: how spikes stand for numbers, in time and in operations.

Conversion, simulation and reading share what is stated here. Times count in steps 1, 2, ...; the
recorded spike trains hold step t at index t - 1. `docs/spike-codes.md` explains each code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from snn_core.errors import SettingsError
from snn_core.ir import (
    REARRANGING,
    Add,
    AveragePooling2D,
    Input,
    Layer,
    MaxPooling2D,
    Network,
    ReLU,
    Softmax,
    Spiking,
    UpSampling2D,
    Weighted,
)
from snn_core.ir.activations import Activation
from snn_core.settings import Settings, Stage
from snn_core.typing import Array, Bool, Float32, Int8

MEAN_RATE = "temporal_mean_rate"
PATTERN = "temporal_pattern"
EXACT = "ttfs_exact"
FIRST_SPIKE = ("ttfs", "ttfs_dyn_thresh", "ttfs_corrective")
"""Codes whose neurons signal by the time of a spike after which a current stays on."""

FLOAT32_BITS = 24
"""Number of bits of a float32 significand."""


# Binary patterns.


def pattern_levels(x: Float32[Array, "..."], *, num_bits: int) -> Float32[Array, "..."]:
    """Return each value as a whole multiple of ``2**-num_bits``, at most ``1 - 2**-num_bits``.

    ``min(floor(x 2^B + 1/2), 2^B - 1)``: to the nearest level, so that the error is at most
    ``2**-(B + 1)`` up to the largest level, and below ``2**-B`` from there to 1. Negative values
    become 0.

    Returns
    -------
    The levels, whole numbers as float32.
    """
    levels = np.float32(2.0**num_bits)
    # Beyond 24 bits the largest float32 below 2^B; each step is exact in float32.
    highest = levels - np.float32(max(1.0, 2.0 ** (num_bits - FLOAT32_BITS)))
    scaled = np.asarray(x, np.float32) * levels
    # Values that have no fraction any more must not be moved by adding one half.
    rounded = np.where(scaled < 2**23, np.floor(scaled + np.float32(0.5)), scaled)
    clipped: Array = np.clip(rounded, np.float32(0), highest)
    return clipped


def to_binary(x: Float32[Array, "..."], *, num_bits: int) -> Int8[Array, "... t"]:
    """Return the spike pattern of each value: its first ``num_bits`` binary digits.

    The spike in step i = 1 .. B stands for ``2**-i``, so the most significant digit comes first.
    """
    levels = pattern_levels(x, num_bits=num_bits)
    powers = np.exp2(np.arange(num_bits - 1, -1, -1, dtype=np.float32))
    return (np.floor(levels[..., None] / powers) % 2).astype(np.int8)


def to_binary_numpy(x: Float32[Array, "..."], num_bits: int) -> Float32[Array, "... t"]:
    """Return the spike pattern of each value, each spike weighted by what it stands for."""
    return to_binary(x, num_bits=num_bits) * pattern_weights(num_bits)


def pattern_weights(num_bits: int) -> Float32[Array, "t"]:
    """Return what the spike in each step of a pattern stands for: 1/2, 1/4, ..."""
    return np.exp2(-np.arange(1, num_bits + 1, dtype=np.float32))


def pattern_range(x_b_l: Float32[Array, "b *l"]) -> Float32[Array, "b"]:
    """Return the range of each sample's input patterns: the power of two not below its maximum.

    A power of two keeps fixed-point arithmetic exact, and the sample's own keeps results
    independent of the batch.
    """
    flat = np.abs(x_b_l).reshape(len(x_b_l), -1).max(axis=1, initial=0)
    mantissa, exponent = np.frexp(flat)
    # A power of two itself has the mantissa 1/2.
    exponent = exponent - (mantissa == 0.5)
    return np.ldexp(np.float32(1), np.where(flat > 0, exponent, 0)).astype(np.float32)


# Time to first spike.


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


# Windows of the exact time-to-first-spike code.


def spike_windows(network: Network) -> dict[str, int]:
    """Return the window in which each population spikes; windows follow each other from 0.

    The input occupies window 0, and a population the one after the latest of its sources. Max
    pooling passes on the first spike of each window of cells, in the window of its sources. The
    output does not spike; it is read at the end of the last window of its sources.
    """
    found: dict[str, int] = {}
    for layer in network:
        if isinstance(layer, Input):
            found[layer.name] = 0
            continue
        latest = max(found[name] for name in layer.inputs)
        if network.has_neurons(layer) and layer is not network.output:
            latest += 0 if passes_spikes_on(network, layer.name) else 1
        found[layer.name] = latest
    return found


def source_populations(network: Network, name: str) -> frozenset[str]:
    """Return the populations, or the input, that a layer receives from, through relays."""
    found: set[str] = set()
    for source in network.inbound(name):
        if source.inputs and not network.has_neurons(source):
            found |= source_populations(network, source.name)
        else:
            found.add(source.name)
    return frozenset(found)


def passes_spikes_on(network: Network, name: str) -> bool:
    """Return whether a layer is a max pool that only passes on first spikes.

    That needs spikes to choose from (no relay between) and the scale of its inputs.
    """
    layer = network[name]
    if not isinstance(layer, MaxPooling2D) or not (layer.weight_c == 1).all():
        return False
    return all(_is_spike_source(network, source) for source in layer.inputs)


def _is_spike_source(network: Network, name: str) -> bool:
    """Return whether a layer's values are those of spiking neurons, at most rearranged."""
    layer = network[name]
    if network.has_neurons(layer):
        return True
    return isinstance(layer, REARRANGING) and all(
        _is_spike_source(network, source) for source in layer.inputs
    )


# What a code does to the settings.


def timed(settings: Settings, network: Network) -> Settings:
    """Return settings whose duration is the one that the spike code takes.

    A pattern takes ``num_bits`` steps. The exact time-to-first-spike code takes ``window_steps``
    steps for each window, or one step for each window in continuous time. The other codes leave
    the duration to the settings.
    """
    chosen = settings.conversion
    if chosen.spike_code == PATTERN:
        steps = chosen.num_bits
    elif chosen.spike_code == EXACT:
        windows = spike_windows(network)[network.output.name] + 1
        steps = windows * max(1, chosen.window_steps)
    else:
        return settings
    duration = steps * settings.simulation.dt
    if duration == settings.simulation.duration:
        return settings
    return settings.updated({"simulation": {"duration": duration}})


def code_problems(network: Network, settings: Settings) -> list[str]:
    """Return what a spike code cannot do with a network and the other settings."""
    code = settings.conversion.spike_code
    if code == MEAN_RATE:
        return []
    found = []
    if settings.input.encoding != "constant":
        found.append(
            f"input.encoding = {settings.input.encoding!r} does not go with the spike code "
            f"{code!r}; set it to 'constant'"
        )
    if code in (PATTERN, EXACT) and network.readout != "membrane":
        found.append(
            f"conversion.readout = {network.readout!r} does not go with the spike code {code!r}, "
            f"whose output is a potential; convert with readout = 'membrane'"
        )
    found += [
        f"{layer.name}: a bias for each step does not go with the spike code {code!r}"
        for layer in network.spiking_layers
        if layer.bias_t_c is not None
    ]
    found += [
        f"{layer.name}: {_activation_problem(layer.activation, code)}"
        for layer in network.spiking_layers
        if layer is not network.output and _activation_problem(layer.activation, code)
    ]
    output = network.output
    is_softmax = isinstance(output, Spiking) and isinstance(output.activation, Softmax)
    if code in FIRST_SPIKE and is_softmax and network.readout == "counts":
        found.append(
            f"{output.name}: a softmax does not go with the spike code {code!r} and the read-out "
            f"'counts'; convert with softmax_to_relu or readout = 'membrane'"
        )
    return found


def _activation_problem(activation: Activation, code: str) -> str:
    """Return why neurons cannot express an activation, or nothing."""
    if not isinstance(activation, ReLU):
        name = type(activation).__name__
        return f"the spike code {code!r} expresses ReLU only, found {name}"
    if activation.max_value is not None and code in FIRST_SPIKE:
        return (
            f"spike times of the code {code!r} have no upper bound, found "
            f"ReLU(max_value={activation.max_value:g}); use 'ttfs_exact'"
        )
    return ""


def with_timesteps(
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
        If the spike code determines the number of steps.
    """
    require_free_duration(settings)
    dt_ms = settings.simulation.dt if dt_ms is None else dt_ms
    tree: dict[str, dict[str, Any]] = {
        "simulation": {"duration": timesteps * dt_ms, "dt": dt_ms},
    }
    if stage == "convert":
        tree["normalization"] = {"timesteps": timesteps}
    return settings.updated(tree)


def require_free_duration(settings: Settings) -> None:
    """Raise unless a number of steps can be chosen.

    Raises
    ------
    SettingsError
        If the spike code determines it.
    """
    key = {PATTERN: "num_bits", EXACT: "window_steps"}.get(settings.conversion.spike_code)
    if key is not None:
        raise SettingsError(
            f"Found a number of time steps; with conversion.spike_code = "
            f"{settings.conversion.spike_code!r} it follows from conversion.{key}. Set that "
            f"instead."
        )


def levels(settings: Settings) -> int:
    """Return how many levels above 0 a neuron's spikes tell apart, for `mse_scales`."""
    chosen = settings.conversion
    if chosen.spike_code == PATTERN:
        return int(2**chosen.num_bits)
    if chosen.spike_code == EXACT and chosen.window_steps:
        return chosen.window_steps
    return settings.normalization.timesteps


def operations_per_synapse(spike_code: str) -> int:
    """Return the operations that a spike costs at each synapse.

    Adding a weight is one; in a pattern the weight is shifted first, which makes two.
    """
    return 2 if spike_code == PATTERN else 1


# Deciding and reading.


def decided_by_first_spikes(settings: Settings, network: Network) -> bool:
    """Return whether a sample is decided as soon as ``top_k`` output neurons have fired.

    Corrective spikes and potentials settle nothing early.
    """
    return settings.conversion.spike_code in FIRST_SPIKE[:2] and network.readout == "counts"


def undecided(output_b_c_t: Array, settings: Settings, network: Network) -> Bool[Array, "b t"]:
    """Return in which steps each sample is still simulated; see `decided_by_first_spikes`."""
    samples, classes, steps = output_b_c_t.shape
    if not decided_by_first_spikes(settings, network):
        return np.ones((samples, steps), bool)
    enough = min(settings.simulation.top_k, classes)
    fired_b_t = (output_b_c_t != 0).sum(axis=1).cumsum(axis=1)
    before = np.concatenate([np.zeros((samples, 1), np.int64), fired_b_t[:, :-1]], axis=1)
    going: Array = before < enough
    return going


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
    spikes = np.asarray(spiketrains_b_l_t)
    steps = spikes.shape[-1]
    if spike_code == MEAN_RATE:
        rates: Array = (spikes.sum(axis=-1) / (steps * dt_ms)).astype(np.float32)
        return rates
    if spike_code == PATTERN:
        values: Array = (spikes * pattern_weights(steps)).sum(axis=-1, dtype=np.float32)
        return values
    fired = spikes.any(axis=-1)
    first = spikes.argmax(axis=-1) + 1
    if spike_code == "ttfs_corrective":
        last = steps - (spikes[..., ::-1] != 0).argmax(axis=-1)
        return np.where(spikes.sum(axis=-1) > 0, 1 / (last * dt_ms), 0).astype(np.float32)
    if spike_code in FIRST_SPIKE:
        return np.where(fired, 1 / (first * dt_ms), 0).astype(np.float32)
    if spike_code == EXACT and window_steps > 0:
        left = window_steps - (first - 1) % window_steps
        return np.where(fired, left / window_steps, 0).astype(np.float32)
    raise SettingsError(
        f"Found spike code {spike_code!r} with window_steps = {window_steps}; expected a known "
        f"code and, for ttfs_exact, at least one step (continuous times are not in spike trains)."
    )


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

"""What a simulator can do, and what about a network and its settings lies beyond that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from snn_core.errors import SettingsError
from snn_core.ir import (
    BinarySigmoid,
    BinaryTanh,
    Layer,
    MaxPooling2D,
    Network,
    QuantizedReLU,
    Softmax,
    Spiking,
)
from snn_core.settings import InputSettings, Settings

BUILDERS: Mapping[str, str] = {
    "Dense": "build_dense",
    "Conv1D": "build_convolution",
    "Conv2D": "build_convolution",
    "DepthwiseConv2D": "build_convolution",
    "Conv2DTranspose": "build_convolution",
    "AveragePooling2D": "build_pooling",
    "MaxPooling2D": "build_pooling",
    "UpSampling2D": "build_up_sampling",
    "Add": "build_add",
    "Flatten": "build_flatten",
    "Reshape": "build_reshape",
    "ZeroPadding2D": "build_zero_padding",
    "Concatenate": "build_concatenate",
}
"""Layer kind to the method of `AbstractSNN` that builds it."""

ALL_LAYERS = frozenset(BUILDERS)

ALL_INPUTS = frozenset(get_args(InputSettings.model_fields["encoding"].annotation))

CELL_OPTIONS: Mapping[str, str] = {
    "bias_relaxation": "cell",
    "clamp_indices": "cell",
    "clamp_var": "cell",
    "leak": "cell",
    "payloads": "cell",
    "tau_m": "cell",
    "tau_refrac": "cell",
    "v_clip": "cell",
    "v_init": "cell",
    "online_normalization": "normalization",
    "reset_between_nth_sample": "simulation",
    "scale_first_layer_parameters": "simulation",
}
"""Settings that change the neuron or its input, with their sections: simulators declare them.

Of ``v_init`` these are the modes ``uniform`` and ``bias``; numbers are part of the network.
"""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a simulator can do; everything else is refused before it starts.

    Parameters
    ----------
    layers
        Layer kinds, keys of `BUILDERS`.
    spike_codes, inputs, resets, readouts, records
        Accepted values of the settings of these names.
    cell
        Settings beyond the plain neuron that it follows, out of `CELL_OPTIONS`.
    max_pool_methods
        Accepted ``maxpool_type`` values.
    activations
        Accepted activations of layers with neurons; softmax is declared apart.
    softmax
        Whether a softmax output can draw stochastic spikes.
    batched
        Whether several samples are simulated at once; otherwise batches hold one sample.
    delay_steps
        Fewest steps that a spike takes from a layer to the next; see `snn_core.ir.timing`.
    deterministic
        Whether two runs with the same seed give the same spikes.
    rate_tolerance
        Largest deviation of a firing rate from the reference, in spikes per step. 0: exact.
    hardware
        Name of the chip this runs on or stands in for; ``None`` for a plain simulator.
    """

    layers: frozenset[str] = ALL_LAYERS
    spike_codes: frozenset[str] = frozenset({"temporal_mean_rate"})
    inputs: frozenset[str] = frozenset({"constant", "poisson", "regular"})
    resets: frozenset[str] = frozenset({"subtraction", "zero", "modulo"})
    readouts: frozenset[str] = frozenset({"counts", "membrane"})
    records: frozenset[str] = frozenset({"spiketrains", "mem", "input"})
    cell: frozenset[str] = frozenset()
    max_pool_methods: frozenset[str] = frozenset()
    activations: frozenset[str] = frozenset({"Linear", "ReLU"})
    softmax: bool = False
    batched: bool = True
    delay_steps: int = 0
    deterministic: bool = True
    rate_tolerance: float = 0.0
    hardware: str | None = None


def draws_softmax(network: Network) -> bool:
    """Return whether the output draws stochastic spikes from a softmax."""
    output = network.output
    is_softmax = isinstance(output, Spiking) and isinstance(output.activation, Softmax)
    return is_softmax and network.readout == "counts"


def setting_problems(can: Capabilities, network: Network, settings: Settings) -> list[str]:
    """Return a line for each setting that is not supported."""
    wanted = [
        ("conversion.spike_code", settings.conversion.spike_code, can.spike_codes),
        ("input.encoding", settings.input.encoding, can.inputs),
        ("cell.reset", settings.cell.reset, can.resets),
        ("conversion.readout", network.readout, can.readouts),
    ]
    wanted += [
        ("output.log_vars", name, can.records | {"activations"})
        for name in sorted(settings.output.log_vars)
    ]
    found = [
        f"{key} = {value!r} is not supported; supported: {', '.join(sorted(known))}"
        for key, value, known in wanted
        if value not in known
    ]
    try:
        clamp_steps(network, settings)
    except SettingsError as error:
        found.append(str(error))
    if settings.conversion.spike_code != "temporal_mean_rate":
        return found + [
            f"{CELL_OPTIONS[name]}.{name} is for the spike code temporal_mean_rate only"
            for name in cell_options(settings)
        ]
    return found + [
        f"{CELL_OPTIONS[name]}.{name} = {_value(settings, name)!r} is not supported; supported: "
        f"{_default(settings, name)!r}"
        for name in cell_options(settings)
        if name not in can.cell
    ]


def cell_options(settings: Settings) -> list[str]:
    """Return the `CELL_OPTIONS` that the settings make use of."""
    return [
        name
        for name in CELL_OPTIONS
        if _value(settings, name) != _default(settings, name)
        and (name != "v_init" or isinstance(settings.cell.v_init, str))
    ]


def needs_stepping(network: Network, settings: Settings) -> bool:
    """Return whether a network is more than plain integrate-and-fire neurons."""
    own = (BinarySigmoid, BinaryTanh, QuantizedReLU)
    return bool(cell_options(settings)) or any(
        isinstance(layer, Spiking) and isinstance(layer.activation, own) for layer in network.layers
    )


def _value(settings: Settings, name: str) -> Any:
    return getattr(getattr(settings, CELL_OPTIONS[name]), name)


def _default(settings: Settings, name: str) -> Any:
    return type(getattr(settings, CELL_OPTIONS[name])).model_fields[name].default


def clamp_steps(network: Network, settings: Settings) -> dict[str, int]:
    """Return layer name to the step from which on its neurons use their input.

    Raises
    ------
    SettingsError
        If ``cell.clamp_indices`` names a layer that has no neurons or does not exist.
    """
    neurons = [layer.name for layer in network.spiking_layers]
    by_key = {name: name for name in neurons}
    for name in neurons:
        digits = re.match(r"\d+", name)
        if digits:
            by_key[_plain(digits.group())] = name
    unknown = [key for key in settings.cell.clamp_indices if _plain(key) not in by_key]
    if unknown:
        raise SettingsError(
            f"cell.clamp_indices names {', '.join(unknown)}; layers with neurons: "
            f"{', '.join(neurons)}."
        )
    return {by_key[_plain(key)]: step for key, step in settings.cell.clamp_indices.items()}


def _plain(key: str) -> str:
    """Return a number without leading zeros, and a name as it is."""
    return str(int(key)) if key.isdecimal() else key


def layer_problems(can: Capabilities, network: Network, layer: Layer) -> list[str]:
    """Return a line for each reason why a layer is not supported."""
    if layer.kind not in can.layers:
        return [f"{layer.name}: {layer.kind} layers are not supported"]
    found = []
    if isinstance(layer, MaxPooling2D) and layer.method not in can.max_pool_methods:
        supported = ", ".join(sorted(can.max_pool_methods)) or "none"
        found.append(
            f"{layer.name}: max pooling by {layer.method!r} is not supported; supported: "
            f"{supported}"
        )
    if isinstance(layer, Spiking) and not isinstance(layer.activation, Softmax):
        name = type(layer.activation).__name__
        if name not in can.activations:
            supported = ", ".join(sorted(can.activations))
            found.append(
                f"{layer.name}: neurons for {name} are not supported; supported: {supported}"
            )
    if layer is network.output and draws_softmax(network) and not can.softmax:
        found.append(
            f"{layer.name}: stochastic softmax spikes are not supported; convert with "
            f"softmax_to_relu or the membrane read-out"
        )
    return found

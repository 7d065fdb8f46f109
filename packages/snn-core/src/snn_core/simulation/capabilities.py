"""Capabilities of simulators, and the check of networks and settings against them.

A simulator claims what it can do in `Capabilities`. What it does not name is what contract 1 asks
of every simulator, whatever is added to this package later: a setting that it does not name is
accepted at its default only.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias, get_origin

from snn_core.codes import code_of
from snn_core.errors import ContractError, SettingsError
from snn_core.ir import (
    OUTPUT_ONLY,
    BinarySigmoid,
    BinaryTanh,
    Layer,
    MaxPooling2D,
    Network,
    QuantizedReLU,
    Softmax,
    Spiking,
)
from snn_core.settings import Section, Settings

CONTRACT_1_LAYERS = frozenset(
    {
        "Dense",
        "Conv1D",
        "Conv2D",
        "DepthwiseConv2D",
        "Conv2DTranspose",
        "AveragePooling2D",
        "MaxPooling2D",
        "UpSampling2D",
        "Add",
        "Flatten",
        "Reshape",
        "ZeroPadding2D",
        "Concatenate",
    }
)
"""Layer kinds of contract 1; those that come later are to be claimed."""

ALL_LAYERS = CONTRACT_1_LAYERS
"""Every layer kind that this version knows."""


class _AnyValue:
    """Container of every value."""

    def __contains__(self, value: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "ANY"


ANY: Container[Any] = _AnyValue()
"""Claims every value of a setting."""

ROUNDING = 1e-6
"""Share by which scales in float32 may miss the one that was meant."""

Claims: TypeAlias = Mapping[str, Container[Any]]
"""Setting, as ``section.key``, to the values that are accepted: a set, or `ANY`."""

CONTRACT_1_SETTINGS: Claims = MappingProxyType(
    {
        "conversion.spike_code": frozenset({"temporal_mean_rate"}),
        "input.encoding": frozenset({"constant", "poisson", "regular"}),
        "cell.reset": frozenset({"subtraction", "zero", "modulo"}),
    }
)
"""What every simulator accepts beyond defaults, unless it claims something else."""

OF_ALL_CODES = frozenset(CONTRACT_1_SETTINGS)
"""Claimed settings that concern every spike code; the others are for mean rates."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Claims of a simulator; everything else is refused before it starts.

    Parameters
    ----------
    layers
        Layer kinds, out of `ALL_LAYERS`.
    activations
        Accepted activations of layers with neurons. What only an output has (`OUTPUT_ONLY`) needs
        none where potentials are read; softmax whose spikes are drawn is declared apart.
    max_pool_methods
        Accepted ``maxpool_type`` values.
    minimum_pooling
        Whether max pooling may take the minimum in some channels (`MaxPooling2D.sign_c`).
    graded_pooling
        Whether max pooling may be a relay: sums that may be negative, and no neurons. In each step
        it passes on how much the maximum of its accumulated inputs grew, a number of any size.
    readouts
        Accepted read-outs of the output.
    softmax
        Whether a softmax output can draw stochastic spikes.
    bias_per_step
        Whether layers may have a bias for each step (`Spiking.bias_t_c`).
    settings
        Accepted values of settings that change the neuron, its input or the spike code, for
        example ``{"cell.reset": {"subtraction"}, "cell.leak": ANY}``. Those that are not named
        are accepted as `CONTRACT_1_SETTINGS` says, or else at their default only. The default of
        a setting outside `CONTRACT_1_SETTINGS` is always accepted.
    records
        Variables that can be recorded.
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

    layers: frozenset[str] = CONTRACT_1_LAYERS
    activations: frozenset[str] = frozenset({"Linear", "ReLU"})
    max_pool_methods: frozenset[str] = frozenset()
    minimum_pooling: bool = False
    graded_pooling: bool = False
    readouts: frozenset[str] = frozenset({"counts", "membrane"})
    softmax: bool = False
    bias_per_step: bool = False
    settings: Claims = field(default_factory=dict)
    records: frozenset[str] = frozenset({"spiketrains", "mem", "input"})
    batched: bool = True
    delay_steps: int = 0
    deterministic: bool = True
    rate_tolerance: float = 0.0
    hardware: str | None = None

    def __post_init__(self) -> None:
        for setting, values in self.settings.items():
            if setting not in CLAIMABLE:
                raise ContractError(
                    f"Claimed the setting {setting!r}, which simulators do not claim; known: "
                    f"{', '.join(CLAIMABLE)}."
                )
            if isinstance(values, str) or not isinstance(values, Container):
                raise ContractError(
                    f"Claimed {setting} = {values!r}; expected a set of values, or ANY."
                )

    def accepted(self, setting: str) -> Container[Any]:
        """Return the accepted values of a setting, given as ``section.key``, for listing.

        Raises
        ------
        KeyError
            If there is no such setting, or none that simulators claim.
        """
        default = CLAIMABLE[setting]
        return self.settings.get(setting, CONTRACT_1_SETTINGS.get(setting, (default,)))

    def accepts(self, setting: str, value: object) -> bool:
        """Return whether a value of a setting, given as ``section.key``, is accepted."""
        if setting not in CONTRACT_1_SETTINGS and value == CLAIMABLE[setting]:
            return True
        try:
            return value in self.accepted(setting)
        except TypeError:  # a table of values is in no set
            return False


def _claimable() -> Iterator[tuple[str, Any]]:
    for name, info in Settings.model_fields.items():
        section = info.annotation
        if get_origin(section):
            continue  # on Python 3.10, `dict[str, ...]` calls itself a type
        if isinstance(section, type) and issubclass(section, Section):
            for key in sorted(section.claimed):
                yield f"{name}.{key}", section.model_fields[key].default


CLAIMABLE: Mapping[str, Any] = MappingProxyType(dict(_claimable()))
"""Every setting that simulators claim, as ``section.key``, with its default."""


def setting_value(settings: Settings, setting: str) -> Any:
    """Return the value of a setting that is given as ``section.key``.

    A number as initial potential is part of the network, so it counts as the default.
    """
    section, key = setting.split(".")
    value = getattr(getattr(settings, section), key)
    is_in_network = setting == "cell.v_init" and not isinstance(value, str)
    return CLAIMABLE[setting] if is_in_network else value


def changed_settings(settings: Settings) -> list[str]:
    """Return the settings that change the plain neuron or its input, as ``section.key``."""
    return [
        setting
        for setting, default in CLAIMABLE.items()
        if setting not in OF_ALL_CODES and setting_value(settings, setting) != default
    ]


def draws_softmax(network: Network) -> bool:
    """Return whether the output draws stochastic spikes from a softmax."""
    output = network.output
    is_softmax = isinstance(output, Spiking) and isinstance(output.activation, Softmax)
    return is_softmax and network.readout == "counts"


def only_integrates(network: Network, layer: Layer) -> bool:
    """Return whether a layer is an output without a threshold: its potential is read or drawn from.

    It is read under the membrane read-out; a softmax draws stochastic spikes from it.
    """
    is_read = network.readout == "membrane" or draws_softmax(network)
    return layer is network.output and is_read


def setting_problems(can: Capabilities, network: Network, settings: Settings) -> list[str]:
    """Return a line for each setting that is not supported."""
    refused = [
        (setting, value, can.accepted(setting))
        for setting in CLAIMABLE
        if not can.accepts(setting, value := setting_value(settings, setting))
    ]
    if network.readout not in can.readouts:
        refused.append(("conversion.readout", network.readout, can.readouts))
    known = can.records | {"activations"}
    refused += [
        ("output.log_vars", name, known) for name in sorted(settings.output.log_vars - known)
    ]
    found = [
        f"{setting} = {value!r} is not supported; supported: {list_values(accepted)}"
        for setting, value, accepted in refused
    ]
    try:
        clamp_steps(network, settings)
    except SettingsError as error:
        found.append(str(error))
    if not code_of(settings).is_rate:
        found += [
            f"{setting} is for the spike code temporal_mean_rate only"
            for setting in changed_settings(settings)
            if can.accepts(setting, setting_value(settings, setting))
        ]
    return [*found, *bound_problems(network, settings)]


def bound_problems(network: Network, settings: Settings) -> list[str]:
    """Return a line for each layer whose spike rates can pass the upper bound of its activation.

    Conversion chooses scales with which neurons that fire in every step stand for the bound; other
    steps, or spikes that carry more, undo that. Neurons of other spike codes know their bounds.
    """
    code = code_of(settings)
    if not code.is_rate:
        return []
    found = []
    for layer in network.spiking_layers:
        bound = layer.activation.upper_bound
        if bound is None or only_integrates(network, layer):
            continue
        largest = float((bound / layer.threshold).min())
        if code.highest is None:
            reason = "spikes that carry payloads have no upper bound; set cell.payloads = false"
        elif largest < code.highest * (1 - ROUNDING):
            reason = (
                f"found neurons that may fire {code.highest:g} times per ms, expected at most "
                f"{largest:.4g} for the upper bound of its activation; convert again with "
                f"simulation.dt = {settings.simulation.dt:g}"
            )
        else:
            continue
        found.append(f"{layer.name}: {reason}")
    return found


def list_values(values: Container[Any]) -> str:
    """Return accepted values for a message; `ANY` as ``any``, numbers as they are written."""
    if not isinstance(values, Iterable):
        return "any"
    words = [value if isinstance(value, str) else repr(value) for value in values]
    return ", ".join(sorted(words))


def needs_stepping(network: Network, settings: Settings) -> bool:
    """Return whether a network is more than plain integrate-and-fire neurons."""
    own = (BinarySigmoid, BinaryTanh, QuantizedReLU)
    return bool(changed_settings(settings)) or any(
        isinstance(layer.activation, own) or layer.bias_t_c is not None
        for layer in network.layers
        if isinstance(layer, Spiking)
    )


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
        digits = re.match("[0-9]+", name)
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
    return str(int(key)) if key.isascii() and key.isdecimal() else key


def layer_problems(can: Capabilities, network: Network, layer: Layer) -> list[str]:
    """Return a line for each reason why a layer is not supported."""
    if layer.kind not in can.layers:
        return [f"{layer.name}: {layer.kind} layers are not supported"]
    found = _max_pool_problems(can, network, layer) if isinstance(layer, MaxPooling2D) else []
    if isinstance(layer, Spiking):
        name = type(layer.activation).__name__
        if isinstance(layer.activation, OUTPUT_ONLY):
            if layer is not network.output:
                found.append(f"{layer.name}: {name} is possible in the output alone")
        elif name not in can.activations:
            supported = ", ".join(sorted(can.activations))
            found.append(
                f"{layer.name}: neurons for {name} are not supported; supported: {supported}"
            )
    if isinstance(layer, Spiking) and layer.bias_t_c is not None:
        if not can.bias_per_step:
            found.append(f"{layer.name}: a bias for each step is not supported; convert without it")
        elif not network.has_neurons(layer):
            found.append(f"{layer.name}: a bias for each step needs neurons; this layer has none")
    if layer is network.output and draws_softmax(network) and not can.softmax:
        found.append(
            f"{layer.name}: stochastic softmax spikes are not supported; convert with "
            f"softmax_to_relu or the membrane read-out"
        )
    return found


def _max_pool_problems(can: Capabilities, network: Network, layer: MaxPooling2D) -> list[str]:
    found = []
    if layer.method not in can.max_pool_methods:
        supported = ", ".join(sorted(can.max_pool_methods)) or "none"
        found.append(
            f"{layer.name}: max pooling by {layer.method!r} is not supported; supported: "
            f"{supported}"
        )
    if layer.sign_c is not None and not can.minimum_pooling:
        number = int((layer.sign_c < 0).sum())
        found.append(
            f"{layer.name}: max pooling with minima in {number} of {len(layer.sign_c)} channels is "
            f"not supported; they come from batch normalization with negative factors in front of "
            f"the pool, so put it behind the pool and retrain"
        )
    if not network.has_neurons(layer) and not can.graded_pooling:
        found.append(
            f"{layer.name}: max pooling of sums that may be negative, without neurons, is not "
            f"supported, since it passes on numbers instead of spikes; put a ReLU directly before "
            f"or after it and retrain"
        )
    return found

"""What a simulator can do, and what about a network and its settings lies beyond that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snn_core.ir import Layer, MaxPooling2D, Network, Softmax, Spiking
from snn_core.settings import CellSettings, Settings

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

CELL_OPTIONS = ("leak", "tau_m", "tau_refrac")
"""Settings in ``[cell]`` that change the neuron, and that a simulator therefore has to declare."""


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
        Settings of ``[cell]`` that it follows, out of `CELL_OPTIONS`.
    max_pool_methods
        Accepted ``maxpool_type`` values.
    activations
        Accepted activations of layers with neurons; softmax is declared apart.
    softmax
        Whether a softmax output can draw stochastic spikes.
    batched
        Whether several samples are simulated at once; otherwise batches hold one sample.
    delay_steps
        Steps by which the spikes of each further layer come later than in the reference.
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
    return found + [
        f"cell.{name} = {getattr(settings.cell, name)!r} is not supported; supported: "
        f"{CellSettings.model_fields[name].default!r}"
        for name in cell_options(settings)
        if name not in can.cell
    ]


def cell_options(settings: Settings) -> list[str]:
    """Return the `CELL_OPTIONS` that the settings make use of."""
    defaults = CellSettings.model_fields
    return [name for name in CELL_OPTIONS if getattr(settings.cell, name) != defaults[name].default]


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

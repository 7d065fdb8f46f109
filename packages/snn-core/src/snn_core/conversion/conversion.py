"""Conversion: from a trained network to one whose neurons spike at its activations' rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from snn_core.codes import code_of, set_duration, set_timesteps
from snn_core.codes.base import HEADROOM, NORMALIZED
from snn_core.codes.windows import passes_spikes_on
from snn_core.conversion.model import read_model
from snn_core.conversion.presets import preset
from snn_core.conversion.trial import try_out
from snn_core.data import Dataset
from snn_core.data.lazy import LazySamples
from snn_core.data.loading import Data, as_dataset
from snn_core.data.preparation import check_preparation, describe_entry
from snn_core.data.ranges import calibrated
from snn_core.errors import DataError, SettingsError, UnsupportedError, warn
from snn_core.files import explain_failures
from snn_core.ir import InputData, Network
from snn_core.ir.network import require_network
from snn_core.ir.shapes import count
from snn_core.normalization import (
    apply_scales,
    first_spike_scales,
    largest_activations,
    mse_scales,
    percentile_scales,
    share_output_scale,
)
from snn_core.parsing import Parsed
from snn_core.parsing.exactness import Exactness, compare, compare_cheaply, require_exact
from snn_core.passes import Pass, run_structural, untrained
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
from snn_core.phases import phase
from snn_core.settings import Settings
from snn_core.simulation import registry
from snn_core.simulation.tasks import check_labels
from snn_core.typing import Array, Shape

CHECKS = ("auto", "error", "warn", "off")
"""What to do if a network does not compute what its model computes."""


@explain_failures(
    memory="Calibrate with fewer samples (normalization.num_samples), or convert on a computer "
    "with more memory."
)
def convert(
    source: Any,
    data: Data,
    *,
    preset: str | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    timesteps: int | None = None,
    input_shape: Shape | None = None,
    uint8_scale: float | None = None,
    check: Literal["auto", "error", "warn", "off"] = "auto",
    trial: bool = True,
) -> Network:
    """Convert a trained network into a spiking one.

    Parameters
    ----------
    source
        A model file, a model object, the name of one (``package.module:attribute``), what `read`
        returned for it, or a `Network`.
    data
        Calibration samples, channels last: arrays, a data set, or the path of one. A few hundred
        typical ones do. 8-bit integers (``uint8``) are divided by 255, unless the model rescales
        by itself; all other numbers enter as they are, scaled as the model expects them. Samples
        in files are read several times, some at a time.
    preset
        Name of a set of settings (`snn_core.conversion.PRESETS`): ``seed`` converts as snn_toolbox
        does, ``fast`` for few steps. ``fast`` if not given, unless ``settings`` are `Settings`.
    settings
        How to convert; what they leave open is as in the preset. May be nested dictionaries.
    timesteps
        Number of steps to convert for, instead of the one in the settings.
    input_shape
        Shape of one sample in the source's axis order, where the source leaves it open and the
        samples do not tell it.
    uint8_scale
        Factor for 8-bit integers, instead of the one in the settings or the rule above. The
        network keeps it for all samples to come.
    check
        What to do if the parsed network does not compute what the model computes, where its
        framework is installed: raise an error, warn, or not even look. ``auto`` raises an error,
        too, but does not start a framework for files whose meaning is known from tests; see
        `snn_core.parsing.exactness.compare_cheaply`.
    trial
        Try the converted network out in a short simulation, and score it where there are labels.
        The last line of its history is what came of it; `snn_core.conversion.trial.try_out` tells
        more.

    Returns
    -------
    The converted network. ``history`` tells what was done to it, ``settings`` what was decided, and
    ``input_data`` how samples enter; simulations of it start from them.

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
    DataWarning
        If calibration samples or weights can hardly be meant so: see `snn_core.data.ranges`,
        `snn_core.data.preparation` and `snn_core.passes.untrained`.
    TrialWarning
        If the spiking network does not decide as the analog one, with the likely reason.
    """
    if check not in CHECKS:
        raise SettingsError(f"Found check = {check!r}; expected one of {', '.join(CHECKS)}.")
    settings = _chosen_settings(
        settings, preset_name=preset, timesteps=timesteps, uint8_scale=uint8_scale
    )
    if isinstance(data, Iterator):
        data = list(data)  # it may be looked at twice
    if not isinstance(source, (Network, Parsed)):
        source = read_model(source, data, settings=settings.input, input_shape=input_shape)
    if settings.input.uint8_scale is not None:
        source = _scale_input(source, settings.input.uint8_scale)
    network = source.network if isinstance(source, Parsed) else source
    dataset = _calibration_samples(network, data, settings)
    code = code_of(settings)
    problems = code.problems(network.replace(readout=settings.conversion.readout))
    if problems:
        raise UnsupportedError(problems, what="These settings do not go together")
    _warn_if_untrained(source)
    input_data = _describe_input(network, dataset)
    check_preparation(dataset, input_data, settings.input)
    x_b_l = _as_floats(dataset.x_b_l, input_data)
    exactness = Exactness(reason="not asked for")
    if isinstance(source, Parsed) and check != "off":
        exactness = compare_cheaply(source, x_b_l) if check == "auto" else compare(source, x_b_l)
        require_exact(exactness, warn=check == "warn", demanded=check == "error")
    analog = network
    network = _apply_lossy_passes(source, x_b_l, settings).replace(
        readout=settings.conversion.readout, input_data=input_data
    )
    entry = describe_entry(input_data, settings.input)
    seen = f"values of {input_data.calibrated_range}"
    network = network.replace(note=f"input: {'; '.join(filter(None, (entry, seen)))}")
    network = _choose_pooling(network, settings)
    network = _normalize(network, x_b_l, settings)
    if isinstance(settings.cell.v_init, float) and code.uses_v_init:
        network = set_v_init(network, v_init=settings.cell.v_init)
    settings = settings.updated({"input": {"uint8_scale": input_data.uint8_scale}})
    network = network.replace(settings=set_duration(settings, network))
    if exactness.compared:
        network = network.replace(note=str(exactness))
    if trial:
        tried = try_out(network, dataset, source=analog)
        tried.warn()
        network = network.replace(note=str(tried))
    return network


def _chosen_settings(
    settings: Settings | Mapping[str, Any] | None,
    *,
    preset_name: str | None,
    timesteps: int | None,
    uint8_scale: float | None,
) -> Settings:
    """Return the settings of a conversion, with the arguments that are short for some of them."""
    if not isinstance(settings, Settings):
        given = {} if settings is None else settings
        base = preset("fast" if preset_name is None else preset_name)
        settings = base.updated(given, simulators=tuple(registry.names()))
    elif preset_name is not None:
        settings = settings.on_top_of(preset(preset_name))
    if timesteps is not None:
        settings = set_timesteps(settings, timesteps, stage="convert")
    if uint8_scale is not None:
        settings = settings.updated({"input": {"uint8_scale": uint8_scale}})
    return settings


def _warn_if_untrained(source: Parsed | Network) -> None:
    network = source.network if isinstance(source, Parsed) else source
    for note in network.history:
        if note.startswith(untrained.WORDS):
            advice = (
                "Give them with --weights FILE, or load them into the model before converting it"
            )
            if isinstance(source, Parsed) and source.is_from_file:
                advice = "Save them after training"
            warn(f"{note}. Such a network decides at random; expected trained weights. {advice}.")


def _scale_input(source: Parsed | Network, factor: float) -> Parsed | Network:
    """Return a source whose 8-bit integers are scaled as the user says."""

    def scaled(network: Network) -> Network:
        data = replace(network.input_data, uint8_scale=factor, decided_by="user")
        return network.replace(input_data=data)

    if isinstance(source, Network):
        return scaled(source)
    return replace(source, network=scaled(source.network))


def _calibration_samples(network: Network, data: Data, settings: Settings) -> Dataset:
    """Return the calibration samples to use."""
    how = settings.input.model_copy(update={"uint8_scale": network.input_data.uint8_scale})
    shape = network.input.output_shape
    dataset = as_dataset(data, part="calibration", settings=how, input_shape=shape)
    if not len(dataset):
        raise DataError("Found no calibration samples; expected at least one.")
    dataset = dataset.fit_to(
        input_shape=shape,
        num_classes=max(count(network.output.output_shape), 2),  # one output tells two apart
    )
    check_labels(network, dataset, settings)
    number = settings.normalization.num_samples
    return dataset if number is None else dataset.select(number=min(number, len(dataset)))


def _describe_input(network: Network, dataset: Dataset) -> InputData:
    """Return what the network keeps of its calibration samples."""
    found = calibrated(dataset, network.input_data)
    complete = len(dataset.classes) == max(count(network.output.output_shape), 2)
    return replace(found, classes=dataset.classes if complete else ())


def _as_floats(x_b_l: Array | LazySamples, data: InputData) -> Array | LazySamples:
    return x_b_l.map(data.as_floats) if isinstance(x_b_l, LazySamples) else data.as_floats(x_b_l)


@phase("applying lossy passes")
def _apply_lossy_passes(
    source: Parsed | Network, x_b_l: Array | LazySamples, settings: Settings
) -> Network:
    """Apply the lossy passes that were asked for, and note the error that each one causes.

    Those on weights change the source's own, before anything is merged into them.
    """
    network = source if isinstance(source, Network) else source.network
    on_all_weights = _weight_passes(settings)
    dialect = source.dialect if on_all_weights and isinstance(source, Parsed) else network
    for on_weights in on_all_weights:
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
    require_network(network)
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


@phase("normalizing")
def _normalize(network: Network, x_b_l: Array | LazySamples, settings: Settings) -> Network:
    chosen, code = settings.normalization, code_of(settings)
    if code.scaling == "headroom":
        return _scale_with_headroom(network, x_b_l, settings)
    if code.scaling == "first_spikes":
        return _scale_for_first_spikes(network, x_b_l, settings)
    scales: dict[str, Array] = {}
    what = NORMALIZED[code.scaling]
    if chosen.method == "percentile":
        scales = percentile_scales(
            network,
            x_b_l,
            percentile=chosen.percentile,
            per_channel=chosen.per_channel,
            schedule=chosen.normalization_schedule,
        )
        what += f" {chosen.percentile:g}"
    elif chosen.method == "mse":
        timesteps = code.levels
        scales = mse_scales(network, x_b_l, timesteps=timesteps, per_channel=chosen.per_channel)
        what += f" at {timesteps} steps"
    if not code.is_rate:
        # A maximum of what its inputs send needs no scale of its own.
        scales = {n: s for n, s in scales.items() if not passes_spikes_on(network, n)}
    grain = "channel" if chosen.per_channel else "layer"
    note = f"{what}, one scale per {grain}, {len(x_b_l)} samples"
    scaled = _apply_scales(network, scales, settings)
    return scaled.replace(history=(*network.history, note))


def _apply_scales(network: Network, scales: Mapping[str, Array], settings: Settings) -> Network:
    highest, scales = code_of(settings).highest, share_output_scale(network, scales)
    return apply_scales(network, scales, v_thresh=settings.cell.v_thresh, highest=highest)


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
    note = f"{NORMALIZED['headroom']}, {len(x_b_l)} samples"
    scaled = _apply_scales(network, scales, settings)
    return scaled.replace(history=(*network.history, note))


def _scale_for_first_spikes(
    network: Network, x_b_l: Array | LazySamples, settings: Settings
) -> Network:
    """Scale layers for spike times with a ramp, whatever the method."""
    scales, v_init = first_spike_scales(network, x_b_l, settings)
    scaled = _apply_scales(network, scales, settings)
    started = [
        replace(layer, v_init=v_init[layer.name])
        for layer in scaled.spiking_layers
        if layer.name in v_init
    ]
    grain = "channel" if settings.normalization.per_channel else "layer"
    note = f"{NORMALIZED['first_spikes']}, one scale per {grain}, {len(x_b_l)} samples"
    return scaled.replace(*started, history=(*network.history, note))

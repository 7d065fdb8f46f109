"""Views of runs for figures, collected batch by batch: memory does not grow with samples.

Of every batch of recorded spike trains only sums are kept, and a fixed number of neurons for
scatter plots; whole trains are kept of the one sample that is looked at closely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.codes import CODES, SpikeCode, spiketrains_to_rates
from snn_core.errors import ArtifactError, SettingsError
from snn_core.reading import printable
from snn_core.running.result import ARRAYS, BatchArrays, RunFolder, RunResult
from snn_core.typing import Array, Float64, Int64, PathLikeStr
from snn_plot.correlation import pearson_b
from snn_plot.spikes import count_spikes
from snn_plot.style import evenly
from snn_plot.units import Units

MOST_LEVELS = 2000
"""Steps up to which the numbers that spike trains can stand for are told apart in figures."""

ALL_TRAINS = 10
"""Steps up to which all possible spike trains are listed."""

POINTS = 5000
"""Neurons of each layer, over all samples together, that scatter plots and histograms show."""


@dataclass(frozen=True, kw_only=True)
class LayerView:
    """Recorded values of one layer; ``None`` where there are none.

    Rates and activations are in spikes per step: an activation is the rate that the neuron should
    have. Under a code whose spikes stand for numbers without a unit, they are those numbers.

    Parameters
    ----------
    name
        The layer's label in the network.
    neurons
        Number of neurons.
    is_output
        Whether it is the network's output.
    fires
        Whether its spikes are what is read; otherwise its potentials, as of some outputs.
    spiketrains_l_t, mem_l_t, rates_l, activations_l
        Of the chosen sample.
    spikes_b_t
        Spikes of all neurons together.
    pearson_b
        Correlation of rates and activations in each sample.
    points_p, expected_p
        Rates and activations of the same neurons, evenly chosen from all samples.
    mean_rates_l, mean_activations_l
        Averages over all samples.
    max_activations_b
        Largest activation of each sample.
    saturated
        Share of neurons over all samples whose activation is above the largest possible rate.
    """

    name: str
    neurons: int
    is_output: bool = False
    fires: bool = True
    spiketrains_l_t: Array | None = None
    mem_l_t: Array | None = None
    rates_l: Array | None = None
    activations_l: Array | None = None
    spikes_b_t: Int64[Array, "b t"] | None = None
    pearson_b: Float64[Array, "b"] | None = None
    points_p: Float64[Array, "p"] | None = None
    expected_p: Float64[Array, "p"] | None = None
    mean_rates_l: Array | None = None
    mean_activations_l: Array | None = None
    max_activations_b: Float64[Array, "b"] | None = None
    saturated: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunView:
    """Run with everything that figures need of it.

    Parameters
    ----------
    name
        What the run is called, for example its folder.
    result
        The run, without recorded variables.
    layers
        The layers with neurons, in the network's order.
    sample
        Position of the chosen sample among the run's samples.
    input_l
        Mean input of the chosen sample, if recorded.
    recorded
        Names of the recorded variables.
    path
        The result folder, if there is one.
    """

    name: str
    result: RunResult
    layers: tuple[LayerView, ...]
    sample: int
    input_l: Array | None
    recorded: frozenset[str]
    path: Path | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the run as plain values."""
        found: Mapping[str, Any] = self.result.metadata["identity"]["settings"]
        return found

    @property
    def dt_ms(self) -> float:
        """Length of a step in ms."""
        return float(self.settings["simulation"]["dt"])

    @property
    def levels(self) -> Float64[Array, "k"] | None:
        """Numbers that a spike train can stand for, rising; ``None`` if they are not known.

        With mean rates over T steps, these are the T + 1 multiples of a spike in T steps.
        """
        conversion = self.settings["conversion"]
        code, steps = CODES[conversion["spike_code"]], self.result.timesteps
        if steps <= ALL_TRAINS:
            trains = np.arange(2**steps)[:, None] >> np.arange(steps) & 1
        elif steps > MOST_LEVELS or code.steps_setting == "num_bits":
            return None
        else:  # spikes from the first step on, or a single one
            trains = np.concatenate([np.tri(steps + 1, steps, -1), np.eye(steps)])
        try:
            rates = spiketrains_to_rates(
                trains.astype(np.int8),
                spike_code=code.name,
                window_steps=conversion.get("window_steps", 1),
            )
        except SettingsError:  # spike times in continuous time
            return None
        return np.unique(rates).astype(np.float64)

    def units(self, time: str) -> Units:
        """Return the units in which figures show this run, given that of time."""
        is_rate = CODES[self.settings["conversion"]["spike_code"]].is_per_ms
        return Units(time=time, dt_ms=self.dt_ms, has_rates=is_rate)

    def __getitem__(self, name: str) -> LayerView:
        """Return a layer by its label."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise KeyError(f"No layer {name!r}; the run has {known}.")


def view(source: RunResult | PathLikeStr, *, sample_id: int | None = None) -> RunView:
    """Collect from a run what figures need.

    Parameters
    ----------
    source
        A result, or the folder of one, which is read batch by batch.
    sample_id
        Index in the data set of the sample to look at closely; the first of the run by default.

    Raises
    ------
    ArtifactError
        If the folder is no result, is damaged, holds no finished batch, or the run has no such
        sample.
    """
    if isinstance(source, RunResult):
        return _collect(source.metadata, _batches_of(source), "run", sample_id)
    folder = RunFolder(source)
    name = printable(folder.path.resolve().name)
    found = _collect(folder.metadata(), folder.batches(), name, sample_id, folder.path)
    folder.require_figures(found.result.summary())
    return found


def _batches_of(result: RunResult) -> Iterator[BatchArrays]:
    """Yield a result in memory as batches; recorded variables say how many samples each has."""
    names = [name for name in ARRAYS if name != "simulate_s"]
    sizes = [len(next(iter(log.values()))) if log else 0 for log in result.logs]
    logs = list(result.logs)
    if sum(sizes) != result.samples:
        sizes, logs = [result.samples], [{}]
    start = 0
    for size, log in zip(sizes, logs, strict=True):
        part = slice(start, start + size)
        values = {name: getattr(result, name)[part] for name in names}
        share = result.simulate_s * size / result.samples
        yield BatchArrays(values={**values, "simulate_s": np.asarray([share])}, log=log)
        start += size


def _collect(
    metadata: Mapping[str, Any],
    batches: Iterable[BatchArrays],
    name: str,
    sample_id: int | None,
    path: Path | None = None,
) -> RunView:
    identity = metadata["identity"]
    settings = identity["settings"]
    layers = [
        _Layer(
            label,
            neurons,
            settings=settings,
            is_output=label == metadata["layers"][-1],
            fires=label != metadata["layers"][-1]
            or settings["conversion"].get("readout") != "membrane",
            samples=identity["samples"],
        )
        for label, neurons in zip(metadata["layers"][1:], metadata["num_neurons"][1:], strict=True)
    ]
    kept: list[BatchArrays] = []
    recorded: set[str] = set()
    chosen: int | None = None
    input_l = None
    done = 0
    for batch in batches:
        ids = batch.values["sample_ids_b"]
        row = _row(ids, sample_id) if chosen is None else None
        if row is not None:
            chosen = done + row
            if "input" in batch.log:
                input_l = np.asarray(batch.log["input"][row], np.float64).mean(axis=-1)
        for layer in layers:
            layer.add(batch.log, row)
        recorded |= {key.partition("/")[0] for key in batch.log}
        kept.append(BatchArrays(values=batch.values))
        done += len(ids)
    if not kept:
        raise ArtifactError(f"No batch in {name} is finished; run again with --resume.")
    result = RunResult.of(metadata, kept, interrupted=done < identity["samples"])
    if chosen is None:
        first, last = int(result.sample_ids_b.min()), int(result.sample_ids_b.max())
        raise ArtifactError(
            f"The run has no sample {sample_id}; it has {done} samples from {first} to {last}."
        )
    return RunView(
        name=name,
        result=result,
        layers=tuple(layer.finish() for layer in layers),
        sample=chosen,
        input_l=input_l,
        recorded=frozenset(recorded),
        path=path,
    )


def _row(ids: Array, sample_id: int | None) -> int | None:
    """Return where the chosen sample is in a batch."""
    if sample_id is None:
        return 0
    found = np.flatnonzero(ids == sample_id)
    return int(found[0]) if len(found) else None


@dataclass
class _Sums:
    """Sums over the batches."""

    rates_l: Any = 0.0
    activations_l: Any = 0.0
    rated: int = 0
    expected: int = 0
    saturated: int = 0
    compared: int = 0
    spikes: list[Array] = field(default_factory=list)
    pearson: list[Array] = field(default_factory=list)
    points: list[Array] = field(default_factory=list)
    expectations: list[Array] = field(default_factory=list)
    maxima: list[Array] = field(default_factory=list)


class _Layer:
    """Collector of a `LayerView`."""

    def __init__(
        self,
        name: str,
        neurons: int,
        *,
        settings: Mapping[str, Any],
        is_output: bool,
        fires: bool,
        samples: int,
    ) -> None:
        self.name, self.neurons, self._fires = name, neurons, fires
        self._settings, self._is_output, self._samples = settings, is_output, samples
        self._sums = _Sums()
        self._chosen: dict[str, Array] = {}

    def add(self, log: Mapping[str, Array], row: int | None) -> None:
        """Take what a batch recorded of this layer; ``row`` is the chosen sample, if there."""
        # An output that is read by its potential has no spikes: there is no rate to compare.
        trains = log.get(f"spiketrains/{self.name}") if self._fires else None
        mem = log.get(f"mem/{self.name}")
        activations = log.get(f"activations/{self.name}")
        rates = expected = None
        if trains is not None:
            rates = self._read(trains)
            self._sums.spikes.append(count_spikes(trains))
        if activations is not None:
            with np.errstate(over="ignore"):
                expected = np.asarray(activations, np.float64) * self._unit
        if row is not None:
            named = {"spiketrains_l_t": trains, "mem_l_t": mem, "rates_l": rates,
                     "activations_l": expected}  # fmt: skip
            self._chosen = {key: np.array(a[row]) for key, a in named.items() if a is not None}
        self._add_up(rates, expected)

    @property
    def _code(self) -> type[SpikeCode]:
        return CODES[self._settings["conversion"]["spike_code"]]

    @property
    def _unit(self) -> float:
        """What stands for an activation of 1 in a normalized network: a spike per ms, or 1."""
        return float(self._settings["simulation"]["dt"]) if self._code.is_per_ms else 1.0

    def _read(self, trains: Array) -> Array | None:
        """Return the numbers that spike trains stand for, ``None`` if they do not tell."""
        steps = self._settings["conversion"].get("window_steps", 1)
        try:
            rates = spiketrains_to_rates(trains, spike_code=self._code.name, window_steps=steps)
        except SettingsError:  # spike times in continuous time
            return None
        return rates.astype(np.float64)

    def _add_up(self, rates: Array | None, expected: Array | None) -> None:
        sums = self._sums
        if rates is not None:
            sums.rates_l = sums.rates_l + rates.sum(axis=0)
            sums.rated += len(rates)
            sums.points.append(self._choose(rates))
        if expected is not None:
            sums.activations_l = sums.activations_l + expected.sum(axis=0)
            sums.expected += len(expected)
            sums.expectations.append(self._choose(expected))
            sums.maxima.append(expected.reshape(len(expected), -1).max(axis=1))
        if rates is not None and expected is not None:
            sums.pearson.append(
                pearson_b(rates, expected, saturation=1.0, keep_silent=self._is_output)
            )
            sums.saturated += int((expected > 1).sum())
            sums.compared += expected.size

    def _choose(self, values_b_l: Array) -> Array:
        """Return a share of a batch's neurons that adds up to `POINTS` over the run."""
        share = -(-POINTS * len(values_b_l) // max(self._samples, 1))
        flat: Array = values_b_l.reshape(-1)
        return flat[evenly(flat.size, share)]

    def finish(self) -> LayerView:
        """Return the collected view."""
        sums = self._sums
        return LayerView(
            name=self.name,
            neurons=self.neurons,
            is_output=self._is_output,
            fires=self._fires,
            spikes_b_t=_join(sums.spikes),
            pearson_b=_join(sums.pearson),
            points_p=_join(sums.points),
            expected_p=_join(sums.expectations),
            mean_rates_l=sums.rates_l / sums.rated if sums.rated else None,
            mean_activations_l=sums.activations_l / sums.expected if sums.expected else None,
            max_activations_b=_join(sums.maxima),
            saturated=sums.saturated / sums.compared if sums.compared else None,
            **self._chosen,
        )


def _join(parts: list[Array]) -> Array | None:
    return np.concatenate(parts) if parts else None

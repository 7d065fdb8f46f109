"""Input encoding: how a sample enters the network, step by step.

All random numbers come from one generator per sample, seeded with the run's seed and the sample's
index, so every simulator receives the same spikes and no result depends on the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from snn_core.data.events import CellEvents, Schedule, schedule
from snn_core.data.lazy import LazySamples
from snn_core.errors import DataError, SettingsError
from snn_core.ir import Layer, Network, Spiking
from snn_core.ir.shapes import count
from snn_core.recording.spike_trains import Events
from snn_core.settings import Settings
from snn_core.typing import Array, Bool, Float32, Int64

INPUT_STREAM = 0
OUTPUT_STREAM = 1

EVENTS_BYTES = 16_000_000
"""Size of the dense arrays in which random and regular spikes are drawn before they are listed."""


@dataclass(frozen=True, kw_only=True)
class InputSignal:
    """Input of a run: what the input layer delivers in each step.

    Parameters
    ----------
    x_b_l
        The samples.
    sample_ids
        Index of each sample in its data set; it seeds the sample's random numbers.
    settings
        Encoding, duration and step.
    seed
        Seed of the run.
    events_b
        The events behind each sample, for the encoding ``events``.

    Raises
    ------
    DataError
        If there are no events for the encoding ``events``.
    """

    x_b_l: Float32[Array, "b *l"]
    sample_ids: Sequence[int]
    settings: Settings
    seed: int
    events_b: Sequence[CellEvents] | None = None

    def __post_init__(self) -> None:
        """Require the events that the encoding sends."""
        if self.settings.input.encoding == "events":
            require_events(self.events_b, self.x_b_l)

    @property
    def is_constant(self) -> bool:
        """Whether every step delivers the same analog values."""
        scaled = self.settings.simulation.scale_first_layer_parameters is not None
        return self.settings.input.encoding == "constant" and not scaled

    @property
    def num_steps(self) -> int:
        """Number of steps."""
        return self.settings.num_steps

    @property
    def constant_b_l(self) -> Float32[Array, "b *l"]:
        """Input per step under constant current: the sample times dt in ms."""
        return self.x_b_l * np.float32(self.settings.simulation.dt)

    @property
    def amplitude_b(self) -> Float32[Array, "b"]:
        """Value that each spike of a sample carries.

        Spikes carry 1, scaled up for samples with values above 1 (a neuron fires at most once per
        step) and for Poisson rates below 1000 Hz, so that the mean input per ms is the sample.
        An event carries ``input.event_amplitude``; if that is not given, so much that the mean
        input per ms is the sample, over the steps that its events last.
        """
        if self.settings.input.encoding == "events":
            return self._event_amplitude(self._schedules())
        flat = np.abs(self.x_b_l).reshape(len(self.x_b_l), -1)
        scale = np.maximum(flat.max(axis=1, initial=0), 1)
        if self.settings.input.encoding == "poisson":
            scale = scale * (1000 / self.settings.input.input_rate)
        amplitude: Array = scale.astype(np.float32)
        return amplitude

    @cached_property
    def num_active_steps_b(self) -> Int64[Array, "b"] | None:
        """Number of steps after which each sample is stopped; ``None`` if none ever is.

        A sample stops early after the last step that has any input, or with the step in which its
        constant input has made up more than ``max_num_input_spikes`` spikes.
        """
        limit = self.settings.input.max_num_input_spikes
        if limit is None and not self.settings.simulation.early_stopping:
            return None
        stop_b = np.full(len(self.x_b_l), self.num_steps, np.int64)
        if self.settings.simulation.early_stopping:
            stop_b[:] = 0
            for start, x_t_b_l in enumerate(self._chunks(1)):
                has_input_b = x_t_b_l[0].reshape(len(stop_b), -1).any(axis=1)
                stop_b[has_input_b] = start + 1
        if limit is not None:
            stop_b = np.minimum(stop_b, self._steps_until(limit))
        return stop_b

    def _steps_until(self, limit: int) -> Int64[Array, "b"]:
        """Return the step in which the whole parts of the inputs' sums exceed a limit."""
        x_b_n = np.maximum(self.x_b_l.reshape(len(self.x_b_l), -1).astype(np.float64), 0)
        steps_b = np.full(len(x_b_n), self.num_steps, np.int64)
        for t in range(self.num_steps, 0, -1):
            spikes_b = np.floor(x_b_n * (t * self.settings.simulation.dt)).sum(axis=1)
            steps_b[spikes_b > limit] = t
        return steps_b

    def chunks(self, size: int) -> Iterator[Float32[Array, "t b *l"]]:
        """Yield the input of up to ``size`` steps at a time, in order.

        Constant current is yielded as a read-only broadcast view. Once all samples are stopped, no
        more chunks follow; what simulators record of stopped samples is left out by the recorder.

        Raises
        ------
        SettingsError
            If the Poisson rate asks for more than one spike per step.
        """
        stop_b = self.num_active_steps_b
        last = self.num_steps if stop_b is None else int(stop_b.max(initial=0))
        start = 0
        for x_t_b_l in self._chunks(size):
            # There is always a first chunk, so that everything is recorded with its shape.
            if start and start >= last:
                return
            yield x_t_b_l
            start += len(x_t_b_l)

    def events(self) -> Events:
        """Return the input spikes as a list, samples and steps in no particular order.

        They are the values other than 0 that `chunks` yields, without a dense array of all steps.

        Raises
        ------
        SettingsError
            If the input is a current, which has no spikes, or the Poisson rate asks for more than
            one spike per step.
        """
        return self._events

    @cached_property
    def _events(self) -> Events:
        if self.settings.input.encoding == "constant":
            raise SettingsError(
                "input.encoding = 'constant' has no spikes; expected poisson, regular or events. "
                "Take the current from `constant_b_l` or `chunks`."
            )
        if self.settings.input.encoding == "events":
            return self._schedule_events()
        shape, parts = (-1, len(self.x_b_l), count(self.x_b_l.shape[1:])), []
        start, size = 0, max(1, EVENTS_BYTES // max(self.x_b_l.nbytes, 1))
        for x_t_b_l in self.chunks(size):
            x_t_b_i = x_t_b_l.reshape(shape)
            step_e, sample_e, cell_e = np.nonzero(x_t_b_i)
            value_e = x_t_b_i[step_e, sample_e, cell_e]
            parts.append((sample_e, step_e + start, cell_e, value_e))
            start += len(x_t_b_l)
        return _join_events(parts)

    def _schedule_events(self) -> Events:
        """Return the events of a camera as they are scheduled."""
        stop_b = self.num_active_steps_b
        last = self.num_steps if stop_b is None else int(stop_b.max(initial=0))
        schedules = self._schedules()
        amplitude_b, parts = self._event_amplitude(schedules), []
        for b, plan in enumerate(schedules):
            part = slice(int(np.searchsorted(plan.step_e, last)))
            step_e, value_e = plan.step_e[part], plan.sign_e[part] * amplitude_b[b]
            parts.append((np.full(len(step_e), b), step_e, plan.cell_e[part], value_e))
        return _join_events(parts)

    def _chunks(self, size: int) -> Iterator[Float32[Array, "t b *l"]]:
        """Yield the input of all steps.

        Raises
        ------
        SettingsError
            If the Poisson rate asks for more than one spike per step.
        """
        starts = range(0, self.num_steps, size)
        if self.settings.input.encoding == "constant" and not self.is_constant:
            steps = self._fading()
        elif self.is_constant:
            x_b_l = self.constant_b_l
            for start in starts:
                yield np.broadcast_to(x_b_l, (min(size, self.num_steps - start), *x_b_l.shape))
            return
        elif self.settings.input.encoding == "events":
            yield from self._event_chunks(size)
            return
        elif self.settings.input.encoding == "poisson":
            steps = self._poisson()
        else:
            steps = self._regular()
        for start in starts:
            yield np.stack([next(steps) for _ in range(min(size, self.num_steps - start))])

    def _signed_amplitude(self) -> tuple[Array, Array]:
        """Return the relative rate (0 to 1) and the signed spike amplitude of every cell."""
        shape = (-1,) + (1,) * (self.x_b_l.ndim - 1)
        flat = np.abs(self.x_b_l).reshape(len(self.x_b_l), -1)
        scale = np.maximum(flat.max(axis=1, initial=0), 1).reshape(shape)
        amplitude = np.sign(self.x_b_l) * self.amplitude_b.reshape(shape)
        return np.abs(self.x_b_l) / scale, amplitude.astype(np.float32)

    def _poisson(self) -> Iterator[Float32[Array, "b *l"]]:
        probability = self.settings.input.input_rate * self.settings.simulation.dt / 1000
        if probability > 1:
            raise SettingsError(
                f"input_rate {self.settings.input.input_rate} Hz and dt "
                f"{self.settings.simulation.dt} ms ask for {probability:g} spikes per step; "
                f"expected at most 1. Lower input.input_rate or simulation.dt."
            )
        rate_b_l, amplitude_b_l = self._signed_amplitude()
        generators = [np.random.default_rng([self.seed, i, INPUT_STREAM]) for i in self.sample_ids]
        limit = self.settings.input.num_poisson_events_per_sample
        events_b = np.zeros(len(self.x_b_l), np.int64)
        for _ in range(self.num_steps):
            uniform_b_l = np.stack([g.random(self.x_b_l.shape[1:], "f4") for g in generators])
            spikes_b_l = (uniform_b_l < rate_b_l * probability) & (amplitude_b_l != 0)
            if limit >= 0:
                spikes_b_l[events_b >= limit] = False
                events_b += spikes_b_l.reshape(len(events_b), -1).sum(axis=1)
            yield np.where(spikes_b_l, amplitude_b_l, np.float32(0))

    def _fading(self) -> Iterator[Float32[Array, "b *l"]]:
        """Present constant input as if the first layer's parameters were scaled.

        At time t of a run of length D, weights ``W`` would be ``α W`` and the bias would be ``b + β
        W x`` with ``α = (D + τ) / (t + τ)`` and ``β = τ (D - t) / (t + τ)``, which is the same as
        an input of ``(α + β) x``. At the end it is x.
        """
        tau = self.settings.simulation.scale_first_layer_parameters or 0.0
        dt, duration = self.settings.simulation.dt, self.num_steps * self.settings.simulation.dt
        for step in range(1, self.num_steps + 1):
            t = step * dt
            factor = (duration + tau + tau * (duration - t)) / (t + tau)
            yield self.x_b_l * np.float32(factor * dt)

    def _regular(self) -> Iterator[Float32[Array, "b *l"]]:
        """Spike whenever the accumulated input passes a whole number."""
        rate_b_l, amplitude_b_l = self._signed_amplitude()
        per_step_b_l = rate_b_l.astype(np.float64) * self.settings.simulation.dt
        for t in range(1, self.num_steps + 1):
            passed = np.floor(per_step_b_l * t) > np.floor(per_step_b_l * (t - 1))
            yield np.where(passed, amplitude_b_l, np.float32(0))

    def _schedules(self) -> list[Schedule]:
        width_us = self.settings.input.eventframe_width
        return [
            schedule(events, num_steps=self.num_steps, width_us=width_us)
            for events in self.events_b or ()
        ]

    def _event_amplitude(self, schedules: Sequence[Schedule]) -> Float32[Array, "b"]:
        given, dt = self.settings.input.event_amplitude, self.settings.simulation.dt
        amplitudes = [
            plan.num_windows * dt / events.largest() if given is None else given
            for plan, events in zip(schedules, self.events_b or (), strict=True)
        ]
        return np.array(amplitudes, np.float32)

    def _event_chunks(self, size: int) -> Iterator[Float32[Array, "t b *l"]]:
        """Yield the spikes of every step, made dense for one chunk at a time."""
        schedules = self._schedules()
        amplitude_b = self._event_amplitude(schedules)
        cells = int(np.prod(self.x_b_l.shape[1:]))
        for start in range(0, self.num_steps, size):
            stop = min(start + size, self.num_steps)
            chunk_t_b_l = np.zeros((stop - start, len(self.x_b_l), cells), np.float32)
            for b, plan in enumerate(schedules):
                part = slice(*np.searchsorted(plan.step_e, (start, stop)))
                values_e = plan.sign_e[part] * amplitude_b[b]
                chunk_t_b_l[plan.step_e[part] - start, b, plan.cell_e[part]] = values_e
            yield chunk_t_b_l.reshape(stop - start, *self.x_b_l.shape)


def _join_events(parts: Sequence[tuple[Array, Array, Array, Array]]) -> Events:
    """Return lists of samples, steps, cells and values as one."""
    sample_e, step_e, cell_e, value_e = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Events(
        sample_e.astype(np.int32),
        step_e.astype(np.int32),
        cell_e.astype(np.int32),
        value_e.astype(np.float32),
    )


def input_unit(settings: Settings) -> float:
    """Return the value of an input spike that is the same for all samples.

    Simulators that put it into weights scale samples by the rest of `InputSignal.amplitude_b`.
    """
    if settings.input.encoding == "poisson":
        return 1000 / settings.input.input_rate
    if settings.input.encoding == "events" and settings.input.event_amplitude is not None:
        return float(settings.input.event_amplitude)
    return 1.0


def require_events(events_b: object, x_b_l: Array | LazySamples) -> None:
    """Raise a `DataError` unless there are events for every sample."""
    if events_b is None:
        raise DataError(
            "Found samples without events for input.encoding = 'events'; expected recordings of "
            "an event camera. Choose other data, or the encoding constant, poisson or regular."
        )
    if isinstance(events_b, Sequence):
        shapes = {events.shape for events in events_b}
        if len(events_b) != len(x_b_l) or not shapes <= {x_b_l.shape[1:]}:
            raise DataError(
                f"Found events for {len(events_b)} samples of shape {sorted(shapes)}; expected "
                f"{len(x_b_l)} of shape {x_b_l.shape[1:]}."
            )


def output_uniforms(
    sample_ids: Sequence[int], seed: int, *, num_steps: int, num_classes: int
) -> Float32[Array, "t b o"]:
    """Return the random numbers in [0, 1) against which a softmax output draws its spikes."""
    draws = [
        np.random.default_rng([seed, i, OUTPUT_STREAM]).random((num_steps, num_classes), "f4")
        for i in sample_ids
    ]
    return np.stack(draws, axis=1)


def draw_softmax(
    layer: Spiking, v_t_b_l: Float32[Array, "t b *l"], uniforms_t_b_o: Float32[Array, "t b o"]
) -> Bool[Array, "t b *l"]:
    """Draw the spikes of a softmax output: each with the softmax of the potentials after a step.

    Parameters
    ----------
    uniforms_t_b_o
        Random numbers of the same steps; see `output_uniforms`.
    """
    probability = layer.activation(v_t_b_l.reshape(uniforms_t_b_o.shape))
    drawn: Array = uniforms_t_b_o <= probability
    return drawn.reshape(v_t_b_l.shape)


def layers_with_steady_sums(
    network: Network, *, but: tuple[type[Layer], ...] = ()
) -> tuple[str, ...]:
    """Return the layers whose sums are the same in every step if the input is.

    They read only from the input, at most through relays.

    Parameters
    ----------
    but
        Kinds of layers whose sums depend on the step.
    """
    steady, passing_on = [], {network.input.name}
    for layer in network.layers[1:]:
        if passing_on.issuperset(layer.inputs) and not isinstance(layer, but):
            steady.append(layer.name)
            if not network.has_neurons(layer):
                passing_on.add(layer.name)
    return tuple(steady)

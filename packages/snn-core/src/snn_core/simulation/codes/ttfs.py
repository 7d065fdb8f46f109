"""Time to first spike: the earlier a neuron fires, the larger its activation; it fires once.

Rueckauer and Liu, "Conversion of analog to spiking neural networks using sparse temporal coding",
ISCAS 2018. A spike switches on a current that stays on: from then on each step delivers
``w dt``. Biases are currents from the first step on, so nothing depends on other samples.

With ``conversion.ttfs_ramp`` each neuron also receives a current of its own, which alone would
bring it to the threshold ``theta D`` half a step after the end of the run, D. Together with an
activation a it fires at ``D / (1 + a / lambda)``; `snn_core.normalization.first_spike` finds
lambda and the initial potential. Without it neurons behave as in snn_toolbox.

A neuron whose activation has an upper bound does not fire before it would if it had always received
that bound: its potential counts at most as much as that one's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from snn_core.codes import code_of
from snn_core.codes.first_spike import ramp_duration
from snn_core.codes.windows import passes_spikes_on
from snn_core.ir import Layer, Spiking, Weighted
from snn_core.ir.shapes import count
from snn_core.recording.recorder import Recorder
from snn_core.simulation.codes.engine import Engine
from snn_core.simulation.signal import InputSignal, layers_with_steady_sums
from snn_core.typing import Array

State: TypeAlias = dict[str, Array]
"""Arrays of a population: ``v`` potential, ``on`` (1 while its current is on), and others."""


class FirstSpike(Engine):
    """A network whose neurons fire once and then send a current."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        dt = np.float32(self.settings.simulation.dt)
        ramp = self.settings.conversion.ttfs_ramp
        self._dt = dt
        self._steady = layers_with_steady_sums(self.network)
        self._threshold, self._ramp = {}, {}
        self._fastest: dict[str, Array] = {}
        for layer in self.network.spiking_layers:
            theta = layer.threshold * np.float32(ramp_duration(self.settings) if ramp else 1)
            self._threshold[layer.name] = np.asarray(theta, np.float32)
            self._ramp[layer.name] = (1 - layer.v_init) * layer.threshold * (dt if ramp else 0)
            if layer.activation.upper_bound is not None:
                bound = layer.activation.upper_bound.astype(np.float32)
                self._fastest[layer.name] = bound * dt + self._ramp[layer.name]

    # What a neuron does; variants of the code override these.

    def start(self, layer: Spiking, batch_size: int) -> State:
        """Return the state of a population before the first step."""
        shape = (batch_size, *layer.output_shape)
        start = layer.v_init * self._threshold[layer.name]
        zeros = np.zeros(shape, np.float32)
        v = np.broadcast_to(start, shape).astype(np.float32)
        state = {"v": v, "on": zeros, "spikes": zeros, "events": zeros}
        return state | {"most": v} if layer.name in self._fastest else state

    def fire(self, name: str, state: State, drive: Array) -> State:
        """Return the state of a population after a step, with ``spikes`` in {-1, 0, 1}.

        Parameters
        ----------
        drive
            What the neurons receive in this step, without the ramp.
        """
        waits = state["on"] == 0
        v = np.where(waits, state["v"] + drive + self._ramp[name], state["v"])
        counted, bound = self.within_bound(name, state, v)
        fired = waits & (counted >= self.threshold(name, state))
        spikes = fired.astype(np.float32)
        return {
            "v": np.where(fired, np.float32(0), v),
            "on": state["on"] + spikes,
            "spikes": spikes,
            **bound,
        }

    def within_bound(self, name: str, state: State, v: Array) -> tuple[Array, State]:
        """Return potentials as far as they count under the activation's bound, and its state."""
        if name not in self._fastest:
            return v, {}
        most = state["most"] + self._fastest[name]
        return np.minimum(v, most), {"most": most}

    def threshold(self, name: str, state: State) -> Array:
        """Return the threshold of a population in this step."""
        return self._threshold[name]

    def prepare(self, states: dict[str, State], left: np.float32) -> dict[str, State]:
        """Return the states at the beginning of a step; ``left`` is the share of the run left."""
        return states

    def events(self, state: State, before: State) -> Array:
        """Return how often each neuron sent something to its targets in a step."""
        return np.abs(state["spikes"])

    # Simulating.

    def simulate(
        self, signal: InputSignal, recorder: Recorder, checkpoint: Callable[[], None]
    ) -> Mapping[str, Array]:
        """Simulate a batch step by step."""
        batch, steps = len(signal.x_b_l), signal.num_steps
        states = {layer.name: self.start(layer, batch) for layer in self.network.spiking_layers}
        steady = self._steady_sums(signal.constant_b_l)
        exits_early = code_of(self.settings).is_decided_early(self.network)
        going_b = np.ones(batch, bool)
        for step, x_t_b_l in enumerate(signal.chunks(1)):
            checkpoint()
            recorder.input(step, x_t_b_l, spiking=False)
            states = self._step(states, steady, np.float32((steps - step) / steps), going_b)
            for name, state in states.items():
                self._record(recorder, name, step, state)
            if exits_early:
                output = self.network.output
                fired_b = states[output.name]["on"].reshape(batch, -1).sum(axis=1)
                going_b = fired_b < min(self.settings.simulation.top_k, count(output.output_shape))
        return {}

    def _steady_sums(self, x_b_l: Array) -> dict[str, Array]:
        """Return what the input delivers in every step to the layers that read only from it."""
        sums = {self.network.input.name: x_b_l}
        for name in self._steady:
            layer = self.network[name]
            sums[name] = self._sum(layer, self.inbound(sums, layer))
        return sums

    def _sum(self, layer: Layer, inputs: list[Array]) -> Array:
        """Return weights times currents, and the bias, in one step."""
        y = self.sums.weighted(layer, inputs)
        return y + layer.bias_o * self._dt if isinstance(layer, Weighted) else y

    def _step(
        self,
        states: dict[str, State],
        steady: dict[str, Array],
        left: np.float32,
        going_b: Array,
    ) -> dict[str, State]:
        """Advance all layers by one step; samples that are decided stay as they are."""
        before, values = states, dict(steady)
        states = self.prepare(dict(states), left)
        for layer in self.network.layers[1:]:
            name = layer.name
            if name not in steady:
                values[name] = self._sum(layer, self.inbound(values, layer))
            if not isinstance(layer, Spiking) or not self.network.has_neurons(layer):
                continue
            new = self._update(layer, values, states[name])
            states[name] = self._keep_decided(states[name], new, going_b)
            states[name]["events"] = self.events(states[name], before[name])
            values[name] = states[name]["on"] * self._dt
        return states

    def _update(self, layer: Spiking, values: dict[str, Array], state: State) -> State:
        name = layer.name
        if layer is self.network.output and self.network.readout == "membrane":
            return {**state, "v": state["v"] + values[name], "spikes": np.zeros_like(state["v"])}
        if passes_spikes_on(self.network, name):
            on = (values[name] > 0).astype(np.float32)
            return {**state, "on": on, "spikes": on - state["on"]}
        return {**state, **self.fire(name, state, values[name])}

    def _keep_decided(self, old: State, new: State, going_b: Array) -> State:
        """Return the new state of the samples that go on, and the old one of the others."""
        if going_b.all():
            return new
        going = going_b.reshape(-1, *[1] * (new["v"].ndim - 1))
        kept: State = {key: np.where(going, new[key], value) for key, value in old.items()}
        kept["spikes"] = np.where(going, new["spikes"], np.float32(0))
        return kept

    def _record(self, recorder: Recorder, name: str, step: int, state: State) -> None:
        spikes_b_l, events_b_l = state["spikes"], state["events"]
        recorder.spikes(name, step, spikes_b_l[None])
        batch = len(events_b_l)
        fanout_l = self.fanout_n_l[name].reshape(-1).astype(np.float64)
        recorder.totals(
            name,
            step,
            # A withdrawn spike is a spike more, not one less.
            spikecounts_b_l=np.abs(spikes_b_l) - spikes_b_l,
            operations_t_b=(events_b_l.reshape(batch, -1) @ fanout_l).astype(np.int64)[None],
        )
        if recorder.wants_membrane(name):
            potentials = state["v"] / self._threshold[name]
            recorder.membrane(name, step, potentials[None])

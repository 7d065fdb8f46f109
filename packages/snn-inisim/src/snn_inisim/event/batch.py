"""Simulation of some samples, layer by layer.

A feed-forward network whose spikes take no time to arrive can be simulated layer by layer, all
steps of one before those of the next. Layers that `snn_inisim.event.wire` cannot express are
computed by the operators of snn-core, neurons with options by its neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.ir import Layer, MaxPooling2D, Spiking
from snn_core.neurons.arithmetic import reset_potential
from snn_core.neurons.max_pooling import MaxPool
from snn_core.neurons.state import Neurons
from snn_core.typing import Array, Float32
from snn_inisim.event.frame import Frames
from snn_inisim.event.largest import LargestSums, finds_largest
from snn_inisim.event.layout import as_layer, as_positions, positions_first, steps_first
from snn_inisim.event.plan import EventNetwork
from snn_inisim.event.population import Population


@dataclass(kw_only=True, eq=False)
class Found:
    """What was found of a layer in the steps of a chunk; axes as in their names.

    Parameters
    ----------
    counts_b_l
        Number of spikes, in the smallest integers that hold it.
    operations_t_b
        Synapses reached; ``None`` if none leave the layer.
    spikes_t_b_l, potentials_t_b_l
        Spikes and potentials after each step, where they were asked for.
    """

    counts_b_l: Array
    operations_t_b: Array | None = None
    spikes_t_b_l: Array | None = None
    potentials_t_b_l: Array | None = None


class EventBatch:
    """The state of some samples, advanced by chunks of steps.

    Parameters
    ----------
    plan
        The network.
    frames
        Where its spikes are kept.
    x_b_l
        The constant input of the samples; only their number counts otherwise.
    sample_ids
        Index of each sample in its data set.

    Attributes
    ----------
    busy
        Layers of which so many inputs spike that they are added up in groups, and the share of
        these inputs that spike in a step.
    """

    def __init__(
        self,
        plan: EventNetwork,
        frames: Frames,
        x_b_l: Float32[Array, "b *l"],
        *,
        sample_ids: Sequence[int],
    ) -> None:
        self._plan = plan
        self._frames = frames
        self._number = len(x_b_l)
        self._steady = plan.steady_sums(x_b_l) if plan.is_constant else {}
        self._potentials: dict[str, Array] = {}
        self._neurons: dict[str, Neurons] = {}
        self._gates: dict[str, MaxPool] = {}
        self._largest: dict[str, LargestSums] = {}
        self.busy: dict[str, float] = {}
        for layer in plan.network.spiking_layers:
            if layer.name in plan.plain:
                self._potentials[layer.name] = plan.start(layer, sample_ids)
            else:
                self._neurons[layer.name] = plan.start_neurons(layer, sample_ids)

    def advance(
        self,
        x_t_b_l: Float32[Array, "t b *l"] | None,
        *,
        start: int,
        num_steps: int,
        spikes: Callable[[str], bool],
        potentials: Callable[[str], bool],
    ) -> dict[str, Found]:
        """Advance all layers several steps.

        Parameters
        ----------
        x_t_b_l
            Input of each step; ``None`` if it is constant.
        start
            Number of steps before the first of these.
        num_steps
            Number of steps.
        spikes, potentials
            Whether those of a layer are wanted for each step.

        Returns
        -------
        Name of each layer with neurons to what was found of it.
        """
        self._steps, self._start = num_steps, start
        self._values: dict[str, Array] = {}
        found: dict[str, Found] = {}
        with self._frames.lend(self._number, num_steps) as self._frame:
            if x_t_b_l is not None:
                self._take_input(x_t_b_l)
            for layer in self._plan.network.layers[1:]:
                name, to = layer.name, self._plan.populations.get(layer.name)
                if name in self._plan.tallies:
                    self._frame.tally(self._plan.tallies[name])
                if not isinstance(layer, Spiking) or not self._plan.network.has_neurons(layer):
                    continue
                if to is None:
                    found[name] = self._integrate(layer, keeps_spikes=spikes(name))
                    continue
                found[name] = self._fire(layer, to, keeps=potentials(name))
                if spikes(name):
                    found[name].spikes_t_b_l = self._sent(name).astype(bool)
        return found

    def _take_input(self, x_t_b_l: Float32[Array, "t b *l"]) -> None:
        name = self._plan.network.input.name
        self._values[name] = x_t_b_l
        if name in self._plan.populations:
            self._frame.write(self._plan.populations[name], x_t_b_l)
            self._frame.list_spikes(self._plan.populations[name])

    # Neurons.

    def _integrate(self, layer: Spiking, *, keeps_spikes: bool) -> Found:
        """Let an output without a threshold integrate."""
        drive_t_b_l = self._drive(layer)
        if layer.name in self._neurons:
            potentials_t_b_l = np.empty_like(drive_t_b_l)
            for t in range(self._steps):
                potentials_t_b_l[t] = self._integrate_step(layer, drive_t_b_l, t).v_b_l
        else:
            v_b_l = as_layer(self._potentials[layer.name], layer)
            received = np.concatenate([v_b_l[None], drive_t_b_l])
            potentials_t_b_l = np.cumsum(received, axis=0, dtype=np.float32)[1:]
            self._potentials[layer.name] = as_positions(potentials_t_b_l[-1], layer)
        return Found(
            counts_b_l=np.zeros(drive_t_b_l.shape[1:], np.int32),
            spikes_t_b_l=np.zeros(drive_t_b_l.shape, bool) if keeps_spikes else None,
            potentials_t_b_l=potentials_t_b_l,
        )

    def _fire(self, layer: Spiking, to: Population, *, keeps: bool) -> Found:
        """Let the neurons of a layer integrate and fire."""
        if layer.name in self._neurons:
            found = self._fire_with_options(layer, to)
        elif keeps:
            found = self._fire_and_keep(layer, to)
        else:
            found = Found(counts_b_l=as_layer(self._fire_compiled(layer, to), layer))
        found.counts_b_l = found.counts_b_l.astype(np.min_scalar_type(self._steps))
        self._frame.list_spikes(to)
        if to.fanout:
            found.operations_t_b = self._frame.operations(to)
        return found

    def _fire_compiled(self, layer: Spiking, to: Population) -> Array:
        """Advance plain neurons; return the number of spikes of each."""
        plan, name, reset = self._plan, layer.name, self._plan.reset
        v_b_o_c = self._potentials[name]
        if name in plan.steady:
            sums_b_o_t_c = as_positions(self._steady[name], layer)[:, :, None]
            return self._frame.fire_by(to, sums_b_o_t_c, v_b_o_c, reset=reset)
        if name in plan.readers:
            is_busy = self._is_busy(name)
            return self._frame.fire(to, plan.readers[name], v_b_o_c, reset=reset, is_busy=is_busy)
        return self._frame.fire_by(to, self._sums_in_memory(layer), v_b_o_c, reset=reset)

    def _fire_and_keep(self, layer: Spiking, to: Population) -> Found:
        """Advance plain neurons in NumPy, where their potentials are wanted."""
        drive_t_b_l = self._drive(layer)
        v_b_l = as_layer(self._potentials[layer.name], layer)
        potentials_t_b_l = np.empty_like(drive_t_b_l)
        spikes_t_b_l = np.empty_like(drive_t_b_l)
        for t, drive_b_l in enumerate(drive_t_b_l):
            v_b_l = v_b_l + drive_b_l
            spikes_t_b_l[t] = fired = v_b_l >= layer.threshold
            v_b_l = reset_potential(v_b_l, fired, layer.threshold, reset=self._plan.reset)
            potentials_t_b_l[t] = v_b_l
        self._potentials[layer.name] = as_positions(v_b_l, layer)
        return self._keep(to, spikes_t_b_l, potentials_t_b_l)

    def _fire_with_options(self, layer: Spiking, to: Population) -> Found:
        """Advance neurons with options by those of snn-core."""
        drive_t_b_l = self._drive(layer)
        potentials_t_b_l = np.empty_like(drive_t_b_l)
        spikes_t_b_l = np.empty_like(drive_t_b_l)
        for t in range(self._steps):
            neurons = self._integrate_step(layer, drive_t_b_l, t)
            spikes_t_b_l[t] = neurons.fire()
            potentials_t_b_l[t] = neurons.v_b_l
        return self._keep(to, spikes_t_b_l, potentials_t_b_l)

    def _integrate_step(self, layer: Spiking, drive_t_b_l: Array, t: int) -> Neurons:
        """Let neurons with options receive what arrives in a step."""
        drive_b_l = drive_t_b_l[t]
        bias_c = layer.bias_of_step(self._start + t)
        if bias_c is not None:
            drive_b_l = drive_b_l + bias_c * self._plan.dt
        self._neurons[layer.name].integrate(drive_b_l)
        return self._neurons[layer.name]

    def _keep(self, to: Population, spikes_t_b_l: Array, potentials_t_b_l: Array) -> Found:
        self._frame.write(to, spikes_t_b_l)
        counts_b_l = spikes_t_b_l.sum(axis=0).astype(np.int32)
        return Found(counts_b_l=counts_b_l, potentials_t_b_l=potentials_t_b_l)

    # Sums.

    def _drive(self, layer: Layer) -> Float32[Array, "t b *l"]:
        """Return the sum of a layer in each step."""
        name, plan = layer.name, self._plan
        if name in self._steady:
            steady_b_l = self._steady[name]
            return np.broadcast_to(steady_b_l, (self._steps, *steady_b_l.shape))
        if name in plan.readers or finds_largest(layer):
            return steps_first(self._sums_in_memory(layer), layer)
        if isinstance(layer, MaxPooling2D):
            return self._gate(layer)
        inputs = [self._sent(source) for source in layer.inputs]
        y = plan.drive(layer, [x.reshape(-1, *x.shape[2:]) for x in inputs])
        return y.reshape(self._steps, self._number, *y.shape[1:])

    def _sums_in_memory(self, layer: Layer) -> Float32[Array, "b o t c"]:
        """Return the sum of a layer in each step, steps of a position side by side."""
        if isinstance(layer, MaxPooling2D) and finds_largest(layer):
            return self._find_largest(layer)
        if layer.name in self._plan.readers:
            is_busy = self._is_busy(layer.name)
            return self._frame.add_up(self._plan.readers[layer.name], is_busy=is_busy)
        return positions_first(self._drive(layer))

    def _is_busy(self, name: str) -> bool:
        """Return whether so many inputs of a layer spike that it adds up groups of rows."""
        rate = self._frame.busy_rate(self._plan.readers[name])
        if rate is not None:
            self.busy[name] = rate
        return rate is not None

    def _sent(self, name: str) -> Float32[Array, "t b *l"]:
        """Return what a layer sends in each step: spikes, or the sums of one without neurons."""
        if name not in self._values:
            to = self._plan.populations.get(name)
            drive = self._drive(self._plan.network[name]) if to is None else self._frame.read(to)
            self._values[name] = drive
        return self._values[name]

    # Max pooling.

    def _gate(self, layer: MaxPooling2D) -> Float32[Array, "t b *l"]:
        """Return the spikes that max pooling lets pass, by the rules of snn-core."""
        x_t_b_l = self._sent(layer.inputs[0])
        pool = self._gates.setdefault(layer.name, MaxPool(layer, x_t_b_l[0]))
        passed = [pool.drive(x_b_l, self._start + 1 + t) for t, x_b_l in enumerate(x_t_b_l)]
        return np.stack(passed).astype(np.float32)

    def _find_largest(self, layer: MaxPooling2D) -> Float32[Array, "b o t c"]:
        """Return how much the largest accumulated sum of each window grows."""
        (source,) = self._plan.network.inbound(layer.name)
        if source.name in self._plan.populations or source.name in self._values:
            x_b_i_t_c = positions_first(self._sent(source.name))
        else:
            x_b_i_t_c = np.array(self._sums_in_memory(source))
        if layer.name not in self._largest:
            self._largest[layer.name] = LargestSums(self._plan.windows[layer.name], self._number)
        return self._largest[layer.name].grown(x_b_i_t_c)

"""The board once more, as directly as possible: Python's integers, tick by tick, spike by spike.

Ring buffers are filled when spikes arrive, with delays on the clock of the board; populations rest
until their first tick. Only what sPyNNaker would be told is taken from the package under test.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import ClassVar

import numpy as np

from snn_core.simulation.contract import Capabilities
from snn_core.simulation.signal import draw_softmax
from snn_core.simulation.synapses.base import SynapseListSNN
from snn_spinnaker import SNN, SpinnakerOptions

ONE = 1 << 15


def register(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def nearest(x: int, y: int) -> int:
    return max(-(1 << 31), min((1 << 31) - 1, (x * y + (1 << 14)) >> 15))


class Neuron:
    """One neuron of IF_curr_delta or IF_curr_exp."""

    def __init__(self, cell, theta, start, offset, *, wait, rest, soft, fires):
        self.v, self.theta, self.offset = (round(float(x) * ONE) for x in (start, theta, offset))
        self.timer, self.rest, self.soft, self.fires = wait, rest, soft, fires
        tick, tau = round(cell.dt_ms * ONE), round(cell.tau_m * ONE)
        self.r = (tau << 15) // ONE
        self.per_tick = (ONE << 15) // tick
        self.e = round(ONE * math.exp(-((tick << 15) // tau) / ONE))
        self.held, self.exp = [0, 0], cell.model == "IF_curr_exp"
        if self.exp:
            syn = round(cell.tau_syn * ONE)
            self.decay = round(2**32 * math.exp(-((tick << 15) // syn) / ONE))
            self.init = (((syn << 15) // tick) * (2**32 - self.decay)) >> 15

    def tick(self, buffers) -> bool:
        if self.exp:
            inputs = [h + ((b * self.init) >> 32) for h, b in zip(self.held, buffers, strict=True)]
            self.held = [(value * self.decay) >> 32 for value in inputs]
        else:
            inputs = [(value * self.per_tick) >> 15 for value in buffers]
        if self.timer > 0:
            self.timer -= 1
            return False
        total = register(inputs[0] - inputs[1] + self.offset)
        alpha = nearest(total, self.r)
        self.v = register(alpha - nearest(self.e, register(alpha - self.v)))
        if not self.fires or self.v < self.theta:
            return False
        self.v = self.v - self.theta if self.soft else 0
        self.timer = self.rest
        return True


class TickReference(SynapseListSNN):
    """Simulates one sample after the other, neuron by neuron."""

    capabilities: ClassVar[Capabilities] = SNN.capabilities

    def add_input_layer(self, input_shape):
        options = self.options if isinstance(self.options, SpinnakerOptions) else None
        self.other = SNN(self.network, self.settings, options)

    def add_population(self, layer, bias_l):
        """Nothing: populations are those that sPyNNaker would be told of."""

    def connect(self, source, layer, synapses):
        """Nothing: weights are those that sPyNNaker would be told of."""

    def compile(self):
        self.other.build()

    def reset(self):
        """Nothing: every sample has neurons of its own."""

    def simulate(self, signal, recorder):
        spiking = None if signal.is_constant else self.other._spiking(signal)
        offsets = self.other._offsets(signal)
        runs = [self.sample(i, offsets, spiking, signal) for i in range(len(signal.x_b_l))]
        for index, x_t_b_l in enumerate(signal.chunks(1)):
            recorder.input(index, x_t_b_l, spiking=not signal.is_constant)
        for item in self.other.board.populations:
            layer = self.network[item.name]
            shape = (self.settings.num_steps, len(runs), *layer.output_shape)
            spikes = np.stack([run[0][item.name] for run in runs], axis=1).reshape(shape)
            v = np.stack([run[1][item.name] for run in runs], axis=1).reshape(shape)
            v = (v / ONE / item.cell.unit).astype(np.float32)
            if not item.fires and self.draws_softmax:
                spikes = draw_softmax(layer, v, uniforms_t_b_o=self.output_uniforms(signal))
            recorder.spikes(item.name, 0, spikes)
            if recorder.wants_membrane(item.name):
                recorder.membrane(item.name, 0, v / layer.threshold)

    def sample(self, index, offsets, spiking, signal):
        board = self.other.board
        fans = self.fans(board)
        neurons = {
            item.name: [
                Neuron(
                    item.cell, item.threshold_l[i], item.start_l[i], offsets[item.name][index][i],
                    wait=item.first_step, rest=board.rest_steps, soft=board.soft, fires=item.fires,
                )
                for i in range(item.size)
            ]
            for item in board.populations
        }  # fmt: skip
        buffers = defaultdict(int)
        sent = defaultdict(list)
        if spiking is not None:
            number = round(float(spiking.amplitude_b[index] / board.input_unit))
            for sample, step, cell in zip(*spiking.events[:3], strict=True):
                if sample == index:
                    sent[int(step)] += [int(cell)] * number
        steps = board.num_steps
        spikes = {n: np.zeros((steps, len(c)), np.float32) for n, c in neurons.items()}
        v = {n: np.zeros((steps, len(c)), np.int64) for n, c in neurons.items()}
        for clock in range(board.timing.run_steps):
            for cell in sent[clock]:
                self.deliver(buffers, fans[board.input_name, cell], clock)
            for item in board.populations:
                own = clock - item.first_step
                for i, neuron in enumerate(neurons[item.name]):
                    arrived = [buffers.pop((item.name, i, r, clock), 0) for r in range(2)]
                    arrived = [n << s for n, s in zip(arrived, item.shifts, strict=True)]
                    fired = neuron.tick(arrived)
                    if 0 <= own < steps:
                        spikes[item.name][own, i], v[item.name][own, i] = fired, neuron.v
                        if fired:
                            self.deliver(buffers, fans[item.name, i], clock)
        return spikes, v

    @staticmethod
    def deliver(buffers, fan, clock):
        for name, cell, receptor, weight, delay in fan:
            key = (name, cell, receptor, clock + delay)
            buffers[key] = min(buffers[key] + weight, 0xFFFF)

    @staticmethod
    def fans(board):
        """Return the synapses of each cell, with 16-bit weights."""
        found = defaultdict(list)
        for item in board.populations:
            for part in item.projections:
                scale = 2.0 ** (15 - item.shifts[part.receptor])
                for pre, post, weight in zip(part.pre, part.post, part.weight, strict=True):
                    entry = (
                        item.name,
                        post,
                        part.receptor,
                        round(weight * scale),
                        part.delay_steps,
                    )
                    found[part.source, pre].append(entry)
        return found

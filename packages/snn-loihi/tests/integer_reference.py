"""The chip's arithmetic once more, as directly as possible: integers, synapse by synapse."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from snn_core.ir import Spiking
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.synapses.base import SynapseListSNN
from snn_loihi import SNN, LoihiOptions
from snn_loihi.discretize import discretize

TOP = 2**23


class IntegerReference(SynapseListSNN):
    """Takes each population's integers, and nothing else, from the package under test."""

    capabilities: ClassVar[Capabilities] = SNN.capabilities
    options_type = LoihiOptions

    def add_input_layer(self, input_shape):
        self.chip = discretize(self.network, self.settings, self.options)
        self.names = []

    def add_population(self, layer: Spiking, bias_l):
        self.names.append(layer.name)

    def connect(self, source, layer, synapses):
        """Nothing: the rounded synapses are those of the chip."""

    def compile(self):
        self.populations = {item.name: item for item in self.chip.populations}
        self.synapses = {
            name: [
                (source, part, connection.exponent)
                for connection in self.populations[name].connections
                for source, part in connection.lists().items()
            ]
            for name in self.names
        }

    def reset(self):
        self.v = {}

    def simulate(self, signal, recorder):
        samples = len(signal.x_b_l)
        for name in self.names:
            item = self.populations[name]
            start = np.broadcast_to(item.start_c, item.layer.output_shape)
            self.v[name] = np.tile(start.reshape(-1).astype(np.int64), (samples, 1))
        for step, x_t_b_l in enumerate(signal.chunks(1)):
            recorder.input(step, x_t_b_l, spiking=not signal.is_constant)
            spikes = {self.network.input.name: x_t_b_l[0].reshape(samples, -1)}
            if not signal.is_constant:
                spikes[self.network.input.name] /= np.float32(self.chip.input_unit)
            for name in self.names:
                spikes[name] = self.update(name, spikes, x_t_b_l[0])
                shape = (1, samples, *self.network[name].output_shape)
                recorder.spikes(name, step, spikes[name].reshape(shape).astype(bool))
                if recorder.wants_membrane(name):
                    threshold = self.populations[name].threshold_c
                    recorder.membrane(name, step, self.v[name].reshape(shape) / threshold)

    def update(self, name, spikes, x_b_l):
        item, samples = self.populations[name], len(x_b_l)
        u = np.zeros(self.v[name].shape, np.int64)
        for source, part, exponent in self.synapses[name]:
            for pre, post, mantissa in zip(part.pre, part.post, part.weight, strict=True):
                sent = spikes[source][:, pre].astype(np.int64)
                unit = 64 * 2**exponent
                assert (mantissa * unit) % 1 == 0
                u[:, post] += sent * int(mantissa * unit)
        u = (u + TOP) % (2 * TOP) - TOP
        bias = item.bias_l.reshape(1, -1)
        if item.current is not None and self.settings.input.encoding == "constant":
            bias = item.current_b_l(x_b_l).reshape(samples, -1)
        v = np.clip(self.v[name] + u + bias.astype(np.int64), -TOP + 1, TOP - 1)
        threshold = np.broadcast_to(item.threshold_c, item.layer.output_shape).reshape(-1)
        fired = (v >= threshold.astype(np.int64)) & item.fires
        if self.chip.reset == "soft":
            v = v - fired * threshold.astype(np.int64)
        else:
            v = np.where(fired, 0, v)
        self.v[name] = v
        return fired.astype(np.float32)

"""A second, plain simulation of the spike codes, one sample and one step at a time.

It shares nothing with the simulator: sums are loops over positions and taps, and every rule is
written down again. In float64 all sums of the networks below are exact.
"""

import math

import numpy as np
import pytest

from snn_core.ir import Linear, ReLU
from snn_core.testing.builder import NetworkBuilder


def dyadic(rng, shape, *, mean, spread):
    """Return normally distributed multiples of 2**-6."""
    return (np.round(rng.normal(mean, spread, shape) * 64) / 64).astype(np.float32)


def branched(readout="membrane", *, v_init=0.0, pool_neurons=False, seed=3, special=False):
    """Return a network with convolutions, both poolings, branches, strides and biases.

    A special one has activations with upper bounds, and minima in some channels of the pool.
    """
    first, last, turned = {}, {}, {}
    if special:
        first = {"activation": ReLU(max_value=(0.5, 0.25, 0.75, 0.375))}
        last = {"activation": ReLU(max_value=0.5)}
        turned = {"sign_c": np.float32([1, -1, 1, 1])}
    rng = np.random.default_rng(seed)
    start = {"v_init": [v_init]}
    pool = start if pool_neurons else {"activation": Linear()}

    def weight(*shape, fan_in):
        return dyadic(rng, shape, mean=0.5 / fan_in, spread=1.2 / math.sqrt(fan_in))

    net = NetworkBuilder((6, 7, 2))
    net.conv2d(
        weight(3, 3, 2, 4, fan_in=9),
        padding="same",
        bias_o=dyadic(rng, 4, mean=0, spread=0.2),
        **start,
        **first,
    )
    net.max_pooling((2, 2), strides=(2, 1), **start, **turned)
    pooled = net.last
    net.conv2d(
        weight(1, 1, 4, 4, fan_in=4), bias_o=dyadic(rng, 4, mean=0, spread=0.1), activation=Linear()
    )
    net.add([pooled, net.last], weight_nc=[[1] * 4, [0.5] * 4], activation=ReLU(), **start)
    net.concatenate([pooled, net.last])
    net.average_pooling((2, 2), strides=(1, 2), **pool)
    net.conv2d(
        weight(2, 2, 8, 5, fan_in=20),
        strides=(1, 1),
        bias_o=dyadic(rng, 5, mean=0, spread=0.2),
        threshold=[2.0],
        **start,
    )
    net.flatten()
    weight_io, bias_o = weight(net.shape[0], 8, fan_in=8), dyadic(rng, 8, mean=0, spread=0.2)
    net.dense(weight_io, bias_o=bias_o, **start, **last)
    net.dense(weight(8, 5, fan_in=4), bias_o=dyadic(rng, 5, mean=0.1, spread=0.2), **start)
    return net.build(readout=readout)


def samples(network, count, *, seed=7):
    """Return multiples of 2**-4, different for each sample."""
    rng = np.random.default_rng(seed)
    return rng.integers(-2, 17, (count, *network.input.output_shape)).astype(np.float32) / 16


def received(layer, inputs, *, absolute=False):
    """Return what a layer adds up for one sample, without its bias."""
    size = np.abs if absolute else np.asarray
    x = inputs[0]
    if layer.kind == "Flatten":
        return x.reshape(-1)
    if layer.kind == "Concatenate":
        return np.concatenate(inputs, axis=-1)
    if layer.kind == "Add":
        return sum(size(w) * x for w, x in zip(layer.weight_nc.astype(float), inputs, strict=True))
    if layer.kind == "Dense":
        return x @ size(layer.weight_io.astype(float))
    y = np.zeros(layer.output_shape)
    kernel = layer.weight_hwio.shape[:2] if layer.kind == "Conv2D" else layer.pool_size
    before = [(k - 1) // 2 if layer.padding == "same" else 0 for k in kernel]
    for row in range(y.shape[0]):
        for column in range(y.shape[1]):
            cells = []
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    r = row * layer.strides[0] + i - before[0]
                    c = column * layer.strides[1] + j - before[1]
                    if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
                        cells.append((x[r, c], i, j))
            if layer.kind == "Conv2D":
                taps = size(layer.weight_hwio.astype(float))
                y[row, column] = sum(cell @ taps[i, j] for cell, i, j in cells)
            elif layer.kind == "MaxPooling2D":
                found = np.array([cell for cell, _, _ in cells])
                minima = np.zeros(y.shape[-1], bool) if layer.sign_c is None else layer.sign_c < 0
                y[row, column] = np.where(minima, found.min(axis=0), found.max(axis=0))
            else:
                y[row, column] = np.sum([cell for cell, _, _ in cells], axis=0) / len(cells)
    return y


def bound(layer):
    """Return the largest activation of a layer, infinity for no bound."""
    most = getattr(layer.activation, "max_value", None)
    return np.inf if most is None else np.asarray(most)


def bias(layer):
    return layer.bias_o.astype(float) if hasattr(layer, "bias_o") else 0.0


class Plain:
    """What all emulations share: a network, and its populations."""

    def __init__(self, network, *, steps):
        self.network, self.steps = network, steps
        self.populations = [layer.name for layer in network.spiking_layers]
        self.output = network.output.name
        self.spikes = {
            layer.name: np.zeros((*layer.output_shape, steps), int)
            for layer in network.spiking_layers
        }
        self.potentials = np.zeros((*network.output.output_shape, steps))

    def layers(self):
        return self.network.layers[1:]


def emulate_pattern(network, x, *, bits):
    """Return the spikes and output potentials of one sample under the pattern code."""
    plain = Plain(network, steps=bits)
    weights = [2.0**-i for i in range(1, bits + 1)]

    def digits(value):
        whole = min(math.floor(max(value, 0) * 2**bits + 0.5), 2**bits - 1)
        return [int(digit) for digit in f"{whole:0{bits}b}"]

    limit = 1.0
    while limit < np.abs(x).max():
        limit *= 2
    pattern = np.array([digits(abs(v) / limit) for v in x.reshape(-1)]).reshape(*x.shape, bits)
    sent = {
        network.input.name: [
            pattern[..., i] * w * limit * np.sign(x) for i, w in enumerate(weights)
        ]
    }
    for layer in plain.layers():
        steps = [[sent[name][i] for name in layer.inputs] for i in range(bits)]
        if layer.kind == "MaxPooling2D":
            total = received(layer, [sum(sent[name]) for name in layer.inputs])
        else:
            parts = [received(layer, inputs) + bias(layer) / bits for inputs in steps]
            total = sum(parts)
        if layer.name not in plain.populations:
            sent[layer.name] = parts
        elif layer.name == plain.output:
            plain.potentials[:] = np.cumsum(parts, axis=0).T
        else:
            rate = np.minimum(total, bound(layer)) / float(layer.threshold.reshape(-1)[0])
            found = np.array([digits(v) for v in rate.reshape(-1)]).reshape(*rate.shape, bits)
            plain.spikes[layer.name][:] = found
            sent[layer.name] = [found[..., i] * w for i, w in enumerate(weights)]
    return plain


def windows_of(network):
    """Return the window in which each layer's values come about."""
    window = {network.input.name: 0}
    for layer in network.layers[1:]:
        latest = max(window[name] for name in layer.inputs)
        spikes = network.has_neurons(layer) and layer is not network.output
        window[layer.name] = latest + int(spikes and layer.kind != "MaxPooling2D")
    return window


def emulate_exact(network, x, *, window_steps):
    """Return the spikes and output potentials of one sample under the exact code, step by step."""
    window = windows_of(network)
    plain = Plain(network, steps=(max(window.values()) + 1) * window_steps)
    v = {layer.name: np.zeros(layer.output_shape) for layer in network.layers}
    on = {layer.name: np.zeros(layer.output_shape) for layer in network.layers}
    for step in range(plain.steps):
        now, into = divmod(step, window_steps)
        sent = {network.input.name: x * float(now == 0)}
        for layer in plain.layers():
            name = layer.name
            own = window[name]
            last = max(window[source] for source in layer.inputs)
            inputs = [sent[source] for source in layer.inputs]
            current = received(layer, inputs) + bias(layer) * float(now == last)
            if name not in plain.populations:
                sent[name] = current
                continue
            if layer.kind == "MaxPooling2D":
                fires = (current > 0) & (on[name] == 0)
            else:
                v[name] += current / window_steps / float(layer.threshold.reshape(-1)[0])
                if name == plain.output:
                    plain.potentials[..., step] = v[name]
                    continue
                ramp = (into + 0.5) / window_steps
                most = np.minimum(v[name], bound(layer) / float(layer.threshold.reshape(-1)[0]))
                fires = (now == own) & (on[name] == 0) & (most + ramp >= 1)
            on[name][fires] = 1
            plain.spikes[name][..., step] = fires
            # The current of a spike lasts until the window of its layer ends.
            sent[name] = on[name] * float(now == own)
    return plain


def emulate_first_spike(network, x, *, steps, dt, code, ramp, top_k):
    """Return the spikes and output potentials of one sample, step by step."""
    plain = Plain(network, steps=steps)
    theta = {
        n: float(network[n].threshold.reshape(-1)[0]) * ((steps + 0.5) * dt if ramp else 1)
        for n in plain.populations
    }
    start = {n: float(network[n].v_init.reshape(-1)[0]) for n in plain.populations}
    v = {n: np.full(network[n].output_shape, start[n] * theta[n]) for n in plain.populations}
    on = {n: np.zeros(network[n].output_shape) for n in plain.populations}
    driven = {layer.name: np.zeros(layer.output_shape) for layer in network.layers}
    counts = network.readout == "counts"
    for step in range(steps):
        if counts and code != "ttfs_corrective" and on[plain.output].sum() >= top_k:
            break
        sent, flags, new_driven = {network.input.name: x * dt}, dict(driven), dict(driven)
        before = {name: fired.copy() for name, fired in on.items()}
        for layer in plain.layers():
            name = layer.name
            current = received(layer, [sent[source] for source in layer.inputs]) + bias(layer) * dt
            rise = received(layer, [flags[source] for source in layer.inputs], absolute=True)
            if layer.kind == "MaxPooling2D":
                # The cells that have fired in the steps before, or may fire yet.
                (source,) = layer.inputs
                rise = received(layer, [np.maximum(flags[source], before[source])])
            if name not in plain.populations:
                sent[name], flags[name] = current, rise
                continue
            was_on = on[name].copy()
            if name == plain.output and not counts:
                v[name] += current
            elif layer.kind == "MaxPooling2D":
                new_driven[name] = flags[name] = (rise > 0) * (1.0 - on[name])
                on[name] = (current > 0) * 1.0
            else:
                own = (
                    (1 - start[name]) * float(layer.threshold.reshape(-1)[0]) * dt if ramp else 0.0
                )
                limit = theta[name]
                # A neuron that always received the bound has got as far as this.
                most = start[name] * theta[name] + (step + 1) * (bound(layer) * dt + own)
                if code == "ttfs_dyn_thresh":
                    limit = limit + rise * ((steps - step) / steps if ramp else 1)
                if code == "ttfs_corrective":
                    v[name] += current + own
                    on[name] = (np.minimum(v[name], most) >= limit) * 1.0
                else:
                    waits = on[name] == 0
                    v[name][waits] += current[waits] + own
                    fires = waits & (np.minimum(v[name], most) >= limit)
                    v[name][fires] = 0
                    on[name][fires] = 1
                    new_driven[name] = waits & ~fires & (current > 0)
            plain.spikes[name][..., step] = on[name] - was_on
            sent[name] = on[name] * dt
        driven = {n: np.asarray(f, float) for n, f in new_driven.items()}
        if not counts:
            # The threshold of a ramp divides with a remainder: once, in float32.
            share = v[plain.output].astype(np.float32) / np.float32(theta[plain.output])
            plain.potentials[..., step] = share
    return plain


@pytest.fixture
def codes():
    """Return the emulations and what they are tried on."""
    from types import SimpleNamespace

    return SimpleNamespace(
        branched=branched,
        samples=samples,
        pattern=emulate_pattern,
        exact=emulate_exact,
        first_spike=emulate_first_spike,
        windows=windows_of,
    )

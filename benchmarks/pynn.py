"""snn-pynn against the straightforward way through PyNN, on the same simulator.

    python benchmarks/pynn.py nest [--net demo] [--steps 100] [--samples 10] [--peer 2]

The simulator is ``nest``, ``neuron`` or ``brian2``. Both ways simulate the same network with the
same neurons and regular input spikes, each in a process of its own. The peer is what a user of PyNN
would write first: a Python list with an entry for each synapse, given to PyNN's
``FromListConnector``; all spikes recorded by PyNN; one sample at a time, with ``reset`` in between.
It simulates only a few samples, since each takes equally long.

Times are those of the processor. Listing the synapses is printed apart from building the network.
Each first simulates a sample that is not timed, of which the numbers of spikes in each layer are
compared: with dyadic weights they are the same, others are added up in another order. (After PyNN's
``reset`` of NEST they are not always the same: what is on its way arrives later.)
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from snn_core import convert
from snn_core.data import load_dataset
from snn_core.ir import AveragePooling2D, Conv2D, Dense, Network
from snn_core.ir.projections import drive_bias
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

MNIST = Path(__file__).resolve().parents[1] / "examples" / "mnist"


def network(name: str) -> Network:
    """Return the network of examples/mnist, or a LeNet of dyadic weights."""
    if name == "demo":
        calibration = load_dataset(MNIST / "data" / "calibration.npz")
        return convert(MNIST / "model.keras", calibration.x_b_l).replace(readout="counts")
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        fan_in = int(np.prod(shape[:-1]))
        return np.round(rng.normal(1.2 / fan_in, 2 / fan_in**0.75, shape) * 1024) / 1024

    net = NetworkBuilder((28, 28, 1))
    net.conv2d(weights(5, 5, 1, 6)).average_pooling((2, 2))
    net.conv2d(weights(5, 5, 6, 16)).average_pooling((2, 2)).flatten()
    net.dense(weights(net.shape[0], 120)).dense(weights(120, 84)).dense(weights(84, 10))
    return net.build()


def settings(steps: int, batch_size: int) -> Settings:
    """Return the settings of both."""
    return Settings.of(
        {
            "simulation": {"duration": steps, "batch_size": batch_size},
            "input": {"encoding": "regular"},
        }
    )


# The peer.


def synapses(layer: Any, shape: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Return source, target and weight of all synapses of an unpadded layer."""
    if isinstance(layer, Dense):
        weight = layer.weight_io.tolist()
        return [(i, o, w) for i, row in enumerate(weight) for o, w in enumerate(row)]
    return (
        pool_synapses(layer, shape) if isinstance(layer, AveragePooling2D) else conv(layer, shape)
    )


def pool_synapses(layer: AveragePooling2D, shape: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Return all synapses of average pooling."""
    _, width, channels = shape
    height_out, width_out, _ = layer.output_shape
    (rows, columns), (stride_y, stride_x) = layer.pool_size, layer.strides
    scale = (np.broadcast_to(layer.weight_c, (channels,)) / (rows * columns)).tolist()
    found = []
    for y in range(height_out):
        for x in range(width_out):
            for c in range(channels):
                for i in range(rows):
                    for j in range(columns):
                        cell = (y * stride_y + i) * width + x * stride_x + j
                        target = (y * width_out + x) * channels + c
                        found.append((cell * channels + c, target, scale[c]))
    return found


def conv(layer: Conv2D, shape: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Return all synapses of a convolution."""
    _, width, channels = shape
    kernel = layer.weight_hwio.tolist()
    height_out, width_out, outputs = layer.output_shape
    stride_y, stride_x = layer.strides
    found = []
    for y in range(height_out):
        for x in range(width_out):
            for o in range(outputs):
                target = (y * width_out + x) * outputs + o
                for i, row in enumerate(kernel):
                    for j, column in enumerate(row):
                        cell = (y * stride_y + i) * width + x * stride_x + j
                        for c, inputs in enumerate(column):
                            found.append((cell * channels + c, target, inputs[o]))
    return found


def flat(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a value for each neuron of a layer."""
    return np.broadcast_to(values, shape).reshape(-1).astype(float)


class Peer:
    """A chain of layers in PyNN, as one would write it first."""

    def __init__(self, net: Network, simulator: str, steps: int, cells: Any) -> None:
        self.cells, self.steps, self.net = cells, steps, net
        self.layers = [layer for layer in net.layers[1:] if net.has_neurons(layer)]
        sim = cells.sim
        # PyNN's reset needs NEST to run on until nothing is on its way.
        more = {"flush_ms": 200.0} if simulator == "nest" else {}
        cells.set_up(1.0, longest_delay=1, **more)
        self.source = cells.add_sources(int(np.prod(net.input.output_shape)), "input")
        self.populations, self.projections, lists_s = [], [], 0.0
        pre, shape = self.source, net.input.output_shape
        for number, layer in enumerate(self.layers, start=1):
            post = cells.add_neurons(
                flat(layer.threshold, layer.output_shape),
                flat(layer.v_init * layer.threshold, layer.output_shape),
                label=layer.name,
                reset="subtraction",
                rest_steps=0,
                first_step=number,
                dt_ms=1.0,
            )
            started = time.process_time()
            delay = cells.delay_ms(1, 1.0)
            rows = [(*item, delay) for item in synapses(layer, shape)]
            lists_s += time.process_time() - started
            connector = sim.FromListConnector(rows, column_names=("weight", "delay"))
            self.projections.append(sim.Projection(pre, post, connector, cells.PlainSynapse()))
            bias = drive_bias(net, layer).reshape(-1).astype(float)
            if bias.any():
                cells.drive(post, bias, first_step=number, num_steps=steps, dt_ms=1.0)
            post.record("spikes")
            self.populations.append(post)
            pre, shape = post, layer.output_shape
        self.lists_s, self.is_fresh = lists_s, True

    def run(self, steps_of_cells: list[np.ndarray]) -> list[int]:
        """Return the number of spikes of each layer for one sample."""
        sim = self.cells.sim
        if not self.is_fresh:
            sim.reset()
        self.is_fresh = False
        self.cells.send(self.source, steps_of_cells, 1.0)
        self.cells.run(self.steps + len(self.layers), 1.0)
        counts = []
        for number, post in enumerate(self.populations, start=1):
            trains = post.get_data("spikes", clear=True).segments[-1].spiketrains
            when = [self.cells.steps_of(np.asarray(t.magnitude), 1.0) - number for t in trains]
            counts.append(sum(int(((t >= 0) & (t < self.steps)).sum()) for t in when))
        return counts


def import_simulator(simulator: str) -> Any:
    """Return the module with the simulator's neurons, after it was imported as snn-pynn does."""
    if simulator == "nest":
        importlib.import_module("snn_pynn.nest.start").import_nest()
    if simulator == "neuron":
        from snn_pynn import NeuronOptions

        mechanisms = importlib.import_module("snn_pynn.neuron.mechanisms")
        mechanisms.import_neuron(NeuronOptions().cache_folder())
    return importlib.import_module(f"snn_pynn.{simulator}.cells")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one of both in this process."""
    net, number = network(arguments.net), arguments.samples
    x_b_l = load_dataset(MNIST / "data" / "test.npz").x_b_l[: number + 1] / np.float32(255)
    cells = import_simulator(arguments.simulator)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if arguments.way == "peer":
        started = time.process_time()
        peer = Peer(net, arguments.simulator, arguments.steps, cells)
        build_s, list_s = time.process_time() - started - peer.lists_s, peer.lists_s
        inputs = regular(net, x_b_l[: arguments.peer + 1], arguments.steps)
        first = peer.run(inputs[-1])
        started = time.process_time()
        for sample in inputs[:-1]:
            peer.run(sample)
        sample_s = (time.process_time() - started) / arguments.peer
    else:
        kind = importlib.import_module(f"snn_pynn.{arguments.simulator}").SNN
        snn = kind(net, settings(arguments.steps, number))
        started = time.process_time()
        tables = snn.tables
        list_s = time.process_time() - started
        print(sum(len(item) for item in tables.connections), "synapses", file=sys.stderr)
        snn.build()
        build_s = time.process_time() - started - list_s
        counts = snn.run_batch(x_b_l[arguments.peer :][:1]).spikecounts_n_b_l.values()
        first = [int(counts_b_l.sum()) for counts_b_l in counts]
        started = time.process_time()
        snn.run_batch(x_b_l[:number])
        sample_s = (time.process_time() - started) / number
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    return {
        "list": list_s,
        "build": build_s,
        "sample": sample_s,
        "memory": used / 1e3,
        "counts": first,
    }


def regular(net: Network, x_b_l: np.ndarray, steps: int) -> list[list[np.ndarray]]:
    """Return the steps of all input spikes: when the accumulated input passes a whole number."""
    t = np.arange(steps + 1)
    found = []
    for sample in x_b_l.reshape(len(x_b_l), -1).astype(np.float64):
        passed = np.diff(np.floor(sample[:, None] * t), axis=1) > 0
        found.append([np.flatnonzero(row) for row in passed])
    return found


def main() -> None:
    """Measure both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulator", choices=["nest", "neuron", "brian2"])
    parser.add_argument("--net", choices=["demo", "lenet"], default="lenet")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--peer", type=int, default=2, help="samples that the peer simulates")
    parser.add_argument("--way", choices=["peer", "snn-pynn"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments)))
        return
    results = {}
    for way in ("peer", "snn-pynn"):
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        results[way] = json.loads(done.stdout.splitlines()[-1])
    peer, ours = results["peer"], results["snn-pynn"]
    differing = np.abs(np.subtract(peer["counts"], ours["counts"])).sum()
    print(f"{arguments.simulator}, {arguments.net}, {arguments.steps} steps")
    print(f"{sum(ours['counts'])} spikes, of which {differing} differ")
    print("| | peer | snn-pynn | ratio |")
    print("| --- | --- | --- | --- |")
    for name, label in (("list", "list synapses"), ("build", "build"), ("sample", "per sample")):
        ratio = peer[name] / ours[name]
        print(f"| {label} | {peer[name]:.3g} s | {ours[name]:.3g} s | {ratio:.1f} |")
    whole = [results[way]["list"] + results[way]["build"] for way in ("peer", "snn-pynn")]
    print(f"| both | {whole[0]:.3g} s | {whole[1]:.3g} s | {whole[0] / whole[1]:.1f} |")
    print(f"| memory | {peer['memory']:.0f} MB | {ours['memory']:.0f} MB | |")


if __name__ == "__main__":
    main()

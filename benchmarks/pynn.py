"""snn-pynn against the straightforward way through PyNN, on the same simulator.

    python benchmarks/pynn.py [nest neuron brian2] [--nets lenet demo] [--repeats 5] [--samples 2]
    python benchmarks/pynn.py --table

Both ways simulate the same network with the same neurons and regular input spikes, each in a
process of its own. The peer is what a user of PyNN would write first: a Python list with an entry
for each synapse, given to PyNN's ``FromListConnector``; all spikes recorded by PyNN; one sample at
a time, with ``reset`` in between.

Building includes listing the synapses; a sample is the mean over the same few samples, in the
fastest repetition. Both are given as elapsed time and as the time of all processors together. Each
way first simulates a sample that is not timed, in which all layers have to spike as often as in the
other. (After PyNN's ``reset`` of NEST they do not always: what is on its way arrives later.)

Results are kept in ``benchmarks/pynn.json`` as soon as they are there, beside those of earlier runs
for other simulators and networks; ``--table`` prints them. All of them take about ten minutes on an
idle machine; after a run that was stopped, name the simulators and networks that are left.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from snn_core import convert
from snn_core.data import load_dataset
from snn_core.ir import AveragePooling2D, Conv2D, Dense, Flatten, Network
from snn_core.ir.projections import drive_bias
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

MNIST = Path(__file__).resolve().parents[1] / "examples" / "mnist"
RESULTS = Path(__file__).with_suffix(".json")
SIMULATORS = {"nest": "NEST", "neuron": "NEURON", "brian2": "Brian2"}
STEPS = {"lenet": 100, "demo": 32}
WAYS = ("peer", "snn-pynn")


def network(name: str) -> Network:
    """Return the network of examples/mnist, or a LeNet of dyadic weights."""
    if name == "demo":
        calibration = load_dataset(MNIST / "data" / "calibration.npz")
        # A softmax output draws its spikes; those of integrate-and-fire neurons can be compared.
        counted = {"conversion": {"readout": "counts", "softmax_to_relu": True}}
        return convert(MNIST / "model.keras", calibration.x_b_l, settings=counted)
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


Rows = list[tuple[int, int, float]]


def synapses(layer: Any, shape: tuple[int, ...]) -> Rows:
    """Return source, target and weight of all synapses of an unpadded layer."""
    if isinstance(layer, Dense):
        weight = layer.weight_io.tolist()
        return [(i, o, w) for i, row in enumerate(weight) for o, w in enumerate(row)]
    return (
        pool_synapses(layer, shape) if isinstance(layer, AveragePooling2D) else conv(layer, shape)
    )


def pool_synapses(layer: AveragePooling2D, shape: tuple[int, ...]) -> Rows:
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


def conv(layer: Conv2D, shape: tuple[int, ...]) -> Rows:
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


def through(relay: Rows, found: Rows) -> Rows:
    """Return the synapses of a layer behind one without neurons, which passes sums on."""
    behind: dict[int, list[tuple[int, float]]] = {}
    for source, cell, scale in relay:
        behind.setdefault(cell, []).append((source, scale))
    return [
        (source, target, scale * weight)
        for cell, target, weight in found
        for source, scale in behind[cell]
    ]


def flat(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a value for each neuron of a layer."""
    return np.broadcast_to(values, shape).reshape(-1).astype(float)


class Peer:
    """A chain of layers in PyNN, as one would write it first."""

    def __init__(self, net: Network, simulator: str, steps: int, cells: Any) -> None:
        self.cells, self.steps, self.net = cells, steps, net
        layers = [layer for layer in net.layers[1:] if not isinstance(layer, Flatten)]
        # PyNN's reset needs NEST to run on until nothing is on its way.
        more = {"flush_ms": 200.0} if simulator == "nest" else {}
        cells.set_up(1.0, longest_delay=1, **more)
        self.source = cells.add_sources(int(np.prod(net.input.output_shape)), "input")
        self.populations, self.projections = [], []
        pre, shape = self.source, net.input.output_shape
        relay: Rows = []
        for layer in layers:
            found = synapses(layer, shape)
            rows, relay, shape = through(relay, found) if relay else found, [], layer.output_shape
            if net.has_neurons(layer):
                self.add(pre, layer, rows)
                pre = self.populations[-1]
            else:
                relay = rows
        self.is_fresh = True

    def add(self, pre: Any, layer: Any, found: Rows) -> None:
        """Add the population of a layer, and its projection."""
        cells, number = self.cells, len(self.populations) + 1
        post = cells.add_neurons(
            flat(layer.threshold, layer.output_shape),
            flat(layer.v_init * layer.threshold, layer.output_shape),
            label=layer.name,
            reset="subtraction",
            rest_steps=0,
            first_step=number,
            dt_ms=1.0,
        )
        delay = cells.delay_ms(1, 1.0)
        rows = [(*item, delay) for item in found]
        connector = cells.sim.FromListConnector(rows, column_names=("weight", "delay"))
        self.projections.append(cells.sim.Projection(pre, post, connector, cells.PlainSynapse()))
        bias = drive_bias(self.net, layer).reshape(-1).astype(float)
        if bias.any():
            cells.drive(post, bias, first_step=number, num_steps=self.steps, dt_ms=1.0)
        post.record("spikes")
        self.populations.append(post)

    def run(self, steps_of_cells: list[np.ndarray]) -> list[int]:
        """Return the number of spikes of each layer for one sample."""
        sim = self.cells.sim
        if not self.is_fresh:
            sim.reset()
        self.is_fresh = False
        self.cells.send(self.source, steps_of_cells, 1.0)
        self.cells.run(self.steps + len(self.populations), 1.0)
        self.cells.catch_up(1.0)
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


class OfPyNN:
    """The straightforward way."""

    def __init__(self, net: Network, simulator: str, steps: int, x_b_l: np.ndarray) -> None:
        self._arguments = net, simulator, steps, import_simulator(simulator)
        self._inputs = regular(net, x_b_l, steps)

    def build(self) -> None:
        """Build the network."""
        self._peer = Peer(*self._arguments)

    def run(self, first: int, last: int) -> list[int]:
        """Return the number of spikes of each layer for some samples."""
        return np.sum([self._peer.run(item) for item in self._inputs[first:last]], axis=0).tolist()


class Ours:
    """This package."""

    def __init__(self, net: Network, simulator: str, steps: int, x_b_l: np.ndarray) -> None:
        import_simulator(simulator)
        kind = importlib.import_module(f"snn_pynn.{simulator}").SNN
        self._snn, self._x_b_l = kind(net, settings(steps, len(x_b_l))), x_b_l

    def build(self) -> None:
        """Build the network."""
        self._snn.build()

    def run(self, first: int, last: int) -> list[int]:
        """Return the number of spikes of each layer for some samples."""
        counts = self._snn.run_batch(self._x_b_l[first:last]).spikecounts_n_b_l.values()
        return [int(counts_b_l.sum()) for counts_b_l in counts]


def timed(function: Callable[[], object]) -> dict[str, float]:
    """Return how long a function takes."""
    elapsed, processors = time.perf_counter(), time.process_time()
    function()
    return {
        "elapsed_s": time.perf_counter() - elapsed,
        "processors_s": time.process_time() - processors,
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one of both ways in this process."""
    net, number = network(arguments.nets[0]), arguments.samples
    x_b_l = load_dataset(MNIST / "data" / "test.npz").x_b_l[: number + 1] / np.float32(255)
    kind = OfPyNN if arguments.way == "peer" else Ours
    way = kind(net, arguments.simulators[0], STEPS[arguments.nets[0]], x_b_l)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    built = timed(way.build)
    counts = way.run(number, number + 1)
    repeats = [timed(lambda: way.run(0, number)) for _ in range(arguments.repeats)]
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    sample = {key: min(item[key] for item in repeats) / number for key in repeats[0]}
    return {"build": built, "sample": sample, "memory_mb": used / 1e3, "spikes": counts}


def regular(net: Network, x_b_l: np.ndarray, steps: int) -> list[list[np.ndarray]]:
    """Return the steps of all input spikes: when the accumulated input passes a whole number."""
    t = np.arange(steps + 1)
    found = []
    for sample in x_b_l.reshape(len(x_b_l), -1).astype(np.float64):
        passed = np.diff(np.floor(sample[:, None] * t), axis=1) > 0
        found.append([np.flatnonzero(row) for row in passed])
    return found


def compared(simulator: str, net: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure both ways, each in a process of its own."""
    found = {}
    for way in WAYS:
        command = [sys.executable, __file__, simulator, "--nets", net, "--way", way]
        command += ["--repeats", str(arguments.repeats), "--samples", str(arguments.samples)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    peer, ours = (found[way].pop("spikes") for way in WAYS)
    if peer != ours:
        sys.exit(
            f"{simulator}, {net}: the layers spike {peer} times with PyNN, {ours} with snn-pynn"
        )
    return {**found, "spikes": sum(ours)}


def table(results: dict[str, Any]) -> str:
    """Return all results as a table of processor times, and the ratio of samples' elapsed ones."""
    titles = ["simulator", "network", "build: PyNN", "snn-pynn", "ratio"]
    titles += ["a sample: PyNN", "snn-pynn", "ratio", "elapsed", "memory: PyNN", "snn-pynn"]
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for name, found in results.items():
        simulator, net = name.split()
        peer, ours = (found[way] for way in WAYS)
        cells = [SIMULATORS[simulator], f"`{net}`"]
        for what in ("build", "sample"):
            times = [item[what]["processors_s"] for item in (peer, ours)]
            cells += [f"{times[0]:.3g} s", f"{times[1]:.3g} s", f"**{times[0] / times[1]:.1f}**"]
        elapsed = [item["sample"]["elapsed_s"] for item in (peer, ours)]
        cells.append(f"{elapsed[0] / elapsed[1]:.1f}")
        cells += [f"{item['memory_mb']:.0f} MB" for item in (peer, ours)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("simulators", nargs="*", metavar="SIMULATOR", help=", ".join(SIMULATORS))
    parser.add_argument("--nets", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--repeats", type=int, default=5, help="how often samples are timed")
    parser.add_argument("--samples", type=int, default=2, help="samples that are timed")
    parser.add_argument("--table", action="store_true", help="print what was measured before")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if set(arguments.simulators) - set(SIMULATORS):
        parser.error(f"simulators are {', '.join(SIMULATORS)}")
    if arguments.way:
        print(json.dumps(measure(arguments)))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not arguments.table:
        for simulator in arguments.simulators or SIMULATORS:
            for net in arguments.nets:
                found = compared(simulator, net, arguments)
                results[f"{simulator} {net}"] = found
                print(f"{simulator} {net}: {found['spikes']} spikes, the same in both", flush=True)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()

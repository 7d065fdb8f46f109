"""snn-brian2 against one sample at a time with connection lists from Python loops.

    python benchmarks/brian2_batched.py [--target cython] [--samples 100] [--steps 100] [--peer 10]

Both simulate the network of examples/mnist on the same target of Brian2, each in a process of its
own, one after the other, so that peak memory is that of one of them. The peer is what a Brian2 user
would write first: for each synapse an entry in Python lists, one network, `store` once, and
`restore` and `run` for every sample. It updates layers in the same order as snn-brian2, so that all
spikes must be the same, which is checked. The peer simulates only the first samples, since each
takes equally long.

On cython and cpp_standalone both run once in processes that are not measured, so that what can be
compiled before is in the caches. Before either is built, a network of two neurons is, so that what
Brian2 and SciPy import at first use does not count; and one sample is simulated before the others.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from snn_brian2 import SNN, Brian2Options
from snn_core import convert
from snn_core.data import load_dataset
from snn_core.ir import Conv2D, Network
from snn_core.ir.projections import drive_bias
from snn_core.settings import Settings

PROGRAM = Path(tempfile.gettempdir()) / "brian2_batched"
"""Folder for the peer's compiled program."""

MNIST = Path(__file__).resolve().parents[1] / "examples" / "mnist"


def demo() -> Network:
    """Return the network of examples/mnist, converted."""
    calibration = load_dataset(MNIST / "data" / "calibration.npz")
    return convert(MNIST / "model.keras", calibration.x_b_l)


# The peer.


def conv_synapses(layer: Conv2D, width: int) -> list[tuple[int, int, float]]:
    """Return source, target and weight of all synapses of an unpadded convolution."""
    rows, columns, inputs, outputs = layer.weight_hwio.shape
    kernel = layer.weight_hwio.tolist()
    out_height, out_width, _ = layer.output_shape
    found = []
    for y in range(out_height):
        for x in range(out_width):
            for k in range(rows):
                for m in range(columns):
                    row, column = y * layer.strides[0] + k, x * layer.strides[1] + m
                    for i in range(inputs):
                        source = (row * width + column) * inputs + i
                        for o in range(outputs):
                            target = (y * out_width + x) * outputs + o
                            found.append((source, target, kernel[k][m][i][o]))
    return found


def pooled(
    synapses: list[tuple[int, int, float]], pool: Any, shape: tuple[int, ...]
) -> list[tuple[int, int, float]]:
    """Let synapses that start at average pooling start at the cells that it averages."""
    height, width = pool.pool_size
    channels = shape[-1]
    found = []
    for source, target, weight in synapses:
        pixel, channel = divmod(source, channels)
        y, x = divmod(pixel, pool.output_shape[1])
        for k in range(height):
            for m in range(width):
                cell = ((y * height + k) * shape[1] + x * width + m) * channels + channel
                found.append((cell, target, weight / (height * width)))
    return found


def dense_synapses(layer: Any) -> list[tuple[int, int, float]]:
    """Return source, target and weight of all synapses of a fully connected layer."""
    inputs, outputs = layer.weight_io.shape
    weights = layer.weight_io.tolist()
    return [(i, o, weights[i][o]) for i in range(inputs) for o in range(outputs)]


class Peer:
    """One sample at a time on Brian2."""

    def __init__(self, network: Network, *, steps: int, target: str) -> None:
        import brian2

        self.device = None
        if target == "cpp_standalone":
            self.device = brian2.set_device("cpp_standalone", build_on_run=False) or brian2.device
        self.steps = steps

        self.ms = brian2.ms
        first, second, pool, third, _, last = network.layers[1:]
        self.first, self.network = first, network
        populations = [first, second, third, last]
        synapses = [
            conv_synapses(second, first.output_shape[1]),
            pooled(conv_synapses(third, pool.output_shape[1]), pool, second.output_shape),
            dense_synapses(last),
        ]
        clock = brian2.Clock(dt=1 * brian2.ms)
        self.groups, objects, self.spikes = [], [], []
        for number, layer in enumerate(populations):
            group = brian2.NeuronGroup(
                int(np.prod(layer.output_shape)),
                "v : 1\ncurrent : 1",
                threshold="v >= limit" if layer is not last else None,
                reset="v -= limit" if layer is not last else None,
                namespace={"limit": float(layer.threshold)},
                clock=clock,
                name=f"group_{number}",
            )
            group.v = float(layer.v_init * layer.threshold)
            group.current = drive_bias(network, layer).reshape(-1)
            update = group.run_regularly("v += current", clock=clock, name=f"update_{number}")
            update.when, update.order = "synapses", 4 * number
            if layer is not last:
                group.set_event_schedule("spike", when="synapses", order=4 * number + 1)
                group.resetter["spike"].when = "synapses"
                group.resetter["spike"].order = 4 * number + 2
                self.spikes.append(brian2.SpikeMonitor(group, name=f"spikes_{number}"))
            self.groups.append(group)
        for number, entries in enumerate(synapses):
            connection = brian2.Synapses(
                self.groups[number],
                self.groups[number + 1],
                "w : 1",
                on_pre="v += w",
                clock=clock,
                name=f"connection_{number}",
            )
            connection.connect(
                i=[source for source, _, _ in entries], j=[target for _, target, _ in entries]
            )
            connection.w = [weight for _, _, weight in entries]
            connection.pre.when, connection.pre.order = "synapses", 4 * number + 3
            objects.append(connection)
        self.snn = brian2.Network(*self.groups, *objects, *self.spikes)
        if self.device is None:
            self.snn.store()
        else:
            self.snn.run(steps * self.ms)
            folder = PROGRAM / f"{steps}"
            self.device.build(directory=str(folder), run=False, with_output=False)
        self.input = conv_synapses(first, network.input.output_shape[1])

    def run(self, x_l: np.ndarray) -> tuple[list[int], int]:
        """Simulate a sample; return the spikes of each layer and the decision."""
        # The analog input is the same in every step: a constant current into the first layer.
        current_l = np.zeros(len(self.groups[0]))
        sources, targets, weights = self.table
        np.add.at(current_l, targets, x_l.reshape(-1)[sources] * weights)
        current_l += drive_bias(self.network, self.first).reshape(-1)
        if self.device is None:
            self.snn.restore()
            self.groups[0].current = current_l
            self.snn.run(self.steps * self.ms)
        else:
            self.device.run(run_args={self.groups[0].current: current_l}, with_output=False)
        counts = [int(monitor.num_spikes) for monitor in self.spikes]
        return counts, int(np.argmax(self.groups[-1].v[:]))

    @property
    def table(self) -> tuple[np.ndarray, ...]:
        """Synapses of the first layer as arrays, made once."""
        if not hasattr(self, "_table"):
            self._table = tuple(np.array(column) for column in zip(*self.input, strict=True))
        return self._table


# Measuring, each in a process of its own.


class Clock:
    """Wall-clock and processor time between two readings, in seconds."""

    def __init__(self) -> None:
        self.start = self.now()

    @staticmethod
    def now() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def read(self, *, per: int = 1) -> list[float]:
        """Return the times since the last reading, divided by a number."""
        start, self.start = self.start, self.now()
        return ((self.start - start) / per).tolist()


def warm_up(target: str) -> None:
    """Let Brian2 and SciPy import everything."""
    import brian2
    import scipy.sparse  # noqa: F401

    brian2.prefs.codegen.target = "numpy" if target == "cpp_standalone" else target
    group = brian2.NeuronGroup(2, "v : 1", threshold="v >= 1", reset="v = 0", name="warm_up")
    synapses = brian2.Synapses(group, group, "w : 1", on_pre="v += w", name="warm_up_synapses")
    synapses.connect(i=[0], j=[1])
    synapses.w = [0.5]
    brian2.Network(group, synapses).run(brian2.ms)


def measured_peer(arguments: argparse.Namespace) -> dict[str, Any]:
    """Build the peer and simulate the first samples."""
    network, x_b_l = demo(), load_dataset(MNIST / "data" / "test.npz").x_b_l
    x_b_l = network.input_data.as_floats(x_b_l)
    clock = Clock()
    peer = Peer(network, steps=arguments.steps, target=arguments.target)
    build_s = clock.read()
    peer.run(x_b_l[0])
    clock.read()
    found = [peer.run(x_l) for x_l in x_b_l[: arguments.peer]]
    sample_s = clock.read(per=arguments.peer)
    return {
        "build": build_s,
        "sample": sample_s,
        "spikes": [counts for counts, _ in found],
        "decisions": [decision for _, decision in found],
    }


def measured_ours(arguments: argparse.Namespace) -> dict[str, Any]:
    """Build snn-brian2 and simulate all samples as one batch."""
    network, x_b_l = demo(), load_dataset(MNIST / "data" / "test.npz").x_b_l[: arguments.samples]
    settings = Settings.of(
        {"simulation": {"duration": arguments.steps, "dt": 1.0, "batch_size": arguments.samples}}
    )
    options = Brian2Options(target=arguments.target, copies=arguments.copies)
    clock = Clock()
    snn = SNN(network, settings, options)
    snn.build()
    build_s = clock.read()
    snn.run_batch(x_b_l[:1])
    clock.read()
    recording = snn.run_batch(x_b_l)
    sample_s = clock.read(per=len(x_b_l))
    counts = [
        [int(counts_b_l[b].sum()) for counts_b_l in recording.spikecounts_n_b_l.values()][:-1]
        for b in range(arguments.peer)
    ]
    return {
        "build": build_s,
        "sample": sample_s,
        "spikes": counts,
        "decisions": recording.output_b_l_t[..., -1].argmax(axis=1)[: arguments.peer].tolist(),
    }


def child(which: str, *further: str) -> dict[str, Any]:
    """Measure one of both in a new process."""
    command = [sys.executable, __file__, *sys.argv[1:], "--only", which, *further]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=("cython", "numpy", "cpp_standalone"), default="cython")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--peer", type=int, default=10, help="samples that the peer simulates")
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", choices=("peer", "ours"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        warm_up(arguments.target)
        found = {"peer": measured_peer, "ours": measured_ours}[arguments.only](arguments)
        found["peak"] = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]
        print(json.dumps(found))
        return
    if arguments.target != "numpy":
        child("peer", "--peer", "1")
        child("ours", "--peer", "1")
    for _ in range(arguments.repeats):
        peer, ours = child("peer"), child("ours")
        if peer["spikes"] != ours["spikes"] or peer["decisions"] != ours["decisions"]:
            # Trained weights round, so a spike may come a step earlier or later.
            differing = np.abs(np.array(peer["spikes"]) - np.array(ours["spikes"])).sum()
            same = np.mean(np.array(peer["decisions"]) == np.array(ours["decisions"]))
            print(f"{differing} of {np.sum(peer['spikes'])} spikes differ, {same:.0%} decide alike")
        report(arguments.target, peer, ours)


def report(target: str, peer: dict[str, Any], ours: dict[str, Any]) -> None:
    """Print one repetition."""
    print(f"{target:<23}     peer   snn-brian2   ratio")
    rows = [
        ("build, wall s", "build", 0),
        ("build, processor s", "build", 1),
        ("per sample, wall s", "sample", 0),
        ("per sample, processor s", "sample", 1),
        ("peak memory, MB", "peak", 0),
    ]
    for label, key, place in rows:
        first, second = peer[key][place], ours[key][place]
        print(f"{label:23} {first:8.3f}     {second:8.3f} {first / second:7.2f}")


if __name__ == "__main__":
    main()

"""Where INIsim's dense engine spends its time: the share of each kind of layer and work.

    python benchmarks/dense_engine.py [--net vgg] [--batch 32] [--steps 50] [--json FILE]

Each part runs alone, in a function of TensorFlow of its own, on as many steps as the engine folds
into the batch. "Linear operations" are the layers' sums alone, which any dense way has to compute:
the engine as a whole should take little more. Processor time, one thread, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
from engine_networks import NETWORKS, make, samples

from snn_core.ir.shapes import count
from snn_core.settings import Settings
from snn_inisim import SNN, INIsimOptions
from snn_inisim.folded import fanout_columns
from snn_inisim.options import chunk_size


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default="vgg", choices=sorted(NETWORKS))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--json", type=Path, help="file for all figures")
    arguments = parser.parse_args()
    network = make(arguments.net)
    x_b_l = samples(network, arguments.batch)
    settings = Settings.of(
        {"simulation": {"duration": float(arguments.steps), "batch_size": arguments.batch}}
    )
    snn = SNN(network, settings, INIsimOptions(engine="dense"))
    snn.run_batch(x_b_l)
    parts = measure(snn, arguments.batch, arguments.steps)
    whole = seconds(lambda: snn.run_batch(x_b_l)) / (arguments.batch * arguments.steps)
    linear = sum(time for (work, _), time in parts.items() if work == "linear operations")
    print(f"{arguments.net}, batch {arguments.batch}, {arguments.steps} steps, one thread")
    for (work, kind), time_ in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{work:20} {kind:18} {time_ * 1e6:8.1f} us  {time_ / whole:5.1%}")
    print(f"{'all linear operations':39} {linear * 1e6:8.1f} us  {linear / whole:5.1%}")
    print(f"{'the engine':39} {whole * 1e6:8.1f} us")
    if arguments.json:
        rows = [[*key, time_] for key, time_ in parts.items()]
        arguments.json.write_text(json.dumps({"whole": whole, "parts": rows}))


def measure(snn: SNN, batch: int, steps: int) -> dict[tuple[str, str], float]:
    """Return seconds per sample and step of each work of each kind of layer."""
    import tensorflow as tf

    network, layers = snn.network, snn.dense.layers
    largest = max(count(layer.output_shape) for layer in network.layers)
    batch, chunk = chunk_size(snn.options, num_steps=steps, batch_size=batch, largest_layer=largest)
    rng = np.random.default_rng(0)
    found: dict[tuple[str, str], float] = defaultdict(float)
    steady = {layer.name for layer in network.layers if layer.inputs == (network.input.name,)}

    def add(work: str, kind: str, function: Callable[[], object], *, once: bool = False) -> None:
        found[work, kind] += seconds(function) / (batch * (steps if once else chunk))

    for name, layer in layers.items():
        source, is_steady = network[name], name in steady
        folded = batch if is_steady else batch * chunk
        inputs = [
            tf.constant((rng.random((folded, *shape)) < 0.08).astype(np.float32))
            for shape in network.input_shapes(name)
        ]
        given: Any = inputs if len(inputs) > 1 else inputs[0]
        drive = tf.function(layer.drive, autograph=False)
        add("linear operations", source.kind, lambda f=drive, x=given: f(x), once=is_steady)
        if layer.neurons is None:
            continue
        v = layer.neurons.start(batch)
        sums = drive(given)
        if not is_steady:
            sums = tf.reshape(sums, (chunk, batch, *sums.shape[1:]))
        neurons = layer.neurons

        def advance(neurons: Any = neurons, v: Any = v, sums: Any = sums) -> Any:
            return neurons.advance(v, sums, num_steps=chunk, keep_potentials=False)

        add("neurons", source.kind, advance)
        columns = fanout_columns(snn.connectivity.fanout_of[name])
        if columns is not None:
            spikes = tf.reshape(advance()[1], (chunk * batch, -1))
            multiply = tf.function(lambda s, c=columns: s @ c, autograph=False)
            add("operations", source.kind, lambda f=multiply, s=spikes: f(s))
    return dict(found)


def seconds(function: Callable[[], object]) -> float:
    """Return the median processor time of a call."""
    function()
    times = []
    for _ in range(5):
        calls, start = 0, time.process_time()
        while calls == 0 or time.process_time() - start < 0.1:
            function()
            calls += 1
        times.append((time.process_time() - start) / calls)
    return statistics.median(times)


if __name__ == "__main__":
    main()

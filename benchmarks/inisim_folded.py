"""INIsim with time folded into the batch against one Keras prediction per time step.

    python benchmarks/inisim_folded.py [--repeats 7] [--steps 100] [--batches 1,100]

Both simulate the same network in the same process, in turn; each figure is the median of the
repetitions, and the last column the median of the ratios. The LeNet's weights are dyadic, so that
the spikes of all layers must be those of the reference, which is checked first. INIsim's time
includes what its results need beyond the output: spike counts and synaptic operations of every
layer. The Keras model returns the output spikes only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from snn_core.conversion import convert
from snn_core.data import load_dataset
from snn_core.ir import Network
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder
from snn_inisim import SNN

MNIST = Path(__file__).resolve().parents[1] / "examples" / "mnist"


def dyadic(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Return normally distributed multiples of 2**-10."""
    return np.round(rng.normal(0.1 * scale, scale, shape) * 1024).astype(np.float32) / 1024


def lenet() -> Network:
    """Return the LeNet-like network: conv 16 / 2, conv 32, conv 8 / 2, dense 10 on 28 x 28 x 1."""
    rng = np.random.default_rng(0)
    same = {"padding": "same"}
    builder = NetworkBuilder((28, 28, 1))
    builder.conv2d(dyadic(rng, (3, 3, 1, 16), 0.10), strides=(2, 2), **same)
    builder.conv2d(dyadic(rng, (3, 3, 16, 32), 0.12), **same)
    builder.conv2d(dyadic(rng, (3, 3, 32, 8), 0.12), strides=(2, 2), **same)
    return builder.flatten().dense(dyadic(rng, (7 * 7 * 8, 10), 0.1)).build()


def demo() -> Network:
    """Return the network of examples/mnist, converted."""
    data = load_dataset(MNIST / "data" / "calibration.npz")
    return convert(MNIST / "model.keras", data.x_b_l)


def simulators(
    network: Network, *, steps: int, batch: int
) -> tuple[SNN, Callable[[np.ndarray], None]]:
    """Return INIsim, and a function that predicts step by step with Keras."""
    settings = Settings.of({"simulation": {"duration": steps, "dt": 1.0, "batch_size": batch}})
    snn = SNN(network, settings)
    snn.build()
    from keras_per_step import StepwiseModel

    layers = {layer.name: snn._spike_layer(layer) for layer in network.layers[1:]}
    model = StepwiseModel(network, layers, batch_size=batch, outputs=[network.output.name])

    def predict(x_b_l: np.ndarray) -> None:
        model.reset()
        for _ in range(steps):
            model.step(x_b_l)

    return snn, predict


def assert_identical(network: Network, x_b_l: np.ndarray, *, steps: int) -> float:
    """Compare all spikes with the reference's; return the mean spikes per neuron and step."""
    settings = Settings.of(
        {"simulation": {"duration": steps, "dt": 1.0}, "output": {"log_vars": ["spiketrains"]}}
    )
    first = SNN(network, settings).run_batch(x_b_l).spiketrains_n_b_l_t
    second = ReferenceSNN(network, settings).run_batch(x_b_l)
    spikes = cells = 0
    for name, spikes_b_l_t in first.items():
        differing = np.count_nonzero(spikes_b_l_t != second.spiketrains_n_b_l_t[name])
        if differing:
            sys.exit(f"{name}: {differing} of {spikes_b_l_t.size} spikes differ")
        spikes, cells = spikes + int(spikes_b_l_t.sum()), cells + spikes_b_l_t.size
    return spikes / cells


def seconds(function: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batches", default="1,100")
    parser.add_argument("--nets", default="lenet,demo")
    arguments = parser.parse_args()
    print("net    batch   Keras per step   INIsim folded   ratio (range)        spikes, mean rate")
    for name in arguments.nets.split(","):
        network = {"lenet": lenet, "demo": demo}[name]()
        for batch in map(int, arguments.batches.split(",")):
            report(name, network, batch=batch, steps=arguments.steps, repeats=arguments.repeats)


def report(name: str, network: Network, *, batch: int, steps: int, repeats: int) -> None:
    """Measure one network at one batch size and print a line."""
    if name == "lenet":
        rng = np.random.default_rng(1)
        x_b_l = rng.integers(0, 17, (batch, *network.input.output_shape)).astype(np.float32) / 16
        spikes = f"identical, {assert_identical(network, x_b_l, steps=steps):.1%}"
    else:
        # Trained weights round, so a spike may come a step earlier or later.
        x_b_l, spikes = load_dataset(MNIST / "data" / "test.npz").x_b_l[:batch], ""
        x_b_l = network.input_data.as_floats(x_b_l)
    snn, predict = simulators(network, steps=steps, batch=batch)
    snn.run_batch(x_b_l)  # compiles
    predict(x_b_l)
    pairs = [
        (seconds(lambda: predict(x_b_l)), seconds(lambda: snn.run_batch(x_b_l)))
        for _ in range(repeats)
    ]
    per_step, folded = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = [first / second for first, second in pairs]
    unit = 1e6 / (batch * steps)
    print(
        f"{name:6} {batch:5} {per_step * unit:11.1f} us/step {folded * unit:7.1f} us/step   "
        f"{statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})   {spikes}"
    )


if __name__ == "__main__":
    main()

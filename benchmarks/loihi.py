"""The chip's integers, compiled, against INIsim, and accuracy after rounding.

    python benchmarks/loihi.py [--steps 32] [--images 1000] [--repeats 5] [--nets vgg,residual]

Both simulate the network of examples/mnist in one process and thread, in turn. With ``--nets`` the
script trains two more networks, with average pooling and with residual blocks, on the training
images of MNIST (``--mnist`` names the folder of examples/mnist/train.py), and compares decisions on
500 test images with those of the network without rounding. Where lava is installed, it prints the
time that a sample takes there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Processor time is compared: threads that wait for each other would count as work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from snn_core.conversion import convert
from snn_core.data import load_dataset
from snn_core.ir import Network
from snn_core.settings import Settings
from snn_core.simulation.contract import AbstractSNN
from snn_loihi import SNN, LoihiOptions
from snn_loihi.discretize import summary
from snn_loihi.simulator import has_lava

MNIST = Path(__file__).resolve().parents[1] / "examples" / "mnist"
BATCH = 100


def images(part: str) -> tuple[np.ndarray, np.ndarray]:
    data = load_dataset(MNIST / "data" / f"{part}.npz")
    return np.asarray(data.x_b_l), np.asarray(data.labels_b)


def settings_of(steps: int) -> Settings:
    return Settings.of({"simulation": {"duration": steps, "batch_size": BATCH}})


def decisions(snn: AbstractSNN, x_b_l: np.ndarray) -> np.ndarray:
    """Return the decision for every image, after the last step."""
    parts = [x_b_l[first : first + BATCH] for first in range(0, len(x_b_l), BATCH)]
    outputs = [snn.run_batch(part).output_b_l_t for part in parts]
    readout = snn.network.readout
    return np.concatenate(
        [o[..., -1].argmax(-1) if readout == "membrane" else o.sum(-1).argmax(-1) for o in outputs]
    )


def processor_seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def compare_speed(network: Network, *, steps: int, number: int, repeats: int) -> None:
    import snn_inisim

    x_b_l = network.input_data.as_floats(images("test")[0][:number])
    chip = SNN(network, settings_of(steps), LoihiOptions(engine="emulator"))
    plain = snn_inisim.SNN(network, settings_of(steps))
    for snn in (chip, plain):
        snn.build()
        snn.run_batch(x_b_l[:BATCH])  # compiles
    pairs = [
        tuple(processor_seconds(lambda snn=snn: decisions(snn, x_b_l)) for snn in (chip, plain))
        for _ in range(repeats)
    ]
    first, second = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{number} images, {steps} steps, processor time:")
    print(f"  emulator {first:.2f} s, INIsim {second:.2f} s, ratio {ratio:.2f}")


def compare_accuracy(name: str, network: Network, *, steps: int) -> None:
    x, labels_b = images("test")
    x_b_l, labels_b = network.input_data.as_floats(x[:500]), labels_b[:500]
    found = {}
    for way, options in (
        ("float", {"arithmetic": "float"}),
        ("layer", {}),
        ("channel", {"thresholds": "channel"}),
    ):
        snn = SNN(network, settings_of(steps), LoihiOptions(engine="emulator", **options))
        found[way] = decisions(snn, x_b_l)
        accuracy = (found[way] == labels_b).mean()
        same = (found[way] == found["float"]).mean()
        rounding = "" if way == "float" else summary(snn.chip.losses)
        print(f"{name:9} {way:8} {accuracy:6.1%}  same decision {same:6.1%}  {rounding}")


def time_lava(network: Network, *, steps: int) -> None:
    x_b_l = network.input_data.as_floats(images("test")[0][:10])
    snn = SNN(network, settings_of(steps), LoihiOptions(engine="lava"))
    start = time.perf_counter()
    snn.run_batch(x_b_l[:1])
    first = time.perf_counter()
    snn.run_batch(x_b_l)
    seconds = (time.perf_counter() - first) / len(x_b_l)
    snn.end_sim()
    print(
        f"lava: {first - start:.1f} s to start and for the first sample, then {seconds:.2f} s each"
    )


def train(name: str, folder: Path):
    """Return a trained Keras model with average pooling, or with residual blocks."""
    import keras
    from keras import layers as kl

    sys.path.insert(0, str(MNIST))
    from prepare_data import read_mnist

    part = read_mnist(folder, part="train")
    order = np.random.default_rng(0).permutation(len(part.labels_b))[:12000]
    x = part.images_bhwc.reshape(-1, 28, 28, 1)[order].astype(np.float32) / 255
    keras.utils.set_random_seed(1)

    def block(h, filters, *, strides=1, kernel=3, relu=True):
        h = kl.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(h)
        h = kl.BatchNormalization(momentum=0.9)(h)
        return kl.ReLU()(h) if relu else h

    entry = kl.Input((28, 28, 1))
    if name == "vgg":
        h = entry
        for filters in (8, 16, 32):
            h = kl.AveragePooling2D(2)(block(block(h, filters), filters))
        h = kl.Dense(64, activation="relu")(kl.Flatten()(h))
    else:
        h = block(entry, 8, strides=2)
        for filters, strides in ((8, 1), (16, 2)):
            skip = h if strides == 1 else block(h, filters, strides=2, kernel=1, relu=False)
            inner = block(block(h, filters, strides=strides), filters, relu=False)
            h = kl.ReLU()(kl.Add()([inner, skip]))
        h = kl.Flatten()(h)
    model = keras.Model(entry, kl.Dense(10, activation="softmax")(h))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(x, part.labels_b[order], batch_size=128, epochs=3, verbose=0)
    return model


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--nets", default="")
    parser.add_argument("--mnist", type=Path, default=Path("package/data"))
    parser.add_argument(
        "--model", type=Path, help="a converted demo network, where there is no TensorFlow"
    )
    arguments = parser.parse_args()
    calibration = images("calibration")[0]
    if arguments.model is None:
        network = convert(MNIST / "model.keras", calibration)
        compare_speed(
            network, steps=arguments.steps, number=arguments.images, repeats=arguments.repeats
        )
    else:
        from snn_core.artifact import load

        network = load(arguments.model)
    compare_accuracy("demo", network, steps=arguments.steps)
    for name in filter(None, arguments.nets.split(",")):
        trained = convert(train(name, arguments.mnist), calibration)
        compare_accuracy(name, trained, steps=arguments.steps)
    if has_lava():
        time_lava(network, steps=arguments.steps)


if __name__ == "__main__":
    main()

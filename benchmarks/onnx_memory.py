"""How much memory does parsing a large ONNX file take?

    python benchmarks/onnx_memory.py [--megabytes 100]

Writes a model of convolutions, batch normalizations and dense layers with random weights, parses it
in a process of its own, and prints the growth of that process's peak. Needs ``snn-core[onnx]`` and
Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

MEASURE = """
import json, pathlib, re, sys
from snn_core.parsing import parse, installed_parsers
import onnx, onnx.reference, onnx.numpy_helper, onnx.shape_inference

# Not getrusage: its peak is inherited from the process that started this one.
def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status).group(1))

parse(sys.argv[1])  # everything is imported
before = peak()
network = parse(sys.argv[2])
after = peak()
print(json.dumps([before * 1024, after * 1024]))
"""


def large(path, megabytes):
    """Write a model of convolutions, normalizations and dense layers of a given size."""
    width = 256
    weight = np.ones((width, width, 3, 3), np.float32)
    number = max(1, round(megabytes * 2**20 * 0.75 / weight.nbytes))
    rng = np.random.default_rng(0)
    nodes, constants, x = [], [], "x"

    def constant(values):
        constants.append(numpy_helper.from_array(values, f"c{len(constants)}"))
        return constants[-1].name

    for i in range(number):
        channels = 3 if i == 0 else width
        kernel = rng.normal(0, 0.05, (width, channels, 3, 3)).astype(np.float32)
        ones = np.ones(width, np.float32)
        nodes.append(helper.make_node("Conv", [x, constant(kernel)], [f"a{i}"], pads=[1] * 4))
        parameters = [constant(ones * factor) for factor in (-0.5, 0.1, 0.2, 2.0)]
        nodes.append(helper.make_node("BatchNormalization", [f"a{i}", *parameters], [f"b{i}"]))
        nodes.append(helper.make_node("Relu", [f"b{i}"], [f"r{i}"]))
        x = f"r{i}"
    features = width * 16
    outputs = round(megabytes * 2**20 * 0.25 / (4 * features))
    dense = constant(rng.normal(0, 0.05, (features, outputs)).astype(np.float32))
    nodes.append(helper.make_node("Flatten", [x], ["f"]))
    nodes.append(helper.make_node("Gemm", ["f", dense], ["y"]))
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outputs])
    graph = helper.make_graph(nodes, "large", [entry], [end], constants)
    imports = [helper.make_opsetid("", 15)]
    path.write_bytes(helper.make_model(graph, opset_imports=imports).SerializeToString())
    return path.stat().st_size


def measured(folder: Path, megabytes: float) -> tuple[int, int]:
    """Return the size of a model and by how much the peak memory grows, in bytes."""
    small, path = folder / "small.onnx", folder / "large.onnx"
    large(small, 1)
    size = large(path, megabytes)
    command = [sys.executable, "-c", MEASURE, str(small), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    return size, after - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size, more = measured(Path(folder), options.megabytes)
    print(
        f"{size / 1e6:.0f} MB on disk, {more / 1e6:.0f} MB more in memory: {more / size:.2f} times"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

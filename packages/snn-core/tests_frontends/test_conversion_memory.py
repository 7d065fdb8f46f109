"""Memory that the conversion of a large module takes, up to the finished artifact."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, pathlib, re, sys
import numpy as np, torch
from torch import nn
from snn_core import convert

def figure(key):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{key}:\\s+(\\d+) kB", status)[1]) * 1024

def made(width):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16 * 32 * 32, width), nn.ReLU(), nn.Linear(width, 10),
    ).eval()

def convert_and_save(module, path):
    x = np.random.default_rng(0).random((16, 64, 64, 3)).astype(np.float32)
    convert(module, x, input_shape=(3, 64, 64)).save(path)

convert_and_save(made(8), sys.argv[1] + "/small.snn")  # everything is imported
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = figure("VmRSS")
module = made(1536)
size = sum(values.numel() * 4 for values in module.parameters())
convert_and_save(module, sys.argv[1] + "/large.snn")
print(json.dumps({"size": size, "more": figure("VmHWM") - before}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
@pytest.mark.filterwarnings("ignore")
def test_a_conversion_takes_at_most_the_memory_of_three_models(tmp_path):
    """The module, the network that is read, and the normalized one."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # 1.5k histograms of 2048 counts, as integers and as floats; and the images of one batch, with
    # windows of 27 values for each of 16 x 64 x 64 pixels.
    batch = 1536 * 2048 * 12 + 2 * 16 * 64 * 64 * (27 + 3 * 16) * 4
    assert found["more"] > found["size"] * 2, "the networks are not in memory; it is wrong"
    assert found["more"] <= 3 * found["size"] + batch, found

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from snn_core import run
from snn_core.artifact import save
from snn_core.conversion import convert, preset
from snn_core.testing.builder import NetworkBuilder

SCRIPT = Path(__file__).with_name("in_processes.py")


def test_batches_in_other_processes_make_up_the_same_run(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((7, 6)).astype(np.float32), rng.integers(0, 3, 7)
    network = NetworkBuilder((6,)).dense(rng.normal(0.1, 0.5, (6, 3))).build()
    settings = preset("seed").updated({"simulation": {"duration": 12, "batch_size": 3}})
    model, data = str(tmp_path / "model.snn"), str(tmp_path / "data.npz")
    save(convert(network, x, settings=settings), model)
    np.savez(data, x=x, y=y)
    command = [sys.executable, str(SCRIPT), model, data]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found, expected = json.loads(done.stdout), run(model, "reference", data=data)
    assert found.pop("decision_b") == expected.decision_b.tolist()
    clock = ("simulate_s", "us_per_sample_step")
    for name, value in expected.summary().items():
        if name not in clock:
            assert found[name] == value, name

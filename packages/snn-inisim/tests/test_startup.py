import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.exhaustive  # TensorFlow is started four times

NETWORK = """
from snn_core.testing.builder import NetworkBuilder
network = NetworkBuilder((1,)).dense([[1]]).build()
"""
BUILD = f"""{NETWORK}
from snn_inisim import SNN, INIsimOptions
SNN(network, None, INIsimOptions(engine="dense")).build()
"""
RUN = f"""{NETWORK}
import numpy as np
from snn_core import run
data = np.ones((1, 1), np.float32), np.zeros(1, int)
settings = {{"inisim": {{"engine": "dense"}}}}
run(network, "inisim", data=data, timesteps=10, settings=settings)
"""


def python(code, **environment):
    clean = {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "CI")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=clean | environment,
    )


def test_tensorflow_starts_and_compiles_without_messages():
    done = python(RUN)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_first_compilation_is_silent_where_tensorflow_was_there_before():
    done = python(f"import tensorflow\n{RUN}")
    assert done.returncode == 0, done.stderr
    assert "Compiled cluster" not in done.stderr


def test_another_keras_backend_is_refused():
    code = "import sys, types\nkeras = types.ModuleType('keras')\n"
    code += "keras.backend = types.SimpleNamespace(backend=lambda: 'jax')\n"
    done = python(code + "sys.modules['keras'] = keras\n" + BUILD)
    assert "running on the backend 'jax'; INIsim needs 'tensorflow'" in done.stderr
    assert "Set KERAS_BACKEND=tensorflow" in done.stderr


def test_a_missing_tensorflow_is_named(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no such library')")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = python(BUILD, PYTHONPATH=path)
    assert "SimulatorImportError" in done.stderr
    assert "INIsim needs TensorFlow and Keras 3" in done.stderr

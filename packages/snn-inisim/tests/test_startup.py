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


@pytest.mark.parametrize("code", ["temporal_mean_rate", "temporal_pattern"])
def test_several_runs_in_a_process_are_silent(code):
    """TensorFlow warns of functions that are traced five times; only of those of others here."""
    several = f"""
import numpy as np
import tensorflow as tf
from snn_core import run
from snn_core.testing.builder import NetworkBuilder
x = np.ones((3, 1), np.float32)
settings = {{"options": {{"inisim": {{"engine": "dense"}}}}, "simulation": {{"batch_size": 2}},
            "conversion": {{"spike_code": "{code}"}}}}
for width in range(1, 8):
    hidden = NetworkBuilder((1,)).dense(np.ones((1, width)))
    network = hidden.dense(np.ones((width, 2))).build().replace(readout="membrane")
    run(network, "inisim", data=(x, np.zeros(3, int)), settings=settings)
theirs = tf.function(lambda x: x)
for i in range(8):
    theirs(i)
"""
    done = python(several)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if "retracing" in line]
    assert warned, "TensorFlow does not warn any more: the filter can go"
    assert all("<lambda>" in line for line in warned), warned


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

"""The compiled targets, on one network of all kinds of layers each.

Compiling takes minutes and depends little on the version of Python: the newest one does it.
"""

import sys

import numpy as np
import pytest

from snn_brian2 import SNN, Brian2Options
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="compiled targets are tested on the newest Python"
)


@pytest.fixture
def compiled_quickly():
    """Let the compiler leave out optimizations, which take most of the time it needs."""
    import brian2

    name = "codegen.cpp.extra_compile_args_gcc"
    before = brian2.prefs[name]
    brian2.prefs[name] = [*before, "-O0"]
    yield
    brian2.prefs[name] = before


# Cython compiles each part of a network for itself: monitors of potentials are left out there.
@pytest.mark.parametrize(
    ("target", "encoding", "log_vars"),
    [
        ("cpp_standalone", "constant", ["spiketrains", "mem"]),
        ("cython", "regular", ["spiketrains"]),
    ],
)
@pytest.mark.usefixtures("compiled_quickly")
def test_compiled_targets_spike_as_the_reference(
    few_populations, tmp_path, target, encoding, log_vars
):
    settings = Settings.of(
        {
            "simulation": {"duration": 12, "batch_size": 4},
            "input": {"encoding": encoding},
            "output": {"log_vars": log_vars},
        }
    )
    options = Brian2Options(target=target, copies=2, cache_dir=str(tmp_path / "cache"))
    snn = SNN(few_populations, settings, options)
    rng = np.random.default_rng(1)
    # The program is started twice: for four samples, and for one that leaves room.
    for count in (4, 1):
        x_b_l = rng.integers(0, 17, (count, 5, 4, 2)).astype(np.float32) / 16
        expected = ReferenceSNN(few_populations, settings).run_batch(x_b_l)
        found = snn.run_batch(x_b_l)
        for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
            assert spikes_b_l_t.any()
            np.testing.assert_array_equal(found.spiketrains_n_b_l_t[name], spikes_b_l_t)
        for name, v_b_l_t in (expected.mem_n_b_l_t if "mem" in log_vars else {}).items():
            # Weights multiplied through several relays have more digits than float32 holds, so
            # that potentials depend on the order of the sum: a few units in the last place.
            np.testing.assert_allclose(found.mem_n_b_l_t[name], v_b_l_t, rtol=2**-20, atol=2**-20)
    assert any((tmp_path / "cache").iterdir())

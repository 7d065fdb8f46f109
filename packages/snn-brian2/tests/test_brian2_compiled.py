"""The compiled targets, on one network of all kinds of layers each.

Compiling takes minutes and depends little on the version of Python: the newest one does it.
"""

import sys

import numpy as np
import pytest

from snn_brian2 import SNN, Brian2Options
from snn_core.reference import ReferenceSNN
from snn_core.settings import Settings

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="compiled targets are tested on the newest Python"
)


@pytest.mark.parametrize(
    ("target", "encoding"), [("cpp_standalone", "constant"), ("cython", "regular")]
)
def test_compiled_targets_spike_as_the_reference(few_populations, tmp_path, target, encoding):
    settings = Settings.of(
        {
            "simulation": {"duration": 12, "batch_size": 4},
            "input": {"encoding": encoding},
            "output": {"log_vars": ["spiketrains", "mem"]},
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
            # Weights multiplied through several relays have more digits than float32 holds, so
            # that potentials depend on the order of the sum: a few units in the last place.
            np.testing.assert_allclose(
                found.mem_n_b_l_t[name], expected.mem_n_b_l_t[name], rtol=2**-20, atol=2**-20
            )
    assert any((tmp_path / "cache").iterdir())

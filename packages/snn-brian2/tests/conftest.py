"""Networks of every kind of layer with weights that keep float32 sums exact."""

import numpy as np
import pytest

from snn_brian2 import SNN, Brian2Options
from snn_core.ir import Linear
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder


def dyadic(rng, shape, *, fan_in):
    """Return multiples of 2**-10 under which neurons spike in about every third step."""
    values = rng.normal(1.2 / fan_in, 1 / fan_in, shape)
    return (np.round(values * 1024) / 1024).astype(np.float32)


def network_of_all_kinds(*, few_populations):
    """Return a network that holds every kind of layer.

    With few populations most layers are relays: their synapses are multiplied into those of the
    next population, and little has to be compiled.
    """
    rng = np.random.default_rng(3)
    linear = {"activation": Linear()} if few_populations else {}
    net = NetworkBuilder((5, 4, 2)).zero_padding(((1, 0), (0, 1)))
    net.conv2d(dyadic(rng, (3, 2, 2, 4), fan_in=8), bias_o=[0.125, 0.0, 0.25, -0.125])
    first = net.last
    net.depthwise_conv2d(dyadic(rng, (2, 3, 4, 1), fan_in=4), padding="same", **linear)
    second = net.last
    net.add([first, second], weight_nc=[[0.5, 1, 0.25, 0.75], [1, 0.5, 0.5, 0.25]], **linear)
    sums = net.last
    net.concatenate([first, sums])
    net.max_pooling((2, 2), method="fir_max", threshold=np.linspace(0.5, 1.375, 8))
    net.conv2d_transpose(dyadic(rng, (2, 3, 3, 8), fan_in=8), strides=(2, 1), **linear)
    net.average_pooling((2, 2), weight_c=2, **linear)
    net.up_sampling((1, 2), **linear)
    net.reshape((net.shape[0] * net.shape[1], net.shape[2]))
    net.conv1d(dyadic(rng, (2, 3, 4), fan_in=5), padding="same", v_init=[0.5], **linear)
    net.flatten()
    return net.dense(dyadic(rng, (net.shape[0], 4), fan_in=6), bias_o=[0.0, 0.0625, 0, 0]).build()


@pytest.fixture(scope="session")
def all_kinds():
    return network_of_all_kinds(few_populations=False)


@pytest.fixture(scope="session")
def few_populations():
    return network_of_all_kinds(few_populations=True)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep compiled code out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def check_compiled(few_populations, tmp_path):
    """Return a function that compares a compiled target with the reference.

    The compiler leaves out optimizations, which take most of the time it needs.
    """
    import brian2

    def check(target, *, encoding, log_vars, delay=0.0):
        settings = Settings.of(
            {
                "simulation": {"duration": 12, "batch_size": 4},
                "input": {"encoding": encoding},
                "output": {"log_vars": log_vars},
            }
        )
        cache = str(tmp_path / "cache")
        options = Brian2Options(target=target, copies=2, delay=delay, cache_dir=cache)
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
                np.testing.assert_allclose(
                    found.mem_n_b_l_t[name], v_b_l_t, rtol=2**-20, atol=2**-20
                )
        assert any((tmp_path / "cache").iterdir())

    name = "codegen.cpp.extra_compile_args_gcc"
    before = brian2.prefs[name]
    brian2.prefs[name] = [*before, "-O0"]
    yield check
    brian2.prefs[name] = before

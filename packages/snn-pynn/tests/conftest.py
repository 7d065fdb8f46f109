"""A network of all kinds of layers with weights that keep float32 sums exact, on each simulator."""

import numpy as np
import pytest

import snn_pynn.brian2
import snn_pynn.nest
import snn_pynn.neuron
from snn_core.ir import Linear
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder

SIMULATORS = {
    "nest": snn_pynn.nest.SNN,
    "neuron": snn_pynn.neuron.SNN,
    "brian2": snn_pynn.brian2.SNN,
}
STEPS = 12


def dyadic(rng, shape, *, fan_in):
    """Return multiples of 2**-10 under which neurons spike in about every third step."""
    values = rng.normal(1.2 / fan_in, 1 / fan_in, shape)
    return (np.round(values * 1024) / 1024).astype(np.float32)


@pytest.fixture(scope="session")
def all_kinds():
    """Return a network that holds every kind of layer but max pooling; some are relays."""
    rng = np.random.default_rng(3)
    net = NetworkBuilder((5, 4, 2)).zero_padding(((1, 0), (0, 1)))
    net.conv2d(dyadic(rng, (3, 2, 2, 4), fan_in=8), bias_o=[0.125, 0.0, 0.25, -0.125])
    first = net.last
    net.depthwise_conv2d(dyadic(rng, (2, 3, 4, 1), fan_in=4), padding="same")
    second = net.last
    net.add([first, second], weight_nc=[[0.5, 1, 0.25, 0.75], [1, 0.5, 0.5, 0.25]])
    sums = net.last
    net.concatenate([first, sums])
    net.conv2d_transpose(dyadic(rng, (2, 3, 3, 8), fan_in=8), activation=Linear())
    net.average_pooling((2, 2), weight_c=2, threshold=[0.5, 0.75, 1.25])
    net.up_sampling((1, 2), activation=Linear())
    net.reshape((net.shape[0] * net.shape[1], net.shape[2]))
    net.conv1d(dyadic(rng, (2, 3, 4), fan_in=5), padding="same", v_init=[0.5])
    net.flatten()
    return net.dense(dyadic(rng, (net.shape[0], 4), fan_in=6), bias_o=[0.0, 0.0625, 0, 0]).build()


@pytest.fixture(params=SIMULATORS)
def simulator(request):
    """Return the class of each simulator in turn."""
    return SIMULATORS[request.param]


def settings_of(*, dt=1.0, encoding="constant", batch_size=3, steps=STEPS, **cell):
    return Settings.of(
        {
            "simulation": {"duration": steps * dt, "dt": dt, "batch_size": batch_size},
            "input": {"encoding": encoding},
            "cell": cell,
            "output": {"log_vars": ["spiketrains"]},
        }
    )


def samples(network, count):
    """Return multiples of 2**-4, different for each sample; some are zero."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 17, (count, *network.input.output_shape)).astype(np.float32) / 16


def assert_equal_to_reference(snn, x_b_l):
    expected = ReferenceSNN(snn.network, snn.settings).run_batch(x_b_l)
    found = snn.run_batch(x_b_l)
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        assert spikes_b_l_t.any(), f"{name} is silent and proves nothing"
        differing = np.count_nonzero(found.spiketrains_n_b_l_t[name] != spikes_b_l_t)
        assert differing == 0, f"{name}: {differing} of {spikes_b_l_t.size} spikes differ"
    return found


@pytest.fixture
def helpers():
    """Return what several files of tests use, since test files do not import each other."""
    from types import SimpleNamespace

    return SimpleNamespace(
        dyadic=dyadic,
        settings_of=settings_of,
        samples=samples,
        assert_equal_to_reference=assert_equal_to_reference,
        steps=STEPS,
        simulators=SIMULATORS,
    )

"""Networks of every kind of layer with weights that keep float32 sums exact."""

import numpy as np
import pytest

from snn_core.ir import Linear
from snn_core.testing.builder import NetworkBuilder


def dyadic(rng, shape, *, mean, spread):
    """Return normally distributed multiples of 2**-10."""
    values = rng.normal(mean, spread, shape)
    return (np.round(values * 1024) / 1024).astype(np.float32)


class Maker:
    """Makes weights whose layers spike in about every third step."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def weight(self, *shape, fan_in):
        return dyadic(self.rng, shape, mean=1.2 / fan_in, spread=1 / fan_in)

    def bias(self, size):
        return dyadic(self.rng, (size,), mean=0.02, spread=0.05)


def image_network():
    """Return a network with one or more layers of each kind that images have."""
    make = Maker(0)
    weight, bias = make.weight, make.bias
    net = NetworkBuilder((9, 7, 2))
    net.zero_padding(((1, 0), (2, 1)))
    net.conv2d(weight(3, 2, 2, 4, fan_in=8), strides=(1, 2), bias_o=bias(4), v_init=[0.5])
    first = net.last
    net.depthwise_conv2d(
        weight(2, 3, 4, 2, fan_in=4), padding="same", threshold=np.linspace(0.5, 1.25, 8)
    )
    net.conv2d(weight(3, 3, 4, 4, fan_in=12), groups=2, dilation=(2, 1), padding="same")
    second = net.last
    net.add([first, second], weight_nc=[[0.5] * 4, [1, 0.5, 0.25, 0.75]])
    sums = net.last
    net.concatenate([first, sums])
    net.max_pooling((3, 2), strides=(2, 2), padding="same", method="fir_max")
    net.conv2d_transpose(weight(3, 2, 3, 8, fan_in=6), strides=(2, 1), bias_o=bias(3))
    net.average_pooling((2, 2), weight_c=2)
    net.up_sampling((2, 3), activation=Linear())
    net.max_pooling((2, 2), method="pre_spike_max")
    net.flatten().dense(weight(net.shape[0], 12, fan_in=24), bias_o=bias(12), v_init=[0.25])
    net.reshape((2, 3, 2))
    net.conv2d(weight(1, 1, 2, 3, fan_in=2), padding=((0, 1), (1, 0)), activation=Linear())
    net.up_sampling((2, 1))
    return net.flatten().dense(weight(net.shape[0], 5, fan_in=8), bias_o=bias(5)).build()


def sequence_network():
    """Return a network of one-dimensional convolutions."""
    make = Maker(1)
    weight, bias = make.weight, make.bias
    net = NetworkBuilder((12, 4))
    net.conv1d(weight(3, 4, 6, fan_in=8), padding="causal", dilation=2, bias_o=bias(6))
    net.conv1d(weight(4, 3, 4, fan_in=6), padding="same", groups=2, strides=2)
    net.conv1d(weight(2, 4, 4, fan_in=4), padding=(1, 2), threshold=[0.75])
    net.dense(weight(4, 5, fan_in=3))
    return net.flatten().dense(weight(net.shape[0], 5, fan_in=12)).build()


NETWORKS = {"images": image_network(), "sequences": sequence_network()}


@pytest.fixture(params=NETWORKS)
def network(request):
    """Return each network in turn."""
    return NETWORKS[request.param]


@pytest.fixture
def images():
    """Return the network of all kinds that images have."""
    return NETWORKS["images"]


@pytest.fixture
def sequences():
    """Return the network of one-dimensional convolutions."""
    return NETWORKS["sequences"]

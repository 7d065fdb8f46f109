"""Every PyTorch network of the zoo computes in the neutral form what it computes in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch_zoo import NETWORKS, built

from snn_core import convert
from snn_core.evaluation.forward import predict
from snn_core.parsing import parse

# Float32 sums in another order differ by about 1e-6 relative per layer; 1e-4 leaves room for the
# deepest networks and still shows any wrong weight.
TOLERANCE = 1e-4


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_what_it_computes_in_pytorch(name):
    module, x = built(name)
    with torch.no_grad():
        expected = channels_last(module(x).numpy())
    if name == "LeNet":
        expected = np.exp(expected)
    network = parse(module, input_shape=tuple(x.shape[1:]))
    found = predict(network, channels_last(x.numpy()))
    assert found.shape == expected.shape
    spread = np.abs(expected - expected[:1]).max()
    assert spread > 0.02 * np.abs(expected).max(), "the samples make no difference"
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d])
def test_uneven_windows_are_converted_with_scales_per_channel(pool):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), pool((3, 5)), nn.Flatten(), nn.Linear(60, 5)
    )
    x = np.random.default_rng(0).random((8, 10, 4, 3)).astype(np.float32)
    network = convert(module, x, input_shape=(3, 10, 4))
    np.testing.assert_allclose(
        predict(network, x),
        predict(parse(module, input_shape=(3, 10, 4)), x),
        rtol=0,
        atol=1e-5,  # float32 products with scales
    )


@pytest.mark.parametrize(
    "parametrized",
    [parametrizations.spectral_norm, parametrizations.orthogonal, parametrizations.weight_norm],
)
def test_weights_that_a_parametrization_computes_are_read_as_they_are(parametrized):
    torch.manual_seed(0)
    part = parametrized(nn.Conv2d(3, 4, 3))
    module = nn.Sequential(part, nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
    x = torch.rand(4, 3, 6, 6)
    kept = {name: values.clone() for name, values in module.state_dict().items()}
    network = parse(module, input_shape=(3, 6, 6))
    assert module.training
    assert module.state_dict().keys() == kept.keys()
    assert all(torch.equal(values, kept[name]) for name, values in module.state_dict().items())
    assert nn.utils.parametrize.is_parametrized(part)
    with torch.no_grad():
        expected = module.eval()(x).numpy()
    found = predict(network, channels_last(x.numpy()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize(
    "end",
    [
        lambda y: torch.sigmoid(y).squeeze(1),
        lambda y: torch.special.expit(y.squeeze(-1)),
        lambda y: torch.sigmoid(y)[:, 0],
        lambda y: y.view(-1),
    ],
)
def test_a_single_output_without_an_axis_of_its_own_gets_one(end):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 1)

        def forward(self, x):
            return end(self.last(torch.relu(self.first(x))))

    torch.manual_seed(0)
    module, x = Net().eval(), torch.rand(6, 4)
    network = convert(module, x.numpy(), input_shape=(4,), trial=False)  # and compared
    assert "with torch" in "\n".join(network.history)
    with torch.no_grad():
        expected = module(x).numpy()[:, None]
    found = predict(parse(module, input_shape=(4,)), x.numpy())
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())

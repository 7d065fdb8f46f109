from dataclasses import replace

import numpy as np
import pytest

from snn_core.errors import ContractError, ParseError, UnsupportedError
from snn_core.ir import Linear, Sigmoid, Softmax
from snn_core.settings import Settings
from snn_core.simulation.capabilities import (
    ANY,
    CLAIMABLE,
    CONTRACT_1_LAYERS,
    CONTRACT_1_SETTINGS,
    Capabilities,
    changed_settings,
    setting_problems,
)
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder

NETWORK = NetworkBuilder((2,)).dense([[1.0], [1.0]]).build()


class Silent(ReferenceSNN):
    """A simulator that names nothing."""

    capabilities = Capabilities()


def test_contract_1_is_frozen():
    """What the first contract asks of every simulator never grows, whatever is added to core."""
    assert sorted(CONTRACT_1_LAYERS) == [
        "Add",
        "AveragePooling2D",
        "Concatenate",
        "Conv1D",
        "Conv2D",
        "Conv2DTranspose",
        "Dense",
        "DepthwiseConv2D",
        "Flatten",
        "MaxPooling2D",
        "Reshape",
        "UpSampling2D",
        "ZeroPadding2D",
    ]
    assert {name: sorted(values) for name, values in CONTRACT_1_SETTINGS.items()} == {
        "conversion.spike_code": ["temporal_mean_rate"],
        "input.encoding": ["constant", "poisson", "regular"],
        "cell.reset": ["modulo", "subtraction", "zero"],
    }


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("cell", "leak", 0.1),
        ("cell", "v_init", "uniform"),
        ("cell", "clamp_indices", {"1": 2}),
        ("normalization", "online_normalization", True),
        ("simulation", "reset_between_nth_sample", 2),
        ("input", "encoding", "events"),
        ("conversion", "spike_code", "ttfs"),
    ],
)
def test_what_is_not_named_is_accepted_at_its_default_only(section, key, value):
    Silent(NETWORK)
    with pytest.raises(UnsupportedError, match=f"{section}.{key}"):
        Silent(NETWORK, Settings.of({section: {key: value}}))


def test_a_number_as_initial_potential_is_part_of_the_network():
    Silent(NETWORK, Settings.of({"cell": {"v_init": 0.25}}))


def pooling(**options):
    net = NetworkBuilder((2, 2, 2)).conv2d(np.ones((1, 1, 2, 2)), activation=Linear())
    net.max_pooling((2, 2), method="pre_spike_max", name="pool", **options).flatten()
    return net.dense(np.ones((2, 1))).build()


class Pools(ReferenceSNN):
    """A simulator that knows maxima of spikes only."""

    capabilities = Capabilities(max_pool_methods=frozenset({"pre_spike_max"}))


@pytest.mark.parametrize(
    ("options", "field", "reason"),
    [
        ({"sign_c": [1, -1]}, "minimum_pooling", "pool: max pooling with minima in 1 of 2"),
        ({"activation": Linear()}, "graded_pooling", "pool: max pooling of sums that may be neg"),
    ],
)
def test_minima_and_graded_pools_are_to_be_claimed(options, field, reason):
    class Claims(Pools):
        capabilities = replace(Pools.capabilities, **{field: True})

    Pools(pooling())
    Claims(pooling(**options))
    with pytest.raises(UnsupportedError, match=reason):
        Pools(pooling(**options))


@pytest.mark.parametrize("activation", [Softmax(), Sigmoid()])
def test_an_activation_of_outputs_is_refused_inside(activation):
    net = NetworkBuilder((2,)).dense(np.eye(2), activation=activation, name="inside")
    with pytest.raises(UnsupportedError, match=r"inside: .* is possible in the output alone"):
        ReferenceSNN(net.dense(np.eye(2)).build())


def test_a_network_made_in_python_is_checked_as_a_file_is():
    net = NetworkBuilder((2, 2, 1)).conv2d(np.ones((1, 1, 1, 1)), threshold=np.ones((2, 1, 1)))
    with pytest.raises(ParseError, match=r"threshold = an array of shape \(2, 1, 1\); expected"):
        ReferenceSNN(net.build())


def test_a_claim_may_exclude_the_default():
    can = Capabilities(settings={"input.encoding": {"poisson"}})
    (problem,) = setting_problems(can, NETWORK, Settings())
    assert problem == "input.encoding = 'constant' is not supported; supported: poisson"


def test_a_claim_keeps_the_default_of_other_settings():
    can = Capabilities(settings={"cell.v_init": {"uniform"}, "cell.leak": ANY})
    assert not setting_problems(can, NETWORK, Settings())
    assert not setting_problems(can, NETWORK, Settings.of({"cell": {"leak": 3.0}}))
    bias = Settings.of({"cell": {"v_init": "bias"}})
    assert setting_problems(can, NETWORK, bias) == [
        "cell.v_init = 'bias' is not supported; supported: uniform"
    ]


def test_every_claimable_setting_is_looked_at():
    settings = Settings.of({"cell": {"tau_m": 5.0}, "simulation": {"reset_between_nth_sample": 0}})
    assert changed_settings(settings) == ["simulation.reset_between_nth_sample", "cell.tau_m"]
    assert set(changed_settings(settings)) < set(CLAIMABLE)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"cell.leek": ANY}, "Claimed the setting 'cell.leek'"),
        ({"conversion.spike_code": "ttfs_exact"}, "expected a set of values, or ANY"),
    ],
)
def test_impossible_claims_are_refused_when_they_are_made(claims, message):
    with pytest.raises(ContractError, match=message):
        Capabilities(settings=claims)


def test_a_table_of_values_is_in_no_set():
    can = Capabilities(settings={"cell.clamp_indices": {"1"}})
    assert not can.accepts("cell.clamp_indices", {"1": 3})


def test_a_relay_has_no_bias_for_each_step():
    relay = NetworkBuilder((2,)).dense(
        np.ones((2, 2)), activation=Linear(), bias_t_c=np.ones((3, 1))
    )
    with pytest.raises(UnsupportedError, match=r"01Dense_2: .* needs neurons"):
        ReferenceSNN(relay.dense(np.ones((2, 1))).build())

"""Cells that reach one cell each: counting them gives what listing the synapses gives."""

from __future__ import annotations

import numpy as np
import pytest

from snn_core import operations
from snn_core.ir import Linear, Network
from snn_core.ir.connectivity import synapses
from snn_core.ir.links import linked_cells
from snn_core.operations import connectivity_statistics
from snn_core.reading.budget import BudgetExceededError
from snn_core.testing.builder import NetworkBuilder

RELAY = {"activation": Linear()}


def _pooled() -> NetworkBuilder:
    """Padding, a factor for each channel, one of them 0, and means that leave a row out."""
    build = NetworkBuilder((4, 4, 2)).conv2d(np.ones((3, 3, 2, 3)), padding="same", name="first")
    build.zero_padding(((1, 0), (0, 2)))
    build.depthwise_conv2d(np.array([1.0, 0.0, 2.0]).reshape(1, 1, 3, 1), **RELAY)
    return build.average_pooling((2, 3), strides=(2, 3), **RELAY)


def _two_populations() -> NetworkBuilder:
    build = NetworkBuilder((6,)).dense(np.ones((6, 4)), name="left")
    build.dense(np.ones((6, 4)), inputs=(next(iter(build.build().layers)).name,), name="right")
    return build.add(("left", "right"), weight_nc=[[1, 0, 1, 1], [2, 2, 2, 0]], **RELAY)


def _finish(build: NetworkBuilder) -> Network:
    if len(build.shape) > 1:
        build.flatten()
    size = build.shape[0]
    weight = np.arange(size * 3).reshape(size, 3) % 4  # pruned, too
    return build.dense(weight, name="output").build()


@pytest.mark.parametrize("make", [_pooled, _two_populations])
def test_counts_are_those_of_the_listed_synapses(make, monkeypatch: pytest.MonkeyPatch) -> None:
    network = _finish(make())
    assert linked_cells(network, network.output.inputs[0]) is not None
    counted = connectivity_statistics(network)
    monkeypatch.setattr(operations, "linked_cells", lambda *_: None)
    listed = connectivity_statistics(network)
    assert (counted.names, counted.fanin) == (listed.names, listed.fanin)
    assert max(counted.fanin[1:]) > 1
    for found, expected in zip(counted.fanout, listed.fanout, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_cells_that_reach_several_or_one_twice_are_not_linked() -> None:
    overlapping = NetworkBuilder((4, 4, 1)).average_pooling((2, 2), strides=(1, 1), **RELAY)
    mixing = NetworkBuilder((4,)).dense(np.eye(4), **RELAY)
    twice = NetworkBuilder((4,)).dense(np.eye(4), name="first")
    twice.add(("first", "first"), weight_nc=np.ones((2, 1)), **RELAY)
    for build in (overlapping, mixing, twice):
        network = _finish(build)
        assert linked_cells(network, network.output.inputs[0]) is None


def test_large_means_are_counted_without_a_list() -> None:
    """A mean of 2 million cells behind a factor for each: synapses are never listed."""
    size = 1000
    build = NetworkBuilder((size, size, 2))
    build.depthwise_conv2d(np.ones((1, 1, 2, 1)), **RELAY)
    build.average_pooling((size, size), strides=(size, size), **RELAY)
    network = build.flatten().dense(np.ones((2, 3)), name="output").build()
    counted = connectivity_statistics(network, limited=True)
    assert counted.fanin == [0, 2 * size * size]
    assert counted.num_synapses == 3 * 2 * size * size


def test_synapses_that_have_to_be_listed_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    build = NetworkBuilder((64,)).dense(np.ones((64, 64)), name="mixes", **RELAY)
    network = build.dense(np.ones((64, 64)), name="output").build()
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "100K")
    with pytest.raises(BudgetExceededError, match="4096 synapses of layer 'mixes'"):
        connectivity_statistics(network, limited=True)
    assert connectivity_statistics(network).fanin == [0, 64], "what is simulated is counted"


def test_fanout_of_pruned_kernels_is_that_of_the_synapses() -> None:
    """Longer and shorter kernels than the image, so that either axis comes first."""
    rng = np.random.default_rng(3)
    for kernel in ((1, 7), (7, 1), (3, 2)):
        weight = rng.integers(0, 2, size=(*kernel, 2, 3)) * rng.integers(0, 2, size=(1, 1, 2, 1))
        build = NetworkBuilder((4, 5, 2)).conv2d(weight, padding="same", name="output")
        layer = build.build().output
        (part,) = synapses(layer, [(4, 5, 2)])
        (counts,) = operations.fanout(layer, [(4, 5, 2)])
        expected = np.bincount(part.pre, minlength=40)
        np.testing.assert_array_equal(counts.reshape(-1), expected)

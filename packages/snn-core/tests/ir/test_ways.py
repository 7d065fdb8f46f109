"""Ways through layers without neurons: each layer is visited once, however many ways there are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from snn_core.codes.windows import passes_spikes_on
from snn_core.ir import (
    Add,
    Concatenate,
    Dense,
    Flatten,
    Input,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from snn_core.ir.layer import Layer
from snn_core.ir.projections import copied_cells, drive_bias, projections_of
from snn_core.ir.ways import inputs_behind, layers_between, populations_behind, visit
from snn_core.normalization.percentile import reads_relays
from snn_core.operations import connectivity_statistics

DEEP = 1500
"""Layers in a row that no recursion passes."""


def _dense(name: str, source: str, weight: float = 1.0, bias: float = 0.0, *,
           rectified: bool = False) -> Dense:  # fmt: skip
    return Dense(
        name=name, inputs=(source,), output_shape=(2,), bias_o=np.full(2, bias),
        weight_io=weight * np.eye(2), activation=ReLU() if rectified else Linear(),
    )  # fmt: skip


def _doubled(steps: int) -> Network:
    """Return a network in which 2^steps ways lead through as many sums of a layer with itself."""
    layers: list[Layer] = [
        Input(name="input", output_shape=(2,)),
        _dense("first", "input", rectified=True),
        _dense("t0", "first", bias=1.0),
    ]
    for i in range(steps):
        halves = np.array([[0.5], [0.5]])
        layers.append(
            Add(name=f"t{i + 1}", inputs=(f"t{i}", f"t{i}"), output_shape=(2,), weight_nc=halves)
        )
    return Network(layers=(*layers, _dense("output", f"t{steps}")))


def test_layers_on_exponentially_many_ways_are_gone_through_once() -> None:
    network = _doubled(64)
    output = network.output
    (projection,) = projections_of(network, output)
    assert (projection.source, projection.synapses.to_csr().toarray().tolist()) == (
        "first", [[1, 0], [0, 1]],
    )  # fmt: skip
    assert drive_bias(network, output).tolist() == [1, 1]
    assert populations_behind(network, output) == ("first",)
    assert connectivity_statistics(network).fanin == [0, 1, 1]
    assert len(inputs_behind(network, output)) == 1 + 2 * 64 + 1


def test_layers_between_come_once_and_in_order() -> None:
    network = _doubled(64)
    names = [layer.name for layer in layers_between(network, network.output.inputs)]
    assert names == [f"t{i}" for i in range(65)]
    assert layers_between(network, ["first", "input"]) == ()
    stopped = layers_between(network, ["t64"], ends=lambda layer: layer.name == "t60")
    assert [layer.name for layer in stopped] == ["t61", "t62", "t63", "t64"]


def test_a_visit_asks_each_name_once_what_follows() -> None:
    asked: list[int] = []

    def following(name: str) -> list[str]:
        asked.append(int(name))
        return [str(int(name) + 1)] * 2 if int(name) < DEEP else []

    assert visit(["0"], following) == [str(i) for i in reversed(range(DEEP + 1))]
    assert asked == list(range(DEEP + 1))


@pytest.mark.parametrize("kind", ["relays", "copies"])
def test_thousands_of_layers_lie_between_two_populations(kind: str) -> None:
    names = [f"layer{i}" for i in range(DEEP)]
    layers: list[Layer] = [Input(name="input", output_shape=(2,))]
    for i, (source, name) in enumerate(pairwise(["input", *names])):
        if kind == "relays":
            layers.append(_dense(name, source, bias=1.0))
        elif i % 2:
            layers.append(Flatten(name=name, inputs=(source,), output_shape=(2,)))
        else:
            layers.append(Reshape(name=name, inputs=(source,), output_shape=(1, 2)))
    network = Network(layers=(*layers, _dense("output", names[-1])))
    (projection,) = projections_of(network, network.output)
    assert projection.synapses.to_csr().toarray().tolist() == [[1, 0], [0, 1]]
    assert drive_bias(network, network.output).tolist() == [DEEP * (kind == "relays")] * 2
    assert (copied_cells(network, names[-1]) is None) == (kind == "relays")
    assert reads_relays(network, network.output) == (kind == "relays")


def test_pools_pass_spikes_on_behind_thousands_of_rearranging_layers() -> None:
    shape = (2, 2, 1)
    layers: list[Layer] = [
        Input(name="input", output_shape=shape),
        MaxPooling2D(name="first", inputs=("input",), output_shape=shape, pool_size=(1, 1),
                     strides=(1, 1)),
    ]  # fmt: skip
    for i in range(DEEP):
        source = layers[-1].name
        layers.append(
            ZeroPadding2D(name=f"pad{i}", inputs=(source,), output_shape=shape,
                          padding=((0, 0), (0, 0)))
        )  # fmt: skip
    layers += [
        MaxPooling2D(name="second", inputs=(layers[-1].name,), output_shape=(1, 1, 1),
                     pool_size=(2, 2), strides=(2, 2)),
        Flatten(name="flat", inputs=("second",), output_shape=(1,)),
        Dense(name="output", inputs=("flat",), output_shape=(1,), weight_io=np.ones((1, 1)),
              bias_o=np.zeros(1)),
    ]  # fmt: skip
    network = Network(layers=tuple(layers))
    assert passes_spikes_on(network, "second")
    assert not passes_spikes_on(network, "first"), "the input is no population of spikes"


def test_three_ways_are_added_in_the_order_of_the_inputs() -> None:
    """Sums of three float32 numbers depend on the order, which simulators have in common."""
    big, small = 1.0, 2.0**-24
    layers = (
        Input(name="input", output_shape=(2,)),
        _dense("first", "input", rectified=True),
        _dense("large", "first", big),
        _dense("tiny", "first", small),
        Add(name="inner", inputs=("tiny", "first"), output_shape=(2,),
            weight_nc=np.array([[1.0], [small]])),
        Add(name="sum", inputs=("inner", "large"), output_shape=(2,), weight_nc=np.ones((2, 1))),
        _dense("output", "sum"),
    )  # fmt: skip
    (projection,) = projections_of(Network(layers=layers), layers[-1])
    # The two small numbers first: one after the other, both would be lost beside 1.
    expected = np.float32(np.float32(small + small) + np.float32(big))
    assert projection.synapses.weight.tolist() == [expected, expected]
    assert expected != np.float32(big) + np.float32(small) + np.float32(small)


def test_what_two_concatenations_copy_is_found_for_each_source() -> None:
    layers = (
        Input(name="input", output_shape=(2,)),
        _dense("left", "input", rectified=True),
        _dense("right", "input", rectified=True),
        Concatenate(name="both", inputs=("left", "right"), output_shape=(4,), axis=0),
        Concatenate(name="twice", inputs=("both", "both"), output_shape=(8,), axis=0),
        Dense(name="output", inputs=("twice",), output_shape=(2,), weight_io=np.ones((8, 2)),
              bias_o=np.zeros(2)),
    )  # fmt: skip
    network = Network(layers=layers)
    cells = copied_cells(network, "twice")
    assert cells is not None
    assert {name: found.tolist() for name, found in cells.items()} == {
        "left": [0, 1, -1, -1, 0, 1, -1, -1],
        "right": [-1, -1, 0, 1, -1, -1, 0, 1],
    }
    left, right = projections_of(network, network.output)
    assert (left.source, right.source) == ("left", "right")
    assert left.synapses.to_csr().toarray().tolist() == [[2, 2], [2, 2]]
    assert left.synapses.kernel_index is None

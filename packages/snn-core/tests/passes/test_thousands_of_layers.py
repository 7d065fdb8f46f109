"""Thousands of layers in a row: no pass recurses, and each looks at a layer a few times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from snn_core.evaluation.forward import predict
from snn_core.ir import (
    ActivationLayer,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Layer,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
    Reshape,
    Softmax,
    ZeroPadding2D,
)
from snn_core.parsing.emit.builder import Builder
from snn_core.passes import (
    batchnorm,
    drop_inert,
    fold_batch_normalization,
    fuse_activations,
    run_structural,
)
from snn_core.passes.edit import Chains, Draft
from snn_core.passes.untrained import find_signs

DEEP = 1500
"""Layers in a row that no recursion passes."""

IMAGE = (2, 2, 1)
WINDOW: dict[str, Any] = {"pool_size": (2, 2), "strides": (1, 1), "padding": "same"}


class Rows:
    """A network that grows layer by layer, each with one input."""

    def __init__(self, shape: tuple[int, ...] = IMAGE) -> None:
        self.layers: list[Layer] = [Input(name="input", output_shape=shape)]

    def add(self, kind: type[Layer], shape: tuple[int, ...] | None = None, **fields: Any) -> None:
        before = self.layers[-1]
        name = f"{kind.__name__}{len(self.layers)}"
        shape = before.output_shape if shape is None else shape
        self.layers.append(kind(name=name, inputs=(before.name,), output_shape=shape, **fields))

    def conv(self) -> None:
        self.add(Conv2D, weight_hwio=np.ones((1, 1, 1, 1)), bias_o=np.zeros(1),
                 activation=Linear())  # fmt: skip

    def map(self, gain: float) -> None:
        shape = self.layers[-1].output_shape
        self.add(BatchNormalization, gain_c=np.full(shape[-1], gain),
                 offset_c=np.zeros(shape[-1]), axis=len(shape) - 1)  # fmt: skip

    def max_pool(self) -> None:
        self.add(MaxPooling2D, activation=Linear(), **WINDOW)

    def rectify(self) -> None:
        self.add(ActivationLayer, activation=ReLU())

    def reshape(self) -> None:
        shape = self.layers[-1].output_shape
        self.add(Reshape, (1, *shape) if len(shape) == 2 else shape[1:])

    def network(self) -> Network:
        self.add(Flatten, (int(np.prod(self.layers[-1].output_shape)),))
        size = self.layers[-1].output_shape[0]
        self.add(Dense, (1,), weight_io=np.ones((size, 1)), bias_o=np.zeros(1),
                 activation=Linear())  # fmt: skip
        return Network(layers=tuple(self.layers))


def _alternating(rows: Rows, number: int) -> None:
    rows.conv()
    for _ in range(number):
        rows.max_pool()
        rows.map(-1.0)


def _maps_behind_pools(rows: Rows, number: int) -> None:
    rows.conv()
    for _ in range(number):
        rows.max_pool()
    for _ in range(number):
        rows.map(-1.0)


def _pools_behind_a_map(rows: Rows, number: int) -> None:
    rows.conv()
    rows.rectify()
    rows.map(-1.0)
    for _ in range(number):
        rows.max_pool()


def _pools_behind_reshapes(rows: Rows, number: int) -> None:
    rows.conv()
    rows.rectify()
    rows.map(-1.0)
    for _ in range(number):
        rows.add(Reshape, IMAGE)
    rows.max_pool()


def _rows_of(fill: Callable[[Rows, int], None], number: int) -> Network:
    rows = Rows()
    fill(rows, number)
    return rows.network()


KINDS = [_alternating, _maps_behind_pools, _pools_behind_a_map, _pools_behind_reshapes]


@pytest.mark.parametrize("fill", KINDS)
def test_the_work_of_folding_grows_with_the_layers(
    fill: Callable[[Rows, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    commutes = batchnorm._commutes

    def counted(network: Draft, layer: Layer) -> bool:
        looks.append(layer.name)
        return commutes(network, layer)

    monkeypatch.setattr(batchnorm, "_commutes", counted)
    network = _rows_of(fill, 200)
    fold_batch_normalization(network)
    assert 0 < len(looks) < 12 * len(network)


@pytest.mark.parametrize("fill", KINDS)
@pytest.mark.parametrize("number", [1, 2, 7])
def test_folded_maps_compute_what_they_did(fill: Callable[[Rows, int], None], number: int) -> None:
    network = _rows_of(fill, number)
    x = np.random.default_rng(number).integers(-8, 9, size=(20, *IMAGE)).astype(np.float32)
    folded = fold_batch_normalization(network)
    assert not any(isinstance(layer, BatchNormalization) for layer in folded)
    # Whole numbers and factors of ±1: exact.
    np.testing.assert_array_equal(predict(folded, x), predict(network, x))


def test_maps_fold_past_thousands_of_pools_and_pools_past_a_map() -> None:
    for fill in (_maps_behind_pools, _pools_behind_a_map):
        folded = fold_batch_normalization(_rows_of(fill, DEEP))
        assert not any(isinstance(layer, BatchNormalization) for layer in folded)


def test_maps_fold_into_readers_behind_thousands_of_reshapes() -> None:
    rows = Rows((4,))
    rows.rectify()
    rows.map(2.0)
    for _ in range(DEEP):
        rows.reshape() if len(rows.layers[-1].output_shape) > 1 else rows.add(Reshape, (1, 4))
    folded = fold_batch_normalization(rows.network())
    output = folded.output
    assert isinstance(output, Dense)
    assert output.weight_io.tolist() == [[2]] * 4


@pytest.mark.parametrize("activation", [ReLU(), Softmax()])
def test_activations_fuse_behind_thousands_of_reshapes(activation: Any) -> None:
    rows = Rows((4,))
    rows.add(Dense, weight_io=np.eye(4), bias_o=np.zeros(4), activation=Linear())
    if isinstance(activation, Softmax):
        rows.add(ActivationLayer, activation=activation)
    for i in range(DEEP):
        rows.add(Reshape, (1, 4) if i % 2 == 0 else (4,))
    if isinstance(activation, ReLU):
        rows.add(ActivationLayer, activation=activation)
    found = run_structural(Network(layers=tuple(rows.layers)))
    (holder,) = (layer for layer in found.spiking_layers if layer.activation == activation)
    assert holder.kind == "Dense"


@pytest.mark.parametrize("kind", [Reshape, ZeroPadding2D])
def test_each_layer_of_a_chain_is_asked_once_whether_it_passes_values_on(kind: type[Layer]) -> None:
    rows = Rows()
    rows.conv()
    for _ in range(DEEP):
        rows.add(kind, IMAGE, **({"padding": ((0, 0), (0, 0))} if kind is ZeroPadding2D else {}))
    names = [layer.name for layer in rows.layers]
    asked: list[str] = []

    def passes(layer: Layer) -> bool:
        asked.append(layer.name)
        return isinstance(layer, kind)

    chains = Chains(Draft(rows.network()), passes)
    assert {chains.begin(name) for name in names[1:]} == {(names[1], True)}
    assert sorted(set(asked)) == sorted(names[1:])
    assert len(asked) <= 2 * len(names)


def test_rectifiers_behind_reshapes_are_dropped_once_the_values_are_rectified() -> None:
    rows = Rows((4,))
    rows.add(Dense, weight_io=np.eye(4), bias_o=np.zeros(4), activation=Linear())
    for i in range(DEEP):
        rows.add(Reshape, (1, 4) if i % 2 == 0 else (4,))
        rows.rectify()
    fused = fuse_activations(rows.network())
    assert not any(isinstance(layer, ActivationLayer) for layer in fused)
    assert len(fused.history) == DEEP


def test_a_layer_that_reads_hundreds_keeps_its_inputs_in_order() -> None:
    layers: list[Layer] = [Input(name="input", output_shape=(1,))]
    for i in range(300):
        layers.append(Dropout(name=f"drop{i}", inputs=("input",), output_shape=(1,)))
        layers.append(
            Dense(name=f"dense{i}", inputs=(f"drop{i}",), output_shape=(1,), bias_o=np.zeros(1),
                  weight_io=np.full((1, 1), i), activation=Linear())
        )  # fmt: skip
        layers.append(Dropout(name=f"out{i}", inputs=(f"dense{i}",), output_shape=(1,)))
    names = tuple(f"out{i}" for i in range(300))
    layers.append(Concatenate(name="all", inputs=(*names, "out7"), output_shape=(301,), axis=0))
    found = drop_inert(Network(layers=tuple(layers)))
    assert found["all"].inputs == (*(f"dense{i}" for i in range(300)), "dense7")
    assert len(found.outbound("input")) == 300


def test_norms_behind_weights_are_found_in_one_pass() -> None:
    rows = Rows((4,))
    rows.map(0.99)
    rows.add(Dense, weight_io=np.eye(4), bias_o=np.zeros(4), activation=Linear())
    for _ in range(DEEP):
        rows.map(0.99)
    # The one in front of all weights is no batch normalization, so that it does not count.
    assert find_signs(rows.network()).startswith(f"{DEEP} of {DEEP} batch normalizations")


def test_a_name_that_is_taken_with_all_its_numbers_gets_the_next() -> None:
    builder = Builder(channels_first=False)
    names = ["a" + "#2" * i for i in range(DEEP)]
    assert [builder._unique(name) for name in names] == names
    assert builder._unique("a") == "a" + "#2" * DEEP
    assert builder._unique("a") == "a#3"

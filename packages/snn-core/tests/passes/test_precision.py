"""Binary and fixed-point weights: what they become, what stays zero, and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snn_core.conversion import convert, costs, preset
from snn_core.errors import SettingsError
from snn_core.evaluation.forward import predict
from snn_core.ir import (
    ActivationLayer,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Linear,
    Network,
    ReLU,
)
from snn_core.operations import connectivity_statistics
from snn_core.parsing.base import Parsed
from snn_core.passes import run_structural
from snn_core.passes.precision import binarize_weights, fixed_point, parse_format, quantize_weights
from snn_core.settings import Settings
from snn_core.testing.toy_parser import ToyParser


def dense(weight_io: object, bias_o: object = (0, 0)) -> Network:
    return Network(
        layers=(
            Input(name="input", output_shape=(2,)),
            Dense(name="a", inputs=("input",), output_shape=(2,),
                  weight_io=np.array(weight_io), bias_o=np.array(bias_o)),
        )
    )  # fmt: skip


def pruned() -> Network:
    """Return convolution, normalization, ReLU and a dense layer, with a third of all weights."""
    rng = np.random.default_rng(4)

    def sparse(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) * (rng.random(shape) < 1 / 3)

    return Network(
        layers=(
            Input(name="input", output_shape=(4, 4, 2)),
            Conv2D(name="conv", inputs=("input",), output_shape=(2, 2, 3),
                   weight_hwio=sparse(3, 3, 2, 3), bias_o=np.zeros(3)),
            BatchNormalization(name="bn", inputs=("conv",), output_shape=(2, 2, 3), axis=2,
                               gain_c=np.array([0.5, -2, 1]), offset_c=np.array([0.1, 0.5, -0.1])),
            ActivationLayer(name="relu", inputs=("bn",), output_shape=(2, 2, 3), activation=ReLU()),
            Flatten(name="flat", inputs=("relu",), output_shape=(12,)),
            Dense(name="out", inputs=("flat",), output_shape=(4,),
                  weight_io=sparse(12, 4), bias_o=np.zeros(4)),
        )
    )  # fmt: skip


def test_binary_weights_are_signs_and_zeros_stay() -> None:
    network = binarize_weights(dense([[0.3, -2], [0, 1]], bias_o=[0.7, 0]))
    np.testing.assert_array_equal(network["a"].weight_io, [[1, -1], [0, 1]])
    np.testing.assert_array_equal(network["a"].bias_o, np.float32([0.7, 0]))
    assert network.history == ("binarize_weights: a",)


@pytest.mark.parametrize(
    ("value", "m", "f", "expected"),
    [
        (0.3, 1, 2, 0.25),  # 0.3 * 4 = 1.2
        (0.375, 1, 2, 0.5),  # 1.5 goes to the even 2
        (-0.3, 1, 2, -0.25),
        (5, 1, 2, 1.75),  # 2 - 1/4
        (-5, 1, 2, -1.75),
        (2.6, 3, 0, 3),
        (0.06, 0, 4, 0.0625),
    ],
)
def test_fixed_point_rounds_and_clips(value: float, m: int, f: int, expected: float) -> None:
    assert fixed_point(np.array([value]), m=m, f=f) == expected


def test_one_format_may_hold_for_all_layers() -> None:
    network = quantize_weights(dense([[0.3, -2], [0, 1]]), form="Q0.2")
    np.testing.assert_array_equal(network["a"].weight_io, [[0.25, -0.75], [0, 0.75]])
    assert "quantize_weights Q0.2: a" in network.history


def test_without_a_format_each_layer_gets_eight_bits_that_fit() -> None:
    """The largest weight 2.3 needs two bits before the point, so that five are left after it."""
    network = quantize_weights(dense([[0.3, -2.3], [0, 1]]))
    np.testing.assert_array_equal(network["a"].weight_io * 32, [[10, -74], [0, 32]])
    small = quantize_weights(dense([[0.03, -0.02], [0, 0.01]]))
    # 0.03 < 2**-5, so that the point moves on: 0.03 * 2**12 = 122.88
    np.testing.assert_array_equal(small["a"].weight_io * 4096, [[123, -82], [0, 41]])


@pytest.mark.parametrize("form", ["Q1", "1.6", "Q0.0", "Q20.5", "", "Q-1.3"])
def test_a_format_must_be_one(form: str) -> None:
    with pytest.raises(SettingsError, match=r"expected Qm\.f"):
        parse_format(form)


class Given(ToyParser):
    """Its sources are networks of the source dialect."""

    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        return source


@pytest.mark.parametrize("passed", [binarize_weights, quantize_weights])
def test_what_is_exact_already_is_left_alone(passed: object) -> None:
    network = dense([[1, -1], [0, 1]])
    assert passed(network) is network


@pytest.mark.parametrize("cell", [{}, {"binarize_weights": True}, {"quantize_weights": "Q2.6"}])
@pytest.mark.parametrize("name", ["fast", "seed"])
def test_pruned_weights_stay_pruned_all_the_way(name: str, cell: dict[str, object]) -> None:
    source = pruned()
    network = run_structural(source)
    settings = preset(name).updated({"cell": cell})
    parsed = Parsed(source=source, parser=Given(), input_shape=None, network=network)
    data = np.random.default_rng(0).random((20, 4, 4, 2)).astype("f4")
    converted = convert(parsed, data, settings=settings, check="off")
    for before, name_ in (("conv", "00Conv2D_2x2x3"), ("out", "02Dense_4")):
        absent = source[before].weight == 0
        kept = converted[name_].weight
        assert (kept[absent] == 0).all()
        if not cell.get("quantize_weights"):  # which may round small ones to zero
            assert (kept[~absent] != 0).all()
    # Each weight of the kernel serves the four places of the output, each dense weight one neuron.
    present = 4 * np.count_nonzero(converted["00Conv2D_2x2x3"].weight)
    present += np.count_nonzero(converted["02Dense_4"].weight)
    assert connectivity_statistics(converted).num_synapses == present


def test_weights_change_before_normalization_is_merged_into_them() -> None:
    """sign(0.3) * 0.5 = 0.5, not sign(0.15) = 1."""
    source = Network(
        layers=(
            Input(name="input", output_shape=(1,)),
            Dense(name="a", inputs=("input",), output_shape=(1,), weight_io=np.array([[0.3]]),
                  bias_o=np.zeros(1)),
            BatchNormalization(name="bn", inputs=("a",), output_shape=(1,), axis=0,
                               gain_c=np.array([0.5]), offset_c=np.array([0.25])),
        )
    )  # fmt: skip
    parsed = Parsed(source=source, parser=Given(), input_shape=None, network=run_structural(source))
    settings = Settings.of(
        {"cell": {"binarize_weights": True}, "normalization": {"method": "none"}}
    )
    network = convert(parsed, np.ones((2, 1), np.float32), settings=settings, check="off")
    assert network.output.weight == 0.5
    (line,) = costs(network)
    # The output goes from 0.3 * 0.5 + 0.25 to 0.5 + 0.25.
    assert line == (
        "binarize_weights: a; it changes outputs by 0.35 on average and 0.35 at most, and 0.00% of "
        "the decisions on the calibration data"
    )


def test_each_lossy_pass_states_its_own_cost() -> None:
    settings = preset("fast").updated(
        {"cell": {"binarize_weights": True, "quantize_weights": "Q0.3"}}
    )
    data = np.random.default_rng(0).random((20, 4, 4, 2)).astype("f4")
    first, second = costs(convert(run_structural(pruned()), data, settings=settings))
    assert first.startswith("binarize_weights: ")
    assert second.startswith("quantize_weights Q0.3: ")


def test_settings_take_true_false_and_formats() -> None:
    for value in (True, False, "Q1.6"):
        assert Settings.of({"cell": {"quantize_weights": value}}).cell.quantize_weights == value
    with pytest.raises(SettingsError, match=r"Qm\.f with 1 to 24 bits"):
        Settings.of({"cell": {"quantize_weights": "8 bits"}})


def test_nothing_lossy_happens_unless_it_is_asked_for() -> None:
    network = run_structural(pruned())
    data = np.random.default_rng(0).random((5, 4, 4, 2)).astype("f4")
    settings = preset("fast").updated({"normalization": {"method": "none"}})
    converted = convert(network, data, settings=settings)
    assert costs(converted) == []
    np.testing.assert_array_equal(predict(converted, data), predict(network, data))
    assert converted.output.activation == Linear()

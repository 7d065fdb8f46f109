"""Trials judge a network by what its outputs stand for, and by as many samples as that takes."""

import numpy as np
import pytest

from snn_core import convert
from snn_core.conversion import preset
from snn_core.conversion.trial import try_out
from snn_core.ir import Linear, Sigmoid
from snn_core.settings import Settings
from snn_core.simulation.statistics import wilson_interval
from snn_core.testing.builder import NetworkBuilder

EYE = np.eye(4)
X = np.random.default_rng(0).permuted(np.tile(np.arange(1, 5), (60, 1)), axis=1) / 4
"""Samples with the values 1/4, 2/4, 3/4 and 1 in any order."""
PLAIN = {
    "normalization": {"method": "none"},
    "simulation": {"duration": 8},
    "conversion": {"readout": "membrane"},
}
ORDER = np.array([[4], [-2], [1], [-2]]) / 4
"""Weights whose sum tells, by its sign, samples with a large first value."""


def trial_of(weight_io, y, *, hidden=EYE, x=X, activation=None, base=None, **sections):
    """Convert two dense layers and try them out; without scales, in 8 steps, read by potential."""
    builder = NetworkBuilder((4,)).dense(hidden)
    network = builder.dense(weight_io, activation=activation or Linear()).build()
    settings = (base or Settings.of(PLAIN)).updated(sections)
    data = x if y is None else (x, y)
    return try_out(convert(network, data, settings=settings, trial=False), data, source=network)


def signs(x_b_l):
    """Return whether the sum of each sample is above 0."""
    return (x_b_l @ ORDER > 0).astype(np.int64)[:, 0]


@pytest.mark.parametrize("activation", [Linear(), Sigmoid()])
def test_a_single_output_decides_between_two_classes(activation):
    found = trial_of(ORDER, signs(X), activation=activation)
    assert str(found).endswith("20 of 20 decisions as the analog network; 20 of 20 right")
    assert found.warnings == ()


def test_numbers_that_are_off_are_no_alarm_where_decisions_agree():
    # 6/10 of the activity is lost, from a sum that is far above 0.
    found = trial_of(np.ones((4, 1)), np.ones(60, np.int64), hidden=4 * EYE)
    assert found.output_error == 0.6
    assert (found.agreeing, found.right, found.warnings) == (20, 20, ())


def test_two_classes_of_which_the_spiking_network_knows_less():
    # If no neuron can spike more than the others, the sum is 0: always no.
    weights = np.array([[3], [-1], [-1], [-1]])
    yes = (X @ weights > 0).astype(np.int64)[:, 0]
    found = trial_of(weights, yes, hidden=4 * EYE)
    assert found.agreeing == 20 - yes[np.linspace(0, 59, 20).astype(int)].sum()
    assert found.right == found.agreeing
    assert found.analog_right == 20
    (warning,) = found.warnings
    assert f": {found.agreeing} of 20 decisions as the analog network, which stands" in warning
    assert "01Dense_4: 60% of its activity is above a spike in every step and lost" in warning


def test_an_analog_network_that_guesses_between_two_classes():
    (warning,) = trial_of(ORDER, 1 - signs(X)).warnings
    assert "analog network itself is right on 0 of 60 calibration samples" in warning


def test_a_lossy_pass_that_turns_one_of_two_classes_into_the_other():
    weights = np.array([[8], [-1], [-1], [-1]]) / 8
    settings = {"cell": {"binarize_weights": True}}
    y = (X @ weights > 0).astype(np.int64)[:, 0]
    (warning,) = trial_of(weights, y, **settings).warnings
    assert "the lossy binarize_weights alone changes " in warning


def test_several_labels_are_decisions_each():
    weights = np.concatenate([ORDER, -ORDER, np.ones((4, 1))], axis=1)
    y = np.stack([signs(X), X @ -ORDER[:, 0] > 0, np.ones(60)], axis=1)
    found = trial_of(weights, y, simulation={"task": "multilabel", "duration": 8})
    assert (found.samples, found.decisions) == (20, 60)
    assert str(found).endswith("60 of 60 labels as the analog network; 60 of 60 right")


def test_a_map_of_labels_is_a_decision_for_each_cell():
    network = NetworkBuilder((4, 4, 1)).conv2d(np.ones((1, 1, 1, 2)), activation=Sigmoid()).build()
    x = np.ones((3, 4, 4, 1), np.float32)
    found = try_out(convert(network, x, settings=PLAIN, trial=False), x, source=network)
    assert (found.samples, found.decisions, found.agreeing, found.right) == (3, 96, 96, None)


@pytest.mark.parametrize("samples", [1, 60])
def test_targets_that_never_change_have_no_share_of_their_variance(samples):
    y = np.ones((samples, 1), np.float32)
    found = trial_of(EYE[:, :1], y, x=X[:samples])
    assert (found.r2, found.analog_r2) == (None, None)
    assert found.mse == found.analog_mse > 0
    assert "R²" not in str(found)


@pytest.mark.parametrize("code", ["ttfs", "ttfs_dyn_thresh", "ttfs_corrective"])
def test_signs_that_a_code_does_not_tell_are_no_decisions(code):
    found = trial_of(ORDER, signs(X), base=preset("fast"), conversion={"spike_code": code})
    assert found.simulated
    assert (found.agreeing, found.right) == (None, None)
    assert found.output_error is not None


def test_numbers_have_squared_errors():
    y = np.float32(X.mean(axis=1, keepdims=True) + X[:, :1])
    found = trial_of(EYE[:, :1] + 0.25, y)
    assert (found.mse, found.analog_mse, found.r2, found.analog_r2) == (0, 0, 1, 1)
    assert str(found).endswith(
        "outputs 0.0% off those of the analog network; MSE 0 (analog network: 0), R² 1.000 "
        "(analog network: 1.000)"
    )
    assert found.warnings == ()


def test_numbers_without_targets_are_compared_with_each_other():
    found = trial_of(EYE[:, :1] + 0.25, None)
    assert (found.mse, found.output_error) == (None, 0)


def test_numbers_that_explain_less_than_those_of_the_analog_network():
    found = trial_of(EYE[:, :1], np.float32(4 * X[:, :1]), hidden=4 * EYE)
    assert found.analog_r2 == 1
    assert found.r2 < 0
    (warning,) = found.warnings
    assert f"MSE {found.mse:.3g} (analog network: 0), R² {found.r2:.3f} (analog" in warning


def test_numbers_that_are_off_are_no_alarm_where_the_error_hardly_grows():
    # The analog network has an error itself, beside which that of two steps is small.
    noise = np.where(np.arange(60)[:, None] % 2, 4, -4)
    y = np.float32(X[:, :1] + noise)
    found = trial_of(EYE[:, :1], y, simulation={"duration": 2})
    assert found.output_error > 0.1
    assert found.mse > found.analog_mse
    assert found.warnings == ()


@pytest.mark.parametrize("y", [None, np.float32(-X[:, :1])])
def test_counts_of_spikes_are_no_negative_numbers(y):
    (warning,) = trial_of(-EYE[:, :1], y, conversion={"readout": "counts"}).warnings
    assert (
        "02Dense_1: 100% of the outputs' size is negative, and counts of spikes have no" in warning
    )
    assert "negative values; convert with conversion.readout = 'membrane'" in warning
    assert "errors grow most" not in warning


@pytest.mark.parametrize("value", [0.125, 16.0])
def test_a_threshold_that_scales_do_not_know(value):
    (warning,) = trial_of(
        EYE, X.argmax(axis=1), base=preset("fast"), cell={"v_thresh": value}
    ).warnings
    assert f"cell.v_thresh = {value:g} has a spike stand for {value:g} of the scale" in warning
    assert "set it to 1" in warning
    assert "convert for more" not in warning


def lossy_at(wrong, *, number=100):
    """Try out a network that decides otherwise than its source for some samples only.

    Layers have 4 for each input, so that inputs up to 1/4 are exact and larger ones are lost.
    """
    x = np.tile(np.array([1, 0, 0, 2]) / 8, (number, 1))
    x[wrong] *= 4
    return trial_of(EYE, None, x=x, hidden=4 * EYE)


TWENTY = np.linspace(0, 99, 20).astype(int)


def test_more_samples_decide_where_twenty_are_too_few():
    by_chance = lossy_at(TWENTY[:4])  # 16 of the first 20, and 96 of 100
    assert (by_chance.samples, by_chance.agreeing, by_chance.warnings) == (100, 96, ())
    others = np.setdiff1d(np.arange(100), TWENTY)
    wrong = [*TWENTY[:4], *others[:16]]
    in_truth = lossy_at(wrong)  # 16 of the first 20, and 80 of 100
    assert (in_truth.samples, in_truth.agreeing) == (100, 80)
    (warning,) = in_truth.warnings
    assert "80 of 100 decisions as the analog network, which stands for 71% to 87% of" in warning


def test_too_few_samples_are_no_reason_to_warn():
    found = lossy_at(np.arange(4), number=20)
    assert (found.samples, found.agreeing, found.warnings) == (20, 16, ())
    assert str(found).endswith(
        "16 of 20 decisions as the analog network, which stands for 58% to 92% of all"
    )
    assert wilson_interval(16 / 20, 20)[1] > 0.9 > wilson_interval(15 / 20, 20)[1]
    assert len(lossy_at(np.arange(5), number=20).warnings) == 1

import numpy as np
import pytest

from snn_core.errors import DataError
from snn_plot.accuracy import (
    confusion,
    plot_confusion_matrix,
    plot_error_vs_time,
    plot_history,
    plot_param_sweep,
    wilson_interval,
)


def test_wilsons_interval_by_hand():
    # z = 2, n = 16, p = 3/4: z²/n = 1/4, centre = (3/4 + 1/8) / (5/4) = 7/10,
    # half = 2 / (5/4) * sqrt(3/16/16 + 4/4/256) = 8/5 * sqrt(4/256) = 1/5.
    low, high = wilson_interval(0.75, 16, z=2)
    assert float(low) == pytest.approx(0.5)
    assert float(high) == pytest.approx(0.9)


def test_wilsons_interval_stays_within_0_and_1():
    low, high = wilson_interval(np.array([0.0, 1.0]), 5)
    assert low[0] == 0
    assert high[1] == 1
    assert 0 < high[0] < 0.5
    assert 0.5 < low[1] < 1


def test_an_interval_needs_samples():
    with pytest.raises(DataError, match="Found 0 samples"):
        wilson_interval(0.5, 0)


def test_errors_are_averaged_over_all_samples():
    errors = np.array([[True, True], [True, False], [True, False], [True, False]])
    figure = plot_error_vs_time(errors, top1err_ann=0.125)
    curve, analog = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_ydata(), [100, 25])
    assert analog.get_ydata()[0] == 12.5


def test_confusions_are_counted_by_true_class():
    counts, undecided = confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, -1]))
    np.testing.assert_array_equal(counts, [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert undecided


def test_many_classes_have_no_numbers_in_their_cells():
    classes = np.arange(1000) % 100
    figure = plot_confusion_matrix(classes, classes)
    assert not figure.axes[0].texts


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: confusion(np.array([0, 1]), np.array([0])), "expected the same"),
        (lambda: confusion(np.array([]), np.array([])), "at least one"),
        (lambda: plot_confusion_matrix([0, 1], [0, 1], class_labels=["a"]), "1 names for 2"),
        (lambda: plot_param_sweep([0.5], 10, [1, 2], param_name="x"), "1 results for 2"),
        (lambda: plot_history({"lr": [1]}), "expected loss or accuracy"),
    ],
)
def test_data_that_do_not_fit_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_a_history_object_of_keras_is_read():
    class History:
        history = {"loss": [2.0, 1.0]}  # noqa: RUF012 - as Keras has it

    assert len(plot_history(History()).axes) == 1

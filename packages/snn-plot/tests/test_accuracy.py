import numpy as np
import pytest

from snn_core.errors import DataError
from snn_plot.accuracy import (
    confusion,
    plot_confusion_matrix,
    plot_error_vs_time,
    plot_history,
    plot_param_sweep,
)


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

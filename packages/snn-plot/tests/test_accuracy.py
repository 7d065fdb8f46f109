import numpy as np
import pytest

from snn_core.errors import DataError
from snn_plot import accuracy
from snn_plot.accuracy import (
    MOST_SHOWN,
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
    found = confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, -1]))
    np.testing.assert_array_equal(found.counts, [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert found.undecided
    assert (found.correct, found.remark) == (0.5, "")


def test_of_very_many_classes_those_are_shown_that_are_confused_most():
    number = MOST_SHOWN + 500
    true_b = np.repeat(np.arange(number), 2)
    decided_b = true_b.copy()
    decided_b[-4:] = [number - 1, number - 1, 0, -1]  # classes number - 2, twice, and number - 1
    found = confusion(true_b, decided_b)
    assert len(found.classes_c) == MOST_SHOWN
    assert found.remark == "1000 of 1\u202f500 classes: those confused most"
    assert {0, number - 2, number - 1} < set(found.classes_c.tolist())
    np.testing.assert_array_equal(found.counts[-2:, -3:], [[0, 2, 0], [0, 0, 1]])
    np.testing.assert_array_equal(found.counts[-1, :1], [1])
    assert found.correct == 1 - 4 / (2 * number)
    few = confusion(np.array([10**12, 3]), np.array([3, 3]))
    np.testing.assert_array_equal(few.counts, [[1, 0], [1, 0]])
    assert few.remark == "2 of 1\u202f000\u202f000\u202f000\u202f001 classes: those that occur"


def test_shares_are_of_all_samples_of_a_class_though_not_all_classes_are_shown(monkeypatch):
    monkeypatch.setattr(accuracy, "MOST_SHOWN", 2)
    figure = plot_confusion_matrix(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]))
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image, [[100 / 3, 100 / 3], [100, 0]])


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

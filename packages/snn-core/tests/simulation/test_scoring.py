import numpy as np

from snn_core.simulation.scoring import UNDECIDED, decisions, scores_over_time, top_k_errors


def output(*classes):
    """Return the output of one sample: a row of steps for each class."""
    return np.array([classes], np.float32)


def errors(output_b_c_t, labels_b, *, k):
    return top_k_errors(scores_over_time(output_b_c_t, readout="counts"), labels_b, k=k)


def test_spikes_so_far_decide_and_ties_go_to_the_lowest_class():
    spikes = output([0, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0])
    assert decisions(spikes, readout="counts").tolist() == [[UNDECIDED, 1, 0, 0]]


def test_potentials_decide_as_they_are_now():
    potentials = output([-3, 2, -1], [-2, 1, -1])
    assert decisions(potentials, readout="membrane").tolist() == [[1, 0, 0]]


def test_a_silent_output_is_wrong():
    silent = output([0, 0], [0, 0])
    found = errors(silent, np.array([0]), k=1)
    assert found.tolist() == [[True, True]]


def test_top_k_never_credits_silent_classes():
    spikes = output([0, 0], [0, 0], [1, 1], [0, 1])
    for label, expected in ((2, [False, False]), (3, [True, False]), (0, [True, True])):
        found = errors(spikes, np.array([label]), k=3)
        assert found.tolist() == [expected], label


def test_k_may_exceed_the_number_of_classes():
    found = errors(output([1, 1], [1, 0]), np.array([1]), k=9)
    assert found.tolist() == [[False, False]]


def test_every_sample_is_judged_by_its_own_label():
    spikes = np.array([[[1], [0]], [[0], [1]]], np.float32)
    found = errors(spikes, np.array([0, 0]), k=1)
    assert found.tolist() == [[False], [True]]

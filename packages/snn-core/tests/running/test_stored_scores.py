"""What a run may write of decisions and errors, and what none can."""

import numpy as np
import pytest

from snn_core.evaluation.forward import top_k_hits
from snn_core.running.stored_scores import check_scores
from snn_core.simulation.scoring import decide, top_k_errors

SAMPLES, OUTPUTS, STEPS = 40, 4, 3


def scores_of(kind, rng):
    """Return scores as a run may have them: ties are many, and some classes are silent."""
    scores_b_o_t = rng.integers(-2, 3, (SAMPLES, OUTPUTS, STEPS)).astype(np.float32)
    if kind == "counts":
        scores_b_o_t[scores_b_o_t <= 0] = -np.inf
    if kind == "diverging":
        for value in (np.nan, np.inf, -np.inf):
            scores_b_o_t[rng.random(scores_b_o_t.shape) < 0.1] = value
    return scores_b_o_t


def batch_of(kind, k, *, seed, has_outputs=True):
    """Return the arrays of a batch that was scored as runs are, and its description."""
    rng = np.random.default_rng(seed)
    scores_b_o_t = scores_of(kind, rng)
    labels_b = rng.integers(0, OUTPUTS, SAMPLES)
    # Rounding to float32 makes ties of what was decided.
    ann_b_o = rng.integers(-1, 2, (SAMPLES, OUTPUTS)) + 1e-12 * rng.random((SAMPLES, OUTPUTS))
    decision_b_t, ann_decision_b = decide(scores_b_o_t), ann_b_o.argmax(axis=1)
    output_b_o = scores_b_o_t[..., -1]
    if kind == "counts":
        output_b_o = np.float32(0.1) * np.maximum(output_b_o, 0) / np.float32(3)
    values = {
        "labels_b": labels_b,
        "targets_b_o": np.zeros((SAMPLES, 0)),
        "output_b_o": output_b_o if has_outputs else output_b_o[:, :0],
        "ann_output_b_o": ann_b_o.astype(np.float32),
        "decision_b_t": decision_b_t,
        "ann_decision_b": ann_decision_b,
        "error_b_t": decision_b_t != labels_b[:, None],
        "ann_error_b": ann_decision_b != labels_b,
        "deviation_b_t": decision_b_t != ann_decision_b[:, None],
        "topkerr_b_t": top_k_errors(scores_b_o_t, labels_b, k=k),
        "ann_topkerr_b": ~top_k_hits(ann_b_o, labels_b, k=k),
    }
    return values, {
        "task": "classification",
        "has_labels": True,
        "num_neurons": [6, OUTPUTS],
        "readout": "counts" if kind == "counts" else "membrane",
        "identity": {"settings": {"simulation": {"top_k": 5 if k == OUTPUTS else k}}},
    }


@pytest.mark.parametrize("has_outputs", [True, False])
@pytest.mark.parametrize("k", range(1, OUTPUTS + 1))
@pytest.mark.parametrize("kind", ["counts", "potentials", "diverging"])
def test_what_a_run_finds_is_accepted(kind, k, has_outputs):
    for seed in range(20):
        values, description = batch_of(kind, k, seed=seed, has_outputs=has_outputs)
        check_scores(values, description)
        check_scores(values, {**description, "readout": None})  # of older versions
        values["ann_output_b_o"] = values["ann_output_b_o"][:, :0]
        check_scores(values, description)


def refused(values, description):
    try:
        check_scores(values, description)
    except ValueError as error:
        return "topkerr_b" in str(error)
    return False


def changed(values, name, place):
    flipped = values[name].copy()
    flipped[place] = ~flipped[place]
    return {**values, name: flipped}


@pytest.mark.parametrize("readout", ["counts", None])
@pytest.mark.parametrize("k", range(1, OUTPUTS + 1))
def test_a_right_decision_is_among_the_best_classes(k, readout):
    values, description = batch_of("counts", k, seed=0)
    description["readout"] = readout
    right_b_t = ~values["error_b_t"]
    for place in zip(*np.nonzero(right_b_t), strict=True):
        is_known = readout == "counts" or place[1] == STEPS - 1  # where outputs tell
        assert refused(changed(values, "topkerr_b_t", place), description) == is_known


@pytest.mark.parametrize("kind", ["counts", "potentials", "diverging"])
def test_nothing_is_among_the_best_before_there_is_a_decision(kind):
    values, description = batch_of(kind, 2, seed=0)
    undecided = list(zip(*np.nonzero(values["decision_b_t"] < 0), strict=True))
    assert bool(undecided) == (kind == "counts")
    for place in undecided:
        assert refused(changed(values, "topkerr_b_t", place), description)


def test_the_best_class_is_the_decision():
    values, description = batch_of("counts", 1, seed=0)
    for place in np.ndindex(SAMPLES, STEPS):
        assert refused(changed(values, "topkerr_b_t", place), description)


@pytest.mark.parametrize("kind", ["counts", "potentials"])
def test_all_classes_that_are_not_silent_are_among_as_many_best_ones(kind):
    values, description = batch_of(kind, OUTPUTS, seed=0)
    own_b = values["output_b_o"][np.arange(SAMPLES), values["labels_b"]]
    for sample in np.flatnonzero(own_b > 0):
        assert refused(changed(values, "topkerr_b_t", (sample, STEPS - 1)), description)


@pytest.mark.parametrize("k", range(1, OUTPUTS + 1))
def test_the_best_classes_of_the_analog_network_are_those_of_its_outputs(k):
    values, description = batch_of("counts", k, seed=0)
    ann_b_o = values["ann_output_b_o"]
    for sample in range(SAMPLES):
        own = ann_b_o[sample, values["labels_b"][sample]]
        above, tied = (ann_b_o[sample] > own).sum(), (ann_b_o[sample] == own).sum() - 1
        is_open = above < k <= above + tied and values["ann_error_b"][sample]
        assert refused(changed(values, "ann_topkerr_b", sample), description) == (not is_open)


def test_the_last_decision_is_the_largest_count():
    values, description = batch_of("counts", 2, seed=0)
    output_b_o, decision_b = values["output_b_o"], values["decision_b_t"][:, -1]
    assert (decision_b < 0).any()
    for sample, decision in enumerate(decision_b):
        other = output_b_o.copy()
        other[sample] = np.eye(OUTPUTS)[decision + 1 - OUTPUTS]  # the next class alone spiked
        with pytest.raises(ValueError, match=r"decision_b_t is not the largest of .* in 1 of 40"):
            check_scores({**values, "output_b_o": other}, description)


def test_labels_without_an_output_are_refused():
    values, description = batch_of("counts", 1, seed=0)
    one = {name: values[name][:, :1] for name in ("output_b_o", "ann_output_b_o")}
    zero = {"ann_decision_b": 0 * values["ann_decision_b"], "decision_b_t": 0 * values["labels_b"]}
    zero["decision_b_t"] = np.zeros((SAMPLES, STEPS), int)
    wrong_b = values["labels_b"] != 0
    errors = {
        "error_b_t": np.repeat(wrong_b[:, None], STEPS, axis=1),
        "ann_error_b": wrong_b,
        "deviation_b_t": np.zeros((SAMPLES, STEPS)),
    }
    with pytest.raises(ValueError, match="labels_b holds 3 of 1 outputs"):
        check_scores({**values, **one, **zero, **errors}, {**description, "num_neurons": [6, 1]})

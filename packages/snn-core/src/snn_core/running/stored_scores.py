"""What decisions and errors of a batch must be, given its labels, outputs and task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_core.running.bounds import LARGEST, require, require_float32, require_within
from snn_core.typing import Array

_ERRORS = ("error_b_t", "ann_error_b", "deviation_b_t")

OF_CLASSES = ("classification", "binary")
"""Tasks whose decisions are classes."""

_SMALLEST_ROOT = 1e-18
"""Squares of smaller numbers are rounded away in float32."""


def check_scores(values: Mapping[str, Array], description: Mapping[str, Any]) -> None:
    """Make sure that decisions, errors, labels and outputs do not contradict each other.

    Parameters
    ----------
    values
        Arrays of a batch by their names, of the right shapes.
    description
        What `check_description` returned.

    Raises
    ------
    ValueError
        Names the array, what it holds and what was expected.
    """
    task, has_labels = description["task"], description["has_labels"]
    is_counted = description["readout"] == "counts"  # not known of older versions
    _check_truth(values, task, has_labels=has_labels)
    _check_errors(values, task, has_labels=has_labels)
    _check_wrong(values, task, has_labels=has_labels)
    _check_against_outputs(values, task, has_labels=has_labels)
    if task == "classification" and is_counted and values["output_b_o"].size:
        _check_decision(values)
    if task == "classification" and has_labels:
        known, largest = values["ann_output_b_o"].shape[1], values["labels_b"].max()
        require(not known or largest < known, f"labels_b holds {largest} of {known} outputs")
        outputs = description["num_neurons"][-1]
        k = min(description["identity"]["settings"]["simulation"]["top_k"], outputs)
        _check_best(values, k, outputs, is_counted=is_counted)
        _check_best_of_ann(values, k, outputs)


def _check_truth(values: Mapping[str, Array], task: str, *, has_labels: bool) -> None:
    """Make sure that labels, targets and decisions are those of the task."""
    of_classes = task in OF_CLASSES
    said = f"for the task {task!r} with{'' if has_labels else 'out'} labels that run.json tells of"
    labels, columns = values["labels_b"], values["targets_b_o"].shape[1]
    if of_classes and has_labels:
        require(bool((labels >= 0).all()), f"labels_b holds -1 {said}; expected classes")
    else:
        require(bool((labels == -1).all()), f"labels_b holds classes {said}; expected -1")
    wanted = 0 if of_classes or not has_labels else values["ann_output_b_o"].shape[1]
    require(columns == wanted, f"targets_b_o has {columns} columns {said}; expected {wanted}")
    for name in () if of_classes else ("decision_b_t", "ann_decision_b"):
        require(bool((values[name] == -1).all()), f"{name} holds classes {said}; expected -1")


def _check_errors(values: Mapping[str, Array], task: str, *, has_labels: bool) -> None:
    """Make sure that errors are shares, or squares where outputs are numbers; NaN if not known."""
    for name in _ERRORS:
        errors = values[name]
        if name != "deviation_b_t" and not has_labels:
            require(bool(np.isnan(errors).all()), f"{name} holds numbers of data without labels")
        elif task != "regression":
            require_within(name, errors, 0, 1)
        else:
            require(not (errors < 0).any(), f"{name} holds negative numbers")
            require_float32(name, errors)


def _check_wrong(values: Mapping[str, Array], task: str, *, has_labels: bool) -> None:
    """Make sure that decisions are called wrong where they differ from labels and nowhere else."""
    decision_b_t, ann_decision_b = values["decision_b_t"], values["ann_decision_b"]
    labels_b = values["labels_b"]
    wrong: dict[str, tuple[Array, str]] = {}
    if task in OF_CLASSES:
        said = "decision_b_t and ann_decision_b"
        wrong["deviation_b_t"] = decision_b_t != ann_decision_b[:, None], said
    if task in OF_CLASSES and has_labels:
        wrong["error_b_t"] = decision_b_t != labels_b[:, None], "decision_b_t and labels_b"
        wrong["ann_error_b"] = ann_decision_b != labels_b, "ann_decision_b and labels_b"
    if task == "binary" and has_labels:  # the best class is the only one
        wrong |= {"topkerr_b_t": wrong["error_b_t"], "ann_topkerr_b": wrong["ann_error_b"]}
    elif task != "classification" or not has_labels:
        for name in ("topkerr_b_t", "ann_topkerr_b"):
            wrong[name] = np.ones(values[name].shape, bool), "labels, of which there are none"
    for name, (expected, said) in wrong.items():
        number = int((values[name] != expected).sum())
        require(not number, f"{name} does not fit {said} in {number} of {expected.size} places")


def _check_against_outputs(values: Mapping[str, Array], task: str, *, has_labels: bool) -> None:
    """Make sure that the largest output was chosen, and that errors are squares of differences.

    Where an output is yes or no, the files do not tell above which number it is yes.
    """
    output_b_o, ann_b_o = values["output_b_o"], values["ann_output_b_o"]
    targets_b_o = values["targets_b_o"]
    if task == "classification" and ann_b_o.size:
        chosen_b = values["ann_decision_b"]
        is_class_b = (chosen_b >= 0) & (chosen_b < ann_b_o.shape[1])
        found_b = ann_b_o[np.arange(len(ann_b_o)), np.where(is_class_b, chosen_b, 0)]
        number = int((~is_class_b | (found_b < ann_b_o.max(axis=1))).sum())
        require(
            not number,
            f"ann_decision_b is not the largest of ann_output_b_o in {number} of {len(found_b)} "
            f"samples",
        )
    if task == "regression":
        _require_squares("deviation_b_t", values["deviation_b_t"][:, -1], output_b_o, ann_b_o)
    if task == "regression" and has_labels:
        _require_squares("error_b_t", values["error_b_t"][:, -1], output_b_o, targets_b_o)
        _require_squares("ann_error_b", values["ann_error_b"], ann_b_o, targets_b_o)


def _check_decision(values: Mapping[str, Array]) -> None:
    """Make sure that the last decision is the output with the largest count, if any has spiked.

    Counts are multiplied by scales in another order for outputs than for decisions; 1e-5 is more
    than rounding to float32 can make of it.
    """
    output_b_o, decision_b = values["output_b_o"], values["decision_b_t"][:, -1]
    most_b = output_b_o.max(axis=1)
    is_class_b = (decision_b >= 0) & (decision_b < output_b_o.shape[1])
    found_b = output_b_o[np.arange(len(output_b_o)), np.where(is_class_b, decision_b, 0)]
    fits_b = np.where(is_class_b, found_b >= most_b * (1 - 1e-5), (decision_b < 0) & (most_b <= 0))
    number = int((~fits_b).sum())
    require(
        not number,
        f"decision_b_t is not the largest of output_b_o in {number} of {len(fits_b)} samples",
    )


def _check_best(values: Mapping[str, Array], k: int, outputs: int, *, is_counted: bool) -> None:
    """Make sure that labels are called missing among the best classes where they can be.

    The decision is the best class, whichever k there are; before there is one, there is no class
    among the best. Potentials that are no numbers turn all of this around, but neither counts of
    spikes nor outputs above 0 come of them; the latter are never silent, either.
    """
    decision_b_t, missing_b_t = values["decision_b_t"], values["topkerr_b_t"]
    labels_b, output_b_o = values["labels_b"], values["output_b_o"]
    is_right_b_t = decision_b_t == labels_b[:, None]
    wrong_b_t = (decision_b_t < 0) & ~missing_b_t
    is_sure_b_t = np.full(decision_b_t.shape, is_counted)
    if output_b_o.size:
        is_above_b = output_b_o[np.arange(len(labels_b)), labels_b] > 0
        is_sure_b_t[:, -1] |= is_above_b
        wrong_b_t[:, -1] |= is_above_b & missing_b_t[:, -1] & (k == outputs)
    wrong_b_t |= is_sure_b_t & is_right_b_t & missing_b_t
    if is_counted and k == 1:
        wrong_b_t |= is_right_b_t == missing_b_t
    number = int(wrong_b_t.sum())
    require(
        not number,
        f"topkerr_b_t does not fit labels_b and the best {k} of {outputs} classes in {number} of "
        f"{wrong_b_t.size} places",
    )


def _check_best_of_ann(values: Mapping[str, Array], k: int, outputs: int) -> None:
    """Make sure that the analog network's best classes are those of its outputs, but for ties."""
    labels_b, ann_b_o = values["labels_b"], values["ann_output_b_o"]
    missing_b, is_right_b = values["ann_topkerr_b"], values["ann_decision_b"] == labels_b
    if ann_b_o.size:
        own_b_1 = ann_b_o[np.arange(len(labels_b)), labels_b][:, None]
        above_b = (ann_b_o > own_b_1).sum(axis=1)
        at_least_b = (ann_b_o >= own_b_1).sum(axis=1) - 1
    else:  # of older versions
        above_b = np.where(is_right_b, 0, 1)
        at_least_b = np.where(is_right_b, 0, outputs - 1)
    wrong_b = np.where(missing_b, (at_least_b < k) | is_right_b, above_b >= k)
    number = int(wrong_b.sum())
    require(
        not number,
        f"ann_topkerr_b does not fit labels_b and the best {k} of {outputs} classes in {number} of "
        f"{len(labels_b)} samples",
    )


def _require_squares(name: str, held_b: Array, found_b_o: Array, expected_b_o: Array) -> None:
    """Make sure that errors are mean squares of differences, as far as float32 has room for them.

    Rounding each number by a share of it changes the root of the mean square by at most that share
    of the numbers' own (the triangle inequality); 1e-5 leaves room for sums over many outputs.
    """
    held_b, found_b_o, expected_b_o = (
        array.astype(np.float64) for array in (held_b, found_b_o, expected_b_o)
    )
    with np.errstate(invalid="ignore", over="ignore"):  # of a network that diverges
        root_b, *sizes_b = (
            np.sqrt(np.square(array_b_o).mean(axis=1))
            for array_b_o in (found_b_o - expected_b_o, found_b_o, expected_b_o)
        )
        slack_b = 1e-5 * sum(sizes_b) + _SMALLEST_ROOT
        fits_b = np.isfinite(root_b) & (np.abs(np.sqrt(held_b) - root_b) <= slack_b)
        has_room_b = np.square(root_b) * found_b_o.shape[1] < LARGEST / 2
    number = int((~np.where(np.isfinite(held_b), fits_b, ~has_room_b)).sum())
    require(
        not number,
        f"{name} holds other than mean squares of differences in {number} of {len(held_b)} samples",
    )

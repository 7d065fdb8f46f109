"""What the arrays of a batch of a run must hold: shapes, ranges, and what its task asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snn_core.reading import spend
from snn_core.recording.log import SPIKETRAINS, Log
from snn_core.recording.spike_trains import CompactSpikes
from snn_core.running.stored import most_classes
from snn_core.typing import Array, Shape

ARRAYS: Mapping[str, tuple[str, str]] = {
    "sample_ids_b": ("i", "b"),
    "labels_b": ("i", "b"),
    "targets_b_o": ("fi", "bo"),
    "output_b_o": ("f", "bo"),
    "ann_output_b_o": ("f", "bo"),
    "error_b_t": ("fb", "bt"),
    "ann_error_b": ("fb", "b"),
    "deviation_b_t": ("fb", "bt"),
    "ann_decision_b": ("i", "b"),
    "ann_topkerr_b": ("b", "b"),
    "decision_b_t": ("i", "bt"),
    "topkerr_b_t": ("b", "bt"),
    "synaptic_operations_b_t": ("i", "bt"),
    "neuron_operations_b_t": ("i", "bt"),
    "spikes_b_n": ("i", "bn"),
    "simulate_s": ("f", "1"),
}
"""Arrays of a batch: kinds of their types, and what their axes count: samples (b), steps (t),
layers with neurons (n), outputs or no columns (o). `RunResult` describes them."""

_COUNTS = ("synaptic_operations_b_t", "neuron_operations_b_t", "spikes_b_n")
_CLASSES = ("labels_b", "ann_decision_b", "decision_b_t")
_ERRORS = ("error_b_t", "ann_error_b", "deviation_b_t")

OF_CLASSES = ("classification", "binary")
"""Tasks whose decisions are classes."""

_MOST = 2**53
"""Spikes or operations of a sample: whole numbers that a float64 holds."""

_LARGEST = float(np.finfo(np.float32).max)
"""What simulators compute with ends here."""

_SMALLEST_ROOT = 1e-18
"""Squares of smaller numbers are rounded away in float32."""


def check_batch(values: Mapping[str, Array], log: Log, description: Mapping[str, Any]) -> None:
    """Make sure that the arrays of a batch belong together and to their run.

    Potentials, and with them the outputs that are read from them and their errors, may be infinite
    or no numbers: those of a network that diverges are. Nothing else may, as samples and the analog
    network are checked before they are simulated.

    Parameters
    ----------
    values
        Arrays by the names in `ARRAYS`; all are there.
    log
        Recorded variables.
    description
        What `check_description` returned.

    Raises
    ------
    ValueError
        Names the array, what it holds and what was expected.
    """
    decisions = values["decision_b_t"]
    if decisions.ndim != 2 or 0 in decisions.shape:
        raise ValueError(f"decision_b_t has the shape {decisions.shape}; expected samples, steps")
    neurons = description["num_neurons"]
    sizes = {
        "b": decisions.shape[0], "t": decisions.shape[1], "n": len(neurons) - 1, "1": 1,
        "o": neurons[-1],
    }  # fmt: skip
    for name, (kinds, axes) in ARRAYS.items():
        _check_array(name, values[name], kinds, tuple(sizes[axis] for axis in axes), axes)
    _check_steps(sizes["t"], description["identity"]["settings"]["simulation"])
    _require_within("sample_ids_b", values["sample_ids_b"], 0, 2**62)
    for name in _COUNTS:
        _require_within(name, values[name], 0, _MOST)
        most = float(values[name].sum(axis=1, dtype=np.float64).max())
        _require(most <= _MOST, f"{name} holds {most:g} of a sample; expected at most {_MOST}")
    _require_within("simulate_s", values["simulate_s"], 0, _LARGEST)
    classes = most_classes(neurons[-1])
    for name in _CLASSES:
        low, high = int(values[name].min()), int(values[name].max())
        _require(low >= -1 and high < classes, f"{name} holds {low} to {high} of {classes} classes")
    _check_outputs(values, description)
    _check_truth(values, description["task"], has_labels=description["has_labels"])
    _check_errors(values, description["task"], has_labels=description["has_labels"])
    _check_wrong(values, description["task"], has_labels=description["has_labels"])
    _check_against_outputs(values, description["task"], has_labels=description["has_labels"])
    _check_log(log, sizes["b"], sizes["t"], dict(zip(description["layers"], neurons, strict=True)))
    _check_spikes(values["spikes_b_n"], log, description["layers"][1:])


def form_of(values: Mapping[str, Array], log: Log) -> dict[str, Shape]:
    """Return what all batches of a run have alike: their arrays' names, and shapes but for samples.

    Parameters
    ----------
    values, log
        As for `check_batch`.
    """
    form: dict[str, Shape] = {
        name: values[name].shape[1:] for name, (_, axes) in ARRAYS.items() if axes.startswith("b")
    }
    for name in log:
        entry = log.kept(name)
        if isinstance(entry, CompactSpikes):
            steps, _, *shape = entry.shape_t_b_l
            form[name] = (*shape, steps)
        else:
            form[name] = entry.shape[1:]
    return form


def check_form(found: Mapping[str, Shape], expected: Mapping[str, Shape]) -> None:
    """Make sure that a batch has the form of another one.

    Raises
    ------
    ValueError
        Names the first array that differs.
    """
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            held, there = (
                f"of the shape {form[name]} for each sample" if name in form else "missing"
                for form in (found, expected)
            )
            raise ValueError(f"{name} is {held}; in the batches before it is {there}")


def _check_array(name: str, array: Array, kinds: str, expected: Shape, axes: str) -> None:
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} holds {array.dtype}")
    empty = axes == "bo" and array.shape == (expected[0], 0)
    if array.shape != expected and not empty:
        raise ValueError(f"{name} has the shape {array.shape}; expected {expected}")


def _check_steps(steps: int, simulation: Mapping[str, Any]) -> None:
    wanted = simulation["duration"] / simulation["dt"]
    # A quotient that overflows is no number of steps, either.
    _require(
        math.isfinite(wanted) and steps == round(wanted),
        f"decision_b_t holds {steps} steps; the settings in run.json ask for {wanted:g}",
    )


def _check_outputs(values: Mapping[str, Array], description: Mapping[str, Any]) -> None:
    """Make sure that outputs are there where they must be, and finite where they can only be so."""
    known, ann = (bool(values[name].size) for name in ("output_b_o", "ann_output_b_o"))
    _require(known or description["task"] != "regression", "output_b_o has no columns")
    is_old = description.get("format_version", 2) < 2
    _require(ann or (is_old and not known), "ann_output_b_o has no columns")
    for name in ("targets_b_o", "ann_output_b_o"):
        _require_within(name, values[name], -_LARGEST, _LARGEST)
    _require_float32("output_b_o", values["output_b_o"])


def _check_truth(values: Mapping[str, Array], task: str, *, has_labels: bool) -> None:
    """Make sure that labels, targets and decisions are those of the task."""
    of_classes = task in OF_CLASSES
    said = f"for the task {task!r} with{'' if has_labels else 'out'} labels that run.json tells of"
    labels, columns = values["labels_b"], values["targets_b_o"].shape[1]
    if of_classes and has_labels:
        _require(bool((labels >= 0).all()), f"labels_b holds -1 {said}; expected classes")
    else:
        _require(bool((labels == -1).all()), f"labels_b holds classes {said}; expected -1")
    wanted = 0 if of_classes or not has_labels else values["ann_output_b_o"].shape[1]
    _require(columns == wanted, f"targets_b_o has {columns} columns {said}; expected {wanted}")
    for name in () if of_classes else ("decision_b_t", "ann_decision_b"):
        _require(bool((values[name] == -1).all()), f"{name} holds classes {said}; expected -1")


def _check_errors(values: Mapping[str, Array], task: str, *, has_labels: bool) -> None:
    """Make sure that errors are shares, or squares where outputs are numbers; NaN if not known."""
    for name in _ERRORS:
        errors = values[name]
        if name != "deviation_b_t" and not has_labels:
            _require(bool(np.isnan(errors).all()), f"{name} holds numbers of data without labels")
        elif task != "regression":
            _require_within(name, errors, 0, 1)
        else:
            _require(not (errors < 0).any(), f"{name} holds negative numbers")
            _require_float32(name, errors)


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
        _require(not number, f"{name} does not fit {said} in {number} of {expected.size} places")


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
        _require(
            not number,
            f"ann_decision_b is not the largest of ann_output_b_o in {number} of {len(found_b)} "
            f"samples",
        )
    if task == "regression":
        _require_squares("deviation_b_t", values["deviation_b_t"][:, -1], output_b_o, ann_b_o)
    if task == "regression" and has_labels:
        _require_squares("error_b_t", values["error_b_t"][:, -1], output_b_o, targets_b_o)
        _require_squares("ann_error_b", values["ann_error_b"], ann_b_o, targets_b_o)


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
        has_room_b = np.square(root_b) * found_b_o.shape[1] < _LARGEST / 2
    number = int((~np.where(np.isfinite(held_b), fits_b, ~has_room_b)).sum())
    _require(
        not number,
        f"{name} holds other than mean squares of differences in {number} of {len(held_b)} samples",
    )


def _check_spikes(spikes_b_n: Array, log: Log, layers: Sequence[str]) -> None:
    """Make sure that the spikes of layers are as many as were recorded, where they were."""
    for number_b, layer in zip(spikes_b_n.T, layers, strict=True):
        trains = log.kept(f"{SPIKETRAINS}{layer}") if f"{SPIKETRAINS}{layer}" in log else None
        if isinstance(trains, CompactSpikes) and (trains.number_b != number_b).any():
            raise ValueError(
                f"spikes_b_n tells of {number_b.sum()} spikes of {layer}; {trains.number_b.sum()} "
                f"were recorded, or they are of other samples"
            )


def _require_within(name: str, array: Array, low: float, high: float) -> None:
    """Make sure that numbers lie in a range, which what is no number does not."""
    if not array.size:
        return
    # Both pass on NaN; plain numbers, as half precision has no room for the limits.
    least, most = array.min().item(), array.max().item()
    if not (low <= least and most <= high):
        found = most if low <= least else least
        raise ValueError(f"{name} holds {found}; expected {low:g} to {high:g}")


def _require_float32(name: str, array: Array) -> None:
    """Make sure that an array holds nothing between the largest float32 and infinity."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        finite = array[np.isfinite(array)]
        _require_within(name, finite, -_LARGEST, _LARGEST)


def _require(condition: bool, problem: str) -> None:  # noqa: FBT001
    if not condition:
        raise ValueError(problem)


def _check_log(log: Log, samples: int, steps: int, neurons: Mapping[str, int]) -> None:
    """Make sure that recorded variables are those of known layers, for all samples and steps."""
    for name in log:
        entry = log.kept(name)
        variable, _, layer = name.partition("/")
        if name == "input":
            layer = next(iter(neurons))
        elif layer not in neurons:
            raise ValueError(f"{name} was recorded of no layer of the network")
        if isinstance(entry, CompactSpikes):
            time, batch, *shape = entry.shape_t_b_l
            spend(math.prod(entry.shape_t_b_l), name)  # as dense arrays, which figures need
        elif variable in ("mem", "input"):
            batch, *shape, time = entry.shape
        elif variable == "activations":
            (batch, *shape), time = entry.shape, steps
        else:
            raise ValueError(f"{name} is no variable that is recorded")
        if not isinstance(entry, CompactSpikes) and entry.dtype.kind not in "fiub":
            raise ValueError(f"{name} holds {entry.dtype}")
        if (batch, time, math.prod(shape)) != (samples, steps, neurons[layer]):
            raise ValueError(
                f"{name} holds {batch} samples of {math.prod(shape)} neurons in {time} steps; "
                f"expected {samples}, {neurons[layer]} and {steps}"
            )
        if isinstance(entry, CompactSpikes):
            continue
        if variable == SPIKETRAINS.rstrip("/"):
            raise ValueError(f"{name} holds no spike trains")
        if variable == "mem":
            _require_float32(name, entry)
        else:
            _require_within(name, entry, -_LARGEST, _LARGEST)

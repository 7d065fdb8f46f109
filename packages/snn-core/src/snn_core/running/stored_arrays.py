"""What the arrays of a batch of a run must hold: shapes, ranges, and what its task asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snn_core.reading import spend
from snn_core.recording.log import SPIKETRAINS, Log
from snn_core.recording.spike_trains import CompactSpikes
from snn_core.running.bounds import LARGEST, require, require_float32, require_within
from snn_core.running.stored import asked_variables, most_classes
from snn_core.running.stored_scores import check_scores
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

_MOST = 2**53
"""Spikes or operations of a sample: whole numbers that a float64 holds."""


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
    require_within("sample_ids_b", values["sample_ids_b"], 0, 2**62)
    for name in _COUNTS:
        require_within(name, values[name], 0, _MOST)
        most = float(values[name].sum(axis=1, dtype=np.float64).max())
        require(most <= _MOST, f"{name} holds {most:g} of a sample; expected at most {_MOST}")
    require_within("simulate_s", values["simulate_s"], 0, LARGEST)
    classes = most_classes(neurons[-1])
    for name in _CLASSES:
        low, high = int(values[name].min()), int(values[name].max())
        require(low >= -1 and high < classes, f"{name} holds {low} to {high} of {classes} classes")
    _check_outputs(values, description)
    check_scores(values, description)
    _check_log(log, sizes["b"], sizes["t"], dict(zip(description["layers"], neurons, strict=True)))
    _check_asked(log, description)
    _check_spikes(values["spikes_b_n"], log, description["layers"][1:])


def _check_asked(log: Log, description: Mapping[str, Any]) -> None:
    """Make sure that the variables are recorded that the settings ask for, and no others."""
    asked = asked_variables(description)
    if asked is None:
        return
    recorded = {name.partition("/")[0] for name in log}
    for name in sorted(recorded - asked):
        raise ValueError(f"{name} was recorded, which output.log_vars in run.json does not ask for")
    is_old = description.get("format_version", 2) < 2  # and may have passed over some
    for name in () if is_old else sorted(asked - recorded):
        raise ValueError(f"{name} was not recorded, which output.log_vars in run.json asks for")


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
    require(
        math.isfinite(wanted) and steps == round(wanted),
        f"decision_b_t holds {steps} steps; the settings in run.json ask for {wanted:g}",
    )


def _check_outputs(values: Mapping[str, Array], description: Mapping[str, Any]) -> None:
    """Make sure that outputs are there where they must be, and finite where they can only be so."""
    known, ann = (bool(values[name].size) for name in ("output_b_o", "ann_output_b_o"))
    require(known or description["task"] != "regression", "output_b_o has no columns")
    is_old = description.get("format_version", 2) < 2
    require(ann or (is_old and not known), "ann_output_b_o has no columns")
    for name in ("targets_b_o", "ann_output_b_o"):
        require_within(name, values[name], -LARGEST, LARGEST)
    require_float32("output_b_o", values["output_b_o"])


def _check_spikes(spikes_b_n: Array, log: Log, layers: Sequence[str]) -> None:
    """Make sure that the spikes of layers are as many as were recorded, where they were."""
    for number_b, layer in zip(spikes_b_n.T, layers, strict=True):
        trains = log.kept(f"{SPIKETRAINS}{layer}") if f"{SPIKETRAINS}{layer}" in log else None
        if isinstance(trains, CompactSpikes) and (trains.number_b != number_b).any():
            raise ValueError(
                f"spikes_b_n tells of {number_b.sum()} spikes of {layer}; {trains.number_b.sum()} "
                f"were recorded, or they are of other samples"
            )


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
            require_float32(name, entry)
        else:
            require_within(name, entry, -LARGEST, LARGEST)

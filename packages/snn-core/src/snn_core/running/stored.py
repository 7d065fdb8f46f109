"""What the files of a result folder must hold: a run's description, its summary, its batches.

A result folder is input like any other: it may come from elsewhere, be cut off or edited. Whoever
uses a run gets it from `snn_core.running.folder`, which checks it here, once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from snn_core.codes import CODES
from snn_core.reading import spend
from snn_core.recording.log import SPIKETRAINS, Log
from snn_core.recording.spike_trains import CompactSpikes
from snn_core.simulation.tasks import TASKS
from snn_core.typing import Array, Shape

Number = Annotated[int, Field(ge=0, lt=2**62)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


MOST_BYTES = 2**26
"""Size of ``run.json`` and of ``summary.json``; the numbers of a million samples take a third."""

LONGEST_TEXT = 2**14
"""Letters of a text in them; a path has 4096."""


def require_short_texts(found: Mapping[str, Any]) -> None:
    """Make sure that no text is longer than what a page, a table or a terminal can show.

    Raises
    ------
    ValueError
        Names the text.
    """
    waiting: list[tuple[str, Any]] = [("", found)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += ((f"a name in {where or 'it'}", name) for name in value)
            waiting += ((f"{where}.{name}".strip(".")[:_SHOWN], x) for name, x in value.items())
        elif isinstance(value, (list, tuple)):
            waiting += ((where, item) for item in value)
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise ValueError(
                f"{where} is a text of {len(value)} letters; expected at most {LONGEST_TEXT}"
            )


_SHOWN = 200
"""Letters of a text's place in a message."""


class _Stored(BaseModel):
    """An object whose known entries are checked; others are kept."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Conversion(_Stored):
    spike_code: Literal[tuple(CODES)]  # type: ignore[valid-type]
    readout: Literal["counts", "membrane"] = "counts"
    window_steps: Number = 1


class _Simulation(_Stored):
    dt: Annotated[Finite, Field(gt=0)]
    top_k: Annotated[Number, Field(ge=1)] = 5


class _Settings(_Stored):
    conversion: _Conversion
    simulation: _Simulation


class _Identity(_Stored):
    simulator: str
    samples: Annotated[Number, Field(ge=1)]
    settings: _Settings
    simulator_version: str = "unknown"
    network_sha256: str = ""
    data_sha256: str = ""


class _Model(_Stored):
    name: str = ""
    origin: str = ""
    parameters: Number | None = None


class _Description(_Stored):
    """The content of ``run.json``."""

    identity: _Identity
    layers: Annotated[list[str], Field(min_length=2)]
    num_neurons: list[Number]
    ann_operations: Number
    num_synapses: Number | None = None
    model: _Model = _Model()
    data: str = ""
    task: Literal[tuple(TASKS)] = "classification"  # type: ignore[valid-type]
    has_labels: bool = True
    input: str = ""
    classes: list[str] = []
    warnings: list[str] = []
    versions: dict[str, str] = {}
    hardware: str | None = None
    details: dict[str, Any] = {}

    @model_validator(mode="after")
    def _require_number_for_each_layer(self) -> _Description:
        if len(self.layers) != len(self.num_neurons) or not all(self.num_neurons):
            raise ValueError(
                f"{len(self.layers)} layers with {self.num_neurons} neurons do not fit together"
            )
        return self


def check_description(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked content of ``run.json``; what older versions left out is filled in.

    Raises
    ------
    ValueError
        If anything is missing or impossible, or a text is too long.
    """
    require_short_texts(found)
    return _Description.model_validate(found).model_dump(mode="python")


_SUMMARY = TypeAdapter(dict[str, str | int | Finite | list[str] | None])
_TEXTS = frozenset({"simulator", "spike_code", "task", "classes"})


def check_summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked content of ``summary.json``.

    Raises
    ------
    ValueError
        If a figure is no number, or a text is too long.
    """
    require_short_texts(found)
    figures = _SUMMARY.validate_python(found, strict=True)
    wrong = [
        name
        for name, value in figures.items()
        if name not in _TEXTS and not (value is None or isinstance(value, (int, float)))
    ]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: expected numbers")
    return figures


ARRAYS: Mapping[str, tuple[str, str]] = {
    "sample_ids_b": ("iu", "b"),
    "labels_b": ("iu", "b"),
    "targets_b_o": ("fiu", "bo"),
    "output_b_o": ("f", "bo"),
    "ann_output_b_o": ("f", "bo"),
    "error_b_t": ("fb", "bt"),
    "ann_error_b": ("fb", "b"),
    "deviation_b_t": ("fb", "bt"),
    "ann_decision_b": ("iu", "b"),
    "ann_topkerr_b": ("b", "b"),
    "decision_b_t": ("iu", "bt"),
    "topkerr_b_t": ("b", "bt"),
    "synaptic_operations_b_t": ("iu", "bt"),
    "neuron_operations_b_t": ("iu", "bt"),
    "spikes_b_n": ("iu", "bn"),
    "simulate_s": ("f", "1"),
}
"""Arrays of a batch: kinds of their types, and what their axes count: samples (b), steps (t),
layers with neurons (n), outputs or no columns (o). `RunResult` describes them."""

_COUNTS = ("synaptic_operations_b_t", "neuron_operations_b_t", "spikes_b_n", "sample_ids_b")
_CLASSES = ("labels_b", "ann_decision_b", "decision_b_t")


def check_batch(values: Mapping[str, Array], log: Log, description: Mapping[str, Any]) -> None:
    """Make sure that the arrays of a batch belong together and to their run.

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
    for name in _COUNTS:
        _require(bool((values[name] >= 0).all()), f"{name} holds negative numbers")
    for name in ("error_b_t", "ann_error_b"):
        known = not description["has_labels"] or bool(np.isfinite(values[name]).all())
        _require(known, f"{name} holds values that are no numbers")
    seconds = values["simulate_s"]
    _require(bool((np.isfinite(seconds) & (seconds >= 0)).all()), f"simulate_s holds {seconds}")
    classes = max(neurons[-1], 2)  # one output tells two apart
    for name in _CLASSES:
        low, high = int(values[name].min()), int(values[name].max())
        _require(low >= -1 and high < classes, f"{name} holds {low} to {high} of {classes} classes")
    _check_log(log, sizes["b"], sizes["t"], dict(zip(description["layers"], neurons, strict=True)))


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
        if variable == SPIKETRAINS.rstrip("/") and not isinstance(entry, CompactSpikes):
            raise ValueError(f"{name} holds no spike trains")

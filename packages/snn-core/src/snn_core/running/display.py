"""Results of a run as texts and tables: for the command line, Python shells and notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from snn_core.ir.display import html_table
from snn_core.operations import format_operations
from snn_core.typing import Array

if TYPE_CHECKING:
    from snn_core.running.result import RunResult

_SCORES = (
    ("accuracy", "accuracy", ".2%"),
    ("all labels right", "exact_match", ".2%"),
    ("mean squared error", "mse", ".4g"),
    ("R²", "r2", ".4f"),
    ("same decision", "agreement", ".2%"),
    ("difference", "difference", ".4g"),
)
"""What to call a measure, its name, and how it is written."""

HEADER = ("", "spiking", "analog")
"""What stands in the columns of `measures`."""


def headline(result: RunResult) -> str:
    """Return what was run, in one line."""
    summary = result.summary()
    task = "" if result.task == "classification" else f", {result.task}"
    labels = "" if result.has_labels else ", no labels"
    stopped = ", stopped" if result.interrupted else ""
    return (
        f"{summary['simulator']}, {summary['spike_code']}: {result.samples} samples, "
        f"{result.timesteps} steps of {summary['dt_ms']:g} ms{task}{labels}{stopped}"
    )


def measures(result: RunResult) -> list[tuple[str, str, str]]:
    """Return the figures of a run as texts: what it is, and of the spiking and analog network."""
    spiking = result.synaptic_operations_per_sample + result.neuron_operations_per_sample
    analog = float(result.ann_operations_per_sample)
    return [
        *_scores(result),
        ("operations per sample", format_operations(spiking), format_operations(analog)),
        ("spikes per neuron and step", f"{result.mean_rate:.4f}", ""),
        ("time per sample and step", f"{result.us_per_sample_step:.2f} µs", ""),
    ]


def _scores(result: RunResult) -> Iterator[tuple[str, str, str]]:
    """Yield the measures that a task has."""
    found = result.scores()
    for title, name, form in _SCORES:
        if name in found:
            values = [found.get(key) for key in (name, f"ann_{name}")]
            texts = ["" if value is None else format(value, form) for value in values]
            yield title, texts[0] or "–", texts[1]


def describe_result(result: RunResult) -> str:
    """Return what a run reached, in one line."""
    scores = [
        f"{title} {spiking}{f' (analog {analog})' if analog else ''}"
        for title, spiking, analog in _scores(result)
    ]
    recorded = [f".logged({name!r})" for name in result.recorded]
    more = f"; recorded: {', '.join(recorded)}" if recorded else ""
    return f"RunResult: {headline(result)}; {', '.join(scores)}{more}"


def result_html(result: RunResult) -> str:
    """Return the figures of a run as an HTML table."""
    return html_table(HEADER, measures(result), title=headline(result))


def samples_table(result: RunResult) -> dict[str, Array]:
    """Return one value for each sample of a run, by name of the column; see `RunResult.table`."""
    columns: dict[str, Array] = {"sample": result.sample_ids_b}
    of_classes = result.task in ("classification", "binary")
    if of_classes:
        columns |= {"label": result.labels_b} if result.has_labels else {}
        columns |= {"decision": result.decision_b, "analog_decision": result.ann_decision_b}
    if result.has_labels:
        columns |= {"error": result.error_b_t[:, -1], "analog_error": result.ann_error_b}
    columns |= {
        "spikes": result.spikes_b_n.sum(axis=1),
        "synaptic_operations": result.synaptic_operations_b_t.sum(axis=1),
        "neuron_operations": result.neuron_operations_b_t.sum(axis=1),
    }
    if not of_classes:
        outputs = {
            "target": result.targets_b_o,
            "output": result.output_b_o,
            "analog_output": result.ann_output_b_o,
        }
        columns |= {
            f"{name}_{o}": np.asarray(values_b_o[:, o])
            for name, values_b_o in outputs.items()
            for o in range(values_b_o.shape[1])
        }
    return columns
